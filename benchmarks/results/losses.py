"""Where sigsearch loses: every edit, engine and figure in which a peer is better, found by computation."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from benchmarks.metrics import Estimate
from benchmarks.results import text
from benchmarks.results.copies import MEASURES, OVERALL, Copies
from benchmarks.results.evidence import is_ours
from benchmarks.results.figures import Figure, apart
from benchmarks.results.searches import COSTS, FIGURES, Searched, Searches

_NOTHING = "Not measured: there is nothing to compare, or nothing to compare with."


def descriptors(copies: Copies) -> str:
    """Each edit and figure at which a peer is better than sigsearch's descriptor, in Markdown."""
    if not copies.ours or not copies.peers:
        return _NOTHING
    parts = [
        "All figures over all edits, and all edits, at which a peer is better. `apart`: the 95 % intervals "
        "have nothing in common; `overlapping`: it may be chance; `not known`: measured once or counted. At "
        "the recommended cutoffs a peer may win by a cutoff that lets more strangers through as well."
    ]
    for ours in copies.ours:
        lines = []
        for figure in OVERALL:
            own = copies.overall(figure, ours)
            better = _better(figure, own, ((peer, copies.overall(figure, peer)) for peer in copies.peers))
            if better:
                lines.append([figure.head, figure.tell(own), better])
        parts.append(f"### {ours}: over all edits\n\n{_lost(lines, 'figures', len(OVERALL))}")
        for measure in MEASURES:
            figure, lines = Figure(measure, Copies.recall, "%", least=False), []
            for edit in copies.edits:
                own = copies.recall(ours, edit, measure=measure)
                peers = ((peer, copies.recall(peer, edit, measure=measure)) for peer in copies.peers)
                if better := _better(figure, own, peers):
                    lines.append([edit, figure.tell(own), better])
            parts.append(f"### {ours}: recall {measure}\n\n{_lost(lines, 'edits', len(copies.edits))}")
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


def _better(figure: Figure, own: Estimate, peers: Iterable[tuple[str, Estimate]]) -> str:
    """Who is better, best first, with figures; empty: nobody."""
    found = [(name, its) for name, its in peers if figure.is_better(its, own)]
    found.sort(key=lambda each: each[1].value if figure.least else -each[1].value)
    return "; ".join(f"{name} {figure.tell(its)}, {apart(own, its)}" for name, its in found)


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


def _lost(lines: list[list[str]], what: str, of: int) -> str:
    said = f"A peer is better in {len(lines)} of {of} {what}."
    return said + ("\n\n" + text.table([what, "sigsearch", "better peers"], lines) if lines else "")
