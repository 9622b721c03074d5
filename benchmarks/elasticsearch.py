"""The Elasticsearch backend against image-match's own mapping and query: one server, the same signatures."""

from __future__ import annotations

import importlib
import json
import math
import os
import secrets
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property, partial
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import typer

import sigsearch
from benchmarks import edits, made
from benchmarks.image_match import ImageMatch
from benchmarks.pictures import SHIPPED, find_jpegs
from benchmarks.report import Report, Times, machine, progress, take_turns
from sigsearch.bounds import CUTOFF, EFFORT, LIMIT, MOST_EFFORT
from sigsearch.filters import Eq
from sigsearch.index import Index
from sigsearch.scheme import IMAGE_MATCH_SCHEME
from sigsearch.signatures import compute_orientations, compute_signature, encode_words

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch
    from sigsearch_elasticsearch.testing import ElasticsearchServer

HEAP: Final = "3g"
MOST_PICTURES: Final = 400
MADE_PICTURES: Final = 100
"""Whole pictures without a folder, beside the paintings."""
CHECKED: Final = 1000
"""Signatures whose words are compared with those by image-match's own code."""
WARM: Final = 200
"""Searches of each kind before those that are timed: Java optimises what it does often."""
AS_LOADED: Final = 50
"""Searches of each kind before the segments are merged."""
TOGETHER: Final = 64
"""Queries of one search_many."""
THREADS: Final = 2
"""That load image-match's index."""
EFFORTS: Final = range(1, MOST_EFFORT + 1)
THEIRS: Final = "image-match"
OURS: Final = "sigsearch"
FILTERED: Final = "where"
"""The names of their indexes."""

FASTER: Final = 6.0
"""Times that image-match's time should be ours, at its recall."""
SMALLER: Final = 8.0
NEARLY_ALL: Final = 0.99
TURNED: Final = 4.0
"""One searches, at most, that 16 orientations should cost."""

_CHUNK: Final = 4096
_SEVERAL: Final = 500
"""Documents in one bulk request to image-match's index; the backend's own number."""
_PAUSE: Final = 0.5
_QUIET: Final = 4
"""Looks at an index, with pauses between, that must be the same before it is taken to be at rest."""
_PATIENCE: Final = 7200
_SETTINGS: Final = {"store.stats_refresh_interval": "100ms"}
"""How large an index is, is told anew only every 10 s by default."""

Step = Callable[[int], object]


Records: TypeAlias = Annotated[
    int, typer.Option(min=100, help="so many signatures that no query is a copy of")
]
Pictures: TypeAlias = Annotated[
    Path | None, typer.Option(help="a folder of pictures; default: the paintings and made pictures")
]
Queries: TypeAlias = Annotated[
    int, typer.Option(min=10, help="at most so many edited copies are searched for")
]
Repeats: TypeAlias = Annotated[int, typer.Option(min=1, help="times each step beside the searches is timed")]
Version: TypeAlias = Annotated[str | None, typer.Option(help="of the Elasticsearch that is started")]
Raw: TypeAlias = Annotated[Path | None, typer.Option(help="a file for the raw numbers, as JSON lines")]
Seed: TypeAlias = Annotated[int, typer.Option(min=0, help="of the signatures, the edits and the queries")]


def elasticsearch(
    records: Records = 20_000,
    pictures: Pictures = None,
    queries: Queries = 250,
    repeats: Repeats = 20,
    version: Version = None,
    raw: Raw = None,
    seed: Seed = 0,
    keep: Annotated[
        str, typer.Option(metavar="PREFIX", help="keep the indexes, named so; if they are there, use them")
    ] = "",
) -> None:
    """Measure the Elasticsearch backend and image-match's way side by side on one server.

    Both get the same signatures: those of random windows of pictures, and those of whole pictures, of
    which edited copies are searched for. What is to be found is known from comparing each query with all
    records. The sides take turns, so that a busy machine hurts all alike; read the ratios.

    A server is started, and gone afterwards; SIGSEARCH_TEST_ES_URL names another one, which gets indexes
    of its own that are deleted at the end, but with --keep.
    """
    if keep and not os.environ.get("SIGSEARCH_TEST_ES_URL"):
        raise SystemExit("--keep is for a server that stays: name it in SIGSEARCH_TEST_ES_URL")
    with begin(records, pictures, queries, repeats, version, raw, seed, keep) as run:
        data = make_data(run)
        with ExitStack() as opened:
            sides = load(run, data, opened)
            search(run, data, sides)
            orientations(run, data, sides.ours)
        filters(run, data)


