"""The leaves of metadata as terms, and filters as queries on them: they find what `Filter.matches` says."""

import itertools
import math
from enum import Enum, IntEnum
from functools import reduce

import numpy as np
import pytest
from backends.random_metadata import (
    NUMBERS,
    ODD_STRINGS,
    STRINGS,
    VALUES,
    filters,
    floats,
    metadatas,
)
from elasticsearch import helpers
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sigsearch_elasticsearch.leaves import filter_query, leaf_tokens

from sigsearch.filters import And, Eq, Exists, Filter, In, Not, Or, Range
from sigsearch.records import check_metadata
from sigsearch.testing.filter_cases import FILTERS, METADATA

MAPPING = {"type": "keyword", "norms": False, "doc_values": False, "index_options": "docs"}
MOST_BYTES = 900


def asked(where):
    return filter_query(where, "leaves").to_dict()


def token(value, path="a"):
    (found,) = leaf_tokens({path: value})
    return found


def finds(query, terms):
    """Whether a query is true of a document with these terms, as Elasticsearch documents it."""
    ((kind, body),) = query.items()
    if kind == "match_all":
        return True
    if kind == "match_none":
        return False
    if kind == "bool":
        assert body.keys() <= {"filter", "must_not", "should", "minimum_should_match"}
        assert body.get("minimum_should_match", 0) == ("should" in body)
        return (
            all(finds(part, terms) for part in body.get("filter", []))
            and not any(finds(part, terms) for part in body.get("must_not", []))
            and ("should" not in body or any(finds(part, terms) for part in body["should"]))
        )
    ((field, wanted),) = body.items()
    assert field == "leaves"
    if kind == "term":
        return wanted.encode() in terms
    if kind == "terms":
        assert 0 < len(wanted) <= 65_536
        return not terms.isdisjoint(value.encode() for value in wanted)
    assert kind == "range"
    bounds = {name: bound.encode() for name, bound in wanted.items()}
    assert len(bounds) == 2  # an open end would have leaves of other kinds and paths
    return any(
        bounds.get("gt", b"") < term
        and bounds.get("gte", b"") <= term
        and term < bounds.get("lt", b"\xff")
        and term <= bounds.get("lte", b"\xff")
        for term in terms
    )


def check(metadatas, filters):
    documents = [{text.encode() for text in leaf_tokens(metadata)} for metadata in metadatas]
    for where in filters:
        query = asked(where)
        for metadata, terms in zip(metadatas, documents, strict=True):
            assert finds(query, terms) == where.matches(metadata), (where, metadata)


# Tokens


@pytest.mark.parametrize(
    ("metadata", "tokens"),
    [
        (None, []),
        ("no path", []),
        ({"": "no path"}, []),
        ({"a": None, "b": [], "c": {}}, []),
        ({"museum": {"city": "Paris"}}, ["museum.city/sParis"]),
        ({"museum.city": "Paris"}, ["museum.city/sParis"]),
        ({"tags": ["oil", "wood", "oil"]}, ["tags/soil", "tags/swood"]),
        ({"a": [True, False, "true", ""]}, ["a/t", "a/f", "a/strue", "a/s"]),
        ({"a": [1, 1.0, True, "1"]}, ["a/na11", "a/t", "a/s1"]),
        ({"a/b": {"~": "/~"}}, ["a~1b.~0/s/~"]),
        ({"a": [0, -0.0]}, ["a/nP"]),
        # 1503 is 23 * 64 + 31; digits begin with 0 as 0; "a" is the digit 49, for one digit of a count >= 0.
        ({"a": 1503}, ["a/na2" + chr(48 + 23) + chr(48 + 31)]),
        ({"a": 64}, ["a/na21"]),
        # One digit, 1, before the point; of -1 all is complemented: 63 - 49 = 14, 63 - 1 = 62.
        ({"a": 1}, ["a/na11"]),
        ({"a": -1}, ["a/n" + chr(48 + 14) + chr(48 + 62) * 2 + "~"]),
        # 0.5 is 32 / 64: no digit before the point. Of 1 / 128 there is a zero behind it: a count of -1.
        ({"a": 0.5}, ["a/n" + chr(48 + 48) + chr(48 + 32)]),
        ({"a": 1 / 128}, ["a/n" + chr(48 + 47) + chr(48 + 62) + chr(48 + 32)]),
        ({"a": 64**3 * 5 + 63}, ["a/na4500" + chr(48 + 63)]),
    ],
    ids=repr,
)
def test_leaves_are_path_kind_and_value(metadata, tokens):
    assert leaf_tokens(metadata) == tokens


