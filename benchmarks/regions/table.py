"""The tables of a run, from its raw rows alone."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, Final

import numpy as np

from benchmarks import metrics
from benchmarks.metrics import Estimate
from benchmarks.regions.edits import SETS
from benchmarks.results import text
from benchmarks.suite.rows import Row

ALLOWED: Final = 100_000
"""One false match in so many pairs of strangers is allowed."""
_SHOWN: Final = 3
"""The most alike strangers of each method that are named."""


class Figures:
    """What one method did with the edits of one set."""

    def __init__(self, rows: Sequence[Row]) -> None:
        kinds: dict[str, list[Row]] = {}
        for row in rows:
            kinds.setdefault(row["kind"], []).append(row)
        [self.method] = kinds["method"]
        self.name: str = self.method["method"]
        self.copies = kinds.get("copy", [])
        self.strangers = kinds.get("strangers", [])
        self.times = kinds.get("compared", []) + kinds.get("searched", [])

    def pairs(self, *halves: int) -> int:
        """How many pairs of strangers were compared."""
        return sum(row["pairs"] for row in self.strangers if row["half"] in halves)

    def false(self, cutoff: float, *halves: int) -> int:
        """How many of them count as matches."""
        rows = (row for row in self.strangers if row["half"] in halves)
        return sum(score > cutoff for row in rows for score in row["scores"])

    @cached_property
    def cutoff(self) -> float:
        """The least at which the first half of the strangers has no more false matches than are allowed."""
        scores = sorted((s for row in self.strangers if not row["half"] for s in row["scores"]), reverse=True)
        allowed = self.pairs(0) // ALLOWED
        return scores[allowed] if len(scores) > allowed else 0.0

    def recall(self, cutoff: float | None, edit: str | None = None) -> Estimate:
        """The share of copies whose score with their original is above a cutoff; None: of all edits."""
        if cutoff is None:
            return metrics.UNKNOWN
        rows = [row for row in self.copies if edit in (None, row["edit"])]
        found = np.array([row["score"] > cutoff for row in rows])
        if edit is not None:
            return metrics.share(int(found.sum()), len(found))
        groups: dict[str, list[int]] = {}
        for number, row in enumerate(rows):
            groups.setdefault(row["picture"], []).append(number)
        return metrics.bootstrap(list(groups.values()), lambda cases: float(found[cases].mean()))

    def median(self, field: str, edit: str) -> Estimate:
        """Of a field of what was found."""
        values = [row[field] for row in self.copies if row["edit"] == edit and row.get(field) is not None]
        return _median(values)

    @property
    def nearest(self) -> list[Row]:
        """The queries with the most alike strangers, and whatever counts as a match as it comes."""
        alike = [row for row in self.strangers if row["scores"]]
        return sorted(alike, key=lambda row: -max(row["scores"]))[:_SHOWN]


def _median(values: Sequence[float]) -> Estimate:
    """The median, without an interval."""
    return text.exact(float(np.median(values))) if values else metrics.UNKNOWN


def document(rows: Sequence[Row]) -> str:
    """All tables, as Markdown."""
    return "\n\n".join(_parts(rows))


def _parts(rows: Sequence[Row]) -> Iterator[str]:
    run = rows[0]
    packages = ", ".join(f"{name} {version}" for name, version in run["versions"].items() if version)
    yield (
        f"# Regions\n\nPictures of {run['pictures']}, {run['limit']} originals or fewer, JPEGs first; "
        f"{run['machine']['cpu']}; {packages}. Each copy is a JPEG of quality {run['quality']}. "
        "Intervals are of 95 %, times are the processor's. A method says how alike two pictures are, the "
        "more the higher: sigsearch 20 less the power of ten of `expected_false`, or 0 if there is no match "
        "(its describing is adding "
        "to an index in memory); the others what their notes say."
    )
    for edits, names in SETS.items():
        figures = _figures(rows, edits)
        if figures:
            yield from _of_set(edits, list(names), figures)
    if embedded := [row for row in rows if row["kind"] == "embedded"]:
        yield "## Embedded index, one thread\n\n" + text.table(
            ["method", "pictures", "bytes a picture", "search p50, ms", "search p95, ms"],
            [
                [
                    row["method"],
                    text.short(row["records"]),
                    text.short(row["bytes"]),
                    *(text.plain(metrics.quantile(row["ms"], of)) for of in (0.5, 0.95)),
                ]
                for row in embedded
            ],
        )
    if absent := {row["what"]: row["why"] for row in rows if row["kind"] == "absent"}:
        yield "## Not measured\n\n" + "\n".join(f"- {what}: {why}" for what, why in absent.items())


def _figures(rows: Sequence[Row], edits: str) -> list[Figures]:
    of: dict[str, list[Row]] = {}
    for row in rows:
        if row.get("set") == edits:
            of.setdefault(row["method"], []).append(row)
    return [Figures(each) for each in of.values()]


def _of_set(edits: str, names: list[str], figures: list[Figures]) -> Iterator[str]:
    turned = "" if edits == "upright" else ", searched in all orientations"
    copies = max(len(each.copies) for each in figures)
    yield f"## Edits, {edits}{turned}: {copies:,} copies"
    yield (
        f"Recall where at most 1 pair of strangers in {ALLOWED:,} matches; the cutoff is chosen on half of "
        "them.\n\n" + _by_edit(names, figures, [each.cutoff for each in figures])
    )
    known = [each for each in figures if each.method["default"] is not None]
    if known:
        yield "Recall as it comes, whatever is false.\n\n" + _by_edit(
            names, known, [each.method["default"] for each in known]
        )
    yield text.table(
        [
            "method",
            "copies",
            "match above",
            "false, chosen on",
            "false, checked on",
            "recall",
            "recall as it comes",
            "false as it comes",
            "bytes a picture",
            "describe p50, ms",
            "compare",
        ],
        [_line(each) for each in figures],
    )
    if boxes := [each for each in figures if any("iou" in row for row in each.copies)]:
        yield "\n\n".join(_boxes(names, each) for each in boxes)
    yield "The most alike strangers:\n\n" + "\n".join(
        f"- {each.name}: {row['picture']} ({row['edit']}) and {row['nearest']}: {max(row['scores']):.3g}"
        for each in figures
        for row in each.nearest
    )
    yield "Notes:\n\n" + "\n".join(f"- {each.name}: {each.method['note']}" for each in figures)


def _by_edit(names: Sequence[str], figures: Sequence[Figures], cutoffs: Sequence[float]) -> str:
    lines = []
    for name in names:
        found = [each.recall(cutoff, name) for each, cutoff in zip(figures, cutoffs, strict=True)]
        best = text.best_of([each.value for each in found])
        lines.append([name, *map(text.strong, map(text.percent, found), best)])
    return text.table(["edit", *(each.name for each in figures)], lines)


def _line(figures: Figures) -> list[str]:
    method: dict[str, Any] = figures.method
    default = method["default"]
    halves = [f"{figures.false(figures.cutoff, half):,} of {figures.pairs(half):,}" for half in (0, 1)]
    false = "-" if default is None else f"{figures.false(default, 0, 1):,} of {figures.pairs(0, 1):,}"
    size = text.UNKNOWN if method["bytes"] is None else text.short(float(np.mean(method["bytes"])))
    [times] = figures.times
    return [
        figures.name,
        f"{len(figures.copies):,}",
        text.short(figures.cutoff),
        *halves,
        text.percent(figures.recall(figures.cutoff)),
        text.percent(figures.recall(default)),
        false,
        size,
        text.short(float(np.median(method["describe_ms"]))),
        f"{text.short(times['ms'])} ms a pair"
        if times["kind"] == "compared"
        else f"{text.short(float(np.median(times['ms'])))} ms a search of {times['records']}",
    ]


def _boxes(names: Sequence[str], figures: Figures) -> str:
    cells = []
    for name in names:
        values = [figures.median(field, name).value for field in ("query_iou", "iou", "windows")]
        found = sum(row["edit"] == name and "iou" in row for row in figures.copies)
        cells.append([name, str(found), *("-" if math.isnan(value) else f"{value:.2f}" for value in values)])
    return f"Where {figures.name} says it lies; medians of what it found.\n\n" + text.table(
        ["edit", "found", "IoU in the query", "IoU in the original", "windows"], cells
    )
