"""``sigsearch add``: pictures in."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

import sigsearch
from sigsearch.cli.options import Json, Location, load_kernels
from sigsearch.cli.output import Interrupted, complain, say, say_json

if TYPE_CHECKING:
    from sigsearch.records import AddReport, Item


def add(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH",
            help="Files, folders with all below them, URLs; - reads paths from standard input, one a line.",
        ),
    ],
    index: Location = None,
    metadata: Annotated[
        str | None, typer.Option(metavar="JSON", help="Metadata kept with each of the pictures.")
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Read pictures again that are there already.")
    ] = False,
    as_json: Json = False,
) -> int:
    """Add pictures to an index, which is made if it does not exist.

    Pictures that are there already are skipped, so an interrupted command can simply be repeated.

    Exit status: 0, or 2 if a picture could not be added; all others were.
    """
    given = None if metadata is None else _parse_metadata(metadata)
    load_kernels()
    with sigsearch.open(index) as opened:
        items: Iterable[Item] = _items(paths, given)
        if "-" not in paths:
            items = list(items)  # the progress bar then knows how many there are
        try:
            report = opened.add_many(items, on_conflict="replace" if replace else "skip", progress=True)
        except KeyboardInterrupt as error:
            hint = "" if replace else ", the same command goes on where it stopped"
            raise Interrupted(f"what was added is kept{hint}") from error
    if as_json:
        say_json(asdict(report))
    else:
        say(_summary(report))
    for failure in report.failures:
        complain(failure)
    return 2 if report.failures else 0


def _parse_metadata(text: str) -> Any:
    from sigsearch.errors import MetadataError
    from sigsearch.records import check_metadata

    try:
        return check_metadata(json.loads(text))
    except (ValueError, RecursionError) as error:
        if isinstance(error, MetadataError):
            raise
        raise MetadataError(
            f"""wanted metadata that is JSON, such as '{{"museum": "Louvre"}}', found {text!r}: {error}"""
        ) from error


def _items(paths: Iterable[str], metadata: Any) -> Iterator[Item]:
    from sigsearch.records import Item
    from sigsearch.sources import pictures_of

    for path in paths:
        if path == "-":
            yield from _items(_listed(), metadata)
        else:
            for picture in pictures_of(path):
                yield Item(image=picture, metadata=metadata)


def _listed() -> Iterator[str]:
    for line in sys.stdin.buffer:  # bytes: a path need not be valid in any encoding
        if line.strip():
            yield os.fsdecode(line.rstrip(b"\r\n"))


def _summary(report: AddReport) -> str:
    parts = [f"{report.added:,} added"]
    for count, what in (
        (report.replaced, "replaced"),
        (report.skipped, "already there"),
        (len(report.failures), "failed"),
    ):
        if count:
            parts.append(f"{count:,} {what}")
    summary = ", ".join(parts)
    if report.featureless:
        summary += f"; {report.featureless:,} without features will match nothing"
    return summary
