"""The index of metadata leaves in the embedded backend's file: it finds what `Filter.matches` is true of."""

import json
import sqlite3
from contextlib import closing
from enum import IntEnum, StrEnum
from functools import reduce

import numpy as np
import pytest
from backends.random_metadata import ODD_STRINGS, VALUES, filters, metadatas
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sigsearch_local import leaves

from sigsearch.filters import And, Eq, Exists, Filter, In, Not, Or, Range
from sigsearch.records import check_metadata
from sigsearch.testing.filter_cases import FILTERS, METADATA


@pytest.fixture
def database():
    with closing(make_database()) as database:
        yield database


def make_database(rows=()):
    """A database with the tables that matter here and the records of some rows."""
    database = sqlite3.connect(":memory:", isolation_level=None)
    database.execute("CREATE TABLE records (number INTEGER PRIMARY KEY, id TEXT UNIQUE, metadata TEXT)")
    for statement in leaves.SCHEMA.split(";\n"):
        database.execute(statement)
    database.execute("PRAGMA foreign_keys = ON")
    fill(database, rows)
    return database


def fill(database, rows):
    rows = list(rows)
    database.executemany(
        "INSERT INTO records VALUES (?, ?, ?)", [(n, str(n), json.dumps(metadata)) for n, metadata in rows]
    )
    leaves.add(database, rows)


def check(database, rows, where):
    """Fail unless the index finds what the filter matches, in order."""
    found = leaves.numbers(database, where)
    assert found.dtype == np.int64
    assert found.tolist() == sorted(number for number, metadata in rows if where.matches(metadata))


def count(database):
    return [database.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in ("paths", "leaves")]


def plans(database, where):
    """How SQLite goes about each query for a filter, as lines; of the tables alone, not of their results."""
    queries = []
    # SQLite writes infinity as it does not read it.
    database.set_trace_callback(lambda query: queries.append(query.replace("-Inf", "-9e999")))
    leaves.numbers(database, where)
    database.set_trace_callback(None)
    return [
        [
            row[3]
            for row in database.execute(f"EXPLAIN QUERY PLAN {query}").fetchall()
            if not any(word in row[3].lower() for word in ("co-routine", "materialize", "subquery"))
        ]
        for query in queries
    ]


@pytest.fixture(scope="module")
def table():
    """The metadata of the table of filters."""
    with closing(make_database(enumerate(METADATA.values()))) as database:
        yield database


@pytest.mark.parametrize(("where", "names"), FILTERS, ids=[repr(where)[:80] for where, _ in FILTERS])
def test_every_case_of_the_table_of_filters(table, where, names):
    assert [list(METADATA)[i] for i in leaves.numbers(table, where)] == [n for n in METADATA if n in names]


# Random filters on random metadata


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(metadatas, max_size=12), st.lists(filters, min_size=1, max_size=8))
@example([{"a": 2**63 + 1}], [Eq("a", float(2**63)), Range("a", gt=2.0**63), Range("a", lte=2.0**63)])
@example([{"a": [1, 1.0, True, "1"]}], [Eq("a", 1), Eq("a", True), Eq("a", "1"), ~Eq("a", 1.0)])
def test_random_filters_find_what_they_match(metadatas, filters):
    rows = [(3 * i, check_metadata(metadata)) for i, metadata in enumerate(metadatas)]
    with closing(make_database(rows)) as database:
        for where in filters:
            check(database, rows, where)
        leaves.remove(database, rows)
        assert count(database) == [0, 0]


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(metadatas, max_size=12), st.lists(filters, min_size=1, max_size=8), st.integers(0, 13))
@example([{"a": [1, 2, 3]}, {"a": [1, 2]}, {"a": 1}], [Range("a", gte=0), Exists("a")], 3)
@example([{"a": 1}, {"a": 2}], [Eq("a", 1) & Exists("a"), Eq("a", 1) | Eq("a", 2), ~Eq("a", 1)], 1)
def test_few_are_all_that_a_filter_matches_or_are_not_given(metadatas, filters, most):
    rows = [(3 * number, check_metadata(metadata)) for number, metadata in enumerate(metadatas)]
    with closing(make_database(rows)) as database:
        for where in filters:
            found = leaves.few(database, where, most)
            matching = {number for number, metadata in rows if where.matches(metadata)}
            if found is None:
                continue
            assert len(found) <= most
            assert found.tolist() == sorted(set(found.tolist()))
            assert matching <= set(found.tolist())


