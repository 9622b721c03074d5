"""Tables of the engines: what each finds, how fast, at what cost, and how that grows."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from benchmarks import metrics
from benchmarks.results import text
from benchmarks.results.evidence import Evidence
from benchmarks.results.searches import COSTS, FIGURES, Searched, Searches, median_ratio

NEED = ("query", "searches")
MEASURE = "image-match"
"""Ratios are told to the first engine whose name begins so."""


def describe(evidence: Evidence, searches: Searches) -> str:
    """Tell of all engines at all sizes, in Markdown."""
    if why := evidence.missing(*NEED):
        return why
    parts = [
        "Recall: the share of copies, of all edits that are asked for, whose original is among the matches. "
        "Copies below the cutoff: only those whose signature is nearer to the original's than 0.45, so that "
        "an engine that finds all candidates has 100 %. All below the cutoff: of all records that an "
        "exact comparison with everything finds below 0.45, the nearest 100 of each query. p50, p95 and p99 "
        "with the intervals of order statistics, `?` where there are too few searches to tell. Bold: the "
        "best of a column. Searches a second are those of the most threads that were tried; costs were "
        "measured once unless an interval is told."
    ]
    for records in searches.sizes:
        engines = searches.at(records)
        parts += [
            f"### {records:,} records",
            f"{len(engines[0].asked):,} queries.",
            _found(engines),
            _paid(engines),
        ]
    if len(searches.sizes) > 1:
        parts += ["### Growth", _growth(searches)]
    parts += ["### Orientations", evidence.missing("orientations") or _orientations(evidence)]
    return "\n\n".join(parts)


def _found(engines: Sequence[Searched]) -> str:
    base = _base(engines)
    ratios = [median_ratio(each, base) if base else metrics.UNKNOWN for each in engines]
    columns = [figure.column([figure.of(each) for each in engines]) for figure in FIGURES]
    columns.append([text.plain(ratio) for ratio in ratios])
    heads = [figure.head for figure in FIGURES] + ["p50 / image-match's"]
    return _table(engines, heads, columns)


def _paid(engines: Sequence[Searched]) -> str:
    base = _base(engines)
    columns = [figure.column([figure.of(each) for each in engines]) for figure in COSTS]
    for name in ("bytes a record on disk", "added a second"):
        over = base.cost(name).value if base else math.nan
        columns.append([text.times(each.cost(name).value, over) for each in engines])
    heads = [figure.head for figure in COSTS] + ["bytes / image-match's", "added a second / image-match's"]
    return _table(engines, heads, columns)


def _table(engines: Sequence[Searched], heads: Sequence[str], columns: Sequence[Sequence[str]]) -> str:
    return text.columns(["engine", *heads], [[each.name for each in engines], *columns])


def _base(engines: Sequence[Searched]) -> Searched | None:
    return next((each for each in engines if each.engine.startswith(MEASURE)), None)


def _growth(searches: Searches) -> str:
    lines = []
    for name in searches.names:
        medians = {each.records: each.latency(0.5) for each in searches.all if each.name == name}
        cells = [text.plain(medians[size]) if size in medians else text.UNKNOWN for size in searches.sizes]
        lines.append([name, *cells, text.plain(searches.growth(name))])
    heads = ["p50 ms", *(f"{size:,} records" for size in searches.sizes), "exponent"]
    return (
        "The exponent e of p50 growing as records ** e: 1 is proportional, 0 is not at all. Its interval is "
        "that of the slope through the sizes; with two sizes there is none.\n\n" + text.table(heads, lines)
    )


def _orientations(evidence: Evidence) -> str:
    lines = []
    for row in evidence.of("orientations"):
        one, every = (metrics.quantile(np.atleast_1d(row[key]), 0.5) for key in ("one_ms", "all_ms"))
        ratio = text.times(every.value, one.value)
        lines.append([row["engine"], f"{row['records']:,}", text.plain(one), text.plain(every), ratio])
    return text.table(["engine", "records", "as it is, p50 ms", "16 orientations, p50 ms", "ratio"], lines)
