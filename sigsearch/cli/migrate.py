"""``sigsearch migrate``: all records of an index into another one, of whatever kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

import sigsearch
from sigsearch.cli.options import Json, load_kernels, open_there, parse_settings
from sigsearch.cli.output import Interrupted, complain, say, say_json

if TYPE_CHECKING:
    from sigsearch.index import Index
    from sigsearch.migration import MigrationReport, Verification


def migrate(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="The index to copy; it is only read.")],
    target: Annotated[
        str,
        typer.Argument(metavar="TARGET", help="The index to copy to, which is made if it does not exist."),
    ],
    on_damage: Annotated[
        Literal["skip", "stop", "copy"],
        typer.Option(
            metavar="skip|stop|copy",
            help="What to do with a damaged record: leave it out, end there, or copy it if its signature is "
            "whole.",
        ),
    ] = "skip",
    source_option: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="A setting of the source's backend, such as timezone=Europe/Berlin. May be repeated.",
        ),
    ] = None,
    target_option: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="The same of the target's, such as replicas=2."),
    ] = None,
    as_json: Json = False,
) -> int:
    """Copy all records of an index into another one of any kind.

    Ids, paths, metadata and time stamps are kept, and no picture is read. At the end the records are
    counted, and a sample of them is compared and searched for. Records whose id is there already
    are passed over: an interrupted command can simply be repeated, and so can a finished one, for what was
    added since.

    Exit status: 0, 1 if a record was left out or not looked at, or 2 if what is there is not what was copied.
    """
    from sigsearch.migration import migrate, target_scheme

    of_source, of_target = parse_settings(source_option), parse_settings(target_option)
    load_kernels()
    with (
        open_there(source, **of_source) as old,
        sigsearch.open(target, scheme=target_scheme(target, old), **of_target) as new,
    ):
        try:
            report = migrate(old, new, on_damage=on_damage, progress=True)
        except KeyboardInterrupt as error:
            raise Interrupted("what was copied is kept, the same command goes on where it stopped") from error
        sizes = _sizes(old, new)
    verification = report.verification
    if verification is None:  # for mypy: a finished one has it
        return 2
    if as_json:
        say_json(report.to_json())
    else:
        say(_summary(report))
        say(_verdict(verification, new.location))
        if sizes:
            say(sizes)
    for each in (*report.damaged, *report.refused, *verification.unverified, *verification.wrong):
        complain(each)
    return 2 if verification.wrong else int(not report.ok)


def _summary(report: MigrationReport) -> str:
    parts = [f"{report.added:,} added"]
    for count, what in (
        (report.present, "already there"),
        (report.repaired, "of these damaged"),
        (report.left_out, "left out"),
    ):
        if count:
            parts.append(f"{count:,} {what}")
    return f"{report.read:,} read: {', '.join(parts)}"


def _verdict(found: Verification, location: str) -> str:
    head = f"{found.records:,} records in {location}; a sample of {found.sampled:,}"
    if found.wrong:
        return f"WRONG: {head} shows {len(found.wrong):,} that are not as they should be"
    verdict = f"verified: {head} is the same there, {found.found:,} found by their signatures"
    if found.found_deep:
        verdict += f" and {found.found_deep:,} more by a search without a limit"
    if found.matches:
        verdict += f"; {found.found_too:,} of the {found.matches:,} other matches found, too"
        verdict += ", at the same distances"
    return verdict


def _sizes(old: Index, new: Index) -> str:
    before, after = (index.info().get("bytes") for index in (old, new))
    return "" if before is None or after is None else f"{before:,} bytes before, {after:,} after"
