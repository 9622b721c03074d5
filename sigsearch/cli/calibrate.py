"""``sigsearch calibrate``: the table to choose a cutoff by, for the size of one's own index."""

from __future__ import annotations

import sys
from math import floor, log10
from typing import TYPE_CHECKING, Annotated, Final

import typer

from sigsearch.bounds import FEWEST_SAMPLES, SAMPLES
from sigsearch.cli.options import Json, Location, open_there
from sigsearch.cli.output import say, say_json, say_rows

if TYPE_CHECKING:
    from sigsearch.calibration import Calibration

_HEADERS: Final = (
    "cutoff",
    "false per million",
    "95 % interval",
    "false a search",
    "searches with one",
    "own records a search",
)
_RARE: Final = 0.01
"""False matches a search: what most would call few."""


def calibrate(
    index: Location = None,
    samples: Annotated[
        int, typer.Option(metavar="N", min=FEWEST_SAMPLES, help="Pictures to ask with, at most.")
    ] = SAMPLES,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Of what is drawn.")] = 0,
    as_json: Json = False,
) -> int:
    """Tell how many false matches each cutoff lets through.

    A line for each cutoff, in a pipe with tabs between: false matches in a million comparisons, their 95 %
    interval, false matches of one search in this index, the share of searches that meet any, and how many
    other records are below the cutoff of a picture that is in the index, true copies and all. Strangers are
    had from mirror images of its pictures, so that no labels are needed: see docs/cutoff.md.

    Exit status: 0, or 2 an error, such as fewer than 50 records.
    """
    with open_there(index) as opened:
        found = opened.calibrate(samples=samples, seed=seed, progress=True)
        location = opened.location
    if as_json:
        for row in found.to_json():
            say_json(row)
        return 0
    terminal = sys.stdout.isatty()
    if terminal:
        say(_summary(location, found))
    say_rows(
        _HEADERS,
        [
            [
                f"{row.cutoff:.2f}",
                _short(row.per_million),
                f"{_short(row.low)} to {_short(row.high)}",
                _short(row.expected),
                f"{row.share:.1%}",
                _short(row.own),
            ]
            for row in found.rows
        ],
    )
    if terminal:
        say(_advice(found))
    return 0


def _summary(location: str, found: Calibration) -> str:
    left_out = [
        f"{count:,} {what}"
        for count, what in (
            (found.featureless, "without features"),
            (found.symmetric, "that are their own mirror image"),
        )
        if count
    ]
    return (
        f"{location}: {found.records:,} records; the mirror images of {found.queries:,} compared with "
        f"{found.compared:,} each{'; left out: ' * bool(left_out)}{', '.join(left_out)}"
    )


def _advice(found: Calibration) -> str:
    cutoff = found.cutoff_for(_RARE)
    if cutoff is None:
        return f"each of these cutoffs may let through more than one false match in {1 / _RARE:.0f} searches"
    return f"below {cutoff:.2f} at most one false match in {1 / _RARE:.0f} searches is to be expected"


def _short(number: float) -> str:
    """Three digits, and no exponent."""
    rounded = float(f"{number:.3g}")
    digits = 2 - floor(log10(rounded)) if rounded else 0
    text = f"{rounded:,.{max(0, digits)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
