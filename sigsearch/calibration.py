"""Calibration: how many false matches a cutoff lets through in one's own index, without any labels.

An index may hold true copies of any of its pictures, so strangers cannot simply be counted. It hardly holds
their mirror images, though: a mirrored photograph has all the statistics of a photograph, light from above
included, and is a copy of nothing. So an index is asked with *decoys*, the mirrored signatures of some of its
own records, as proteomics does (Elias and Gygi, "Target-decoy search strategy", Nature Methods 4, 2007).

Many pictures are nearly their own mirror image: a portrait, a horizon. A copy of such a picture is near its
decoy as well, but nearer to the picture itself. So only records count that are nearer to the decoy. To
strangers, picture and decoy are alike: for each one below a cutoff that is nearer to the picture there is, in
the mean, one that is nearer to the decoy. So such a record counts once if it is below the cutoff of the
decoy, once more if it is below that of the picture, and one that is as near to both counts half.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from sigsearch.bounds import FEWEST_SAMPLES, SAMPLES, check_cutoff
from sigsearch.errors import InputError
from sigsearch.neighbours import STEPS, Positions
from sigsearch.progress import Meter

if TYPE_CHECKING:
    from typing import TypeAlias

    from sigsearch.records import Record

    Signatures: TypeAlias = npt.NDArray[np.int8]
    Numbers: TypeAlias = npt.NDArray[np.float64]

CUTOFFS: Final = tuple(round(0.05 * step, 2) for step in range(2, 13))
"""0.10, 0.15 and so on up to 0.60."""
MOST_COMPARED: Final = 200_000
SYMMETRIC: Final = 0.15
"""A picture this near to its mirror image gives no decoy: copies of the one are copies of the other."""
_CHUNK: Final = 4096
_TOLD: Final = 1024
"""After so many records a bar goes on: to move it takes longer than to read one."""
_TABLE: Final = 2**22
"""Distances that are made at once."""
_RESAMPLES: Final = 1000
_POISSON: Final = 15.0
"""The logarithm of a dispersion that is as good as infinite."""
_MILLION: Final = 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationRow:
    """What to expect of one cutoff.

    Attributes
    ----------
    cutoff : float
    per_million : float
        False matches in a million comparisons of a picture that is not in the index with records.
    low, high : float
        The 95 % interval of that: a bootstrap over the pictures asked with, as a plain one may meet
        thousands. Where no false match was seen, 0 and what the rule of three tells: with n pictures, at
        most 3 / n of all meet any, and each as many as those that met some at the next larger cutoff.
    expected, expected_low, expected_high : float
        The same for one search: times the number of records.
    share : float
        Searches that meet one false match or more, 0 to 1. Counted, if the whole index was compared; else
        that goes on to all records as in a negative binomial distribution with the counted share and mean.
    own : float
        Records below the cutoff of a picture that is in the index, itself left out: its copies and all.
    """

    cutoff: float
    per_million: float
    low: float
    high: float
    expected: float
    expected_low: float
    expected_high: float
    share: float
    own: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """How many false matches to expect of an index at each cutoff; see `Index.calibrate`.

    Attributes
    ----------
    records : int
        With features; others match nothing.
    featureless : int
        Without, which were left out.
    queries : int
        Records whose mirror images the index was asked with.
    compared : int
        Records that each was compared with.
    symmetric : int
        Pictures that were drawn to ask with and left out, being their own mirror images.
    rows : tuple of CalibrationRow
        By cutoff, ascending.
    """

    records: int
    featureless: int
    queries: int
    compared: int
    symmetric: int
    rows: tuple[CalibrationRow, ...]

    def cutoff_for(self, expected_false: float) -> float | None:
        """The largest of the cutoffs at which one search meets no more false matches than this.

        Parameters
        ----------
        expected_false : float
            In the mean: 0.01 is one in a hundred searches. The upper end of the interval is held to it.

        Returns
        -------
        float or None
            None if there are more at every cutoff.

        Raises
        ------
        InputError
            Not a number above 0.
        """
        number = isinstance(expected_false, (int, float, np.number)) and not isinstance(expected_false, bool)
        if not number or not expected_false > 0:
            raise InputError(f"wanted a number of false matches above 0, found {expected_false!r}")
        found = None
        for row in self.rows:
            if row.expected_high > expected_false:
                break
            found = row.cutoff
        return found

    def to_json(self) -> list[dict[str, Any]]:
        """As JSON objects, one a cutoff, each with what all have in common."""
        common = {name: value for name, value in asdict(self).items() if name != "rows"}
        return [{**asdict(row), **common} for row in self.rows]


def mirrored(signatures: Signatures, grid_size: int) -> Signatures:
    """The signatures of the same pictures, mirrored left to right.

    The columns of the grid change places, and at each point the neighbours on the left those on the right;
    no difference changes. The grid of a picture that is really mirrored may lie a pixel beside that, so that
    a few values differ.

    Parameters
    ----------
    signatures : ndarray of int8, shape (n, 648) or (648,)
    grid_size : int

    Returns
    -------
    ndarray of int8, of the same shape
    """
    return signatures[..., _mirrored_positions(grid_size)]


@lru_cache
def _mirrored_positions(grid_size: int) -> Positions:
    neighbours = [STEPS.index((down, -across)) for down, across in STEPS]
    positions = np.arange(len(STEPS) * grid_size**2).reshape(grid_size, grid_size, len(STEPS))
    mirror: Positions = positions[:, ::-1][:, :, neighbours].ravel()
    mirror.flags.writeable = False  # shared by all callers
    return mirror


def calibrate(
    records: Iterable[Record],
    grid_size: int,
    *,
    cutoffs: Sequence[float] = CUTOFFS,
    samples: int = SAMPLES,
    most: int = MOST_COMPARED,
    seed: int = 0,
    total: int | None = None,
    progress: bool = False,
) -> Calibration:
    """Count false matches among records; `Index.calibrate` says how.

    Parameters
    ----------
    records : iterable of Record
        Read once, one after the other.
    grid_size : int
        Of their scheme.
    cutoffs : sequence of float
        0 to 1; in any order.
    samples : int
        Pictures to ask with, at most.
    most : int
        Records to keep and compare them with, at most.
    seed : int
        Of all that is drawn.
    total : int, optional
        How many records there are, if that is known: for the bar.
    progress : bool
        Show one.

    Raises
    ------
    InputError
        An argument out of its range, or fewer than 50 records to ask with.
    """
    steps = _checked(cutoffs)
    for name, value, least in (("samples", samples, FEWEST_SAMPLES), ("seed", seed, 0)):
        if type(value) is not int or value < least:
            raise InputError(f"wanted {name} as a whole number from {least}, found {value!r}")
    rng = np.random.default_rng(seed)
    sample = _Sample(most, rng)
    with Meter("reading", "records", on=progress, total=total) as meter:
        sample.read(records, meter)
    if sample.records < FEWEST_SAMPLES:
        raise InputError(
            f"too little to calibrate with: wanted {FEWEST_SAMPLES} records with features, "
            f"found {sample.records:,}"
        )
    views, starts = sample.views()
    whole = views[starts]
    order = rng.permutation(len(starts))
    lopsided = ~_are_symmetric(whole, grid_size)[order]
    queries = order[lopsided][:samples]
    if len(queries) < FEWEST_SAMPLES:
        raise InputError(
            f"too little to calibrate with: wanted {FEWEST_SAMPLES} records that are not "
            f"their own mirror image, found {len(queries):,}"
        )
    drawn = len(order) if len(queries) < samples else int(np.flatnonzero(lopsided)[samples - 1]) + 1
    with Meter("comparing", "records", on=progress, total=len(starts)) as meter:
        false, own = _count_below(whole[queries], queries, views, starts, grid_size, steps, meter)
    compared = len(starts) - 1
    searched = sample.records / compared
    rows = []
    for cutoff, column, low, high, near in zip(
        steps.tolist(), false.T, *_intervals(false, rng), own.mean(axis=0).tolist(), strict=True
    ):
        mean = float(column.mean())
        rows.append(
            CalibrationRow(
                cutoff=cutoff,
                per_million=mean / compared * _MILLION,
                low=low / compared * _MILLION,
                high=high / compared * _MILLION,
                expected=mean * searched,
                expected_low=low * searched,
                expected_high=high * searched,
                share=_share_with_one(mean, float((column > 0).mean()), sample.records / len(starts)),
                own=near / compared * (sample.records - 1),
            )
        )
    return Calibration(
        records=sample.records,
        featureless=sample.featureless,
        queries=len(queries),
        compared=compared,
        symmetric=drawn - len(queries),
        rows=tuple(rows),
    )


class _Sample:
    """So many records of all that are read, each as likely as any other (Vitter's algorithm R)."""

    def __init__(self, most: int, rng: np.random.Generator) -> None:
        self.records = self.featureless = 0
        self._most, self._rng = most, rng
        self._kept: list[Signatures] = []

    def read(self, records: Iterable[Record], meter: Meter) -> None:
        for record in records:
            if record.featureless:
                self.featureless += 1
            else:
                self.records += 1
                place = self.records - 1
                if place >= self._most:
                    place = int(self._rng.integers(self.records))
                if place < self._most:
                    self._keep(place, record)
            done = self.records + self.featureless
            if not done % _TOLD:
                meter.update(done)

    def _keep(self, place: int, record: Record) -> None:
        # Copied: what a backend gives may be a part of something large.
        views = np.array([view.signature for view in record.views if not view.featureless], np.int8)
        if place == len(self._kept):
            self._kept.append(views)
        else:
            self._kept[place] = views

    def views(self) -> tuple[Signatures, Positions]:
        """The signatures of all views, ``(views, 648)``, and where each record's begin, ``(records,)``."""
        lengths = [len(views) for views in self._kept]
        signatures: Signatures = np.concatenate(self._kept)
        self._kept = []
        return signatures, np.cumsum([0, *lengths[:-1]])


def _checked(cutoffs: Sequence[float]) -> Numbers:
    for cutoff in cutoffs:
        check_cutoff(cutoff)
    if not len(cutoffs):
        raise InputError("wanted cutoffs, found none")
    return np.unique(np.asarray(cutoffs, np.float64))


def _are_symmetric(signatures: Signatures, grid_size: int) -> npt.NDArray[np.bool_]:
    found = np.empty(len(signatures), np.bool_)
    for start in range(0, len(signatures), _CHUNK):
        rows = signatures[start : start + _CHUNK].astype(np.float32)
        norms = np.sqrt(_squares(rows).astype(np.float64))
        apart = np.sqrt(_squares(rows - rows[:, _mirrored_positions(grid_size)]).astype(np.float64))
        found[start : start + _CHUNK] = apart < SYMMETRIC * 2 * norms
    return found


def pairs_below(
    queries: Signatures, signatures: Signatures, cutoff: float
) -> tuple[Positions, Positions, Numbers]:
    """All pairs of a query and a signature whose distance is below a cutoff, strictly.

    All sums are of whole numbers below 2**24, which float32 has exactly in any order, and a distance is
    made of them as `sigsearch.distance` makes it. So it is the same, to the last bit.

    Parameters
    ----------
    queries : ndarray of int8, shape (m, 648)
    signatures : ndarray of int8, shape (n, 648)
        A table of m x n numbers is made.
    cutoff : float

    Returns
    -------
    query, signature : ndarray of int64, shape (pairs,)
        Numbers of rows.
    distance : ndarray of float64, shape (pairs,)
    """
    rows, columns = queries.astype(np.float32), signatures.astype(np.float32)
    of_rows, of_columns = _squares(rows), _squares(columns)
    products = rows @ columns.T
    # Below the cutoff is a product above this, but for rounding, which the half makes up for.
    norms = np.sqrt(of_rows)[:, np.newaxis] + np.sqrt(of_columns)
    least = (of_rows[:, np.newaxis] + of_columns - (np.float32(cutoff) * norms) ** 2) / 2 - np.float32(0.5)
    query, signature = np.nonzero(products > least)
    first, second = of_rows[query].astype(np.float64), of_columns[signature].astype(np.float64)
    apart = np.sqrt(first + second - 2 * products[query, signature].astype(np.float64))
    near = apart / (np.sqrt(first) + np.sqrt(second))
    below = near < cutoff
    return query[below], signature[below], near[below]


def _count_below(
    asked: Signatures,
    numbers: Positions,
    views: Signatures,
    starts: Positions,
    grid_size: int,
    cutoffs: Numbers,
    meter: Meter,
) -> tuple[Numbers, Numbers]:
    """How many records are below each cutoff: false ones, and all but itself; ``(queries, cutoffs)`` each."""
    both = np.concatenate([asked, mirrored(asked, grid_size)])
    owners = np.repeat(np.arange(len(starts)), np.diff(starts, append=len(views)))
    bins = (len(asked), len(cutoffs) + 1)
    false, own = np.zeros(bins), np.zeros(bins)
    part = max(1, _TABLE // len(both))
    ends = [*starts[part::part].tolist(), len(views)]  # no record in two parts
    for start, end in zip([0, *ends], ends, strict=False):
        asker, view, distances = pairs_below(both, views[start:end], cutoffs[-1])
        decoy, query = np.divmod(asker, len(asked))
        record = owners[start + view]
        others = record != numbers[query]
        pairs, place = np.unique(query[others] * len(starts) + record[others], return_inverse=True)
        # Of the picture and of its mirror image; infinite what is not below the last cutoff.
        nearest = np.full((2, len(pairs)), np.inf)
        np.minimum.at(nearest, (decoy[others], place), distances[others])
        query = pairs // len(starts)
        weight = (nearest[1] < nearest[0]) + 0.5 * (nearest[1] == nearest[0])
        whole, decoyed = np.searchsorted(cutoffs, nearest, side="right")
        np.add.at(false, (query, whole), weight)
        np.add.at(false, (query, decoyed), weight)
        np.add.at(own, (query, whole), 1)
        meter.update(int(owners[end - 1]) + 1)
    return false.cumsum(axis=1)[:, :-1], own.cumsum(axis=1)[:, :-1]


def _squares(rows: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    squares: npt.NDArray[np.float32] = np.einsum("ij,ij->i", rows, rows)
    return squares


def _intervals(false: Numbers, rng: np.random.Generator) -> tuple[list[float], list[float]]:
    """The 95 % intervals of the means of columns; the rule of three where there are only zeros."""
    queries = len(false)
    drawn = rng.multinomial(queries, np.full(queries, 1 / queries), size=_RESAMPLES)
    low, high = np.quantile(drawn @ false / queries, [0.025, 0.975], axis=0)
    met = [column[column > 0] for column in false.T if column.any()]
    most = max(float(met[0].mean()), 1.0) if met else 1.0
    high[~false.any(axis=0)] = 3 / queries * most
    return low.tolist(), high.tolist()


def _share_with_one(mean: float, share: float, times: float) -> float:
    """The share of searches that meet one or more, in so many times as many records as were compared.

    Of a negative binomial distribution with mean m and dispersion k none is (1 + m / k) ** -k; k is sought
    that gives the share that was counted. As k grows it becomes Poisson's, which meets the most.
    """
    if not 0 < share < 1:
        return share

    def none(logarithm: float, mean: float) -> float:
        k = math.exp(logarithm)
        return math.exp(-k * math.log1p(mean / k))

    low, high = -30.0, _POISSON
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if none(middle, mean) < 1 - share else (middle, high)
    if high == _POISSON:  # as many as can be with this mean, or more: the dispersion does not matter
        return 1 - math.pow(1 - share, times)
    return 1 - none(low, mean * times)
