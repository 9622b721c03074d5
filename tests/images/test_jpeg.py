"""JPEGs: the quick ways give what the general one gives, pixel for pixel; scaled ones are nearly as exact."""

import base64
import io

import numpy as np
import pytest
from PIL import Image, ImageOps, features

import sigsearch
from sigsearch import ImageError, Scheme
from sigsearch.images import decoding, jpeg, read_picture, read_pixels
from sigsearch.limits import Limits
from sigsearch.testing.pictures import make_picture

ARITHMETIC = base64.b64decode("""
    /9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABQODxIPDRQSEBIXFRQYHjIhHhwcHj0sLiQySUBMS0dA
    RkVQWnNiUFVtVkVGZIhlbXd7gYKBTmCNl4x9lnN+gXz/2wBDARUXFx4aHjshITt8U0ZTfHx8fHx8
    fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHz/yQARCAAMABADASIA
    AhEBAxEB/8wACgAQEAUBEBEF/9oADAMBAAIRAxEAPwDQqvbvU/J54yp1NarH2o5vF39nx7kfBnJy
    3owcrIdLFx3fKd6Qa299a/PAE/OXAMUk61FqPDv7oTjuokD/2Q==
""")
"""16 x 12 pixels, by libjpeg-turbo's cjpeg -arithmetic."""

needs_turbo = pytest.mark.skipif(
    not features.check_feature("libjpeg_turbo"), reason="Pillow is built with another libjpeg"
)


def photograph(width, height, seed=7):
    """A made picture with fine grain, so that every way to round or smooth shows."""
    rgb = make_picture(seed)
    grain = np.random.default_rng(seed).normal(0, 12, (height, width, 3))
    grown = np.asarray(Image.fromarray(rgb).convert("RGB").resize((width, height)))
    return Image.fromarray(np.clip(grown + grain, 0, 255).astype(np.uint8))


def encoded(image, **options):
    stream = io.BytesIO()
    image.save(stream, "JPEG", **options)
    return stream.getvalue()


@pytest.fixture(params=["simplejpeg", "Pillow"])
def way(request, monkeypatch):
    """The quick way with the optional decoder, and without it."""
    if request.param == "simplejpeg":
        pytest.importorskip("simplejpeg")
        if jpeg.optional_decoder() is None:
            pytest.skip("Pillow is built with another libjpeg")
    else:
        monkeypatch.setattr(jpeg, "optional_decoder", lambda: None)
    return request.param


def generally(data, monkeypatch):
    """The pixels by the general way, or its reason."""
    with monkeypatch.context() as without:
        without.setattr(decoding, "read_jpeg", lambda *args: None)
        return answer(data)


def answer(data):
    try:
        return read_pixels(data)
    except ImageError as error:
        return str(error)


def is_quick(data):
    return jpeg.read_jpeg(data, "it", Limits()) is not None


@pytest.mark.parametrize("size", [(1, 1), (7, 5), (16, 16), (33, 50), (203, 131)])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"quality": 100, "subsampling": "4:4:4"},
        {"quality": 30, "subsampling": "4:2:0"},
        {"subsampling": "4:2:2"},
        {"progressive": True},
        {"progressive": True, "subsampling": "4:4:4", "quality": 95},
        {"restart_marker_blocks": 3},
        {"keep_rgb": True, "quality": 80},
    ],
    ids=str,
)
def test_pixels_are_those_of_the_general_way(way, size, options, monkeypatch):
    data = encoded(photograph(*size), **options)
    assert is_quick(data)
    assert np.array_equal(read_pixels(data), generally(data, monkeypatch))


@pytest.mark.parametrize("subsampling", ["440", "411"])
def test_pixels_of_rare_subsampling_are_those_of_the_general_way(way, subsampling, monkeypatch):
    simplejpeg = pytest.importorskip("simplejpeg")
    for size in ((7, 5), (33, 50), (203, 131)):
        data = simplejpeg.encode_jpeg(np.asarray(photograph(*size)), 90, "RGB", subsampling)
        assert is_quick(data)
        assert np.array_equal(read_pixels(data), generally(data, monkeypatch))


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"quality": 20}], ids=str)
def test_grey_becomes_rgb_of_equal_channels(way, options, monkeypatch):
    data = encoded(photograph(67, 45).convert("L"), **options)
    assert is_quick(data)
    pixels = read_pixels(data)
    assert np.array_equal(pixels, generally(data, monkeypatch))
    assert (pixels == pixels[:, :, :1]).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(way, orientation, monkeypatch):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(photograph(80, 60), exif=exif)
    assert is_quick(data)
    pixels = read_pixels(data)
    assert pixels.shape == ((80, 60, 3) if orientation > 4 else (60, 80, 3))
    assert np.array_equal(pixels, generally(data, monkeypatch))


