"""Every kernel equals its plain-Python twin, and what is written of it holds."""

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
import reference
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sigsearch import _kernels as kernels

SETTINGS = settings(deadline=None, max_examples=60, derandomize=True, suppress_health_check=list(HealthCheck))

sizes = st.tuples(st.integers(1, 40), st.integers(1, 40))
# Few values make ties, flat rows and featureless pictures; all values make the rest.
levels_of_grey = st.sampled_from([[0, 255], [0, 1, 2, 3], [7], list(range(256))])


@st.composite
def rgb_pictures(draw):
    height, width = draw(sizes)
    values = draw(levels_of_grey)
    seed = draw(st.integers(0, 2**32 - 1))
    return np.random.default_rng(seed).choice(np.array(values, np.uint8), (height, width, 3))


@st.composite
def grey_pictures(draw):
    rgb = draw(rgb_pictures()).astype(np.int32)
    return rgb[:, :, 0] * 9_999 + rgb[:, :, 1]  # up to WHITE, and not in whole levels


pictures = st.one_of(rgb_pictures(), grey_pictures())
signatures = hnp.arrays(np.int8, 648, elements=st.integers(-2, 2))


@SETTINGS
@given(pictures)
def test_activity_equals_its_twin(pixels):
    rows, columns = kernels.activity(pixels)
    across, down = reference.activity(pixels)
    assert rows.tolist() == across
    assert columns.tolist() == down


@SETTINGS
@given(pictures)
def test_lines_are_active_where_their_activity_is_above_zero(pixels):
    sums = kernels.activity(pixels)
    for axis in (0, 1):
        for line, total in enumerate(sums[axis]):
            lines = [np.array([], np.int64), np.array([], np.int64)]
            lines[axis] = np.array([line])
            assert kernels.all_active(pixels, *lines) == (total > 0)
    assert kernels.all_active(pixels, *(np.flatnonzero(each) for each in sums))


def test_activity_does_not_overflow_in_a_tall_picture_of_black_and_white_lines():
    pixels = np.zeros((3000, 2, 3), np.uint8)
    pixels[::2] = 255
    rows, columns = kernels.activity(pixels)
    assert rows.tolist() == [0] * 3000
    assert columns.tolist() == [2999 * kernels.WHITE] * 2


def test_activity_does_not_overflow_in_a_wide_picture_of_black_and_white_lines():
    pixels = np.zeros((2, 3000, 3), np.uint8)
    pixels[:, ::2] = 255
    rows, columns = kernels.activity(pixels)
    assert rows.tolist() == [2999 * kernels.WHITE] * 2
    assert columns.tolist() == [0] * 3000


@SETTINGS
@given(
    st.lists(st.sampled_from([0, 0, 1, 7, 10**6, 2 * 10**9]), min_size=1, max_size=60),
    st.integers(2, 9),
    st.integers(2, 12),
    st.sampled_from([(5, 95), (0, 100), (10, 60), (49, 50)]),
)
@example([0] * 30, 9, 2, (5, 95))
def test_intervals_equal_their_twin_forwards_and_backwards(sums, grid, side, percentiles):
    found = kernels.intervals(np.array(sums, np.int64), side, grid, *percentiles, True).tolist()
    n = len(sums)
    forwards = reference.intervals(sums, side, grid, *percentiles)
    backwards = reference.intervals(sums[::-1], side, grid, *percentiles)
    assert found[:grid] == [list(interval) for interval in forwards]
    assert found[grid:] == [[n - stop, n - start] for start, stop in backwards]


def test_intervals_of_one_direction_are_the_first_of_both():
    sums = np.arange(50, dtype=np.int64)
    assert np.array_equal(
        kernels.intervals(sums, 3, 9, 5, 95, False), kernels.intervals(sums, 3, 9, 5, 95, True)[:9]
    )


@SETTINGS
@given(pictures, st.data())
def test_square_sums_equal_their_twin(pixels, data):
    def some_intervals(n):
        starts = data.draw(st.lists(st.integers(0, n - 1), min_size=1, max_size=5))
        return [(start, data.draw(st.integers(start + 1, n))) for start in starts]

    rows, columns = some_intervals(pixels.shape[0]), some_intervals(pixels.shape[1])
    found = kernels.square_sums(pixels, np.array(rows, np.int64), np.array(columns, np.int64))
    assert found.tolist() == reference.square_sums(pixels, rows, columns)


