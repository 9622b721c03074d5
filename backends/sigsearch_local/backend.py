"""Records in an SQLite file, signatures compared one and all."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar
from urllib.request import url2pathname

import numpy as np
import numpy.typing as npt

from sigsearch.backend import Backend, Capability, Outcome, refuse_options
from sigsearch.errors import ClosedError, StorageError
from sigsearch.filters import Filter
from sigsearch.records import Box, Candidate, Record, View
from sigsearch.scheme import Scheme
from sigsearch.signatures import distances
from sigsearch_local.schema import FORMAT_VERSION, connect, stored_scheme

FOLDER_FILE = "index.sig"
"""The file of an index whose location is a folder."""
_CHUNK = 500
"""Rows asked for at once, and ids in one statement: older SQLites take at most 999."""

_COLUMNS = "number, id, path, metadata, timestamp"


class LocalBackend(Backend):
    """An index in a file. Each call is one transaction: kept whole or not at all, and synced."""

    capabilities: ClassVar[frozenset[Capability]] = frozenset(Capability)

    def __init__(self, path: Path, database: sqlite3.Connection, scheme: Scheme) -> None:
        self.path = path
        self._scheme = scheme
        self._open_database: sqlite3.Connection | None = database
        self._lock = threading.RLock()
        self._matrix = _Matrix(scheme.signature_length)

    @classmethod
    def open(cls, location: str, *, scheme: Scheme, create: bool, options: Mapping[str, Any]) -> LocalBackend:
        refuse_options(options)
        path = _path(location)
        database = connect(path, scheme=scheme, create=create)
        try:
            return cls(path, database, stored_scheme(database))
        except BaseException:
            database.close()
            raise

    @property
    def scheme(self) -> Scheme:
        return self._scheme

    def add(self, records: Sequence[Record], *, replace: bool) -> list[Outcome]:
        with self._transaction(write=True) as database:
            return [self._add(database, record, replace) for record in records]

    def _add(self, database: sqlite3.Connection, record: Record, replace: bool) -> Outcome:
        row = (
            record.id,
            record.path,
            json.dumps(record.metadata, ensure_ascii=False),
            record.timestamp.isoformat() if record.timestamp else None,
        )
        there = database.execute("SELECT number FROM records WHERE id = ?", row[:1]).fetchone()
        if there and not replace:
            return Outcome.KEPT
        if there:
            number = there[0]
            database.execute("DELETE FROM views WHERE record = ?", there)
            database.execute(
                "UPDATE records SET path = ?, metadata = ?, timestamp = ? WHERE number = ?",
                (*row[1:], number),
            )
        else:
            number = database.execute(
                "INSERT INTO records (id, path, metadata, timestamp) VALUES (?, ?, ?, ?)", row
            ).lastrowid
        database.executemany(
            "INSERT INTO views VALUES (?, ?, ?, ?)",
            [
                (number, position, json.dumps(view.box), view.signature.tobytes())
                for position, view in enumerate(record.views)
            ],
        )
        return Outcome.REPLACED if there else Outcome.ADDED

    def delete(self, ids: Sequence[str]) -> int:
        with self._transaction(write=True) as database:
            deleted = [database.execute("DELETE FROM records WHERE id = ?", (id,)).rowcount for id in ids]
        return sum(deleted)

    def get(self, ids: Sequence[str]) -> list[Record | None]:
        with self._transaction() as database:
            rows = list(_select(database, f"SELECT {_COLUMNS} FROM records WHERE id IN ({{}})", ids))
            found = {record.id: record for record in self._records(database, rows)}
        return [found.get(id) for id in ids]

    def contains(self, ids: Sequence[str]) -> set[str]:
        with self._transaction() as database:
            return {row[0] for row in _select(database, "SELECT id FROM records WHERE id IN ({})", ids)}

    def count(self, where: Filter | None = None) -> int:
        with self._transaction() as database:
            if where is None:
                return int(database.execute("SELECT count(*) FROM records").fetchone()[0])
            return len(self._chosen(database, where))

    def scan(self, where: Filter | None = None) -> Iterator[Record]:
        with self._transaction():
            pass  # a closed index is refused now, not at the first record
        return self._scan(where)

    def _scan(self, where: Filter | None) -> Iterator[Record]:
        # In steps, each a transaction of its own, so that a long scan holds up no writer.
        last = -1
        while True:
            with self._transaction() as database:
                rows = database.execute(
                    f"SELECT {_COLUMNS} FROM records WHERE number > ? ORDER BY number LIMIT ?",
                    (last, _CHUNK),
                ).fetchall()
                records = self._records(database, rows)
            if not rows:
                return
            last = rows[-1][0]
            yield from (r for r in records if where is None or where.matches(r.metadata))

    def candidates(
        self,
        signatures: npt.NDArray[np.int8],
        *,
        where: Filter | None,
        cutoff: float,
        limit: int | None,
    ) -> list[list[Candidate]]:
        with self._transaction() as database:
            self._matrix.load(database)
            records, positions, stored = self._matrix.records, self._matrix.positions, self._matrix.stored
            if where is not None:
                chosen = np.isin(records, self._chosen(database, where))
                records, positions, stored = records[chosen], positions[chosen], stored[chosen]
            near = []
            for query in signatures:
                apart = distances(query, stored, scheme=self._scheme)
                rows = np.flatnonzero(apart < cutoff)
                rows = rows[np.argsort(apart[rows], kind="stable")]
                near.append(rows[_within_limit(records[rows], limit)])
            numbers = np.unique(np.concatenate([records[:0], *(records[rows] for rows in near)]))
            query = "SELECT number, id FROM records WHERE number IN ({})"
            ids = dict(_select(database, query, numbers.tolist()))
        return [
            [Candidate(ids[int(records[i])], int(positions[i]), stored[i]) for i in rows] for rows in near
        ]

    def refresh(self) -> None:
        with self._transaction():
            pass  # every call reads what is committed

    def info(self) -> dict[str, Any]:
        with self._transaction() as database:
            pages = database.execute("PRAGMA page_count").fetchone()[0]
            size = database.execute("PRAGMA page_size").fetchone()[0]
        return {"bytes": pages * size, "format": FORMAT_VERSION, "file": str(self.path)}

    def close(self) -> None:
        with self._lock:
            if self._open_database is not None:
                self._open_database.close()
                self._open_database = None

    @contextmanager
    def _transaction(self, *, write: bool = False) -> Iterator[sqlite3.Connection]:
        """One consistent view of the file; with write, all of the changes or none."""
        with self._lock:
            database = self._open_database
            if database is None:
                raise ClosedError(f"the index at {self.path} was closed; open it again")
            try:
                database.execute("BEGIN IMMEDIATE" if write else "BEGIN")
                try:
                    yield database
                    database.execute("COMMIT")
                finally:
                    # A failed statement may have ended it; a Ctrl-C has not.
                    if database.in_transaction:
                        database.execute("ROLLBACK")
            except sqlite3.Error as error:
                raise StorageError(f"{self.path}: {error}; what was stored before is intact") from error

    def _records(self, database: sqlite3.Connection, rows: Sequence[tuple[Any, ...]]) -> list[Record]:
        views: dict[int, list[View]] = {row[0]: [] for row in rows}
        query = "SELECT record, box, signature FROM views WHERE record IN ({}) ORDER BY record, position"
        for number, box, signature in _select(database, query, list(views)):
            views[number].append(View(np.frombuffer(signature, np.int8), Box(*json.loads(box))))
        return [
            Record(
                id,
                tuple(views[number]),
                path,
                json.loads(metadata),
                datetime.fromisoformat(timestamp) if timestamp else None,
            )
            for number, id, path, metadata, timestamp in rows
        ]

    def _chosen(self, database: sqlite3.Connection, where: Filter) -> list[int]:
        """Numbers of the records that a filter is true of."""
        rows: Iterable[tuple[int, str]] = database.execute("SELECT number, metadata FROM records")
        return [number for number, metadata in rows if where.matches(json.loads(metadata))]


def _select(database: sqlite3.Connection, query: str, keys: Sequence[str | int]) -> Iterator[tuple[Any, ...]]:
    """The rows of a query for any number of keys, whose marks come in the place of ``{}``."""
    for start in range(0, len(keys), _CHUNK):
        chunk = keys[start : start + _CHUNK]
        yield from database.execute(query.format(", ".join("?" * len(chunk))), chunk)


class _Matrix:
    """All signatures of a file in memory, read again when anybody has written."""

    def __init__(self, length: int) -> None:
        self._length = length
        self._state: tuple[int, int] | None = None
        self.records = np.empty(0, np.int64)
        self.positions = np.empty(0, np.int64)
        self.stored = np.empty((0, length), np.int8)

    def load(self, database: sqlite3.Connection) -> None:
        # data_version changes with what other connections commit, total_changes with what ours does.
        state = (database.execute("PRAGMA data_version").fetchone()[0], database.total_changes)
        if state == self._state:
            return
        rows = database.execute("SELECT record, position, signature FROM views").fetchall()
        self.records = np.array([row[0] for row in rows], np.int64)
        self.positions = np.array([row[1] for row in rows], np.int64)
        self.stored = np.frombuffer(b"".join(row[2] for row in rows), np.int8).reshape(-1, self._length)
        self._state = state


def _within_limit(records: npt.NDArray[np.int64], limit: int | None) -> npt.NDArray[np.int64]:
    """Of views in order of distance, those of the first `limit` different records."""
    every = np.arange(len(records))
    if limit is None or len(records) <= limit:
        return every
    first = np.sort(np.unique(records, return_index=True)[1])[:limit]
    return every[np.isin(records, records[first])]


def _path(location: str) -> Path:
    if location.lower().startswith("file://"):
        location = url2pathname(location[len("file://") :])
    path = Path(location).expanduser()
    return path / FOLDER_FILE if path.is_dir() else path
