"""Words as terms, signatures as texts and searches as JSON: pure, against cases worked by hand."""

import json

import numpy as np
import pytest
from elasticsearch.dsl import Q
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sigsearch_elasticsearch import queries
from sigsearch_elasticsearch.packing import pack, unpack
from sigsearch_elasticsearch.queries import (
    EFFORTS,
    Terms,
    candidates_body,
    sharing_body,
    terms_of,
    words_query,
)
from sigsearch_elasticsearch.tokens import near_tokens_of, tokens_of

from sigsearch.bounds import EFFORT, MOST_EFFORT
from sigsearch.errors import StorageError
from sigsearch.neighbours import opposites
from sigsearch.scheme import DEFAULT_SCHEME, IMAGE_MATCH_SCHEME, Scheme
from sigsearch.testing.samples import featureless, make_copy, make_signature
from sigsearch.words import word_positions

SMALL = Scheme(grid_size=3, word_length=4, word_count=1)
"""One word, the cross in the middle: two values of the row, then two of the column."""


def small(*signs):
    """The signature of SMALL whose word reads these values."""
    signature = np.zeros(72, np.int8)
    signature[word_positions(SMALL)[0]] = signs
    return signature[np.newaxis]


# Tokens


def test_a_token_is_the_letter_of_the_position_and_those_of_the_word():
    # The digits 2, 0, 1, 1 of base 3, the first the least: 2 + 9 + 27 = 38, the 39th letter of the alphabet.
    assert tokens_of(small(1, -2, 0, 0), SMALL) == [["!" + "!#$%&'()*+,-./0123456789:;<=>?@ABCDEFGH"[38]]]


def test_signatures_have_the_same_token_where_they_have_the_same_word():
    query = make_signature(1)
    copy = make_copy(query, 150)
    from sigsearch import encode_words

    words = encode_words(np.stack([query, copy]))
    [of_query, of_copy] = tokens_of(np.stack([query, copy]), DEFAULT_SCHEME)
    # A signature without zeros has all its words but those of plain slopes, one in 128.
    assert 75 <= len(of_query) <= 80
    assert len(set(of_query)) == len(of_query)
    shared = int((words[0] == words[1]).sum())
    assert shared - 5 <= len({*of_query} & {*of_copy}) <= shared


def test_the_same_word_elsewhere_is_another_token():
    scheme = Scheme(word_shape="run", word_length=8, word_count=81)
    star = [1, -1, 1, -1, 1, 1, 0, 2]
    tokens = tokens_of(np.array([star * 81], np.int8), scheme)[0]
    assert len(set(tokens)) == 81
    assert len({token[1:] for token in tokens}) == 1


@pytest.mark.parametrize(
    "signs", [(1, 1, 1, 1), (2, 1, -1, -2), (-1, -1, 0, 0), (0, 0, 0, 0), (0, 0, 1, 1), (0, 0, 0, 2)]
)
def test_a_word_of_a_slope_or_of_nearly_nothing_is_no_token_where_there_are_others(signs):
    # A grid of three crosses, in a signature that has words enough besides.
    rich = make_signature(1)
    places = word_positions(DEFAULT_SCHEME)[0]
    line = [signs[0]] * 5 + [signs[2]] * 5
    rich[places] = line
    rich[np.abs(rich) > 2] = 2
    telling = tokens_of(rich[np.newaxis], DEFAULT_SCHEME)[0]
    assert not any(token.startswith("!") for token in telling)


def test_a_signature_of_slopes_alone_is_known_by_these():
    slope = np.zeros(648, np.int8)
    forward, backward = opposites(9)
    slope[forward], slope[backward] = 1, -1
    assert len(tokens_of(slope[np.newaxis], DEFAULT_SCHEME)[0]) == 80


def test_a_signature_without_features_has_no_tokens():
    for scheme in (DEFAULT_SCHEME, IMAGE_MATCH_SCHEME, SMALL):
        assert tokens_of(featureless(scheme)[np.newaxis], scheme) == [[]]
    assert tokens_of(np.empty((0, 648), np.int8), DEFAULT_SCHEME) == []


def test_tokens_are_letters_that_json_leaves_as_they_are():
    for token in tokens_of(make_signature(3)[np.newaxis], DEFAULT_SCHEME)[0]:
        assert len(token) == 4
        assert json.dumps(token) == f'"{token}"'


def test_near_words_differ_in_the_signs_that_are_least_certain():
    def word(*signs):
        [[token]] = tokens_of(small(*signs), SMALL)
        return token

    # The zero may be either sign and comes first; then the value of the first level may be zero.
    near = near_tokens_of(small(2, -2, 0, 1), SMALL, 3)[0]
    assert near == [word(2, -2, -1, 1), word(2, -2, 1, 1), word(2, -2, 0, 0)]
    assert near_tokens_of(small(2, -2, 0, 1), SMALL, 1)[0] == near[:1]
    assert near_tokens_of(small(2, -2, 2, -2), SMALL, 8) == [[]]


