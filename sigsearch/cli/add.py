"""``sigsearch add``: pictures in."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from queue import Empty, Queue
from threading import Thread
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

import sigsearch
from sigsearch.cli.options import AllowFileUrls, AllowPrivate, Json, Location, MaxPixels, Seconds, limit_to
from sigsearch.cli.output import Interrupted, complain, say, say_json

if TYPE_CHECKING:
    from sigsearch.index import Index
    from sigsearch.records import AddReport, Item

_PAUSE: Final = 0.2
"""Seconds without a line on standard input after which what was listed so far is seen to."""
_AHEAD: Final = 1000
"""Lines of standard input that are read before they are seen to; there may be millions."""
_SHOWN: Final = 50
"""Failures that are told one by one, if there is a journal that has them all."""


def add(
    context: typer.Context,
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PATH",
            help="Files, folders with all below them, zip and tar archives, patterns ('**/*.jpg'), URLs; "
            "- reads such from standard input, one a line.",
        ),
    ] = None,
    index: Location = None,
    metadata: Annotated[
        str | None, typer.Option(metavar="JSON", help="Metadata kept with each of the pictures.")
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Read pictures again that are there already.")
    ] = False,
    prune: Annotated[
        bool,
        typer.Option("--prune", help="Delete the records of pictures that are gone from these folders."),
    ] = False,
    retry_failed: Annotated[
        bool,
        typer.Option(
            "--retry-failed",
            help="Try pictures again that could not be added before; without PATH, only these.",
        ),
    ] = False,
    once: Annotated[
        bool, typer.Option("--once", help="Of files of the same content read only the first; each is added.")
    ] = False,
    journal: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Where to keep what could not be added and why, as JSON lines; - for nowhere. "
            "Default: beside the index, or in your state folder.",
        ),
    ] = None,
    decode_side: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Of a new index: decode JPEGs at 1/2, 1/4 or 1/8, where so many pixels are left of their "
            "shorter side; 400 is a good choice.",
        ),
    ] = None,
    views: Annotated[
        Literal["whole", "regions"] | None,
        typer.Option(
            help="Of a new index: what of a picture is signed, the whole, or also regions of it, so that its "
            "crops are found and it in collages. Default: whole; of an index that exists, as it has it.",
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(metavar="N", min=0, help="Processes that decode. Default: one for each processor."),
    ] = None,
    seconds: Seconds = None,
    max_pixels: MaxPixels = None,
    allow_private: AllowPrivate = False,
    allow_file_urls: AllowFileUrls = False,
    as_json: Json = False,
) -> int:
    """Add pictures to an index, which is made if it does not exist.

    Pictures that are there already are passed over, unless their file has changed; so are those that could
    not be read before. An interrupted command can simply be repeated, and goes on where it was.

    Exit status: 0, or 2 if a picture could not be added; all others were.
    """
    given = None if metadata is None else _parse_metadata(metadata)
    if not paths and not retry_failed:
        context.fail("missing argument 'PATH', or --retry-failed")
    scheme = None if decode_side is None else sigsearch.Scheme(decode_side=decode_side)
    with sigsearch.open(index, scheme=scheme, views=views) as opened:
        limit_to(
            opened,
            seconds=seconds,
            pixels=max_pixels,
            private_addresses=allow_private,
            file_urls=allow_file_urls,
        )
        kept_in = _journal_of(opened) if journal is None else None if journal == "-" else journal
        try:
            report = opened.add_many(
                _sources(paths, given, kept_in),
                on_conflict="replace" if replace else "update",
                progress=True,
                workers=workers,
                journal=kept_in,
                retry_failed=retry_failed,
                once=once,
                vanished="prune" if prune else "report" if _is_quick(opened) else "ignore",
            )
        except KeyboardInterrupt as error:
            hint = "" if replace else ", the same command goes on where it stopped"
            raise Interrupted(f"what was added is kept{hint}") from error
    if as_json:
        say_json(asdict(report))
    else:
        say(_summary(report))
    _complain_of(report, kept_in, prune=prune)
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


def _journal_of(index: Index) -> str | None:
    """Where the failures of an index are kept: beside it, if it is a folder."""
    from sigsearch.backend import Capability
    from sigsearch.plugins import DEFAULT_SCHEME, location_scheme

    scheme = location_scheme(index.location)
    location = index.location
    if scheme == DEFAULT_SCHEME:
        location = os.path.abspath(location)
        if os.access(os.path.dirname(location), os.W_OK):
            return f"{location}.failures.jsonl"
    if Capability.DURABLE not in index.capabilities:
        return None
    import platformdirs

    folder = platformdirs.user_state_path("sigsearch", appauthor=False, ensure_exists=True)
    name = hashlib.sha256(location.encode(errors="surrogateescape")).hexdigest()[:16]
    return str(folder / f"{scheme}-{name}.failures.jsonl")


def _is_quick(index: Index) -> bool:
    """Whether files that vanished are looked for without being asked."""
    from sigsearch.backend import Capability

    return Capability.ORDERED in index.capabilities


def _sources(paths: list[str] | None, metadata: Any, journal: str | None) -> Iterable[str | Item]:
    """What to add; a list, whose length is known, if it does not come from standard input."""
    if not paths:
        from sigsearch.adding import Journal

        paths = [entry.source for entry in Journal(journal)] if journal is not None else []
    return _given(paths, metadata) if "-" in paths else list(_given(paths, metadata))


def _given(paths: Iterable[str], metadata: Any) -> Iterator[str | Item]:
    from sigsearch.records import Item
    from sigsearch.sources import PAUSE

    for path in paths:
        if path is PAUSE:
            yield path
        elif path == "-":
            yield from _given(_listed(), metadata)
        else:
            yield path if metadata is None else Item(image=path, metadata=metadata)


def _listed() -> Iterator[Any]:
    """What standard input says; a pause where it has nothing to say."""
    from sigsearch.sources import PAUSE

    lines: Queue[bytes | None] = Queue(_AHEAD)

    def listen() -> None:
        for line in sys.stdin.buffer:  # bytes: a path need not be valid in any encoding
            lines.put(line)
        lines.put(None)

    Thread(target=listen, daemon=True).start()  # nobody who wants to leave waits for the next line
    while True:
        try:
            line = lines.get(timeout=_PAUSE)
        except Empty:
            yield PAUSE
            continue
        if line is None:
            return
        if line.strip():
            yield os.fsdecode(line.rstrip(b"\r\n"))


def _summary(report: AddReport) -> str:
    parts = [f"{report.added:,} added"]
    for count, what in (
        (report.replaced, "replaced"),
        (report.skipped, "already there"),
        (len(report.failures), "failed"),
        (len(report.vanished) - report.pruned, "vanished"),
        (report.pruned, "pruned"),
    ):
        if count:
            parts.append(f"{count:,} {what}")
    summary = ", ".join(parts)
    if report.duplicates:
        summary += f"; {report.duplicates:,} of the content of another and not read"
    if report.featureless:
        summary += f"; {report.featureless:,} without features will match nothing"
    read = report.added + report.replaced
    if report.seconds >= 10.0 and read:
        summary += f"; {report.seconds:,.0f} s, {read / report.seconds:,.0f} pictures/s"
    return summary


def _complain_of(report: AddReport, journal: str | None, *, prune: bool) -> None:
    """Tell what could not be added and what is gone."""
    shown = len(report.failures) if journal is None else _SHOWN
    for failure in report.failures[:shown]:
        complain(failure)
    if len(report.failures) > shown:
        complain(f"and {len(report.failures) - shown:,} more; all of them and why are in {journal}")
    if report.failed_before:
        complain(f"{report.failed_before:,} of these failed before and were not tried; --retry-failed does")
    left = len(report.vanished) - report.pruned
    if left and not prune:
        gone = f"{report.vanished[0]} is" if left == 1 else f"{report.vanished[0]} and {left - 1:,} more are"
        complain(f"{gone} no longer there; --prune deletes such records")
    elif left:
        complain(f"{left:,} records were not deleted: no picture at all is found where they were")
