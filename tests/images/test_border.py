"""Borders: the box inside is where the picture was put, and a view of it is that of the pixels cut out."""

import io

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageOps

import sigsearch
from sigsearch import Box, ImageError, InputError, Scheme
from sigsearch import _kernels as kernels
from sigsearch.images import WHITE, inside_borders, jpeg, read_pixels
from sigsearch.signatures import compute_query_views
from sigsearch.testing.pictures import make_picture

LEVEL = WHITE // 255
WIDTHS = [(40, 40, 40, 40), (0, 30, 0, 30), (50, 0, 0, 0), (0, 0, 12, 0), (20, 5, 60, 100)]
"""Columns and rows put left, above, right and below."""


def picture(size=(320, 240), seed=3):
    return Image.fromarray(make_picture(seed, size))


def encoded(image, format="JPEG", **options):
    stream = io.BytesIO()
    image.save(stream, format, **options)
    return stream.getvalue()


def decoded(data):
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def box_of(image, widths):
    left, top = widths[:2]
    return left, top, left + image.width, top + image.height


def off(found, expected):
    """By how many lines the first of some boxes lies inside the expected one, side by side."""
    return [int(n) for n in np.subtract(found[0], expected) * (1, 1, -1, -1)]


def cut(pixels, box):
    return np.ascontiguousarray(pixels[box.top : box.bottom, box.left : box.right])


# Boxes


@pytest.mark.parametrize("colour", ["black", "white", (90, 120, 60)])
@pytest.mark.parametrize("widths", WIDTHS)
def test_what_is_inside_a_border_begins_a_line_after_it(widths, colour):
    framed = np.asarray(ImageOps.expand(picture(), widths, colour))
    assert off(inside_borders(framed), box_of(picture(), widths)) == [int(n > 0) for n in widths]


def test_a_picture_without_a_border_has_no_box():
    for seed in range(20):
        assert inside_borders(make_picture(seed)) == []


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (2, 2), (5, 4), (300, 200), (200, 1)])
def test_a_picture_of_one_colour_has_no_box(shape):
    assert inside_borders(np.full((*shape, 3), 77, np.uint8)) == []


@pytest.mark.parametrize("widths", WIDTHS)
def test_grey_has_the_box_of_rgb(widths):
    framed = np.asarray(ImageOps.expand(picture(), widths, "white"))
    grey = framed.astype(np.int32) @ np.array([2125, 7154, 721], np.int32)
    assert inside_borders(grey) == inside_borders(framed) != []


@pytest.mark.parametrize("quality", [20, 50, 80])
@pytest.mark.parametrize("colour", ["black", "white", "teal"])
def test_a_border_of_a_jpeg_is_found_but_for_a_block(quality, colour):
    widths = (40, 30, 35, 50)
    data = encoded(ImageOps.expand(picture(), widths, colour), quality=quality)
    assert all(-8 <= n <= 3 for n in off(inside_borders(decoded(data)), box_of(picture(), widths)))


@pytest.mark.parametrize("factor", [0.37, 0.5, 1.9])
def test_a_border_of_a_scaled_picture_is_cut_off_with_its_blurred_edge(factor):
    framed = ImageOps.expand(picture((800, 600)), (100, 80, 100, 80), "black")
    size = tuple(round(factor * side) for side in framed.size)
    scaled = np.asarray(framed.resize(size, Image.Resampling.LANCZOS))
    expected = [factor * side for side in (100, 80, 900, 680)]
    assert all(-2 <= n <= 4 for n in off(inside_borders(scaled), expected))


def test_a_slightly_uneven_border_is_one():
    framed = np.asarray(ImageOps.expand(picture(), 40, (180, 180, 180))).astype(np.float64)
    shaded = framed + np.linspace(-5, 5, framed.shape[1])[:, np.newaxis]
    assert off(inside_borders(np.clip(shaded, 0, 255).astype(np.uint8)), (40, 40, 360, 280)) == [1, 1, 1, 1]


def test_a_border_with_a_line_of_text_is_one():
    framed = ImageOps.expand(picture((640, 480)), (90, 80, 0, 0), (200, 210, 220))
    ImageDraw.Draw(framed).text((40, 20), "12:30   File  Edit  View", "black", font_size=36)
    assert off(inside_borders(np.asarray(framed)), (90, 80, 730, 560)) == [1, 1, 0, 0]


def test_frames_within_frames_give_a_box_each_at_most_three():
    framed, expected = picture(), []
    for colour in ("black", "white", "gray", "black", "white"):
        expected = [np.add(box, (20, 20, 20, 20)) for box in [(0, 0, *framed.size), *expected]]
        framed = ImageOps.expand(framed, 20, colour)
    boxes = inside_borders(np.asarray(framed))
    assert len(boxes) == 3
    for box, outer in zip(boxes, expected, strict=False):
        assert all(0 <= n <= 3 for n in off([box], outer))