def test_few_bytes_are_spent_on_a_number():
    assert max(len(token(year)) for year in range(-4095, 4096)) <= len("a/n") + 5
    assert max(len(token(number)) for number in (0.1, -0.1, 2**53 + 1, 1e308, 5e-324)) <= len("a/n") + 13


big_integers = st.builds(
    lambda mantissa, shift: mantissa << shift, st.integers(-(2**70), 2**70), st.integers(0, 20_000)
)
numbers = st.sampled_from(NUMBERS) | st.integers() | floats | big_integers


@settings(max_examples=150, deadline=None)
@given(numbers, numbers)
@example(2**53, 2.0**53)
@example(2**53 + 1, 2.0**53)
@example(10**400, 1e308)
@example(-(10**400), -1e308)
@example(5e-324, 0)
@example(-5e-324, -0.0)
@example(64**63, 64**64)
@example(64**-63.0, 64**-64.0)
def test_numbers_are_in_order(a, b):
    terms = token(a).encode(), token(b).encode()
    assert (terms[0] < terms[1], terms[0] == terms[1]) == (a < b, a == b)


def test_numbers_side_by_side_are_in_order():
    near = [n + way for n in map(int, NUMBERS) for way in (-1, 0, 1)]
    near += [math.nextafter(x, way) for x in NUMBERS if isinstance(x, float) for way in (-9e307, 9e307)]
    near += [sign * 2.0**power for power in range(-1074, 1024) for sign in (-1, 1)]
    near += range(-70_000, 70_000, 17)
    ordered = sorted({*near, *NUMBERS})
    terms = [token(number).encode() for number in ordered]
    assert all(a < b for a, b in itertools.pairwise(terms))


def test_numbers_of_any_size_are_in_order():
    sizes = [*range(1, 300), 64**2, 2**18, 2**21]
    ordered = [number for size in sizes for number in (64**size - 1, 64**size)]
    terms = [token(number).encode() for number in (*(-n for n in reversed(ordered)), *ordered)]
    assert all(a < b for a, b in itertools.pairwise(terms))


texts = st.sampled_from(STRINGS) | st.text(st.characters(exclude_categories=["Cs"]))


@settings(max_examples=150, deadline=None)
@given(texts, texts)
def test_strings_are_in_order(a, b):
    terms = token(a).encode(), token(b).encode()
    assert (terms[0] < terms[1], terms[0] == terms[1]) == (a < b, a == b)


odd_paths = st.text(st.sampled_from("~/.01aé\0😀"), min_size=1, max_size=6)


@settings(max_examples=150, deadline=None)
@given(odd_paths, odd_paths, texts)
@example("a", "a/s", "")
@example("a/", "a~1", "")
@example("~", "~0", "")
def test_no_path_is_taken_for_another_or_for_the_beginning_of_one(a, b, text):
    check([{a: text}, {b: text}], [Eq(a, text), Range(a, gte=""), Range(a, lt=0), Exists(a)])


# What is too long for a token

LONG = ["x" * n for n in (800, *range(830, 837), 896, 897, 898, 1_000, 32_766, 100_000)]
LONG += ["é" * 600, "a" + "é" * 600, "😀" * 300, "a" + "😀" * 300, "aa" + "😀" * 300, "aaa" + "😀" * 300]


def test_tokens_are_never_longer_than_documented():
    paths = ["a", "b" * 610, "b" * 620, "/" * 310, "😀" * 160, "a" + "😀" * 16_000]
    tokens = leaf_tokens({path: [*LONG, True, 1, 64**4_000, -(64**4_000) + 1] for path in paths})
    assert len(tokens) == len(paths) * (len(LONG) + 4)
    assert max(len(text.encode()) for text in tokens) == MOST_BYTES


def test_long_values_are_found_by_equality():
    values = [*LONG, *(text + "y" for text in LONG), 64**4_000, 64**4_000 + 1, -(64**4_000) - 1]
    check([{"a": value} for value in values], [Eq("a", value) for value in values])


