"""Records in a folder: a catalogue, and signatures packed for being compared one and all."""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar
from urllib.request import url2pathname

import numpy as np
import numpy.typing as npt

from sigsearch.backend import Backend, Capability, Known, Outcome, refuse_options
from sigsearch.batches import batched
from sigsearch.bounds import EFFORT
from sigsearch.errors import ClosedError, InputError, StorageError
from sigsearch.filters import Filter
from sigsearch.records import WHOLE, Box, Candidate, Problem, Record, View
from sigsearch.scheme import Scheme
from sigsearch_local import catalogue, leaves, upkeep
from sigsearch_local.catalogue import COLUMNS, FORMAT_VERSION, Location, Row, State
from sigsearch_local.files import SignatureFiles, StoredRows
from sigsearch_local.layout import layouts
from sigsearch_local.search import Near, search

FOLDER_NAME = "index.sig"
"""The index of a location that is a folder of other things."""
_CHUNK = 500
"""Rows asked for at once, and ids in one statement: older SQLites take at most 999."""
_REMEMBERED = 7
"""Filters, but one, whose rows are kept for the next search."""
_MAX_VIEWS = 1 << 16
_ATTEMPTS = 10
"""To catch the signature files between two compactions."""
_FEW = 1 / 50
"""Where a filter leaves a smaller share of the rows, they are compared one by one: a block is 256 rows."""

_COUNT = "SELECT count(*) FROM records"

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """An index as it was at one moment: a transaction of the catalogue, and the rows that it counts."""

    database: sqlite3.Connection
    state: State
    stored: tuple[StoredRows, ...]


