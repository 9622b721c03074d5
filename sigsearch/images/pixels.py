"""Arrays of any kind to `Pixels`, as a signature is computed from them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from sigsearch.errors import ImageError

Pixels = npt.NDArray[Any]
"""``(h, w, 3)`` uint8 RGB, or ``(h, w)`` int32 grey from 0 to `WHITE`."""

WHITE = 2_550_000
"""White in int32 grey: ten-thousandths of an 8-bit level, in which the luma of RGB is a whole number."""
LUMA = (2125, 7154, 721)
"""Weights of red, green and blue in ten-thousandths, those of scikit-image's rgb2gray."""


def from_array(array: Pixels, name: str, in_range: bool = True) -> Pixels:
    """Turn any array of pixels into `Pixels`.

    Files may hold deep pixels in any range and are stretched; a caller's array in the wrong range is
    more likely a mistake, and is refused (``in_range``).
    """
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))):
        raise ImageError(name, f"wanted shape (h, w), (h, w, 3) or (h, w, 4), found {array.shape}")
    if array.size == 0:
        raise ImageError(name, "it has no pixels")
    kind = array.dtype.kind
    if kind == "b":
        array, white = array.astype(np.uint8), 1.0
    elif array.dtype == np.uint8:
        return _from_bytes(array)
    elif array.dtype == np.uint16:
        white = 65535.0
    elif kind == "f" or not in_range:
        white = 1.0 if kind == "f" else 65535.0
    else:
        raise ImageError(name, f"wanted pixels of type uint8, uint16, float or bool, found {array.dtype}")
    return _to_grey(array, white, name, in_range)


def _from_bytes(array: Pixels) -> Pixels:
    if array.ndim == 2:
        array = np.repeat(array[:, :, np.newaxis], 3, axis=2)
    elif array.shape[2] == 4:
        alpha = array[:, :, 3:]
        if alpha.min() == 255:
            array = array[:, :, :3]
        else:  # on white, rounded to the nearest level
            wide = alpha.astype(np.uint16)
            blended = array[:, :, :3] * wide + 255 * (255 - wide)
            array = ((blended.astype(np.uint32) + 127) // 255).astype(np.uint8)
    return np.ascontiguousarray(array)


def _to_grey(array: Pixels, white: float, name: str, in_range: bool) -> Pixels:
    values = array.astype(np.float64)
    if not np.isfinite(values).all():
        raise ImageError(name, "it has pixels that are not finite numbers")
    low, high = float(values.min()), float(values.max())
    if low < 0 or high > white:
        if in_range:
            raise ImageError(name, f"wanted pixels from 0 to {white:g}, found {low:g} to {high:g}")
        values, white = values - low, high - low
    if values.ndim == 3:
        luma = sum(weight * values[:, :, channel] for channel, weight in enumerate(LUMA))
        if values.shape[2] == 4:
            alpha = values[:, :, 3] / white
            luma = luma * alpha + white * sum(LUMA) * (1 - alpha)
        values, white = np.asarray(luma), white * sum(LUMA)
    return np.ascontiguousarray(np.rint(values * (WHITE / white)).astype(np.int32))