def test_a_thin_frame_on_a_margin_is_cut_off_with_it():
    thin = ImageOps.expand(picture(), 4, "black")
    framed = np.asarray(ImageOps.expand(thin, 40, "white"))
    assert off(inside_borders(framed)[-1:], (44, 44, 364, 284)) == [1, 1, 1, 1]


def test_a_border_of_less_than_a_hundredth_is_none():
    assert inside_borders(np.asarray(ImageOps.expand(picture(), (0, 1, 0, 0), "black"))) == []
    assert inside_borders(np.asarray(ImageOps.expand(picture(), (1, 0, 1, 1), "black"))) == []


@pytest.mark.parametrize(("side", "boxes"), [(100, 1), (98, 1), (97, 0)])
def test_a_fifth_of_each_side_is_left_at_least(side, boxes):
    sheet = Image.new("RGB", (480, 480), "white")
    sheet.paste(picture((side, 300)), (200, 100))
    assert len(inside_borders(np.asarray(sheet))) == boxes


@settings(deadline=None, derandomize=True, max_examples=40)
@given(
    hnp.arrays(
        np.uint8,
        st.tuples(st.integers(1, 12), st.integers(1, 12), st.just(3)),
        elements=st.sampled_from([0, 9, 255]),
    ),
    st.tuples(*[st.integers(0, 6)] * 4),
    st.sampled_from([1, 5, 50]),
)
def test_boxes_lie_inside_each_other_and_turn_with_the_picture(inner, widths, factor):
    left, top, right, bottom = widths
    pixels = np.pad(inner, ((top, bottom), (left, right), (0, 0)), constant_values=100)
    pixels = pixels.repeat(factor, axis=1)
    boxes = inside_borders(pixels)
    height, width = pixels.shape[:2]
    outer = (0, 0, width, height)
    for box in boxes:
        assert box.left >= outer[0]
        assert box.top >= outer[1]
        assert box.right <= outer[2]
        assert box.bottom <= outer[3]
        assert 5 * (box.right - box.left) >= width
        assert 5 * (box.bottom - box.top) >= height
        outer = box
    mirrored = inside_borders(np.ascontiguousarray(pixels[:, ::-1]))
    assert mirrored == [(width - box.right, box.top, width - box.left, box.bottom) for box in boxes]
    turned = inside_borders(np.ascontiguousarray(np.rot90(pixels)))
    assert turned == [(box.top, width - box.right, box.bottom, width - box.left) for box in boxes]


@settings(deadline=None, derandomize=True, max_examples=200)
@given(
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 3), st.integers(0, 3)),
    st.integers(0, 3),
    st.sampled_from([0, 8, 30]),
    st.sampled_from([(97, 60, 3), (100, 100, 0), (70, 30, 1), (95, 50, 40)]),
    st.integers(0, 2**32 - 1),
)
def test_the_width_of_a_border_equals_its_twin(shape, margins, side, levels, shares, seed):
    rng = np.random.default_rng(seed)
    down, across = shape
    pixels = rng.choice(np.array([3, 9, 40], np.uint8), (*shape, 3), p=[0.8, 0.15, 0.05])
    box = [min(margins[0], across - 1), min(margins[1], down - 1)]
    box += [max(across - margins[2], box[0] + 1), max(down - margins[3], box[1] + 1)]
    most = (box[2] - box[0]) if side % 2 == 0 else (box[3] - box[1])
    for each in (pixels, pixels[:, :, 0] * np.int32(LEVEL) + pixels[:, :, 1]):
        found = kernels.border_width(
            np.ascontiguousarray(each), np.array(box), side, most, levels * LEVEL, *shares
        )
        assert found == reference.border_width(each, box, side, most, levels * LEVEL, *shares)


def test_of_a_long_line_some_pixels_are_looked_at_from_both_ends():
    pixels = np.full((3, 1000), 50 * LEVEL, np.int32)
    pixels[:, 1:-1:3] = WHITE  # among every third, from the left or the right, none is at an end
    box = np.array([0, 0, 1000, 3])
    for side in (1, 3):
        found = kernels.border_width(pixels, box, side, 3, 0, 97, 60, 0)
        assert found == reference.border_width(pixels, [0, 0, 1000, 3], side, 3, 0, 97, 60, 0) == 3


# Views


