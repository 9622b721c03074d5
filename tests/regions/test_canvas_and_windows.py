"""Canvases, the windows that are found in them, and where both lie when a picture is turned."""

import io

import numpy as np
import pytest
from PIL import Image

from sigsearch import ORIENTATIONS, Scheme, compute_signature
from sigsearch._kernels import signatures_of_means
from sigsearch.images import WHITE, Picture
from sigsearch.orientations import turn_boxes, turn_boxes_back, turn_pixels
from sigsearch.records import WHOLE
from sigsearch.regions.canvas import Canvas, visible
from sigsearch.regions.windows import SIDE, STORED_WINDOWS, find_windows, sign_windows
from sigsearch.testing import make_picture
from sigsearch.views import compute_views

SCHEME = Scheme(views="regions")
EVERY = range(len(ORIENTATIONS))
SMALL = (96, 72)
"""A size at which windows are found without JIT in a moment."""


def canvas_of(pixels, side=SIDE):
    return Canvas.of(Picture.of(pixels), side)


def noise(*shape):
    return np.random.default_rng(3).integers(0, WHITE + 1, shape).astype(np.int32)


def cut(grey, box):
    """The part of a picture that lies in a box of whole pixels."""
    height, width = grey.shape
    left, top, right, bottom = np.round(box * (width, height, width, height)).astype(int)
    return grey[top:bottom, left:right]


# Turning


@pytest.mark.parametrize("orientation", EVERY)
def test_pixels_are_turned_as_the_name_says(orientation):
    grey = noise(3, 5)
    name = ORIENTATIONS[orientation]
    expected = np.fliplr(grey) if "mirror" in name else grey
    quarters = next((k for k in (1, 2, 3) if f"rotate-{90 * k}" in name), 0)
    for _ in range(quarters):
        expected = np.rot90(expected)
    expected = WHITE - expected if "invert" in name else expected
    turned = turn_pixels(grey, orientation, WHITE)
    assert np.array_equal(turned, expected)
    assert turned.dtype == np.int32
    assert turned.flags.c_contiguous
    assert np.array_equal(Canvas(grey).turned(orientation).grey, expected)


@pytest.mark.parametrize("orientation", EVERY)
def test_a_box_in_a_turned_picture_holds_the_turned_pixels(orientation):
    grey = noise(8, 10)
    boxes = np.array([WHOLE, (0.1, 0.25, 0.4, 0.875), (0, 0.5, 1, 0.625), (0.8, 0, 0.9, 0.125)])
    for box, there in zip(boxes, turn_boxes(boxes, orientation), strict=True):
        part = cut(turn_pixels(grey, orientation, WHITE), there)
        assert part.size > 0
        assert np.array_equal(part, turn_pixels(cut(grey, box), orientation, WHITE))


@pytest.mark.parametrize("orientation", EVERY)
def test_boxes_that_are_turned_and_turned_back_are_where_they_were(orientation):
    corners = np.random.default_rng(1).random((20, 2, 2))
    boxes = np.sort(corners, axis=1).reshape(20, 4)
    there = turn_boxes(boxes, orientation)
    assert (there[:, :2] <= there[:, 2:]).all()
    assert turn_boxes_back(there, orientation) == pytest.approx(boxes)
    assert turn_boxes(turn_boxes_back(boxes, orientation), orientation) == pytest.approx(boxes)
    assert turn_boxes(np.empty((0, 4)), orientation).shape == (0, 4)


def test_without_a_turn_boxes_and_canvas_are_the_same_to_the_last_bit():
    boxes = np.array([[0.1, 0.2, 0.3, 0.7]])
    assert np.array_equal(turn_boxes(boxes, 0), boxes)
    assert np.array_equal(turn_boxes_back(boxes, 8), boxes)
    canvas = Canvas(noise(3, 4))
    assert canvas.turned(0) is canvas


# Canvas


@pytest.mark.parametrize(
    ("shape", "size"),
    [
        ((30, 20), (30, 20)),
        ((1, 1), (1, 1)),
        ((40, 40), (40, 40)),
        ((80, 40), (40, 20)),
        ((50, 100), (20, 40)),
        ((1, 5000), (1, 40)),
        ((5000, 3), (40, 1)),
        ((41, 41), (40, 40)),
    ],
)
def test_a_canvas_has_the_longer_side_asked_for_unless_the_picture_is_smaller(shape, size):
    canvas = canvas_of(np.zeros((*shape, 3), np.uint8), 40)
    assert canvas.size == canvas.grey.shape == size
    assert canvas.grey.dtype == np.int32


def test_the_canvas_of_a_small_picture_is_its_grey():
    grey = noise(13, 17)
    assert np.array_equal(canvas_of(grey).grey, grey)


@pytest.mark.parametrize("turn", range(8))
def test_a_picture_that_is_to_be_seen_turned_has_the_canvas_of_the_turned_pixels(turn):
    grey = noise(50, 31)
    canvas = Canvas.of(Picture.of(grey, turn), 40)
    assert np.array_equal(canvas.grey, canvas_of(turn_pixels(grey, turn, WHITE), 40).grey)