@contextmanager
def begin(
    records: int,
    pictures: Path | None,
    queries: int,
    repeats: int,
    version: str | None,
    raw: Path | None,
    seed: int,
    keep: str = "",
) -> Iterator[Run]:
    """Find or start a server, and report what is measured; the indexes of the run are deleted at its end."""
    with ExitStack() as stack:
        report = stack.enter_context(closing(Report(raw)))
        server = stack.enter_context(start_server(version))
        client = stack.enter_context(server.client(request_timeout=_PATIENCE))
        prefix = keep or f"sigsearch-benchmark-{secrets.token_hex(4)}"
        run = Run(report, server, client, prefix, records, pictures, queries, repeats, seed)
        if not keep:
            stack.callback(run.delete_indexes)
        facts = {"elasticsearch": server.version, "client": _client_version()}
        given = {"records": records, "pictures": str(pictures), "queries": queries, "seed": seed}
        report.facts(machine() | facts | given)
        yield run


@dataclass(frozen=True)
class Run:
    """One run of the command: what was asked for, and what all parts share."""

    report: Report
    server: ElasticsearchServer
    client: Elasticsearch
    prefix: str
    """Of the names of indexes."""
    records: int
    pictures: Path | None
    queries: int
    repeats: int
    seed: int

    def rng(self, purpose: str) -> np.random.Generator:
        """Random numbers that no other purpose gets."""
        return np.random.default_rng([self.seed, *purpose.encode()])

    def name(self, what: str) -> str:
        """Of an index."""
        return f"{self.prefix}-{what}"

    def open(self, what: str) -> Index:
        """Open an index of ours, of one shard without replicas, as image-match's is."""
        location = self.server.location(self.name(what))
        return sigsearch.open(location, shards=1, replicas=0, settings=_SETTINGS, **self.server.options)

    def delete_indexes(self) -> None:
        """Delete all that was made here, one by one: a server deletes nothing that a pattern names."""
        found = self.client.indices.get_settings(index=f"{self.prefix}*", expand_wildcards="all")
        for index in found:
            self.client.indices.delete(index=index, ignore_unavailable=True)


def start_server(version: str | None) -> AbstractContextManager[ElasticsearchServer]:
    """The server that is named in the environment, or one of our own."""
    try:
        from sigsearch_elasticsearch.testing import DEFAULT_VERSION, LocalElasticsearch, elasticsearch_server
    except ImportError as error:
        raise SystemExit(f"{error}: pip install 'sigsearch[elasticsearch]'") from error
    if os.environ.get("SIGSEARCH_TEST_ES_URL"):
        return elasticsearch_server()
    return LocalElasticsearch(version or DEFAULT_VERSION, full_speed=True, heap=HEAP)


def _client_version() -> str:
    return ".".join(map(str, importlib.import_module("elasticsearch").__version__))


# What is stored and what is searched for


@dataclass(frozen=True)
class Query:
    """A copy that is searched for."""

    picture: str
    edit: str
    own: int
    """The number of the record that it is a copy of."""
    distance: float
    """To that."""
    near: dict[int, float]
    """All records below the cutoff, and their distances."""

    @property
    def is_copy(self) -> bool:
        """Whether the record counts as a copy: an exact search finds it."""
        return self.distance < CUTOFF

    @cached_property
    def wanted(self) -> tuple[int, float]:
        """How many records are to be found, the nearest `LIMIT`, and the distance of the last."""
        apart = sorted(self.near.values())[:LIMIT]
        return len(apart), apart[-1] if apart else 0.0

    def found(self, answer: Sequence[int]) -> int:
        """How many of those an answer has. Of equally distant ones at the limit any will do."""
        count, most = self.wanted
        return min(count, sum(self.near.get(record, math.inf) <= most for record in set(answer)))


@dataclass(frozen=True)
class Data:
    """The signatures of all records and of the queries, and what is to be found."""

    stored: made.Signatures
    queries: list[Query]
    signatures: made.Signatures
    """Of the queries."""
    thumbnails: list[npt.NDArray[np.uint8]]
    """Some of the whole pictures, small."""

    def signature(self, number: int) -> made.Signatures:
        """One of the queries, over and over."""
        query: made.Signatures = self.signatures[number % len(self.queries)]
        return query