@pytest.mark.parametrize("seed", range(5))
def test_near_words_are_none_of_the_words_themselves_and_no_more_than_asked_for(seed):
    signature = make_signature(seed)
    signature[seed::7] = 0
    [same], [near] = (
        tokens_of(signature[np.newaxis], DEFAULT_SCHEME),
        near_tokens_of(signature[np.newaxis], DEFAULT_SCHEME, 3),
    )
    assert not set(same) & set(near)
    assert len(set(near)) == len(near) <= 3 * 80


# Searches


def test_more_effort_asks_for_no_fewer_words_and_candidates():
    assert set(EFFORTS) == set(range(1, MOST_EFFORT + 1))
    assert EFFORT in EFFORTS
    for less, more in zip(range(1, MOST_EFFORT), range(2, MOST_EFFORT + 1), strict=True):
        assert all(a <= b for a, b in zip(EFFORTS[less], EFFORTS[more], strict=True))
    signature = make_signature(1)[np.newaxis]
    counts = [len(t.same) + len(t.near) for e in EFFORTS for t in terms_of(signature, DEFAULT_SCHEME, e)]
    assert counts == sorted(counts)
    assert counts[0] < counts[-1]


SHARED = {
    "should": [
        {"constant_score": {"filter": {"term": {"words": "aa"}}}},
        {"constant_score": {"filter": {"term": {"words": "bb"}}}},
        {"constant_score": {"filter": {"term": {"words": "cc"}}, "boost": 0.5}},
    ],
    "minimum_should_match": 1,
}
TERMS = Terms(["aa", "bb"], ["cc"])


def test_a_query_for_words_counts_those_that_are_shared():
    assert words_query("words", TERMS).to_dict() == {"bool": SHARED}
    nested = words_query("a.words", Terms(["aa"], []), minimum_should_match=3).to_dict()
    assert nested == {
        "bool": {
            "should": [{"constant_score": {"filter": {"term": {"a.words": "aa"}}}}],
            "minimum_should_match": 3,
        }
    }


def test_a_search_for_candidates_fetches_nothing_but_id_and_signature():
    assert candidates_body(TERMS, where=None, size=30) == {
        "query": {"bool": SHARED},
        "size": 30,
        "_source": ["signature"],
        "track_total_hits": False,
    }


def test_a_filter_stands_beside_the_words():
    body = candidates_body(TERMS, where=Q("term", leaves="x"), size=7)
    assert body["query"] == {"bool": {**SHARED, "filter": [{"term": {"leaves": "x"}}]}}


def test_a_search_without_a_limit_asks_for_any_of_the_words_and_scores_nothing():
    body = sharing_body(TERMS, where=Q("term", leaves="x"), size=7)
    assert body["query"] == {
        "bool": {"filter": [{"terms": {"words": ["aa", "bb", "cc"]}}, {"term": {"leaves": "x"}}]}
    }


def test_hits_give_the_signatures_of_all_views():
    signatures = np.stack([make_signature(seed) for seed in range(3)])
    texts = pack(signatures, DEFAULT_SCHEME)
    hits = [
        {"_id": "one", "_source": {"signature": texts[0]}},
        {"_id": "two", "_source": {"signature": texts[1:]}},
    ]
    views, found = queries.read_hits(hits, DEFAULT_SCHEME)
    assert views == [("one", 0), ("two", 0), ("two", 1)]
    assert np.array_equal(found, signatures)
    views, found = queries.read_hits([], DEFAULT_SCHEME)
    assert (views, found.shape) == ([], (0, 648))


# Packing


@pytest.mark.parametrize(
    "scheme",
    [DEFAULT_SCHEME, SMALL, Scheme(levels=9), Scheme(levels=1, grid_size=2, word_count=8), Scheme(levels=7)],
)
def test_signatures_come_back_as_they_were_packed(scheme):
    @given(st.integers(0, 2**32 - 1), st.integers(0, 6))
    def check(seed, count):
        rng = np.random.default_rng(seed)
        shape = (count, scheme.signature_length)
        signatures = rng.integers(-scheme.levels, scheme.levels, shape, np.int8, endpoint=True)
        forward, backward = opposites(scheme.grid_size)
        folded = np.zeros_like(signatures)
        folded[:, forward] = signatures[:, forward]
        folded[:, backward] = -signatures[:, forward]
        mixed = np.concatenate([signatures, folded])[rng.permutation(2 * count)]
        assert np.array_equal(unpack(pack(mixed, scheme), scheme), mixed)

    check()


@given(hnp.arrays(np.int8, st.just((1, 648)), elements=st.integers(-2, 2)))
def test_any_signature_comes_back(signatures):
    assert np.array_equal(unpack(pack(signatures, DEFAULT_SCHEME), DEFAULT_SCHEME), signatures)


def test_the_signature_of_a_picture_takes_108_characters_and_any_other_252(small_picture):
    from sigsearch import compute_signature

    signatures = np.stack([compute_signature(small_picture), make_signature(1)])
    assert [len(text) for text in pack(signatures, DEFAULT_SCHEME)] == [108, 252]


@pytest.mark.parametrize("text", ["", "AAAA", "not base64!", "A" * 104, "/" * 108, None])
def test_a_damaged_text_is_an_error_that_says_so(text):
    with pytest.raises(StorageError, match="a packed signature is damaged"):
        unpack([text], DEFAULT_SCHEME)
