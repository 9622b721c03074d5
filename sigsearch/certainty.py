"""Certainty: how many matches as near as this one chance alone would give.

How near strangers come hangs on the query: of a plain picture thousands among a million lie below the usual
cutoff, of most photographs none. So each query is compared with a *background*, some thousand signatures of
other pictures; its mirror image as well, which is as good as one more query of the same plainness. The share
of the background that is as near as a match, times the records searched, is the number sought.

Most matches are nearer than anything in the background, so the share must be carried on downwards. Were the
directions of signatures spread evenly over a sphere in D + 1 dimensions, the share within an angle a of the
query would fall as sin(a) ** D: the area of a cap. Near each query real signatures follow that law, with D
from 8 for a gradient to 100 for a rich photograph: see docs/certainty.md. D is told by the nearest of the
background, as Hill's estimator tells the exponent of a power law. Being so few they leave it uncertain, and
the share is the mean over what D may be, which falls as Pareto's law does.

The background may hold the query itself, and windows of it. So the very nearest are not trusted: they count
as no nearer than the next one, which is what an estimator does with censored observations.

References
----------
Altschul et al., "Basic local alignment search tool", Journal of Molecular Biology 215, 1990: E-values.
Hill, "A simple general approach to inference about the tail of a distribution", Annals of Statistics 3, 1975.
Amsaleg et al., "Estimating local intrinsic dimensionality", KDD 2015.
"""

from __future__ import annotations

import math
import os
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.resources import as_file, files
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from sigsearch.bounds import CUTOFF, check_max_false
from sigsearch.calibration import mirrored
from sigsearch.errors import InputError
from sigsearch.neighbours import opposites
from sigsearch.orientations import ORIENTATIONS
from sigsearch.scheme import DEFAULT_SCHEME
from sigsearch.sources import describe

if TYPE_CHECKING:
    from typing import TypeAlias

    from sigsearch.backend import Backend
    from sigsearch.filters import Filter
    from sigsearch.records import Match
    from sigsearch.scheme import Scheme

    Signatures: TypeAlias = npt.NDArray[np.int8]
    Numbers: TypeAlias = npt.NDArray[np.float64]

NEAREST: Final = 12
"""So many of the background tell how the share goes on below them. More tell D better on the average; but
with fewer the number is right further down, where look-alikes come nearer than the law has it."""
DOUBTFUL: Final = 4
"""So many of these, the very nearest, may be the query itself and windows of it."""
USUAL: Final = 50.0
"""A usual D, which counts as one more of the nearest: they may all be at one distance."""
PLAIN: Final = 10.0
"""So many matches that chance gives below the cutoff make a query plain."""
_FARTHEST: Final = 0.62
"""Beyond this distance norms decide more than angles, and the law goes on as a power of the distance."""
_SHIPPED: Final = "background.npz"
_COUNTED_FOR: Final = 100
"""So many times as long as it took to count them, records are not counted again."""
_REMEMBERED: Final = 7
"""Filters, but one, whose counts are kept."""
_QUICK: Final = 0.001
"""Seconds. Where records are counted quicker, they are counted anew for each search."""


class PlainWarning(UserWarning):
    """A query so plain that chance alone gives many matches."""