class LocalBackend(Backend):
    """An index in a folder. Each call is one transaction: kept whole or not at all, and synced."""

    capabilities: ClassVar[frozenset[Capability]] = frozenset(Capability)

    def __init__(self, location: Location, *, workers: int) -> None:
        self.folder = location.folder
        self._location = location
        self._workers = workers
        self._closed = False
        self._lock = threading.RLock()  # of what follows
        self._idle: list[sqlite3.Connection] = []
        self._threads: ThreadPoolExecutor | None = None
        self._latest: tuple[State, tuple[StoredRows, ...]] | None = None
        self._chosen: dict[tuple[Filter, State], Ints | None] = {}
        self._checked: dict[tuple[int, str], int] = {}
        self._turn = threading.Lock()  # threads write one by one; processes wait for SQLite
        try:
            with self._connection() as database:
                self._scheme = catalogue.stored_scheme(database)
        except BaseException:
            self.close()
            raise

    @classmethod
    def open(cls, location: str, *, scheme: Scheme, create: bool, options: Mapping[str, Any]) -> LocalBackend:
        refuse_options(options, ["threads"])
        workers = options.get("threads", _processors())
        if type(workers) is not int or workers < 1:
            raise InputError(f"wanted threads as a whole number of at least 1, found {workers!r}")
        return cls(catalogue.prepare(_folder(location), scheme=scheme, create=create), workers=workers)

    @property
    def scheme(self) -> Scheme:
        return self._scheme

    # Putting in

    def add(self, records: Sequence[Record], *, replace: bool) -> list[Outcome]:
        for record in records:
            if len(record.views) > _MAX_VIEWS:
                raise InputError(
                    f"wanted at most {_MAX_VIEWS} views, found {len(record.views)} in {record.id!r}"
                )
        with self._writing() as (database, state):
            there = _numbers(database, [record.id for record in records])
            outcomes: list[Outcome] = []
            wanted: dict[str, Record] = {}
            for record in records:
                known = record.id in there or record.id in wanted
                if known and not replace:
                    outcomes.append(Outcome.KEPT)
                    continue
                outcomes.append(Outcome.REPLACED if known else Outcome.ADDED)
                wanted[record.id] = record
            live = state.live - self._remove(database, [there[id] for id in wanted if id in there])
            self._store(database, state._replace(live=live), list(wanted.values()))
        return outcomes

    def _store(self, database: sqlite3.Connection, state: State, records: Sequence[Record]) -> None:
        """Write new records: first their rows, which count from the commit on, then the catalogue."""
        views = [view for record in records for view in record.views]
        positions = np.array([k for record in records for k in range(len(record.views))], np.int64)
        signatures = np.array([view.signature for view in views], np.int8).reshape(
            -1, self._scheme.signature_length
        )
        squares = np.einsum("ij,ij->i", signatures, signatures, dtype=np.int64)
        folded = layouts(self._scheme)[0].takes(signatures)
        counts = [state.folded, state.full]
        places = np.empty(len(views), np.int64)
        parts = []
        for kind, chosen in enumerate([folded, ~folded]):
            # By their norms: rows of a block that have about the same are quicker to search.
            part = np.flatnonzero(chosen)
            part = part[np.argsort(squares[part], kind="stable")]
            places[part] = 2 * (counts[kind] + np.arange(len(part))) + kind
            parts.append(part)
        ends = np.cumsum([len(record.views) for record in records], dtype=np.int64)
        starts = np.concatenate([[0], ends[:-1]]).astype(np.int64) if len(ends) else ends
        numbers = places[starts]
        firsts = np.repeat(numbers, ends - starts)
        for kind, (files, part) in enumerate(zip(self._files(state), parts, strict=True)):
            rows = files.layout.pack(signatures[part], firsts[part], positions[part])
            files.append(counts[kind], rows)
            counts[kind] += len(part)
        rows_of_records = [
            Row.of(
                number,
                record.id,
                record.path,
                record.metadata,
                record.timestamp,
                _views(record, places[start:end].tolist()),
            )
            for record, number, start, end in zip(
                records, numbers.tolist(), starts.tolist(), ends.tolist(), strict=True
            )
        ]
        marks = ", ".join("?" * len(Row._fields))
        database.executemany(f"INSERT INTO records VALUES ({marks})", sorted(rows_of_records))
        leaves.add(
            database,
            (
                (number, record.metadata)
                for number, record in zip(numbers.tolist(), records, strict=True)
                if record.metadata is not None
            ),
        )
        database.execute(
            "UPDATE state SET folded = ?, full = ?, live = ?", (*counts, state.live + len(views))
        )

    def delete(self, ids: Sequence[str]) -> int:
        with self._writing() as (database, _):
            numbers = list(_numbers(database, ids).values())
            removed = self._remove(database, numbers)
            database.execute("UPDATE state SET live = live - ?", (removed,))
        return len(numbers)

    def _remove(self, database: sqlite3.Connection, numbers: Sequence[int]) -> int:
        """Delete records from the catalogue; how many rows they leave behind."""
        rows = list(map(Row._make, _select(database, _BY_NUMBER, numbers)))
        known = [row for row in rows if row.metadata is not None]
        leaves.remove(database, ((row.number, json.loads(row.metadata or "null")) for row in known))
        database.executemany("DELETE FROM records WHERE number = ?", [(row.number,) for row in rows])
        return sum(len(row.places()) for row in rows)

    # Getting out

    def get(self, ids: Sequence[str]) -> list[Record | None]:
        with self._reading() as snapshot:
            query = f"SELECT {COLUMNS} FROM records WHERE id IN ({{}})"
            rows = list(map(Row._make, _select(snapshot.database, query, ids)))
            found = {record.id: record for record in _records(snapshot, rows)}
        return [found.get(id) for id in ids]

    def timestamps(self, ids: Sequence[str]) -> dict[str, datetime | None]:
        with self._connection() as database:
            found = _select(database, "SELECT id, timestamp FROM records WHERE id IN ({})", ids)
            return {id: _when(stamp) for id, stamp in found}

    def ids(self, prefix: str = "") -> Iterator[str]:
        self._check_open()  # now, not at the first id
        return self._ids(prefix)

    def _ids(self, prefix: str) -> Iterator[str]:
        # In steps, as a scan. Ids are in the order of their bytes, so those that begin alike stand together.
        last, query = prefix, f"SELECT id FROM records WHERE id >= ? ORDER BY id LIMIT {_CHUNK}"
        while True:
            with self._connection() as database:
                ids = [id for (id,) in database.execute(query, (last,))]
            for id in ids:
                if not id.startswith(prefix):
                    return
                yield id
            if len(ids) < _CHUNK:
                return
            last, query = ids[-1], f"SELECT id FROM records WHERE id > ? ORDER BY id LIMIT {_CHUNK}"

    def count(self, where: Filter | None = None) -> int:
        with self._connection() as database:
            if where is not None:
                return len(leaves.numbers(database, where))
            return int(database.execute(_COUNT).fetchone()[0])

    def scan(self, where: Filter | None = None) -> Iterator[Record]:
        self._check_open()  # now, not at the first record
        return self._scan(where)

    def _scan(self, where: Filter | None) -> Iterator[Record]:
        # In steps, each a transaction of its own, so that a long scan holds up nobody. By id: that is what
        # a record keeps when it is replaced, or moved by compaction.
        query = f"SELECT {COLUMNS} FROM records WHERE id > ? ORDER BY id LIMIT {_CHUNK}"
        last = ""
        while True:
            with self._reading() as snapshot:
                records = _records(snapshot, list(map(Row._make, snapshot.database.execute(query, (last,)))))
            if not records:
                return
            last = records[-1].id
            yield from (r for r in records if where is None or where.matches(r.metadata))

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
        if not len(signatures):
            self._check_open()
            return []
        with self._reading() as snapshot:
            chosen = None
            if where is not None:
                chosen = self._few(snapshot, where)
            near = []
            for kind, stored in enumerate(snapshot.stored):
                self._check_blocks(stored)
                rows = None if chosen is None else chosen[chosen % 2 == kind] // 2
                near.append(
                    search(
                        stored,
                        signatures,
                        cutoff,
                        threads=self._threads_now(),
                        workers=self._workers,
                        chosen=rows,
                    )
                )
            return _Picking(snapshot, where).candidates(near, len(signatures), limit)

    def _few(self, snapshot: _Snapshot, where: Filter) -> Ints | None:
        """The places of a few rows, among them all that a filter leaves; None if they are not few."""
        key = (where, snapshot.state)
        if key not in self._chosen:
            most = int(_FEW * (snapshot.state.folded + snapshot.state.full))
            numbers = leaves.few(snapshot.database, where, most)
            several = "SELECT 1 FROM records WHERE views IS NOT NULL LIMIT 1"
            if numbers is not None and snapshot.database.execute(several).fetchone():
                rows = map(Row._make, _select(snapshot.database, _BY_NUMBER, numbers.tolist()))
                numbers = np.sort(np.array([place for row in rows for place in row.places()], np.int64))
            with self._lock:
                # Nothing stored comes to the same state again; of searches alike a few in a row.
                self._chosen = {**dict(list(self._chosen.items())[-_REMEMBERED:]), key: numbers}
        return self._chosen[key]

    def _check_blocks(self, stored: StoredRows) -> None:
        """Make sure that the blocks not searched before are what was written."""
        key = (stored.files.generation, stored.layout.name)
        for number in stored.damaged_blocks(self._checked.get(key, 0)):
            raise StorageError(
                f"{stored.files.blocks_path} is damaged in block {number}; its rows stand elsewhere, too: "
                f"'sigsearch compact --index {self.folder}' makes the blocks anew"
            )
        self._checked[key] = len(stored.blocks)

    def _threads_now(self) -> ThreadPoolExecutor | None:
        with self._lock:
            if self._threads is None and self._workers > 1:
                self._threads = ThreadPoolExecutor(self._workers, "sigsearch-search")
            return self._threads

    def refresh(self) -> None:
        self._check_open()  # every call reads what is committed

    # Upkeep

    def info(self) -> dict[str, Any]:
        with self._connection() as database:
            state = catalogue.state(database)
        files = self._files(state)
        total = state.folded + state.full
        return {
            "bytes": sum(entry.stat().st_size for entry in os.scandir(self.folder) if entry.is_file()),
            "format": FORMAT_VERSION,
            "folder": str(self.folder),
            "rows": total,
            "dead": total - state.live,
            "row_bytes": files[0].layout.row_bytes
            if state.folded >= state.full
            else files[1].layout.row_bytes,
            "signature_bytes": sum(each.bytes() for each in files),
        }

    def compact(self) -> None:
        with self._writing() as (database, state):
            old, new = self._files(state), self._files(state._replace(generation=state.generation + 1))
            upkeep.sweep(self.folder, old)
            try:
                upkeep.rewrite(database, state, old, new)
            except BaseException:
                for files in new:
                    files.remove()
                raise
        for files in old:
            files.remove()
        with self._turn, self._connection(begin=None) as database:
            database.execute("VACUUM")
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def check(self) -> Iterator[str]:
        self._check_open()
        return self._check()

    def _check(self) -> Iterator[str]:
        with self._connection() as database:
            state = catalogue.state(database)
            yield from upkeep.check(database, self._files(state), state)

    def salvage(self) -> Iterator[Record]:
        self._check_open()
        return self._salvage()

    def examine(self, known: Known | None = None) -> Iterator[Record | Problem]:
        self._check_open()
        return self._examine(known or (lambda _: set()))

    def _salvage(self) -> Iterator[Record]:
        return (found for found in self._examine(lambda _: set()) if isinstance(found, Record))

    def _examine(self, known: Known) -> Iterator[Record | Problem]:
        with self._connection() as database:
            state = catalogue.state(database)
            snapshot = _Snapshot(database, state, upkeep.whole_rows(self._files(state), state))
            rows = upkeep.readable(database)
            read = 0
            for part in batched(rows, _CHUNK):
                read += len(part)
                passed_over = known([row.id for row in part])
                for row in part:
                    if row.id in passed_over:
                        continue
                    try:
                        yield from _records(snapshot, [row])
                    except StorageError as error:
                        yield Problem(row.id, f"the record {row.id!r}: {error}")
            try:
                lost = int(database.execute(_COUNT).fetchone()[0]) - read
            except sqlite3.DatabaseError as error:
                yield Problem(None, f"the records of {self.folder} cannot be counted: {error}")
            else:
                if lost:
                    yield Problem(None, f"{lost:,} records of {self.folder} cannot be read at all")

    def close(self) -> None:
        with self._lock:
            if self._closed:
                return
            self._closed = True
            for database in self._idle:
                database.close()
            self._idle.clear()
            self._latest = None
            threads, self._threads = self._threads, None
        if threads is not None:
            threads.shutdown()
        self._location.release()

    # Connections and transactions

    def _check_open(self) -> None:
        if self._closed:
            raise ClosedError(f"the index at {self.folder} was closed; open it again")

    @contextmanager
    def _connection(self, begin: str | None = "BEGIN") -> Iterator[sqlite3.Connection]:
        """A connection of this thread's own in a transaction, in which nobody else's changes are seen."""
        with self._lock:
            self._check_open()
            database = self._idle.pop() if self._idle else catalogue.connect(self._location)
        try:
            with _errors(self.folder):
                try:
                    if begin is not None:
                        database.execute(begin)
                    yield database
                    if begin is not None:
                        database.execute("COMMIT")
                finally:
                    # A failed statement may have ended it; a Ctrl-C has not.
                    if database.in_transaction:
                        database.execute("ROLLBACK")
        finally:
            with self._lock:
                # One that a Ctrl-C has kept from being rolled back is not used again.
                if self._closed or database.in_transaction:
                    database.close()
                else:
                    self._idle.append(database)

    @contextmanager
    def _writing(self) -> Iterator[tuple[sqlite3.Connection, State]]:
        """A transaction that only one writer has at a time; kept as a whole, or not at all."""
        self._check_open()
        if self._location.read_only:
            raise StorageError(f"cannot write to {self.folder}: it is read-only")
        with self._turn, self._connection("BEGIN IMMEDIATE") as database:
            yield database, catalogue.state(database)

    @contextmanager
    def _reading(self) -> Iterator[_Snapshot]:
        """The index as it is now, signatures and all."""
        for attempt in range(_ATTEMPTS):
            with self._connection() as database:
                state = catalogue.state(database)
                try:
                    stored = self._stored(state)
                except FileNotFoundError as error:
                    # Compaction has put others in their place since the transaction began.
                    if attempt == _ATTEMPTS - 1:
                        raise StorageError(
                            f"{error.filename} is missing; "
                            f"'sigsearch check --index {self.folder}' says what can be saved"
                        ) from error
                    continue
                yield _Snapshot(database, state, stored)
                return

    def _stored(self, state: State) -> tuple[StoredRows, ...]:
        with self._lock:
            if self._latest is None or self._latest[0][:3] != state[:3]:
                counts = (state.folded, state.full)
                stored = tuple(
                    files.stored(count) for files, count in zip(self._files(state), counts, strict=True)
                )
                self._latest = (state, stored)
            return self._latest[1]

    def _files(self, state: State) -> tuple[SignatureFiles, ...]:
        return tuple(
            SignatureFiles(self.folder, layout, state.generation) for layout in layouts(self._scheme)
        )


