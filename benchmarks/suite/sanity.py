"""Which figures of a run cannot be: for the quick mode, whose figures are small but must not be absurd."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from benchmarks.suite.rows import Row
from sigsearch.bounds import CUTOFF, LIMIT

OURS: Final = "sigsearch"
THEIRS: Final = "image-match 1.1.2"
EMBEDDED: Final = "sigsearch embedded"
SERVER: Final = "sigsearch elasticsearch"
ELASTICSEARCH: Final = SERVER + ", effort {}"
EASY: Final = ("JPEG 70", "scale 0.5", "grey")
"""Edits after which a copy must be found by whatever calls itself a descriptor of pictures."""
ALWAYS: Final = frozenset(
    {"descriptor", "original", "copy", "stranger_records", "statistics", "false_matches", "calibration"}
    | {"query", "load", "size", "first_search", "searches", "throughput", "orientations", "words"}
)
"""Kinds of rows that every run has, with a server or without."""
_RATIOS: Final = (0.1, 100.0)
"""Between these, image-match's time is a multiple of ours on any machine."""


def absurdities(rows: Sequence[Row]) -> list[str]:
    """What cannot be, a line each; nothing of a run that is as it should be."""
    return [*_missing(rows), *_descriptors(rows), *_engines(rows)]


def _missing(rows: Sequence[Row]) -> Iterator[str]:
    for kind in sorted(ALWAYS - {row["kind"] for row in rows}):
        yield f"there is no row of the kind {kind}"


def _descriptors(rows: Sequence[Row]) -> Iterator[str]:
    featureless = {row["picture"] for row in rows if row["kind"] == "original" and row["featureless"]}
    copies = [row for row in rows if row["kind"] == "copy" and row["picture"] not in featureless]
    easy = [row for row in copies if row["edit"] in EASY]
    for name in sorted({name for row in copies for name in row["own"]}):
        nearer = np.mean([row["ranks"][name][0] == 0 for row in easy if name in row["own"]])
        if not nearer >= 0.8:
            yield f"{name} finds {nearer:.0%} of the copies under {', '.join(EASY)} before any stranger"
    found = [row["own"][OURS] < CUTOFF for row in easy]
    if not np.mean(found) >= 0.95:
        yield f"{OURS} finds {np.mean(found):.0%} of the copies under {', '.join(EASY)}"
    apart = [abs(row["own"][OURS] - row["own"][THEIRS]) for row in copies if THEIRS in row["own"]]
    if apart and not np.quantile(apart, 0.9) < 0.01:
        yield f"{OURS} is not {THEIRS}: a tenth of the distances differ by {np.quantile(apart, 0.9):.3f}"


def _engines(rows: Sequence[Row]) -> Iterator[str]:
    wanted = {
        (row["records"], row["number"]): min(row["near"], LIMIT) for row in rows if row["kind"] == "query"
    }
    searches = [row for row in rows if row["kind"] == "searches"]
    for row in searches:
        if row["engine"] == EMBEDDED:
            due = [wanted[row["records"], number] for number in row["queries"]]
            if row["near_found"] != due:
                yield f"{EMBEDDED} misses what comparing with all of {row['records']} records finds"
    largest = max((row["records"] for row in searches), default=0)
    last = {row["engine"]: row for row in searches if row["records"] == largest}
    own = {
        row["number"]: row["own_distance"]
        for row in rows
        if row["kind"] == "query" and row["records"] == largest
    }
    if default := last.get(ELASTICSEARCH.format(3)):
        found = [
            hit
            for number, hit in zip(default["queries"], default["found"], strict=True)
            if own[number] < CUTOFF
        ]
        if not np.mean(found) >= 0.9:
            yield f"{default['engine']} finds {np.mean(found):.0%} of the copies below {CUTOFF}"
        if theirs := last.get(THEIRS):
            ratio = float(np.median(theirs["ms"]) / np.median(default["ms"]))
            if not _RATIOS[0] <= ratio <= _RATIOS[1]:
                yield f"{THEIRS}'s time is {ratio:.3g} times {default['engine']}'s"
    sizes = {row["engine"]: row for row in rows if row["kind"] == "size" and row["records"] == largest}
    if THEIRS in sizes and SERVER in sizes:
        ours, theirs = (sizes[name]["disk_bytes"] for name in (SERVER, THEIRS))
        if not ours < theirs:
            yield f"sigsearch's index takes {ours} bytes, {THEIRS}'s {theirs}"