def test_long_values_are_in_ranges_by_their_beginning():
    metadatas = [{"a": text} for text in LONG]
    bounds = ["", "x", "xy", "x" * 800, "x" * 800 + "w", "x" * 800 + "y", "x" * 800 + "y" * 200, "é" * 400]
    check(metadatas, [Range("a", **{name: bound}) for name in ("gt", "lte") for bound in bounds])
    check(metadatas, [Range("a", gte=text, lte=text) for text in LONG])
    numbers = [64**4_000, 64**4_000 + 1, -(64**4_000), -(64**4_000) - 1]
    bounds = [64**3_999, 64**4_001, 64**4_000 + 64**3_900, -(64**4_000) + 64**3_900, 1e308, -1e308]
    check([{"a": number} for number in numbers], [Range("a", gt=bound) for bound in bounds])


def test_values_with_one_long_beginning_are_in_some_order():
    # The limit that the documentation tells of: every such range has one of the two.
    a, b = "x" * 1_000 + "a", "x" * 1_000 + "b"
    terms_of_a, terms_of_b = {token(a).encode()}, {token(b).encode()}
    assert finds(asked(Range("a", gt=a)), terms_of_b) != finds(asked(Range("a", gt=b)), terms_of_a)


def test_nothing_can_be_written_that_is_taken_for_something_long():
    cut = token("x" * 40_000).removeprefix("a/s")
    assert len(cut) < 900
    assert asked(Eq("a", cut)) != asked(Eq("a", "x" * 40_000))


def test_long_paths_are_found():
    paths = ["b" * 600, "b" * 620, "b" * 2_000, "b" * 2_000 + ".b", "b" * 100 + "." + "b" * 2_000]
    metadatas = [{path: value} for path in paths for value in (1, "x" * 2_000)]
    check(metadatas, [Eq(path, 1) for path in paths])
    check(metadatas, [Range(path, gte="x", lt="y") for path in paths])
    check(metadatas, [Exists(path) for path in ("b", "b" * 100, "b" * 600, "b" * 620, paths[3])])


def test_below_a_long_path_nothing_is_known_to_exist():
    # The limit that the documentation tells of.
    query = asked(Exists("b" * 700))
    assert finds(query, {token(1, "b" * 700).encode()})
    assert not finds(query, {token(1, "b" * 700 + ".b").encode()})


# Queries


def term(path, value):
    return {"term": {"leaves": token(value, path)}}


def terms(path, *values):
    return {"terms": {"leaves": [token(value, path) for value in values]}}


A, B, C, D = (term(name, 1) for name in "abcd")
IS_A, IS_B, IS_C, IS_D = (Eq(name, 1) for name in "abcd")
IS_B_OR_C = {"terms": {"leaves": [token(1, "b"), token(1, "c")]}}
R, IN_R = {"range": {"leaves": {"gte": "r.", "lt": "r0"}}}, Exists("r")