class _Picking:
    """The choice of candidates from the rows found near: of records that are still there and wanted."""

    def __init__(self, snapshot: _Snapshot, where: Filter | None) -> None:
        self._snapshot = snapshot
        self._where = where
        self._ids: dict[int, str | None] = {}

    def candidates(self, near: Sequence[Near], queries: int, limit: int | None) -> list[list[Candidate]]:
        """For each query the rows of the nearest records, best first."""
        kinds = np.repeat(np.arange(len(near)), [len(part.rows) for part in near])
        rows, asking = (
            np.concatenate([getattr(part, name) for part in near]) for name in ("rows", "queries")
        )
        apart = np.concatenate([part.distances for part in near])
        headers = [part.stored.headers(part.rows) for part in near]
        numbers, positions = (np.concatenate(column) for column in zip(*headers, strict=True))
        order = np.lexsort((rows, kinds, apart, asking))
        ends = np.searchsorted(asking[order], np.arange(queries + 1))
        picked = [self._pick(order[start:end], numbers, limit) for start, end in pairwise(ends.tolist())]
        every = np.unique(np.concatenate([order[:0], *picked]))
        signatures: dict[int, npt.NDArray[np.int8]] = {}
        for kind, part in enumerate(near):
            these = every[kinds[every] == kind]
            read = part.stored.layout.unpack(part.stored.read(rows[these]))
            signatures.update(zip(these.tolist(), read, strict=True))
        return [
            [
                Candidate(self._ids[int(numbers[i])] or "", int(positions[i]), signatures[i])
                for i in chosen.tolist()
            ]
            for chosen in picked
        ]

    def _pick(self, order: Ints, numbers: Ints, limit: int | None) -> Ints:
        """Of one query's rows, nearest first, all those of the first `limit` records."""
        wanted = len(order) if limit is None else limit
        records: dict[int, None] = {}
        for start in range(0, len(order), max(wanted, _CHUNK)):
            if len(records) >= wanted:
                break
            part = numbers[order[start : start + max(wanted, _CHUNK)]]
            self._look_up(np.unique(part).tolist())
            records.update(dict.fromkeys(number for number in part.tolist() if self._ids[number] is not None))
        return order[np.isin(numbers[order], list(records)[:wanted])]

    def _look_up(self, numbers: Sequence[int]) -> None:
        """Learn which of these records are there, and whether the filter is true of them."""
        unknown = [number for number in numbers if number not in self._ids]
        self._ids.update(dict.fromkeys(unknown))
        for row in map(Row._make, _select(self._snapshot.database, _BY_NUMBER, unknown)):
            _check_row(row)
            if self._where is None or self._where.matches(json.loads(row.metadata or "null")):
                self._ids[row.number] = row.id


