"""Metrics of what was found and how fast, each with a 95 % confidence interval; they know nothing of rows.

Ties never depend on the order in which anything stands: records that are equally far are taken together.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import stats

Numbers = npt.NDArray[np.float64]

CONFIDENCE: Final = 0.95
RESAMPLES: Final = 400


class Estimate(NamedTuple):
    """A figure and the bounds of its confidence interval; all NaN where there is nothing to tell it from."""

    value: float
    low: float
    high: float

    def overlaps(self, other: Estimate) -> bool:
        """Whether the two intervals have a number in common."""
        return self.low <= other.high and other.low <= self.high


UNKNOWN: Final = Estimate(math.nan, math.nan, math.nan)


def share(found: int, of: int) -> Estimate:
    """A share of independent cases, with Wilson's interval."""
    if not of:
        return UNKNOWN
    low, high = stats.binomtest(found, of).proportion_ci(CONFIDENCE, method="wilson")
    return Estimate(found / of, float(low), float(high))


def recall_at(own: npt.ArrayLike, cutoff: float) -> Estimate:
    """The share of copies whose distance to their original is below a cutoff, strictly.

    Parameters
    ----------
    own : array_like of float, shape (n,)
        NaN: never found.
    cutoff : float
    """
    distances = np.asarray(own, np.float64)
    return share(int((distances < cutoff).sum()), distances.size)


def cutoff_at_precision(own: npt.ArrayLike, strangers: npt.ArrayLike, precision: float) -> float:
    """The largest cutoff at which at least such a share of the matches is right.

    Each query has one right record and is wrong at most once: by its nearest stranger. So it is what the
    benchmark of the library perception publishes, with a cutoff for all queries alike.

    Parameters
    ----------
    own, strangers : array_like of float, shape (n,)
        Each query's distance to its original, and to the nearest other record.
    precision : float
        0 to 1.

    Returns
    -------
    float
        One of the distances, so that all matches are below it, or infinity if every match may count; 0 if
        no cutoff is good enough.
    """
    right, wrong = np.sort(np.asarray(own, np.float64)), np.sort(np.asarray(strangers, np.float64))
    cutoffs = np.unique(np.concatenate([right, wrong, [np.inf]]))
    cutoffs = cutoffs[~np.isnan(cutoffs)]
    found, false = np.searchsorted(right, cutoffs), np.searchsorted(wrong, cutoffs)
    # Whole numbers: (found / (found + false)) would round what is exactly good enough to less.
    good = (false * precision <= found * (1 - precision) + 1e-9) & (found > 0)
    return float(cutoffs[good].max()) if good.any() else 0.0


def micro_average_precision(own: npt.ArrayLike, strangers: npt.ArrayLike) -> float:
    """The mean precision over all copies, all queries' answers being one list in the order of distance.

    As in the image similarity challenge of 2021 (Douze et al., arXiv:2106.09672, section 4): a method must
    have distances that mean the same for all queries. Answers that are equally far come all at once.

    Parameters
    ----------
    own : array_like of float, shape (n,)
        Each query's distance to its original; NaN: never found.
    strangers : array_like of float, shape (n, k)
        To other records that it is told of.

    Returns
    -------
    float
        0 to 1; NaN without queries.
    """
    right, wrong = np.asarray(own, np.float64).ravel(), np.asarray(strangers, np.float64).ravel()
    if not right.size:
        return math.nan
    steps = np.unique(right[~np.isnan(right)])
    wrong = np.sort(wrong[~np.isnan(wrong)])
    found = np.searchsorted(np.sort(right[~np.isnan(right)]), steps, side="right")
    false = np.searchsorted(wrong, steps, side="right")
    gained = np.diff(found, prepend=0)
    return float((gained * found / (found + false)).sum() / right.size)


def expected_recall(better: Sequence[int | None], equal: Sequence[int | None], candidates: int) -> Estimate:
    """The share of queries whose original is among the first so many candidates.

    Parameters
    ----------
    better, equal : sequence of int or None
        How many others come before the original of each query, and how many with it, of which any order is
        as likely; None: the original is no candidate.
    candidates : int
    """
    chances = [
        min(max((candidates - ahead) / (1 + tied), 0.0), 1.0)
        for ahead, tied in zip(better, equal, strict=True)
        if ahead is not None and tied is not None
    ]
    if not better:
        return UNKNOWN
    found = math.fsum(chances)
    bounds = share(round(found), len(better))
    return Estimate(found / len(better), bounds.low, bounds.high)


def bootstrap(
    groups: Sequence[Sequence[int]], statistic: Callable[[npt.NDArray[np.int64]], float], seed: int = 0
) -> Estimate:
    """A figure of many cases, its interval by drawing groups of them with replacement.

    Cases of one group hang together, as the copies of one picture do: drawn one by one they would make the
    interval look narrower than it is.

    Parameters
    ----------
    groups : sequence of sequences of int
        The numbers of the cases of each group.
    statistic : callable
        Gives the figure of cases by their numbers.
    seed : int
    """
    if not groups:
        return UNKNOWN
    arrays = [np.asarray(group, np.int64) for group in groups]
    rng = np.random.default_rng(seed)
    values = [
        statistic(np.concatenate([arrays[i] for i in rng.integers(len(arrays), size=len(arrays))]))
        for _ in range(RESAMPLES)
    ]
    tail = (1 - CONFIDENCE) / 2
    low, high = np.nanquantile(values, [tail, 1 - tail])
    return Estimate(float(statistic(np.concatenate(arrays))), float(low), float(high))


def mean(values: npt.ArrayLike, seed: int = 0) -> Estimate:
    """The mean of independent values, its interval by drawing them with replacement."""
    numbers = np.asarray(values, np.float64)
    if not numbers.size:
        return UNKNOWN
    rng = np.random.default_rng(seed)
    means = [float(rng.choice(numbers, numbers.size).mean()) for _ in range(RESAMPLES)]
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return Estimate(float(numbers.mean()), float(low), float(high))


def quantile(values: npt.ArrayLike, of: float) -> Estimate:
    """A quantile, such as 0.95 for p95, with the interval that order statistics give.

    A bound is NaN where there are too few values to tell it.
    """
    numbers = np.asarray(values, np.float64)
    if not numbers.size:
        return UNKNOWN
    interval = stats.quantile_test(numbers, q=float(np.median(numbers)), p=of).confidence_interval(CONFIDENCE)
    return Estimate(float(np.quantile(numbers, of)), float(interval.low), float(interval.high))


def power_law(sizes: npt.ArrayLike, values: npt.ArrayLike) -> Estimate:
    """The exponent e of values that grow as size ** e: the slope of a line through their logarithms.

    The interval is that of the slope (Student's t), NaN with two sizes.
    """
    x, y = np.log(np.asarray(sizes, np.float64)), np.log(np.asarray(values, np.float64))
    if np.unique(x).size < 2:
        return UNKNOWN
    line = stats.linregress(x, y)
    if x.size < 3:
        return Estimate(float(line.slope), math.nan, math.nan)
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, x.size - 2) * line.stderr)
    return Estimate(float(line.slope), float(line.slope) - half, float(line.slope) + half)
