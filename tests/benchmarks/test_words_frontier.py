"""The stage of words: a slow twin of the counting, cases worked by hand, and the server that counts alike."""

import math
from collections import Counter, defaultdict
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from sigsearch_elasticsearch.tokens import near_tokens_of, tokens_of
from suite_settings import tiny

from benchmarks import made, server, word_counts
from benchmarks.suite import words
from benchmarks.suite.rows import RowFile, read
from benchmarks.suite.run import Run, header
from benchmarks.suite.words import Way
from benchmarks.word_counts import DICTIONARY_BYTES, Postings, ask, index_words, rank
from sigsearch.scheme import DEFAULT_SCHEME, IMAGE_MATCH_SCHEME, Scheme

pytest_plugins = ["sigsearch_elasticsearch.testing.plugin"]

TINY = tiny(originals=6, records=(100,), queries=30, words_records=600, elasticsearch=True)
SCHEMES = {
    "the default": DEFAULT_SCHEME,
    "image-match's": IMAGE_MATCH_SCHEME,
    "short runs": Scheme(word_shape="run", word_length=4, word_count=120),
    "more words than crosses": Scheme(word_length=8, word_count=170),
    "long words": Scheme(word_length=20, word_count=40),
}
WAYS = [Way(w, near, share) for w in ("equal", "idf") for near, share in ((0, 1.0), (3, 1.0), (0, 0.5))]


@pytest.fixture(scope="module")
def signatures():
    return np.concatenate(list(made.make_chunks(400, [1, 2, 3], 7, workers=0)))


def twin(records, queries, own, scheme, way):
    """What `rank` gives, by dictionaries of tokens."""
    holders = defaultdict(list)
    for number, tokens in enumerate(tokens_of(records, scheme)):
        for token in tokens:
            holders[token].append(number)
    better, equal, postings = [], [], []
    differing = near_tokens_of(queries, scheme, way.near) if way.near else [[]] * len(queries)
    for same, near, mine in zip(tokens_of(queries, scheme, way.share), differing, own, strict=True):
        counts = Counter()
        read = 0
        for token, counted in [*((t, 2) for t in same), *((t, 1) for t in near)]:
            found = holders.get(token, [])
            rarity = math.log(1 + (len(records) - len(found) + 0.5) / (len(found) + 0.5))
            weight = counted * (round(2**20 * rarity) if way.weighting == "idf" else 1)
            read += len(found)
            for number in found:
                counts[number] += weight
        postings.append(read)
        count = counts.pop(mine, None)
        better.append(None if count is None else sum(other > count for other in counts.values()))
        equal.append(None if count is None else sum(other == count for other in counts.values()))
    return better, equal, postings


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=SCHEMES)
def test_records_are_counted_as_a_slow_twin_counts_them(signatures, scheme, way):
    own = list(range(0, 400, 20))
    queries = made.change(signatures[own], np.random.default_rng(1))
    queries[-1] = -signatures[own[-1]]
    asked = ask(queries, scheme, near=way.near, share=way.share)
    ranks = rank(index_words(signatures, scheme), asked, own, way.weighting)
    assert (ranks.better, ranks.equal, ranks.postings) == twin(signatures, queries, own, scheme, way)


def test_of_equal_records_each_has_the_other_as_an_equal_and_none_before_it(signatures):
    one, other = signatures[0], -signatures[0]
    postings = index_words(np.stack([one, other, one]), DEFAULT_SCHEME)
    ranks = rank(postings, ask(np.stack([one, one, other]), DEFAULT_SCHEME), [0, 1, 1])
    assert ranks.better == [0, None, 0]
    assert ranks.equal == [1, None, 0]
    words = len(tokens_of(signatures[:1], DEFAULT_SCHEME)[0])
    assert ranks.postings == [2 * words, 2 * words, words]


def test_bytes_are_those_of_the_gaps_in_groups_of_seven_bits():
    postings = Postings(
        DEFAULT_SCHEME,
        30_000,
        words=np.array([5, 9]),
        starts=np.array([0, 3, 4]),
        numbers=np.array([0, 127, 255, 20_000], np.uint32),  # 0, 127, 128; 20,000: more than 2**14
    )
    assert postings.bytes == 1 + 1 + 2 + 3 + 2 * DICTIONARY_BYTES


def test_words_that_are_too_long_are_refused(signatures):
    with pytest.raises(ValueError, match="wanted words of 20 values at most, found 21"):
        index_words(signatures, replace(DEFAULT_SCHEME, word_length=21))


def test_chunks_make_no_difference(signatures, monkeypatch):
    whole = index_words(signatures, DEFAULT_SCHEME)
    monkeypatch.setattr(word_counts, "_CHUNK", 7)
    parts = index_words(signatures, DEFAULT_SCHEME)
    for name in ("words", "starts", "numbers"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(parts, name))


