"""Every kernel of regions equals its plain-Python twin, and what is written of it holds."""

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
import reference
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sigsearch import _kernels as core
from sigsearch.regions import _kernels as kernels

SETTINGS = settings(deadline=None, max_examples=40, derandomize=True, suppress_health_check=list(HealthCheck))
WHITE = core.WHITE

sizes = st.tuples(st.integers(1, 14), st.integers(1, 14))
# Few values make ties and plain pictures; the others are not in whole levels.
shades = st.sampled_from([[0, WHITE], [0, 1, 2, 3], [7], [0, 9_999, 10_000, 1_234_567, WHITE]])


@st.composite
def planes(draw, shape=sizes):
    values, seed = draw(shades), draw(st.integers(0, 2**32 - 1))
    return np.random.default_rng(seed).choice(np.array(values, np.int32), draw(shape))


@st.composite
def rgb_pictures(draw):
    height, width = draw(sizes)
    values = draw(st.sampled_from([[0, 255], [7], list(range(256))]))
    seed = draw(st.integers(0, 2**32 - 1))
    return np.random.default_rng(seed).choice(np.array(values, np.uint8), (height, width, 3))


pictures = st.one_of(rgb_pictures(), planes())


@SETTINGS
@given(pictures, st.data())
def test_a_shrunken_picture_equals_its_twin(pixels, data):
    rows, columns = (data.draw(st.integers(1, length)) for length in pixels.shape[:2])
    found = kernels.shrink(pixels, rows, columns)
    assert found.dtype == np.int32
    assert found.tolist() == reference.shrink(pixels, rows, columns)


@SETTINGS
@given(pictures)
def test_a_picture_shrunken_to_its_own_size_is_its_grey(pixels):
    assert kernels.shrink(pixels, *pixels.shape[:2]).tolist() == reference.grey(pixels)


@SETTINGS
@given(pictures, st.data())
def test_a_turned_picture_shrinks_to_the_turned_grey(pixels, data):
    rows, columns = (data.draw(st.integers(1, length)) for length in pixels.shape[:2])
    small = kernels.shrink(pixels, rows, columns)
    turned = kernels.shrink(np.ascontiguousarray(np.rot90(pixels)), columns, rows)
    mirrored = kernels.shrink(np.ascontiguousarray(pixels[:, ::-1]), rows, columns)
    assert np.array_equal(turned, np.rot90(small))
    assert np.array_equal(mirrored, small[:, ::-1])


def test_a_tall_white_picture_shrinks_to_white_without_overflow():
    white = np.full((30_000, 3, 3), 255, np.uint8)
    assert kernels.shrink(white, 1, 1).tolist() == [[WHITE]]
    assert kernels.shrink(white, 7, 2).tolist() == [[WHITE] * 2] * 7


@SETTINGS
@given(planes(), st.lists(st.integers(0, 1 << 15), max_size=5), st.integers(1, 1 << 16))
def test_a_blurred_plane_equals_its_twin(plane, half, middle):
    taps = [*half, middle, *half[::-1]]
    found = kernels.blur(plane, np.array(taps, np.int64))
    assert found.dtype == np.int32
    assert found.tolist() == reference.blur(plane.tolist(), taps)


@SETTINGS
@given(planes(), st.lists(st.integers(0, 1 << 15), min_size=3, max_size=3))
def test_a_plane_blurred_by_weights_that_are_not_symmetric_equals_its_twin(plane, taps):
    taps[1] += 1  # not all of them 0
    assert kernels.blur(plane, np.array(taps, np.int64)).tolist() == reference.blur(plane.tolist(), taps)


@st.composite
def stacks(draw):
    """Differences: of a few values, so that many are equal, or of any; noise has an extreme in each place."""
    height, width = draw(st.tuples(st.integers(1, 9), st.integers(1, 9)))
    values = draw(st.sampled_from([[-1, 0, 1], [5], [0], list(range(-3000, 3000))]))
    seed = draw(st.integers(0, 2**32 - 1))
    return np.random.default_rng(seed).choice(np.array(values, np.int32), (kernels.PLANES, height, width))


@SETTINGS
@given(stacks(), st.sampled_from([0, 1, 2, 1500]), st.sampled_from([1, 2, 10]))
def test_extrema_equal_their_twin_to_the_last_digit(stack, least, elongation):
    found = kernels.extrema(stack, least, elongation)
    assert found.shape[1] == 4
    assert found.tolist() == reference.extrema(stack.tolist(), least, elongation)


def blob(shape, scale, row, column, spread=(2.0, 2.0), height=-1_000_000):
    """Differences with one bump, `scale` planes from the first that is searched."""
    k, i, j = np.ogrid[: kernels.PLANES, : shape[0], : shape[1]]
    i, j = i + 0.5 - row, j + 0.5 - column
    bump = np.exp(-((k - 1 - scale) ** 2) / 2 - (i / spread[0]) ** 2 / 2 - (j / spread[1]) ** 2 / 2)
    return np.round(height * bump).astype(np.int32)


@pytest.mark.parametrize("height", [1_000_000, -1_000_000])
def test_a_blob_is_found_where_it_is_to_a_fraction_of_a_pixel(height):
    [[magnitude, scale, row, column]] = kernels.extrema(
        blob((15, 17), 0.8, 6.9, 9.2, height=height), 10_000, 10
    )
    assert magnitude == pytest.approx(abs(height), rel=0.1)
    assert (scale, row, column) == pytest.approx((0.8, 6.9, 9.2), abs=0.05)


