"""Copies and the descriptors that are to find them: the figures, all descriptors by the same computation."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from benchmarks import metrics
from benchmarks.edits import TURNED
from benchmarks.metrics import Estimate, Numbers
from benchmarks.pictures import is_jpeg
from benchmarks.results.evidence import Evidence, is_ours, numbers
from benchmarks.results.figures import Figure
from benchmarks.results.text import exact
from benchmarks.suite.rows import Row

PRECISION: Final = 0.9999
PRECISE: Final = "at 99.99 % precision"
_FILES: Final = {True: "JPEG files", False: "other files"}
Cases: TypeAlias = npt.NDArray[np.int64]
"""Numbers of queries."""


def groups_of(labels: Sequence[str]) -> list[list[int]]:
    """The numbers of the cases that have each label, as cases of one picture hang together."""
    found: dict[str, list[int]] = {}
    for number, label in enumerate(labels):
        found.setdefault(label, []).append(number)
    return list(found.values())


def wider(one: Estimate, other: Estimate) -> Estimate:
    """The first, with an interval that holds both.

    The bootstrap's has no width where all or none are found.
    """
    return Estimate(
        one.value, float(np.nanmin([one.low, other.low])), float(np.nanmax([one.high, other.high]))
    )


def grouped_share(found: npt.NDArray[np.bool_], pictures: Sequence[str]) -> Estimate:
    """The share of cases found; its interval holds the bootstrap's over pictures, and Wilson's."""
    if not found.size:
        return metrics.UNKNOWN
    drawn = metrics.bootstrap(groups_of(pictures), lambda cases: float(found[cases].mean()))
    return wider(drawn, metrics.share(int(found.sum()), found.size))


class Copies:
    """The distances of all queries, by descriptor, and what follows from them.

    Parameters
    ----------
    evidence : Evidence
        With rows of the kind ``copy``.
    rows : list of dict, optional
        Some of these rows; default: all.
    """

    def __init__(self, evidence: Evidence, rows: list[Row] | None = None) -> None:
        self.rows: list[Row] = evidence.of("copy") if rows is None else rows
        self._evidence = evidence
        self._originals = evidence.of("original")
        self.described = {row["name"]: row for row in evidence.of("descriptor")}
        """The rows of descriptors, by name."""
        self._known: dict[tuple[str, str, str | None], Estimate] = {}
        self._overall: dict[tuple[str, str], Estimate] = {}
        there = {name: None for row in self.rows for name in row["own"]}
        self.names = [*(name for name in self.described if name in there), *(there.keys() - self.described)]
        self.pictures = [str(row["picture"]) for row in self.rows]
        edits = [str(row["edit"]) for row in self.rows]
        ordered = [*evidence.header.get("edits", []), *edits]
        self.edits = [edit for edit in dict.fromkeys(ordered) if edit in set(edits)]
        """Those that were tried, in their order."""
        self._cases = {edit: np.flatnonzero(np.array(edits) == edit) for edit in self.edits}
        self.own: dict[str, Numbers] = {}
        """By descriptor: each query's distance to its original, NaN if it has none."""
        self.strangers: dict[str, Numbers] = {}
        """By descriptor: to its nearest strangers, shape (queries, most), ascending, filled up with NaN."""
        self.whole: dict[str, Numbers] = {}
        """By descriptor: to the nearest other whole picture, NaN if nothing is told."""
        for name in self.names:
            self.whole[name] = numbers([row.get("whole", {}).get(name) for row in self.rows])
            self.own[name] = numbers([row["own"].get(name) for row in self.rows])
            near = [row["strangers"].get(name) or [] for row in self.rows]
            most = max(1, *map(len, near)) if near else 1
            self.strangers[name] = numbers([[*each, *[None] * (most - len(each))] for each in near])

    @property
    def ours(self) -> list[str]:
        """Sigsearch's descriptors."""
        return [name for name in self.names if is_ours(name)]

    @property
    def peers(self) -> list[str]:
        """All others."""
        return [name for name in self.names if not is_ours(name)]

    @cached_property
    def groups(self) -> list[list[int]]:
        """The queries of each picture."""
        return groups_of(self.pictures)

    @cached_property
    def by_kind(self) -> dict[str, Copies]:
        """The copies of JPEGs, of other files and of made pictures, each with a cutoff of its own."""
        kinds: dict[str, list[Row]] = {}
        for row, picture in zip(self.rows, self.pictures, strict=True):
            made = picture.startswith("made picture ")
            kinds.setdefault("made pictures" if made else _FILES[is_jpeg(picture)], []).append(row)
        return {kind: Copies(self._evidence, kinds[kind]) for kind in sorted(kinds)}

    @property
    def photographs(self) -> Copies:
        """Those of JPEGs if there are others too: on plain drawings no cutoff is precise."""
        return self.by_kind.get(_FILES[True], self) if len(self.by_kind) > 1 else self

    def cases(self, edit: str | None = None) -> Cases:
        """The queries of an edit; None: all."""
        return np.arange(len(self.rows)) if edit is None else self._cases[edit]

    def nearest(self, name: str) -> Numbers:
        """Each query's distance to its nearest stranger."""
        return self.strangers[name][:, 0]

    def recommended(self, name: str) -> float:
        """The cutoff that its makers recommend; NaN if none."""
        cutoff = self.described.get(name, {}).get("cutoff")
        return math.nan if cutoff is None else float(cutoff)

    @cached_property
    def precise(self) -> dict[str, float]:
        """By descriptor: the largest cutoff at which 99.99 % of all matches are right."""
        return {
            name: metrics.cutoff_at_precision(self.own[name], self.nearest(name), PRECISION)
            for name in self.names
        }

    @property
    def allowed(self) -> int:
        """How many matches may be wrong at that cutoff if all copies are found."""
        # What is exactly allowed must not be lost to rounding.
        return math.floor(len(self.rows) * (1 - PRECISION) / PRECISION + 1e-9)

    def false_at(self, name: str, cutoff: float) -> int:
        """How many queries have a stranger below a cutoff."""
        return int((self.nearest(name) < cutoff).sum())

    def recall(self, name: str, edit: str | None = None, *, measure: str) -> Estimate:
        """One of `MEASURES` of a descriptor, of an edit or over all; each is computed once."""
        key = (measure, name, edit)
        if key not in self._known:
            self._known[key] = MEASURES[measure](self, name, edit)
        return self._known[key]

    def overall(self, figure: Figure, name: str) -> Estimate:
        """One of `OVERALL` of a descriptor; each is computed once."""
        if (figure.name, name) not in self._overall:
            self._overall[figure.name, name] = figure.of(self, name)
        return self._overall[figure.name, name]

    def recall_recommended(self, name: str, edit: str | None = None) -> Estimate:
        """The share of copies below the cutoff that its makers recommend."""
        cutoff = self.recommended(name)
        return metrics.UNKNOWN if math.isnan(cutoff) else self._recall_at(name, cutoff, edit)

    def recall_precise(self, name: str, edit: str | None = None) -> Estimate:
        """The share of copies below the cutoff of 99.99 % precision; of an edit, of photographs alone.

        Over all edits the interval holds that of choosing the cutoff anew for each draw of pictures.
        """
        if edit is not None:
            those = self.photographs
            return (
                those._recall_at(name, those.precise[name], edit) if edit in those.edits else metrics.UNKNOWN
            )
        fixed = self._recall_at(name, self.precise[name], None)
        if not self.rows:
            return fixed
        own, nearest = self.own[name], self.nearest(name)

        def choose(cases: Cases) -> float:
            cutoff = metrics.cutoff_at_precision(own[cases], nearest[cases], PRECISION)
            return float((own[cases] < cutoff).mean())

        return wider(fixed, metrics.bootstrap(self.groups, choose))

    def recall_upright(self, name: str) -> Estimate:
        """The share below the cutoff of 99.99 % precision of copies that are neither turned nor inverted."""
        cases = np.array([i for i, row in enumerate(self.rows) if row["edit"] not in TURNED], np.int64)
        return self.recall_of(name, self.precise[name], cases)

    def recall_first(self, name: str, edit: str | None = None) -> Estimate:
        """The share of copies to which no window is nearer than their original, ties in any order alike."""
        none: tuple[int | None, int | None] = (None, None)
        ranks = [self.rows[i]["ranks"].get(name) or none for i in self.cases(edit)]
        alone = metrics.expected_recall([ahead for ahead, _ in ranks], [tied for _, tied in ranks], 1)
        if edit is not None or not self.rows:
            return alone
        chances = np.array(
            [1 / (1 + tied) if ahead == 0 and tied is not None else 0.0 for ahead, tied in ranks]
        )
        return wider(alone, metrics.bootstrap(self.groups, lambda cases: float(chances[cases].mean())))

    def micro_average(self, name: str) -> Estimate:
        """The micro-average precision over all queries, its interval by drawing pictures."""
        own, strangers = self.own[name], self.strangers[name]
        return metrics.bootstrap(
            self.groups, lambda cases: metrics.micro_average_precision(own[cases], strangers[cases])
        )

    def recall_of(self, name: str, cutoff: float, cases: Cases) -> Estimate:
        """The share of some queries' copies that is below a cutoff."""
        return grouped_share(self.own[name][cases] < cutoff, [self.pictures[i] for i in cases])

    def false_share(self, name: str) -> Estimate:
        """The share of queries that have a stranger below the recommended cutoff."""
        cutoff = self.recommended(name)
        if math.isnan(cutoff):
            return metrics.UNKNOWN
        return grouped_share(self.nearest(name) < cutoff, self.pictures)

    def whole_share(self, name: str) -> Estimate:
        """The share of queries that have another whole picture below the recommended cutoff."""
        cutoff = self.recommended(name)
        if math.isnan(cutoff) or np.isnan(self.whole[name]).all():
            return metrics.UNKNOWN
        return grouped_share(self.whole[name] < cutoff, self.pictures)

    def describing(self, name: str) -> Estimate:
        """The median milliseconds of describing a decoded picture."""
        times = [row["describe_ms"].get(name) for row in self._originals]
        return metrics.quantile([ms for ms in times if ms is not None], 0.5)

    def size(self, name: str) -> Estimate:
        """Bytes of what it keeps of a picture."""
        told = self.described.get(name, {}).get("bytes")
        return metrics.UNKNOWN if told is None else exact(told)

    def _recall_at(self, name: str, cutoff: float, edit: str | None) -> Estimate:
        if edit is None:
            return grouped_share(self.own[name] < cutoff, self.pictures)
        return metrics.recall_at(self.own[name][self.cases(edit)], cutoff)


MEASURES: Final[dict[str, Callable[[Copies, str, str | None], Estimate]]] = {
    "at the recommended cutoff": Copies.recall_recommended,
    PRECISE: Copies.recall_precise,
    "before all windows": Copies.recall_first,
}
"""What recall is told of, for each edit and over all."""

OVERALL: Final = (
    *(Figure(f"recall {m}", "%", False, of=partial(Copies.recall, measure=m)) for m in MEASURES),
    Figure("recall at 99.99 % precision, upright edits", "%", False, of=Copies.recall_upright),
    Figure("micro-average precision", "%", False, of=Copies.micro_average),
    Figure("queries with a window below the recommended cutoff", "%", of=Copies.false_share),
    Figure("with another whole picture below it", "%", of=Copies.whole_share),
    Figure("describing a decoded picture, p50", "ms", of=Copies.describing),
    Figure("bytes a picture", of=Copies.size),
)
"""Of a descriptor, over all edits; each takes the copies and its name."""

BY_KIND: Final = tuple(figure for figure in OVERALL if figure.unit == "%")
"""What is told of the copies of each kind of file."""
