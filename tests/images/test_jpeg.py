"""JPEGs: the quick ways give what the general one gives, pixel for pixel and reason for reason."""

import base64
import io

import numpy as np
import pytest
from PIL import Image, features

from sigsearch import ImageError
from sigsearch.images import decoding, jpeg, read_pixels
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
        if jpeg._simplejpeg() is None:
            pytest.skip("Pillow is built with another libjpeg")
    else:
        monkeypatch.setattr(jpeg, "_simplejpeg", lambda: None)
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
        ImageError, match=r"^cannot read it: it has 80 x 60 pixels, more than the limit of 4799$"
    ):
        jpeg.read_jpeg(data, "it", Limits(pixels=4799))


@needs_turbo
def test_the_optional_decoder_is_used_where_it_is_there(monkeypatch):
    simplejpeg = pytest.importorskip("simplejpeg")
    assert jpeg._simplejpeg() is simplejpeg.decode_jpeg


def test_with_another_libjpeg_in_pillow_the_optional_decoder_is_not_used(monkeypatch):
    monkeypatch.setattr(features, "check_feature", lambda name: False)
    assert jpeg._simplejpeg.__wrapped__() is None
