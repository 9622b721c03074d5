"""How far copies and strangers are apart, by each descriptor, on the same pictures."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import nullcontext
from functools import lru_cache, partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks import made
from benchmarks.edits import Source, edited, load
from benchmarks.peers.descriptors import Codes, Descriptor, Pixels, descriptors
from benchmarks.report import cores
from benchmarks.suite.realism import keep_realism
from benchmarks.suite.rows import Keep
from benchmarks.suite.run import MADE, Run
from sigsearch.batches import batched

GROUP: Final = 20
"""Originals of a unit."""
NEAREST: Final = 5
"""Windows that are told of each query."""
LOOK_ALIKES: Final = 20
"""Nearest pairs of different pictures that are told of each descriptor."""
_CHUNK: Final = 256
"""Codes that are compared with all others at once."""
_FEW: Final = 200
"""Pictures and copies that are described in this process: to start others takes longer."""


class Described(NamedTuple):
    """A picture and its copies, by each descriptor."""

    size: tuple[int, int]
    """Width and height, as it is edited."""
    stored: dict[str, Codes]
    """The picture's own code, ``(k,)``."""
    asked: dict[str, Codes]
    """Of each copy, ``(copies, m, k)``."""
    ms: dict[str, float]
    """What describing the picture for a search took."""


class Records(NamedTuple):
    """What every query is compared with: the originals first, then strangers."""

    sources: list[Source | None]
    """None: a window."""
    codes: dict[str, Codes]
    originals: int


