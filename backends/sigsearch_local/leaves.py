"""The leaves of all metadata as an index in the file, so that a filter need not read every record.

Filters mean what `Filter.matches` says, to the last case. SQL finds the leaves that one comparison is true
of; what And, Or and Not make of them is left to sets of numbers: SQLite's own sets are slower than NumPy's,
and it takes expressions of limited depth only.

SQLite orders values by kind (numbers, text, blobs), numbers by their exact value and text by its UTF-8,
which is by code point, so a range of leaves is a range of the index. What it has no kind for is a blob:
booleans of one byte, and, behind them, the integers that are neither 64 bits nor a float.
"""

from __future__ import annotations

import math
import re
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from sigsearch.filters import And, Eq, Exists, Filter, In, Not, Or, Range, Scalar, leaves

if TYPE_CHECKING:
    from sigsearch.records import Json

# Paths stand apart, since they repeat: leaves are smaller by a third.
SCHEMA = """
CREATE TABLE paths (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE leaves (
    path INTEGER NOT NULL REFERENCES paths,
    value NOT NULL,          -- of no type, so that SQLite takes 1 and '1' for two values
    record INTEGER NOT NULL,
    PRIMARY KEY (path, value, record)
) WITHOUT ROWID;
"""
"""What makes the tables of this module."""

_Numbers: TypeAlias = npt.NDArray[np.int64]
_Query: TypeAlias = tuple[str, Sequence[Any]]
_Limit: TypeAlias = tuple[str, Any]

_EVERY = "SELECT number FROM records"
_WITH_PATH = "SELECT record AS number FROM leaves WHERE path = (SELECT number FROM paths WHERE name = ?)"
_WITH_PATH_OR_BELOW = """
SELECT record AS number FROM leaves
WHERE path IN (SELECT number FROM paths WHERE name = ? OR (name >= ? AND name < ?))
"""
_ADD = "INSERT INTO leaves VALUES ((SELECT number FROM paths WHERE name = ?), ?, ?)"
_REMOVE = """
DELETE FROM leaves WHERE path = (SELECT number FROM paths WHERE name = ?) AND value = ? AND record = ?
"""
_REMOVE_PATH = """
DELETE FROM paths WHERE name = ? AND NOT EXISTS (SELECT * FROM leaves WHERE path = paths.number)
"""

_SIGNS = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}


def add(database: sqlite3.Connection, rows: Iterable[tuple[int, Json]]) -> None:
    """Take in the metadata of records, by their numbers; each record once.

    Many records together are quicker: their leaves go into the index in its order.
    """
    found = _leaves(rows)
    database.executemany("INSERT OR IGNORE INTO paths (name) VALUES (?)", _paths(found))
    database.executemany(_ADD, found)


def remove(database: sqlite3.Connection, rows: Iterable[tuple[int, Json]]) -> None:
    """Take out records, by their numbers and the metadata that they were taken in with."""
    found = _leaves(rows)
    database.executemany(_REMOVE, found)
    database.executemany(_REMOVE_PATH, _paths(found))


def numbers(database: sqlite3.Connection, where: Filter) -> npt.NDArray[np.int64]:
    """The numbers of the records that a filter is true of, ascending.

    These are several queries: call it in a transaction.
    """
    found = _solve(database, where)
    if not found.all_but:
        return found.numbers
    return _difference(_fetch(database, [(_EVERY, ())]), found.numbers)


def few(database: sqlite3.Connection, where: Filter, most: int) -> npt.NDArray[np.int64] | None:
    """Records, by their numbers, among which are all that a filter is true of; None if that is not so few.

    Cheaper than `numbers`: what finds more than `most` is given up there, and it is left to the caller to
    ask the filter of the records themselves.
    """
    if isinstance(where, And):
        parts = (few(database, part, most) for part in where.filters)
        return next((part for part in parts if part is not None), None)
    if isinstance(where, Not):
        return None
    if isinstance(where, Or):
        found = [few(database, part, most) for part in where.filters]
        known = [part for part in found if part is not None]
        together = _union(known) if len(known) == len(found) else None
    else:
        texts = list(_texts(database, _queries(where), most + 1))
        cut = any(text.count(",") >= most for text in texts)
        together = None if cut else _parse(texts)
    return None if together is None or len(together) > most else together


def _leaves(rows: Iterable[tuple[int, Json]]) -> list[tuple[str, Any, int]]:
    # A key may be empty, and so a path; no filter asks for that one.
    found = {
        (path, _stored(value), number)
        for number, metadata in rows
        for path, value in leaves(metadata)
        if path
    }
    return sorted(found, key=lambda leaf: (leaf[0], type(leaf[1]).__name__, *leaf[1:]))


def _paths(found: list[tuple[str, Any, int]]) -> list[tuple[str]]:
    return [(path,) for path in dict.fromkeys(path for path, _, _ in found)]


def _stored(value: Scalar) -> str | int | float | bytes:
    """A value as the index holds it: equal there exactly if it is equal to a filter."""
    if isinstance(value, bool):
        return b"\1" if value else b"\0"
    if isinstance(value, int):
        nearest = _not_below(value)
        return nearest if nearest == value else _big(value)
    return value