@pytest.mark.parametrize("widths", WIDTHS)
def test_views_are_those_of_the_whole_and_of_the_pixels_cut_out(widths):
    pixels = np.asarray(ImageOps.expand(picture(), widths, "black"))
    [box] = inside_borders(pixels)
    (whole, everything), (part, where) = compute_query_views(pixels)
    assert everything == (0, 0, 1, 1)
    assert np.array_equal(whole, [sigsearch.compute_signature(pixels)])
    assert np.array_equal(part, [sigsearch.compute_signature(cut(pixels, box))])
    height, width = pixels.shape[:2]
    assert where == Box(box.left / width, box.top / height, box.right / width, box.bottom / height)


def test_views_in_all_orientations_are_those_of_the_pixels_cut_out():
    pixels = np.asarray(ImageOps.expand(ImageOps.expand(picture(), 30, "white"), 20, "black"))
    parts = [pixels, *(cut(pixels, box) for box in inside_borders(pixels))]
    views = compute_query_views(pixels, all_orientations=True)
    assert len(views) == 3
    for (signatures, _), part in zip(views, parts, strict=True):
        assert np.array_equal(signatures, sigsearch.compute_orientations(part))


def test_what_is_inside_a_border_is_near_the_picture_that_has_none():
    stored = sigsearch.compute_signature(np.asarray(picture()))
    framed = decoded(encoded(ImageOps.expand(picture(), 48, "black"), quality=50))
    (whole, _), (part, _) = compute_query_views(framed)
    assert sigsearch.distance(stored, whole[0]) > 0.4
    assert sigsearch.distance(stored, part[0]) < 0.2


def test_a_picture_without_a_border_has_one_view():
    pixels = make_picture(5)
    [(signatures, box)] = compute_query_views(pixels)
    assert np.array_equal(signatures, [sigsearch.compute_signature(pixels)])
    assert box == (0, 0, 1, 1)


@pytest.fixture(params=["simplejpeg", "Pillow"])
def way(request, monkeypatch):
    """JPEGs by the optional decoder, and without it."""
    if request.param == "Pillow":
        monkeypatch.setattr(jpeg, "optional_decoder", lambda: None)
    return request.param


@pytest.mark.parametrize("all_orientations", [False, True])
@pytest.mark.parametrize("side", [None, 64])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_views_of_a_turned_jpeg_are_those_of_the_picture_as_it_is_seen(orientation, side, all_orientations):
    exif = Image.Exif()
    exif[0x0112] = orientation
    framed = ImageOps.expand(picture((160, 100)), (45, 10, 15, 30), "black")
    data = encoded(framed, exif=exif)
    scheme = Scheme(decode_side=side)
    views = compute_query_views(data, scheme=scheme, all_orientations=all_orientations)
    compute = sigsearch.compute_orientations if all_orientations else sigsearch.compute_signature
    assert np.array_equal(views[0][0], np.atleast_2d(compute(data, scheme=scheme)))
    seen = read_pixels(data)
    height, width = seen.shape[:2]
    [box] = inside_borders(seen)
    assert np.array_equal(views[1][0], np.atleast_2d(compute(cut(seen, box))))
    fractions = (box.left / width, box.top / height, box.right / width, box.bottom / height)
    assert views[1][1] == pytest.approx(fractions)
    assert len(views) == 2


@pytest.mark.parametrize(("widths", "times"), [((0, 0, 0, 0), [64]), ((60, 60, 60, 60), [64, 320])])
def test_only_a_scaled_jpeg_with_a_border_is_decoded_again_and_once(way, widths, times, monkeypatch):
    calls = []
    pixels = jpeg._pixels
    monkeypatch.setattr(jpeg, "_pixels", lambda *args: calls.append(args) or pixels(*args))
    data = encoded(ImageOps.expand(picture(), widths, "black"))
    compute_query_views(data, scheme=Scheme(decode_side=64))
    assert len(calls) == len(times)
    calls.clear()
    compute_query_views(data)
    assert len(calls) == 1


def test_a_signature_is_the_one_view_there_is():
    signature = sigsearch.compute_signature(make_picture(1))
    [(signatures, box)] = compute_query_views(signature)
    assert np.array_equal(signatures, [signature])
    assert box == (0, 0, 1, 1)
    with pytest.raises(InputError, match="pass the picture"):
        compute_query_views(signature, all_orientations=True)


def test_a_part_without_features_is_no_view():
    pixels = np.full((300, 300, 3), 255, np.uint8)
    pixels[60:240, 60:240] = 0
    assert len(inside_borders(pixels)) == 1
    assert len(compute_query_views(pixels)) == 1


def test_what_cannot_be_read_is_named():
    with pytest.raises(ImageError):
        compute_query_views(b"no picture")
