"""The command `migration` in small, on a real server."""

import json

import pytest

from benchmarks import migration, server

pytest_plugins = ["sigsearch_elasticsearch.testing.plugin"]


@pytest.mark.long
def test_image_matchs_own_index_is_searched_by_both_and_migrated(
    tmp_path, monkeypatch, elasticsearch_server, image_match
):
    monkeypatch.setenv("SIGSEARCH_TEST_ES_URL", elasticsearch_server.full_url)
    raw = tmp_path / "raw.jsonl"
    prefixes = []
    delete = server.delete_indexes
    monkeypatch.setattr(
        server,
        "delete_indexes",
        lambda client, prefix: (prefixes.append(prefix), delete(client, prefix)),
    )
    migration.migration(records=300, originals=20, queries=40, repeats=1, raw=raw)
    with elasticsearch_server.client() as client:
        there = client.indices.get_settings(index="*", expand_wildcards="all")
    assert prefixes
    assert not [name for name in there if name.startswith(tuple(prefixes))]
    rows = [json.loads(line) for line in raw.read_text().splitlines()]
    found = {(row["part"], row["name"]): row["values"] for row in rows[1:]}
    assert {part for part, _ in found} == {"load", "search", "orientations", "migrate", "add"}
    assert found["search", "matches of image-match's that effort 3 should give and does not"] == [0]
    (before,) = found["migrate", "image-match's index, a record"]
    (after,) = found["migrate", "the embedded index, a record"]
    assert after < before
