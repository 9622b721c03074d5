"""Made pictures for tests: distinct ones that have features as photographs do, and near-duplicates of them.

All of it is whole-number arithmetic on a generator of its own (SplitMix64), so a seed gives the same
picture with every version of numpy; only what Pillow does (``jpeg``, ``resize``, ``squash``) may vary a
little with its version.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from sigsearch.errors import InputError

Picture: TypeAlias = npt.NDArray[np.uint8]
"""``(h, w, 3)`` uint8, RGB."""

_LAYERS = ((3, 8), (6, 12), (12, 16), (24, 8), (48, 4))
"""Blobs along the longer side, and their weight: the finer, the fainter, as in photographs."""
_TINTS = ((2, 2), (5, 1))
_MASK = 2**64 - 1


def make_picture(seed: int = 0, size: tuple[int, int] = (320, 240)) -> Picture:
    """A picture of smooth blobs on several scales, in colour.

    Parameters
    ----------
    seed : int
        0 to 2**64 - 1. Other seeds give other pictures, at a distance far above the usual cutoff.
    size : tuple of int
        Width and height, each at least 16.

    Returns
    -------
    ndarray of uint8, shape (height, width, 3)

    Raises
    ------
    InputError
        The seed or the size is out of its range.
    """
    width, height = size
    if not 0 <= seed <= _MASK:
        raise InputError(f"wanted a seed from 0 to 2**64 - 1, found {seed}")
    if width < 16 or height < 16:
        raise InputError(f"wanted a picture of at least 16 x 16 pixels, found {width} x {height}")
    grey = _blobs(seed, 0, width, height, _LAYERS)
    channels = [3 * grey + _blobs(seed, channel, width, height, _TINTS) for channel in (1, 2, 3)]
    return np.stack([_stretch(channel) for channel in channels], axis=2)


def make_near_duplicate(picture: Picture, edit: str = "jpeg") -> Picture:
    """A copy of a picture as copies are met in the wild.

    Parameters
    ----------
    picture : ndarray of uint8, shape (h, w, 3)
    edit : str
        One of `EDITS`. Of a made picture, each stays below a distance of 0.45.

    Returns
    -------
    ndarray of uint8, shape (h, w, 3)
        Of another height and width, for some edits.

    Raises
    ------
    InputError
        Not the name of an edit.
    """
    if edit not in _EDITS:
        raise InputError(f"wanted an edit that is one of {', '.join(EDITS)}, found {edit!r}")
    return np.ascontiguousarray(_EDITS[edit](picture))


def _random(seed: int, stream: int, count: int) -> npt.NDArray[np.int64]:
    """Numbers from 0 to 65535 by SplitMix64 (Steele, Lea and Flood, OOPSLA 2014, figure 16)."""
    # The streams of one seed must not be those of the next: the start is mixed as well.
    start = _mix(np.array([seed], np.uint64)) ^ _mix(np.array([~stream & _MASK], np.uint64))
    steps = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    return (_mix(start + steps) >> np.uint64(48)).astype(np.int64)


def _mix(state: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))


def _blobs(
    seed: int, channel: int, width: int, height: int, layers: tuple[tuple[int, int], ...]
) -> npt.NDArray[np.int64]:
    """Sum of layers of random knots with a smooth surface through them, ``(height, width)``."""
    total = np.zeros((height, width), np.int64)
    longer = max(width, height)
    for number, (blobs, weight) in enumerate(layers):
        left, across = _between_knots(width, longer, blobs)
        top, down = _between_knots(height, longer, blobs)
        columns, rows = int(left[-1]) + 2, int(top[-1]) + 2
        knots = _random(seed, 16 * channel + number, rows * columns).reshape(rows, columns)
        lines = knots[:, left] * (256 - across) + knots[:, left + 1] * across
        down = down[:, np.newaxis]
        surface = np.asarray(lines[top] * (256 - down) + lines[top + 1] * down, np.int64)
        total += weight * (surface >> 16)
    return total // sum(weight for _, weight in layers)


def _between_knots(
    length: int, longer: int, blobs: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """For each pixel of a line, the knot before it and how far it is past that, smoothed, in 256ths."""
    along = np.arange(length, dtype=np.int64) * (256 * blobs) // longer
    past = along % 256
    return along // 256, (past * past * (3 * 256 - 2 * past)) >> 16


def _stretch(values: npt.NDArray[np.int64]) -> Picture:
    low, high = int(values.min()), int(values.max())
    return ((values - low) * 255 // max(high - low, 1)).astype(np.uint8)


# Edits


def _pil(picture: Picture) -> Any:
    from PIL import Image

    return Image.fromarray(picture)


def _jpeg(picture: Picture) -> Picture:
    from PIL import Image

    file = io.BytesIO()
    _pil(picture).save(file, "JPEG", quality=30)
    with Image.open(file) as copy:
        return np.asarray(copy.convert("RGB"))


def _scaled(picture: Picture, across: int, down: int) -> Picture:
    from PIL import Image

    height, width = picture.shape[:2]
    size = (max(width * across // 100, 1), max(height * down // 100, 1))
    return np.asarray(_pil(picture).resize(size, Image.Resampling.BILINEAR))


def _blur(picture: Picture) -> Picture:
    """Each pixel the mean of the five by five around it."""
    height, width = picture.shape[:2]
    padded = np.pad(picture.astype(np.int64), ((2, 2), (2, 2), (0, 0)), mode="edge")
    lines = sum(padded[i : i + height] for i in range(5))
    total = sum(np.asarray(lines)[:, j : j + width] for j in range(5))
    return (np.asarray(total) // 25).astype(np.uint8)


def _noise(picture: Picture) -> Picture:
    noise = _random(0, 99, picture.size).reshape(picture.shape) % 31 - 15
    return _clipped(picture.astype(np.int64) + noise)


def _clipped(values: npt.NDArray[np.int64]) -> Picture:
    return np.clip(values, 0, 255).astype(np.uint8)


def _brighten(picture: Picture) -> Picture:
    return _clipped(picture.astype(np.int64) + 30)


def _contrast(picture: Picture) -> Picture:
    return _clipped((picture.astype(np.int64) - 128) * 5 // 4 + 128)


def _grey(picture: Picture) -> Picture:
    luma = (picture.astype(np.int64) * (299, 587, 114)).sum(axis=2, keepdims=True) // 1000
    return np.repeat(luma, 3, axis=2).astype(np.uint8)


def _tint(picture: Picture) -> Picture:
    return (picture.astype(np.int64) * (100, 88, 70) // 100).astype(np.uint8)


def _frame(picture: Picture) -> Picture:
    """A dark border of a 60th of the height and the width put around it."""
    height, width = picture.shape[:2]
    down, across = max(height // 60, 1), max(width // 60, 1)
    return np.pad(picture, ((down, down), (across, across), (0, 0)), constant_values=20)


def _crop(picture: Picture) -> Picture:
    """A 60th of the height and the width cut off at each side."""
    height, width = picture.shape[:2]
    down, across = max(height // 60, 1), max(width // 60, 1)
    return picture[down:-down, across:-across]


_EDITS: dict[str, Callable[[Picture], Picture]] = {
    "jpeg": _jpeg,
    "resize": lambda picture: _scaled(picture, 50, 50),
    "enlarge": lambda picture: _scaled(picture, 150, 150),
    "squash": lambda picture: _scaled(picture, 60, 100),
    "blur": _blur,
    "noise": _noise,
    "brighten": _brighten,
    "contrast": _contrast,
    "grey": _grey,
    "tint": _tint,
    "frame": _frame,
    "crop": _crop,
}
EDITS: tuple[str, ...] = tuple(_EDITS)
"""Names that `make_near_duplicate` takes."""
