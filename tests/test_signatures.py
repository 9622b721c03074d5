"""Signatures, words and distances: published figures, image-match's own values, properties."""

import json
from pathlib import Path

import numpy as np
import pytest
import reference
from golden_pictures import golden_pictures
from hypothesis import given, settings
from hypothesis import strategies as st

import sigsearch
from sigsearch import InputError, Scheme, signatures
from sigsearch import _kernels as kernels
from sigsearch.images import WHITE
from sigsearch.scheme import IMAGE_MATCH_SCHEME

GOLDEN = json.loads((Path(__file__).parent / "golden" / "signatures.json").read_text())["pictures"]


def golden(name):
    return np.array(["mn0pq".index(letter) - 2 for letter in GOLDEN[name]["signature"]], np.int8)


@pytest.mark.full_size
def test_the_two_mona_lisas_are_as_far_apart_as_image_match_publishes(mona_lisa, other_mona_lisa):
    assert sigsearch.compare(mona_lisa, other_mona_lisa) == 0.22095170140933634
    assert sigsearch.compare(other_mona_lisa, mona_lisa) == 0.22095170140933634


@pytest.mark.full_size
def test_both_mona_lisas_are_far_from_the_caravaggio(mona_lisa, other_mona_lisa, caravaggio):
    assert sigsearch.compare(mona_lisa, caravaggio) > 0.6
    assert sigsearch.compare(other_mona_lisa, caravaggio) > 0.6


def test_the_golden_file_has_some_fifty_signatures():
    assert len(GOLDEN) == len(dict(golden_pictures())) >= 45


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=() if "made" in name else pytest.mark.full_size) for name in GOLDEN],
)
def test_signature_and_words_are_those_of_image_match(name, golden_arrays):
    signature = sigsearch.compute_signature(golden_arrays[name])
    assert signature.dtype == np.int8
    assert signature.tolist() == golden(name).tolist()
    assert sigsearch.encode_words(signature, scheme=IMAGE_MATCH_SCHEME).tolist() == GOLDEN[name]["words"]


@pytest.fixture(scope="module")
def golden_arrays():
    return dict(golden_pictures())


def test_signature_of_a_small_picture_equals_the_twin_of_all_steps(small_picture):
    assert sigsearch.compute_signature(small_picture).tolist() == reference.signature(small_picture)


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (2, 3), (5, 5), (11, 300), (19, 20)])
def test_signature_of_a_tiny_picture_equals_the_twin_of_all_steps(shape):
    rng = np.random.default_rng(sum(shape))
    pixels = rng.integers(0, 256, (*shape, 3)).astype(np.uint8)
    assert sigsearch.compute_signature(pixels).tolist() == reference.signature(pixels)


@pytest.mark.parametrize(
    "scheme",
    [
        Scheme(grid_size=5),
        Scheme(crop_percentiles=(0, 100)),
        Scheme(tolerance=0),
        Scheme(levels=1),
        Scheme(levels=3, grid_size=12, crop_percentiles=(10, 80), tolerance=9),
    ],
)
def test_signature_of_another_scheme_equals_the_twin_with_its_parameters(scheme, small_picture):
    low, high = scheme.crop_percentiles
    expected = reference.signature(
        small_picture, scheme.grid_size, low, high, scheme.tolerance, scheme.levels
    )
    assert sigsearch.compute_signature(small_picture, scheme=scheme).tolist() == expected


@settings(deadline=None, derandomize=True, max_examples=300)
@given(st.integers(1, 230), st.integers(0, 99), st.integers(1, 100), st.integers(0, 2**32 - 1))
def test_the_window_lies_at_known_ranks_where_the_lines_there_have_any_activity(length, low, rise, seed):
    percentiles = (low, min(low + rise, 100))
    sums = np.random.default_rng(seed).choice(np.array([0, 1, 1000], np.int64), length)
    lines = signatures._deciding_lines(length, percentiles)
    if lines is None:
        return
    sums[lines] = 7
    windows = [kernels.intervals(each, 4, 9, *percentiles, True) for each in (sums, np.ones_like(sums))]
    assert np.array_equal(*windows)