def test_every_record_stands_with_each_of_its_words_once_in_ascending_order(signatures):
    postings = index_words(signatures, DEFAULT_SCHEME)
    tokens = tokens_of(signatures, DEFAULT_SCHEME)
    assert len(postings.numbers) == sum(map(len, tokens))
    assert len(postings.words) == len({token for each in tokens for token in each})
    assert (np.diff(postings.words) > 0).all()
    for start, end in zip(postings.starts, postings.starts[1:], strict=False):
        assert (np.diff(postings.numbers[start:end].astype(int)) > 0).all()


def measured(path, server=None):
    words.measure(Run(TINY, RowFile(path, header(TINY))), server)
    return read(path)


def test_without_a_server_words_are_tried_offline_and_the_rest_is_said_to_be_missing(tmp_path, monkeypatch):
    rows = measured(tmp_path / "rows.jsonl")
    [absent] = [row for row in rows if row["kind"] == "absent"]
    assert absent["what"] == "words in Elasticsearch"
    found = [row for row in rows if row["kind"] == "words"]
    schemes = {(row["shape"], row["length"], row["count"]) for row in found}
    assert {("cross", 10, 80), ("run", 16, 63)} < schemes
    for row in found:
        assert row["where"] == "offline"
        assert 0 < row["queries"] <= TINY.queries
        for name in ("better", "equal", "postings"):
            assert len(row[name]) == row["queries"]
        assert TINY.words_records < row["records"] <= TINY.words_records + TINY.originals
    # Nothing is made again of what is there.
    monkeypatch.setattr(words, "Data", None)
    assert measured(tmp_path / "rows.jsonl") == rows


def test_full_runs_try_the_default_and_image_matchs_words_in_all_ways():
    assert {DEFAULT_SCHEME, IMAGE_MATCH_SCHEME} <= set(words.DIALLED)
    assert {DEFAULT_SCHEME, IMAGE_MATCH_SCHEME} <= set(words.SERVED)
    names = [words._name(scheme) for scheme in {*words.DIALLED, *words.GRID}]
    assert len(names) == len(set(names))


def test_words_weighed_by_the_server_are_plain_terms():
    def counted(word, **boost):
        return {"constant_score": {"filter": {"term": {"words": word}}, **boost}}

    body = {"size": 7, "query": {"bool": {"should": [counted("a"), counted("b", boost=0.5)], "x": 1}}}
    assert words._weighted(body) == {
        "size": 7,
        "query": {
            "bool": {
                "should": [
                    {"term": {"words": {"value": "a", "boost": 1}}},
                    {"term": {"words": {"value": "b", "boost": 0.5}}},
                ],
                "x": 1,
            }
        },
    }


@pytest.mark.long
@pytest.mark.elasticsearch
def test_the_server_finds_what_is_among_the_first_offline(tmp_path, monkeypatch, elasticsearch_server):
    ways = [Way(weighting, near) for weighting in ("equal", "idf") for near in (0, 2)]
    monkeypatch.setattr(words, "QUICK_WAYS", [(way, candidates) for way in ways for candidates in (1, 3)])
    rows = [row for row in measured(tmp_path / "rows.jsonl", elasticsearch_server) if row["kind"] == "words"]
    dials = ("shape", "length", "count", "weighting", "near", "share")
    offline = {tuple(row[d] for d in dials): row for row in rows if row["where"] == "offline"}
    served = [row for row in rows if row["where"] == "elasticsearch"]
    assert len(served) == 2 * 8
    surely, surely_not = 0, 0
    for row in served:
        twin = offline[tuple(row[d] for d in dials)]
        assert len(row["ms"]) == len(row["found"]) == row["queries"]
        assert 0.8 < row["index_bytes"] / twin["index_bytes"] < 1.25
        for better, equal, found in zip(twin["better"], twin["equal"], row["found"], strict=True):
            if better is None or better >= row["candidates"]:
                assert not found
                surely_not += 1
            elif better + equal < row["candidates"]:
                assert found
                surely += 1
    assert surely
    assert surely_not


@pytest.mark.long
@pytest.mark.elasticsearch
def test_a_run_that_is_stopped_leaves_no_index(
    tmp_path, monkeypatch, elasticsearch_server, elasticsearch_index_name
):
    def stop(*_, **__):
        with elasticsearch_server.client() as client:
            assert len(client.indices.get(index=f"*{elasticsearch_index_name}*")) == words.QUICK_SERVED
        raise KeyboardInterrupt

    monkeypatch.setattr(server, "secrets", SimpleNamespace(token_hex=lambda _: elasticsearch_index_name))
    monkeypatch.setattr(words, "_in_turns", stop)
    with pytest.raises(KeyboardInterrupt):
        measured(tmp_path / "rows.jsonl", elasticsearch_server)
    with elasticsearch_server.client() as client:
        assert not client.indices.get(index=f"*{elasticsearch_index_name}*")
    assert not [row for row in read(tmp_path / "rows.jsonl") if row.get("where") == "elasticsearch"]