def test_few_are_given_where_there_are_few():
    rows = [(number, {"even": number % 2 == 0, "hundred": number // 100}) for number in range(1000)]
    with closing(make_database(rows)) as database:
        assert len(leaves.few(database, Eq("hundred", 3), 100)) == 100
        assert leaves.few(database, Eq("hundred", 3), 99) is None
        assert leaves.few(database, Eq("even", True), 100) is None
        assert len(leaves.few(database, Eq("even", True) & Eq("hundred", 3), 100)) == 100
        assert len(leaves.few(database, In("hundred", [3, 4]), 200)) == 200
        assert leaves.few(database, In("hundred", [3, 4]), 199) is None
        assert leaves.few(database, ~Eq("even", True), 1000) is None


@pytest.mark.parametrize("name", ["gt", "gte", "lt", "lte"])
def test_every_value_compares_with_every_other_as_in_python(name):
    rows = [(number, {"a": value}) for number, value in enumerate(VALUES)]
    with closing(make_database(rows)) as database:
        for value in [*VALUES, *ODD_STRINGS]:
            check(database, rows, Eq("a", value))
            if not isinstance(value, bool):
                check(database, rows, Range("a", **{name: value}))


def test_a_range_with_two_bounds_on_a_side_keeps_to_both():
    rows = [(number, {"a": number}) for number in range(20)]
    with closing(make_database(rows)) as database:
        for limits in ((3, 7, 12, 9), (7, 3, 9, 12), (5, 5, 8, 8)):
            check(database, rows, Range("a", **dict(zip(("gt", "gte", "lt", "lte"), limits, strict=True))))


def test_kinds_of_number_and_string_that_users_have_are_taken_for_what_they_are(database):
    class Year(IntEnum):
        MONA_LISA = 1503

    class City(StrEnum):
        PARIS = "Paris"

    fill(database, [(1, {"year": 1503, "city": "Paris"}), (2, {"year": 1504, "city": "Rome"})])
    for where in (Eq("year", Year.MONA_LISA), Eq("year", np.float64(1503)), Range("city", lte=City.PARIS)):
        assert leaves.numbers(database, where).tolist() == [1]


# Large and deep filters


def test_one_of_many_thousand_values():
    rows = [(n, {"n": [n, str(n)]}) for n in range(3000)]
    with closing(make_database(rows)) as database:
        check(database, rows[:100], In("n", [*range(100), *range(10**6, 10**6 + 20_000)]))
        assert len(leaves.numbers(database, In("n", [str(n) for n in range(5000)]))) == 3000


def test_combinations_of_many_filters():
    rows = [(n, {"n": n}) for n in range(50)]
    parts = [Eq("n", n) if n % 2 else ~Eq("n", n) for n in range(2000)]
    with closing(make_database(rows)) as database:
        for where in (Or(*parts), And(*parts), ~Or(*parts), ~And(*parts)):
            check(database, rows, where)


@pytest.mark.parametrize(
    "deeper",
    [Not, And, Or, lambda where: ~where & Exists("b"), lambda where: Or(~where, Eq("b", 1))],
    ids=["not", "and", "or", "not and", "not or"],
)
def test_filters_hundreds_of_levels_deep(deeper):
    rows = [(1, {"a": 1}), (2, {"a": 2, "b": 1}), (3, {"b": 2}), (4, None)]
    with closing(make_database(rows)) as database:
        for levels in (199, 200):
            check(database, rows, reduce(lambda where, _: deeper(where), range(levels), Eq("a", 1)))


def test_a_filter_of_no_known_kind_is_refused(database):
    class Other(Filter):
        pass

    with pytest.raises(TypeError, match=r"wanted a filter of sigsearch\.filters, found <"):
        leaves.numbers(database, Other())


# What is in the index


def test_records_without_leaves_cost_nothing_and_are_found_by_negation(database):
    fill(database, [(1, None), (2, {}), (3, [None, []]), (4, {"": "no filter asks for an empty path"})])
    assert count(database) == [0, 0]
    assert leaves.numbers(database, ~Exists("a")).tolist() == [1, 2, 3, 4]


def test_equal_leaves_of_a_record_are_one(database):
    fill(database, [(1, {"a": [1, 1.0, 1, "1", "1", True, True]}), (2, {"a": [0.0, -0.0, 2**63, 2.0**63]})])
    assert count(database) == [1, 3 + 2]


def test_removed_records_are_found_no_more_and_the_others_still_are(database):
    rows = [(n, {"a": [n % 3, str(n % 3)], f"own {n}": 10**30 + n}) for n in range(30)]
    fill(database, rows)
    leaves.remove(database, rows[:10])
    check(database, rows[10:], Eq("a", 1) | Exists("own 12") | Range("own 15", gt=10**30))
    assert leaves.numbers(database, Exists("own 3")).tolist() == []
    assert count(database) == [1 + 20, 3 * 20]
    leaves.remove(database, rows[10:])
    assert count(database) == [0, 0]


def test_replaced_metadata_is_found_and_the_old_is_not(database):
    fill(database, [(1, {"a": 1, "b": 1}), (2, {"a": 1})])
    leaves.remove(database, [(1, {"a": 1, "b": 1})])
    leaves.add(database, [(1, {"a": 2})])
    assert [leaves.numbers(database, Eq("a", n)).tolist() for n in (1, 2)] == [[2], [1]]
    assert leaves.numbers(database, Exists("b")).tolist() == []


def test_a_record_taken_in_twice_is_an_error_and_not_a_leaf_that_stays_for_ever(database):
    fill(database, [(1, {"a": 1})])
    with pytest.raises(sqlite3.IntegrityError):
        leaves.add(database, [(1, {"a": 1.0})])


def test_rows_may_come_from_an_iterator(database):
    rows = [(n, {"a": n}) for n in range(5)]
    fill(database, iter(rows))
    leaves.remove(database, iter(rows[:2]))
    assert leaves.numbers(database, Exists("a")).tolist() == [2, 3, 4]


@pytest.mark.parametrize("text", ["'; DROP TABLE leaves; --", "?", "?1", ":a", '"', "' OR 1 --", "{}", "%s"])
def test_what_users_write_is_never_sql(database, text):
    rows = [(1, {text: text}), (2, {"a": "b"}), (3, None)]
    fill(database, rows)
    for where in (Eq(text, text), In(text, [text, 1]), Range(text, gte=text), Exists(text), ~Eq(text, "b")):
        check(database, rows, where)
    leaves.remove(database, rows[:1])
    assert count(database) == [1, 1]


# How SQLite goes about it


@pytest.mark.parametrize(
    ("where", "search"),
    [
        (Eq("a", 1), "(path=? AND value=?)"),
        (In("a", [1, "b", True]), "(path=? AND value=?)"),
        (Range("a", gte=1), "(path=? AND value>? AND value<?)"),
        (Range("a", lt=1.5), "(path=? AND value>? AND value<?)"),
        (Range("a", gt="a", lte="b"), "(path=? AND value>? AND value<?)"),
        (Exists("a"), "(path=?)"),
        (~Eq("a", 1) & Eq("a", 2), "(path=? AND value=?)"),
    ],
    ids=repr,
)
def test_leaves_are_searched_by_the_index_alone_and_nothing_is_scanned(database, where, search):
    for plan in plans(database, where):
        assert [line for line in plan if "leaves" in line] == [f"SEARCH leaves USING PRIMARY KEY {search}"]
        assert not [line for line in plan if "SCAN" in line]


def test_a_range_walks_no_further_than_its_bounds():
    rows = [(n, {"a": [n, str(n)]}) for n in range(5000)]
    with closing(make_database(rows)) as database:

        def steps(where):
            taken = []
            database.set_progress_handler(lambda: taken.append(1) and None, 100)
            leaves.numbers(database, where)
            database.set_progress_handler(None, 0)
            return len(taken)

        assert steps(Exists("a")) > 300
        for where in (Range("a", gte=100, lt=105), Range("a", gt=4997), Range("a", gt="10", lt="102")):
            assert steps(where) < 5


def test_only_a_negated_result_needs_all_records_and_reads_no_metadata_for_them(database):
    *_, plan = plans(database, ~Exists("a"))
    assert plan == ["SCAN records USING COVERING INDEX sqlite_autoindex_records_1"]
