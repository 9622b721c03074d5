"""Picture: pixels as they are stored, and what they stand for: turned, or scaled by their decoder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sigsearch.images.pixels import Pixels


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture for a signature, which needs neither to be turned nor to have all its pixels.

    Attributes
    ----------
    pixels : ndarray
        See `Pixels`.
    turn : int
        The orientation, by its place in `sigsearch.ORIENTATIONS`, in which they are to be seen.
    size : tuple of int
        Rows and columns in full, not turned.
    scale : int
        Each pixel stands for ``scale`` x ``scale`` of the picture in full; of the last row and column, for
        what there is.
    in_full : callable
        Decodes it again, unscaled.
    """

    pixels: Pixels
    turn: int
    size: tuple[int, int]
    scale: int
    in_full: Callable[[], Picture]

    @classmethod
    def of(cls, pixels: Pixels, turn: int = 0) -> Picture:
        """The picture in full that these pixels are."""
        return cls(pixels, turn, (pixels.shape[0], pixels.shape[1]), 1, lambda: cls.of(pixels, turn))
