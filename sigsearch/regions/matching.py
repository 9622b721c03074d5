"""Agreement: whether windows of a query and of a record lie alike, and the query shows what they promise.

A pair of windows that look alike says where in the query the whole record would have to lie. There the query
is signed anew, at the places of all the record's windows that it shows, and compared with them: a copy has
them all, whether or not they were found in it as windows; a stranger has the one pair.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from sigsearch.calibration import mirrored
from sigsearch.images import read_picture
from sigsearch.orientations import turn_boxes
from sigsearch.records import WHOLE, Box, Record
from sigsearch.regions.canvas import Boxes, Canvas, visible
from sigsearch.regions.windows import QUERY_SIDE, WINDOWS_PER_EFFORT, find_windows
from sigsearch.signatures import signatures_of_picture

if TYPE_CHECKING:
    from sigsearch.images import ImageLike, Picture
    from sigsearch.limits import Limits
    from sigsearch.scheme import Scheme

    Signatures = npt.NDArray[np.int8]

ALIKE: Final = 0.4
"""Pairs of windows below this distance are looked at."""
EVIDENCE: Final = 0.55
"""What an agreement must exceed to be a match; see `Agreement.evidence`."""

_RARE: Final = 1.1
_RARER: Final = 6.0
"""Of the powers of ten by which strangers become rare: without evidence, and for each unit of it."""
_PAIRS: Final = 64
"""Pairs of one record that are looked at, at most, the nearest: crowds of leaves or letters have hundreds."""
_PLACES: Final = 3
"""Different places of a record that are tried, at most: those that most pairs speak for."""
_TOLERANCE: Final = 0.4
"""By so much of its size a window may lie elsewhere than another pair says."""
_VISIBLE: Final = 0.5
"""So much of a window the query must show."""
_SAME: Final = 0.5
"""Windows below this distance agree."""
_ROUNDS: Final = 5
_STEP: Final = 0.08
"""By which the place is first moved and stretched, of the size of what is compared."""
_PROMISING: Final = 0.1
"""Evidence below which a place is not worth refining."""
_LEAST_PIXELS: Final = 8
"""Of a window's side in the query."""
_STRANGE: Final = 0.68
"""The distance of strangers, and the most that the mirrored query's may be taken for."""


class Pair(NamedTuple):
    """A window of the query and one of the record that look alike."""

    distance: float
    query: int
    stored: int


class Place(NamedTuple):
    """Where in the query the record lies: its fractions times `scale` plus `shift`, each of x and y."""

    scale: npt.NDArray[np.float64]
    shift: npt.NDArray[np.float64]

    def of(self, boxes: Boxes) -> Boxes:
        """Boxes of the record in the query."""
        placed: Boxes = (boxes.reshape(-1, 2) * self.scale + self.shift).reshape(-1, 4)
        return placed

    def back(self, boxes: Boxes) -> Boxes:
        """Boxes of the query in the record."""
        placed: Boxes = ((boxes.reshape(-1, 2) - self.shift) / self.scale).reshape(-1, 4)
        return placed


@dataclass(frozen=True, slots=True)
class Agreement:
    """What speaks for a record's lying in the query.

    Attributes
    ----------
    distance : float
        Of the windows that agree, taken for one long signature each.
    evidence : float
        How much nearer the windows in sight are, all together, than strangers' would be and than the mirrored
        query's are, times a root of their number; see `Comparison._evidence`.
    windows : int
        How many agree.
    box : Box
        What the query shows of the record.
    query_box : Box
        Where it shows it.
    """

    distance: float
    evidence: float
    windows: int
    box: Box
    query_box: Box

    @property
    def share_of_strangers(self) -> float:
        """Which share of strangers gives as much evidence, by a law fitted to mirrored queries.

        See docs/regions.md for how right it is.
        """
        return float(10 ** (-_RARE - _RARER * self.evidence))


