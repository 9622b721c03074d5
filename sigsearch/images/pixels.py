"""Arrays of any kind to `Pixels`, as a signature is computed from them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from sigsearch.errors import ImageError
from sigsearch.limits import Limits

Pixels = npt.NDArray[Any]
"""``(h, w, 3)`` uint8 RGB, or ``(h, w)`` int32 grey from 0 to `WHITE`."""

WHITE = 2_550_000
"""White in int32 grey: ten-thousandths of an 8-bit level, in which the luma of RGB is a whole number."""
LUMA = (2125, 7154, 721)
"""Weights of red, green and blue in ten-thousandths, those of scikit-image's rgb2gray."""

# Rows are blended and weighed so many pixels at a time: widened all at once, they are many times the picture.
_AT_ONCE = 2**20


class TooManyPixelsError(ImageError):
    """A picture is beyond the limit, in whatever way it is read."""


def check_size(width: int, height: int, name: str, limits: Limits) -> None:
    """Refuse a picture of too many pixels; called with what its header says, before it is decoded."""
    if width * height > limits.pixels:
        raise TooManyPixelsError(
            name,
            f"it has {width} x {height} pixels, more than the limit of {limits.pixels:,} "
            "(Limits(pixels=...) or --max-pixels)",
        )


def from_array(array: Pixels, name: str, in_range: bool = True) -> Pixels:
    """Turn any array of pixels into `Pixels`.

    Files may hold deep pixels in any range, and then white is guessed (`_range_of_file`); a caller's array in
    the wrong range is more likely a mistake, and is refused (``in_range``).
    """
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))):
        raise ImageError(name, f"wanted shape (h, w), (h, w, 3) or (h, w, 4), found {array.shape}")
    if array.size == 0:
        raise ImageError(name, "it has no pixels")
    kind = array.dtype.kind
    black = 0.0
    if kind == "b":
        array, white = array.astype(np.uint8), 1.0
    elif array.dtype == np.uint8:
        return _from_bytes(array)
    elif array.dtype == np.uint16:
        white = 65535.0
    elif not in_range and kind in "fiu":
        array, black, white = _range_of_file(array, name)
    elif kind == "f":
        white = 1.0
        low, high = float(array.min()), float(array.max())  # both are nan if any pixel is
        if not (np.isfinite(low) and np.isfinite(high)):
            raise ImageError(name, "it has pixels that are not finite numbers")
        if low < 0 or high > white:
            raise ImageError(name, f"wanted pixels from 0 to {white:g}, found {low:g} to {high:g}")
    else:
        raise ImageError(name, f"wanted pixels of type uint8, uint16, float or bool, found {array.dtype}")
    return _to_grey(array, black, white)


def _range_of_file(array: Pixels, name: str) -> tuple[Pixels, float, float]:
    """Pixels of a file that says nothing of their range, and which values are black and white.

    Values that could be of 0 to 1, 8 or 16 bits are taken to be; any others are stretched. What is not a
    number stands for no measurement, and becomes white like all that is not there.
    """
    there = np.isfinite(array)
    if not there.any():
        raise ImageError(name, "it has no pixel that is a finite number")
    known = array if there.all() else array[there]
    low, high = float(known.min()), float(known.max())
    black, white = 0.0, next((white for white in (1.0, 255.0, 65535.0) if low >= 0 and high <= white), 0.0)
    if not white:
        black, white = low, high if high > low else low + 1
    if not np.isfinite(white - black):
        raise ImageError(name, f"its pixels go from {low:g} to {high:g}, too wide a range to be shown")
    return array if known is array else np.where(there, array, array.dtype.type(white)), black, white


def _from_bytes(array: Pixels) -> Pixels:
    if array.ndim == 2:
        array = np.repeat(array[:, :, np.newaxis], 3, axis=2)
    elif array.shape[2] == 4:
        if array[:, :, 3].min() == 255:
            array = array[:, :, :3]
        else:  # on white, rounded to the nearest level
            blended = np.empty((*array.shape[:2], 3), np.uint8)
            for rows in _blocks(array):
                alpha = array[rows, :, 3:].astype(np.uint32)
                blended[rows] = (array[rows, :, :3] * alpha + 255 * (255 - alpha) + 127) // 255
            array = blended
    return np.ascontiguousarray(array)


def _to_grey(array: Pixels, black: float, white: float) -> Pixels:
    white -= black
    grey = np.empty(array.shape[:2], np.int32)
    for rows in _blocks(array):
        values, full = array[rows].astype(np.float64) - black, white
        if values.ndim == 3:
            luma = sum(weight * values[:, :, channel] for channel, weight in enumerate(LUMA))
            if values.shape[2] == 4:
                alpha = values[:, :, 3] / white
                luma = luma * alpha + white * sum(LUMA) * (1 - alpha)
            values, full = np.asarray(luma), white * sum(LUMA)
        grey[rows] = np.rint(values * (WHITE / full))
    return grey


def _blocks(array: Pixels) -> Iterator[slice]:
    step = max(1, _AT_ONCE // array.shape[1])
    return (slice(row, row + step) for row in range(0, array.shape[0], step))
