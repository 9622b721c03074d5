"""Compaction of an index, the search for damage in it, and what can be read in spite of that."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from sigsearch.batches import batched
from sigsearch.errors import StorageError
from sigsearch_local import leaves
from sigsearch_local.catalogue import COLUMNS, RECORDS, SEVERAL_VIEWS, Row, State
from sigsearch_local.files import SignatureFiles, StoredRows

_CHUNK: Final = 1 << 14
_FORWARDS: Final = f"SELECT {COLUMNS} FROM records ORDER BY number"
_BACKWARDS: Final = f"SELECT {COLUMNS} FROM records WHERE number > ? ORDER BY number DESC"

Ints = npt.NDArray[np.int64]


def rewrite(
    database: sqlite3.Connection, state: State, old: Sequence[SignatureFiles], new: Sequence[SignatureFiles]
) -> None:
    """Write the rows that belong to records into new files, and have the catalogue name them.

    To be called in a transaction. Rows come in order of their norms, which makes them quicker to search.
    """
    places, firsts = _addresses(database)
    moved = np.empty_like(places)
    orders = []
    for kind, (files, count) in enumerate(zip(old, _counts(state), strict=True)):
        these = np.flatnonzero(places % 2 == kind)
        squares = files.stored(count, blocks=False).squares(places[these] // 2)
        these = these[np.argsort(squares, kind="stable")]
        moved[these] = 2 * np.arange(len(these)) + kind
        orders.append(these)
    new_firsts = moved[np.searchsorted(places, firsts)]
    for files, fresh, count, order in zip(old, new, _counts(state), orders, strict=True):
        stored = files.stored(count, blocks=False)
        for start in range(0, len(order), _CHUNK):
            part = order[start : start + _CHUNK]
            rows = stored.read(places[part] // 2)
            files.layout.readdress(rows, new_firsts[part])
            fresh.append(start, rows)
    _renumber(database, dict(zip(places.tolist(), moved.tolist(), strict=True)))
    database.execute(
        "UPDATE state SET generation = ?, folded = ?, full = ?, live = ?",
        (new[0].generation, *map(len, orders), len(places)),
    )


def sweep(folder: Path, current: Sequence[SignatureFiles]) -> None:
    """Delete signature files of other generations: what a compaction left that was killed.

    To be called in a transaction that writes, when no other compaction can be under way.
    """
    known = {path for files in current for path in (files.rows_path, files.blocks_path)}
    for path in folder.iterdir():
        if path.suffix in (".rows", ".blocks") and path not in known:
            path.unlink(missing_ok=True)  # who has compacted before removes its old files as well


def _addresses(database: sqlite3.Connection) -> tuple[Ints, Ints]:
    """All places that belong to records, ascending, and the first place of the record of each."""
    places: list[int] = []
    firsts: list[int] = []
    for number, views in database.execute("SELECT number, views FROM records"):
        own = [number] if views is None else [place for place, _ in json.loads(views)]
        places += own
        firsts += [number] * len(own)
    order = np.argsort(np.array(places, np.int64))
    return np.array(places, np.int64)[order], np.array(firsts, np.int64)[order]


def _renumber(database: sqlite3.Connection, moved: dict[int, int]) -> None:
    """Give the records in the catalogue the numbers that say where their rows are now."""
    database.execute("CREATE TEMP TABLE moved (old INTEGER PRIMARY KEY, new INTEGER NOT NULL)")
    database.executemany("INSERT INTO moved VALUES (?, ?)", moved.items())
    database.execute(RECORDS.format(name="renumbered"))
    others = COLUMNS.removeprefix("number, ")
    database.execute(
        f"INSERT INTO renumbered SELECT new, {others} FROM moved JOIN records ON number = old ORDER BY new"
    )
    database.execute("DROP TABLE records")
    database.execute("ALTER TABLE renumbered RENAME TO records")
    database.execute(SEVERAL_VIEWS)
    several = database.execute(f"SELECT {COLUMNS} FROM records WHERE views IS NOT NULL").fetchall()
    for row in map(Row._make, several):
        views = [[moved[place], box] for place, box in json.loads(row.views or "")]
        database.execute("UPDATE records SET views = ?, checksum = ? WHERE number = ?", row.with_views(views))
    # By way of negative numbers, so that no two are the same meanwhile.
    database.execute("UPDATE leaves SET record = -1 - (SELECT new FROM moved WHERE old = record)")
    database.execute("UPDATE leaves SET record = -1 - record")
    database.execute("DROP TABLE moved")


def check(database: sqlite3.Connection, files: Sequence[SignatureFiles], state: State) -> Iterator[str]:
    """Say what is damaged, a line each."""
    try:
        for (problems,) in database.execute("PRAGMA integrity_check"):
            for problem in problems.splitlines():  # SQLite puts several into one
                if problem != "ok":
                    yield f"the catalogue is damaged: {problem}"
        stored = whole_rows(files, state)
        for rows, count in zip(stored, _counts(state), strict=True):
            yield from _check_files(rows, count)
        yield from _check_records(database, stored)
        yield from _check_leaves(database)
    except sqlite3.DatabaseError as error:
        yield f"the catalogue is damaged: {error}; what can be read of it can be saved"


def _check_files(stored: StoredRows, count: int) -> Iterator[str]:
    files = stored.files
    if len(stored.rows) < count:
        yield (
            f"{files.rows_path.name} is cut: {count - len(stored.rows):,} of {count:,} signatures are lost; "
            "the records of the others can be saved"
        )
    try:
        files.stored(count)
    except FileNotFoundError as error:
        yield f"{error.filename} is missing"
    except StorageError as error:
        if len(stored.rows) == count:
            yield f"{error}; nothing is lost: 'sigsearch compact' makes it anew from {files.rows_path.name}"
    for number in stored.damaged_blocks():
        yield (
            f"{files.blocks_path.name} is damaged in block {number:,}: searches fail, but nothing is lost; "
            f"'sigsearch compact' makes it anew from {files.rows_path.name}"
        )


def _check_records(database: sqlite3.Connection, stored: Sequence[StoredRows]) -> Iterator[str]:
    rows = map(Row._make, database.execute(_FORWARDS))
    for chunk in batched(rows, _CHUNK):
        for row in chunk:
            if not row.sound:
                yield f"the catalogue is damaged: the record {row.id!r} is not what was written"
        addresses = [
            (place, row.number, position, row.id)
            for row in chunk
            if row.sound
            for position, place in enumerate(row.places())
        ]
        for kind, part in enumerate(stored):
            own = [address for address in addresses if address[0] % 2 == kind]
            at = np.array([place // 2 for place, *_ in own], np.int64)
            there = at < len(part.rows)
            good = there.copy()
            found = part.rows[at[there]]
            numbers, positions = part.headers(at[there])
            wanted = np.array([address[1:3] for address in own], np.int64).reshape(-1, 2)[there]
            good[there] = part.layout.sound(found) & (numbers == wanted[:, 0]) & (positions == wanted[:, 1])
            for (place, _, _, id), fine in zip(own, good.tolist(), strict=True):
                if not fine:
                    yield (
                        f"the signature of the record {id!r} (row {place // 2:,} of "
                        f"{part.files.rows_path.name}) is damaged or missing; add its picture again"
                    )


def _check_leaves(database: sqlite3.Connection) -> Iterator[str]:
    """Make the index of metadata again, in memory, and compare."""
    again = sqlite3.connect(":memory:", isolation_level=None)
    again.executescript(leaves.SCHEMA)
    known = database.execute(
        "SELECT number, metadata FROM records WHERE metadata IS NOT NULL ORDER BY number"
    )
    while chunk := known.fetchmany(_CHUNK):
        leaves.add(again, ((number, _json(metadata)) for number, metadata in chunk))
    query = "SELECT name, value, record FROM leaves JOIN paths ON path = number ORDER BY name, value, record"
    if any(a != b for a, b in _pairs(database.execute(query), again.execute(query))):
        yield (
            "the catalogue is damaged: its index of the metadata is not that of the records; "
            "filters give wrong answers, but nothing is lost: save it in a new index"
        )


def _pairs(a: Iterator[Any], b: Iterator[Any]) -> Iterator[tuple[Any, Any]]:
    while True:
        pair = next(a, None), next(b, None)
        if pair == (None, None):
            return
        yield pair


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:  # reported with its record
        return None


def whole_rows(files: Sequence[SignatureFiles], state: State) -> tuple[StoredRows, ...]:
    """The rows that are there, if the files are cut, and the blocks."""
    return tuple(each.whatever(count) for each, count in zip(files, _counts(state), strict=True))


def readable(database: sqlite3.Connection) -> Iterator[Row]:
    """The rows of the catalogue before and behind what of it is damaged."""
    last = -1
    try:
        for row in map(Row._make, database.execute(_FORWARDS)):
            last = row.number
            yield row
    except sqlite3.DatabaseError:
        try:
            yield from map(Row._make, database.execute(_BACKWARDS, (last,)))
        except sqlite3.DatabaseError:
            return


def _counts(state: State) -> tuple[int, int]:
    return state.folded, state.full
