"""What the embedded index costs with a million records and more: adding, opening, searching, deleting."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import typer

import sigsearch
from benchmarks import made, opening
from benchmarks.report import Report, Times, cores, machine, progress, take_turns
from sigsearch.bounds import CUTOFF, LIMIT
from sigsearch.filters import Eq
from sigsearch.index import Index
from sigsearch.signatures import compute_orientations
from sigsearch.testing.pictures import make_picture

QUERIES = 1000
SINGLE = 30
"""Searches of one query each that `many` measures instead of 1,000."""
CHECKED = 10
FAISS_RECORDS = 2_000_000
"""More of them would want gigabytes of memory for faiss's code alone."""
_CHUNK = 16_384


def embedded(
    records: Annotated[int, typer.Option(min=1000, help="so many signatures")] = 1_000_000,
    pictures: Annotated[
        Path | None, typer.Option(help="a folder of pictures to cut windows from; default: the paintings")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option(help="where the index is made; default: a temporary folder")
    ] = None,
    repeats: Annotated[int, typer.Option(min=1, help="times each step is timed")] = 100,
    seed: Annotated[int, typer.Option(min=0, help="of the signatures and the queries")] = 0,
    json: Annotated[Path | None, typer.Option(help="a file for the raw numbers, as JSON lines")] = None,
    only: Annotated[str, typer.Option(help="parts, with commas between; default: all")] = "",
) -> None:
    """Measure the embedded index with made-up signatures; exit 1 if a search misses anything.

    The signatures are those of random windows of pictures in their 16 orientations. What is compared is
    timed in turns, so that a busy machine hurts all of it alike; read the ratios. But for the part
    threads, everything is measured on one thread: nothing that is timed calls BLAS, and faiss's OpenMP is
    held to one.

    The parts: made, add, open, search, threads, orientations, many, where, life. Made and add are done
    for the others too; without add, an index of as many records found in the folder is taken as it is.
    """
    parts = [part.strip() for part in only.split(",")] if only else list(PARTS)
    if unknown := [part for part in parts if part not in PARTS]:
        raise SystemExit(f"no part {unknown[0]!r}; there are {', '.join(PARTS)}")
    with ExitStack() as stack:
        where = folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sigsearch-")))
        where.mkdir(parents=True, exist_ok=True)
        report = stack.enter_context(closing(Report(json)))
        run = Run(report, where, records, pictures, repeats, seed)
        run.report.facts({**machine(), "records": records, "seed": seed, "pictures": str(pictures)})
        prepare(run, add="add" in parts)
        for part, measure in PARTS.items():
            if part in parts and measure:
                measure(run)