def make_data(run: Run) -> Data:
    """Make the signatures, and compare each query with each record."""
    report = run.report
    report.part(
        "made",
        "windows of pictures in 16 orientations; whole pictures, of which edited copies are searched for",
    )
    start = time.perf_counter()
    distractors = made.make_signatures(
        run.records,
        made.sources(run.pictures)[0],
        run.seed,
        on_advance=lambda done: progress(f"made {done:,} of {run.records:,} signatures"),
    )
    progress("")
    report.number("making signatures of windows", time.perf_counter() - start, "s")
    start = time.perf_counter()
    wanted = _choose_copies(run)
    whole, made_copies, copies = _make_copies(wanted, run.seed)
    # The first queries, which some parts take, are to be of all pictures.
    order = run.rng("order").permutation(len(copies))
    made_copies, copies = [made_copies[number] for number in order.tolist()], copies[order]
    report.number("making edited copies and their signatures", time.perf_counter() - start, "s")
    # Whole pictures stand anywhere: of equal scores Elasticsearch gives the older record first.
    places = run.rng("places").permutation(len(distractors) + len(whole))[: len(whole)]
    stored = np.empty((len(distractors) + len(whole), made.LENGTH), np.int8)
    is_window = np.ones(len(stored), bool)
    is_window[places] = False
    stored[is_window] = distractors
    stored[places] = whole
    del distractors
    report.number("windows", run.records)
    report.number("whole pictures", len(whole))
    report.number("records in all", len(stored))
    start = time.perf_counter()
    near = near_records(copies, stored)
    report.number("comparing every query with every record", time.perf_counter() - start, "s")
    queries = [
        Query(str(source), edit, int(places[number]), sigsearch.distance(copy, whole[number]), found)
        for (source, number, edit), copy, found in zip(made_copies, copies, near, strict=True)
    ]
    data = Data(stored, queries, copies, [edits.make_thumbnail(source) for source in list(wanted)[:16]])
    _report_queries(run, data)
    return data


def _choose_copies(run: Run) -> dict[edits.Source, list[str]]:
    """The whole pictures, and under which edits each is searched for."""
    rng = run.rng("copies")
    sources: list[edits.Source] = [*sorted(SHIPPED.glob("*.jpg")), *range(1000, 1000 + MADE_PICTURES)]
    if run.pictures:
        sources = [*find_jpegs(run.pictures)]
        if not sources:
            raise SystemExit(f"wanted a folder with photographs, found no JPEG in {run.pictures}")
        rng.shuffle(sources)
        sources = sources[:MOST_PICTURES]
    pairs = list(product(sources, edits.EDITS))
    chosen: dict[edits.Source, list[str]] = {source: [] for source in sources}
    for pair in sorted(rng.permutation(len(pairs))[: run.queries].tolist()):
        source, edit = pairs[pair]
        chosen[source].append(edit)
    return chosen


def _make_copies(
    wanted: Mapping[edits.Source, Sequence[str]], seed: int
) -> tuple[made.Signatures, list[tuple[edits.Source, int, str]], made.Signatures]:
    """Signatures of pictures, all different; copies as picture, its number and edit; their signatures.

    What has no features is left out: a picture with all its copies, a copy alone.
    """
    whole: list[made.Signatures] = []
    copies: list[tuple[edits.Source, int, str]] = []
    signatures: list[made.Signatures] = []
    known: set[bytes] = set()
    for (source, names), found in zip(wanted.items(), edits.make_copies(wanted, seed), strict=True):
        if found is None or not found[0].any() or found[0].tobytes() in known:
            continue
        known.add(found[0].tobytes())
        for name, signature in zip(names, found[1:], strict=True):
            if signature.any():
                copies.append((source, len(whole), name))
                signatures.append(signature)
        whole.append(found[0])
    if not copies:
        raise SystemExit("none of the copies has features")
    return np.stack(whole), copies, np.stack(signatures)


def near_records(queries: made.Signatures, stored: made.Signatures) -> list[dict[int, float]]:
    """The records below the cutoff for each query, by comparing with all; their numbers and distances."""
    wide = queries.astype(np.float32)
    own = np.einsum("ij,ij->i", wide, wide)[:, np.newaxis]
    near: list[dict[int, float]] = [{} for _ in queries]
    for start in range(0, len(stored), _CHUNK):
        part = stored[start : start + _CHUNK]
        rows = part.astype(np.float32)
        squares = np.einsum("ij,ij->i", rows, rows)
        # Whole numbers far below 2**24 are exact; the norms are not, so those a little above come along.
        between = own + squares - 2 * (wide @ rows.T)
        likely = between < ((CUTOFF + 1e-4) * (np.sqrt(own) + np.sqrt(squares))) ** 2
        for query in np.flatnonzero(likely.any(axis=1)).tolist():
            numbers = np.flatnonzero(likely[query])
            apart = sigsearch.distances(queries[query], part[numbers])
            below = zip((numbers + start).tolist(), apart.tolist(), strict=True)
            near[query].update((number, distance) for number, distance in below if distance < CUTOFF)
        progress(f"compared with {start:,} of {len(stored):,} records")
    progress("")
    return near


