"""``sigsearch check``: is an index sound, and saving what of it is; ``compact``: giving back space."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

import sigsearch
from sigsearch.cli.options import Json, Location, load_kernels, open_there
from sigsearch.cli.output import Interrupted, say, say_json
from sigsearch.errors import BackendError, InputError

if TYPE_CHECKING:
    from sigsearch.index import Index
    from sigsearch.records import Record


def check(
    index: Location = None,
    salvage: Annotated[
        str | None,
        typer.Option(metavar="NEW_LOCATION", help="Copy all that can be read into a new index."),
    ] = None,
    as_json: Json = False,
) -> int:
    """Look for damage in an index, and save what can be read.

    A line for each problem: what is damaged, and what of it can be saved. The index itself is never
    changed.

    Exit status: 0 it is sound, 1 it is damaged, 2 an error.
    """
    with open_there(index) as opened, _new_index(salvage, opened) as new:
        problems = opened.check()
        copied = None if new is None else _copy(opened, new, problems)
        records = None
        with _noting(problems):
            records = opened.count()
        readable = sum(1 for _ in _readable(opened, problems)) if problems else records
        location = opened.location
    if as_json:
        say_json({"problems": problems, "records": records, "readable": readable, "copied": copied})
        return 1 if problems else 0
    for problem in problems:
        say(problem)
    verdict = _verdict(location, len(problems), records, readable or 0)
    if copied is not None:
        verdict += f"; {copied:,} copied to {salvage}"
    elif problems and readable:
        verdict += f": 'sigsearch check --index {location} --salvage NEW' copies them"
    say(verdict)
    return 1 if problems else 0


def _verdict(location: str, problems: int, records: int | None, readable: int) -> str:
    def some(count: int, what: str) -> str:
        return f"{count:,} {what}{'s' * (count != 1)}"

    if not problems:
        return f"{location} is sound: {some(readable, 'record')}"
    of_all = some(readable, "record") if records is None else f"{readable:,} of {some(records, 'record')}"
    return f"{some(problems, 'problem')} in {location}; {of_all} can be read whole"


@contextmanager
def _new_index(location: str | None, source: Index) -> Iterator[Index | None]:
    """An index of the same scheme to copy into, None without a location; one with records is refused."""
    if location is None:
        yield None
        return
    if os.path.realpath(location) == os.path.realpath(source.location):
        raise InputError(f"wanted a new location to copy to, found that of the index itself: {location}")
    with sigsearch.open(location, scheme=source.scheme) as new:
        if new.count():
            raise InputError(
                f"wanted a new location to copy to, found an index with records at {location}; "
                "name one where there is nothing"
            )
        yield new


def _copy(source: Index, new: Index, problems: list[str]) -> int:
    """Copy all that can be read; how many records that were."""
    load_kernels()
    try:
        report = new.add_many(_readable(source, problems), progress=True)
    except KeyboardInterrupt as error:
        raise Interrupted(f"{new.location} has a part of the records; to repeat it, name another") from error
    problems += [f"not copied: {failure}" for failure in report.failures]
    return report.added


def _readable(index: Index, problems: list[str]) -> Iterator[Record]:
    """What `Index.salvage` gives, up to where it fails; that is one of the problems."""
    with _noting(problems):
        yield from index.salvage()


@contextmanager
def _noting(problems: list[str]) -> Iterator[None]:
    """Make what a backend raises one of the problems, and go on."""
    try:
        yield
    except BackendError as error:
        if str(error) not in problems:
            problems.append(str(error))


def compact(index: Location = None) -> int:
    """Give back the space of records that were deleted or replaced.

    Exit status: 0, or 2 an error.
    """
    with open_there(index) as opened:
        before = opened.info().get("bytes")
        opened.compact()
        after = opened.info().get("bytes")
    sizes = "compacted" if before is None else f"{before:,} bytes before, {after:,} after"
    say(f"{opened.location}: {sizes}")
    return 0
