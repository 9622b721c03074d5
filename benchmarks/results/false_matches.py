"""Tables of false matches: how many strangers are below each cutoff, and what a calibration promised."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from benchmarks import metrics
from benchmarks.metrics import Estimate, Numbers
from benchmarks.results import text
from benchmarks.results.copies import Copies, wider
from benchmarks.results.evidence import Evidence, numbers
from benchmarks.suite.rows import Row

MILLION = 1e6


@dataclass(frozen=True)
class Rates:
    """False matches per million records of one descriptor against one kind of strangers.

    Parameters
    ----------
    cutoffs : ndarray of float, shape (cutoffs,)
    per_million : ndarray of float, shape (queries, cutoffs)
    records : int
        That the queries were compared with, all together.
    """

    cutoffs: Numbers
    per_million: Numbers
    records: int

    @cached_property
    def means(self) -> list[Estimate]:
        """At each cutoff; the interval is the wider of the bootstrap's over queries and of Wilson's."""
        return [wider(metrics.mean(column), self._pooled(column)) for column in self.per_million.T]

    def up_to(self, cutoff: float) -> Estimate | None:
        """At the largest of the cutoffs that is not above this one; None: there is none."""
        below = np.flatnonzero(self.cutoffs <= cutoff)
        return self.means[below[np.argmax(self.cutoffs[below])]] if below.size else None

    def _pooled(self, column: Numbers) -> Estimate:
        """As if all comparisons were independent: what bounds it from above where there is none."""
        found = round(float(column.mean()) * self.records / MILLION)
        low, high = metrics.share(found, self.records)[1:]
        return Estimate(math.nan, low * MILLION, high * MILLION)


def rates(evidence: Evidence) -> dict[tuple[str, str], Rates]:
    """By descriptor and kind of strangers."""
    queries = defaultdict(list)
    for row in evidence.of("false_matches"):
        if row["records"]:
            queries[row["descriptor"], row["against"], tuple(row["cutoffs"])].append(row)
    return {
        (descriptor, against): Rates(
            np.array(cutoffs, np.float64),
            np.array([MILLION * numbers(row["below"]) / row["records"] for row in rows]),
            sum(row["records"] for row in rows),
        )
        for (descriptor, against, cutoffs), rows in queries.items()
    }


def describe(evidence: Evidence, copies: Copies) -> str:
    """False matches per million of each descriptor, in Markdown."""
    if why := evidence.missing("false_matches"):
        return why
    parts = [
        "Strangers below a cutoff, per million that a picture is compared with. Windows are cut from other "
        "pictures; look-alikes are whole pictures of the same series or subject, which are harder. The mean "
        "tells what a large collection gets in all, the median what most queries meet. In brackets: the 95 % "
        "interval, the wider of the bootstrap's over queries and of Wilson's over all comparisons. Bold: the "
        "largest cutoff that is not above the recommended one."
    ]
    for (descriptor, against), each in rates(evidence).items():
        recommended = copies.recommended(descriptor)
        at = [cutoff for cutoff in each.cutoffs if cutoff <= recommended]
        lines = []
        for cutoff, mean, column in zip(each.cutoffs, each.means, each.per_million.T, strict=True):
            median, high = np.quantile(column, [0.5, 0.9])
            cells = [text.plain(mean), *(text.short(float(v)) for v in (median, high, column.max()))]
            lines.append([text.strong(text.short(cutoff), bool(at) and cutoff == max(at)), *cells])
        parts.append(
            f"### {descriptor}, against {against}\n\n{len(each.per_million):,} queries, {each.records:,} "
            "comparisons.\n\n"
            + text.table(["cutoff", "mean", "median query", "90 % of queries below", "worst query"], lines)
        )
    return "\n\n".join(parts)


def calibration(evidence: Evidence) -> str:
    """What `Index.calibrate` promised beside what was measured, in Markdown."""
    if why := evidence.missing("calibration"):
        return why
    parts = [
        "False matches per million that `sigsearch calibrate` tells of an index, and what queries that "
        "are not in it really met."
    ]
    for row in evidence.of("calibration"):
        lines = []
        for i, cutoff in enumerate(row["cutoffs"]):
            promised, measured = _told(row, "per_million", "", i), _told(row, "measured", "measured_", i)
            ratio = text.times(promised.value, measured.value)
            lines.append([text.short(cutoff), text.plain(promised), text.plain(measured), ratio])
        parts.append(
            f"Of {row['records']:,} records:\n\n"
            + text.table(["cutoff", "promised", "measured", "promised / measured"], lines)
        )
    return "\n\n".join(parts)


def _told(row: Row, values: str, bounds: str, number: int) -> Estimate:
    """One of the figures of a calibration, with its interval if the row tells one."""
    names = (values, f"{bounds}low", f"{bounds}high")
    return Estimate(*(numbers(row[name])[number] if name in row else math.nan for name in names))


def realism(evidence: Evidence) -> str:
    """How real the distractors are, in Markdown."""
    if why := evidence.missing("statistics"):
        return why
    rows = evidence.of("statistics")
    kinds = list(dict.fromkeys((row["of"], row["records"]) for row in rows))
    found = {(row["of"], row["records"], row["name"]): row["value"] for row in rows}
    lines = [
        [name, *(_or_unknown(found.get((*kind, name))) for kind in kinds)]
        for name in dict.fromkeys(row["name"] for row in rows)
    ]
    return (
        "Distractors are windows of pictures, turned and mirrored; beside them the same figures of whole "
        "pictures.\n\n"
        + text.table(["signatures and words", *(f"{records:,} {of}" for of, records in kinds)], lines)
    )


def _or_unknown(value: float | None) -> str:
    return text.UNKNOWN if value is None else text.short(value)
