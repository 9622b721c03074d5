"""Searches of many records: the figures of each engine at each size, all by the same computation."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import numpy as np

from benchmarks import metrics
from benchmarks.metrics import Estimate, Numbers
from benchmarks.results.copies import Cases, grouped_share, groups_of, wider
from benchmarks.results.evidence import Evidence, numbers
from benchmarks.results.figures import Figure
from benchmarks.results.text import exact
from benchmarks.suite.rows import Row

CUTOFF: Final = 0.45
"""Of the records that are wanted, as docs/benchmarks-rows.md has it."""
WANTED: Final = 100
_CALL: Final = 0.001
"""Seconds; a merge that took less had nothing to do."""


@dataclass(frozen=True)
class Searched:
    """All searches of one engine in one number of records, with one limit and cutoff.

    Parameters
    ----------
    name : str
        The engine, with limit and cutoff if it was asked with several.
    engine : str
    records : int
    asked : list of dict
        The rows of its queries, each once.
    ms : ndarray of float
        Of all searches.
    found, near : ndarray of float, one for each query
        NaN where the engine does not tell.
    costs : mapping of str to Estimate
        What is told of the engine at this size, whatever the limit.
    """

    name: str
    engine: str
    records: int
    asked: list[Row]
    ms: Numbers
    found: Numbers
    near: Numbers
    costs: dict[str, Estimate] = field(default_factory=dict)

    @cached_property
    def recall(self) -> Estimate:
        """The share of all copies whose original is among the matches."""
        return self._share(np.arange(len(self.asked)))

    @cached_property
    def recall_below(self) -> Estimate:
        """The same of copies whose original is below the cutoff, so that a match is possible."""
        below = [i for i, query in enumerate(self.asked) if query["own_distance"] < CUTOFF]
        return self._share(np.array(below, np.int64))

    @cached_property
    def recall_near(self) -> Estimate:
        """The share found of all records below the cutoff, of the nearest hundred of each query."""
        wanted = np.array([min(query["near"], WANTED) for query in self.asked], np.float64)
        if np.isnan(self.near).any() or not wanted.sum():
            return metrics.UNKNOWN

        def of(cases: Cases) -> float:
            return float(self.near[cases].sum() / wanted[cases].sum()) if wanted[cases].sum() else math.nan

        drawn = metrics.bootstrap(groups_of([query["picture"] for query in self.asked]), of)
        return wider(drawn, metrics.share(int(self.near.sum()), int(wanted.sum())))

    def latency(self, of: float) -> Estimate:
        """A quantile of the milliseconds."""
        return metrics.quantile(self.ms, of)

    def cost(self, name: str) -> Estimate:
        """One of the costs; unknown if nothing tells it."""
        return self.costs.get(name, metrics.UNKNOWN)

    def _share(self, cases: Cases) -> Estimate:
        found = self.found[cases]
        if np.isnan(found).any():
            return metrics.UNKNOWN
        return grouped_share(found > 0, [self.asked[i]["picture"] for i in cases])


def _cost(name: str, unit: str = "", least: bool = True) -> Figure:
    return Figure(name, unit, least, of=lambda searched: searched.cost(name))


FIGURES: Final = (
    Figure("recall", "%", False, of=lambda searched: searched.recall),
    Figure("recall of copies below the cutoff", "%", False, of=lambda searched: searched.recall_below),
    Figure("recall of all below the cutoff", "%", False, of=lambda searched: searched.recall_near),
    Figure("p50", "ms", of=lambda searched: searched.latency(0.5)),
    Figure("p95", "ms", of=lambda searched: searched.latency(0.95)),
    Figure("p99", "ms", of=lambda searched: searched.latency(0.99)),
)
COSTS: Final = (
    _cost("searches a second", "", False),
    _cost("first search", "ms"),
    _cost("added a second", "", False),
    _cost("bytes a record on disk"),
    _cost("bytes a record in memory"),
    _cost("merging", "s"),
)


class Searches:
    """The engines of a run, by size.

    Parameters
    ----------
    evidence : Evidence
        With rows of the kinds ``query`` and ``searches``.
    """

    def __init__(self, evidence: Evidence) -> None:
        rows = defaultdict(list)
        ways: dict[str, set[tuple[Any, Any]]] = defaultdict(set)
        for row in evidence.of("searches"):
            rows[row["records"], row["engine"], row["limit"], row["cutoff"]].append(row)
            ways[row["engine"]].add((row["limit"], row["cutoff"]))
        queries = {(row["records"], row["number"]): row for row in evidence.of("query")}
        known = {row["records"] for row in evidence.of("query")}
        self.all: list[Searched] = []
        for (records, engine, limit, cutoff), those in rows.items():
            if records not in known:
                continue
            name = engine if len(ways[engine]) == 1 else f"{engine}, limit {limit}, cutoff {cutoff}"
            costs = _costs(evidence, engine, records)
            self.all.append(_gather(name, engine, records, those, queries, costs))
        self.sizes = sorted({each.records for each in self.all})
        self.names = list(dict.fromkeys(each.name for each in self.all))

    def at(self, records: int) -> list[Searched]:
        """All that searched so many records."""
        return [each for each in self.all if each.records == records]

    def growth(self, name: str) -> Estimate:
        """The exponent of its median time against the number of records."""
        those = [each for each in self.all if each.name == name]
        return metrics.power_law(
            [each.records for each in those], [float(np.median(each.ms)) for each in those]
        )


def median_ratio(one: Searched, other: Searched) -> Estimate:
    """How many times the other's median time; its interval by drawing queries."""
    if len(one.ms) != len(other.ms):
        return exact(float(np.median(one.ms) / np.median(other.ms)))
    return metrics.bootstrap(
        [[i] for i in range(len(one.ms))],
        lambda cases: float(np.median(one.ms[cases]) / np.median(other.ms[cases])),
    )


