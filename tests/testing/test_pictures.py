"""The makers of pictures: distinct pictures lie far apart, near-duplicates near, and seeds never change."""

import hashlib
import itertools
import subprocess
import sys

import numpy as np
import pytest

import sigsearch
from sigsearch.errors import InputError
from sigsearch.testing import EDITS, make_near_duplicate, make_picture
from sigsearch.testing.samples import plain_distances

SMALL = (96, 72)
CUTOFF = 0.45


@pytest.fixture(scope="module")
def signatures():
    """Of thirty small pictures."""
    return np.stack([sigsearch.compute_signature(make_picture(seed, SMALL)) for seed in range(30)])


@pytest.mark.parametrize("size", [(320, 240), (240, 320), SMALL, (16, 16), (101, 33)])
def test_a_picture_has_the_size_asked_for_in_colour(size):
    picture = make_picture(3, size)
    assert picture.shape == (size[1], size[0], 3)
    assert picture.dtype == np.uint8
    assert picture.min() == 0
    assert picture.max() == 255
    assert not np.array_equal(picture[:, :, 0], picture[:, :, 1])


def test_the_default_is_seed_0_of_320_by_240():
    assert np.array_equal(make_picture(), make_picture(0, (320, 240)))


def test_a_seed_gives_the_same_picture_on_every_machine():
    # Of no meaning by itself: it pins the pictures that others' tests rest on.
    digest = hashlib.sha256(make_picture(7, SMALL).tobytes()).hexdigest()
    assert digest == "0e6afc6c8a6a4eb4bc9a5fd5730d7ad79cab4790e673c4c6182d203f49ce51ca"


def test_no_two_seeds_are_alike(signatures):
    for first, second in itertools.combinations(range(30), 2):
        assert plain_distances(signatures[first], signatures[second : second + 1])[0] > CUTOFF + 0.05


def test_seeds_far_apart_and_next_to_each_other_differ():
    seeds = [0, 1, 2, 16, 17, 2**16, 2**32, 2**63, 2**64 - 1]
    found = {make_picture(seed, (32, 24)).tobytes() for seed in seeds}
    assert len(found) == len(seeds)


def test_a_picture_has_features_everywhere(signatures):
    # A photograph's signature has about a fifth of its values at zero.
    assert ((signatures == 0).mean(axis=1) < 0.35).all()


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_a_seed_out_of_range_is_refused(seed):
    with pytest.raises(InputError, match="wanted a seed"):
        make_picture(seed)


@pytest.mark.parametrize("size", [(15, 100), (100, 15), (0, 0)])
def test_a_size_too_small_for_features_is_refused(size):
    with pytest.raises(InputError, match="at least 16 x 16"):
        make_picture(0, size)


@pytest.mark.parametrize("edit", EDITS)
def test_a_near_duplicate_is_another_picture_below_the_cutoff(signatures, edit):
    for seed in range(4):
        picture = make_picture(seed, SMALL)
        before = picture.copy()
        copy = make_near_duplicate(picture, edit)
        assert np.array_equal(picture, before), "the picture itself was changed"
        assert copy.dtype == np.uint8
        assert copy.ndim == 3
        assert not np.array_equal(copy, picture)
        apart = plain_distances(signatures[seed], sigsearch.compute_signature(copy)[np.newaxis])[0]
        assert apart < CUTOFF - 0.1


def test_a_near_duplicate_of_a_picture_of_the_default_size_is_below_the_cutoff():
    picture = make_picture(11)
    signature = sigsearch.compute_signature(picture)
    for edit in ("jpeg", "squash", "frame", "crop"):
        assert sigsearch.compare(signature, make_near_duplicate(picture, edit)) < CUTOFF - 0.1


def test_a_jpeg_is_the_default_and_each_edit_is_its_own():
    picture = make_picture(1, SMALL)
    assert np.array_equal(make_near_duplicate(picture), make_near_duplicate(picture, "jpeg"))
    copies = {make_near_duplicate(picture, edit).tobytes() for edit in EDITS}
    assert len(copies) == len(EDITS) >= 12


def test_an_unknown_edit_is_told_the_known_ones():
    with pytest.raises(InputError, match=r"one of jpeg, resize, .*found 'sharpen'"):
        make_near_duplicate(make_picture(0, SMALL), "sharpen")


def test_pictures_are_made_without_pytest_or_hypothesis():
    code = (
        "import sys; sys.modules['pytest'] = sys.modules['hypothesis'] = None; "
        "from sigsearch.testing import make_picture; print(make_picture(0, (16, 16)).shape)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "(16, 16, 3)\n"