_BY_NUMBER = f"SELECT {COLUMNS} FROM records WHERE number IN ({{}})"


def _records(snapshot: _Snapshot, rows: Sequence[Row]) -> list[Record]:
    """The records of rows of the catalogue, with their signatures."""
    for row in rows:
        _check_row(row)
    addresses = [(place, row.number, k) for row in rows for k, place in enumerate(row.places())]
    signatures: dict[int, npt.NDArray[np.int8]] = {}
    for kind, stored in enumerate(snapshot.stored):
        own = np.array([address for address in addresses if address[0] % 2 == kind], np.int64).reshape(-1, 3)
        at = own[:, 0] // 2
        if len(at) and at.max() >= len(stored.rows):
            raise StorageError("the index is damaged: its catalogue names a signature that is not there")
        found = stored.layout.unpack(stored.read(at))
        numbers, positions = stored.headers(at)
        if not (np.array_equal(numbers, own[:, 1]) and np.array_equal(positions, own[:, 2])):
            raise StorageError("the index is damaged: its catalogue names the signature of another record")
        signatures.update(zip(own[:, 0].tolist(), found, strict=True))
    return [_record(row, signatures) for row in rows]


def _record(row: Row, signatures: Mapping[int, npt.NDArray[np.int8]]) -> Record:
    boxes = [(row.number, WHOLE)] if row.views is None else json.loads(row.views)
    return Record(
        row.id,
        tuple(View(signatures[place], Box(*box)) for place, box in boxes),
        row.path,
        json.loads(row.metadata or "null"),
        row.when(),
    )