def test_the_signature_of_a_whole_canvas_is_that_of_its_means():
    grey = noise(36, 27)
    means = grey.reshape(9, 4, 9, 3).sum(axis=(1, 3)) // 12
    [signature] = Canvas(grey).signatures([WHOLE], SCHEME)
    assert np.array_equal(signature, signatures_of_means(means[np.newaxis].astype(np.int64), 2, 2)[0])
    assert signature.any()


def test_the_signature_of_a_window_is_that_of_its_pixels_alone():
    grey = noise(100, 80)
    boxes = np.array([(0.1, 0.2, 0.55, 0.65), (0, 0, 0.45, 0.36), (0.5, 0.5, 0.95, 0.86)])
    found = Canvas(grey).signatures(boxes, SCHEME)
    for box, signature in zip(boxes, found, strict=True):
        alone = Canvas(np.ascontiguousarray(cut(grey, box)))
        assert np.array_equal(signature, alone.signatures([WHOLE], SCHEME)[0])


@pytest.mark.parametrize("shift", [(-3, 0), (4, 0), (0, -4), (0, 3), (2, 4), (-4, -4)])
def test_beyond_the_edge_a_picture_goes_on_as_at_it(shift):
    grey, (right, down) = noise(9, 9), shift
    box = np.array([right, down, 9 + right, 9 + down]) / 9
    padded = np.pad(grey, 4, mode="edge")[4 + down : 13 + down, 4 + right : 13 + right]
    expected = Canvas(np.ascontiguousarray(padded)).signatures([WHOLE], SCHEME)
    assert np.array_equal(Canvas(grey).signatures([box], SCHEME), expected)


def test_the_signatures_of_no_windows_are_none():
    assert Canvas(noise(9, 9)).signatures(np.empty((0, 4)), SCHEME).shape == (0, 648)


@pytest.mark.parametrize("box", [(-2, -2, -1, -1), (1.5, 0, 2.5, 1), (0.5, 0.5, 0.5, 0.5), (1, 1, 1, 1)])
def test_a_window_that_shows_nothing_has_no_features(box):
    assert not Canvas(noise(9, 9)).signatures([box], SCHEME).any()


@pytest.mark.parametrize("orientation", EVERY)
def test_a_window_of_a_turned_canvas_has_the_signature_of_the_turned_window(orientation):
    grey = noise(60, 90) // 10_000 * 10_000
    boxes = np.array([(0.1, 0.1, 0.4, 0.7), (0.5, 0, 1, 1)])
    turned = Canvas(grey).turned(orientation).signatures(turn_boxes(boxes, orientation), SCHEME)
    for box, signature in zip(boxes, turned, strict=True):
        part = Canvas(turn_pixels(cut(grey, box), orientation, WHITE))
        expected = part.signatures([WHOLE], SCHEME)[0]
        # Of a mean that is rounded, the inverted one may be rounded to the other side.
        assert np.count_nonzero(signature != expected) <= 8


def test_values_of_points_and_neighbours_in_sight_are_visible_and_no_others():
    boxes = np.array([WHOLE, (-0.5, 0, 0.5, 1), (0.2, 0.7, 0.9, 1.1), (-0.4, -0.31, 1.2, 1.5), (2, 0, 3, 1)])
    steps = [(down, right) for down in (-1, 0, 1) for right in (-1, 0, 1) if (down, right) != (0, 0)]

    def in_sight(box, row, column):
        x = box[0] + (box[2] - box[0]) * (column + 0.5) / 9
        y = box[1] + (box[3] - box[1]) * (row + 0.5) / 9
        return 0 <= row < 9 and 0 <= column < 9 and 0 < x < 1 and 0 < y < 1

    found = visible(boxes, SCHEME)
    assert found.shape == (5, 648)
    assert found.dtype == np.bool_
    for box, values in zip(boxes, found.tolist(), strict=True):
        assert values == [
            in_sight(box, row, column) and in_sight(box, row + down, column + right)
            for row in range(9)
            for column in range(9)
            for down, right in steps
        ]
    assert found[0].sum() == 544  # all but those of neighbours beyond the grid's edge
    assert not found[4].any()


# Windows


@pytest.mark.parametrize("seed", range(3))
def test_windows_lie_within_are_not_too_many_and_have_four_decimals(seed):
    canvas = canvas_of(make_picture(seed, SMALL))
    boxes = find_windows(canvas, 6)
    assert 2 <= len(boxes) <= 6
    assert (boxes >= 0).all()
    assert (boxes <= 1).all()
    assert boxes.tolist() == [[float(f"{place:.4f}") for place in box] for box in boxes.tolist()]
    sides = (boxes[:, 2:] - boxes[:, :2]) * (canvas.size[1], canvas.size[0])
    assert (sides > 8).all()
    assert sides[:, 0] == pytest.approx(sides[:, 1], abs=0.05), "windows are squares"


def test_fewer_windows_are_the_first_of_more():
    canvas = canvas_of(make_picture(0, SMALL))
    more = find_windows(canvas, STORED_WINDOWS)
    assert len(more) > 4
    assert np.array_equal(find_windows(canvas, 4), more[:4])
    assert find_windows(canvas, 0).shape == (0, 4)


