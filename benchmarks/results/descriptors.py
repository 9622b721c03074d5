"""Tables of the descriptors: how many copies each finds, of which edits, and of pairs that nobody made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from benchmarks import metrics
from benchmarks.metrics import Estimate
from benchmarks.results import text
from benchmarks.results.copies import BY_KIND, MEASURES, OVERALL, PRECISE, Copies
from benchmarks.results.evidence import Evidence, numbers
from benchmarks.same_pictures import DIFFERENT

NEED: Final = ("descriptor", "copy")


def describe(evidence: Evidence, copies: Copies) -> str:
    """All about the copies that were made, in Markdown."""
    if why := evidence.missing(*NEED):
        return why
    parts = [_what(evidence, copies), _cutoffs(copies), _overall(copies), _by_kind(copies)]
    for measure in MEASURES:
        figures = {
            edit: [copies.recall(n, edit, measure=measure) for n in copies.names] for edit in copies.edits
        }
        parts += [f"### Recall of each edit, {measure}", *_of_whom(copies, measure)]
        parts.append(_by_edit(figures, copies.names))
    return "\n\n".join(parts)


def pair_recall(evidence: Evidence, copies: Copies) -> dict[tuple[str, str], dict[str, Estimate]]:
    """The share of labelled pairs below a cutoff: by the kind of cutoff and label, by descriptor."""
    rows = evidence.of("pair")
    names = list(dict.fromkeys(name for row in rows for name in row["distances"]))
    found = {}
    for which, cutoffs in (
        ("recommended cutoff", {name: copies.recommended(name) for name in names}),
        (
            "cutoff of 99.99 % precision",
            {name: copies.photographs.precise.get(name, np.nan) for name in names},
        ),
    ):
        for label in dict.fromkeys(row["label"] for row in rows):
            those = [row["distances"] for row in rows if row["label"] == label]
            found[which, label] = {
                name: _below(numbers([row.get(name) for row in those]), cutoffs[name]) for name in names
            }
    return found


def pairs(evidence: Evidence, copies: Copies) -> str:
    """Labelled pairs of files that nobody made for a test, in Markdown."""
    if why := evidence.missing("pair"):
        return why
    parts = [
        f"The share of pairs below each cutoff. One labelled `{DIFFERENT}` that is below is a false match. "
        "The cutoff of 99.99 % precision is the one chosen above, on the copies that were made; of JPEG "
        "files, if there were others too."
    ]
    found = pair_recall(evidence, copies)
    for which in dict.fromkeys(which for which, _ in found):
        lines, names = [], list[str]()
        for label, figures in ((label, each) for (kind, label), each in found.items() if kind == which):
            names = list(figures)
            eyed = [bool(row["verified_by_eye"]) for row in evidence.of("pair", label=label)]
            best = text.best_of([f.value for f in figures.values()], least=label == DIFFERENT)
            shares = _cells(list(figures.values()), best)
            lines.append([label, str(len(eyed)), str(sum(eyed)), *shares])
        parts.append(text.table([f"at the {which}", "pairs", "verified by eye", *names], lines))
    return "\n\n".join(parts)


def _what(evidence: Evidence, copies: Copies) -> str:
    records = evidence.of("stranger_records")
    cut = " and ".join(
        f"{row['windows']:,} windows of other pictures and {row['pictures']:,} whole pictures"
        for row in records
    )
    said = (
        f"{len(copies.groups):,} pictures under {len(copies.edits)} edits give {len(copies.rows):,} copies. "
        "Each is compared with its original"
        + (f" and with {cut}" if cut else "")
        + ". Windows are strangers beyond doubt: on them cutoffs are chosen. Among whole pictures there may "
        "be some that show the same and nobody has said so: they are told apart. "
        f"{len(evidence.of('ignored')):,} pairs of files that show the same count neither as found nor "
        "as false."
    )
    plain = sum(bool(row["featureless"]) for row in evidence.of("original"))
    return said + (f" {plain:,} originals are featureless to sigsearch." if plain else "")


def _cutoffs(copies: Copies) -> str:
    allowed = copies.allowed
    may = "no match" if not allowed else "1 match" if allowed == 1 else f"{allowed:,} matches"
    bound = metrics.share(0, len(copies.rows)).high
    parts = [
        "The recommended cutoffs were chosen by different people for different ends; the cutoff of 99.99 % "
        "precision treats all alike. It is the largest at which one match in 10,000 is wrong, chosen over "
        f"the nearest windows of all {len(copies.rows):,} queries: if every copy were found, {may} might "
        f"be wrong. Of so many queries none wrong tells a share of false matches below {100 * bound:.2g} % "
        "(the end of Wilson's interval), no less."
    ]
    lines = []
    for name in copies.names:
        row, at, precise = copies.described.get(name, {}), copies.recommended(name), copies.precise[name]
        found = int((copies.own[name] < precise).sum())
        lines.append(
            [
                name,
                text.short(at),
                f"{copies.false_at(name, at):,}" if at == at else text.UNKNOWN,
                text.short(precise),
                f"{found:,}",
                f"{copies.false_at(name, precise):,}",
                str(row.get("cutoff_source") or text.UNKNOWN),
                str(row.get("note") or ""),
            ]
        )
    columns = [
        "descriptor",
        "recommended cutoff",
        "queries with a false match",
        "cutoff of 99.99 % precision",
    ]
    columns += ["copies found", "queries with a false match", "the recommendation's source", "note"]
    return "\n\n".join([*parts, text.table(columns, lines)])


def _overall(copies: Copies) -> str:
    columns = [figure.column([copies.overall(figure, name) for name in copies.names]) for figure in OVERALL]
    return (
        "### Over all edits\n\nBold: the best of a column. In brackets: 95 % intervals, the wider of "
        "Wilson's and of the bootstrap over pictures, as the copies of one picture hang together; for "
        "99.99 % precision the cutoff is chosen anew in each draw. Upright edits: without those that turn, "
        "mirror or invert. Micro-average precision: all queries' answers, each copy's original and its "
        "nearest windows, in one list by distance.\n\n"
        + text.columns(["descriptor", *(figure.head for figure in OVERALL)], [copies.names, *columns])
    )


def _by_kind(copies: Copies) -> str:
    parts = [
        "### Photographs and others\n\nJPEG files are mostly photographs, others mostly drawings and "
        "screenshots. The cutoff of 99.99 % precision is chosen anew on the queries of each."
    ]
    for kind, those in copies.by_kind.items():
        columns = [f.column([those.overall(f, name) for name in those.names]) for f in BY_KIND]
        heads = [f"{kind}: {len(those.rows):,} copies", *(f.head for f in BY_KIND)]
        parts.append(text.columns(heads, [those.names, *columns]))
    return "\n\n".join(parts)


def _of_whom(copies: Copies, measure: str) -> list[str]:
    """What is to be said of a measure that is told of some of the copies only."""
    if measure != PRECISE or copies.photographs is copies:
        return []
    return ["Of JPEG files alone, with the cutoffs chosen on their queries."]


def _by_edit(figures: dict[str, list[Estimate]], names: Sequence[str]) -> str:
    lines = [[edit, *_cells(each, text.best_of([f.value for f in each]))] for edit, each in figures.items()]
    wins = np.sum([text.best_of([f.value for f in each]) for each in figures.values()], axis=0)
    return text.table(["edit", *names], [*lines, ["edits at which it is best or as good", *map(str, wins)]])


def _cells(figures: Sequence[Estimate], best: Sequence[bool]) -> list[str]:
    return [text.strong(text.percent(f), b) for f, b in zip(figures, best, strict=True)]


def _below(distances: metrics.Numbers, cutoff: float) -> Estimate:
    known = distances[~np.isnan(distances)]
    return metrics.UNKNOWN if np.isnan(cutoff) else metrics.recall_at(known, cutoff)