@dataclass(frozen=True)
class Run:
    """One run of the command: what was asked for, and what all parts share."""

    report: Report
    folder: Path
    records: int
    pictures: Path | None
    repeats: int
    seed: int

    @property
    def location(self) -> Path:
        """Of the index."""
        return self.folder / "embedded.sig"

    @property
    def small(self) -> Path:
        """Of an index of one record, by which all is imported and compiled before it is timed."""
        return self.folder / "one.sig"

    @cached_property
    def signatures(self) -> made.Signatures:
        """Of the records, in the order they are added."""
        known, _ = made.sources(self.pictures)
        signatures = made.make_signatures(
            self.records,
            known,
            self.seed,
            on_advance=lambda done: progress(f"made {done:,} of {self.records:,} signatures"),
        )
        progress("")
        return signatures

    @cached_property
    def queries(self) -> made.Signatures:
        """Copies of stored signatures and strangers in turns, ``(1000, 648)``."""
        rng = self.rng("queries")
        rows = np.empty((QUERIES, made.LENGTH), np.int8)
        rows[0::2] = made.change(self.signatures[rng.integers(self.records, size=QUERIES // 2)], rng)
        _, others = made.sources(self.pictures)
        # More than are wanted, for those of one window lie together.
        strangers = np.concatenate(list(made.make_chunks(8 * QUERIES, others, self.seed + 1)))
        rows[1::2] = strangers[rng.permutation(len(strangers))[: QUERIES // 2]]
        return rows

    @property
    def few(self) -> int:
        """How often to time what takes long: 5 times if the rest is timed 100 times."""
        return max(self.repeats // 20, 1)

    def query(self, number: int) -> made.Signatures:
        """One of the queries, ``(648,)``, over and over."""
        query: made.Signatures = self.queries[number % QUERIES]
        return query

    def rng(self, purpose: str) -> np.random.Generator:
        """Random numbers that no other purpose gets."""
        return np.random.default_rng([self.seed, *purpose.encode()])

    def open(self, threads: int = 1, location: Path | None = None) -> Index:
        """Open the index, or another one."""
        return sigsearch.open(location or self.location, threads=threads)

    def items(self, metadata: Callable[[int], Any] | None = None) -> Iterator[sigsearch.Item]:
        """What is added."""
        for number, signature in enumerate(self.signatures):
            about = metadata(number) if metadata else None
            yield sigsearch.Item(signature=signature, id=_id(number), metadata=about)


def _id(number: int) -> str:
    return f"picture-{number:08}"


def _number(id: str) -> int:
    return int(id.removeprefix("picture-"))


def prepare(run: Run, *, add: bool) -> None:
    """Make the signatures, say what they are like, and add them to an index."""
    report = run.report
    report.part("made", "signatures of random windows of pictures in 16 orientations")
    start = time.perf_counter()
    signatures = run.signatures
    report.number("making them", time.perf_counter() - start, "s")
    report.number("pictures", len(set(made.sources(run.pictures)[0])))
    report.number("equal to another", made.count_duplicates(signatures))
    for name, value in made.statistics(signatures, run.rng("statistics")).items():
        report.number(name, value)
    if run.pictures:
        known, _ = made.sources(run.pictures)
        whole = made.whole_pictures(known[:: max(1, len(known) // 1000)])
        report.note(f"the same of {len(whole)} whole pictures:")
        for name, value in made.statistics(whole, run.rng("statistics")).items():
            report.number(f"{name}, whole pictures", value)
    with run.open(location=run.small) as index:
        index.add_many([sigsearch.Item(signature=signatures[0], id="one")])
        index.search(signatures[0])
    if not add and run.location.exists():
        with run.open() as index:
            found = len(index)
        if found != run.records:
            raise SystemExit(f"{run.location} has {found} records, not {run.records}; add to another folder")
        return
    if run.location.exists():
        raise SystemExit(f"{run.location} is there already; name another folder, or leave out the part add")
    report.part("add", f"{run.records:,} ready signatures, ids of {len(_id(0))} characters, no metadata")
    start = time.perf_counter()
    deque(run.items(), maxlen=0)
    report.number("making the items alone", time.perf_counter() - start, "s")
    _forget_peak()
    before = _memory("self")
    with run.open() as index:
        _add(index, run, run.items())
        for name, size in _memory("self").items():
            report.number(f"memory, growth of {name}", (size - before[name]) / 2**20, "MiB")
    _report_size(run, run.location)


def _add(index: Index, run: Run, items: Iterable[sigsearch.Item]) -> None:
    start = time.perf_counter()
    added = index.add_many(
        items, on_advance=lambda _, done: progress(f"added {done:,} of {run.records:,} records")
    )
    seconds = time.perf_counter() - start
    progress("")
    if added.added != run.records:
        raise SystemExit(f"wanted {run.records} records added, found {added}")
    run.report.number("adding, making the items included", seconds, "s")
    run.report.number("records per second", run.records / seconds)


def _report_size(run: Run, location: Path) -> int:
    """Report what a closed index takes on the disk, and give that."""
    with run.open(location=location) as index:
        info, records = index.info(), max(len(index), 1)
    files = [file for path in run.folder.glob(f"{location.name}*") for file in (path, *path.rglob("*"))]
    stats = [file.stat() for file in files if file.is_file()]
    size = sum(stat.st_blocks * 512 if hasattr(stat, "st_blocks") else stat.st_size for stat in stats)
    run.report.number("on the disk", size / 1e6, "MB")
    run.report.number("on the disk, a record", size / records, "bytes")
    run.report.number("by index.info(), a record", info["bytes"] / records, "bytes")
    run.report.number(
        "by index.info(), signature files, a record", info["signature_bytes"] / records, "bytes"
    )
    return size


def measure_open(run: Run) -> None:
    """How long a fresh process takes, and what memory a second one shares with it."""
    report = run.report
    report.part("open", "fresh processes, what was written still in the system's cache; threads=1")
    query = run.folder / "query"
    query.write_bytes(run.query(0).tobytes())
    command = [sys.executable, "-P", opening.__file__, str(run.small), str(run.location), str(query)]
    times: Times = {}
    for _ in range(run.few):
        with _Opened(command) as first, _Opened(command) as second:  # the first waits
            for step, seconds in [*first.steps.items(), *second.steps.items()]:
                times.setdefault(step, []).append(seconds * 1000)
            sizes = {
                name: _memory(str(process.pid)) | _mapped(process.pid, run.folder)
                for name, process in (("one process", first), ("another at the same time", second))
            }
    report.times(times)
    for name, found in sizes.items():
        for kind, size in found.items():
            report.number(f"{name}: {kind}", size / 2**20, "MiB")


class _Opened:
    """A process that has opened the index, searched it, and waits."""

    def __init__(self, command: list[str]) -> None:
        self._start = time.perf_counter()
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.pid = self._process.pid
        self.steps: dict[str, float] = {}

    def __enter__(self) -> _Opened:
        line = self._process.stdout.readline() if self._process.stdout else b""
        if not line:
            raise SystemExit("a fresh process could not open the index and search it")
        self.steps = json.loads(line) | {"all, from starting Python": time.perf_counter() - self._start}
        return self

    def __exit__(self, *error: object) -> None:
        self._process.communicate()


def _memory(process: str) -> dict[str, int]:
    """Bytes of a process's memory that are its own, of files, and the most there was; Linux only."""
    names = {"RssAnon": "anonymous memory", "RssFile": "mapped files", "VmHWM": "the peak"}
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return {}
    found = (line.split() for line in lines)
    return {names[key[0][:-1]]: int(key[1]) * 1024 for key in found if key and key[0][:-1] in names}


def _forget_peak() -> None:
    """Let the peak of this process's memory begin anew; Linux only."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _mapped(pid: int, folder: Path) -> dict[str, int]:
    """Bytes of the files in a folder that a process has mapped and in memory; Linux only."""
    sizes = dict.fromkeys(("Rss", "Pss", "Shared_Clean", "Private_Clean"), 0)
    ours = False
    try:
        with Path(f"/proc/{pid}/smaps").open() as lines:
            for line in lines:
                key, *rest = line.split()
                if not key.endswith(":"):
                    ours = str(folder.resolve()) in line
                elif ours and key[:-1] in sizes:
                    sizes[key[:-1]] += int(rest[0]) * 1024
    except OSError:
        return {}
    return {f"the index's files, {kind}": size for kind, size in sizes.items()}


def measure_search(run: Run) -> None:
    """One search against reading as many bytes, and against faiss; then whether the answers are right."""
    report = run.report
    report.part("search", "one thread; half of the queries are copies of stored signatures, half strangers")
    report.note("(backend.candidates is index.search without the core's rescoring)")
    with run.open() as index:
        info = index.info()
        packed, files = info["row_bytes"] * run.records, info["signature_bytes"]
        read = _reader(max(packed, files), run.rng("memory"))
        search, candidates = "index.search", "backend.candidates"
        reading, reading_files = "reading the packed rows' bytes", "reading all signature files' bytes"
        steps: dict[str, Callable[[int], object]] = {
            search: lambda number: index.search(run.query(number)),
            candidates: lambda number: _candidates(index, run.query(number)[np.newaxis]),
            reading: lambda _: read(packed),
            reading_files: lambda _: read(files),
        }
        ratios = [(search, reading), (candidates, reading), (search, reading_files)]
        if faiss := _faiss_search(run):
            steps["faiss IndexBinaryFlat"] = faiss
            ratios += [("faiss IndexBinaryFlat", search), ("faiss IndexBinaryFlat", candidates)]
        times = take_turns(steps, run.repeats)
        report.times(times, ratios)
        for name, size in ((reading, packed), (reading_files, files)):
            report.number(f"{name}: {size / 1e6:,.1f} MB", size / np.median(times[name]) / 1e6, "GB/s")
        matches = [len(index.search(run.query(number))) for number in range(2 * CHECKED)]
        report.number("matches of a copy, median", float(np.median(matches[0::2])))
        report.number("matches of a stranger, median", float(np.median(matches[1::2])))
        check_answers(run, index)


def _candidates(index: Index, queries: made.Signatures) -> object:
    return index._backend.candidates(queries, where=None, cutoff=CUTOFF, limit=LIMIT)


def _reader(most: int, rng: np.random.Generator) -> Callable[[int], int]:
    """A function that reads so many bytes of memory once, on one core."""
    numba: Any = importlib.import_module("numba")
    # Written, and with other bytes everywhere: pages of nothing but zeros may all be the same one.
    memory = rng.integers(2**64, size=most // 8 + 1, dtype=np.uint64)

    def reduce(words: npt.NDArray[np.uint64]) -> np.uint64:
        total = np.uint64(0)
        for i in range(len(words)):
            total ^= words[i]
        return total

    compiled = numba.njit(reduce)
    compiled(memory[:8])
    return lambda size: int(compiled(memory[: size // 8]))


def _faiss_search(run: Run) -> Callable[[int], object] | None:
    """A search of faiss's in all records by the code of 2,592 bits, on one thread."""
    if run.records > FAISS_RECORDS:
        run.report.note(f"faiss is left out above {FAISS_RECORDS:,} records: its code would fill the memory")
        return None
    try:
        faiss: Any = importlib.import_module("faiss")
    except ImportError:
        run.report.note("faiss is left out: pip install 'sigsearch[benchmarks]'")
        return None
    faiss.omp_set_num_threads(1)
    flat = faiss.IndexBinaryFlat(4 * made.LENGTH)
    for start in range(0, run.records, _CHUNK):
        flat.add(made.encode_bits(run.signatures[start : start + _CHUNK]))
    queries = made.encode_bits(run.queries)
    return lambda number: flat.search(queries[number % QUERIES][np.newaxis], LIMIT)


def check_answers(run: Run, index: Index) -> None:
    """Compare matches with those by comparing with all in numpy; exit 1 where one is wrong."""
    queries = run.queries[:CHECKED]
    wide = queries.astype(np.float32)
    apart = np.empty((CHECKED, run.records))
    for start in range(0, run.records, _CHUNK):
        rows = run.signatures[start : start + _CHUNK].astype(np.float32)
        # Whole numbers far below 2**24: exact in float32, whatever the order of the sums.
        squares, own = (np.einsum("ij,ij->i", m, m).astype(np.float64) for m in (rows, wide))
        between = own[:, np.newaxis] + squares - 2 * (wide @ rows.T).astype(np.float64)
        norms = np.sqrt(own)[:, np.newaxis] + np.sqrt(squares)
        apart[:, start : start + _CHUNK] = np.sqrt(between) / norms
    compared = 0
    for query, distances in zip(queries, apart, strict=True):
        for cutoff in (CUTOFF, 1.0):
            found = index.search(query, cutoff=cutoff, limit=LIMIT)
            right = np.sort(distances[distances < cutoff])[:LIMIT]
            # Of equally distant records at the limit any may be the last: distances in order, each its own.
            theirs = [distances[_number(match.id)] for match in found]
            if theirs != right.tolist() or [match.distance for match in found] != theirs:
                print(f"WRONG: below {cutoff} wanted {right}, found {found}", file=sys.stderr)
                raise typer.Exit(1)
            if len({match.id for match in found}) != len(found):
                print(f"WRONG: the same id twice in {found}", file=sys.stderr)
                raise typer.Exit(1)
            compared += len(found)
    run.report.number(f"matches of {CHECKED} queries, as by comparing with all", compared)


def measure_threads(run: Run) -> None:
    """One search on all cores against one search on one."""
    every = max(cores(), 2)
    run.report.part("threads", f"one search with threads=1 and with threads={every}")
    with run.open() as one, run.open(every) as many:
        steps: dict[str, Callable[[int], object]] = {
            "index.search, threads=1": lambda number: one.search(run.query(number)),
            f"index.search, threads={every}": lambda number: many.search(run.query(number)),
        }
        first, second = steps
        run.report.times(take_turns(steps, run.repeats), [(second, first)])


def measure_orientations(run: Run) -> None:
    """A search in all 16 orientations against one in one."""
    run.report.part("orientations", "a picture of 96 x 96 pixels in 16 orientations and in one; threads=1")
    pictures = [make_picture(2**32 + number, (96, 96)) for number in range(8)]
    signatures = [compute_orientations(picture) for picture in pictures]
    with run.open() as index:
        steps: dict[str, Callable[[int], object]] = {
            "index.search(picture)": lambda number: index.search(pictures[number % 8]),
            "index.search(picture, all_orientations=True)": lambda number: index.search(
                pictures[number % 8], all_orientations=True
            ),
            "backend.candidates, 1 signature": lambda number: _candidates(index, signatures[number % 8][:1]),
            "backend.candidates, 16 signatures": lambda number: _candidates(index, signatures[number % 8]),
        }
        one, all, single, sixteen = steps
        times = take_turns(steps, max(run.repeats // 4, 1))
        run.report.times(times, [(all, one), (sixteen, single)])


def measure_many(run: Run) -> None:
    """1,000 queries at once against one by one."""
    run.report.part("many", f"{QUERIES:,} ready signatures; threads=1")
    with run.open() as index:
        steps: dict[str, Callable[[int], object]] = {
            f"search_many of {QUERIES:,}": lambda _: index.search_many(run.queries),
            f"{QUERIES:,} searches ({SINGLE} measured, scaled)": lambda number: [
                index.search(run.query(SINGLE * number + i)) for i in range(SINGLE)
            ],
        }
        many, single = steps
        index.search(run.query(0))
        times = take_turns(steps, run.few, warm=False)
        times[single] = [value * QUERIES / SINGLE for value in times[single]]
        run.report.times(times, [(many, single)])


def measure_where(run: Run) -> None:
    """A search with a filter against one without, the first time and again."""
    report = run.report
    report.part("where", "an index of its own, with metadata: {'hundredth': 0 to 99, 'half': 0 or 1}")
    location = run.folder / "where.sig"
    if location.exists():
        raise SystemExit(f"{location} is there already; name another folder")
    with run.open(location=location) as index:
        _add(index, run, run.items(lambda number: {"hundredth": number % 100, "half": number % 2}))
    _report_size(run, location)
    filters = {"no filter": None, "1 % left": Eq("hundredth", 0), "50 % left": Eq("half", 0)}
    first: Times = {name: [] for name in filters}
    for number in range(run.few):
        for name, where in filters.items():
            with run.open(location=location) as index:
                index.search(run.query(0))  # what the first search of all costs is not the filter's
                start = time.perf_counter()
                _filtered(run, index, where, number)
                first[name].append((time.perf_counter() - start) * 1000)
    with run.open(location=location) as index:
        again = take_turns(
            {name: partial(_filtered, run, index, where) for name, where in filters.items()},
            max(run.repeats // 2, 1),
        )
    none, *others = filters
    report.note("the first time with a filter, in an index just opened and searched without one:")
    report.times(first, [(name, none) for name in others])
    report.note("again:")
    report.times(again, [(name, none) for name in others])


def _filtered(run: Run, index: Index, where: Eq | None, number: int) -> object:
    return index.search(run.query(number), where=where)


def measure_life(run: Run) -> None:
    """Deleting every tenth record, then giving their space back."""
    report = run.report
    report.part("life", "every tenth record deleted, then the index compacted")
    with run.open() as index:
        start = time.perf_counter()
        deleted = index.delete(_id(number) for number in range(0, run.records, 10))
        report.number(f"deleting {deleted:,} records", time.perf_counter() - start, "s")
    before = _report_size(run, run.location)
    with run.open() as index:
        start = time.perf_counter()
        index.compact()
        report.number("compacting", time.perf_counter() - start, "s")
    after = _report_size(run, run.location)
    report.number("on the disk, after / before compacting", after / before)


PARTS: dict[str, Callable[[Run], None] | None] = {
    "made": None,
    "add": None,
    "open": measure_open,
    "search": measure_search,
    "threads": measure_threads,
    "orientations": measure_orientations,
    "many": measure_many,
    "where": measure_where,
    "life": measure_life,
}
"""In the order they are done; the first two by `prepare`."""
