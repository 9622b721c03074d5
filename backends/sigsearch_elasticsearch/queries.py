"""Bodies of searches for candidates, and what their hits say; pure, no server asked.

A candidate's score is the number of words that it shares with the query. All words count the same: those
that stand in many pictures are no terms at all (see `tokens`), and weights by frequency, which Elasticsearch
would know, find no more copies and take twice the time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from sigsearch_elasticsearch.packing import unpack
from sigsearch_elasticsearch.tokens import near_tokens_of, tokens_of

if TYPE_CHECKING:
    from elasticsearch.dsl.query import Query

    from sigsearch.scheme import Scheme

Body = dict[str, Any]


class Effort(NamedTuple):
    """What a search spends."""

    words: float
    """The share of the words that is searched for; the first, which all have their values, tell most."""
    near: int
    """For each word, how many that differ in one sign from it."""
    candidates: int
    """Documents fetched at first; more, if so many turn out to be matches."""


EFFORTS: Final = {
    1: Effort(0.5, 0, 20),
    2: Effort(0.66, 0, 30),
    3: Effort(1.0, 0, 50),
    4: Effort(1.0, 2, 100),
    5: Effort(1.0, 8, 200),
}
"""docs/measured/report.md has what each of them finds, and in what time."""

_NEAR: Final = 0.5
"""What a word counts that differs in one sign, where one that is the same counts 1."""


class Terms(NamedTuple):
    """What a signature is searched for by."""

    same: list[str]
    """The tokens of its words."""
    near: list[str]
    """Those of words that differ in one sign."""


def terms_of(signatures: npt.NDArray[np.int8], scheme: Scheme, effort: int) -> list[Terms]:
    """What each signature, shape (n, length), is searched for by; nothing if it has no features."""
    spent = EFFORTS[effort]
    same = tokens_of(signatures, scheme, spent.words)
    if not spent.near:
        return [Terms(tokens, []) for tokens in same]
    near = near_tokens_of(signatures, scheme, spent.near)
    return [Terms(*tokens) for tokens in zip(same, near, strict=True)]


def words_query(field: str, terms: Terms, *, minimum_should_match: int = 1) -> Query:
    """A query for documents that share words, those that share most first."""
    from elasticsearch.dsl.query import Q

    found: Query = Q({"bool": _shared(field, terms, minimum_should_match)})
    return found


def candidates_body(terms: Terms, *, where: Query | None, size: int) -> Body:
    """A search for the records that share most words, best first."""
    # The same as words_query: elasticsearch-dsl makes a query of each term, which takes as long as to search.
    query = _shared("words", terms, 1)
    if where is not None:
        query["filter"] = [where.to_dict()]
    return _body({"bool": query}, size)


def sharing_body(terms: Terms, *, where: Query | None, size: int) -> Body:
    """A search for all records that share a word, in no order."""
    filters = [{"terms": {"words": [*terms.same, *terms.near]}}]
    if where is not None:
        filters.append(where.to_dict())
    return _body({"bool": {"filter": filters}}, size)


def read_hits(
    hits: Iterable[Mapping[str, Any]], scheme: Scheme
) -> tuple[list[tuple[str, int]], npt.NDArray[np.int8]]:
    """The views of all hits, as id and number, and their signatures, shape (views, length)."""
    views: list[tuple[str, int]] = []
    packed: list[str] = []
    for hit in hits:
        id, found = hit["_id"], hit["_source"]["signature"]
        several = [found] if isinstance(found, str) else found
        views += [(id, number) for number in range(len(several))]
        packed += several
    return views, unpack(packed, scheme)


def _shared(field: str, terms: Terms, minimum_should_match: int) -> Body:
    shared = [_constant(field, token) for token in terms.same]
    shared += [_constant(field, token, boost=_NEAR) for token in terms.near]
    return {"should": shared, "minimum_should_match": minimum_should_match}


def _constant(field: str, token: str, **boost: float) -> Body:
    return {"constant_score": {"filter": {"term": {field: token}}, **boost}}


def _body(query: Body, size: int) -> Body:
    return {"query": query, "size": size, "_source": ["signature"], "track_total_hits": False}
