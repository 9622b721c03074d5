"""image-match's own index: searched by image-match and by sigsearch, and then migrated."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import numpy as np
import typer

import sigsearch
from benchmarks import metrics
from benchmarks.image_match_index import ImageMatchIndex, number_of
from benchmarks.report import Report, machine, progress, take_turns
from benchmarks.server import PATIENCE, SETTINGS, at_rest, merge, own_indexes, start_server
from benchmarks.suite.engines import WARM, Data
from benchmarks.suite.run import Plan, Settings
from benchmarks.truth import count_found, wanted
from sigsearch.bounds import EFFORT, LIMIT

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch
    from sigsearch_elasticsearch.testing import ElasticsearchServer

    from sigsearch.index import Index

THEIRS: Final = "image-match"
OURS: Final = "sigsearch"
_EFFORTS: Final = range(2, 6)
_ADDED: Final = 200
"""Records added one by one, and as many in bulk."""


def migration(
    records: Annotated[
        int, typer.Option(min=100, help="so many signatures that no query is a copy of")
    ] = 20_000,
    pictures: Annotated[
        Path | None, typer.Option(help="a folder of pictures; default: what packages ship, and made ones")
    ] = None,
    originals: Annotated[int, typer.Option(min=1, help="pictures that are edited, at most")] = 100,
    queries: Annotated[int, typer.Option(min=10, help="edited copies that are searched for, at most")] = 250,
    repeats: Annotated[int, typer.Option(min=1, help="times that orientations are timed")] = 10,
    version: Annotated[str | None, typer.Option(help="of the Elasticsearch that is started")] = None,
    raw: Annotated[Path | None, typer.Option(help="a file for the raw numbers, as JSON lines")] = None,
    seed: Annotated[int, typer.Option(min=0, help="of the signatures, the edits and the queries")] = 0,
) -> None:
    """Search an index of image-match by its own driver and by sigsearch, and migrate it.

    Both search the same index. The records and the queries are those of the suite, and the sides take turns,
    so that a busy machine hurts both alike; read the ratios.

    A server is started, and gone afterwards; SIGSEARCH_TEST_ES_URL names another one, which gets indexes
    of its own that are deleted at the end.
    """
    settings = Settings(
        mode="migration",
        pictures=pictures,
        pairs=None,
        seed=seed,
        originals=originals,
        strangers=0,
        records=(records,),
        hnsw_records=0,
        queries=queries,
        words_records=0,
        elasticsearch=True,
        version=version,
    )
    with begin(settings, repeats, raw) as run:
        data = Data(Plan(settings))
        numbers = np.arange(len(data.windows) + len(data.whole))
        run.report.part("load", "as image-match's insert_single_record sends them, but in bulk")
        theirs = ImageMatchIndex(run.client, run.name(THEIRS))
        theirs.create()
        start = time.perf_counter()
        # Whole pictures stand anywhere: of equal scores Elasticsearch gives the older record first.
        order = run.rng.permutation(numbers)
        theirs.load(data.signatures_of(order), order)
        run.report.number("records per second (two threads)", len(order) / (time.perf_counter() - start))
        merge(run.client, run.name(THEIRS))
        location = run.server.location(run.name(THEIRS), "image-match")
        with sigsearch.open(location, create=False, **run.server.options) as ours:
            search(run, data, theirs, ours)
            orientations(run, data, theirs, ours)
            migrations(run, ours, len(numbers))
            adding(run, data, theirs, ours)


@dataclass(frozen=True)
class Run:
    """One run of the command: what all parts share."""

    report: Report
    server: ElasticsearchServer
    client: Elasticsearch
    prefix: str
    repeats: int
    rng: np.random.Generator

    def name(self, what: str) -> str:
        """Of an index."""
        return f"{self.prefix}-{what}"

    def open(self, what: str) -> Index:
        """Open an index of ours, of one shard without replicas, as image-match's is."""
        location = self.server.location(self.name(what))
        return sigsearch.open(location, shards=1, replicas=0, settings=SETTINGS, **self.server.options)


@contextmanager
def begin(settings: Settings, repeats: int, raw: Path | None) -> Iterator[Run]:
    """Find or start a server, and report what is measured; the indexes of the run are deleted at its end."""
    with ExitStack() as stack:
        report = stack.enter_context(closing(Report(raw)))
        server = stack.enter_context(start_server(settings.version))
        client = stack.enter_context(server.client(request_timeout=PATIENCE))
        prefix = stack.enter_context(own_indexes(client))
        given = {"records": settings.records[0], "queries": settings.queries, "seed": settings.seed}
        report.facts(machine() | {"elasticsearch": server.version} | given)
        yield Run(report, server, client, prefix, repeats, np.random.default_rng(settings.seed))