class Query:
    """A picture searched for by its regions: its views in one or all orientations.

    Attributes
    ----------
    boxes : ndarray of float64, shape (views, 4)
        Of the picture as it is; the first is the whole.
    signatures : ndarray of int8, shape (orientations, views, 648)
    """

    @classmethod
    def of(
        cls, image: ImageLike, scheme: Scheme, *, limits: Limits, all_orientations: bool, effort: int
    ) -> Query:
        """Of a picture that is to be read; raises `ImageError` if it cannot be."""
        picture = read_picture(image, limits=limits, decode_side=scheme.decode_side)
        return cls(picture, scheme, all_orientations=all_orientations, effort=effort)

    def __init__(self, picture: Picture, scheme: Scheme, *, all_orientations: bool, effort: int) -> None:
        self.scheme = scheme
        self._upright = Canvas.of(picture, QUERY_SIDE)
        self._canvases = {0: self._upright}
        whole = signatures_of_picture(picture, scheme, turned=all_orientations)
        self.boxes = np.concatenate([[WHOLE], find_windows(self._upright, effort * WINDOWS_PER_EFFORT)])
        self.signatures = np.stack(
            [
                np.concatenate(
                    [one[np.newaxis], self._canvas(k).signatures(turn_boxes(self.boxes[1:], k), scheme)]
                )
                for k, one in enumerate(whole)
            ]
        )

    def _canvas(self, orientation: int) -> Canvas:
        if orientation not in self._canvases:
            self._canvases[orientation] = self._upright.turned(orientation)
        return self._canvases[orientation]

    def comparison(self, record: Record, orientation: int, pairs: Sequence[Pair]) -> Comparison:
        """The query in one orientation against a record, some of whose windows look like some of its own."""
        return Comparison(
            self._canvas(orientation),
            turn_boxes(self.boxes, orientation),
            np.array([view.box for view in record.views]),
            np.stack([view.signature for view in record.views]),
            pairs,
            self.scheme,
        )


