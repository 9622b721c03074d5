"""What is inside the borders of a picture: margins, letterbox bars, frames, one inside the other."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from sigsearch.images.pixels import WHITE, Pixels

_TOLERANCE: Final = 8 * (WHITE // 255)
"""As far a pixel may be from its border's grey: JPEG noise stays below, skies and walls mostly do not."""
_ALIKE: Final = 97
"""Hundredths of the pixels of a border's last line that are of its grey."""
_MOSTLY: Final = 60
"""Hundredths of those of lines on which there is text."""
_TEXT: Final = 20
"""A line of text is at most a 20th of the height, or width, high."""
_EDGE: Final = 1
"""Lines inside a border that are cut off with it: the edge is blurred where a picture was scaled."""
_LEVELS: Final = 3
_LEAST: Final = 100
"""A border is told of if it takes a hundredth of the picture's height or width."""
_LEFT: Final = 5
"""A fifth of the picture's height and width are left."""


class PixelBox(NamedTuple):
    """A part of a picture, in columns and rows: where it starts and stops."""

    left: int
    top: int
    right: int
    bottom: int


def inside_borders(pixels: Pixels) -> list[PixelBox]:
    """What is inside a picture's border, then what is inside the border of that, and so on.

    A border is lines along one side or more that are near-uniform, each side of one grey: a margin, a bar, a
    frame. Only grey counts, as in signatures. A plain background, an even sky is one too: nobody can tell
    whether it belongs to the picture.

    Parameters
    ----------
    pixels : ndarray
        See `Pixels`.

    Returns
    -------
    list of PixelBox
        None to three, each inside the one before; a line or so less than what a border leaves. In a picture
        mirrored or turned by quarters they lie mirrored or turned.
    """
    # Here and not above: importing numba takes longer than most commands.
    from sigsearch._kernels import border_width

    height, width = pixels.shape[:2]
    whole = box = told = np.array([0, 0, width, height], np.int64)
    found = []
    for _ in range(_LEVELS):
        sizes = (box[2:] - box[:2]).tolist()
        lines = [
            border_width(pixels, box, side, size - size // _LEFT, _TOLERANCE, _ALIKE, _MOSTLY, size // _TEXT)
            for side, size in enumerate(2 * sizes)
        ]
        left, top, right, bottom = (count + _EDGE if count else 0 for count in lines)
        box = box + np.array([left, top, -right, -bottom])
        if not any(lines) or np.any(_LEFT * (box[2:] - box[:2]) < whole[2:]):
            break
        if np.any(_LEAST * np.abs(box - told) >= np.tile(whole[2:], 2)):
            found.append(PixelBox(*map(int, box)))
            told = box
    return found