@SETTINGS
@given(rgb_pictures(), st.integers(1, 8), st.data())
def test_scaled_square_sums_are_those_of_repeated_pixels(pixels, scale, data):
    def some_intervals(n):
        starts = data.draw(st.lists(st.integers(0, n - 1), min_size=1, max_size=5))
        return [(start, data.draw(st.integers(start + 1, n))) for start in starts]

    rows, columns = some_intervals(scale * pixels.shape[0]), some_intervals(scale * pixels.shape[1])
    found = kernels.scaled_square_sums(pixels, np.array(rows, np.int64), np.array(columns, np.int64), scale)
    repeated = pixels.repeat(scale, axis=0).repeat(scale, axis=1)
    assert found.tolist() == reference.square_sums(repeated, rows, columns)


@SETTINGS
@given(st.data(), st.integers(2, 9), st.integers(0, 3), st.integers(1, 4))
def test_signatures_of_sums_equal_their_twin(data, grid, tolerance, levels):
    """Squares of several areas, so that means have other denominators; black beside white, and ties."""
    white = kernels.WHITE
    areas = st.lists(st.sampled_from([(0, 4), (0, 3), (0, 1)]), min_size=grid, max_size=grid)
    rows, columns = data.draw(areas), data.draw(areas)
    shade = st.sampled_from([0, white, white // 2, 10_000, 20_000, 30_000, 1_234_567])
    shades = data.draw(st.lists(shade, min_size=grid * grid, max_size=grid * grid))
    area = np.outer([b - a for a, b in rows], [b - a for a, b in columns])
    sums = np.array(shades, np.int64).reshape(grid, grid) * area
    found = kernels.signatures_of(
        sums, np.array(rows, np.int64), np.array(columns, np.int64), grid, tolerance, levels
    )
    means = reference.means(sums.tolist(), rows, columns)
    assert found.tolist() == [reference.signature_of_means(means, tolerance, levels)]


def test_means_of_squares_too_many_and_large_for_a_common_denominator_are_rounded_and_do_not_overflow():
    grid = 9
    stops = np.array([4999, 4993, 4987, 4973, 4969, 4967, 4957, 4951, 4943])  # primes
    intervals = np.stack([np.zeros(grid, np.int64), stops], axis=1)
    shades = np.arange(81).reshape(grid, grid) * 30_000
    sums = shades * np.outer(stops, stops)
    found = kernels.signatures_of(sums, intervals, intervals, grid, 2, 2)
    rows = [tuple(interval) for interval in intervals.tolist()]
    means = reference.means(sums.tolist(), rows, rows)
    assert found.tolist() == [reference.signature_of_means(means, 2, 2)]


@SETTINGS
@given(hnp.arrays(np.int8, st.tuples(st.integers(0, 4), st.just(648)), elements=st.integers(-2, 2)))
def test_words_equal_their_twin(stack):
    positions = np.array(reference.crosses(9, 10, 80), np.int64)
    found = kernels.words_of(stack, positions)
    assert found.tolist() == [reference.words(signature, positions.tolist()) for signature in stack.tolist()]


@pytest.mark.parametrize(("length", "count"), [(1, 648), (8, 81), (12, 63), (39, 7)])
def test_words_of_other_lengths_and_counts_equal_their_twin(length, count):
    signature = np.random.default_rng(length).integers(-2, 3, 648).astype(np.int8)
    positions = np.array(reference.runs(648, length, count), np.int64)
    found = kernels.words_of(signature[np.newaxis], positions)
    assert found.tolist() == [reference.words(signature.tolist(), positions.tolist())]


@SETTINGS
@given(signatures, st.lists(signatures, max_size=4))
@example(np.zeros(648, np.int8), [np.zeros(648, np.int8)])
def test_distances_equal_their_twin_to_the_last_digit(signature, others):
    stack = np.array(others, np.int8).reshape(-1, 648)
    found = kernels.distances_to(signature, stack)
    assert found.tolist() == [reference.distance(signature, other) for other in stack]


def test_kernels_take_arrays_that_cannot_be_written():
    pixels = np.zeros((4, 4, 3), np.uint8)
    pixels.setflags(write=False)
    assert kernels.activity(pixels)[0].tolist() == [0, 0, 0, 0]
