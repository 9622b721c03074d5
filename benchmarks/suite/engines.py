"""Searching many records: recall, latency, throughput, loading and bytes of each engine, as they grow."""

from __future__ import annotations

import tempfile
import time
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

import sigsearch
from benchmarks import made, pdq
from benchmarks.edits import Source, make_copies, make_thumbnail
from benchmarks.image_match_index import CHECKED
from benchmarks.peers.engines import (
    Answer,
    DenseVectors,
    Embedded,
    Engine,
    FaissPdq,
    FaissSignatures,
    ImageMatchOnServer,
    Numbers,
    OursOnServer,
)
from benchmarks.report import take_turns
from benchmarks.server import own_indexes
from benchmarks.suite.rows import Keep
from benchmarks.suite.run import Plan, Run
from benchmarks.truth import count_found, near_records
from sigsearch.bounds import CUTOFF, LIMIT
from sigsearch.index import FeaturelessWarning, Index

if TYPE_CHECKING:
    from sigsearch_elasticsearch.testing import ElasticsearchServer

WARM: Final = 200
"""Searches of each way before those that are timed: Java optimises what it does often."""
THREADS: Final = 2
TOGETHER: Final = 200
"""Queries of a measurement of throughput."""
FIRST: Final = 3
"""Times that the first search after opening is measured."""
TURNS: Final = 50
"""Searches in all orientations."""


def measure(run: Run, server: ElasticsearchServer | None) -> None:
    """Let all engines grow to each size, and ask them the same queries there.

    Units are the sizes: a run that goes on loads what was there, unmeasured, and goes on with the next size.
    """
    sizes = run.settings.records
    missing = _missing(run)
    if not missing:
        return
    run.note(f"engines: making {max(sizes):,} distractors and {run.settings.queries:,} copies")
    data = Data(run)
    with ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore", FeaturelessWarning)  # some copies have none: they are to be lost
        engines = _start_engines(run, data, server, stack)
        loaded = 0
        for size in [size for size in sizes if size <= missing[-1]]:
            fitting = [engine for engine in engines if _fits(run, engine, size)]
            if size not in missing:
                _load(fitting, data, loaded, size, lambda kind, **fields: None)
            else:
                run.note(f"engines: {size:,} records")
                with run.rows.unit(_unit(size)) as keep:
                    # In two minutes there is no time to wait until a merge drops what was sent.
                    merged = run.settings.mode != "quick"
                    _grow(data, fitting, loaded, size, keep, merged=merged)
                    if size == max(sizes):
                        _turned(data, fitting, size, keep)
            loaded = size


def is_done(run: Run) -> bool:
    """Whether all sizes are measured already."""
    return not _missing(run)


def _missing(run: Run) -> list[int]:
    return [size for size in run.settings.records if _unit(size) not in run.rows.done]


def _unit(size: int) -> str:
    return f"engines/{size}"


def _fits(run: Run, engine: Engine, size: int) -> bool:
    return not isinstance(engine, DenseVectors) or size <= run.settings.hnsw_records