@pytest.mark.parametrize("frame", [1, 2, 3, 4, 5, 6, 7, 9])
@pytest.mark.parametrize("sides", [(1, 1, 1, 1), (1, 0, 0, 0), (0, 0, 1, 0), (0, 1, 0, 1)])
def test_signature_of_a_framed_picture_equals_the_twin_of_all_steps(small_picture, frame, sides):
    top, bottom, left, right = (frame * side for side in sides)
    framed = np.pad(small_picture, ((top, bottom), (left, right), (0, 0)))
    assert sigsearch.compute_signature(framed).tolist() == reference.signature(framed)


def turned(grey, name):
    """A grey array, 0 to 1, really turned as the name of an orientation says."""
    grey = grey[:, ::-1] if "mirror" in name else grey
    for turns in (1, 2, 3):
        grey = np.rot90(grey, turns) if f"rotate-{90 * turns}" in name else grey
    return 1 - grey if "invert" in name else grey


@pytest.mark.parametrize("shape", [(60, 80), (80, 60), (33, 47), (200, 9), (31, 31)])
def test_each_orientation_is_the_signature_of_the_really_turned_picture(shape):
    rng = np.random.default_rng(shape[0])
    grey = rng.integers(0, WHITE + 1, shape) / WHITE
    found = sigsearch.compute_orientations(grey)
    assert found.shape == (16, 648)
    for name, signature in zip(sigsearch.ORIENTATIONS, found, strict=True):
        assert signature.tolist() == sigsearch.compute_signature(turned(grey, name)).tolist(), name


def test_orientations_are_sixteen_different_names_and_transforms(small_picture):
    assert len(set(sigsearch.ORIENTATIONS)) == 16
    assert sigsearch.ORIENTATIONS[0] == "as-is"
    assert len({signature.tobytes() for signature in sigsearch.compute_orientations(small_picture)}) == 16


def test_orientations_of_a_signature_are_refused(small_picture):
    signature = sigsearch.compute_signature(small_picture)
    with pytest.raises(InputError, match="pass the picture"):
        sigsearch.compute_orientations(signature)


def test_a_signature_is_its_own_signature(small_picture):
    signature = sigsearch.compute_signature(small_picture)
    assert np.array_equal(sigsearch.compute_signature(signature), signature)


def test_a_picture_without_features_has_a_signature_of_zeros_at_distance_one():
    plain = sigsearch.compute_signature(np.full((50, 50), 200, np.uint8))
    assert not plain.any()
    assert sigsearch.distance(plain, plain) == 1.0


def test_words_of_one_signature_have_one_dimension_and_of_many_two(small_picture):
    signature = sigsearch.compute_signature(small_picture)
    words = sigsearch.encode_words(signature)
    assert words.shape == (80,)
    assert np.array_equal(sigsearch.encode_words([signature, signature]), [words, words])
    assert words.min() >= 0
    assert words.max() < 3**16


def test_words_of_no_signatures_are_no_words():
    assert sigsearch.encode_words(np.empty((0, 648), np.int8)).shape == (0, 80)


def test_distance_by_hand():
    a, b = np.zeros(648, np.int8), np.zeros(648, np.int8)
    a[0] = a[1] = a[2] = a[3] = 2  # norm 4
    b[:9] = 1  # norm 3; apart: 4 times 1, 5 times 1: norm 3
    assert sigsearch.distance(a, b) == 3 / 7
    assert sigsearch.distance(a, a) == 0.0
    assert sigsearch.distance(a, -a) == 1.0
    assert sigsearch.distances(a, np.stack([a, b])).tolist() == [0.0, 3 / 7]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros(647, np.int8), r"wanted signatures of shape .*648.*, found shape \(647,\)"),
        (np.zeros((2, 2, 648), np.int8), r"found shape \(2, 2, 648\)"),
        (np.zeros(648), "wanted signatures of whole numbers, found float64"),
        (np.full(648, 3), "wanted signatures of values from -2 to 2, found 3 to 3"),
        ([[1, 2], [3]], "wanted signatures of 648 values, found list"),
        ("mona.jpg", r"found shape \(\)"),
    ],
)
def test_what_is_no_signature_is_refused_in_words(values, message):
    with pytest.raises(InputError, match=message):
        sigsearch.encode_words(values)
    with pytest.raises(InputError):
        sigsearch.distance(values, np.zeros(648, np.int8))
