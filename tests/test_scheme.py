"""The scheme: its defaults, its ranges, what is stored and compared."""

import json

import pytest

from sigsearch import InputError, Scheme, SchemeMismatchError
from sigsearch.scheme import DEFAULT_SCHEME, REVISION


def test_defaults_are_those_of_image_match_but_for_the_words():
    assert DEFAULT_SCHEME == Scheme(
        grid_size=9,
        crop_percentiles=(5, 95),
        tolerance=2,
        levels=2,
        word_shape="cross",
        word_length=10,
        word_count=80,
        decode_side=None,
        revision=2,
    )
    assert DEFAULT_SCHEME.signature_length == 648


def test_a_scheme_survives_json():
    scheme = Scheme(word_length=12, crop_percentiles=(0, 100), decode_side=400)
    assert Scheme.from_json(json.loads(json.dumps(scheme.to_json()))) == scheme


def test_a_scheme_that_does_not_scale_is_stored_as_before_there_was_scaling():
    stored = {
        "grid_size": 9,
        "crop_percentiles": [5, 95],
        "tolerance": 2,
        "levels": 2,
        "word_shape": "cross",
        "word_length": 10,
        "word_count": 80,
        "revision": 2,
    }
    assert json.dumps(DEFAULT_SCHEME.to_json()) == json.dumps(stored)
    assert Scheme.from_json(stored) == Scheme.from_json(stored | {"decode_side": None}) == DEFAULT_SCHEME


def test_schemes_that_scale_otherwise_differ():
    with pytest.raises(SchemeMismatchError, match="wanted decode_side=None, found decode_side=400") as caught:
        DEFAULT_SCHEME.check_same(Scheme(decode_side=400), "a.sig")
    assert "Scheme(decode_side=400)" in str(caught.value)
    assert Scheme(decode_side=400).with_words_of(Scheme(word_length=12)).decode_side == 400


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"grid_size": 1}, "grid_size must be a whole number from 2 to 64, not 1"),
        ({"grid_size": "9"}, "grid_size"),
        ({"crop_percentiles": (95, 5)}, "two rising whole numbers"),
        ({"crop_percentiles": (5.0, 95)}, "two rising whole numbers"),
        ({"crop_percentiles": 5}, "two rising whole numbers"),
        ({"tolerance": 256}, "tolerance"),
        ({"levels": 0}, "levels"),
        ({"word_length": 40}, "word_length must be a whole number from 1 to 39, not 40"),
        ({"word_count": 649}, "word_count must be a whole number from 1 to 648, not 649"),
        ({"word_shape": "star"}, "word_shape must be 'cross' or 'run', not 'star'"),
        ({"word_count": True}, "word_count"),
        ({"decode_side": 63}, "decode_side must be a whole number from 64 to 65536, not 63"),
        ({"decode_side": 400.0}, "decode_side"),
    ],
)
def test_a_parameter_out_of_range_is_refused_by_name(parameters, message):
    with pytest.raises(InputError, match=message):
        Scheme(**parameters)


def test_a_scheme_of_another_revision_is_refused():
    stored = DEFAULT_SCHEME.to_json() | {"revision": REVISION + 1}
    with pytest.raises(SchemeMismatchError, match=f"revision {REVISION + 1}, this version.*{REVISION}"):
        Scheme.from_json(stored)


def test_a_scheme_with_a_parameter_of_the_future_is_refused():
    with pytest.raises(SchemeMismatchError, match="parameters colours"):
        Scheme.from_json(DEFAULT_SCHEME.to_json() | {"colours": 3})


def test_a_mismatch_names_what_was_wanted_and_what_was_found():
    with pytest.raises(SchemeMismatchError, match="wanted word_length=10, found word_length=12") as caught:
        DEFAULT_SCHEME.check_same(Scheme(word_length=12), "a.sig")
    assert "Scheme(word_length=12)" in str(caught.value)
    DEFAULT_SCHEME.check_same(Scheme(), "a.sig")
