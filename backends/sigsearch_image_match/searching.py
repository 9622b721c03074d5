"""Searches for candidates in an index of image-match: its own words, and more where a hundred are too few."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
from sigsearch_elasticsearch.reading import Body, Hits, Reader
from sigsearch_elasticsearch.tokens import telling_words

from sigsearch.signatures import distances, encode_words
from sigsearch_image_match.documents import Codec
from sigsearch_image_match.layout import WORD

if TYPE_CHECKING:
    from sigsearch.records import Record
    from sigsearch.signatures import Signature

CANDIDATES: Final = {1: 25, 2: 50, 3: 100, 4: 250, 5: 1000}
"""Documents fetched at first, by effort; image-match fetches 100."""
DEPTH: Final = {1: 1, 2: 1, 3: 4, 4: 16, 5: 64}
"""Times as many, by effort, are fetched at most where others may lie behind them."""
MOST_CANDIDATES: Final = 10_000
"""What one search can give (index.max_result_window)."""
_DEEPER: Final = 4
"""Times as many are there after the next request."""
_CHANCE: Final = 0.1
"""Share of the words that say something which strangers have in common by chance, and rarely more."""
_AT_ONCE: Final = 16
"""Searches in a request: the documents that it gives are 4 kB each."""


Wanted: TypeAlias = Callable[[Mapping[str, Any]], bool]


@dataclass(frozen=True, slots=True)
class Found:
    """A record near a query.

    Attributes
    ----------
    record : Record
    distance : float
    score : float or None
        How many words they share; None where all records are looked at.
    """

    record: Record
    distance: float
    score: float | None

    @property
    def signature(self) -> Signature:
        """Of the whole picture, the only one."""
        return self.record.views[0].signature


class Searcher:
    """Searches in one index; several threads may share it."""

    def __init__(self, reader: Reader, codec: Codec) -> None:
        self._reader = reader
        self._codec = codec

    def search(
        self,
        signatures: npt.NDArray[np.int8],
        *,
        size: int,
        depth: int,
        cutoff: float,
        filters: Sequence[Mapping[str, Any]] = (),
        wanted: Wanted | None = None,
        timeout: str | None = None,
    ) -> list[list[Found]]:
        """The records below the cutoff among those that share most words with each query, in that order.

        image-match looks at the `size` that share most, whatever they are. Here more are looked at where
        these share more than strangers do by chance, for others may then lie behind them.

        Parameters
        ----------
        signatures : ndarray of int8, shape (queries, 648)
        size : int
            Documents fetched at first.
        depth : int
            Times as many are fetched at most.
        filters : sequence of mapping
            Queries of Elasticsearch that must all be true.
        wanted : callable, optional
            Which of the documents count at all; `size` of them are looked at, if need be beyond the depth.
        timeout : str, optional
            For a search on the server, as Elasticsearch has it; it is an error if it does not suffice.
        """
        scheme = self._codec.layout.scheme
        words = encode_words(signatures, scheme=scheme).tolist()
        telling = telling_words(signatures, scheme)
        by_chance = (~telling).sum(axis=1) + np.maximum(_CHANCE * telling.sum(axis=1), 1)
        found: list[list[Found]] = [[] for _ in signatures]
        counted = [0] * len(signatures)
        waiting = np.flatnonzero(signatures.any(axis=1)).tolist()
        # Copies of a shard order what shares as many words differently: one of them is asked throughout.
        same = secrets.token_hex(8)
        start, end = 0, min(size, MOST_CANDIDATES)
        while waiting:
            bodies = [self._body(words[place], filters, start, end, timeout) for place in waiting]
            crowded = []
            for place, hits in zip(waiting, self._reader.search_all(bodies, _AT_ONCE, same), strict=True):
                counting = hits if wanted is None else [hit for hit in hits if wanted(hit)]
                counted[place] += len(counting)
                found[place] += self.near(signatures[place], counting, cutoff)
                if len(hits) == end - start and (
                    counted[place] < size or (end < depth * size and hits[-1]["_score"] > by_chance[place])
                ):
                    crowded.append(place)
            waiting = crowded if end < MOST_CANDIDATES else []
            start, end = end, min(_DEEPER * end, MOST_CANDIDATES)
        return found

    def search_all(
        self,
        signature: npt.NDArray[np.int8],
        *,
        cutoff: float,
        filters: Sequence[Mapping[str, Any]] = (),
        wanted: Wanted | None = None,
    ) -> Iterator[Found]:
        """The records below the cutoff among all that share a word which says something, in no order."""
        scheme = self._codec.layout.scheme
        words = encode_words(signature, scheme=scheme).tolist()
        telling = telling_words(signature[np.newaxis], scheme)[0]
        clauses = [self._term(place, words[place]) for place in np.flatnonzero(telling).tolist()]
        if clauses:
            any_of = {"bool": {"should": clauses, "minimum_should_match": 1}}
            for hits in self._reader.pages({"query": {"bool": {"filter": [any_of, *filters]}}}):
                yield from self.near(
                    signature, hits if wanted is None else [hit for hit in hits if wanted(hit)], cutoff
                )

    def near(self, query: npt.NDArray[np.int8], hits: Hits, cutoff: float) -> Iterator[Found]:
        """Of documents those below the cutoff; what has no signature of the scheme is passed over."""
        signatures = self._codec.signatures(hits)
        told = [(hit, one) for hit, one in zip(hits, signatures, strict=True) if one is not None]
        if told:
            stored = np.stack([signature for _, signature in told])
            apart = distances(query, stored, scheme=self._codec.layout.scheme)
            for place in np.flatnonzero(apart < cutoff).tolist():
                hit, signature = told[place]
                # A copy: what few are near must not keep the signatures of all.
                record = self._codec.to_record(hit, signature.copy())
                yield Found(record, float(apart[place]), hit.get("_score"))

    def _body(
        self,
        words: Sequence[int],
        filters: Sequence[Mapping[str, Any]],
        start: int,
        end: int,
        timeout: str | None,
    ) -> Body:
        # The whole document: to take the words out of it costs the server more than to send them.
        query: Body = {
            "should": [self._term(place, word) for place, word in enumerate(words)],
            "minimum_should_match": 1,
        }
        if filters:
            query["filter"] = list(filters)
        body: Body = {
            "query": {"bool": query},
            "from": start,
            "size": end - start,
            "track_total_hits": False,
        }
        return body | {"timeout": timeout} if timeout else body

    def _term(self, place: int, word: int) -> Body:
        # Of whatever type the field is, a word counts 1.
        name = f"{self._codec.layout.prefix}{WORD}{place}"
        return {"constant_score": {"filter": {"term": {name: word}}}}