class Data:
    """The signatures of all records and queries; records are numbered, windows first.

    Attributes
    ----------
    windows : ndarray of int8, shape (max(records), 648)
    whole : ndarray of int8, shape (n, 648)
        Those of the pictures that copies are made of; all sizes have them.
    copies : list of (str, str, int)
        Picture, edit, and the number of the record that is to be found.
    queries : ndarray of int8, shape (m, 648)
    """

    def __init__(self, plan: Plan) -> None:
        settings = plan.settings
        self._seed = settings.seed
        known = [source for source in made.sources(settings.pictures)[0] if source not in plan.originals]
        self.sources: list[Source] = known or made.sources(settings.pictures)[0]
        self.windows = made.make_signatures(max(settings.records), self.sources, settings.seed)
        self._wanted = plan.choose_copies("queries")
        whole: list[made.Signatures] = []
        queries: list[made.Signatures] = []
        copies: list[tuple[str, str, int]] = []
        described = make_copies(self._wanted, settings.seed)
        self._used = [found is not None and bool(found[0].any()) for found in described]
        for (source, names), found in zip(self._wanted.items(), described, strict=True):
            if found is not None and found[0].any():
                copies += [(plan.name(source), name, len(self.windows) + len(whole)) for name in names]
                whole.append(found[0])
                queries += list(found[1:])
        if not queries:
            raise SystemExit("none of the pictures can be read and has features")
        # The first queries, which some parts take, are to be of all pictures.
        self._order = plan.rng("order").permutation(len(queries))
        self.copies = [copies[i] for i in self._order.tolist()]
        self.queries: made.Signatures = np.stack(queries)[self._order]
        self.whole: made.Signatures = np.stack(whole)

    @property
    def whole_numbers(self) -> Numbers:
        """Of the records that are whole pictures."""
        numbers: Numbers = len(self.windows) + np.arange(len(self.whole))
        return numbers

    @cached_property
    def thumbnails(self) -> list[npt.NDArray[np.uint8]]:
        """Some of the whole pictures, small."""
        used = [source for source, is_used in zip(self._wanted, self._used, strict=True) if is_used]
        return [make_thumbnail(source) for source in used[:16]]

    @property
    def query_codes(self) -> pdq.Codes:
        """PDQ of the copies, ``(m, 32)`` uint8."""
        return self._codes[1]

    @cached_property
    def _codes(self) -> tuple[pdq.Codes, pdq.Codes]:
        """PDQ of the whole pictures and of the copies."""
        described = make_copies(self._wanted, self._seed, describe=pdq.describe)
        used = [
            found
            for found, is_used in zip(described, self._used, strict=True)
            if is_used and found is not None
        ]
        return np.stack([found[0] for found in used]), np.concatenate([f[1:] for f in used])[self._order]

    @cached_property
    def _window_codes(self) -> pdq.Codes:
        return pdq.window_codes(len(self.windows), self.sources, self._seed)

    def near(self, size: int) -> list[dict[int, float]]:
        """For each query the records below the cutoff among so many windows and all whole pictures."""
        left_out = range(size, len(self.windows))
        return [
            {number: apart for number, apart in found.items() if number not in left_out}
            for found in self._near
        ]

    @cached_property
    def _near(self) -> list[dict[int, float]]:
        """The same among all records."""
        windows = near_records(self.queries, self.windows)
        whole = near_records(self.queries, self.whole, len(self.windows))
        return [one | other for one, other in zip(windows, whole, strict=True)]

    def signatures_of(self, numbers: Numbers) -> made.Signatures:
        """Of records."""
        is_window = numbers < len(self.windows)
        found = np.empty((len(numbers), self.windows.shape[1]), np.int8)
        found[is_window] = self.windows[numbers[is_window]]
        found[~is_window] = self.whole[numbers[~is_window] - len(self.windows)]
        return found

    def codes_of(self, numbers: Numbers) -> npt.NDArray[np.uint8]:
        """PDQ of records: of whole pictures their own, of windows that of others of the same pictures."""
        is_window = numbers < len(self.windows)
        found = np.empty((len(numbers), 32), np.uint8)
        found[is_window] = self._window_codes[numbers[is_window]]
        found[~is_window] = self._codes[0][numbers[~is_window] - len(self.windows)]
        return found


def _start_engines(
    run: Run, data: Data, server: ElasticsearchServer | None, stack: ExitStack
) -> list[Engine]:
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sigsearch-benchmark-")))
    data.codes_of(np.arange(1))  # all are made now: loading is of ready codes, as of ready signatures
    faiss_pdq = FaissPdq(folder, data.codes_of)
    faiss_pdq.queries = data.query_codes
    with sigsearch.open(folder / "first.sig") as index:  # what the first record of all costs is numba's
        index.add_many([sigsearch.Item(signature=data.windows[0], id="one")])
    engines: list[Engine] = [Embedded(folder), FaissSignatures(folder, data.signatures_of), faiss_pdq]
    if server is not None:
        prefix = stack.enter_context(own_indexes(stack.enter_context(server.client())))
        theirs = ImageMatchOnServer(server, f"{prefix}-image-match")
        sample = data.windows[run.rng("words").permutation(len(data.windows))[:CHECKED]]
        theirs.theirs.check_words(sample)
        engines += [OursOnServer(server, f"{prefix}-sigsearch"), theirs]
        engines.append(DenseVectors(server, f"{prefix}-vectors"))
    for engine in engines:
        stack.callback(engine.close)
    return engines


