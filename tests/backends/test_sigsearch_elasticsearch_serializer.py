"""Answers are read as Python's json reads them, whatever stands in them."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sigsearch_elasticsearch.serializer import FastSerializer

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(VALUES)
def test_every_json_is_read_as_python_reads_it(value):
    data = json.dumps(value).encode()
    assert repr(FastSerializer().loads(data)) == repr(json.loads(data))


@pytest.mark.parametrize(
    "text",
    [
        "123456789012345678901234567890",
        '{"a": [18446744073709551616, -9223372036854775809, 18446744073709551615]}',
        "[1e400, -1e400, 0.1000000000000000055511151231257827, 1.0, -0.0, 1E2]",
        r'["\ud800", "\udfff\ud800", "\ud83d\ude00"]',
        '{"a": 1, "a": 2}',
        "[" * 300 + "]" * 300,
    ],
)
def test_what_orjson_reads_otherwise_is_left_to_python(text):
    assert repr(FastSerializer().loads(text.encode())) == repr(json.loads(text))


@pytest.mark.parametrize("digits", range(17, 22))
def test_whole_numbers_around_64_bits_are_exact(digits):
    for number in (10**digits - 1, 10 ** (digits - 1), -(10**digits - 1)):
        [found] = FastSerializer().loads(f"[{number}]".encode())
        assert (found, type(found)) == (number, int)
        assert FastSerializer().loads(f"{number}".encode()) == number


def test_what_is_no_number_is_read_as_python_reads_it():
    [found] = FastSerializer().loads(b"[NaN]")
    assert math.isnan(found)
