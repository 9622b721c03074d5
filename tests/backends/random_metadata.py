"""Random metadata and random filters on it, with the values at which leaves are hard to get right."""

import math

from hypothesis import strategies as st

from sigsearch.filters import And, Eq, Exists, In, Not, Or, Range

HUGE = [2**63 - 1, 2**63, 2**63 + 1, 2**64 - 1, 2**64 + 2048, 10**30, 10**308, 2**1024, 10**400]
NUMBERS = [
    *(0, 1, 1503, -1, 255, 256, 2**53 - 1, 2**53, 2**53 + 1, 2**62 + 1),
    *(0.0, -0.0, 1.0, 1.5, 5e-324, 0.1, 2.0**53, 2.0**63, -(2.0**63), 1e30, 1e308, -1e308),
    *(math.nextafter(2.0**63, 0), math.nextafter(2.0**63, math.inf)),
    *HUGE,
    *(-number for number in HUGE),
    *(-(2**63) - 1, -(2**63) - 2049),
]
STRINGS = ["", "a", "A", "ab", "a\0", "a\0b", "\0", "1", "1503", "é", "\ud7ff", "\ue000", "\uffff", "😀"]
VALUES = [*NUMBERS, *STRINGS, True, False]
ODD_STRINGS = ["\ud800", "a\udfff", "\udc00b", "😀\ud83d"]  # lone surrogates: only filters can have them
PATHS = ["a", "b", "a.b", "a.", ".", "a.b.c", "a/", "a-", "a\0", "A", "", "%", "_", "é", "a" * 300]

paths = st.sampled_from(PATHS)
floats = st.floats(allow_nan=False, allow_infinity=False)
values = st.sampled_from(VALUES) | st.integers() | floats | st.text()
metadatas = st.recursive(
    st.none() | values,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(paths, inner, max_size=3),
    max_leaves=8,
)
asked_paths = (paths | st.sampled_from(ODD_STRINGS)).filter(bool)
asked_strings = st.sampled_from([*STRINGS, *ODD_STRINGS])
asked_values = values | asked_strings
bounds = st.sampled_from(["gt", "gte", "lt", "lte"])
comparisons = st.one_of(
    st.builds(Eq, asked_paths, asked_values),
    st.builds(In, asked_paths, st.lists(asked_values, max_size=4)),
    st.builds(Exists, asked_paths),
    *(
        st.builds(
            lambda path, limits: Range(path, **limits),
            asked_paths,
            st.dictionaries(bounds, kind, min_size=1, max_size=4),
        )
        for kind in (st.sampled_from(NUMBERS), asked_strings)
    ),
)
filters = st.recursive(
    comparisons,
    lambda inner: st.one_of(
        st.builds(Not, inner),
        *(st.lists(inner, max_size=3).map(lambda parts, kind=kind: kind(*parts)) for kind in (And, Or)),
    ),
    max_leaves=6,
)
