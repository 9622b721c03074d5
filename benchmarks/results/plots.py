"""Plots of a run as SVG: the same bytes for the same rows."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Sequence
from typing import Any, Final

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from benchmarks.metrics import Estimate
from benchmarks.results import words
from benchmarks.results.copies import Copies
from benchmarks.results.evidence import Evidence
from benchmarks.results.false_matches import rates
from benchmarks.results.searches import Searches

COLOURS: Final = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C6D31"]
"""Told apart by the colour-blind (Okabe and Ito); markers differ as well."""
MARKERS: Final = "osD^vPX*"
_STYLE: Final[Any] = {
    "svg.hashsalt": "sigsearch",  # else ids are random
    "svg.fonttype": "none",  # letters as letters: lighter, and they can be searched for
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "legend.frameon": False,
}
_LEAST_RATE: Final = 0.01
"""False matches per million at a plot's foot."""


def draw(width: float, height: float, paint: Callable[[Figure], None]) -> bytes:
    """A plot of so many inches, as SVG."""
    with mpl.rc_context(_STYLE):
        figure = Figure((width, height), layout="constrained")
        paint(figure)
        file = io.BytesIO()
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    return file.getvalue()


def recall_by_edit(copies: Copies, measure: str) -> bytes:
    """A map of colours with the shares written in: edits down, descriptors across."""
    shares = 100 * np.array(
        [[copies.recall(n, e, measure=measure).value for n in copies.names] for e in copies.edits]
    )

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        image = axes.imshow(shares, cmap="cividis", vmin=0, vmax=100, aspect="auto")
        axes.grid(visible=False)
        axes.set_xticks(range(len(copies.names)), copies.names, rotation=30, ha="left")
        axes.xaxis.tick_top()
        axes.set_yticks(range(len(copies.edits)), copies.edits)
        for (i, j), value in np.ndenumerate(shares):
            if not math.isnan(value):
                colour = "black" if value > 50 else "white"
                axes.text(j, i, f"{value:.0f}", ha="center", va="center", color=colour, fontsize=7)
        figure.colorbar(image, ax=axes, label="recall, %", shrink=0.4)

    return draw(3.5 + 0.85 * len(copies.names), 1.6 + 0.19 * len(copies.edits), paint)


def distances(copies: Copies) -> bytes:
    """For each descriptor: distances of copies to their originals, and to the nearest strangers."""

    def paint(figure: Figure) -> None:
        for axes, name in zip(_grid(figure, len(copies.names)), copies.names, strict=False):
            own, nearest = (each[~np.isnan(each)] for each in (copies.own[name], copies.nearest(name)))
            both = np.concatenate([own, nearest, [0]])
            bins = np.linspace(0, both.max() or 1, 50)
            for values, label, colour in (
                (own, "copies: the original", COLOURS[0]),
                (nearest, "the nearest stranger", COLOURS[1]),
            ):
                axes.hist(values, bins, histtype="stepfilled", alpha=0.45, color=colour, label=label)
                axes.hist(values, bins, histtype="step", color=colour)
            for at, dashes, label in (
                (copies.recommended(name), "--", "recommended cutoff"),
                (copies.precise[name], ":", "cutoff of 99.99 % precision"),
            ):
                if math.isfinite(at):
                    axes.axvline(at, color="black", linestyle=dashes, label=label)
            axes.set(title=name, xlabel="distance", ylabel="queries")
        _legend(figure)

    return draw(10, 0.5 + 2.4 * _rows(len(copies.names)), paint)


def false_matches(evidence: Evidence, copies: Copies) -> bytes:
    """For each descriptor: false matches per million against the cutoff."""
    found = rates(evidence)
    names = list(dict.fromkeys(descriptor for descriptor, _ in found))

    def paint(figure: Figure) -> None:
        for axes, name in zip(_grid(figure, len(names)), names, strict=False):
            those = {against: each for (descriptor, against), each in found.items() if descriptor == name}
            for i, (against, each) in enumerate(those.items()):
                means, lows, highs = np.array(each.means).T
                means = np.where(means > 0, means, np.nan)  # of none only the interval is drawn
                axes.plot(each.cutoffs, means, MARKERS[i] + "-", color=COLOURS[i], ms=4, label=against)
                lows = np.maximum(lows, _LEAST_RATE)
                axes.fill_between(each.cutoffs, lows, highs, color=COLOURS[i], alpha=0.2, lw=0)
            if math.isfinite(at := copies.recommended(name)):
                axes.axvline(at, color="black", linestyle="--", label="recommended cutoff")
            axes.set(title=name, xlabel="cutoff", ylabel="false per million", yscale="log")
            axes.set_ylim(_LEAST_RATE / 1.5, 1e6)
        _legend(figure)

    return draw(10, 0.5 + 2.4 * _rows(len(names)), paint)


