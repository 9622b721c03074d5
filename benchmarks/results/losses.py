"""Where sigsearch loses: every edit, engine and figure in which a peer is better, found by computation."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import TypeAlias

from benchmarks.metrics import UNKNOWN, Estimate
from benchmarks.results import text
from benchmarks.results.copies import MEASURES, OVERALL, Copies
from benchmarks.results.descriptors import DIFFERENT, pair_recall
from benchmarks.results.evidence import Evidence, is_ours
from benchmarks.results.false_matches import Rates, rates
from benchmarks.results.figures import Figure, Scale, apart
from benchmarks.results.searches import COSTS, FIGURES, Searched, Searches

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
    lines = []
    for name in mine:
        for figure in (*FIGURES, *COSTS):
            for peer, there in _lost_to(searches, name, figure).items():
                one, other = there[-1]
                sizes = ", ".join(f"{each.records:,}" for each, _ in there)
                own, its = figure.of(one), figure.of(other)
                cells = [peer, sizes, figure.tell(own), figure.tell(its), apart(own, its)]
                lines.append([name, figure.head, *cells])
    heads = ["sigsearch's engine", "figure", "better", "at records", "sigsearch's", "the peer's", "intervals"]
    return (
        "All figures in which a peer is better than an engine of sigsearch's, with both at the largest of "
        "these sizes.\n\n" + (text.table(heads, lines) if lines else "None.")
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
        yield f"recall {measure}", "edits", shares
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


def _lost_to(searches: Searches, name: str, figure: Figure) -> dict[str, list[tuple[Searched, Searched]]]:
    """Ours and theirs where they are better, by peer, at ascending sizes."""
    found = defaultdict(list)
    for records in searches.sizes:
        there = searches.at(records)
        for one in (each for each in there if each.name == name):
            for other in (each for each in there if not is_ours(each.name)):
                if figure.is_better(figure.of(other), figure.of(one)):
                    found[other.name].append((one, other))
    return found