def measure(run: Run) -> None:
    """Describe originals, their copies and strangers by all descriptors, and compare each copy with all."""
    groups = [f"descriptors/copies {number}" for number in range(-(-run.settings.originals // GROUP))]
    if all(unit in run.rows.done for unit in [*groups, "descriptors/records", "descriptors/pairs"]):
        return
    there, absent = descriptors()
    pool: Any = nullcontext()
    if (run.settings.originals * len(run.edits) + run.settings.strangers) > _FEW:
        # Spawned: a fork would share the threads' locks that numba or a library of numpy's holds.
        pool = ProcessPoolExecutor(cores(), mp_context=get_context("spawn"))
    with pool as workers:
        _measure(run, there, absent, groups, workers)


def _measure(
    run: Run,
    there: dict[str, Descriptor],
    absent: dict[str, str],
    groups: list[str],
    workers: Executor | None,
) -> None:
    run.note(f"descriptors: {', '.join(there)}")
    records, first = _describe_records(run, workers)
    if "descriptors/records" not in run.rows.done:
        with run.rows.unit("descriptors/records") as keep:
            _keep_descriptors(there, absent, keep)
            _keep_records(run, records, first, keep)
            _keep_look_alikes(run, there, records, keep)
            keep_realism(run, keep)
    usable = [source for source in run.originals if source in first]
    for unit, group in zip(groups, batched(usable, GROUP), strict=False):
        if unit in run.rows.done:
            continue
        run.note(f"{unit} of {len(groups)}: {len(group) * len(run.edits):,} copies")
        with run.rows.unit(unit) as keep:
            task = partial(_describe_copies, run.edits, run.settings.seed)
            for source, described in zip(group, _map(workers, task, group), strict=True):
                asked = described.asked if described else {}
                _keep_copies(run, there, source, asked, records, keep)
    for unit in groups[-(-len(usable) // GROUP) :]:
        if unit not in run.rows.done:
            with run.rows.unit(unit):  # there are fewer pictures than were asked for
                pass
    if "descriptors/pairs" not in run.rows.done:
        with run.rows.unit("descriptors/pairs") as keep:
            _keep_pairs(run, there, workers, keep)


# Describing


@lru_cache
def _descriptors() -> dict[str, Descriptor]:
    """Those that are there, made once in each process."""
    return descriptors()[0]


def _describe_copies(names: Sequence[str], seed: int, source: Source) -> Described | None:
    """A picture and its copies under these edits; None if it cannot be read."""
    try:
        picture = load(source)
    except Exception:
        return None
    rgb = np.asarray(picture)
    stored: dict[str, Codes] = {}
    ms: dict[str, float] = {}
    for name, descriptor in _descriptors().items():
        stored[name] = descriptor.describe(rgb)
        start = time.perf_counter()  # the first of all loads and compiles what it needs
        descriptor.ask(rgb)
        ms[name] = (time.perf_counter() - start) * 1000
    copies = [np.asarray(edited(picture, name, (seed,))) for name in names]
    asked = {
        name: np.stack([descriptor.ask(copy) for copy in copies])
        for name, descriptor in _descriptors().items()
        if copies
    }
    return Described(picture.size, stored, asked, ms)


def _describe_all(windows: Iterable[Pixels]) -> list[dict[str, Codes]]:
    """The codes of pictures that are stored, by descriptor."""
    return [
        {name: descriptor.describe(rgb) for name, descriptor in _descriptors().items()} for rgb in windows
    ]


def _map(workers: Executor | None, task: Any, sources: Sequence[Source]) -> Iterator[Any]:
    return workers.map(task, sources, chunksize=1) if workers else map(task, sources)


def _describe_records(run: Run, workers: Executor | None) -> tuple[Records, dict[Source, Described]]:
    """The records, and what is known of the originals that can be read.

    Half of the strangers are whole pictures, if there are so many, the others windows of pictures that are
    none of the originals and do not show the same.
    """
    task = partial(_describe_copies, (), run.settings.seed)
    originals = run.originals
    found = dict(zip(originals, _map(workers, task, originals), strict=True))
    first: dict[Source, Described] = {source: each for source, each in found.items() if each}
    if not first:
        raise SystemExit("none of the pictures can be read")
    half = run.settings.strangers // 2
    if run.settings.pictures:
        candidates = [source for source in run.pictures if source not in found]
        run.rng("whole strangers").shuffle(candidates)
    else:
        candidates = [*range(2 * MADE, 2 * MADE + half)]
    run.note(f"descriptors: {half:,} whole pictures and {run.settings.strangers - half:,} windows")
    whole = {
        source: described.stored
        for source, described in zip(candidates[:half], _map(workers, task, candidates[:half]), strict=True)
        if described
    }
    cut_from = run.window_sources or made.sources(run.settings.pictures)[0]
    count = run.settings.strangers - len(whole)
    windows: list[dict[str, Codes]] = []
    each = made.windows_of_each(count, cut_from)
    workers_count = cores() if workers else 0
    for part in made.describe_windows(cut_from, each, run.settings.seed + 1, _describe_all, workers_count):
        windows += part
        if len(windows) >= count:
            break
    rows = [*(each.stored for each in first.values()), *whole.values(), *windows[:count]]
    codes = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
    sources: list[Source | None] = [*first, *whole, *[None] * (len(rows) - len(first) - len(whole))]
    return Records(sources, codes, len(first)), first


# Rows


def _keep_descriptors(there: Mapping[str, Descriptor], absent: Mapping[str, str], keep: Keep) -> None:
    for name, one in there.items():
        keep(
            "descriptor",
            name=name,
            bytes=one.bytes,
            cutoff=one.cutoff,
            cutoff_source=one.cutoff_source,
            note=one.note,
        )
    for name, why in absent.items():
        keep("absent", what=name, why=why)


def _keep_records(
    run: Run,
    records: Records,
    first: Mapping[Source, Described],
    keep: Keep,
) -> None:
    unread = len(run.originals) - len(first)
    if unread:
        keep("absent", what=f"{unread} of the pictures", why="they cannot be read")
    for source, described in first.items():
        width, height = described.size
        keep(
            "original",
            picture=run.name(source),
            width=width,
            height=height,
            featureless=not described.stored["sigsearch"].any(),
            describe_ms=described.ms,
        )
    there = set(records.sources)
    told = set()
    for a, others in run.same.items():
        for b, why in others.items():
            if a in first and b in there and frozenset((a, b)) not in told:
                told.add(frozenset((a, b)))
                keep("ignored", a=run.name(a), b=run.name(b), why=why)
    windows = records.sources.count(None)
    keep("stranger_records", windows=windows, pictures=len(records.sources) - records.originals - windows)


def _keep_look_alikes(run: Run, there: Mapping[str, Descriptor], records: Records, keep: Keep) -> None:
    """The nearest pairs of an original and another whole picture, each pair once."""
    whole = [place for place, source in enumerate(records.sources) if source is not None]
    for name, descriptor in there.items():
        codes = records.codes[name][whole]
        nearest: list[tuple[float, int, int]] = []
        for one in range(records.originals):
            apart = descriptor.distances(codes[one : one + 1], codes)[0]
            apart[_left_out(run, one, records.sources[: len(whole)])] = np.inf
            apart[: one + 1] = np.inf  # a pair of originals is met twice
            others = np.argsort(apart, kind="stable")[:3].tolist()
            nearest += [(float(apart[i]), one, i) for i in others if np.isfinite(apart[i])]
        for apart_by, one, other in sorted(nearest)[:LOOK_ALIKES]:
            a, b = records.sources[whole[one]], records.sources[whole[other]]
            if a is not None and b is not None:
                keep("look_alike", descriptor=name, a=run.name(a), b=run.name(b), distance=apart_by)


def _left_out(run: Run, one: int, sources: Sequence[Source | None]) -> npt.NDArray[np.int64]:
    """The places of an original itself and of all that show the same."""
    others = run.same[sources[one]]  # type: ignore[index] # it is an original
    found = [one] + [i for i, other in enumerate(sources) if other in others]
    return np.array(found, np.int64)


def _keep_copies(
    run: Run,
    there: Mapping[str, Descriptor],
    source: Source,
    asked: Mapping[str, Codes],
    records: Records,
    keep: Keep,
) -> None:
    """A row for each copy of an original: how far from it, and from the nearest strangers."""
    if not asked:
        return
    place = records.sources.index(source)
    whole = len(records.sources) - records.sources.count(None)
    left_out = _left_out(run, place, records.sources[:whole])
    compared = {
        name: compare(descriptor, asked[name], records.codes[name], whole, place, left_out)
        for name, descriptor in there.items()
    }
    for number, edit in enumerate(run.edits):
        keep(
            "copy",
            picture=run.name(source),
            edit=edit,
            own={name: found.own[number] for name, found in compared.items()},
            strangers={name: found.nearest[number] for name, found in compared.items()},
            ranks={name: found.ranks[number] for name, found in compared.items()},
            whole={name: found.whole[number] for name, found in compared.items()},
        )


class Compared(NamedTuple):
    """Copies of one picture, compared with all records."""

    own: npt.NDArray[np.float32]
    """``(copies,)``: to the picture."""
    nearest: npt.NDArray[np.float32]
    """``(copies, 5)``: to the nearest windows, ascending."""
    ranks: npt.NDArray[np.int64]
    """``(copies, 2)``: how many windows are nearer than the picture, and how many as near."""
    whole: npt.NDArray[np.float32]
    """``(copies,)``: to the nearest other whole picture; NaN without one."""


def compare(
    descriptor: Descriptor,
    asked: Codes,
    stored: Codes,
    whole: int,
    place: int,
    left_out: npt.NDArray[np.int64],
) -> Compared:
    """Compare copies of the record at a place with all records.

    Windows are strangers beyond doubt. Of whole pictures nobody knows: there may be some that show the
    same and are not known for it. So both are told apart.

    Parameters
    ----------
    descriptor : Descriptor
    asked : ndarray, shape (copies, m, k)
        Of the codes of a copy the nearest counts.
    stored : ndarray, shape (n, k)
        Of whole pictures, then of windows.
    whole : int
        How many are whole pictures.
    place : int
    left_out : ndarray of int64
        The places of whole pictures that show the same, the copies' own among them.
    """
    copies, several, width = asked.shape
    apart = np.empty((copies, len(stored)), np.float32)
    step = max(_CHUNK // several, 1)
    for start in range(0, copies, step):
        part = asked[start : start + step].reshape(-1, width)
        between = descriptor.distances(part, stored)
        apart[start : start + step] = between.reshape(-1, several, len(stored)).min(axis=1)
    own = apart[:, place].copy()
    windows, others = apart[:, whole:], np.delete(apart[:, :whole], left_out, axis=1)
    nearest = np.sort(np.partition(windows, min(NEAREST, windows.shape[1] - 1), axis=1)[:, :NEAREST])
    nearer = (windows < own[:, np.newaxis]).sum(axis=1)
    equal = (windows == own[:, np.newaxis]).sum(axis=1)
    nearest_whole = others.min(axis=1) if others.shape[1] else np.full(copies, np.nan, np.float32)
    return Compared(own, nearest, np.stack([nearer, equal], axis=1), nearest_whole)


def _keep_pairs(run: Run, there: Mapping[str, Descriptor], workers: Executor | None, keep: Keep) -> None:
    """The labelled pairs whose files are there: how far the second is from the first."""
    pairs, folder = run.pairs, run.settings.pictures or Path()
    usable = [pair for pair in pairs if (folder / pair["a"]).exists() and (folder / pair["b"]).exists()]
    if len(usable) < len(pairs):
        keep("absent", what=f"{len(pairs) - len(usable)} labelled pairs", why="their files are not there")
    task = partial(_distances_of, folder)
    for pair, apart in zip(usable, _map(workers, task, usable), strict=True):  # type: ignore[arg-type]
        if apart is not None:
            keep(
                "pair",
                a=pair["a"],
                b=pair["b"],
                label=pair["label"],
                verified_by_eye=bool(pair.get("verified_by_eye")),
                distances=apart,
            )


def _distances_of(folder: Path, pair: Mapping[str, Any]) -> dict[str, float] | None:
    """How far a pair is apart, by each descriptor; None if one cannot be read."""
    try:
        stored, asked = (np.asarray(load(folder / pair[name])) for name in ("a", "b"))
    except Exception:
        return None
    return {
        name: float(one.distances(one.ask(asked), one.describe(stored)[np.newaxis]).min())
        for name, one in _descriptors().items()
    }