def _check_row(row: Row) -> None:
    if not row.sound:
        raise StorageError(
            f"the catalogue is damaged: the record {row.id!r} is not what was written; "
            "'sigsearch check' says what can be saved"
        )


def _views(record: Record, places: list[int]) -> list[Any] | None:
    """What the catalogue keeps of a record's views: nothing of the usual one."""
    if len(record.views) == 1 and record.views[0].box == WHOLE:
        return None
    return [[place, view.box] for place, view in zip(places, record.views, strict=True)]


def _when(timestamp: int | str | None) -> datetime | None:
    """A timestamp, if it can be read; who reads the record is told if not."""
    with suppress(TypeError, ValueError, OverflowError):
        return catalogue.when(timestamp)
    return None


def _numbers(database: sqlite3.Connection, ids: Sequence[str]) -> dict[str, int]:
    """The numbers of the records of these ids that are there."""
    return dict(_select(database, "SELECT id, number FROM records WHERE id IN ({})", ids))


def _select(database: sqlite3.Connection, query: str, keys: Sequence[str | int]) -> Iterator[tuple[Any, ...]]:
    """The rows of a query for any number of keys, whose marks come in the place of ``{}``."""
    for start in range(0, len(keys), _CHUNK):
        chunk = keys[start : start + _CHUNK]
        yield from database.execute(query.format(", ".join("?" * len(chunk))), chunk)


@contextmanager
def _errors(folder: Path) -> Iterator[None]:
    """Say what a file system or SQLite complains of."""
    try:
        yield
    except sqlite3.Error as error:
        raise StorageError(f"{folder}: {error}; what was stored before is intact") from error
    except OSError as error:
        raise StorageError(
            f"{folder}: {error.strerror or error}; what was stored before is intact"
        ) from error


def _processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _folder(location: str) -> Path:
    if location.lower().startswith("file://"):
        location = url2pathname(location[len("file://") :])
    path = Path(location).expanduser()
    # One look, for another process may be making the index at this moment; its catalogue comes first.
    there = {entry.name for entry in path.iterdir()} if path.is_dir() else set()
    ours = not there or catalogue.NAME in there or catalogue.has_signatures(path)
    return path if ours else path / FOLDER_NAME