@pytest.mark.parametrize(
    ("where", "query"),
    [
        (Eq("city", "Paris"), {"term": {"leaves": "city/sParis"}}),
        (Eq("a", True), {"term": {"leaves": "a/t"}}),
        (In("a", ["x", False, "x"]), {"terms": {"leaves": ["a/sx", "a/f"]}}),
        (In("a", [1, 1.0]), A),
        (In("a", []), {"match_none": {}}),
        (Range("a", gte="P", lt="Q"), {"range": {"leaves": {"gte": "a/sP", "lt": "a/sQ"}}}),
        (Range("a", gt="P"), {"range": {"leaves": {"gt": "a/sP", "lt": "a/t"}}}),
        (Range("a", lte="P"), {"range": {"leaves": {"gte": "a/s", "lte": "a/sP"}}}),
        (Range("a", gt=0), {"range": {"leaves": {"gt": "a/nP", "lt": "a/o"}}}),
        (Range("a", lt=0), {"range": {"leaves": {"gte": "a/n", "lt": "a/nP"}}}),
        (Range("a", gt="P", gte="P"), {"range": {"leaves": {"gt": "a/sP", "lt": "a/t"}}}),
        (Range("a", lt="P", lte="O"), {"range": {"leaves": {"gte": "a/s", "lte": "a/sO"}}}),
        (Exists("a.b/c"), {"range": {"leaves": {"gte": "a.b~1c.", "lt": "a.b~1c0"}}}),
        (And(), {"match_all": {}}),
        (Or(), {"match_none": {}}),
        (~Or(), {"match_all": {}}),
        (~In("a", []), {"match_all": {}}),
        (~And(), {"bool": {"must_not": [{"match_all": {}}]}}),
        (And(IS_A), A),
        (Or(And(Or(~~IS_A))), A),
        (~IS_A, {"bool": {"must_not": [A]}}),
        (IS_A & IS_B & ~IS_C, {"bool": {"filter": [A, B], "must_not": [C]}}),
        (IS_A & (IS_B & (IS_C & IS_D)), {"bool": {"filter": [A, B, C, D]}}),
        (IN_R | IS_A, {"bool": {"should": [A, R], "minimum_should_match": 1}}),
        (Eq("a", 1) | In("a", [2, 3]) | Eq("a", 2), terms("a", 1, 2, 3)),
        (~IS_A & ~Eq("a", 2) & ~IN_R, {"bool": {"must_not": [terms("a", 1, 2), R]}}),
        (~(IN_R | IS_A), {"bool": {"must_not": [A, R]}}),
        (~(IS_A & IS_B), {"bool": {"must_not": [{"bool": {"filter": [A, B]}}]}}),
        (
            ~(IS_A & ~IS_B) | IS_C,
            {"bool": {"should": [IS_B_OR_C, {"bool": {"must_not": [A]}}], "minimum_should_match": 1}},
        ),
        ((IS_B | IS_C) & IN_R, {"bool": {"filter": [IS_B_OR_C, R]}}),
        # Lone surrogates are in no metadata, and UTF-8 has none.
        (Eq("a", "\ud800"), {"match_none": {}}),
        (Eq("\ud800", "a"), {"match_none": {}}),
        (Exists("\ud800"), {"match_none": {}}),
        (Range("\ud800", gt=0), {"match_none": {}}),
        (In("a", ["\ud800", "b"]), {"term": {"leaves": "a/sb"}}),
        (Range("a", gt="b\ud800"), {"range": {"leaves": {"gte": "a/sb\ue000", "lt": "a/t"}}}),
        (Range("a", lte="b\udfffd"), {"range": {"leaves": {"gte": "a/s", "lt": "a/sb\ue000"}}}),
    ],
    ids=repr,
)
def test_filters_are_these_queries(where, query):
    assert asked(where) == query


@pytest.mark.parametrize("field", ["leaves", "a__b", "a.b", "_x__", "with space"])
def test_the_field_is_named_as_it_is(field):
    for where, kind in ((IS_A, "term"), (In("a", [1, 2]), "terms"), (IN_R, "range")):
        assert list(filter_query(where, field).to_dict()[kind]) == [field]


def test_more_values_than_a_query_takes_are_several():
    query = asked(In("a", range(65_537)))
    assert [len(part["terms"]["leaves"]) for part in query["bool"]["should"]] == [65_536, 1]
    check([{"a": 0}, {"a": 65_536}, {"a": 65_537}], [In("a", range(65_537)), ~In("a", range(65_537))])


def test_kinds_of_number_and_string_that_users_have_are_taken_for_what_they_are():
    class Year(IntEnum):
        MONA_LISA = 1503

    class City(str, Enum):  # noqa: UP042, its str() is 'City.PARIS'
        PARIS = "Paris"

    metadatas = [{"year": 1503, "city": "Paris"}, {"year": 1504, "city": "Rome"}]
    check(metadatas, [Eq("year", Year.MONA_LISA), Eq("year", np.float64(1503))])
    check(metadatas, [Eq("city", City.PARIS), Range("city", lte=City.PARIS), Exists(City.PARIS)])


def test_a_filter_of_no_known_kind_is_refused():
    class Other(Filter):
        pass

    for where in (Other(), ~Other(), Other() & IS_A, Other() | IS_A):
        with pytest.raises(TypeError, match=r"wanted a filter of sigsearch\.filters, found <"):
            filter_query(where, "leaves")


def depth(query):
    ((kind, body),) = query.items()
    parts = [part for clause in body.values() if isinstance(clause, list) for part in clause]
    return 1 + max(map(depth, parts), default=0) if kind == "bool" else 1


@pytest.mark.parametrize(
    "deeper",
    [Not, And, Or, lambda where: where & IS_B, lambda where: where | IN_R, lambda where: ~(~where & IS_B)],
    ids=["not", "and", "or", "more and", "more or", "not and not"],
)
def test_filters_a_hundred_levels_deep_are_flat(deeper):
    where = reduce(lambda where, _: deeper(where), range(100), IS_A)
    assert depth(asked(where)) <= 3
    check([{"a": 1}, {"b": 1}, {"a": 1, "b": 1}, {"r": 1}, None], [where, ~where])


