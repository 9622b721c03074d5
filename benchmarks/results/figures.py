"""A figure of a descriptor or an engine: named, computed, told, and compared with others' in one way."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from benchmarks.metrics import Estimate
from benchmarks.results import text


@dataclass(frozen=True)
class Scale:
    """What a figure is called, how it is told, and whether less of it is better."""

    name: str
    unit: str = ""
    """``%`` for a share."""
    least: bool = True

    @property
    def head(self) -> str:
        """What stands above its column."""
        return f"{self.name}, {self.unit}" if self.unit not in ("", "%") else self.name

    def tell(self, value: Estimate) -> str:
        """Say it as its unit wants it."""
        return text.percent(value) if self.unit == "%" else text.plain(value)

    def column(self, values: Sequence[Estimate]) -> list[str]:
        """The cells of a table, the best of them bold."""
        best = text.best_of([value.value for value in values], least=self.least)
        return [text.strong(self.tell(v), b) for v, b in zip(values, best, strict=True)]

    def is_better(self, one: Estimate, other: Estimate) -> bool:
        """Whether one is better than the other; no if either is unknown."""
        return one.value < other.value if self.least else one.value > other.value


@dataclass(frozen=True)
class Figure(Scale):
    """One figure of whatever `of` takes."""

    of: Callable[..., Estimate] = field(kw_only=True)


def apart(one: Estimate, other: Estimate) -> str:
    """Whether two intervals have something in common, in a word."""
    if any(map(math.isnan, (*one, *other))):
        return "not known"
    return "overlapping" if one.overlaps(other) else "apart"