def latency(searches: Searches) -> bytes:
    """The median time of each engine against the number of records, both by logarithms."""

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        for i, name in enumerate(searches.names):
            those = sorted((e for e in searches.all if e.name == name), key=lambda each: each.records)
            medians = [each.latency(0.5) for each in those]
            bars = [[m.value - m.low for m in medians], [m.high - m.value for m in medians]]
            look: dict[str, Any] = {
                "color": COLOURS[i % 8],
                "marker": MARKERS[i % 8],
                "linestyle": "-" if i < 8 else "--",
            }
            at = [each.records for each in those]
            axes.errorbar(at, [m.value for m in medians], bars, label=name, capsize=2, ms=5, **look)
        axes.set(xscale="log", yscale="log", xlabel="records", ylabel="p50, ms")
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))

    return draw(10, 5, paint)


def recall_latency(searches: Searches) -> bytes:
    """For each number of records: recall against the median time, an engine a mark."""

    def paint(figure: Figure) -> None:
        for axes, records in zip(_grid(figure, len(searches.sizes), 2), searches.sizes, strict=False):
            for each in searches.at(records):
                recall, ms, i = each.recall, each.latency(0.5), searches.names.index(each.name)
                if math.isnan(recall.value):
                    continue
                bars = [[100 * bar for bar in side] for side in _bars([recall])]
                axes.errorbar([ms.value], [100 * recall.value], bars, ls="", label=each.name, **_look(i))
            axes.set(title=f"{records:,} records", xscale="log", xlabel="p50, ms", ylabel="recall, %")
        _legend(figure)

    return draw(10, 1.2 + 3 * _rows(len(searches.sizes), 2), paint)


def words_frontier(evidence: Evidence) -> bytes:
    """Recall of each way to make words against what it costs; the ways that are not outdone are joined."""
    offline, server = (words.ways(evidence, where) for where in (words.OFFLINE, words.ELASTICSEARCH))
    recall = [way.recall_within(words.CANDIDATES[-1]).value for way in offline]
    found = [way.found.value for way in server]
    panels = [
        ("offline", offline, recall, [way.postings.value for way in offline], "postings read"),
        ("offline", offline, recall, [way.index_bytes for way in offline], "bytes a record"),
        ("Elasticsearch", server, found, [way.p50.value for way in server], "p50, ms"),
        ("Elasticsearch", server, found, [way.index_bytes for way in server], "bytes a record"),
    ]
    panels = [panel for panel in panels if not np.isnan(panel[3]).all() and panel[1]]
    lengths = sorted({way.row["length"] for way in (*offline, *server)})
    shapes = sorted({way.row["shape"] for way in (*offline, *server)})

    def paint(figure: Figure) -> None:
        for axes, (title, ways, recalls, costs, label) in zip(
            _grid(figure, len(panels), 2), panels, strict=False
        ):
            for way, share, cost in zip(ways, recalls, costs, strict=True):
                i, j = lengths.index(way.row["length"]), shapes.index(way.row["shape"])
                look: dict[str, Any] = {"color": COLOURS[i % 8], "marker": MARKERS[j % 8]}
                axes.plot(cost, 100 * share, ls="", ms=4, label=_way_label(way), **look)
                if way.is_default:
                    axes.plot(
                        cost, 100 * share, "o", ms=10, mfc="none", mec="black", label="the default's words"
                    )
            good = words.frontier(recalls, [[cost] for cost in costs])
            edge = sorted((c, 100 * r) for c, r, g in zip(costs, recalls, good, strict=True) if g)
            axes.plot([c for c, _ in edge], [r for _, r in edge], color="grey", lw=0.8, zorder=0)
            axes.set(title=title, xlabel=label, ylabel="recall, %")
            if label == "postings read":
                axes.set_xscale("log")
        _legend(figure)

    return draw(10, 1 + 3 * _rows(len(panels), 2), paint)


def _way_label(way: words.Way) -> str:
    return f"{way.row['shape']}, length {way.row['length']}"


def _look(number: int) -> dict[str, Any]:
    """What tells one of up to 16 from the others."""
    filled = COLOURS[number % 8] if number < 8 else "white"
    return {"color": COLOURS[number % 8], "marker": MARKERS[number % 8], "mfc": filled, "capsize": 2}


def _bars(figures: Sequence[Estimate]) -> list[list[float]]:
    """How far intervals reach below and above."""
    return [[max(0, f.value - f.low) for f in figures], [max(0, f.high - f.value) for f in figures]]


def _rows(panels: int, across: int = 3) -> int:
    return max(1, math.ceil(panels / across))


def _grid(figure: Figure, panels: int, across: int = 3) -> Sequence[Any]:
    """So many axes, row by row; those left over are not drawn."""
    across = min(across, max(1, panels))
    axes: Any = figure.subplots(_rows(panels, across), across, squeeze=False).ravel()
    for unused in axes[panels:]:
        unused.set_axis_off()
    return list(axes[:panels])


def _legend(figure: Figure) -> None:
    """One legend below all, a name once."""
    found: dict[str, Any] = {}
    for axes in figure.axes:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    if found:
        across = 3 if max(map(len, found)) > 25 else 4
        figure.legend(list(found.values()), list(found), loc="outside lower center", ncols=across, fontsize=8)
