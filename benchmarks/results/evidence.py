"""The rows of one run, by kind: the one place where the results take them from."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.metrics import Numbers
from benchmarks.suite.rows import Row, read

OURS: Final = "sigsearch"
"""Descriptors and engines whose name begins so are sigsearch's; all others are peers."""


class Evidence:
    """What one run measured.

    Parameters
    ----------
    raw : Path
        A file of raw rows, compressed or not.

    Raises
    ------
    RowsError
        It cannot be read, or is none of raw rows.
    """

    def __init__(self, raw: Path) -> None:
        self._kinds: dict[str, list[Row]] = defaultdict(list)
        rows = read(raw)
        self.header = rows[0]
        for row in rows:
            self._kinds[row["kind"]].append(row)

    def of(self, kind: str, **fields: Any) -> list[Row]:
        """The rows of a kind whose fields have these values, in the order of the file."""
        rows = self._kinds.get(kind, [])
        return [row for row in rows if all(row.get(name) == value for name, value in fields.items())]

    def missing(self, *kinds: str) -> str:
        """Why there is nothing of these kinds, in a sentence; empty if there is."""
        lacking = [kind for kind in kinds if not self._kinds.get(kind)]
        if not lacking:
            return ""
        names = " and ".join(f"`{kind}`" for kind in lacking)
        because = "; ".join(f"{row['what']}: {row['why']}" for row in self.of("absent"))
        return f"Not measured: the run has no rows of the kind {names}" + (
            f" ({because})." if because else "."
        )


def is_ours(name: str) -> bool:
    """Whether a descriptor or an engine is sigsearch's."""
    return name.startswith(OURS)


def numbers(values: list[Any]) -> Numbers:
    """As floats, None as NaN."""
    return np.array(values, np.float64)