class Background:
    """Signatures that queries have nothing to do with, to compare these with.

    Parameters
    ----------
    signatures : ndarray of int8, shape (n, 648)
        Some 4,000, more than `NEAREST`; none without features.
    grid_size : int
        Of their scheme.
    """

    def __init__(self, signatures: Signatures, grid_size: int) -> None:
        self._grid_size = grid_size
        self._rows = self._folded(signatures)
        self._norms = np.square(self._rows).sum(axis=1)

    @classmethod
    def shipped(cls, scheme: Scheme) -> Background | None:
        """The one that comes with sigsearch; None for other signatures than the default ones."""
        usual = replace(
            DEFAULT_SCHEME.with_words_of(scheme), views=scheme.views, decode_side=scheme.decode_side
        )
        return _shipped() if scheme == usual else None

    def distances(self, signatures: Signatures) -> Numbers:
        """How far all of it is from each of several signatures, ``(m * n,)``, ascending."""
        folded = self._folded(signatures)
        norms = np.square(folded).sum(axis=1)
        apart = norms + self._norms[:, np.newaxis] - 2 * (self._rows @ folded.T)
        sizes = np.sqrt(norms, dtype=np.float64) + np.sqrt(self._norms, dtype=np.float64)[:, np.newaxis]
        return np.sort((np.sqrt(apart, dtype=np.float64) / sizes).ravel())

    def mirror(self, signatures: Signatures) -> Signatures:
        """The signatures of the mirror images."""
        return mirrored(signatures, self._grid_size)

    def _folded(self, signatures: Signatures) -> npt.NDArray[np.float32]:
        """Of each difference, which stands in a signature twice, one value: it tells the same distances.

        Sums of their products are whole numbers far below 2**24, so exact whatever the order.
        """
        return signatures[..., opposites(self._grid_size)[0]].astype(np.float32)


def expected_false(
    signatures: Signatures, distances: npt.ArrayLike, records: int, background: Background
) -> Numbers:
    """How many of so many strangers are as near to a query as this or nearer, in the mean.

    Parameters
    ----------
    signatures : ndarray of int8, shape (m, 648)
        The query, with features, in each of the orientations that are searched: their chances add up.
    distances : array of float, shape (k,)
    records : int
    background : Background

    Returns
    -------
    ndarray of float64, shape (k,)
        It grows with the distance, and is above 0.
    """
    # Of 16 orientations each is the mirror image of another one.
    turned = len(signatures) >= len(ORIENTATIONS)
    asked = signatures if turned else np.concatenate([signatures, background.mirror(signatures)])
    near, wanted = (
        _resolved(each, signatures[0])
        for each in (background.distances(asked), np.asarray(distances, np.float64))
    )
    searches = records * len(signatures) / len(near)
    chances: Numbers = searches * _below(near, wanted)
    return chances


def _below(near: Numbers, wanted: Numbers) -> Numbers:
    """How many strangers are at each distance or below, by those of the background, which ascend."""
    depths = _depth(near[: NEAREST + 1])
    excess = float((np.minimum(depths, depths[DOUBTFUL]) - depths[NEAREST]).sum()) + 1 / USUAL
    deeper = np.maximum(_depth(wanted) - depths[NEAREST], 0)
    carried_on = NEAREST * (1 + deeper / excess) ** -(NEAREST - DOUBTFUL + 1)
    return np.where(wanted < near[NEAREST], carried_on, np.searchsorted(near, wanted, side="right"))


def _depth(distances: Numbers) -> Numbers:
    """Less the logarithm of the sine of the angle between signatures of one norm; see `_FARTHEST`.

    A distance d is half the chord, sin(a / 2), so the sine of a is in proportion to d * sqrt(1 - d**2).
    """
    angular = np.minimum(distances, _FARTHEST)
    slope = (1 - 2 * _FARTHEST**2) / (1 - _FARTHEST**2)
    beyond = slope * np.log(np.maximum(distances, _FARTHEST) / _FARTHEST)
    found: Numbers = -np.log(angular) - np.log1p(-(angular**2)) / 2 - beyond
    return found


def _resolved(distances: Numbers, signature: Signatures) -> Numbers:
    """Distances, none below that of a signature with a single difference one level off: there is no nearer.

    Else a match at distance 0 were no chance at all, while plain pictures may well have one signature.
    """
    norm = math.sqrt(np.square(signature, dtype=np.int64).sum())
    found: Numbers = np.maximum(distances, math.sqrt(2) / (2 * norm))
    return found


def save_background(signatures: Signatures, file: str | os.PathLike[str]) -> None:
    """Write the file that `Background.shipped` reads."""
    forward, _ = opposites(DEFAULT_SCHEME.grid_size)
    np.savez_compressed(file, values=signatures[:, forward])