def test_no_two_windows_are_nearly_the_same():
    boxes = find_windows(canvas_of(make_picture(0, SMALL)), STORED_WINDOWS)
    overlaps = [intersection_over_union(a, b) for k, a in enumerate(boxes) for b in boxes[:k]]
    assert max(overlaps) < 0.7


def intersection_over_union(a, b):
    sides = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    shared = np.maximum(sides, 0).prod()
    return shared / ((a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod() - shared)


@pytest.mark.parametrize("orientation", [1, 2, 4, 7, 8])
def test_the_windows_of_a_turned_picture_are_the_turned_windows(orientation):
    """But for rounding, as the blur rounds rows before columns, and an inverted mean to the other side."""
    canvas = canvas_of(make_picture(0, SMALL))
    expected = turn_boxes(find_windows(canvas, STORED_WINDOWS), orientation)
    found = find_windows(canvas.turned(orientation), STORED_WINDOWS)
    assert len(found) == len(expected)
    apart = np.abs(found[:, np.newaxis] - expected).max(axis=2)
    assert (apart.min(axis=1) < 0.001).all()
    assert (apart.min(axis=0) < 0.001).all()


def test_a_blob_has_a_window_round_it():
    down, right = np.mgrid[:80, :100]
    bump = np.exp(-((down - 40) ** 2 + (right - 60) ** 2) / (2 * 6**2))
    grey = np.round(2_000_000 * bump).astype(np.int32)
    left, top, right, bottom = find_windows(Canvas(grey), 1)[0] * (100, 80, 100, 80)
    assert ((left + right) / 2, (top + bottom) / 2) == pytest.approx((60.5, 40.5), abs=0.5)
    assert right - left == pytest.approx(4 * 6, rel=0.2), "two standard deviations to each side"


def plain(*shape):
    return np.full(shape, 200, np.uint8)


@pytest.mark.parametrize("height_width", [(1, 1), (3, 5), (1, 2), (15, 15), (1, 5000), (5000, 1), (3, 5000)])
def test_tiny_and_very_long_pictures_have_no_windows(height_width):
    pixels = np.random.default_rng(0).integers(0, 256, (*height_width, 3)).astype(np.uint8)
    assert sign_windows(Picture.of(pixels), SCHEME) == []
    [whole] = compute_views(pixels, scheme=SCHEME)
    assert np.array_equal(whole.signature, compute_signature(pixels))
    assert whole.box == WHOLE


@pytest.mark.parametrize("pixels", [plain(60, 80), plain(60, 80, 3), plain(1, 1), plain(70, 20)])
def test_plain_pictures_have_no_windows(pixels):
    assert len(compute_views(pixels, scheme=SCHEME)) == 1


def test_a_ramp_has_no_windows():
    assert find_windows(Canvas(np.arange(6400, dtype=np.int32).reshape(80, 80) * 390), 25).shape == (0, 4)


def test_views_are_the_whole_and_its_windows_with_features():
    pixels = make_picture(0, SMALL)
    whole, *windows = compute_views(pixels, scheme=SCHEME)
    assert np.array_equal(whole.signature, compute_signature(pixels))
    canvas = canvas_of(pixels)
    boxes = find_windows(canvas, STORED_WINDOWS)
    assert [view.box for view in windows] == [tuple(box) for box in boxes.tolist()]
    signatures = canvas.signatures(boxes, SCHEME)
    assert np.array_equal([view.signature for view in windows], signatures)
    assert signatures.any(axis=1).all()


def test_a_scheme_of_wholes_has_one_view():
    assert len(compute_views(make_picture(0, SMALL))) == 1


def test_a_ready_signature_is_the_one_view_there_is():
    signature = compute_signature(make_picture(0, SMALL))
    [view] = compute_views(signature, scheme=SCHEME)
    assert np.array_equal(view.signature, signature)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_file_that_is_turned_by_its_exif_has_the_views_of_the_turned_pixels(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    files = {}
    for name, options in (("as it is", {}), ("turned", {"exif": exif})):
        file = io.BytesIO()
        Image.fromarray(make_picture(0, SMALL)).save(file, "JPEG", **options)
        files[name] = file.getvalue()
    seen = turned_by_exif(np.asarray(Image.open(io.BytesIO(files["as it is"]))), orientation)
    found = compute_views(files["turned"], scheme=SCHEME)
    expected = compute_views(seen, scheme=SCHEME)
    assert len(found) > 4
    assert [view.box for view in found] == [view.box for view in expected]
    assert np.array_equal([view.signature for view in found], [view.signature for view in expected])


def turned_by_exif(pixels, orientation):
    """The pixels as the orientations of TIFF 6.0 have them seen: where row 0 and column 0 are."""
    transposed = pixels.swapaxes(0, 1) if orientation >= 5 else pixels
    from_bottom, from_right = orientation in (3, 4, 7, 8), orientation in (2, 3, 6, 7)
    return np.ascontiguousarray(transposed[:: -1 if from_bottom else 1, :: -1 if from_right else 1])
