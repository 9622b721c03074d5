"""Which values of a signature each of its words reads: runs, as image-match has them, or crosses.

A word is found again if none of its signs has changed, and costs what it is found in by chance. The values
of a run all belong to one or two grid points, so they hang together: where the grid point is dark, all are
negative. Differences one after the other along a line do not, and two lines through one grid point stay
close together. So the words of crosses stand in far fewer strangers than those of runs, and are
lost in copies no more often.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np

from sigsearch.neighbours import STEPS, Positions, position
from sigsearch.scheme import Scheme

_RIGHT, _DOWN, _DOWN_RIGHT, _DOWN_LEFT = (STEPS.index(step) for step in ((0, 1), (1, 0), (1, 1), (1, -1)))
_CROSSES: Final = ((_RIGHT, _DOWN), (_DOWN_RIGHT, _DOWN_LEFT))
"""The directions of the two lines of an upright and of a slanting cross."""


@lru_cache
def word_positions(scheme: Scheme) -> Positions:
    """Where the values of each word stand in a signature.

    Returns
    -------
    ndarray of int64, shape (word_count, word_length)
        -1 for a value that is not there, which counts as 0: beyond the signature's end or the grid's edge.
        The k-th of n *runs* takes the values from ``k * 648 // n`` on. A *cross* takes the differences
        along two lines through a grid point, half of them each; of all upright and all slanting crosses
        those that have most of their differences within the grid, in reading order. Words beyond the last
        cross have no values.
    """
    found = np.array(_runs(scheme) if scheme.word_shape == "run" else _crosses(scheme), np.int64)
    found.flags.writeable = False  # shared by all callers
    return found


def word_lines(scheme: Scheme) -> tuple[slice, ...]:
    """Which values of a word lie along one line: all of a run, the one half and the other of a cross."""
    length = scheme.word_length
    if scheme.word_shape == "run":
        return (slice(0, length),)
    middle = length - length // 2
    return slice(0, middle), slice(middle, length)


def _runs(scheme: Scheme) -> list[list[int]]:
    length = scheme.signature_length
    starts = [k * length // scheme.word_count for k in range(scheme.word_count)]
    return [
        [place if place < length else -1 for place in range(start, start + scheme.word_length)]
        for start in starts
    ]


def _crosses(scheme: Scheme) -> list[list[int]]:
    grid = range(scheme.grid_size)
    every = [
        [
            place
            for direction, line in zip(directions, word_lines(scheme), strict=True)
            for place in _line(row, column, direction, line.stop - line.start, scheme.grid_size)
        ]
        for directions in _CROSSES
        for row in grid
        for column in grid
    ]
    every.sort(key=lambda word: word.count(-1))  # a stable sort
    missing = scheme.word_count - len(every)
    return [*every[: scheme.word_count], *([-1] * scheme.word_length for _ in range(missing))]


def _line(row: int, column: int, direction: int, values: int, grid_size: int) -> list[int]:
    """Where the differences of neighbours along a line stand, half of them before a grid point."""
    down, across = STEPS[direction]
    return [
        position(row + step * down, column + step * across, direction, grid_size)
        for step in range(-(values // 2), values - values // 2)
    ]