@lru_cache(maxsize=1)
def _shipped() -> Background:
    forward, backward = opposites(DEFAULT_SCHEME.grid_size)
    with as_file(files("sigsearch") / _SHIPPED) as path, np.load(path) as stored:
        values = stored["values"]
    signatures = np.zeros((len(values), DEFAULT_SCHEME.signature_length), np.int8)
    signatures[:, forward], signatures[:, backward] = values, -values
    return Background(signatures, DEFAULT_SCHEME.grid_size)


@dataclass(frozen=True, slots=True)
class Chance:
    """What chance gives among so many records.

    Attributes
    ----------
    records : int
    background : Background or None
        None for other signatures than the default ones, of which nothing is known.
    """

    records: int
    background: Background | None

    def of_distance(self, signatures: Signatures, distance: float) -> float | None:
        """How many are as near to a query; see `expected_false`."""
        if self.background is None:
            return None
        featured = signatures[signatures.any(axis=1)]
        return float(expected_false(featured, [distance], self.records, self.background)[0])

    def of_share(self, share: float) -> float:
        """How many are as near as this share of strangers."""
        return self.records * share


class Certainty:
    """Tells the matches of one index from what chance gives there."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._counts: dict[Filter | None, tuple[int, float, float]] = {}

    def check(self, max_false: object) -> None:
        """Raise `InputError` unless it is a number above 0 and can be held to here, or None."""
        check_max_false(max_false)
        if max_false is not None and Background.shipped(self._backend.scheme) is None:
            raise InputError(
                "max_false is for the default scheme's signatures, and this index has others; use cutoff"
            )

    def judge(
        self,
        images: Sequence[object],
        queries: Sequence[Signatures],
        found: Sequence[list[Match]],
        *,
        cutoff: float,
        max_false: float | None,
        where: Filter | None,
    ) -> list[list[Match]]:
        """The matches of several queries with what chance gives, without those that are over `max_false`.

        Parameters
        ----------
        images : sequence
            What was searched for, to be named in a warning.
        queries : sequence of ndarray of int8, shape (m, 648)
            The signatures of each, in the orientations searched.
        found : sequence of list of Match
            The matches of each.

        Warns
        -----
        PlainWarning
            There are matches that may well be chance, since chance gives many below the cutoff, or below
            the usual one where that is lower: who raises the cutoff knows.
        """
        background = Background.shipped(self._backend.scheme) if any(found) else None
        if background is None:
            return list(found)
        records = self._count(where)
        usual = min(cutoff, CUTOFF)
        judged = []
        for image, query, matches in zip(images, queries, found, strict=True):
            if matches:
                *chances, below = expected_false(
                    query[query.any(axis=1)],
                    [*(match.distance for match in matches), usual],
                    records,
                    background,
                ).tolist()
                matches = [
                    replace(match, expected_false=chance)
                    for match, chance in zip(matches, chances, strict=True)
                    if max_false is None or chance <= max_false
                ]
                if matches and below >= PLAIN and (matches[-1].expected_false or 0) >= 1:
                    warnings.warn(
                        f"{describe(image)} is so plain that chance alone gives about {below:,.0f} matches "
                        f"below {usual} among {records:,} records: see expected_false, or pass max_false",
                        PlainWarning,
                        stacklevel=4,
                    )
            judged.append(matches)
        return judged

    def chance(self, where: Filter | None) -> Chance:
        """What chance gives among the records that a filter is true of."""
        return Chance(self._count(where), Background.shipped(self._backend.scheme))

    def _count(self, where: Filter | None) -> int:
        """How many records are searched; for a moment as it was, where to count them takes long."""
        start = time.monotonic()
        count, took, at = self._counts.get(where, (0, 0.0, 0.0))
        if took < _QUICK or start - at > _COUNTED_FOR * took:
            count = self._backend.count(where)
            end = time.monotonic()
            self._counts = {
                **dict(list(self._counts.items())[-_REMEMBERED:]),
                where: (count, end - start, end),
            }
        return count