def _gather(
    name: str,
    engine: str,
    records: int,
    rows: Iterable[Row],
    queries: dict[tuple[int, int], Row],
    costs: dict[str, Estimate],
) -> Searched:
    """Searches of several rows; what was asked twice counts once, but for the time."""
    ms: list[Any] = []
    answers: dict[int, tuple[Any, Any]] = {}
    for row in rows:
        ms += row["ms"]
        blank = [None] * len(row["queries"])
        told = (row.get(key) or blank for key in ("found", "near_found"))
        for number, hit, of_near in zip(row["queries"], *told, strict=True):
            answers.setdefault(number, (hit, of_near))
    found, near = (numbers(list(each)) for each in zip(*answers.values(), strict=True))
    asked = [queries[records, number] for number in answers]
    return Searched(name, engine, records, asked, numbers(ms), found, near, costs)


def _costs(evidence: Evidence, way: str, records: int) -> dict[str, Estimate]:
    """What an engine costs, for one of the ways to ask it, which are named after it: ``engine, way``."""

    def told(kind: str) -> list[Row]:
        rows = evidence.of(kind, records=records)
        return [row for row in rows if way == row["engine"] or way.startswith(f"{row['engine']}, ")]

    costs: dict[str, Estimate] = {}
    for row in sorted(told("throughput"), key=lambda row: int(row["threads"])):
        costs["searches a second"] = exact(row["queries"] / row["seconds"])  # of the most threads
    first = [ms for row in told("first_search") for ms in row["ms"]]
    costs["first search"] = metrics.quantile(first, 0.5)
    for row in told("load"):
        costs["added a second"] = exact(row["added"] / row["seconds"])
    for row in sorted(told("size"), key=lambda row: row["when"] == "merged"):
        for where, key in (("on disk", "disk_bytes"), ("in memory", "memory_bytes")):
            if row.get(key) is not None:
                costs[f"bytes a record {where}"] = exact(row[key] / row["stored"])
    for row in told("merge"):
        if row["seconds"] >= _CALL:
            costs["merging"] = exact(row["seconds"])
    return costs
