"""Canvas: a picture in small, upright, of which windows are found and signed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from sigsearch.images import WHITE, Picture
from sigsearch.orientations import turn_pixels
from sigsearch.signatures import signatures_of_means

if TYPE_CHECKING:
    from sigsearch.scheme import Scheme

Boxes = npt.NDArray[np.float64]
"""``(n, 4)`` float64: left, top, right, bottom, in fractions of the width and the height, as `Box`."""


@dataclass(frozen=True, eq=False)
class Canvas:
    """The grey of a picture, shrunken.

    Attributes
    ----------
    grey : ndarray of int32, shape (h, w)
        0 (black) to `sigsearch.images.WHITE`.
    """

    grey: npt.NDArray[np.int32]

    @classmethod
    def of(cls, picture: Picture, side: int) -> Canvas:
        """A picture with its longer side shrunken to so many pixels; a smaller one as it is."""
        height, width = picture.pixels.shape[:2]
        longer = max(height, width, side)
        rows, columns = (max(1, (length * side + longer // 2) // longer) for length in (height, width))
        small = kernels().shrink(picture.pixels, rows, columns)
        return cls(turn_pixels(small, picture.turn, WHITE))

    def turned(self, orientation: int) -> Canvas:
        """The canvas in another orientation, by its place in `sigsearch.ORIENTATIONS`."""
        return self if orientation == 0 else Canvas(turn_pixels(self.grey, orientation, WHITE))

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.grey.shape[0], self.grey.shape[1]

    @cached_property
    def _integral(self) -> npt.NDArray[np.int64]:
        sums: npt.NDArray[np.int64] = kernels().integral(self.grey)
        return sums

    def signatures(self, boxes: Boxes | Sequence[Sequence[float]], scheme: Scheme) -> npt.NDArray[np.int8]:
        """The signatures of windows, ``(n, 648)`` int8.

        A window's grid is laid over all of it: its cells meet, and their means are the grid points'. What
        of a window is beyond the edge is not there.
        """
        unit = kernels().UNIT
        corners = np.asarray(boxes, np.float64).reshape(-1, 4)
        steps = np.arange(scheme.grid_size + 1) / scheme.grid_size
        lines = np.empty((len(corners), 2, len(steps)), np.int64)
        for axis, length in enumerate(self.size):
            start, stop = corners[:, 1 - axis, None], corners[:, 3 - axis, None]
            places = (start + (stop - start) * steps) * (length * unit)
            lines[:, axis] = np.clip(np.floor(places + 0.5), 0, length * unit)
        return signatures_of_means(kernels().cell_means(self._integral, lines), scheme)


def kernels() -> ModuleType:
    """The compiled part."""
    # Here and not above: importing numba takes longer than most commands.
    from sigsearch.regions import _kernels

    return _kernels
