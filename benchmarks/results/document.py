"""The report as one Markdown document, and the plots that it shows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from benchmarks.results import (
    descriptors,
    engines,
    false_matches,
    losses,
    misses,
    plots,
    text,
    words,
)
from benchmarks.results.copies import MEASURES, OVERALL, Copies
from benchmarks.results.evidence import Evidence
from benchmarks.results.searches import COSTS, FIGURES, Searches

TITLE: Final = "What the benchmarks found"
SETTINGS: Final = (
    *("mode", "pictures", "pairs", "seed", "originals", "strangers", "records", "hnsw_records", "queries"),
    *("words_records", "elasticsearch", "version"),
)
"""Fields of the header that say what was asked for."""
KINDS: Final = (
    *("original", "copy", "pair", "false_matches", "look_alike", "calibration", "statistics", "query"),
    *("searches", "load", "size", "first_search", "throughput", "orientations", "words"),
)
"""Kinds of rows that a whole run has."""


@dataclass
class Document:
    """Markdown whose pictures are files beside it.

    Attributes
    ----------
    copies : Copies
        That it tells of.
    markdown : str
    plots : dict of str to bytes
        SVG, by the name of the file.
    """

    copies: Copies
    markdown: str = ""
    plots: dict[str, bytes] = field(default_factory=dict)

    def add(self, *blocks: str) -> None:
        """Go on with these."""
        self.markdown += "".join(f"{block}\n\n" for block in blocks)

    def plot(self, name: str, alt: str, draw: Callable[..., bytes], *arguments: Any) -> None:
        """Go on with a plot."""
        self.plots[f"{name}.svg"] = draw(*arguments)
        self.add(f"![{alt}](plots/{name}.svg)")


def write(evidence: Evidence) -> Document:
    """All that a run found."""
    copies, searches = Copies(evidence), Searches(evidence)
    document = Document(copies)
    document.add(f"# {TITLE}", _header(evidence))
    document.add("## What was not measured", _absent(evidence))

    document.add("## Where sigsearch loses: copies")
    document.add(evidence.missing(*descriptors.NEED) or losses.descriptors(evidence, copies))
    document.add("## Where sigsearch loses: engines")
    document.add(evidence.missing(*engines.NEED) or losses.engines(searches))

    document.add("## Copies found", descriptors.describe(evidence, copies))
    if copies.rows:
        for i, measure in enumerate(MEASURES):
            alt = f"Recall of each edit {measure}, a descriptor a column: the figures of the tables above"
            document.plot(f"recall-{i + 1}", alt, plots.recall_by_edit, copies, measure)
        alt = "How many copies and how many nearest strangers are at each distance, a descriptor a panel"
        document.plot("distances", alt, plots.distances, copies)
    document.add("## Worst misses", misses.describe_misses(evidence, misses.worst_misses(copies)))
    document.add("## Natural pairs", descriptors.pairs(evidence, copies))

    document.add("## False matches", false_matches.describe(evidence, copies))
    if evidence.of("false_matches"):
        alt = "False matches per million against the cutoff, a descriptor a panel"
        document.plot("false-matches", alt, plots.false_matches, evidence, copies)
    pairs = misses.look_alikes(evidence)
    document.add("## Nearest strangers", misses.describe_look_alikes(evidence, pairs))
    document.add("## Calibration", false_matches.calibration(evidence))
    document.add("## How real the distractors are", false_matches.realism(evidence))

    document.add("## Engines", engines.describe(evidence, searches))
    if searches.all:
        alt = "Recall against the median time, a number of records a panel"
        document.plot("recall-latency", alt, plots.recall_latency, searches)
        alt = "The median time of each engine against the number of records"
        document.plot("latency", alt, plots.latency, searches)

    document.add("## Words", words.describe(evidence))
    if evidence.of("words"):
        alt = "Recall of each way to make words against postings, bytes and milliseconds"
        document.plot("words", alt, plots.words_frontier, evidence)
    return document


def headline(evidence: Evidence, copies: Copies | None = None) -> dict[str, str]:
    """Single figures by name, for texts that quote them; of copies whose figures are computed, if given.

    Returns
    -------
    dict of str to str
        Such as ``sigsearch: micro-average precision`` to ``91.3 %``, and ``sigsearch embedded, 1,000,000
        records: p50, ms`` to ``12.1``; of JPEGs alone ``JPEG files, sigsearch: micro-average precision``.
    """
    copies, searches = copies or Copies(evidence), Searches(evidence)
    found = {"copies": f"{len(copies.rows):,}", "pictures": f"{len(copies.groups):,}"}
    for kind, those in {"": copies, **{f"{kind}, ": those for kind, those in copies.by_kind.items()}}.items():
        for name in those.names:
            for figure in OVERALL:
                value = text.exact(those.overall(figure, name).value)
                found[f"{kind}{name}: {figure.head}"] = figure.tell(value)
    for each in searches.all:
        where = f"{each.name}, {each.records:,} records"
        for figure in (*FIGURES, *COSTS):
            found[f"{where}: {figure.head}"] = figure.tell(text.exact(figure.of(each).value))
    return found


def _header(evidence: Evidence) -> str:
    """What was asked for, when, on what machine, with which versions."""
    header = evidence.header
    commit = str(header.get("commit") or "unknown") + (", with changes" if header.get("changed") else "")
    later = dict.fromkeys(str(row.get("commit")) for row in evidence.of("unit"))
    later.pop(str(header.get("commit")), None)
    seconds = sum(float(row["seconds"]) for row in evidence.of("unit"))
    told = {name: value for name, value in header.get("versions", {}).items() if value}
    lines = [
        ["command", text.code(_command(evidence))],
        ["started", str(header.get("started"))],
        ["commit", commit],
        *([["gone on with", ", ".join(later)]] if later else []),
        ["machine", ", ".join(f"{name}: {value}" for name, value in header.get("machine", {}).items())],
        ["versions", ", ".join(f"{name} {version}" for name, version in told.items())],
        ["measured for", f"{seconds / 60:,.1f} minutes, in {len(evidence.of('unit')):,} units of work"],
        *([name, _setting(header.get(name))] for name in SETTINGS),
    ]
    return "Everything below is computed from the raw rows of one run.\n\n" + text.table(
        ["", "of this run"], lines
    )


def _command(evidence: Evidence) -> str:
    """What was typed, as far as the settings tell it."""
    header = evidence.header
    options = [f"--{name} {header[name]}" for name in ("pictures", "pairs") if header.get(name)]
    return " ".join(
        ["python -m benchmarks", str(header.get("mode")), *options, f"--seed {header.get('seed')}"]
    )


def _setting(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_setting, value))
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "-"}[value]
    return f"{value:,}" if isinstance(value, int) else str(value)


def _absent(evidence: Evidence) -> str:
    """What could not be measured, why, and which kinds of rows there are none of."""
    lines = [f"- {row['what']}: {row['why']}" for row in evidence.of("absent")]
    kinds = [f"`{kind}`" for kind in KINDS if not evidence.of(kind)]
    if kinds:
        lines.append(f"- There are no rows of the kinds {', '.join(kinds)}.")
    return "\n".join(lines) or "Nothing: there are rows of all kinds."
