"""The worst: copies that sigsearch misses and its peers find, and strangers that it takes for copies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.edits import TURNED
from benchmarks.results import text
from benchmarks.results.copies import Copies
from benchmarks.results.evidence import Evidence, is_ours
from benchmarks.suite.rows import Row

MOST = 12
OF_ONE = 2
"""Misses that are shown of one edit or picture, else one of either would fill all places."""
PEERS_SHOWN = 3
"""Look-alikes that are shown of each peer; of sigsearch `MOST`."""


@dataclass(frozen=True)
class Miss:
    """A copy that sigsearch's descriptor misses, and which peers find it, all at 99.99 % precision."""

    picture: str
    edit: str
    ours: str
    distance: float
    cutoff: float
    finders: tuple[str, ...]
    """With their distances and cutoffs, in words."""

    @property
    def said(self) -> str:
        """What is to be said of it, in a sentence."""
        by = "; ".join(self.finders) or "no peer"
        return f"{self.ours} {_of(self.distance, self.cutoff)}; found by {by}"


def worst_misses(copies: Copies) -> list[Miss]:
    """Copies that sigsearch misses, first those that most peers find, then by how far off they are."""
    if not copies.ours:
        return []
    ours = copies.ours[0]
    distances, cutoff = copies.own[ours], copies.precise[ours]
    found = []
    for i, row in enumerate(copies.rows):
        if distances[i] < cutoff or row["edit"] in TURNED:
            continue
        at = ((peer, copies.own[peer][i], copies.precise[peer]) for peer in copies.peers)
        finders = tuple(f"{peer} {_of(own, its)}" for peer, own, its in at if own < its)
        found.append(Miss(row["picture"], row["edit"], ours, float(distances[i]), cutoff, finders))
    found.sort(key=lambda miss: (-len(miss.finders), -miss.distance, miss.picture, miss.edit))
    chosen, seen = [], Counter[str]()
    for miss in found:
        if miss.finders and max(seen[miss.picture], seen["edit " + miss.edit]) < OF_ONE:
            seen.update([miss.picture, "edit " + miss.edit])
            chosen.append(miss)
    return chosen[:MOST]


def look_alikes(evidence: Evidence) -> list[Row]:
    """The nearest pairs of different pictures: many of sigsearch, some of each peer."""
    rows = evidence.of("look_alike")
    chosen = []
    for name in sorted({row["descriptor"] for row in rows}, key=lambda name: (not is_ours(name), name)):
        those = sorted((r for r in rows if r["descriptor"] == name), key=lambda row: float(row["distance"]))
        chosen += those[: MOST if is_ours(name) else PEERS_SHOWN]
    return chosen


def describe_misses(evidence: Evidence, misses: Sequence[Miss]) -> str:
    """The worst misses by name, in Markdown."""
    if why := evidence.missing("copy"):
        return why
    lines = [[text.code(miss.picture), miss.edit, miss.said] for miss in misses]
    return (
        "Copies that sigsearch misses at its cutoff of 99.99 % precision and peers find at theirs: first "
        f"those that most peers find, at most {OF_ONE} of one edit or one picture; edits that turn, mirror "
        "or invert are left out, as sigsearch finds those by searching all orientations.\n\n"
        + (text.table(["picture", "edit", "distances"], lines) if lines else "There are none.")
    )


def describe_look_alikes(evidence: Evidence, pairs: Sequence[Row]) -> str:
    """The nearest pairs of different pictures by name, in Markdown."""
    if why := evidence.missing("look_alike"):
        return why
    lines = [
        [row["descriptor"], text.code(row["a"]), text.code(row["b"]), text.short(row["distance"])]
        for row in pairs
    ]
    return (
        "The nearest pairs of pictures that are not known to be copies; see for yourself.\n\n"
        + text.table(["descriptor", "picture", "other picture", "distance"], lines)
    )


def _of(distance: float, cutoff: float) -> str:
    return f"{text.short(float(distance))} (cutoff {text.short(cutoff)})"
