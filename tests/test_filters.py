"""Filters by themselves: the shared table, what they refuse, and how users write them."""

import math
from dataclasses import FrozenInstanceError

import pytest

import sigsearch
from sigsearch.errors import InputError
from sigsearch.filters import And, Eq, Exists, Filter, In, Not, Or, Range, as_filter, leaves
from sigsearch.testing import FILTER_CASES
from sigsearch.testing.filter_cases import FILTERS, METADATA


@pytest.mark.parametrize("where", [where for where, _ in FILTERS], ids=repr)
def test_a_filter_is_true_of_the_metadata_that_the_table_says(where):
    cases = [case for case in FILTER_CASES if case.filter is where]
    assert {case.name for case in cases} == METADATA.keys()
    wrong = {case.name for case in cases if where.matches(case.metadata) is not case.expected}
    assert wrong == set()


def test_the_table_has_every_kind_of_filter_both_true_and_false():
    for kind in (Eq, In, Range, Exists, And, Or, Not):
        assert {case.expected for case in FILTER_CASES if isinstance(case.filter, kind)} == {True, False}


def test_leaves_are_the_numbers_strings_and_booleans_with_their_paths():
    metadata = {
        "museum": {"city": "Paris", "rooms": [1, [2.5]], "closed": None},
        "tags": ["oil", {"by": True}],
        "none": {},
    }
    assert list(leaves(metadata)) == [
        ("museum.city", "Paris"),
        ("museum.rooms", 1),
        ("museum.rooms", 2.5),
        ("tags", "oil"),
        ("tags.by", True),
    ]


def test_a_tuple_is_a_list():
    assert Eq("tags", "oil").matches({"tags": ("oil", "wood")})


# How users write them


def test_operators_make_the_combinations():
    a, b = Eq("a", 1), Exists("b")
    assert a & b == And(a, b)
    assert a | b == Or(a, b)
    assert ~a == Not(a)
    assert a & b | ~a == Or(And(a, b), Not(a))


def test_a_mapping_says_that_all_its_values_are_equal():
    assert as_filter({"museum": "Louvre"}) == Eq("museum", "Louvre")
    assert as_filter({"a": 1, "b.c": True}) == And(Eq("a", 1), Eq("b.c", True))
    assert as_filter({}) == And()


def test_a_filter_and_none_are_taken_as_they_are():
    where = Exists("a")
    assert as_filter(where) is where
    assert as_filter(None) is None


@pytest.mark.parametrize("where", ["museum=Louvre", 1, [Eq("a", 1)], Eq])
def test_anything_else_is_no_filter(where):
    with pytest.raises(InputError, match="wanted a filter such as Eq"):
        as_filter(where)


def test_filters_compare_by_value_and_do_not_change():
    where = In("a", ["x", "y"])
    assert where == In("a", ("x", "y"))
    assert {where: 1}[In("a", iter(["x", "y"]))] == 1
    with pytest.raises(FrozenInstanceError):
        where.path = "b"


def test_a_filter_shows_itself_as_it_is_written():
    where = Eq("museum.city", "Paris") & ~Range("year", lt=1500)
    names = {kind.__name__: kind for kind in (And, Eq, Not, Range)}
    assert eval(repr(Eq("a", 1)), names) == Eq("a", 1)
    assert "museum.city" in repr(where)


def test_the_public_filters_are_these():
    for kind in (Filter, Eq, In, Range, Exists, And, Or, Not):
        assert getattr(sigsearch, kind.__name__) is kind


# What they refuse


@pytest.mark.parametrize("path", ["", None, 1, ["a"]])
@pytest.mark.parametrize("make", [Exists, lambda p: Eq(p, 1), lambda p: In(p, [1]), lambda p: Range(p, gt=1)])
def test_a_path_is_a_string_with_something_in_it(make, path):
    with pytest.raises(InputError, match="wanted the path of a metadata value"):
        make(path)


@pytest.mark.parametrize("value", [None, [], {}, math.nan, math.inf, b"bytes", 1j, object()])
def test_a_value_is_a_string_a_number_or_a_boolean(value):
    with pytest.raises(InputError, match="wanted a string, number or boolean"):
        Eq("a", value)
    with pytest.raises(InputError, match="wanted a string, number or boolean"):
        In("a", ["x", value])


def test_who_asks_for_null_is_told_how():
    with pytest.raises(InputError, match=r"~Exists\(path\)"):
        Eq("a", None)


@pytest.mark.parametrize("values", ["Louvre", 1, None])
def test_in_takes_several_values_and_not_one(values):
    with pytest.raises(InputError, match="wanted several values"):
        In("a", values)


@pytest.mark.parametrize("bounds", [{}, {"gt": 1, "lt": "z"}, {"gt": None}])
def test_a_range_has_bounds_of_one_kind(bounds):
    with pytest.raises(InputError, match="all numbers or all strings"):
        Range("a", **bounds)


@pytest.mark.parametrize("bound", [True, math.nan, [1]])
def test_a_bound_is_a_number_or_a_string(bound):
    with pytest.raises(InputError):
        Range("a", gte=bound)


@pytest.mark.parametrize("make", [And, Or, Not])
def test_only_filters_combine(make):
    with pytest.raises(InputError, match="wanted a filter"):
        make({"museum": "Louvre"})
    with pytest.raises(InputError, match="wanted a filter"):
        Eq("a", 1) & "b"


def test_filters_are_equal_if_they_mean_the_same_values_of_the_same_kind():
    assert Eq("year", 1) == Eq("year", 1)
    assert Eq("year", 1) != Eq("year", True)
    assert len({In("a", [1, "b"]), In("a", [1, "b"]), In("a", [True, "b"])}) == 2
    assert ~(Eq("a", 1) & Exists("b")) == Not(And(Eq("a", 1), Exists("b")))
