"""Records as documents of an Elasticsearch index, found by the words they share with a query."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from sigsearch import distances
from sigsearch.backend import Backend, Capability, Known, Outcome
from sigsearch.batches import batched
from sigsearch.bounds import EFFORT
from sigsearch.errors import AccessDeniedError, ClosedError, InputError, StorageError
from sigsearch.filters import Filter
from sigsearch.records import Candidate, Problem, Record
from sigsearch.scheme import Scheme
from sigsearch_elasticsearch import documents, mapping, queries
from sigsearch_elasticsearch.connection import Connection, Options, connect
from sigsearch_elasticsearch.errors import driver_errors, server_error
from sigsearch_elasticsearch.leaves import filter_query, leaf_tokens
from sigsearch_elasticsearch.mapping import FORMAT_VERSION, LEAVES, WORDS, Found
from sigsearch_elasticsearch.queries import Terms
from sigsearch_elasticsearch.reading import Hits, Reader
from sigsearch_elasticsearch.tokens import tokens_of
from sigsearch_elasticsearch.writing import Action, Operation, Writer

if TYPE_CHECKING:
    from elasticsearch.dsl.query import Query

_CHUNK: Final = 500
"""Documents made, or asked for by their ids, at once."""
_MOST_HITS: Final = 10_000
"""What one search can give (index.max_result_window)."""
_IDS: Final = 5000
"""Ids read at once."""
_COMPACTION: Final = 24 * 3600.0
"""Seconds that a compaction may take; the server goes on with it if nobody waits."""

T = TypeVar("T")
Near: TypeAlias = tuple[float, Candidate]
"""A view and its distance."""


class ElasticsearchBackend(Backend):
    """An index in Elasticsearch 8 or 9, each record one document.

    What was written is safe when `add` returns, and `get` sees it. Searches, `count` and `scan` see it when
    the server has refreshed the index, within a second or so by itself. The option ``refresh`` says what
    is done about that:

    ``"auto"``
        A search sees all that was written before the index was opened, and all that was written through
        the same object: it has the index refreshed first if that is so of anything. Of a thousand records
        added and then a thousand searches, one waits for that. This is the default. Who has no right to
        refresh sees it when the server has done so.
    ``"none"``
        Nothing. For a service that adds and searches all the time.
    ``"wait_for"``, ``"true"``
        `add` and `delete` return when all processes see it: after the server's next refresh, or after one
        that is made at once.

    `refresh` does it by hand.
    """

    capabilities: ClassVar[frozenset[Capability]] = frozenset({Capability.DURABLE, Capability.VIEWS})

    def __init__(self, connection: Connection, found: Found, *, refresh: str = "auto") -> None:
        self._connection = connection
        self._scheme = found.scheme
        self._refresh = refresh
        self._closed = False
        self._reader = Reader(connection.client, connection.name, connection.place)
        self._writer = Writer(connection, require_alias=found.is_alias, wait_for=refresh == "wait_for")
        self._lock = threading.Lock()
        self._written = 1  # for what others have written before
        self._refreshed = 0

    @classmethod
    def open(
        cls, location: str, *, scheme: Scheme, create: bool, options: Mapping[str, Any]
    ) -> ElasticsearchBackend:
        checked = Options.of(options)
        connection = connect(location, checked)
        try:
            found = mapping.prepare(connection, scheme=scheme, create=create, options=checked)
        except BaseException:
            if connection.owns_client:
                connection.client.close()
            raise
        return cls(connection, found, refresh=checked.refresh)

    @property
    def scheme(self) -> Scheme:
        return self._scheme

    # Putting in

    def add(self, records: Sequence[Record], *, replace: bool) -> list[Outcome]:
        self._check_open()
        chosen: dict[str, Record] = {}
        for record in records:
            if not record.views:
                raise InputError(f"wanted a record with at least one view, found none in {record.id!r}")
            if replace or record.id not in chosen:
                chosen[record.id] = record
        action: Action = "index" if replace else "create"
        outcomes: dict[str, Outcome] = {}
        for part in batched(chosen.values(), _CHUNK):
            results = self._write(self._operations(action, part))
            outcomes |= {r.id: _OUTCOMES[result] for r, result in zip(part, results, strict=True)}
        again = Outcome.REPLACED if replace else Outcome.KEPT
        # The first of an id takes what the server said; those after it found one there.
        return [outcomes.pop(record.id, again) for record in records]

    def _operations(self, action: Action, records: Sequence[Record]) -> list[Operation]:
        made = documents.to_documents(records, self._scheme)
        return [Operation(action, record.id, each) for record, each in zip(records, made, strict=True)]

    def delete(self, ids: Sequence[str]) -> int:
        self._check_open()
        deleted = 0
        for part in batched(dict.fromkeys(ids), _CHUNK):
            deleted += self._write([Operation("delete", id) for id in part]).count("deleted")
        return deleted

    def _write(self, operations: Sequence[Operation]) -> list[str]:
        try:
            return list(self._writer.write(operations))
        finally:
            with self._lock:
                self._written += 1
            if self._refresh == "true":
                self.refresh()

    # Getting out

    def get(self, ids: Sequence[str]) -> list[Record | None]:
        records: list[Record | None] = []
        for told in self._ask(ids, source=True):
            found = self._records([each for each in told if each["found"]])
            records += [_sound(next(found)) if each["found"] else None for each in told]
        return records

    def timestamps(self, ids: Sequence[str]) -> dict[str, datetime | None]:
        return {
            each["_id"]: self._timestamp(each.get("_source", {}))
            for told in self._ask(ids, source=self._timestamp_field())
            for each in told
            if each["found"]
        }

    def _timestamp_field(self) -> str:
        """Where a document says when it was added."""
        return "timestamp"

    def _timestamp(self, source: Mapping[str, Any]) -> datetime | None:
        """What it says there, if that can be read."""
        with suppress(TypeError, ValueError):
            return documents.timestamp_of(source)
        return None

    def ids(self, prefix: str = "") -> Iterator[str]:
        self._see_own()
        # The server cannot be asked for ids that begin so. To read them all costs some seconds a million.
        pages = self._reader.pages({"query": {"match_all": {}}, "_source": False}, _MOST_HITS)
        return (hit["_id"] for hits in pages for hit in hits if hit["_id"].startswith(prefix))

    def _ask(self, ids: Sequence[str], *, source: bool | str) -> Iterator[Hits]:
        """What the server has of these ids at this moment, refreshed or not."""
        self._check_open()
        for part in batched(ids, _CHUNK):
            with driver_errors(self._connection.place):
                answer = self._connection.client.mget(index=self._connection.name, ids=part, source=source)
            for each in answer["docs"]:
                if "error" in each:
                    raise server_error(500, each["error"], self._connection.place)
            yield answer["docs"]

    def count(self, where: Filter | None = None) -> int:
        self._see_own()
        answer = self._reader.search({"query": _query(where), "size": 0, "track_total_hits": True})
        return int(answer["hits"]["total"]["value"])

    def scan(self, where: Filter | None = None) -> Iterator[Record]:
        self._see_own()
        pages = self._reader.pages({"query": _query(where)})
        return (_sound(found) for hits in pages for found in self._records(hits))

    def _records(self, hits: Hits) -> Iterator[Record | StorageError]:
        """The records of documents as the server gives them; for one that is damaged, what is wrong."""
        return documents.to_records(hits, self._scheme)

    # Searching

    def candidates(
        self,
        signatures: npt.NDArray[np.int8],
        *,
        where: Filter | None,
        cutoff: float,
        limit: int | None,
        effort: int = EFFORT,
    ) -> list[list[Candidate]]:
        self._see_own()
        if not len(signatures):
            return []
        chosen = None if where is None else filter_query(where, LEAVES)
        terms = queries.terms_of(signatures, self._scheme, effort)
        # Without words it has no features, and no match.
        waiting = [place for place, some in enumerate(terms) if some.same]
        found: dict[int, list[Near]] = {}
        if limit is None or limit > _MOST_HITS:
            found = {place: self._all(signatures[place], terms[place], chosen, cutoff) for place in waiting}
            waiting = []
        few = queries.EFFORTS[effort].candidates
        for size in sorted({few, max(few, limit or 0)}):
            bodies = [queries.candidates_body(terms[place], where=chosen, size=size) for place in waiting]
            crowded = []
            for place, hits in zip(waiting, self._reader.search_all(bodies), strict=True):
                found[place] = self._near(signatures[place], hits, cutoff)
                if len(hits) == size and _is_crowded(found[place], hits, limit):
                    crowded.append(place)
            waiting = crowded
        return [[candidate for _, candidate in found.get(place, ())] for place in range(len(signatures))]

    def _all(
        self, query: npt.NDArray[np.int8], terms: Terms, where: Query | None, cutoff: float
    ) -> list[Near]:
        """The views below the cutoff of all records that share a word with the query, nearest first."""
        body = queries.sharing_body(terms, where=where, size=_MOST_HITS)
        near = [
            each for hits in self._reader.pages(body, _MOST_HITS) for each in self._near(query, hits, cutoff)
        ]
        return sorted(near, key=lambda each: each[0])

    def _near(self, query: npt.NDArray[np.int8], hits: Hits, cutoff: float) -> list[Near]:
        """The views of hits that are below the cutoff, in the order of the hits, with their distances.

        The core would drop the others. Here they are dropped before much is made of them: most views of
        a record that has many, and of a search without a limit, which may find millions, nearly all.
        """
        views, stored = queries.read_hits(hits, self._scheme)
        apart = distances(query, stored, scheme=self._scheme)
        return [
            (float(apart[i]), Candidate(*views[i], stored[i]))
            for i in np.flatnonzero(apart < cutoff).tolist()
        ]

    def refresh(self) -> None:
        self._check_open()
        written = self._written
        with driver_errors(self._connection.place):
            self._connection.client.indices.refresh(index=self._connection.name)
        with self._lock:
            self._refreshed = max(self._refreshed, written)

    def _see_own(self) -> None:
        """Before a search: what was written through this object is to be seen."""
        self._check_open()
        if self._refresh == "auto" and self._refreshed < self._written:
            written = self._written
            try:
                self.refresh()
            except AccessDeniedError:  # who may not do that sees it a little later
                self._refreshed = written

    # Upkeep

    def info(self) -> dict[str, Any]:
        self._check_open()
        client, name = self._connection.client, self._connection.name
        told: dict[str, Any] = {"format": FORMAT_VERSION, "index": name}
        with driver_errors(self._connection.place):
            [(index, found)] = client.indices.get_settings(index=name, flat_settings=True).items()
        told |= {
            "index": index,
            "shards": int(found["settings"]["index.number_of_shards"]),
            "replicas": int(found["settings"]["index.number_of_replicas"]),
        }
        # Not everybody may ask for these, nor can every server tell.
        told |= _if_told(lambda: {"bytes": _bytes(client.indices.stats(index=name, metric="store"))})
        told |= _if_told(lambda: {"health": client.cluster.health(index=name)["status"]})
        told |= _if_told(lambda: {"server": _version(client.nodes.info(node_id="_local", metric="_none"))})
        return told

    def compact(self) -> None:
        self._check_open()
        with driver_errors(self._connection.place):
            # What merges by itself leaves segments alone that have up to a third of deleted documents. Never
            # to one segment: Elasticsearch would not merge so large a one again when it has deleted ones.
            self._connection.client.options(request_timeout=_COMPACTION, max_retries=0).indices.forcemerge(
                index=self._connection.name, only_expunge_deletes=True
            )

    def check(self) -> Iterator[str]:
        self._check_open()
        return self._problems()

    def _problems(self) -> Iterator[str]:
        health = _if_told(
            lambda: {"found": self._connection.client.cluster.health(index=self._connection.name).body}
        ).get("found", {})
        if health.get("status") == "red":
            yield (
                f"{self._connection.place} has lost {health['unassigned_primary_shards']} of its shards, "
                "and the records in them: start the servers that have them, or restore a snapshot"
            )
            return
        try:
            yield from (str(found) for found in self.examine() if isinstance(found, Problem))
        except ClosedError:
            raise
        except StorageError as error:
            yield str(error)

    def examine(self, known: Known | None = None) -> Iterator[Record | Problem]:
        self._see_own()
        if known is None:
            pages: Iterator[Hits] = self._reader.pages(_with_fields(_ALL))
        else:
            pages = self._unknown(self._reader.pages({"query": _ALL, "_source": False}, _IDS), known)
        return (found for hits in pages for found in self._examined(hits))

    def _unknown(self, pages: Iterator[Hits], known: Known) -> Iterator[Hits]:
        """The documents that are not known: only of these more is read than their ids."""
        for hits in pages:
            ids = [hit["_id"] for hit in hits]
            passed_over = known(ids)
            for part in batched([id for id in ids if id not in passed_over], _CHUNK):
                wanted = {"ids": {"values": part}}
                yield self._reader.search({**_with_fields(wanted), "size": len(part)})["hits"]["hits"]

    def _examined(self, hits: Hits) -> Iterator[Record | Problem]:
        """The records of documents, in order; for one that is damaged, a problem."""
        for hit, record in zip(hits, self._records(hits), strict=True):
            if isinstance(record, StorageError):
                yield Problem(hit["_id"], str(record))
            else:
                reason = _reason(record, hit.get("matched_queries", ()), self._scheme)
                yield Problem(record.id, reason, record) if reason else record

    def salvage(self) -> Iterator[Record]:
        self._see_own()
        pages = self._reader.pages({"query": _ALL})
        found = (record for hits in pages for record in self._records(hits))
        return (record for record in found if isinstance(record, Record))

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            if self._connection.owns_client:
                self._connection.client.close()

    def _check_open(self) -> None:
        if self._closed:
            raise ClosedError(f"the index at {self._connection.place} was closed; open it again")


_ALL: Final[dict[str, Any]] = {"match_all": {}}
_OUTCOMES: Final = {"created": Outcome.ADDED, "updated": Outcome.REPLACED, "kept": Outcome.KEPT}


def _with_fields(query: dict[str, Any]) -> dict[str, Any]:
    """A search whose documents say by name which they have of the fields that are not given back."""
    asked = [{"exists": {"field": field, "_name": field}} for field in (WORDS, LEAVES)]
    return {"query": {"bool": {"filter": [query], "should": asked}}}


def _is_crowded(near: Sequence[Near], hits: Hits, limit: int | None) -> bool:
    """Whether so many of the hits are matches that there may be more behind them, and more are wanted."""
    matches = len({candidate.id for _, candidate in near})
    return len(hits) <= 2 * matches and matches < (limit or 0)


def _query(where: Filter | None) -> dict[str, Any]:
    if where is None:
        return _ALL
    found: dict[str, Any] = {"bool": {"filter": [filter_query(where, LEAVES).to_dict()]}}
    return found


def _sound(record: Record | StorageError) -> Record:
    if isinstance(record, StorageError):
        raise record
    return record


def _reason(record: Record, fields: Sequence[str], scheme: Scheme) -> str | None:
    """What is wrong, if anything, where a document has these of the fields that are not given back."""
    lost = []
    # Some have none: those without features.
    if WORDS not in fields and any(tokens_of(np.stack([view.signature for view in record.views]), scheme)):
        lost.append("its words, so that no search finds it")
    if LEAVES not in fields and leaf_tokens(record.metadata):
        lost.append("the terms of its metadata, so that no filter finds it")
    if not lost:
        return None
    what = " and ".join(lost)
    return f"the record {record.id!r} has lost {what}; add it again, with on_conflict='replace'"


def _if_told(ask: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What the server tells, or nothing where it does not."""
    with suppress(StorageError, KeyError), driver_errors(""):
        return ask()
    return {}


def _bytes(stats: Any) -> int:
    return int(stats["_all"]["total"]["store"]["size_in_bytes"])


def _version(told: Any) -> str:
    return str(next(iter(told["nodes"].values()))["version"])