class Comparison:
    """A query in one orientation against one record.

    Parameters
    ----------
    canvas : Canvas
    boxes : ndarray of float64, shape (n, 4)
        Of the query's views.
    stored_boxes, stored : ndarray
        Of the record's views, ``(m, 4)`` float64, and their signatures, ``(m, 648)`` int8.
    pairs : sequence of Pair
        At least one.
    """

    def __init__(
        self,
        canvas: Canvas,
        boxes: Boxes,
        stored_boxes: Boxes,
        stored: Signatures,
        pairs: Sequence[Pair],
        scheme: Scheme,
    ) -> None:
        self._canvas = canvas
        self._boxes = boxes
        self._stored_boxes = stored_boxes
        self._stored = stored
        self._scheme = scheme
        sizes = stored_boxes[:, 2:] - stored_boxes[:, :2]
        has_place = sizes.min(axis=1) > 0  # whoever adds records may give their views any boxes
        self._places = self._supported([pair for pair in pairs if has_place[pair.stored]])

    @property
    def support(self) -> float:
        """How much speaks for the best place of all, before the query is looked at there."""
        return self._places[0][0] if self._places else 0.0

    def _supported(self, pairs: Sequence[Pair]) -> list[tuple[float, Place]]:
        """The places that pairs say, each with what speaks for it: the pairs that agree; best first."""
        if not pairs:
            return []
        pairs = sorted(pairs)[:_PAIRS]
        mine = self._boxes[[pair.query for pair in pairs]]
        theirs = self._stored_boxes[[pair.stored for pair in pairs]]
        weights = np.array([(0.6 - pair.distance) ** 2 for pair in pairs])
        sizes = mine[:, 2:] - mine[:, :2]
        bounds = _TOLERANCE * np.tile(sizes, 2)
        found = []
        for number in range(len(pairs)):
            scale = sizes[number] / (theirs[number, 2:] - theirs[number, :2])
            place = Place(scale, mine[number, :2] - theirs[number, :2] * scale)
            agreeing = (np.abs(place.of(theirs) - mine) - bounds).max(axis=1) < 0
            found.append((self._weight(pairs, weights, agreeing), number, place, agreeing))
        found.sort(key=lambda each: (-each[0], pairs[each[1]]))
        return [
            (weight, _fit(theirs[agreeing], mine[agreeing]) if weight > weights[number] else place)
            for weight, number, place, agreeing in found
        ]

    def _weight(
        self, pairs: Sequence[Pair], weights: npt.NDArray[np.float64], agreeing: npt.NDArray[np.bool_]
    ) -> float:
        """The sum of weights over pairs, counting each window of the query and of the record once."""
        total, queries, stored = 0.0, set[int](), set[int]()
        for number in sorted(np.flatnonzero(agreeing).tolist(), key=lambda number: -weights[number]):
            pair = pairs[number]
            if pair.query not in queries and pair.stored not in stored:
                queries.add(pair.query)
                stored.add(pair.stored)
                total += float(weights[number])
        return total

    def agreement(self) -> Agreement | None:
        """That of most evidence among the places that the pairs say, if any is worth a word."""
        tried: list[Place] = []
        best: tuple[float, Place, npt.NDArray[np.int64]] | None = None
        for _, place in self._places:
            if len(tried) == _PLACES:
                break
            if any(_alike(place, other) for other in tried):
                continue
            tried.append(place)
            shown = self._shown(place)
            if len(shown):
                evidence = self._evidence(*self._signed(place, shown))
                if best is None or evidence > best[0]:
                    best = evidence, place, shown
        if best is None or best[0] < _PROMISING:
            return None
        _, place, shown = best
        place = self._refined(place, shown)
        common = self._in_common(place, shown)
        return self._described(place, common, is_part=len(common) < len(shown))

    def _in_common(self, place: Place, shown: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Of the windows in sight, those of the part that both show, if it is but a part.

        That is the part round all windows that agree, if they are most of the windows in it.
        """
        agreeing = _each(*self._signed(place, shown)) < _SAME
        if not 2 <= agreeing.sum() < 0.8 * len(shown):
            return shown
        boxes = self._stored_boxes[shown]
        first, last = boxes[agreeing, :2].min(axis=0), boxes[agreeing, 2:].max(axis=0)
        inside = (boxes[:, :2] >= first).all(axis=1) & (boxes[:, 2:] <= last).all(axis=1)
        return shown[inside] if agreeing.sum() > inside.sum() / 2 else shown

    def _shown(self, place: Place) -> npt.NDArray[np.int64]:
        """Which of the record's windows the query shows at least half of, if the record lies there."""
        boxes = place.of(self._stored_boxes)
        height, width = self._canvas.size
        sizes = boxes[:, 2:] - boxes[:, :2]
        inside = np.clip(boxes, 0, 1)
        parts = (inside[:, 2:] - inside[:, :2]).prod(axis=1)
        seen = parts > _VISIBLE * sizes.prod(axis=1)
        seen &= (sizes * (width, height) >= _LEAST_PIXELS).all(axis=1)
        seen[0] = False  # the whole's grid is laid otherwise
        return np.flatnonzero(seen)

    def _signed(self, place: Place, shown: npt.NDArray[np.int64]) -> tuple[Signatures, Signatures]:
        """The signatures of windows in the query and in the record, where the query shows them."""
        boxes = place.of(self._stored_boxes[shown])
        seen = visible(boxes, self._scheme)
        return self._canvas.signatures(boxes, self._scheme) * seen, self._stored[shown] * seen

    def _evidence(self, signed: Signatures, stored: Signatures) -> float:
        """See `Agreement.evidence`.

        Many pictures are bright above and dark below, and so resemble strangers. Their mirror images do as
        well: how near the mirrored query comes to the record is what such likeness alone would do.
        """
        near = pooled(signed, stored)
        far = pooled(mirrored(signed, self._scheme.grid_size), stored)
        count = len(signed)
        expected: float = (_STRANGE + min(far, _STRANGE)) / 2
        return float((expected - near) * np.sqrt(count / (1 + 0.1 * count)))

    def _refined(self, place: Place, shown: npt.NDArray[np.int64]) -> Place:
        """The place moved and stretched, step by step, to where the windows are nearest."""
        boxes = self._stored_boxes[shown]
        first, last = boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)
        middle, extent = (first + last) / 2, last - first
        near = pooled(*self._signed(place, shown))
        step = _STEP
        for _ in range(_ROUNDS):
            moved = False
            for axis in range(4):
                for signed_step in (-step, step):
                    other = _moved(place, axis, signed_step, middle, extent)
                    distance = pooled(*self._signed(other, shown))
                    if distance < near:
                        near, place, moved = distance, other, True
                        break
            if not moved:
                step /= 2
        return place

    def _described(self, place: Place, shown: npt.NDArray[np.int64], *, is_part: bool) -> Agreement:
        signed, stored = self._signed(place, shown)
        each = _each(signed, stored)
        agreeing = each < _SAME
        evidence = self._evidence(signed, stored)
        distance = pooled(signed[agreeing], stored[agreeing]) if agreeing.any() else float(each.min())
        corners = self._stored_boxes[shown[agreeing]] if agreeing.any() else self._stored_boxes[shown]
        if is_part or agreeing.mean() < 0.5:  # a part that both show, not one in the other
            box = np.concatenate([corners[:, :2].min(axis=0), corners[:, 2:].max(axis=0)])
        else:
            box = np.clip(place.back(np.array([WHOLE]))[0], 0, 1)
        query_box = np.clip(place.of(box[np.newaxis])[0], 0, 1)
        return Agreement(
            distance, evidence, int(agreeing.sum()), Box(*box.tolist()), Box(*query_box.tolist())
        )