def _load(engines: Iterable[Engine], data: Data, before: int, size: int, keep: Keep) -> None:
    """Add the windows up to a size, and the whole pictures in the middle of them, in the place of before.

    Of equal candidates Elasticsearch gives the older first: whole pictures must not be the oldest.
    """
    middle = (before + size) // 2
    parts: list[tuple[Numbers, bool]] = [
        (np.arange(before, middle), False),
        (data.whole_numbers, True),
        (np.arange(middle, size), False),
    ]
    for engine in engines:
        seconds = 0.0
        for numbers, named in parts:
            signatures = data.signatures_of(numbers)
            start = time.perf_counter()
            engine.load(signatures, numbers, named=named)
            seconds += time.perf_counter() - start
        added = sum(len(numbers) for numbers, _ in parts)
        keep("load", engine=engine.name, records=size, added=added, seconds=seconds)


def _grow(data: Data, engines: Sequence[Engine], before: int, size: int, keep: Keep, *, merged: bool) -> None:
    """One size: load, sizes, merge, searches, throughput, first searches."""
    near = data.near(size)
    for number, ((picture, edit, own), found) in enumerate(zip(data.copies, near, strict=True)):
        apart = sigsearch.distance(data.queries[number], data.signatures_of(np.array([own]))[0])
        keep(
            "query",
            records=size,
            number=number,
            picture=picture,
            edit=edit,
            own_distance=apart,
            near=len(found),
        )
    _load(engines, data, before, size, keep)
    stored = size + len(data.whole)
    for engine in engines:
        _keep_size(engine, size, stored, "as loaded", keep)
    for engine in engines if merged else ():
        start = time.perf_counter()
        engine.merge()
        keep("merge", engine=engine.name, records=size, seconds=time.perf_counter() - start)
        _keep_size(engine, size, stored, "merged", keep)
    ways = {name: answer for engine in engines for name, answer in engine.ways(data.queries).items()}
    _search(data, near, ways, size, keep)
    for name, answer in ways.items():
        count = min(TOGETHER, len(data.queries))
        start = time.perf_counter()
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(answer, range(count)))
        seconds = time.perf_counter() - start
        keep("throughput", engine=name, records=size, threads=THREADS, queries=count, seconds=seconds)
    for engine in engines:
        first = [1000 * engine.first_search(data.queries[number]) for number in range(FIRST)]
        keep("first_search", engine=engine.name, records=size, ms=first)


def _keep_size(engine: Engine, size: int, stored: int, when: str, keep: Keep) -> None:
    disk, memory = engine.disk_bytes(), engine.memory_bytes()
    keep(
        "size",
        engine=engine.name,
        records=size,
        when=when,
        stored=stored,
        disk_bytes=disk,
        memory_bytes=memory,
    )


def _search(
    data: Data, near: Sequence[Mapping[int, float]], ways: Mapping[str, Answer], size: int, keep: Keep
) -> None:
    """Ask all queries each way, in turns.

    No two ask the same query one after the other, which would warm memory for the second.
    """
    count = len(data.queries)
    answers: dict[str, dict[int, list[int]]] = {name: {} for name in ways}
    starts = {name: i * count // len(ways) for i, name in enumerate(ways)}

    def step(name: str, number: int) -> None:
        query = (number + starts[name]) % count
        answers[name][query] = ways[name](query)

    steps = {name: partial(step, name) for name in ways}
    take_turns(steps, min(count, WARM), warm=False)
    times = take_turns(steps, count, warm=False)
    for name, found in answers.items():
        keep(
            "searches",
            engine=name,
            records=size,
            limit=LIMIT,
            cutoff=CUTOFF,
            queries=list(range(count)),
            ms=np.roll(times[name], starts[name]),
            found=[int(own in found[number]) for number, (_, _, own) in enumerate(data.copies)],
            near_found=[count_found(near[number], found[number]) for number in range(count)],
        )


def _turned(data: Data, engines: Sequence[Engine], size: int, keep: Keep) -> None:
    """What 16 orientations cost."""
    for engine in engines:
        if isinstance(engine, (Embedded, OursOnServer)):
            times = _in_turns(
                one=partial(_search_turned, engine.index, data, False),
                all=partial(_search_turned, engine.index, data, True),
            )
            keep("orientations", engine=engine.name, records=size, one_ms=times["one"], all_ms=times["all"])


def _search_turned(index: Index, data: Data, every: bool, number: int) -> object:
    return index.search(data.thumbnails[number % len(data.thumbnails)], all_orientations=every)


def _in_turns(**steps: Callable[[int], object]) -> dict[str, list[float]]:
    return take_turns(steps, TURNS)
