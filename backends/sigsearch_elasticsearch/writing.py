"""Writing in bulk: as fast as the server takes it, tried again where it is overloaded or out of reach.

elasticsearch.helpers.streaming_bulk is not enough for this: where a connection breaks it does not say what
was sent over it, so that one cannot tell the first sending of a record, which must not meet one of the same
id, from a repetition, which meets itself; and it does not make smaller requests where they are too large.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from elasticsearch import ApiError, TransportError

from sigsearch.errors import InputError, SigsearchError
from sigsearch_elasticsearch.connection import Connection
from sigsearch_elasticsearch.documents import Document, source_of
from sigsearch_elasticsearch.errors import is_full, kind_of, may_pass, reason_of, server_error, translated

Action: TypeAlias = Literal["create", "index", "delete"]
Result: TypeAlias = Literal["created", "updated", "kept", "deleted", "not_found"]

MAX_BYTES: Final = 5_000_000
"""Of a request. The server takes 100 MB, but holds it in memory; larger ones are no faster."""
_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 5.0


@dataclass(frozen=True, slots=True)
class Operation:
    """Something to be done to the document of one id."""

    action: Action
    id: str
    document: Document | None = None
    otherwise: Document | None = None
    """What to store instead if the server refuses the document."""

    def lines(self) -> list[bytes]:
        """As the lines of a bulk request."""
        # Here rather than by the client, which may have been given a serializer that makes other JSON.
        head = _json({self.action: {"_id": self.id}})
        return [head] if self.document is None else [head, _json(self.document)]


class _Batch:
    """Operations on their way, by their places."""

    def __init__(self, operations: Sequence[Operation]) -> None:
        self.operations = list(operations)
        self.lines = [operation.lines() for operation in operations]
        self.done: dict[int, Result] = {}
        self.unsure: set[int] = set()
        """Those that were sent without an answer: they may be done."""

    def replace(self, place: int, document: Document) -> None:
        operation = self.operations[place]
        self.operations[place] = Operation(operation.action, operation.id, document)
        self.lines[place] = self.operations[place].lines()

    def waiting(self) -> list[int]:
        return [place for place in range(len(self.operations)) if place not in self.done]

    def size(self, places: Iterable[int]) -> int:
        return sum(len(line) + 1 for place in places for line in self.lines[place])


class Writer:
    """Writes to one index; several threads may share it."""

    def __init__(self, connection: Connection, *, require_alias: bool, wait_for: bool) -> None:
        # Whether something may be sent again is decided here, for each item of a request.
        self._client = connection.client.options(max_retries=0)
        self._connection = connection
        # Without it the server makes an index of the name, with a mapping of its own, where ours was deleted.
        self._require_alias = require_alias
        self._wait_for = wait_for
        self._most_bytes = MAX_BYTES

    def write(self, operations: Sequence[Operation]) -> list[Result]:
        """Do all of it, in any order, so each id may come only once; what became of each.

        An operation is sent again if the answer was lost. A record that is then found to be there, and to be
        the same, was created by the first sending. A record that is then found not to be there counts as
        deleted by it, which may be one too many; and one that was to replace another counts as updated.

        Raises
        ------
        InputError
            The server refuses a record.
        StorageError, IndexNotFoundError
            After an error some may be done, each whole.
        """
        batch = _Batch(operations)
        pause = _FIRST_PAUSE
        since: float | None = None
        finished = 0
        while waiting := batch.waiting():
            trouble: SigsearchError | None = None
            for chunk in self._chunks(batch, waiting):
                trouble = self._try(batch, chunk) or trouble
            if trouble is None:
                continue
            now = time.monotonic()
            if since is None or len(batch.done) > finished:
                since, finished = now, len(batch.done)
            if now - since > self._connection.patience:
                raise trouble
            time.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - so that not all come back at once
            pause = min(2 * pause, _LONGEST_PAUSE)
        return [batch.done[place] for place in range(len(operations))]

    def _chunks(self, batch: _Batch, places: Iterable[int]) -> Iterator[list[int]]:
        """What goes into a request."""
        chunk: list[int] = []
        size = 0
        for place in places:
            more = batch.size([place])
            if chunk and size + more > self._most_bytes:
                yield chunk
                chunk, size = [], 0
            chunk.append(place)
            size += more
        yield chunk

    def _try(self, batch: _Batch, chunk: Sequence[int]) -> SigsearchError | None:
        """Send one request; an error that may pass is given back, another one raised."""
        # That of the driver takes lines ready made, but does not say so.
        lines: Any = [line for place in chunk for line in batch.lines[place]]
        try:
            answer = self._client.bulk(
                index=self._connection.name,
                operations=lines,
                require_alias=self._require_alias,
                refresh="wait_for" if self._wait_for else None,
                # For shards that are not there; the answer is to come before we give up waiting for it.
                timeout=f"{self._connection.patience * 500:.0f}ms",
            )
        except (ApiError, TransportError) as error:
            if isinstance(error, ApiError) and error.status_code == 413:
                self._make_smaller(batch, chunk, error)
                return None
            trouble = translated(error, self._connection.place)
            if not may_pass(error):
                raise trouble from error
            trouble.__cause__ = error
            batch.unsure.update(chunk)
            return trouble
        return self._take(batch, chunk, [next(iter(item.values())) for item in answer["items"]])

    def _make_smaller(self, batch: _Batch, chunk: Sequence[int], error: ApiError) -> None:
        """Send less in a request from now on than was too much."""
        if len(chunk) == 1:
            raise InputError(
                f"{self._connection.place} takes nothing as large as the record "
                f"{batch.operations[chunk[0]].id!r}: keep less metadata with it, or raise the server's "
                "http.max_content_length"
            ) from error
        self._most_bytes = min(self._most_bytes, batch.size(chunk) // 2)

    def _take(
        self, batch: _Batch, chunk: Sequence[int], items: Sequence[Mapping[str, Any]]
    ) -> SigsearchError | None:
        """Note what became of the operations of one request."""
        trouble = None
        there = []
        for place, item in zip(chunk, items, strict=True):
            otherwise = batch.operations[place].otherwise
            if otherwise is not None and _is_refused(item):
                batch.replace(place, otherwise)
                continue
            result = self._result(batch.operations[place], item)
            if isinstance(result, SigsearchError):
                trouble = result
                if item["status"] != 429:
                    batch.unsure.add(place)
            elif place in batch.unsure and result == "kept":
                there.append(place)
            elif place in batch.unsure and result == "not_found":
                batch.done[place] = "deleted"
            else:
                batch.done[place] = result
        batch.done |= self._ours(batch.operations, there)
        return trouble

    def _result(self, operation: Operation, item: Mapping[str, Any]) -> Result | SigsearchError:
        """What became of one operation; an error that may pass is given back, another one raised."""
        status, told = item["status"], item.get("error")
        if status == 409 and operation.action == "create":
            return "kept"
        if told is None:
            result: Result = item["result"]
            return result
        if _is_refused(item):
            raise InputError(
                f"{self._connection.place} refuses the record {operation.id!r}: {reason_of(told)}"
            )
        error = server_error(status, told, self._connection.place)
        if status in (429, 503) and not is_full(status, told):
            return error
        raise error

    def _ours(self, operations: Sequence[Operation], places: Sequence[int]) -> dict[int, Result]:
        """Of records that were sent twice and are there: whether it was we who added them."""
        if not places:
            return {}
        ids = [operations[place].id for place in places]
        try:
            found = self._connection.client.mget(index=self._connection.name, ids=ids)["docs"]
        except (ApiError, TransportError) as error:
            raise translated(error, self._connection.place) from error
        return {
            place: "created" if _is(found, operations[place].document) else "kept"
            for place, found in zip(places, found, strict=True)
        }


def _is_refused(item: Mapping[str, Any]) -> bool:
    """Whether the server says of a document that it cannot be stored, ever."""
    return item["status"] == 400 and kind_of(item.get("error")) != "index_closed_exception"


def _is(found: Mapping[str, Any], document: Document | None) -> bool:
    return document is not None and found.get("_source") == source_of(document)


def _json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