def pooled(a: Signatures, b: Signatures) -> float:
    """The distance of several signatures to as many others, each side taken for one long signature."""
    wide, other = a.astype(np.int32).ravel(), b.astype(np.int32).ravel()
    norms = np.sqrt(float(wide @ wide)) + np.sqrt(float(other @ other))
    apart = wide - other
    return float(np.sqrt(float(apart @ apart)) / norms) if norms > 0 else 1.0


def _each(a: Signatures, b: Signatures) -> npt.NDArray[np.float64]:
    """The distances of several signatures to as many others, one by one."""
    return np.array([pooled(one[np.newaxis], two[np.newaxis]) for one, two in zip(a, b, strict=True)])


def _fit(stored: Boxes, queries: Boxes) -> Place:
    """The place that fits several pairs: by least squares over edges, small windows counting more."""
    weight = 1 / (queries[:, 2:] - queries[:, :2]) ** 2
    scale, shift = np.empty(2), np.empty(2)
    for axis in range(2):
        x = stored[:, [axis, axis + 2]].ravel()
        y = queries[:, [axis, axis + 2]].ravel()
        w = np.repeat(weight[:, axis], 2)
        x_mean, y_mean = np.average(x, weights=w), np.average(y, weights=w)
        scale[axis] = (w * (x - x_mean) * (y - y_mean)).sum() / (w * (x - x_mean) ** 2).sum()
        shift[axis] = y_mean - scale[axis] * x_mean
    return Place(scale, shift)


def _alike(place: Place, other: Place) -> bool:
    """Whether two places are nearly the same."""
    corners = np.array([WHOLE])
    apart = np.abs(place.of(corners) - other.of(corners)).max()
    return bool(apart < 0.05 * float(place.scale.max()))


def _moved(
    place: Place,
    axis: int,
    step: float,
    middle: npt.NDArray[np.float64],
    extent: npt.NDArray[np.float64],
) -> Place:
    """A place moved along x or y (axes 0, 1), enlarged (2) or squashed (3), round a middle."""
    scale, shift = place.scale.copy(), place.shift.copy()
    if axis < 2:
        shift[axis] += step * extent[axis] * scale[axis] / 4
    else:
        factor = 1 + step
        scale = scale * (np.array([factor, factor]) if axis == 2 else np.array([factor, 1 / factor]))
        shift = shift + middle * (place.scale - scale)
    return Place(scale, shift)