def _report_queries(run: Run, data: Data) -> None:
    report, queries = run.report, data.queries
    distances = np.array([query.distance for query in queries])
    near = [len(query.near) for query in queries]
    report.number("queries: copies of whole pictures", len(queries))
    report.number("edits", len({query.edit for query in queries}))
    report.number(f"copies: queries whose own record is below {CUTOFF}", int((distances < CUTOFF).sum()))
    for low, high in ((0, 0.15), (0.15, 0.3), (0.3, CUTOFF)):
        count = int(((low <= distances) & (distances < high)).sum())
        report.number(f"of them at a distance from {low} to {high}", count)
    report.number(f"pairs of a query and any record below {CUTOFF}", sum(near))
    report.number(
        f"of them among the nearest {LIMIT} of a query, which count",
        sum(query.wanted[0] for query in queries),
    )
    report.keep("queries", [[query.picture, query.edit, query.distance] for query in queries])
    report.keep("records below the cutoff", near)


# Loading


class Theirs:
    """image-match's own driver for Elasticsearch, with a client of today."""

    def __init__(self, client: Elasticsearch, index: str) -> None:
        self.image_match = ImageMatch()
        self._driver = self.image_match.driver(client, index)

    def search(self, record: Mapping[str, Any]) -> list[int]:
        """Search for a record, which took no time to make, and compute distances; the numbers of matches."""
        found = self._driver.search_single_record({**record})
        return [number_of(match["path"]) for match in found]

    def search_image(self, pixels: npt.NDArray[np.uint8]) -> int:
        """Search for a picture in all orientations that it knows; how many matches."""
        with np.errstate(all="ignore"):
            return len(self._driver.search_image(pixels, all_orientations=True))

    def insert(self, record: dict[str, Any]) -> None:
        """Add a record, as its add_image does when it has the signature."""
        self._driver.insert_single_record(record)

    def records(self, signatures: made.Signatures, first: int = 0) -> Iterator[dict[str, Any]]:
        """As image-match's make_record makes them of pictures without metadata."""
        words = encode_words(signatures, scheme=IMAGE_MATCH_SCHEME).tolist()
        for number, (signature, own) in enumerate(zip(signatures.tolist(), words, strict=True), start=first):
            named = {f"simple_word_{k}": word for k, word in enumerate(own)}
            yield {"path": _path(number), "signature": signature, **named}

    def documents(self, signatures: made.Signatures) -> Iterator[str]:
        """As its insert_single_record sends them."""
        for start in range(0, len(signatures), _CHUNK):
            for record in self.records(signatures[start : start + _CHUNK], start):
                yield json.dumps(record | {"timestamp": datetime.now().isoformat()})

    def check_words(self, signatures: made.Signatures) -> int:
        """Compare our fast words with those by image-match's own code; exit where they differ."""
        fast = encode_words(signatures, scheme=IMAGE_MATCH_SCHEME)
        for signature, words in zip(signatures, fast, strict=True):
            if not np.array_equal(self.image_match.words(signature), words):
                raise SystemExit(
                    f"WRONG: image-match's words of {signature.tolist()} are not {words.tolist()}"
                )
        return len(signatures)


@dataclass(frozen=True)
class Sides:
    """Both indexes, loaded and merged."""

    ours: Index
    theirs: Theirs
    smaller: float = math.nan
    """image-match's bytes as a multiple of ours."""


def load(run: Run, data: Data, stack: ExitStack) -> Sides:
    """Load both indexes, and one with metadata, search them as they are then, and merge their segments."""
    report, records = run.report, len(data.stored)
    report.part("load", "one shard, no replica; documents made and sent by this process")
    theirs = Theirs(run.client, run.name(THEIRS))
    sample = data.stored[run.rng("words").permutation(records)[:CHECKED]]
    report.number(
        "words by sigsearch for image-match's index, as its own code's",
        theirs.check_words(sample),
        "signatures",
    )
    ours = stack.enter_context(run.open(OURS))
    is_kept = _is_kept(run, THEIRS, records), _is_kept(run, OURS, records)
    if not is_kept[0]:
        _clear(run, THEIRS)
        start = time.perf_counter()
        load_theirs(run, theirs, data.stored)
        report_speed(run, f"image-match's index ({THREADS} threads)", records, start)
    if not is_kept[1]:
        start = time.perf_counter()
        add_all(run, ours, data.stored)
        report_speed(run, "sigsearch's index (Index.add_many, one thread)", records, start)
    with run.open(FILTERED) as filtered:
        if not _is_kept(run, FILTERED, records):
            start = time.perf_counter()
            add_all(run, filtered, data.stored, lambda number: {"hundredth": number % 100})
            report_speed(run, "another with metadata {'hundredth': 0 to 99}", records, start)
    sides = Sides(ours, theirs)
    if any(is_kept):
        report.note("an index is there from before, with as many records: taken as it is")
    _check_records(sides, data)
    _report_sizes(run, records, "as loaded, a record")
    _search_as_loaded(run, data, sides)
    report.part("merged", "all indexes merged to one segment each, old segments gone; from here on so")
    for name in (THEIRS, OURS, FILTERED):
        _wait_for_history(run, name)
        start = time.perf_counter()
        merge(run, name)
        report.number(f"merging {name}'s index, old segments gone", time.perf_counter() - start, "s")
    bytes_theirs, bytes_ours, _ = _report_sizes(run, records, "merged to one segment, a record")
    report.number("image-match's bytes / sigsearch's", bytes_theirs / bytes_ours)
    return replace(sides, smaller=bytes_theirs / bytes_ours)


