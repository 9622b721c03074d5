"""Tables of words: what each way to cut and ask for them finds, at what cost, and which are not outdone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from benchmarks import metrics
from benchmarks.metrics import Estimate
from benchmarks.results import text
from benchmarks.results.evidence import Evidence, numbers
from benchmarks.suite.rows import Row
from sigsearch.scheme import DEFAULT_SCHEME

CANDIDATES: Final = (30, 100)
OFFLINE: Final = "offline"
ELASTICSEARCH: Final = "elasticsearch"


@dataclass(frozen=True)
class Way:
    """One way to make words and to ask for them, tried once."""

    row: Row

    @property
    def name(self) -> str:
        """Shape, count and length, as in ``cross 80 x 10``."""
        return f"{self.row['shape']} {self.row['count']} x {self.row['length']}"

    @property
    def is_default(self) -> bool:
        """Whether the words are those of the default scheme."""
        cut = self.row["shape"], self.row["length"], self.row["count"]
        return cut == (DEFAULT_SCHEME.word_shape, DEFAULT_SCHEME.word_length, DEFAULT_SCHEME.word_count)

    @property
    def asked(self) -> list[str]:
        """How it asks: weighting, words beside each, the share of words."""
        share = self.row["share"]
        return [self.row["weighting"], str(self.row["near"]), "-" if share is None else f"{100 * share:g} %"]

    def recall_within(self, candidates: int) -> Estimate:
        """The share of originals among the first so many; offline."""
        return metrics.expected_recall(self.row["better"], self.row["equal"], candidates)

    @cached_property
    def found(self) -> Estimate:
        """The share of originals that the server's candidates hold."""
        found = self.row["found"]
        if isinstance(found, list):
            return metrics.share(sum(map(bool, found)), len(found))
        return metrics.share(int(found), _queries(self.row))

    @cached_property
    def postings(self) -> Estimate:
        """That a query reads, on average."""
        told = self.row.get("postings")
        return metrics.UNKNOWN if told is None else metrics.mean(numbers(list(np.atleast_1d(told))))

    @cached_property
    def p50(self) -> Estimate:
        """Milliseconds on the server."""
        return metrics.quantile(self.row.get("ms") or [], 0.5)

    @property
    def index_bytes(self) -> float:
        """Of the words, a record."""
        told = self.row.get("index_bytes")
        return math.nan if told is None else float(told)


def ways(evidence: Evidence, where: str) -> list[Way]:
    """All that was tried, offline or in Elasticsearch."""
    return [Way(row) for row in evidence.of("words", where=where)]


def frontier(recalls: Sequence[float], costs: Sequence[Sequence[float]]) -> list[bool]:
    """Which are not outdone: no other is as good in all figures and better in one.

    Parameters
    ----------
    recalls : sequence of float, length n
        More is better.
    costs : sequence of n sequences of float
        Less is better. NaN: not measured, as if it cost nothing.
    """
    points = np.column_stack([-np.asarray(recalls, np.float64), np.asarray(costs, np.float64)])
    points = np.nan_to_num(points, nan=0)
    good = [
        not bool(((points <= point).all(axis=1) & (points < point).any(axis=1)).any()) for point in points
    ]
    return [g and not math.isnan(r) for g, r in zip(good, recalls, strict=True)]


def describe(evidence: Evidence) -> str:
    """The words' frontier, offline and in Elasticsearch, in Markdown."""
    if why := evidence.missing("words"):
        return why
    parts = []
    for where, title, table in (
        (OFFLINE, "Offline", _offline),
        (ELASTICSEARCH, "In Elasticsearch", _server),
    ):
        found = ways(evidence, where)
        why = f"Not measured: no row of the kind `words` is of {where}."
        parts += [f"### {title}", table(found) if found else why]
    return "\n\n".join(parts)


def _offline(found: Sequence[Way]) -> str:
    recalls = [[way.recall_within(n) for n in CANDIDATES] for way in found]
    costs = [[way.postings.value, way.index_bytes] for way in found]
    best = frontier([recall[-1].value for recall in recalls], costs)
    lines = []
    for i in sorted(range(len(found)), key=lambda i: -recalls[i][-1].value):
        way = found[i]
        cells = [text.percent(recall) for recall in recalls[i]]
        cells += [text.plain(way.postings), text.short(way.index_bytes)]
        lines.append([text.strong(_mark(way), best[i]), *way.asked, *cells])
    default = [good for way, good in zip(found, best, strict=True) if way.is_default]
    heads = ["words", "weighting", "near", "asked for", *(f"recall within {n}" for n in CANDIDATES)]
    return (
        f"{_size(found)} Originals as good as others share their places. `near`: words that differ in one "
        "sign, asked for beside each. Bold: the frontier, outdone by no other in recall within "
        f"{CANDIDATES[-1]}, postings read, and bytes all at once. The default's words are on it in "
        f"{sum(default)} of {len(default)} ways to ask for them.\n\n"
        + text.table([*heads, "postings read", "bytes a record"], lines)
    )


def _server(found: Sequence[Way]) -> str:
    recalls = [way.found.value for way in found]
    best = frontier(recalls, [[way.p50.value, way.index_bytes] for way in found])
    lines = []
    for i in sorted(range(len(found)), key=lambda i: -recalls[i]):
        way = found[i]
        p95 = metrics.quantile(way.row.get("ms") or [], 0.95)
        cells = [str(way.row["candidates"]), text.percent(way.found), text.plain(way.p50), text.plain(p95)]
        lines.append([text.strong(_mark(way), best[i]), *way.asked, *cells, text.short(way.index_bytes)])
    heads = ["words", "weighting", "near", "asked for", "candidates", "recall", "p50 ms", "p95 ms"]
    return (
        f"{_size(found)} Bold: the frontier, outdone by no other in recall, p50, and bytes all at once.\n\n"
        + text.table([*heads, "bytes a record"], lines)
    )


def _mark(way: Way) -> str:
    return way.name + (" (the default)" if way.is_default else "")


def _size(found: Sequence[Way]) -> str:
    sizes = sorted({(way.row["records"], _queries(way.row)) for way in found})
    said = ", ".join(f"{queries:,} queries in {records:,} records" for records, queries in sizes)
    return f"{len(found):,} ways, {said}."


def _queries(row: Row) -> int:
    queries = row["queries"]
    return len(queries) if isinstance(queries, list) else int(queries)
