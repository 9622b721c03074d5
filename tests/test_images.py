"""Reading pictures: every kind of source, what a person sees, one clear error for the rest."""

import io
import os
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

import sigsearch
from sigsearch import ImageError
from sigsearch.images import LUMA, WHITE, picture_endings, read_pixels
from sigsearch.limits import Limits
from sigsearch.sources import find_pictures

HERE = Limits(private_addresses=True)


def encoded(image, format, **options):
    stream = io.BytesIO()
    image.save(stream, format, **options)
    return stream.getvalue()


@pytest.fixture
def rgb(small_picture):
    return Image.fromarray(small_picture)


@pytest.fixture
def png(rgb, tmp_path):
    path = tmp_path / "picture.png"
    rgb.save(path)
    return path


def test_every_kind_of_source_gives_the_same_pixels(png, rgb, small_picture):
    with png.open("rb") as file:
        sources = [str(png), png, png.read_bytes(), bytearray(png.read_bytes()), memoryview(png.read_bytes())]
        sources += [file, io.BytesIO(png.read_bytes()), rgb, small_picture]
        for source in sources:
            assert np.array_equal(read_pixels(source), small_picture), type(source)


@pytest.fixture
def server(tmp_path):
    """Addresses of files in tmp_path, on loopback."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=tmp_path)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_a_url_is_read(png, server, small_picture):
    assert np.array_equal(read_pixels(f"{server}/picture.png?size=3", limits=HERE), small_picture)


def test_a_url_with_a_space_in_it_is_read(png, server, small_picture):
    png.rename(png.with_name("a picture.png"))
    assert np.array_equal(read_pixels(f"{server}/a picture.png", limits=HERE), small_picture)


def test_a_url_that_is_not_there_says_so(server):
    with pytest.raises(ImageError, match=r"/none\.png: HTTP Error 404"):
        read_pixels(f"{server}/none.png", limits=HERE)


def test_a_url_nobody_answers_says_so():
    with pytest.raises(ImageError, match=r"^cannot read http://127\.0\.0\.1:9/a\.png: .*refused"):
        read_pixels("http://127.0.0.1:9/a.png", limits=HERE)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_exif_orientation_is_applied(rgb, orientation, mode):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(rgb.convert(mode), "JPEG", quality=95, exif=exif)
    with Image.open(io.BytesIO(data)) as image:
        upright = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
        assert np.array_equal(read_pixels(data), upright)
        assert np.array_equal(read_pixels(image), upright)


@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_exif_orientation_of_a_tiff_is_applied_once(rgb, orientation):
    data = encoded(rgb, "TIFF", tiffinfo={0x0112: orientation})
    with Image.open(io.BytesIO(data)) as image:
        assert np.array_equal(read_pixels(data), np.asarray(ImageOps.exif_transpose(image)))


def test_alpha_is_composited_on_white(rgb, small_picture):
    alpha = np.zeros(small_picture.shape[:2], np.uint8)
    alpha[:, 20:] = 255
    alpha[:, 40:] = 51  # a fifth
    rgba = np.dstack([small_picture, alpha])
    expected = small_picture.copy()
    expected[:, :20] = 255
    expected[:, 40:] = np.rint(small_picture[:, 40:] / 5 + 255 * 4 / 5)
    assert np.array_equal(read_pixels(rgba), expected)
    assert np.array_equal(read_pixels(Image.fromarray(rgba)), expected)
    assert np.array_equal(read_pixels(encoded(Image.fromarray(rgba), "PNG")), expected)


def test_alpha_of_grey_is_composited_on_white():
    image = Image.merge("LA", [Image.new("L", (4, 4), 100), Image.new("L", (4, 4), 0)])
    assert (read_pixels(encoded(image, "PNG")) == 255).all()


def test_a_palette_is_applied(rgb):
    palette = rgb.quantize(32)
    expected = np.asarray(palette.convert("RGB"))
    assert np.array_equal(read_pixels(encoded(palette, "PNG")), expected)
    assert np.array_equal(read_pixels(encoded(palette, "GIF")), expected)


def test_the_transparent_colour_of_a_palette_is_white(rgb):
    palette = rgb.quantize(8)
    data = encoded(palette, "PNG", transparency=3)
    expected = np.asarray(palette.convert("RGB")).copy()
    expected[np.asarray(palette) == 3] = 255
    assert np.array_equal(read_pixels(data), expected)


def test_the_transparent_colour_of_rgb_is_white(small_picture):
    small_picture[:5] = (1, 2, 3)
    expected = small_picture.copy()
    expected[(small_picture == (1, 2, 3)).all(axis=2)] = 255
    data = encoded(Image.fromarray(small_picture), "PNG", transparency=(1, 2, 3))
    assert np.array_equal(read_pixels(data), expected)


def test_cmyk_is_converted(rgb):
    data = encoded(rgb.convert("CMYK"), "JPEG", quality=98)
    with Image.open(io.BytesIO(data)) as image:
        assert image.mode == "CMYK"
        assert np.array_equal(read_pixels(data), np.asarray(image.convert("RGB")))


def test_black_and_white_are_converted():
    image = Image.new("1", (4, 4), 1)
    assert (read_pixels(encoded(image, "PNG")) == 255).all()


def test_the_first_frame_or_page_is_taken(rgb, small_picture):
    other = Image.new("RGB", rgb.size, "red")
    for format in ("GIF", "TIFF", "WEBP", "PNG", "MPO"):
        options = {"lossless": True} if format == "WEBP" else {}
        one = encoded(rgb, "JPEG" if format == "MPO" else format, **options)
        both = encoded(rgb, format, save_all=True, append_images=[other], **options)
        with Image.open(io.BytesIO(both)) as image:
            assert image.n_frames == 2
        assert np.array_equal(read_pixels(both), read_pixels(one)), format


def test_sixteen_bits_are_scaled(small_picture):
    deep = small_picture[:, :, 0].astype(np.uint16) * 257
    expected = small_picture[:, :, 0].astype(np.int32) * (WHITE // 255)
    assert np.array_equal(read_pixels(deep), expected)
    assert np.array_equal(read_pixels(encoded(Image.fromarray(deep), "PNG")), expected)
    assert np.array_equal(read_pixels(encoded(Image.fromarray(deep), "TIFF")), expected)
    assert np.array_equal(read_pixels(Image.fromarray(deep)), expected)


def test_all_ways_to_write_one_picture_as_an_array_have_one_signature(small_picture):
    signature = sigsearch.compute_signature(small_picture)
    opaque = np.full(small_picture.shape[:2], 255, np.uint8)
    for array in (
        small_picture.astype(np.uint16) * 257,
        small_picture / 255,
        (small_picture / 255).astype(np.float32),
        np.dstack([small_picture, opaque]),
        np.dstack([small_picture, opaque]) / 255,
        small_picture @ np.array(LUMA) / WHITE,
        np.asfortranarray(small_picture),
        small_picture[::-1][::-1],
    ):
        assert np.array_equal(sigsearch.compute_signature(array), signature), array.dtype


def test_grey_arrays_are_rgb_of_equal_channels(small_picture):
    grey = small_picture[:, :, 0]
    expected = np.dstack([grey, grey, grey])
    assert np.array_equal(read_pixels(grey), expected)
    assert np.array_equal(read_pixels(grey[:, :, np.newaxis]), expected)


def test_alpha_of_deep_arrays_is_composited_on_white():
    rgba = np.zeros((2, 2, 4), np.uint16)
    rgba[0, :, 3] = 65535
    assert read_pixels(rgba).tolist() == [[0, 0], [WHITE, WHITE]]


def test_a_float_file_out_of_range_is_stretched(small_picture):
    values = small_picture[:, :, 0].astype(np.float32) - 1000
    stretched = read_pixels(encoded(Image.fromarray(values), "TIFF"))
    assert stretched.min() == 0
    assert stretched.max() == WHITE


def test_booleans_are_black_and_white():
    assert read_pixels(np.array([[True, False]])).tolist() == [[WHITE, 0]]


def error_of(source):
    with pytest.raises(ImageError) as caught:
        read_pixels(source)
    assert "\n" not in str(caught.value)
    assert str(caught.value) == f"cannot read {caught.value.source}: {caught.value.reason}"
    return str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    assert error_of(tmp_path / "none.jpg") == f"cannot read {tmp_path / 'none.jpg'}: no such file"


def test_a_folder_is_not_a_picture(tmp_path):
    assert error_of(tmp_path) == f"cannot read {tmp_path}: it is a folder, wanted a picture file"


def test_an_empty_file_is_named(tmp_path):
    (tmp_path / "empty.jpg").touch()
    assert error_of(tmp_path / "empty.jpg").endswith("empty.jpg: it is empty (0 bytes)")


def test_text_named_jpg_is_not_a_picture(tmp_path):
    (tmp_path / "text.jpg").write_text("hello\n" * 100)
    assert error_of(tmp_path / "text.jpg").endswith(
        "text.jpg: its content is not a picture of a known format"
    )


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_truncated_jpeg_is_refused(caravaggio, tmp_path, share):
    data = caravaggio.read_bytes()
    path = tmp_path / "cut.jpg"
    path.write_bytes(data[: int(share * len(data))])
    assert "cut.jpg: image file is truncated" in error_of(path)
    assert error_of(path.read_bytes()).startswith(f"cannot read picture of {path.stat().st_size} bytes: ")


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    assert "it is not a regular file" in error_of(tmp_path / "pipe.jpg")


def test_a_file_open_as_text_is_refused(png):
    with png.open(encoding="latin-1") as file:
        assert "open it in binary mode" in error_of(file)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (None, "wanted a path, URL, bytes"),
        (3, "wanted a path, URL, bytes"),
        ("", "no such file"),
        ("a\0b", "embedded null"),
        (b"", "it is empty"),
        (np.zeros((0, 5), np.uint8), "it has no pixels"),
        (np.zeros(5, np.uint8), r"wanted shape \(h, w\), \(h, w, 3\) or \(h, w, 4\), found \(5,\)"),
        (np.zeros((5, 5, 2), np.uint8), r"found \(5, 5, 2\)"),
        (np.zeros((5, 5), np.int64), "wanted pixels of type uint8, uint16, float or bool, found int64"),
        (np.zeros((5, 5), complex), "found complex128"),
        (np.full((5, 5), 255.0), "wanted pixels from 0 to 1, found 255 to 255"),
        (np.full((5, 5), np.nan), "not finite"),
        (np.zeros(647, np.int8), r"found \(647,\)"),
    ],
)
def test_anything_else_is_refused_with_a_reason(source, reason):
    with pytest.raises(ImageError, match=reason):
        read_pixels(source)


def test_pictures_are_found_in_order_below_a_folder(tmp_path):
    for name in ("b.JPG", "a.png", "notes.txt", ".hidden.png", "deep/er/c.webp", ".cache/d.png", "e.mpg"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    found = [str(Path(path).relative_to(tmp_path)) for path in find_pictures(tmp_path)]
    assert found == ["a.png", "b.JPG", str(Path("deep/er/c.webp"))]


def test_a_folder_that_may_not_be_read_is_not_passed_over_in_silence(tmp_path, monkeypatch):
    (tmp_path / "closed").mkdir()
    listing = os.scandir

    def scandir(folder):
        if Path(folder).name == "closed":
            raise PermissionError(13, "Permission denied", str(folder))
        return listing(folder)

    monkeypatch.setattr(os, "scandir", scandir)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert list(find_pictures(tmp_path)) == [str(tmp_path / "closed")]
    assert "a folder that may not be read" in error_of(tmp_path / "closed")


def test_the_usual_endings_are_pictures():
    assert {".jpg", ".jpeg", ".png", ".gif", ".webp", ".tif", ".tiff", ".bmp"} <= picture_endings()
    assert not {".txt", ".mpg", ".h5", ".eps", ".pdf"} & picture_endings()


def test_the_reason_is_the_decoders_own_and_not_imageios():
    assert error_of(b"P5 2 2 99999\n").endswith("maxval must be greater than 0 and less than 65536")