def _not_below(bound: int | float | str) -> int | float | str:
    """The least number or text that SQLite can hold and that is not below a bound."""
    if isinstance(bound, str):
        # Lone surrogates are not UTF-8; metadata has none, and whatever is above one is behind them all.
        valid, *surrogates = re.split("[\ud800-\udfff]", bound, maxsplit=1)
        return valid + "\ue000" if surrogates else bound
    if isinstance(bound, float) or -(2**63) <= bound < 2**63:
        return bound
    try:
        nearest = float(bound)
    except OverflowError:
        return math.inf if bound > 0 else -math.inf
    return nearest if nearest >= bound else math.nextafter(nearest, math.inf)


def _big(value: int) -> bytes:
    """An integer as bytes in its order: the sign and the length, then the value."""
    size = value.bit_length() // 8 + 1
    head = 2**31 + (size if value >= 0 else -size)
    return head.to_bytes(4, "big") + value.to_bytes(size, "big", signed=True)


@dataclass(frozen=True, slots=True)
class _Records:
    """Records by their numbers, ascending: these, or all but these.

    The second so that Not need not know all records, of which And mostly wants few.
    """

    numbers: _Numbers
    all_but: bool = False

    def __invert__(self) -> _Records:
        return _Records(self.numbers, not self.all_but)


def _solve(database: sqlite3.Connection, where: Filter) -> _Records:
    if isinstance(where, Not):
        return ~_solve(database, where.filter)
    if isinstance(where, And):
        return _in_all([_solve(database, part) for part in where.filters])
    if isinstance(where, Or):
        return ~_in_all([~_solve(database, part) for part in where.filters])
    return _Records(_fetch(database, _queries(where)))


def _in_all(parts: Sequence[_Records]) -> _Records:
    without = _union([part.numbers for part in parts if part.all_but])
    within = sorted((part.numbers for part in parts if not part.all_but), key=len)
    if not within:
        return _Records(without, all_but=True)
    common = within[0]
    for other in within[1:]:
        common = common[np.isin(common, other, assume_unique=True)]
    return _Records(_difference(common, without))


def _difference(these: _Numbers, those: _Numbers) -> _Numbers:
    return these[np.isin(these, those, assume_unique=True, invert=True)]


def _union(parts: Sequence[_Numbers]) -> _Numbers:
    together = np.concatenate([np.empty(0, np.int64), *parts])
    # As np.unique does it, but many times quicker of what comes in ascending pieces, as from the index.
    together.sort(kind="stable")
    first = np.ones(len(together), bool)
    np.not_equal(together[1:], together[:-1], out=first[1:])
    return together[first]


def _fetch(database: sqlite3.Connection, queries: Iterable[_Query]) -> _Numbers:
    """The numbers that any of the queries finds."""
    return _parse(_texts(database, queries))


def _texts(database: sqlite3.Connection, queries: Iterable[_Query], most: int = -1) -> Iterator[str]:
    """What each of the queries finds, at most so many, some perhaps more than once."""
    for query, parameters in queries:
        # One text instead of rows: NumPy reads it several times quicker than Python makes rows.
        together = f"SELECT group_concat(number) FROM ({query} LIMIT {most})"
        try:
            text = database.execute(together, parameters).fetchone()[0]
        except UnicodeEncodeError:
            continue  # a lone surrogate, which no metadata has
        if text:
            yield text


def _parse(texts: Iterable[str]) -> _Numbers:
    return _union([np.fromstring(",".join(texts), np.int64, sep=",")])


def _queries(where: Filter) -> Iterator[_Query]:
    """What finds the leaves that make a filter true."""
    if isinstance(where, Eq):
        yield _query(where.path, ["value = ?"], [_stored(where.value)])
    elif isinstance(where, In):
        for value in where.values:
            yield _query(where.path, ["value = ?"], [_stored(value)])
    elif isinstance(where, Range):
        yield from _range(where)
    elif isinstance(where, Exists):
        # '/' is next to '.'.
        yield _WITH_PATH_OR_BELOW, [where.path, where.path + ".", where.path + "/"]
    else:
        raise TypeError(f"wanted a filter of sigsearch.filters, found {where!r}")


def _query(path: str, conditions: Sequence[str], parameters: Sequence[Any]) -> _Query:
    return " AND ".join([_WITH_PATH, *conditions]), [path, *parameters]


def _range(where: Range) -> Iterator[_Query]:
    limits: list[_Limit] = []
    for name, bound in where.bounds().items():
        limit = _not_below(bound)
        # Where no leaf can equal the bound, what is above it begins with the limit.
        without_it = ">=" if name in ("gt", "gte") else "<"
        limits.append((_SIGNS[name] if limit == bound else without_it, limit))
    if isinstance(limits[0][1], str):
        yield _between(where.path, limits, lowest="", highest=b"")
        return
    yield _between(where.path, limits, lowest=-math.inf, highest="")
    # What a bound has behind the point is nothing to integers as big as these.
    limits = [(_SIGNS[name], _big(int(bound))) for name, bound in where.bounds().items()]
    yield _between(where.path, limits, lowest=b"\2", highest=b"\xff")


def _between(path: str, limits: Sequence[_Limit], *, lowest: Any, highest: Any) -> _Query:
    """What is within the limits; on a side without any, all that is of their kind.

    Not both on a side: SQLite walks the index from and to one of them, and it may be the farther.
    """
    below = [limit for limit in limits if limit[0] in (">", ">=")] or [(">=", lowest)]
    above = [limit for limit in limits if limit[0] in ("<", "<=")] or [("<", highest)]
    signs, values = zip(*below, *above, strict=True)
    return _query(path, [f"value {sign} ?" for sign in signs], values)