def test_an_orientation_in_xmp_alone_is_applied(way, monkeypatch):
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    data = encoded(photograph(80, 60), xmp=xmp)
    assert np.array_equal(read_pixels(data), generally(data, monkeypatch))
    assert read_pixels(data).shape == (80, 60, 3)


def test_arithmetic_coding_is_read(way, monkeypatch):
    pixels = read_pixels(ARITHMETIC)
    assert pixels.shape == (12, 16, 3)
    assert np.array_equal(pixels, generally(ARITHMETIC, monkeypatch))


def test_of_several_pictures_in_one_file_the_first_is_read(way, monkeypatch):
    stream = io.BytesIO()
    photograph(80, 60).save(stream, "MPO", save_all=True, append_images=[photograph(40, 30, seed=8)])
    data = stream.getvalue()
    assert is_quick(data)
    assert np.array_equal(read_pixels(data), generally(data, monkeypatch))


def test_cmyk_is_left_to_the_general_way(way):
    assert not is_quick(encoded(photograph(80, 60).convert("CMYK")))


def test_twelve_bits_are_left_to_the_general_way(way, monkeypatch):
    data = bytearray(encoded(photograph(80, 60)))
    data[data.index(b"\xff\xc0") + 4] = 12
    assert not is_quick(bytes(data))
    assert answer(bytes(data)) == generally(bytes(data), monkeypatch)


@pytest.mark.parametrize("progressive", [False, True])
def test_wherever_a_file_is_cut_pixels_or_reason_are_those_of_the_general_way(way, progressive, monkeypatch):
    data = encoded(photograph(80, 60), progressive=progressive)
    refused = 0
    for length in [*range(1, 700, 23), *range(700, len(data), 211), len(data) - 2, len(data) - 1]:
        found, wanted = answer(data[:length]), generally(data[:length], monkeypatch)
        assert np.array_equal(found, wanted), length
        refused += isinstance(wanted, str)
    assert refused > 30


@pytest.mark.parametrize("progressive", [False, True])
def test_whatever_byte_is_wrong_pixels_or_reason_are_those_of_the_general_way(way, progressive, monkeypatch):
    data = encoded(photograph(80, 60), progressive=progressive)
    rng = np.random.default_rng(7)
    for place in rng.integers(2, len(data), 300):
        wrong = bytearray(data)
        wrong[place] = rng.integers(256)
        assert np.array_equal(answer(bytes(wrong)), generally(bytes(wrong), monkeypatch)), place


@pytest.mark.parametrize("tail", [b"\0" * 100, b"\xff\xd8\xff more", b"text"])
def test_what_follows_the_end_changes_nothing(way, tail, monkeypatch):
    data = encoded(photograph(80, 60))
    assert np.array_equal(read_pixels(data + tail), read_pixels(data))
    assert np.array_equal(generally(data + tail, monkeypatch), read_pixels(data))


def test_scans_that_are_missing_before_a_sound_end_are_smoothed_alike(way, monkeypatch):
    data = encoded(photograph(80, 60), progressive=True)
    scans = [place for place in range(len(data) - 1) if data[place : place + 2] == b"\xff\xda"]
    for place in scans[1:]:
        cut = data[:place] + b"\xff\xd9"
        assert np.array_equal(answer(cut), generally(cut, monkeypatch))


def test_more_pixels_than_the_limit_are_refused_before_they_are_decoded(way, monkeypatch):
    data = encoded(photograph(80, 60))
    monkeypatch.setattr(jpeg, "_pixels", lambda *args: pytest.fail("decoded"))
    with pytest.raises(
        ImageError, match=r"^cannot read it: it has 80 x 60 pixels, more than the limit of 4,799 "
    ):
        jpeg.read_jpeg(data, "it", Limits(pixels=4799))


@needs_turbo
def test_the_optional_decoder_is_used_where_it_is_there(monkeypatch):
    simplejpeg = pytest.importorskip("simplejpeg")
    assert jpeg.optional_decoder() is simplejpeg.decode_jpeg


