"""Stage: how many strangers are below each cutoff, and whether `Index.calibrate` promises what then comes."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cached_property, partial
from multiprocessing import get_context
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

import sigsearch
from benchmarks import made, metrics
from benchmarks.edits import Source, load
from benchmarks.made import LENGTH, Signatures
from benchmarks.report import cores
from benchmarks.same_pictures import same_pictures
from benchmarks.suite.rows import Keep
from benchmarks.suite.run import MADE, Run
from sigsearch import calibration
from sigsearch.bounds import FEWEST_SAMPLES
from sigsearch.calibration import Calibration, pairs_below
from sigsearch.records import Record, View
from sigsearch.signatures import compute_signature

CUTOFFS: Final = (0.05, *calibration.CUTOFFS)
"""0.05, 0.10 and so on up to 0.60."""
DESCRIPTOR: Final = "sigsearch"
WINDOWS: Final = "false matches, windows"
LOOK_ALIKES: Final = "false matches, look-alikes"
CALIBRATION: Final = "calibration"
MOST_PICTURES: Final = 2_000
"""Whole pictures that each original is compared with."""
MOST_INDEXED: Final = 200_000
"""Records of the index that is calibrated: as many as it compares with."""
_MADE_PICTURES: Final = 64
_STRANGERS: Final = 4
"""So many times as many queries as elsewhere: false matches at small cutoffs are rare."""
_LEFT_OUT: Final = 5
"""Of so many pictures one is not indexed, but searched for."""
_ALONE: Final = 10_000
"""Signatures that are made in this process: to start others takes longer."""
_CHUNK: Final = 2048

Counts = npt.NDArray[np.int64]
"""``(queries, cutoffs)``."""


def measure(run: Run) -> None:
    """Write the rows of the kinds `false_matches` and `calibration`."""
    stage = _Stage(run)
    for unit, measured in (
        (WINDOWS, stage.against_windows),
        (LOOK_ALIKES, stage.against_look_alikes),
        (CALIBRATION, stage.calibrate),
    ):
        if unit not in run.rows.done:
            run.note(unit)
            with run.rows.unit(unit) as keep:
                measured(keep)


class _Stage:
    """What the units share; made when it is asked for."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def against_windows(self, keep: Keep) -> None:
        """The originals against windows of other pictures, a chunk at a time."""
        records = max(self._run.settings.records)
        below = np.zeros((len(self._queries), len(CUTOFFS)), np.int64)
        if not (sources := self._run.window_sources):
            raise SystemExit("wanted pictures that are no originals to cut windows from, found none")
        for chunk in made.make_chunks(records, sources, self._run.settings.seed):
            below += count_below(self._queries, chunk, CUTOFFS)
        for source, counts in zip(self._originals, below, strict=True):
            self._keep(keep, "windows", source, records, counts)

    def against_look_alikes(self, keep: Keep) -> None:
        """The originals against other whole pictures, those that show the same left out."""
        others = self._look_alikes()
        wholes = signatures_of(others, 0, self._run.settings.seed)
        numbers = {source: number for number, source in enumerate(others) if wholes[number].any()}
        records = np.concatenate([wholes[number] for number in numbers.values()])
        for source, query in zip(self._originals, self._queries, strict=True):
            left_out = {source, *self._run.same[source]}
            strangers = np.array([other not in left_out for other in numbers], np.bool_)
            [counts] = count_below(query[np.newaxis], records[strangers], CUTOFFS)
            self._keep(keep, "look-alikes", source, int(strangers.sum()), counts)

    def calibrate(self, keep: Keep) -> None:
        """What is promised of an index, and what queries of pictures that are not in it really meet."""
        settings, seed = self._run.settings, self._run.settings.seed
        indexed, strange = self._split()
        wanted = min(max(settings.records), MOST_INDEXED)
        asked = max(_STRANGERS * settings.queries, FEWEST_SAMPLES)
        records = _sample(indexed, wanted, seed, self._run.rng("indexed windows"))
        queries = _sample(strange, asked, seed + 1, self._run.rng("strange windows"))
        promised = calibrate(records, calibration.CUTOFFS, asked, seed)
        cutoffs = [row.cutoff for row in promised.rows]
        below = count_below(queries, records, cutoffs)
        met = [metrics.mean(column / len(records) * 1e6) for column in below.T]
        keep(
            "calibration",
            records=len(records),
            cutoffs=cutoffs,
            per_million=[row.per_million for row in promised.rows],
            low=[row.low for row in promised.rows],
            high=[row.high for row in promised.rows],
            share=[row.share for row in promised.rows],
            queries=len(queries),
            measured=[estimate.value for estimate in met],
            measured_low=[estimate.low for estimate in met],
            measured_high=[estimate.high for estimate in met],
            measured_share=(below > 0).mean(axis=0),
        )

    def _keep(self, keep: Keep, against: str, source: Source, records: int, below: Counts) -> None:
        keep(
            "false_matches",
            descriptor=DESCRIPTOR,
            against=against,
            query=self._run.name(source),
            records=records,
            cutoffs=CUTOFFS,
            below=below,
        )

    @cached_property
    def _featured(self) -> dict[Source, Signatures]:
        """The originals that can be read and have features, and their signatures, ``(1, 648)``."""
        found = signatures_of(self._run.originals, 0, self._run.settings.seed)
        return {source: own for source, own in zip(self._run.originals, found, strict=True) if own.any()}

    @property
    def _originals(self) -> list[Source]:
        return list(self._featured)

    @cached_property
    def _queries(self) -> Signatures:
        return np.concatenate(list(self._featured.values()))

    def _look_alikes(self) -> list[Source]:
        """Whole pictures: those that lie beside an original first, then others from all over."""
        beside = {source.parent for source in self._run.originals if isinstance(source, Path)}
        others = list(dict.fromkeys([*self._run.pictures, *self._run.originals]))
        self._run.rng("look-alikes").shuffle(others)
        others.sort(key=lambda other: not (isinstance(other, Path) and other.parent in beside))
        return others[:MOST_PICTURES]

    def _split(self) -> tuple[list[Source], list[Source]]:
        """Pictures to index, and strangers to these: what shows the same is on one side."""
        every = [*self._run.pictures]
        if not self._run.settings.pictures:
            every += range(MADE, MADE + _MADE_PICTURES)
        self._run.rng("calibration").shuffle(every)
        strange = every[: max(1, len(every) // _LEFT_OUT)]
        indexed = every[len(strange) :]
        same: set[Source] = set().union(*same_pictures(strange, indexed).values())
        return [source for source in indexed if source not in same], strange


def calibrate(records: Signatures, cutoffs: Sequence[float], samples: int, seed: int) -> Calibration:
    """What `Index.calibrate` tells of an index of these records."""
    with sigsearch.open("memory://") as index:
        index.add_many(Record(str(number), (View(signature),)) for number, signature in enumerate(records))
        return index.calibrate(cutoffs=cutoffs, samples=samples, seed=seed)


def count_below(queries: Signatures, records: Signatures, cutoffs: Sequence[float]) -> Counts:
    """How many records are below each of the cutoffs, which ascend, of each query."""
    bins = np.zeros((len(queries), len(cutoffs) + 1), np.int64)
    for start in range(0, len(records), _CHUNK):
        query, _, distances = pairs_below(queries, records[start : start + _CHUNK], cutoffs[-1])
        np.add.at(bins, (query, np.searchsorted(cutoffs, distances, side="right")), 1)
    return bins.cumsum(axis=1)[:, :-1]


def signatures_of(sources: Sequence[Source], windows: int, seed: int) -> list[Signatures]:
    """Of each picture the signatures of the whole and of so many windows of it, as they stand.

    Not turned: none has its mirror image beside it.
    What has no features, or cannot be read, is left out: all zeros in place of the whole picture.
    """
    jobs = partial(_signatures_of, windows=windows)
    seeds = [(seed, number) for number in range(len(sources))]
    if len(sources) * (windows + 1) < _ALONE:
        return list(map(jobs, sources, seeds))
    with ProcessPoolExecutor(cores(), mp_context=get_context("spawn")) as pool:
        return list(pool.map(jobs, sources, seeds, chunksize=8))


def _signatures_of(source: Source, seed: tuple[int, int], windows: int) -> Signatures:
    try:
        rgb = np.asarray(load(source))
    except Exception:
        return np.zeros((1, LENGTH), np.int8)
    found = [compute_signature(rgb), *map(compute_signature, made.cut_windows(source, windows, seed))]
    return np.stack([found[0], *(signature for signature in found[1:] if signature.any())])


def _sample(sources: Sequence[Source], count: int, seed: int, rng: np.random.Generator) -> Signatures:
    """Signatures of the pictures and their windows: so many, none without features."""
    windows = -(-2 * count // len(sources))  # twice: many pictures are too small to have any
    found = np.concatenate(signatures_of(sources, windows, seed))
    found = found[found.any(axis=1)]
    return found[rng.permutation(len(found))[:count]]
