"""The raw rows of a run, JSON lines: written before anything is computed from them, and where a run goes on.

The first row is the header, of the kind ``run``. A unit is a piece of work whose rows are written together,
followed by a row of the kind ``unit`` that names it and tells its seconds. What stands after the last such
row was cut off in the writing; it is dropped when the run goes on, and by `read`. docs/benchmarks-rows.md
lists the kinds of rows and their fields.
"""

from __future__ import annotations

import gzip
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np

Row: TypeAlias = dict[str, Any]
"""One JSON object; its ``kind`` says which fields it has."""
Keep: TypeAlias = Callable[..., None]
"""Takes the kind of a row and its fields by name."""

HEADER: Final = "run"
UNIT: Final = "unit"
DIGITS: Final = 6
"""Significant digits that are kept of a number."""
FREE: Final = frozenset({"started", "commit", "changed", "machine", "versions"})
"""Fields of the header that may differ when a run goes on; those of the first part stay."""


class RowsError(Exception):
    """A file is not what was wanted; the message says so in one line."""


class RowFile:
    """The rows of one run.

    Parameters
    ----------
    path : Path
        Made if it is not there; else its run goes on.
    header : dict
        What was asked for, and on what machine.

    Raises
    ------
    RowsError
        The file has another header, or is none of raw rows.
    """

    def __init__(self, path: Path, header: Row) -> None:
        self._path = path
        self._commit = header.get("commit")
        self.done: dict[str, float] = {}
        """The units that are there, and what seconds they took."""
        header = {"kind": HEADER, **_plain(header)}
        if path.exists() and path.stat().st_size:
            self._go_on(header)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._append([header])

    @contextmanager
    def unit(self, name: str) -> Iterator[Keep]:
        """Write the rows of a unit when it ends well; none of them if it does not."""
        if name in self.done:
            raise RowsError(f"the unit {name!r} is there already")
        rows: list[Row] = []
        start = time.perf_counter()

        def keep(kind: str, **fields: Any) -> None:
            rows.append({"kind": kind, **_plain(fields)})

        yield keep
        seconds = time.perf_counter() - start
        # A run may go on with another commit.
        self._append(
            [*rows, {"kind": UNIT, "unit": name, "seconds": round(seconds, 3), "commit": self._commit}]
        )
        self.done[name] = seconds

    def _go_on(self, header: Row) -> None:
        at = whole = 0
        with self._path.open("rb") as lines:
            for line in lines:
                row = _parse(line)
                if not at:
                    self._check(row, header)
                    whole = len(line)
                if row is None:
                    break
                at += len(line)
                if row.get("kind") == UNIT:
                    self.done[row["unit"]] = row["seconds"]
                    whole = at
        os.truncate(self._path, whole)

    def _check(self, found: Row | None, wanted: Row) -> None:
        if found is None or found.get("kind") != HEADER:
            raise RowsError(f"wanted a file of raw rows, found another one: {self._path}")
        names = sorted((found.keys() | wanted.keys()) - FREE)
        differing = [name for name in names if found.get(name) != wanted.get(name)]
        if differing:
            name = differing[0]
            raise RowsError(
                f"{self._path} is of another run, of {name} {found.get(name)!r} instead of "
                f"{wanted.get(name)!r}: give the same options to go on, or name another file"
            )

    def _append(self, rows: list[Row]) -> None:
        text = "".join(json.dumps(row, separators=(",", ":")) + "\n" for row in rows)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())


def read(path: Path) -> list[Row]:
    """The rows of a file, compressed or not, header first, without those of a unit that was cut off.

    Raises
    ------
    RowsError
        It cannot be read, or is none of raw rows.
    """
    rows: list[Row] = []
    whole = 1
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as lines:
            for line in lines:
                row = _parse(line)
                if row is None:
                    break
                rows.append(row)
                if row.get("kind") == UNIT:
                    whole = len(rows)
    except (OSError, EOFError) as error:
        raise RowsError(f"wanted a file of raw rows, found {path}: {error}") from error
    if not rows or rows[0].get("kind") != HEADER:
        raise RowsError(f"wanted a file of raw rows, found another one: {path}")
    return rows[:whole]


def _parse(line: bytes) -> Row | None:
    """A row; None if the line is none, or was cut off."""
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) and line.endswith(b"\n") else None


def _plain(value: Any) -> Any:
    """As JSON has it: numbers of numpy as Python's, arrays as lists, of floats so many digits."""
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}") if np.isfinite(value) else None
    if isinstance(value, Path):
        return str(value)
    return value
