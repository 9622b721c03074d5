"""Where each neighbour difference stands in a signature: the geometry that words and storage rest on.

The difference of two neighbouring grid points stands in a signature twice, once seen from each, with
opposite signs; beyond the grid's edge there is none. So of 648 values 272 tell all.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

Positions = npt.NDArray[np.int64]

STEPS: Final = tuple((r, c) for r in (-1, 0, 1) for c in (-1, 0, 1) if (r, c) != (0, 0))
"""Rows and columns to the neighbours of a grid point, in the order of `sigsearch.compute_signature`."""


@lru_cache
def opposites(grid_size: int) -> tuple[Positions, Positions]:
    """Where a signature has the difference of two grid points: seen from the one, and from the other.

    The k-th neighbour of a point has the point as its own (7 - k)-th.

    Returns
    -------
    forward, backward : ndarray of int64, shape (pairs,)
        Of each pair of neighbours both positions; 272 pairs in a grid of 9 x 9.
    """
    pairs = [
        (
            position(row, column, k, grid_size),
            position(row + STEPS[k][0], column + STEPS[k][1], 7 - k, grid_size),
        )
        for row in range(grid_size)
        for column in range(grid_size)
        for k in range(4, 8)
    ]
    forward, backward = np.array([pair for pair in pairs if min(pair) >= 0], np.int64).T.copy()
    forward.flags.writeable = backward.flags.writeable = False  # shared by all callers
    return forward, backward


def position(row: int, column: int, k: int, grid_size: int) -> int:
    """Where the difference of a grid point and its k-th neighbour stands, -1 if one of them is not there."""
    down, across = STEPS[k]
    inside = all(0 <= place < grid_size for place in (row, column, row + down, column + across))
    return 8 * (grid_size * row + column) + k if inside else -1
