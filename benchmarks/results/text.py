"""Figures as a person reads them, and Markdown made of them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from benchmarks.metrics import Estimate

UNKNOWN: Final = "-"
"""Stands where a figure was not measured."""
_FIGURE: Final = re.compile(r"\**(-?\d|-$|∞)")
"""How the cell of a figure begins."""


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; columns of figures stand right, of text left."""
    rows = list(rows)
    sides = ["---:" if all(_FIGURE.match(row[i]) for row in rows) else "---" for i in range(len(heads))]
    lines = [heads, sides, *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def columns(heads: Sequence[str], cells: Sequence[Sequence[str]]) -> str:
    """The same, of cells by column."""
    return table(heads, list(zip(*cells, strict=True)))


def code(name: str) -> str:
    """A name that is not to be read as Markdown."""
    return "`" + name.replace("`", "'") + "`"


def percent(figure: Estimate) -> str:
    """A share with its interval, such as ``97.2 % (96.1 to 98.0)``."""
    if math.isnan(figure.value):
        return UNKNOWN
    return f"{100 * figure.value:.1f} %" + _bounds(figure, lambda bound: f"{100 * bound:.1f}")


def plain(figure: Estimate, unit: str = "") -> str:
    """A figure of three digits with its interval, such as ``12.3 ms (11.9 to 13.0)``."""
    if math.isnan(figure.value):
        return UNKNOWN
    return short(figure.value) + (f" {unit}" if unit else "") + _bounds(figure, short)


def short(value: float) -> str:
    """A number of three significant digits, or whole from 1,000 on."""
    if math.isnan(value):
        return UNKNOWN
    if math.isinf(value):
        return "∞"
    if abs(value) >= 1000 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"


def exact(value: float) -> Estimate:
    """A figure without an interval: counted, or measured once."""
    return Estimate(value, math.nan, math.nan)


def times(one: float, other: float) -> str:
    """How many times the other, such as ``0.31 x``."""
    return f"{short(one / other)} x" if other and not math.isnan(one / other) else UNKNOWN


def strong(cell: str, is_best: bool) -> str:
    """A cell, bold if it is the best of its row."""
    return f"**{cell}**" if is_best else cell


def best_of(values: Sequence[float], *, least: bool = False) -> list[bool]:
    """Which are the best; of equals all."""
    known = [value for value in values if not math.isnan(value)]
    if not known:
        return [False] * len(values)
    best = min(known) if least else max(known)
    return [value == best for value in values]


def _bounds(figure: Estimate, say: Callable[[float], str]) -> str:
    low, high = ("?" if math.isnan(bound) else say(bound) for bound in (figure.low, figure.high))
    return "" if low == high == "?" else f" ({low} to {high})"
