"""image-match's own index: searched by image-match and by sigsearch, and then migrated."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import sigsearch
from benchmarks.elasticsearch import (
    OURS,
    THEIRS,
    Data,
    Pictures,
    Queries,
    Raw,
    Records,
    Repeats,
    Run,
    Seed,
    Sides,
    Theirs,
    Version,
    all_answers,
    ask_all,
    at_rest,
    begin,
    load_theirs,
    make_data,
    merge,
    report_frontier,
    report_speed,
)
from benchmarks.report import progress, take_turns
from sigsearch.bounds import EFFORT, LIMIT

if TYPE_CHECKING:
    from sigsearch.index import Index

_EFFORTS: Final = range(2, 6)
_ADDED: Final = 200
"""Records added one by one, and as many in bulk."""


def migration(
    records: Records = 20_000,
    pictures: Pictures = None,
    queries: Queries = 250,
    repeats: Repeats = 10,
    version: Version = None,
    raw: Raw = None,
    seed: Seed = 0,
) -> None:
    """Search an index of image-match by its own driver and by sigsearch, and migrate it.

    Both search the same index. The records and the queries are those of the command elasticsearch, and the
    sides take turns, so that a busy machine hurts both alike; read the ratios.
    """
    with begin(records, pictures, queries, repeats, version, raw, seed) as run:
        data = make_data(run)
        run.report.part("load", "as image-match's insert_single_record sends them, but in bulk")
        theirs = Theirs(run.client, run.name(THEIRS))
        start = time.perf_counter()
        load_theirs(run, theirs, data.stored)
        report_speed(run, "image-match's index (two threads)", len(data.stored), start)
        merge(run, THEIRS)
        location = run.server.location(run.name(THEIRS), "image-match")
        with sigsearch.open(location, create=False, **run.server.options) as ours:
            search(run, data, Sides(ours, theirs))
            orientations(run, data, Sides(ours, theirs))
            migrations(run, ours, len(data.stored))
            adding(run, data, Sides(ours, theirs))


def search(run: Run, data: Data, sides: Sides) -> None:
    """All queries by both; what image-match found and we did not."""
    run.report.part("search", "one index, merged to one segment; the whole call of each side")
    times, scores, answers = ask_all(run, data, all_answers(data, sides, list(_EFFORTS)), len(data.queries))
    run.report.times(times, [(THEIRS, f"effort {effort}") for effort in _EFFORTS])
    report_frontier(run, scores)
    usual = f"effort {EFFORT}"
    lost = more = 0
    for number in range(len(data.queries)):
        found, known = set(answers[usual][number]), set(answers[THEIRS][number])
        lost += len(_missing(data, number, found, known))
        more += len(_missing(data, number, known, found))
    run.report.number(f"matches of image-match's that {usual} should give and does not", lost)
    run.report.number(f"matches of {usual} that image-match should give and does not", more)


def _missing(data: Data, query: int, found: set[int], known: set[int]) -> list[int]:
    """Of known matches those that an answer lacks, but for what lies beyond the last of a full one."""

    def apart(record: int) -> float:
        return sigsearch.distance(data.signatures[query], data.stored[record])

    last = max(map(apart, found)) if len(found) >= LIMIT else 1.0
    return [record for record in known - found if apart(record) < last]


def orientations(run: Run, data: Data, sides: Sides) -> None:
    """Pictures in all orientations: six searches by image-match, one request of sixteen by us."""
    run.report.part("orientations", "pictures decoded; signatures, search and distances of all orientations")
    pictures = data.thumbnails
    times = take_turns(
        {
            THEIRS: lambda number: sides.theirs.search_image(pictures[number % len(pictures)]),
            "sigsearch": lambda number: sides.ours.search(
                pictures[number % len(pictures)], all_orientations=True
            ),
        },
        run.repeats,
    )
    run.report.times(times, [(THEIRS, "sigsearch")])


def migrations(run: Run, source: Index, records: int) -> None:
    """Into an index of our own on the same server, and into an embedded one; each run again."""
    size, _ = at_rest(run.client, run.name(THEIRS))
    run.report.part("migrate", "on one thread; reading, checking words, writing, verifying")
    run.report.number("image-match's index, a record", size / records, "bytes")
    with tempfile.TemporaryDirectory() as folder:
        with sigsearch.open(Path(folder) / "photos.sig") as embedded:
            _migrate(run, source, embedded, "the embedded index")
            run.report.number("the embedded index, a record", embedded.info()["bytes"] / records, "bytes")
        with run.open(OURS) as server:
            _migrate(run, source, server, "elasticsearch://")
        merge(run, OURS)
        size, _ = at_rest(run.client, run.name(OURS))
        run.report.number("elasticsearch://, a record, merged", size / records, "bytes")


def _migrate(run: Run, source: Index, target: Index, name: str) -> None:
    for again in ("", ", a second run"):
        start = time.perf_counter()
        done = sigsearch.migrate(
            source, target, on_advance=lambda report: progress(f"{report.read:,} records read")
        )
        progress("")
        seconds = time.perf_counter() - start
        found = done.verification
        if found is None or found.wrong or done.left_out:
            raise SystemExit(f"WRONG: migrating into {name}: {done.to_json()}")
        run.report.number(f"into {name}{again}", seconds, "s")
        run.report.number(f"into {name}{again}: records per second", done.read / seconds)
        run.report.number(f"into {name}{again}: other matches in the source", found.matches)
        run.report.number(f"into {name}{again}: of these found", found.found_too)


def adding(run: Run, data: Data, sides: Sides) -> None:
    """One by one, as image-match does, and in bulk; signatures are ready."""
    run.report.part("add", "ready signatures, in image-match's own layout")
    stored = data.stored[:_ADDED]
    made = list(sides.theirs.records(stored))
    start = time.perf_counter()
    for record in made:
        sides.theirs.insert(record)
    one_by_one = time.perf_counter() - start
    run.report.number("image-match's, one by one: records per second", len(made) / one_by_one)
    start = time.perf_counter()
    sides.ours.add_many(
        sigsearch.Item(signature=row, id=f"new-{number}", path=f"/new/{number}")
        for number, row in enumerate(stored)
    )
    bulk = time.perf_counter() - start
    run.report.number("sigsearch's add_many: records per second", len(made) / bulk)
    run.report.number("sigsearch's / image-match's", one_by_one / bulk)