def add_all(
    run: Run, index: Index, stored: made.Signatures, metadata: Callable[[int], Any] = lambda _: None
) -> None:
    """Add all records to an index of ours. As of picture files, the path is the id."""
    there = 0
    # In halves, so that there are segments to merge: what is one already is never written again.
    for half in np.array_split(np.arange(len(stored)), 2):
        items = (
            sigsearch.Item(signature=stored[i], id=_path(i), path=_path(i), metadata=metadata(i))
            for i in half.tolist()
        )
        added = index.add_many(
            items,
            on_advance=lambda _, done: progress(f"added {done:,} of {len(stored):,} records, in halves"),
        )
        there += added.added + added.skipped
        index.refresh()
    progress("")
    if there != len(stored):
        raise SystemExit(f"wanted {len(stored)} records added, found {there}")


def load_theirs(run: Run, theirs: Theirs, stored: made.Signatures) -> None:
    """Send all records as image-match does, but in bulk."""
    from elasticsearch import helpers

    # No mapping: image-match leaves it to Elasticsearch, which makes `long` of all numbers.
    name = run.name(THEIRS)
    settings = {"number_of_shards": 1, "number_of_replicas": 0, **_SETTINGS}
    run.client.indices.create(index=name, settings=settings)
    loading = helpers.parallel_bulk(
        run.client, theirs.documents(stored), thread_count=THREADS, chunk_size=_SEVERAL, index=name
    )
    for done, _ in enumerate(loading, start=1):
        if done % _CHUNK == 0:
            progress(f"added {done:,} of {len(stored):,} records")
    progress("")
    run.client.indices.refresh(index=name)
    found = run.client.count(index=name)["count"]
    if found != len(stored):
        raise SystemExit(f"wanted {len(stored)} records in image-match's index, found {found}")


def _is_kept(run: Run, what: str, records: int) -> bool:
    """Whether an index is there with so many records."""
    name = run.name(what)
    return bool(run.client.indices.exists(index=name) and run.client.count(index=name)["count"] == records)


def _clear(run: Run, what: str) -> None:
    """Delete what an earlier run began and did not end."""
    run.client.indices.delete(index=run.name(what), ignore_unavailable=True)