def search(run: Run, data: Data, theirs: ImageMatchIndex, ours: Index) -> None:
    """All queries by both; what image-match found and we did not."""
    run.report.part("search", "one index, merged to one segment; the whole call of each side")
    near = data.near(len(data.windows))
    records = list(theirs.records(data.queries, np.arange(len(data.queries))))
    answers: dict[str, dict[int, list[int]]] = {THEIRS: {}}

    def ask_theirs(number: int) -> None:
        answers[THEIRS][number] = theirs.search(records[number])

    def ask_ours(effort: int, number: int) -> None:
        matches = ours.search(data.queries[number], limit=LIMIT, effort=effort)
        answers.setdefault(f"effort {effort}", {})[number] = [
            number_of(match.path) for match in matches if match.path
        ]

    steps = {THEIRS: ask_theirs} | {f"effort {effort}": partial(ask_ours, effort) for effort in _EFFORTS}
    count = len(data.queries)
    take_turns(steps, min(count, WARM), warm=False)
    run.report.times(
        take_turns(steps, count, warm=False), [(THEIRS, name) for name in steps if name != THEIRS]
    )
    for name, given in answers.items():
        _report_found(run, data, name, given, near)
    usual = f"effort {EFFORT}"
    lost = more = 0
    for number in range(count):
        found, theirs_found = set(answers[usual][number]), set(answers[THEIRS][number])
        lost += len(_missing(data, number, found, theirs_found))
        more += len(_missing(data, number, theirs_found, found))
    run.report.number(f"matches of image-match's that {usual} should give and does not", lost)
    run.report.number(f"matches of {usual} that image-match should give and does not", more)


def _report_found(
    run: Run,
    data: Data,
    name: str,
    given: Mapping[int, list[int]],
    near: list[dict[int, float]],
) -> None:
    copies = [number for number, (_, _, own) in enumerate(data.copies) if own in near[number]]
    found = sum(data.copies[number][2] in given[number] for number in copies)
    recall = metrics.share(found, len(copies))
    run.report.number(
        f"{name}: share of {len(copies)} copies found",
        recall.value,
        f"({recall.low:.1%} to {recall.high:.1%})",
    )
    every = sum(count_found(near[number], given[number]) for number in range(len(near)))
    run.report.number(f"{name}: share of all below", every / max(sum(wanted(one)[0] for one in near), 1))


def _missing(data: Data, query: int, found: set[int], known: set[int]) -> list[int]:
    """Of known matches those that an answer lacks, but for what lies beyond the last of a full one."""

    def apart(record: int) -> float:
        return sigsearch.distance(data.queries[query], data.signatures_of(np.array([record]))[0])

    last = max(map(apart, found)) if len(found) >= LIMIT else 1.0
    return [record for record in known - found if apart(record) < last]


def orientations(run: Run, data: Data, theirs: ImageMatchIndex, ours: Index) -> None:
    """Pictures in all orientations: six searches by image-match, one request of sixteen by us."""
    run.report.part("orientations", "pictures decoded; signatures, search and distances of all orientations")
    pictures = data.thumbnails
    times = take_turns(
        {
            THEIRS: lambda number: theirs.search_image(pictures[number % len(pictures)]),
            OURS: lambda number: ours.search(pictures[number % len(pictures)], all_orientations=True),
        },
        run.repeats,
    )
    run.report.times(times, [(THEIRS, OURS)])


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
        merge(run.client, run.name(OURS))
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


def adding(run: Run, data: Data, theirs: ImageMatchIndex, ours: Index) -> None:
    """One by one, as image-match does, and in bulk; signatures are ready."""
    run.report.part("add", "ready signatures, in image-match's own layout")
    stored = data.windows[:_ADDED]
    made = list(theirs.records(stored, np.arange(len(stored))))
    start = time.perf_counter()
    for record in made:
        theirs.insert(record)
    one_by_one = time.perf_counter() - start
    run.report.number("image-match's, one by one: records per second", len(made) / one_by_one)
    start = time.perf_counter()
    ours.add_many(
        sigsearch.Item(signature=row, id=f"new-{number}", path=f"/new/{number}")
        for number, row in enumerate(stored)
    )
    bulk = time.perf_counter() - start
    run.report.number("sigsearch's add_many: records per second", len(made) / bulk)
    run.report.number("sigsearch's / image-match's", one_by_one / bulk)
