"""Which values each word reads: the layouts against their twins, and cases worked by hand."""

import numpy as np
import pytest
import reference

import sigsearch
from sigsearch.neighbours import opposites
from sigsearch.scheme import DEFAULT_SCHEME, IMAGE_MATCH_SCHEME, Scheme
from sigsearch.words import word_positions


@pytest.mark.parametrize(
    "scheme",
    [
        DEFAULT_SCHEME,
        Scheme(word_length=12, word_count=58),
        Scheme(grid_size=5, word_length=7, word_count=30),
        Scheme(grid_size=2, word_length=3, word_count=20),
        Scheme(word_length=1, word_count=162),
    ],
)
def test_crosses_equal_their_twin(scheme):
    expected = reference.crosses(scheme.grid_size, scheme.word_length, scheme.word_count)
    assert word_positions(scheme).tolist() == expected


@pytest.mark.parametrize(("length", "count"), [(16, 63), (12, 81), (39, 7), (1, 648)])
def test_runs_equal_their_twin(length, count):
    scheme = Scheme(word_shape="run", word_length=length, word_count=count)
    assert word_positions(scheme).tolist() == reference.runs(648, length, count)


def test_the_first_cross_of_four_values_in_a_grid_of_three_is_the_one_in_its_middle():
    # Point 4 is the middle; 8 values a point: upper left, upper, upper right, left, right, lower left, ...
    # Along its row: 3 and its right neighbour, 4 and its right one; along its column: 1 and the lower, 4.
    first = word_positions(Scheme(grid_size=3, word_length=4, word_count=2))[0]
    assert first.tolist() == [8 * 3 + 4, 8 * 4 + 4, 8 * 1 + 6, 8 * 4 + 6]


def test_image_match_has_runs_of_16_at_63_places():
    assert (IMAGE_MATCH_SCHEME.word_length, IMAGE_MATCH_SCHEME.word_count) == (16, 63)
    assert word_positions(IMAGE_MATCH_SCHEME)[1].tolist() == list(range(10, 26))
    assert word_positions(IMAGE_MATCH_SCHEME)[62].tolist() == [*range(637, 648), *[-1] * 5]


def test_every_word_of_the_default_scheme_has_most_of_its_values_and_no_value_twice():
    for places in word_positions(DEFAULT_SCHEME).tolist():
        there = [place for place in places if place >= 0]
        assert len(there) >= 8
        assert len(set(there)) == len(there)


def test_a_difference_stands_in_a_signature_twice_with_opposite_signs(small_picture):
    forward, backward = opposites(9)
    assert len(forward) == 272
    assert len({*forward.tolist(), *backward.tolist()}) == 544
    signature = sigsearch.compute_signature(small_picture)
    assert np.array_equal(signature[forward], -signature[backward])
    signature[forward] = signature[backward] = 0
    assert not signature.any()  # beyond the edge there is nothing


def test_what_is_shared_by_all_callers_cannot_be_written():
    for array in (*opposites(9), word_positions(DEFAULT_SCHEME)):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1
