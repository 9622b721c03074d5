"""Picture: pixels, and what they stand for where the decoder scaled them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sigsearch.images.pixels import Pixels


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture as a person sees it, in full or scaled by its decoder.

    Attributes
    ----------
    pixels : ndarray
        See `Pixels`.
    size : tuple of int
        Rows and columns of the picture in full.
    scale : int
        Each pixel stands for ``scale`` x ``scale`` of the picture in full.
    missing : tuple of int
        Rows and columns that the first row and column of pixels stand for beyond the picture's edge. The
        decoder has such at the last ones, where the size is no multiple of the scale; turned, they come
        first.
    in_full : callable
        Decodes it again, unscaled.
    """

    pixels: Pixels
    size: tuple[int, int]
    in_full: Callable[[], Pixels]
    scale: int = 1
    missing: tuple[int, int] = (0, 0)

    @classmethod
    def of(cls, pixels: Pixels) -> Picture:
        """The picture that these pixels are."""
        return cls(pixels, (pixels.shape[0], pixels.shape[1]), lambda: pixels)
