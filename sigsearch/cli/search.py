"""``sigsearch search``, ``explain`` and ``compare``: copies out."""

from __future__ import annotations

import sys
import warnings
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Final

import typer

import sigsearch
from sigsearch.bounds import CUTOFF, EFFORT, LIMIT
from sigsearch.cli import inline
from sigsearch.cli.options import (
    AllOrientations,
    AllowPrivate,
    Cutoff,
    Effort,
    Json,
    Limit,
    Location,
    MaxFalse,
    Where,
    limit_to,
    load_kernels,
    open_there,
)
from sigsearch.cli.output import complain, say, say_json, say_rows, short
from sigsearch.cli.where import parse_where
from sigsearch.errors import ImageError
from sigsearch.limits import Limits

if TYPE_CHECKING:
    from sigsearch.records import Box, Match

_PARTS: Final = ("windows", "of the query", "of the picture")
"""Headings of what an index of regions tells besides."""


def search(
    images: Annotated[list[str], typer.Argument(metavar="IMAGE", help="Files or URLs.")],
    index: Location = None,
    all_orientations: AllOrientations = False,
    cutoff: Cutoff = CUTOFF,
    limit: Limit = LIMIT,
    where: Where = None,
    effort: Effort = EFFORT,
    max_false: MaxFalse = None,
    show: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER",
            help="Also write a picture of each match there: query and stored picture side by side, with the "
            "parts that matched. Some terminals (kitty, iTerm2, WezTerm) show them, too.",
        ),
    ] = None,
    allow_private: AllowPrivate = False,
    as_json: Json = False,
) -> int:
    """Find the copies of pictures in an index, the nearest first.

    On a terminal a table for each picture; "expected false" is how many matches as near as this one or
    nearer chance alone would give for that picture in this index. In an index of regions "windows" is how
    many windows of the two pictures agree, "whole" where whole pictures matched; then the parts of the query
    and of the stored picture, across x down. In a pipe a line for each match: distance, orientation and path
    (or id, of a record without path), separated by tabs; then the IMAGE, if there are several.

    Exit status: 0 something matched, 1 nothing did, 2 an error.
    """
    wanted = parse_where(where or ())
    matched = failed = False
    shown = 0
    if show is not None:
        from sigsearch.cli.side_by_side import Album
    with open_there(index) as opened:
        limit_to(opened, private_addresses=allow_private)
        album = None if show is None else Album(show, opened.limits)
        regions = opened.scheme.views == "regions"
        load_kernels()
        for image in images:
            try:
                with warnings.catch_warnings(record=True, action="always") as notes:
                    matches = opened.search(
                        image,
                        all_orientations=all_orientations,
                        cutoff=cutoff,
                        limit=limit,
                        where=wanted,
                        effort=effort,
                        max_false=max_false,
                    )
            except ImageError as error:
                complain(error)
                failed = True
                continue
            for note in notes:
                complain(note.message)
            matched = matched or bool(matches)
            if as_json:
                say_json({"query": image, "matches": [match.to_json() for match in matches]})
            else:
                _tell(image, matches, several=len(images) > 1, regions=regions)
            for picture in album.draw(image, matches) if album else ():
                shown += 1
                if not as_json:
                    inline.show(picture)
    if shown and not as_json and sys.stdout.isatty():
        say(f"{shown:,} picture{'s are' if shown > 1 else ' is'} in {show}")
    return 2 if failed else 0 if matched else 1


def _tell(image: str, matches: list[Match], *, several: bool, regions: bool) -> None:
    rows = [[f"{match.distance:.4f}", match.orientation, match.path or match.id] for match in matches]
    headings = ["distance", "orientation", "path"]
    terminal = sys.stdout.isatty()
    if terminal:
        headings[1:1] = ["expected false", *_PARTS * regions]
        for row, match in zip(rows, matches, strict=True):
            row[1:1] = [short(match.expected_false), *_parts(match) * regions]
    if several and not terminal:
        rows = [[*row, image] for row in rows]
    if several and terminal:
        say(f"{image}:")
    if matches:
        say_rows(headings, rows)
    elif terminal:
        say("no match")
    if several and terminal:
        say()


def _parts(match: Match) -> tuple[str, ...]:
    windows = "whole" if match.windows is None else str(match.windows)
    return windows, _part(match.query_box), _part(match.box)


def _part(box: Box) -> str:
    """Which part of a picture a box is, across and down: 20-80 % x 10-90 %."""
    left, top, right, bottom = (round(100 * edge) for edge in box)
    whole = (left, top, right, bottom) == (0, 0, 100, 100)
    return "whole" if whole else f"{left}-{right} % x {top}-{bottom} %"


def explain(
    image: Annotated[str, typer.Argument(metavar="IMAGE", help="A file or URL.")],
    id: Annotated[str, typer.Argument(metavar="ID", help="As 'sigsearch list' shows it.")],
    index: Location = None,
    all_orientations: AllOrientations = False,
    cutoff: Cutoff = CUTOFF,
    limit: Limit = LIMIT,
    where: Where = None,
    effort: Effort = EFFORT,
    allow_private: AllowPrivate = False,
    as_json: Json = False,
) -> int:
    """Say why a search finds a record or not.

    And, if not, what would have to change.

    Exit status: 0 if the search finds it, 1 if not, 2 an error.
    """
    wanted = parse_where(where or ())
    with open_there(index) as opened:
        limit_to(opened, private_addresses=allow_private)
        load_kernels()
        found = opened.explain(
            image,
            id,
            all_orientations=all_orientations,
            cutoff=cutoff,
            limit=limit,
            where=wanted,
            effort=effort,
        )
    if as_json:
        say_json(asdict(found))
    else:
        rank = "not among them" if found.candidate_rank is None else f"number {found.candidate_rank:,}"
        facts = {
            "record": found.id,
            "found": "yes" if found.found else "no",
            "distance": f"{found.distance:.4f} {found.orientation}; the cutoff is {found.cutoff}",
            "shared words": f"{found.word_matches} of {found.word_count}",
            "candidates": rank,
        }
        if found.best_distance is not None:
            facts["best of all orientations"] = f"{found.best_distance:.4f} {found.best_orientation}"
        for name, value in facts.items():
            say(f"{name}: {value}")
        for advice in found.advice:
            say(f"to find it: {advice}")
    return 0 if found.found else 1


def compare(
    a: Annotated[str, typer.Argument(metavar="A", help="A file or URL.")],
    b: Annotated[str, typer.Argument(metavar="B", help="A file or URL.")],
    cutoff: Cutoff = CUTOFF,
    allow_private: AllowPrivate = False,
    as_json: Json = False,
) -> int:
    """Measure the distance between two pictures, without an index.

    Exit status: 0 if it is below the cutoff, 1 if not, 2 an error.
    """
    load_kernels()
    distance = sigsearch.compare(a, b, limits=Limits(private_addresses=allow_private))
    below = distance < cutoff
    if as_json:
        say_json({"distance": distance, "cutoff": cutoff, "below": below})
    else:
        say(f"{distance!r} {'below' if below else 'not below'} the cutoff {cutoff}")
    return 0 if below else 1