def test_with_another_libjpeg_in_pillow_the_optional_decoder_is_not_used(monkeypatch):
    monkeypatch.setattr(features, "check_feature", lambda name: False)
    assert jpeg.optional_decoder.__wrapped__() is None


def scaled_by_pillow(data, scale):
    """The pixels of a JPEG that Pillow decodes at 1/scale, as they are stored."""
    with Image.open(io.BytesIO(data)) as image:
        image.draft("RGB", (image.width // scale, image.height // scale))
        return np.asarray(image.convert("RGB"))


def enlarged(data, scale):
    """A JPEG as Pillow decodes it at 1/scale, each pixel repeated, cut to the size in full and turned."""
    pixels = scaled_by_pillow(data, scale).repeat(scale, axis=0).repeat(scale, axis=1)
    with Image.open(io.BytesIO(data)) as image:
        cut = Image.fromarray(pixels[: image.height, : image.width])
        cut.info["exif"] = image.info.get("exif", b"")
    return np.asarray(ImageOps.exif_transpose(cut))


@pytest.mark.parametrize(
    ("size", "side", "scale"),
    [
        ((640, 480), 481, 1),
        ((640, 480), 241, 1),
        ((640, 480), 240, 2),
        ((481, 640), 240, 2),
        ((640, 480), 121, 2),
        ((640, 480), 120, 4),
        ((1600, 1023), 128, 4),
        ((1600, 1024), 128, 8),
        ((1024, 1600), 64, 8),
    ],
)
def test_the_scale_is_the_smallest_that_leaves_the_shorter_side_its_pixels(way, size, side, scale):
    picture = read_picture(encoded(photograph(*size), quality=60), decode_side=side)
    assert picture.scale == scale
    assert picture.size == size[::-1]
    assert picture.pixels.shape[:2] == tuple(-(-length // scale) for length in size[::-1])


@pytest.mark.parametrize("side", [64, 128, 256])
@pytest.mark.parametrize("size", [(600, 512), (607, 515), (513, 799)])
@pytest.mark.parametrize(
    "options",
    [
        {"subsampling": "4:4:4"},
        {"subsampling": "4:2:2"},
        {"subsampling": "4:2:0"},
        {"progressive": True},
        {"restart_marker_blocks": 3},
    ],
    ids=str,
)
def test_scaled_pixels_are_those_of_pillows_draft_mode(way, options, size, side):
    data = encoded(photograph(*size), **options)
    picture = read_picture(data, decode_side=side)
    assert picture.scale == 512 // side
    assert np.array_equal(picture.pixels, scaled_by_pillow(data, picture.scale))


@pytest.mark.parametrize("subsampling", ["440", "411"])
@pytest.mark.parametrize("side", [64, 128, 256])
def test_scaled_pixels_of_rare_subsampling_are_those_of_pillows_draft_mode(way, subsampling, side):
    simplejpeg = pytest.importorskip("simplejpeg")
    data = simplejpeg.encode_jpeg(np.asarray(photograph(607, 515)), 90, "RGB", subsampling)
    picture = read_picture(data, decode_side=side)
    assert picture.scale == 512 // side
    assert np.array_equal(picture.pixels, scaled_by_pillow(data, picture.scale))


@pytest.mark.full_size
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("side", [64, 128, 256])
def test_a_scaled_signature_is_that_of_the_picture_whose_pixels_are_repeated(way, orientation, side):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(photograph(607, 515), exif=exif)  # no multiples of 2, 4 and 8
    whole = enlarged(data, 512 // side)
    scheme = Scheme(decode_side=side)
    assert np.array_equal(
        sigsearch.compute_signature(data, scheme=scheme), sigsearch.compute_signature(whole)
    )
    assert np.array_equal(
        sigsearch.compute_orientations(data, scheme=scheme), sigsearch.compute_orientations(whole)
    )


@pytest.mark.parametrize("orientation", range(1, 9))
def test_signatures_are_those_of_the_picture_really_turned(way, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(photograph(80, 60), exif=exif)
    pixels = read_pixels(data)
    assert np.array_equal(sigsearch.compute_signature(data), sigsearch.compute_signature(pixels))
    assert np.array_equal(sigsearch.compute_orientations(data), sigsearch.compute_orientations(pixels))


def test_a_scaled_signature_of_grey_is_that_of_the_picture_whose_pixels_are_repeated(way):
    data = encoded(photograph(607, 515).convert("L"))
    scaled = sigsearch.compute_signature(data, scheme=Scheme(decode_side=128))
    assert np.array_equal(scaled, sigsearch.compute_signature(enlarged(data, 4)))


def test_a_scaled_signature_is_near_the_exact_one(way, caravaggio, mona_lisa):
    for path in (caravaggio, mona_lisa):
        scaled = sigsearch.compute_signature(path, scheme=Scheme(decode_side=100))
        assert 0 < sigsearch.distance(sigsearch.compute_signature(path), scaled) < 0.1


@pytest.mark.full_size
def test_where_lines_without_a_difference_move_the_window_the_picture_is_decoded_in_full(way):
    framed = Image.new("RGB", (640, 512), "black")
    framed.paste(photograph(480, 384), (80, 64))
    data = encoded(framed)
    scheme = Scheme(decode_side=128)
    assert read_picture(data, decode_side=128).scale == 4
    assert not np.array_equal(
        sigsearch.compute_signature(data), sigsearch.compute_signature(enlarged(data, 4))
    )
    assert np.array_equal(sigsearch.compute_signature(data, scheme=scheme), sigsearch.compute_signature(data))
    assert np.array_equal(
        sigsearch.compute_orientations(data, scheme=scheme), sigsearch.compute_orientations(data)
    )


@pytest.mark.parametrize("side", [None, 64])
def test_a_picture_is_decoded_once(way, side, monkeypatch):
    calls = []
    pixels = jpeg._pixels
    monkeypatch.setattr(jpeg, "_pixels", lambda *args: calls.append(args) or pixels(*args))
    sigsearch.compute_signature(encoded(photograph(320, 240)), scheme=Scheme(decode_side=side))
    assert len(calls) == 1


def test_a_picture_without_features_has_none_scaled_either(way):
    data = encoded(Image.new("RGB", (640, 512), "navy"))
    assert not sigsearch.compute_signature(data, scheme=Scheme(decode_side=64)).any()


def test_what_is_no_plain_jpeg_is_never_scaled(way):
    picture = photograph(600, 512)
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    pixels = np.asarray(picture)
    for source in (stream.getvalue(), encoded(picture.convert("CMYK")), picture, pixels):
        assert read_picture(source, decode_side=64).scale == 1
        assert np.array_equal(
            sigsearch.compute_signature(source, scheme=Scheme(decode_side=64)),
            sigsearch.compute_signature(source),
        )


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_truncated_jpeg_is_refused_scaled_too(way, caravaggio, share):
    data = caravaggio.read_bytes()
    with pytest.raises(ImageError, match="image file is truncated"):
        read_picture(data[: int(share * len(data))], decode_side=64)


def test_the_limit_is_of_the_pixels_in_full(way):
    data = encoded(photograph(640, 480))
    with pytest.raises(ImageError, match="it has 640 x 480 pixels, more than the limit of 300,000"):
        read_picture(data, decode_side=64, limits=Limits(pixels=300_000))


@pytest.mark.parametrize("location", ["memory://", "local"])
def test_an_index_of_a_scheme_that_scales_stores_and_searches_scaled(way, location, tmp_path, caravaggio):
    scheme = Scheme(decode_side=100)
    expected = sigsearch.compute_signature(caravaggio, scheme=scheme)
    place = str(tmp_path / "index.sig") if location == "local" else location
    with sigsearch.open(place, scheme=scheme) as index:
        index.add(caravaggio, id="one")
        index.add_many([sigsearch.Item(image=caravaggio, id="many")])
        assert all(np.array_equal(index.get(id).views[0].signature, expected) for id in ("one", "many"))
        assert [match.distance for match in index.search(caravaggio)] == [0, 0]
        assert index.search(caravaggio, all_orientations=True)[0].orientation == "as-is"
        assert index.search(sigsearch.compute_signature(caravaggio))[0].distance > 0
    if location == "local":
        with pytest.raises(
            sigsearch.SchemeMismatchError, match=r"open it with scheme=Scheme\(decode_side=100\)"
        ):
            sigsearch.open(place, scheme=Scheme())
        with sigsearch.open(place) as index:  # as the index has it
            assert index.scheme == scheme
            assert [match.distance for match in index.search(caravaggio)] == [0, 0]
