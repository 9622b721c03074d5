"""Which windows of a picture are signed: round its blobs, the strongest, spread over places and scales."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from sigsearch.images import WHITE
from sigsearch.records import Box, View
from sigsearch.regions.canvas import Boxes, Canvas, kernels

if TYPE_CHECKING:
    from sigsearch.images import Picture
    from sigsearch.scheme import Scheme

SIDE: Final = 320
"""Pixels of the longer side of a stored picture's canvas."""
QUERY_SIDE: Final = 400
"""Of a query's: what it shows may be a small part of it."""
STORED_WINDOWS: Final = 25
WINDOWS_PER_EFFORT: Final = 16
"""Of a query, at most, for each step of a search's effort."""

_SCALES: Final = (2.0, 2.5198420997897464, 3.174802103936399)
"""Standard deviations of the blobs that an octave is searched for, in its pixels."""
_BLURS: Final = tuple(2.0 * 2 ** ((k - 1.5) / 3) for k in range(6))
"""Of the planes whose differences are those of `_SCALES` and of one scale to each side."""
_PIXEL: Final = 0.5
"""How blurred a canvas is taken to be as it comes."""
_OCTAVES: Final = 4
_LEAST_SIDE: Final = 8
"""Pixels of an octave's shorter side."""
_REACH: Final = 2.0
"""Half a window's side, in its blob's standard deviations."""
_LEAST: Final = WHITE // 255
"""Least difference of a blob: one of 8-bit grey's levels."""
_ELONGATION: Final = 10
"""Lowe's ratio of principal curvatures."""
_NEAR: Final = 0.5
"""Of the smaller window's half side: closer in both axes, and of nearly the same size, is the same window."""
_ALIKE: Final = 1.6
_DECIMALS: Final = 4
"""Of a box's fractions: they are stored in decimals, and one computed from them is the same everywhere."""


def sign_windows(picture: Picture, scheme: Scheme) -> list[View]:
    """The windows of a picture that is stored, those with features."""
    canvas = Canvas.of(picture, SIDE)
    boxes = find_windows(canvas, STORED_WINDOWS)
    signatures = canvas.signatures(boxes, scheme)
    windows = [View(signature, Box(*box)) for signature, box in zip(signatures, boxes.tolist(), strict=True)]
    return [view for view in windows if not view.featureless]


def find_windows(canvas: Canvas, count: int) -> Boxes:
    """The boxes of at most so many windows, squares round a picture's blobs, the most marked first.

    Blobs are extrema of differences of Gaussians over place and scale, from 4 to some 50 pixels of standard
    deviation: Lowe, "Distinctive image features from scale-invariant keypoints", IJCV 2004, section 3,
    but with no enlargement and the coarser half of the scales in smaller pictures.
    """
    height, width = canvas.size
    found: list[np.ndarray[tuple[int, int], np.dtype[np.float64]]] = []
    for octave in range(1, 1 + _OCTAVES):
        rows, columns = (max(1, (length + (1 << octave) // 2) >> octave) for length in (height, width))
        if min(rows, columns) < _LEAST_SIDE:
            break
        plane = kernels().shrink(canvas.grey, rows, columns)
        planes = []
        for taps in _TAPS:
            plane = kernels().blur(plane, taps)
            planes.append(plane)
        differences = np.stack([planes[k] - planes[k + 1] for k in range(len(planes) - 1)])
        blobs = kernels().extrema(differences, _LEAST, _ELONGATION)
        half = _REACH * np.interp(blobs[:, 1], (-0.5, 0, 1, 2, 2.5), _KNOTS) * (1 << octave)
        found.append(
            np.stack(
                [blobs[:, 0], blobs[:, 2] * (height / rows), blobs[:, 3] * (width / columns), half], axis=1
            )
        )
    if not found:
        return np.empty((0, 4))
    windows = np.concatenate(found)
    rows_, columns_, half = windows[:, 1], windows[:, 2], windows[:, 3]
    inside = (rows_ >= half) & (rows_ + half <= height) & (columns_ >= half) & (columns_ + half <= width)
    windows = windows[inside]
    chosen = _spread(windows[np.lexsort((*windows.T[1:], -windows[:, 0]))], count, canvas.size)
    boxes = np.stack(
        [
            (chosen[:, 2] - chosen[:, 3]) / width,
            (chosen[:, 1] - chosen[:, 3]) / height,
            (chosen[:, 2] + chosen[:, 3]) / width,
            (chosen[:, 1] + chosen[:, 3]) / height,
        ],
        axis=1,
    )
    rounded: Boxes = np.clip(np.round(boxes, _DECIMALS), 0, 1)
    return rounded


def _spread(windows: Boxes, count: int, size: tuple[int, int]) -> Boxes:
    """Windows of magnitude, row, column and half side: the most marked, but not all of them in one place.

    Each next one is that whose magnitude, divided by one more than how many its ninth of the picture has
    already, is the greatest; those that repeat one before are left out.
    """
    thirds = np.minimum(np.floor(windows[:, 1:3] / size * 3), 2).astype(np.int64) @ (3, 1)
    magnitudes, taken = windows[:, 0].copy(), np.zeros(9, np.int64)
    chosen: list[int] = []
    while len(chosen) < count and magnitudes.any():
        number = int(np.argmax(magnitudes / (1 + taken[thirds])))
        chosen.append(number)
        taken[thirds[number]] += 1
        half, own = windows[:, 3], windows[number]
        smaller, larger = np.minimum(half, own[3]), np.maximum(half, own[3])
        apart = np.abs(windows[:, 1:3] - own[1:3]).max(axis=1)
        magnitudes[(larger < _ALIKE * smaller) & (apart < _NEAR * smaller)] = 0
    return windows[chosen]


def _weights(deviation: float) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Of a Gaussian, in whole numbers."""
    reach = int(np.ceil(3 * deviation))
    weights = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * deviation**2))
    return np.asarray(np.round(weights / weights.sum() * (1 << 16)), np.int64)


_TAPS: Final = [
    _weights(float(np.sqrt(after**2 - before**2)))
    for before, after in zip((_PIXEL, *_BLURS), _BLURS, strict=False)
]
_KNOTS: Final = (2 / 2 ** (1 / 6), *_SCALES, 2 * 2 ** (2.5 / 3))