@pytest.mark.parametrize(
    "deeper",
    [lambda where: ~where & IS_B, lambda where: (where & IS_B) | IS_C],
    ids=["not and", "and or"],
)
def test_filters_that_alternate_a_hundred_times_are_what_they_match(deeper):
    where = reduce(lambda where, _: deeper(where), range(100), IS_A)
    check([{"a": 1}, {"a": 1, "b": 1}, {"b": 1}, {"c": 1}, None], [where, ~where])


# What queries find


def test_every_case_of_the_table_of_filters_by_the_documented_meaning_of_queries():
    check(list(METADATA.values()), [where for where, _ in FILTERS])


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(metadatas, max_size=12), st.lists(filters, min_size=1, max_size=8))
@example([{"a": 2**63 + 1}], [Eq("a", float(2**63)), Range("a", gt=2.0**63), Range("a", lte=2.0**63)])
@example([{"a": [1, 1.0, True, "1"]}], [Eq("a", 1), Eq("a", True), Eq("a", "1"), ~Eq("a", 1.0)])
def test_random_filters_find_what_they_match(metadatas, filters):
    check([check_metadata(metadata) for metadata in metadatas], filters)


@pytest.mark.parametrize("name", ["gt", "gte", "lt", "lte"])
def test_every_value_compares_with_every_other_as_in_python(name):
    asked_values = [*VALUES, *ODD_STRINGS]
    bounds = [value for value in asked_values if not isinstance(value, bool)]
    filters = [*(Eq("a", value) for value in asked_values), *(Range("a", **{name: b}) for b in bounds)]
    check([{"a": value} for value in VALUES], filters)


# The server


def stored(client, index, metadatas):
    """Make an index that has the leaves of these, each by its place."""
    mappings = {"dynamic": "strict", "properties": {"leaves__": MAPPING}}
    client.indices.create(index=index, mappings=mappings, settings={"number_of_replicas": 0})
    actions = (
        {"_index": index, "_id": str(place), "leaves__": leaf_tokens(metadata)}
        for place, metadata in enumerate(metadatas)
    )
    helpers.bulk(client, actions, refresh=True)


def found(client, index, filters):
    """For each filter the places of what the server finds."""
    for start in range(0, len(filters), 100):
        searches = []
        for where in filters[start : start + 100]:
            query = {"bool": {"filter": [filter_query(where, "leaves__").to_dict()]}}
            searches += [{}, {"query": query, "size": 1000, "_source": False}]
        for answer in client.msearch(index=index, searches=searches)["responses"]:
            assert answer["status"] == 200, str(answer)[:2000]
            yield {int(hit["_id"]) for hit in answer["hits"]["hits"]}


def test_the_server_finds_every_case_of_the_table_of_filters(elasticsearch_server, elasticsearch_index_name):
    with elasticsearch_server.client() as client:
        stored(client, elasticsearch_index_name, METADATA.values())
        filters = [where for where, _ in FILTERS]
        for (where, names), places in zip(
            FILTERS, found(client, elasticsearch_index_name, filters), strict=True
        ):
            assert {list(METADATA)[place] for place in places} == names, where


def test_the_server_takes_and_finds_whatever_is_json(elasticsearch_server, elasticsearch_index_name):
    paths = ["a", "b\0", "\0", "a/", "~", "\n\t", "\x7f\u2028", "a.", ".", "é😀", "p" * 620, "p" * 40_000]
    metadatas = [{"a": value} for value in [*VALUES, *LONG, 10**4000]] + [{path: 1} for path in paths]
    filters = [Eq("a", value) for value in [*VALUES, *LONG, *ODD_STRINGS]]
    filters += [Range("a", **{name: b}) for name in ("gt", "lte") for b in [*NUMBERS, *STRINGS, *ODD_STRINGS]]
    filters += [kind(path) for path in paths for kind in (Exists, lambda path: Eq(path, 1))]
    filters += [Range("a", gt=2, lt=1), Range("a", gt="b", lt="a")]
    filters += [Range("a", gte=text, lte=text) for text in LONG]
    filters += [~In("a", range(66_000)), And(), ~And()]
    with elasticsearch_server.client() as client:
        stored(client, elasticsearch_index_name, metadatas)
        for where, places in zip(filters, found(client, elasticsearch_index_name, filters), strict=True):
            wanted = {place for place, metadata in enumerate(metadatas) if where.matches(metadata)}
            assert places == wanted, repr(where)[:100]