def _check_records(sides: Sides, data: Data) -> None:
    """Exit unless records of this run are in the indexes, each under its own number."""
    for number in range(0, len(data.stored), -(-len(data.stored) // 10)):
        signature = data.stored[number]
        [record] = sides.theirs.records(signature[np.newaxis])
        found = [number_of(match.id) for match in sides.ours.search(signature, effort=MOST_EFFORT)]
        if not {number} <= set(found) & set(sides.theirs.search(record)):
            raise SystemExit(
                "the indexes that are there are not of this seed and these pictures: delete them"
            )


def report_speed(run: Run, what: str, records: int, start: float) -> None:
    """Report the time since a start, and records per second."""
    seconds = time.perf_counter() - start
    run.report.number(f"loading {what}", seconds, "s")
    run.report.number("records per second", records / seconds)


def _report_sizes(run: Run, records: int, when: str) -> list[float]:
    """Report and give the bytes a record, of image-match's index, of ours and of ours with metadata."""
    found = []
    for name in (THEIRS, OURS, FILTERED):
        size, segments = at_rest(run.client, run.name(name))
        run.report.number(f"{name}: segments", segments)
        run.report.number(f"{name}: {when}", size / records, "bytes")
        found.append(size / records)
    return found


def at_rest(client: Elasticsearch, index: str) -> tuple[int, int]:
    """The bytes and the segments of an index, as soon as neither changes any more."""
    deadline = time.monotonic() + _PATIENCE
    seen: deque[tuple[int, int, int]] = deque(maxlen=_QUIET)
    while len(seen) < _QUIET or len(set(seen)) > 1 or seen[-1][2]:
        if time.monotonic() > deadline:
            raise SystemExit(f"{index} is not at rest after {_PATIENCE} s: {list(seen)}")
        time.sleep(_PAUSE)
        client.indices.refresh(index=index)
        client.indices.flush(index=index)
        stats = client.indices.stats(index=index, metric=["store", "segments", "merge"])["_all"]["primaries"]
        seen.append((stats["store"]["size_in_bytes"], stats["segments"]["count"], stats["merges"]["current"]))
    return seen[-1][:2]


def merge(run: Run, what: str) -> None:
    """Merge to one segment, and wait until the old ones are gone.

    Exit if that does not come about.
    """
    index = run.name(what)
    run.client.indices.forcemerge(index=index, max_num_segments=1)
    _, segments = at_rest(run.client, index)
    if segments > 1:
        raise SystemExit(f"wanted {index} of one segment, found {segments}")


def _wait_for_history(run: Run, what: str) -> None:
    """Wait until a merge drops what is kept for replicas.

    Until Elasticsearch has noted that no replica can need them any more, which it does every 30 s, it keeps
    the documents as they were sent, with the words in them. In what is merged to one segment earlier they
    stay, for nothing merges that again.
    """
    index = run.name(what)
    deadline = time.monotonic() + _PATIENCE
    while not _is_history_over(run.client, index):
        if time.monotonic() > deadline:
            raise SystemExit(f"{index} keeps its history for more than {_PATIENCE} s")
        time.sleep(_PAUSE)


def _is_history_over(client: Elasticsearch, index: str) -> bool:
    """Whether no shard keeps what it was sent for the sake of a replica."""
    client.indices.flush(index=index)
    [found] = client.indices.stats(index=index, level="shards")["indices"].values()
    shards = [shard for copies in found["shards"].values() for shard in copies]
    return all(
        lease["retaining_seq_no"] > shard["seq_no"]["max_seq_no"]
        for shard in shards
        for lease in shard["retention_leases"]["leases"]
    )


def _path(number: int) -> str:
    return f"/pictures/{number // 1000:04}/{number:08}.jpg"


def number_of(path: str) -> int:
    """The number of the record of a path."""
    return int(path[-12:-4])


# Searching


@dataclass(frozen=True)
class Score:
    """What one side found, and in what time."""

    name: str
    found: int
    copies: int
    near_found: int
    near: int
    p50: float
    p95: float

    @property
    def recall(self) -> float:
        """The share of the copies that it found."""
        return self.found / self.copies if self.copies else math.nan

    @property
    def near_recall(self) -> float:
        """The share of all records below the cutoff that it found."""
        return self.near_found / self.near if self.near else math.nan


@dataclass(frozen=True)
class Target:
    """What was aimed at, and what came out."""

    text: str
    found: float
    """Not a number where there is nothing to compare."""
    met: bool


def all_answers(data: Data, sides: Sides, efforts: Sequence[int]) -> dict[str, Callable[[int], list[int]]]:
    """How each side answers a query, given by its number; image-match first."""
    records = list(sides.theirs.records(data.signatures))

    def ours(effort: int, query: int) -> list[int]:
        found = sides.ours.search(data.signatures[query], limit=LIMIT, effort=effort)
        return [number_of(match.path) for match in found if match.path]

    answers: dict[str, Callable[[int], list[int]]] = {
        THEIRS: lambda query: sides.theirs.search(records[query])
    }
    return answers | {f"effort {effort}": partial(ours, effort) for effort in efforts}


def ask_all(
    run: Run, data: Data, answers: Mapping[str, Callable[[int], list[int]]], rounds: int
) -> tuple[Times, list[Score], dict[str, dict[int, list[int]]]]:
    """Ask each side so many queries, in turns, each at another place of them; keep and judge the answers.

    They are given back, too: those of each side, by the number of the query.

    No two sides are asked the same query one after the other, which would warm memory for the second.
    """
    found: dict[str, dict[int, list[int]]] = {name: {} for name in answers}
    starts = {name: i * rounds // len(answers) for i, name in enumerate(answers)}

    def step(name: str, number: int) -> None:
        query = (number + starts[name]) % rounds
        found[name][query] = answers[name](query)

    steps = {name: partial(step, name) for name in answers}
    take_turns(steps, min(-(-rounds // 2), WARM), warm=False)
    turns = take_turns(steps, rounds, warm=False)
    times = {name: np.roll(values, starts[name]).tolist() for name, values in turns.items()}
    scores = []
    for name, values in times.items():
        rows = [(data.queries[number], found[name][number]) for number in range(rounds)]
        hits = [int(query.own in answer) for query, answer in rows]
        near = [query.found(answer) for query, answer in rows]
        run.report.keep(f"{name}: own record found", hits)
        run.report.keep(f"{name}: records below the cutoff found", near)
        p50, p95 = (float(q) for q in np.quantile(values, [0.5, 0.95]))
        copies = [query.is_copy for query, _ in rows]
        wanted = sum(query.wanted[0] for query, _ in rows)
        own = sum(hit for hit, is_copy in zip(hits, copies, strict=True) if is_copy)
        scores.append(Score(name, own, sum(copies), sum(near), wanted, p50, p95))
    if rounds == len(data.queries):
        _report_edits(run, data.queries, found)
    return times, scores, found


def _report_edits(run: Run, queries: Sequence[Query], found: Mapping[str, Mapping[int, list[int]]]) -> None:
    """A line for each edit: queries, copies, and how many of these each side found."""
    run.report.note("copies found, by edit:")
    short = [name.replace("effort ", "e") for name in found]
    run.report.note(f"{'':53} {'queries':>7} {'copies':>6} " + " ".join(f"{name:>5.11}" for name in short))
    for edit in edits.EDITS:
        of_edit = [number for number, query in enumerate(queries) if query.edit == edit]
        copies = [number for number in of_edit if queries[number].is_copy]
        hits = [sum(queries[i].own in answers[i] for i in copies) for answers in found.values()]
        widths = [max(5, min(11, len(name))) for name in short]
        cells = " ".join(f"{hit:{width}}" for hit, width in zip(hits, widths, strict=True))
        run.report.note(f"{edit:53} {len(of_edit):7} {len(copies):6} {cells}")


def _search_as_loaded(run: Run, data: Data, sides: Sides) -> None:
    run.report.part("as loaded", "a few of the searches before the segments are merged")
    rounds = min(AS_LOADED, len(data.queries))
    answers = all_answers(data, sides, [EFFORT])
    times, scores, _ = ask_all(run, data, answers, rounds)
    theirs, ours = answers
    run.report.times(times, [(theirs, ours)])
    report_frontier(run, scores)


def search(run: Run, data: Data, sides: Sides) -> None:
    """All queries, by image-match's way and at each effort; then which targets are met."""
    run.report.part(
        "search",
        f"the whole call, limit {LIMIT}: ours with words, search, distances and the matches' records; "
        "image-match's with search and distances",
    )
    run.report.number("load average", os.getloadavg()[0])
    times, scores, _ = ask_all(run, data, all_answers(data, sides, EFFORTS), len(data.queries))
    run.report.times(times)
    report_frontier(run, scores)
    run.report.part("targets", "on indexes merged to one segment each")
    for target in targets(scores[0], scores[1:], sides.smaller):
        _report_target(run, target)


def _report_target(run: Run, target: Target) -> None:
    run.report.number(target.text, target.found, "met" if target.met else "NOT MET")


def report_frontier(run: Run, scores: Sequence[Score]) -> None:
    """The table of what is found and in what time."""
    report, theirs = run.report, scores[0]
    report.note("frontier; ratios are image-match's time / that one's:")
    for line in frontier(scores):
        report.note(line)
    for score in scores:
        low, high = wilson(score.found, score.copies)
        report.keep(f"{score.name}: copies found, of, 95 % from, to", [score.found, score.copies, low, high])
        report.keep(f"{score.name}: all below the cutoff found, of", [score.near_found, score.near])
        ratios = [theirs.p50 / score.p50, theirs.p95 / score.p95]
        report.keep(f"{score.name}: p50, p95, ratios", [score.p50, score.p95, *ratios])


def frontier(scores: Sequence[Score]) -> Iterator[str]:
    """The lines of the table; the first score is image-match's."""
    yield (
        f"{'':12} {'copies found':>12} {'':>8} {'95 % interval':>15} {'all below':>9} "
        f"{'p50 ms':>8} {'p95 ms':>8} {'p50 ratio':>9} {'p95 ratio':>9}"
    )
    theirs = scores[0]
    for score in scores:
        low, high = wilson(score.found, score.copies)
        yield (
            f"{score.name:12} {score.found:6}/{score.copies:5} {score.recall:8.2%} {low:7.2%} {high:7.2%} "
            f"{score.near_recall:9.2%} "
            f"{score.p50:8.2f} {score.p95:8.2f} {theirs.p50 / score.p50:9.2f} {theirs.p95 / score.p95:9.2f}"
        )


def wilson(found: int, of: int) -> tuple[float, float]:
    """The bounds of the share that is behind what was found, with 95 % confidence; Wilson's interval."""
    if not of:
        return 0.0, 1.0
    z = 1.959964
    share = found / of
    middle = share + z * z / (2 * of)
    half = z * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of))
    scale = 1 + z * z / of
    return max(0.0, (middle - half) / scale), min(1.0, (middle + half) / scale)


def targets(theirs: Score, ours: Sequence[Score], smaller: float) -> list[Target]:
    """What was aimed at, by the quickest effort that finds as many copies as image-match, or nearly all.

    Parameters
    ----------
    theirs : Score
    ours : sequence of Score
    smaller : float
        image-match's bytes, as a multiple of ours.
    """
    found = []
    same = _quickest(ours, theirs.recall)
    for name in ("p50", "p95"):
        ratio = getattr(theirs, name) / getattr(same, name) if same else math.nan
        text = f"image-match's {name} / {same.name if same else 'none'}'s, at its recall; wanted {FASTER:g}"
        found.append(Target(text, ratio, ratio >= FASTER))
    most = _quickest(ours, NEARLY_ALL)
    ratio = theirs.p50 / most.p50 if most else math.nan
    text = f"image-match's p50 / {most.name if most else 'none'}'s, of {NEARLY_ALL:.0%} found; wanted 1"
    found.append(Target(text, ratio, ratio >= 1))
    found.append(Target(f"image-match's bytes / ours; wanted {SMALLER:g}", smaller, smaller >= SMALLER))
    return found


def _quickest(scores: Sequence[Score], recall: float) -> Score | None:
    """That of the least median time among those that find at least such a share."""
    return min((s for s in scores if s.recall >= recall), key=lambda score: score.p50, default=None)


# Orientations, many queries, filters


def orientations(run: Run, data: Data, index: Index) -> None:
    """16 orientations against one, and many queries at once against one by one."""
    report = run.report
    report.part("orientations", f"pictures of {edits.THUMBNAIL} pixels, effort {EFFORT}")
    pictures = data.thumbnails
    turned = [compute_orientations(picture) for picture in pictures]
    plain = [compute_signature(picture)[np.newaxis] for picture in pictures]
    count = len(pictures)

    def candidates(signatures: made.Signatures) -> object:
        return index._backend.candidates(signatures, where=None, cutoff=CUTOFF, limit=LIMIT, effort=EFFORT)

    steps: dict[str, Step] = {
        "index.search(picture)": lambda number: index.search(pictures[number % count]),
        "index.search(picture, all_orientations=True)": lambda number: index.search(
            pictures[number % count], all_orientations=True
        ),
        "backend.candidates, 1 signature": lambda number: candidates(plain[number % count]),
        "backend.candidates, 16 signatures": lambda number: candidates(turned[number % count]),
    }
    one, all, single, sixteen = steps
    for step in steps.values():
        for number in range(min(WARM, run.repeats)):
            step(number)
    times = take_turns(steps, run.repeats)
    report.times(times, [(sixteen, single), (all, one)])
    ratio = float(np.median(times[all]) / np.median(times[one]))
    _report_target(run, Target(f"16 orientations / one search; wanted {TURNED:g}", ratio, ratio <= TURNED))
    report.part("many", f"search_many of {TOGETHER} signatures against so many searches")
    several = [data.signature(number) for number in range(TOGETHER)]
    many: dict[str, Step] = {
        f"search_many of {TOGETHER}": lambda _: index.search_many(several),
        f"{TOGETHER} searches": lambda _: [index.search(signature) for signature in several],
    }
    at_once, one_by_one = many
    report.times(take_turns(many, max(run.repeats // 4, 1)), [(at_once, one_by_one)])


def filters(run: Run, data: Data) -> None:
    """A filter that leaves 1 % of the records, the copy among them, against none."""
    report = run.report
    report.part("where", "a filter that leaves 1 % of the records, those of one number, against none")
    with run.open(FILTERED) as index:
        found: dict[str, list[bool]] = {"no filter": [], "1 % left": []}

        def ask(name: str, number: int) -> None:
            query = data.queries[number % len(data.queries)]
            where = Eq("hundredth", query.own % 100) if name == "1 % left" else None
            matches = index.search(data.signature(number), where=where)
            if query.is_copy:
                found[name].append(query.own in [number_of(match.id) for match in matches])

        steps = {name: partial(ask, name) for name in found}
        take_turns(steps, min(WARM, run.repeats), warm=False)
        for hits in found.values():
            hits.clear()
        none, hundredth = steps
        rounds = max(5 * run.repeats, 1)
        report.times(take_turns(steps, rounds, warm=False), [(hundredth, none)])
    for name, hits in found.items():
        report.number(f"{name}: share of the copies found", float(np.mean(hits)) if hits else math.nan)