def test_a_blob_much_longer_than_wide_is_left_out():
    def extrema(spread):
        return kernels.extrema(blob((25, 25), 1, 12.5, 12.5, spread), 10_000, 10)

    assert len(extrema((2.0, 5.5))) == len(extrema((5.5, 2.0))) == 1  # squares of curvatures: 7.6
    assert len(extrema((2.0, 7.0))) == len(extrema((7.0, 2.0))) == 0  # 12.3


def test_of_equal_extrema_side_by_side_one_is_found():
    stack = np.zeros((5, 8, 8), np.int32)
    stack[2, 3:5, 3:5] = 1000
    assert len(kernels.extrema(stack, 1, 10)) <= 1
    assert kernels.extrema(stack, 1, 10).tolist() == reference.extrema(stack.tolist(), 1, 10)


@SETTINGS
@given(planes())
def test_an_integral_equals_its_twin(plane):
    found = kernels.integral(plane)
    assert found.dtype == np.int64
    assert found.tolist() == reference.integral(plane.tolist())


@SETTINGS
@given(planes(), st.integers(1, 5), st.data())
def test_cell_means_equal_their_twin(plane, grid, data):
    """Lines anywhere, on pixels' edges and between them, often several in one place."""

    def some(length):
        places = st.integers(0, length * kernels.UNIT) | st.integers(0, length).map(kernels.UNIT.__mul__)
        return sorted(data.draw(st.lists(places, min_size=grid + 1, max_size=grid + 1)))

    lines = [[some(length) for length in plane.shape] for _ in range(data.draw(st.integers(0, 3)))]
    found = kernels.cell_means(kernels.integral(plane), np.array(lines, np.int64).reshape(-1, 2, grid + 1))
    assert found.tolist() == reference.cell_means(plane.tolist(), lines, kernels.UNIT)


@pytest.mark.parametrize(
    "rows",
    [
        [0, 0, 0, 64, 128],  # begins beyond the edge
        [256, 300, 320, 320, 320],  # ends beyond it
        [0, 64, 64, 64, 320],  # narrower than a part of a pixel
        [0, 0, 0, 0, 0],
        [320, 320, 320, 320, 320],
        [0, 0, 320, 320, 320],
    ],
)
def test_cells_without_a_width_have_the_mean_of_the_nearest_that_has_one(rows):
    plane = np.arange(25, dtype=np.int32).reshape(5, 5) * 1001
    lines = [[rows, [0, 64, 128, 192, 320]], [[0, 64, 128, 192, 320], rows]]
    found = kernels.cell_means(kernels.integral(plane), np.array(lines, np.int64))
    assert found.tolist() == reference.cell_means(plane.tolist(), lines, kernels.UNIT)
    assert np.array_equal(
        found[0],
        kernels.cell_means(kernels.integral(np.ascontiguousarray(plane.T)), np.array(lines[1:], np.int64))[
            0
        ].T,
    )


def test_means_of_a_large_white_picture_do_not_overflow():
    white = np.full((400, 400), WHITE, np.int32)
    lines = np.array([[[0, 12_800, 25_600], [0, 1, 25_600]]], np.int64)
    assert kernels.cell_means(kernels.integral(white), lines).tolist() == [[[WHITE] * 2] * 2]


@SETTINGS
@given(
    hnp.array_shapes(min_dims=1, max_dims=1, max_side=3),
    st.integers(2, 9),
    st.integers(0, 3),
    st.integers(1, 4),
    st.integers(0, 2**32 - 1),
)
@example((0,), 9, 2, 2, 0)
def test_signatures_of_means_equal_their_twin(count, grid, tolerance, levels, seed):
    """Of few shades, so that there are ties and differences of just the tolerance, and black beside white."""
    some = np.array([0, WHITE, WHITE // 2, 10_000, 20_000, 30_000, 1_234_567])
    means = np.random.default_rng(seed).choice(some, (*count, grid, grid))
    found = core.signatures_of_means(means, tolerance, levels)
    assert found.dtype == np.int8
    assert found.shape == (*count, 8 * grid * grid)
    assert found.tolist() == reference.signatures_of_means(means.tolist(), tolerance, levels)


@SETTINGS
@given(st.integers(2, 9), st.sampled_from([[7], [0, WHITE], list(range(0, WHITE, 999))]), st.integers(0, 99))
def test_signatures_of_means_are_those_of_sums_over_squares_of_one_pixel(grid, shades, seed):
    means = np.random.default_rng(seed).choice(np.array(shades, np.int64), (1, grid, grid))
    squares = np.array([(k, k + 1) for k in range(grid)], np.int64)
    expected = core.signatures_of(means[0], squares, squares, grid, 2, 2)
    assert np.array_equal(core.signatures_of_means(means, 2, 2), expected)


def test_kernels_of_regions_take_arrays_that_cannot_be_written():
    plane = np.zeros((4, 4), np.int32)
    plane.setflags(write=False)
    assert kernels.shrink(plane, 2, 2).tolist() == [[0, 0]] * 2
    assert kernels.blur(plane, np.ones(3, np.int64)).tolist() == plane.tolist()
    assert kernels.integral(plane).tolist() == [[0] * 5] * 5
