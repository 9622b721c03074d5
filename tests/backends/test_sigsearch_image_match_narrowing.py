"""Queries that narrow a filter: they lose nothing in any mapping, and are narrow where they can be."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sigsearch_image_match.narrowing import narrowed

from backends import random_metadata
from sigsearch.filters import And, Eq, Exists, In, Not, Or, Range
from sigsearch.testing.filter_cases import FILTERS, METADATA

APART = {"term": {"sigsearch.apart": True}}


def mapping(metadata):
    return {"properties": {"metadata": {"properties": metadata}}}


def either(query, name):
    ignored = {"terms": {"_ignored": [f"metadata.{name}", f"metadata.{name}.keyword"]}}
    one = {"bool": {"should": [query, ignored], "minimum_should_match": 1}}
    return {"bool": {"should": [one, APART], "minimum_should_match": 1}}


DYNAMIC = {"type": "text", "fields": {"keyword": {"type": "keyword", "ignore_above": 256}}}


@pytest.mark.parametrize(
    ("where", "field", "query"),
    [
        (Eq("a", "Paris"), DYNAMIC, {"term": {"metadata.a.keyword": "Paris"}}),
        (Eq("a", "Paris"), {"type": "keyword"}, {"term": {"metadata.a": "Paris"}}),
        (Eq("a", True), {"type": "boolean"}, {"term": {"metadata.a": True}}),
        (Eq("a", 1601.5), {"type": "long"}, {"range": {"metadata.a": {"gte": 1601, "lte": 1601}}}),
        (Eq("a", -1.5), {"type": "long"}, {"range": {"metadata.a": {"gte": -1, "lte": -1}}}),
        (Eq("a", 0.1), {"type": "float"}, {"range": {"metadata.a": {"gte": 0.1, "lte": 0.1}}}),
        (Range("a", gt=3), {"type": "long"}, {"range": {"metadata.a": {"gte": 3}}}),
        (Range("a", gt=3, gte=4, lt=9.5), {"type": "long"}, {"range": {"metadata.a": {"gte": 4, "lte": 9}}}),
        (Range("a", gt=2**64), {"type": "long"}, {"match_none": {}}),
        (Range("a", gt=-(2**64), lt=7), {"type": "long"}, {"range": {"metadata.a": {"lte": 7}}}),
    ],
)
def test_plain_fields_are_asked_for_values(where, field, query):
    assert narrowed(where, mapping({"a": field})) == either(query, "a")


def test_a_field_that_the_server_does_not_know_has_no_values():
    assert narrowed(Eq("b", 1), mapping({"a": DYNAMIC})) == either({"match_none": {}}, "b")


def test_the_object_of_a_record_stands_before_the_names():
    found = narrowed(Eq("a", 1), {"properties": {"image": mapping({"a": {"type": "long"}})}}, "image")
    assert "image.metadata.a" in str(found)
    assert "image.sigsearch.apart" in str(found)


@pytest.mark.parametrize(
    ("where", "found"),
    [
        (Eq("a", 1), {"properties": {"metadata": {"type": "nested", "properties": {"a": {"type": "long"}}}}}),
        (Eq("a", 1), {"properties": {"metadata": {"type": "flattened"}}}),
        (Eq("a", 1), {"properties": {"metadata": {"enabled": False}}}),
        (Eq("a", 1), {"properties": {"metadata": {"dynamic": "false", "properties": {}}}}),
        (Eq("a", 1), {"dynamic": "strict", "properties": {}}),
        (Eq("a", 1), {"dynamic_templates": [], **mapping({})}),
        (Eq("a", 1), mapping({"a": {"type": "keyword"}})),
        (Eq("a", 1), mapping({"a": {"type": "long", "index": False}})),
        (Eq("a", 1e300), mapping({"a": {"type": "float"}})),
        (Eq("a", "x"), mapping({"a": {"type": "long"}})),
        (Eq("a", "x"), mapping({"a": {"type": "text"}})),
        (Eq("a", "x"), mapping({"a": {"type": "keyword", "normalizer": "lowercase"}})),
        (Range("a", gte="x"), mapping({"a": DYNAMIC})),
        (Exists("a"), mapping({"a": DYNAMIC})),
        (Not(Eq("a", "x")), mapping({"a": DYNAMIC})),
        (Or(Eq("a", "x"), Exists("a")), mapping({"a": DYNAMIC})),
        (And(), mapping({"a": DYNAMIC})),
        (In("a", [f"{k}" for k in range(5000)]), mapping({"a": DYNAMIC})),
    ],
)
def test_where_nothing_can_be_told_nothing_is_narrowed(where, found):
    assert narrowed(where, found) is None


MAPPINGS = {
    "dynamic": {},
    "keyword": {
        "properties": {
            "metadata": {"properties": {n: {"type": "keyword", "ignore_above": 3} for n in ("city", "year")}}
        }
    },
    "numbers": {
        "properties": {
            "metadata": {
                "properties": {"year": {"type": "short", "ignore_malformed": True}, "size": {"type": "float"}}
            }
        }
    },
    "nested": {"properties": {"metadata": {"type": "nested"}}},
    "nested below": {"properties": {"metadata": {"properties": {"museum": {"type": "nested"}}}}},
    "not dynamic": {
        "properties": {"metadata": {"dynamic": False, "properties": {"city": {"type": "keyword"}}}}
    },
    "flattened": {"properties": {"metadata": {"type": "flattened"}}},
}


def store(client, name, stored):
    """Documents with metadata, kept apart where the server refuses them."""
    for id, metadata in stored.items():
        operations = [{"index": {"_index": name, "_id": id}}, {"metadata": metadata}]
        if not isinstance(metadata, dict) or client.bulk(operations=operations)["errors"]:
            client.index(index=name, id=id, document={"sigsearch": {"apart": True}})
    client.indices.refresh(index=name)


def found_by(client, name, where):
    query = narrowed(where, client.indices.get_mapping(index=name)[name]["mappings"])
    hits = client.search(index=name, query=query, size=1000, source=False)["hits"]["hits"]
    return {hit["_id"] for hit in hits}, query is not None


@pytest.mark.parametrize("name_of_mapping", MAPPINGS)
def test_no_record_is_lost_in_any_mapping(client, name, name_of_mapping):
    client.indices.create(index=name, mappings=MAPPINGS[name_of_mapping])
    store(client, name, METADATA)
    lost, narrow = {}, 0
    for where, wanted in FILTERS:
        found, is_narrowed = found_by(client, name, where)
        narrow += is_narrowed
        if wanted - found:
            lost[repr(where)] = wanted - found
    assert lost == {}
    if name_of_mapping in ("dynamic", "keyword", "numbers"):
        assert narrow > 15


@settings(
    max_examples=25, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck)
)
@given(
    stored=st.lists(random_metadata.metadatas, min_size=1, max_size=15),
    filters=st.lists(random_metadata.filters, min_size=10, max_size=30),
)
def test_no_record_is_lost_whatever_the_metadata(client, name, stored, filters):
    client.indices.delete(index=name, ignore_unavailable=True)
    client.indices.create(index=name)
    store(client, name, {f"{number}": metadata for number, metadata in enumerate(stored)})
    for where in filters:
        found, _ = found_by(client, name, where)
        wanted = {f"{number}" for number, metadata in enumerate(stored) if where.matches(metadata)}
        assert wanted <= found, (where, wanted - found)
