"""Where sigsearch loses: every edit, engine and figure in which a peer is better, found by computation."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import TypeAlias

from benchmarks.metrics import UNKNOWN, Estimate
from benchmarks.results import text
from benchmarks.results.copies import MEASURES, OVERALL, PRECISE, Copies
from benchmarks.results.descriptors import pair_recall
from benchmarks.results.evidence import Evidence, is_ours
from benchmarks.results.false_matches import Rates, rates
from benchmarks.results.figures import Figure, Scale, apart
from benchmarks.results.searches import COSTS, FIGURES, Searches
from benchmarks.same_pictures import DIFFERENT

Told: TypeAlias = tuple[Scale, dict[str, Estimate]]
"""A figure, by descriptor."""
_NOTHING = "Not measured: there is nothing to compare, or nothing to compare with."


def descriptors(evidence: Evidence, copies: Copies) -> str:
    """Each edit and figure at which a peer is better than sigsearch's descriptor, in Markdown."""
    if not copies.ours or not copies.peers:
        return _NOTHING
    parts = [
        "All figures over all edits, and all edits, at which a peer is better. `apart`: the 95 % intervals "
        "have nothing in common; `overlapping`: it may be chance; `not known`: measured once or counted. At "
        "the recommended cutoffs a peer may win by a cutoff that lets more strangers through as well."
    ]
    groups = list(_groups(evidence, copies))
    for ours in copies.ours:
        for title, what, figures in groups:
            lines = []
            for scale, values in figures:
                own, peers = values.get(ours, UNKNOWN), {p: values[p] for p in copies.peers if p in values}
                if better := _better(scale, own, peers):
                    lines.append([scale.head, scale.tell(own), better])
            said = f"### {ours}: {title}\n\nA peer is better in {len(lines)} of {len(figures)} {what}."
            told = text.table([what, "sigsearch", "better peers"], lines) if lines else ""
            parts.append(f"{said}\n\n{told}".strip())
    return "\n\n".join(parts)


def engines(searches: Searches) -> str:
    """Each figure in which a peer's engine is better than one of sigsearch's, in Markdown."""
    mine = [name for name in searches.names if is_ours(name)]
    if not mine or len(mine) == len(searches.names):
        return _NOTHING
    lost: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for figure in (*FIGURES, *COSTS):
        for name in mine:
            if better := _lost_to(searches, name, figure):
                lost[figure.head, *better].append(name)
    lines = [[figure, _together(names), own, better] for (figure, own, better), names in lost.items()]
    heads = ["figure", "sigsearch's engine", "its figure", "better peers"]
    return (
        "All figures in which a peer is better than an engine of sigsearch's, at any size; both are told at "
        "the largest of these sizes. `not known`: measured once, or too few searches to tell.\n\n"
        + (text.table(heads, lines) if lines else "None.")
    )


def _groups(evidence: Evidence, copies: Copies) -> Iterator[tuple[str, str, list[Told]]]:
    """All figures of descriptors, in groups: a title, what they are of, and how each descriptor fares."""
    names = copies.names
    yield "over all edits", "figures", [(f, {n: copies.overall(f, n) for n in names}) for f in OVERALL]
    for measure in MEASURES:
        shares = [
            (Scale(edit, "%", False), {name: copies.recall(name, edit, measure=measure) for name in names})
            for edit in copies.edits
        ]
        some = measure == PRECISE and copies.photographs is not copies
        yield f"recall {measure}{', JPEG files' * some}", "edits", shares
    others: list[Told] = [
        (Scale(f"`{label}`, {which}", "%", label == DIFFERENT), values)
        for (which, label), values in pair_recall(evidence, copies).items()
    ]
    if others:
        yield "natural pairs", "labels and cutoffs", others
    found = rates(evidence)
    kinds = dict.fromkeys(kind for _, kind in found)
    others = [
        (Scale(f"per million {kind}, at the recommended cutoff"), _at_recommended(found, copies, kind))
        for kind in kinds
    ]
    if others:
        yield "false matches", "figures", others


def _at_recommended(found: dict[tuple[str, str], Rates], copies: Copies, kind: str) -> dict[str, Estimate]:
    """False matches per million at the largest cutoff told that is not above the recommended one."""
    told = {n: found[n, kind].up_to(copies.recommended(n)) for n in copies.names if (n, kind) in found}
    return {name: mean for name, mean in told.items() if mean is not None}


def _better(scale: Scale, own: Estimate, peers: dict[str, Estimate]) -> str:
    """Who is better, best first, with figures; empty: nobody."""
    found = [(name, its) for name, its in peers.items() if scale.is_better(its, own)]
    found.sort(key=lambda each: each[1].value if scale.least else -each[1].value)
    return "; ".join(f"{name} {scale.tell(its)}, {apart(own, its)}" for name, its in found)


def _lost_to(searches: Searches, name: str, figure: Figure) -> tuple[str, str] | None:
    """What ours is, and who is better, both in words and with sizes; None: nobody."""
    values = {(each.name, each.records): figure.of(each) for each in searches.all}
    sizes: dict[str, list[int]] = defaultdict(list)
    for records in searches.sizes:
        own = values.get((name, records), UNKNOWN)
        for peer in searches.names:
            if not is_ours(peer) and figure.is_better(values.get((peer, records), UNKNOWN), own):
                sizes[peer].append(records)
    if not sizes:
        return None
    owns, better = {}, []
    for peer, lost in sizes.items():
        own, its = values[name, lost[-1]], values[peer, lost[-1]]
        owns[lost[-1]] = f"{figure.tell(own)} at {lost[-1]:,}"
        others = f", also at {', '.join(f'{records:,}' for records in lost[:-1])}" if lost[:-1] else ""
        better.append(f"{peer} {figure.tell(its)} at {lost[-1]:,}{others}, {apart(own, its)}")
    return "; ".join(owns[records] for records in sorted(owns)), "; ".join(better)


def _together(names: Sequence[str]) -> str:
    """Several ways to ask one engine by the engine's name."""
    engines = {name.rpartition(", ")[0] for name in names}
    return engines.pop() if len(names) > 1 and len(engines) == 1 else "; ".join(names)
