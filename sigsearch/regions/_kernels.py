"""The numba kernels of regions: shrinking a picture, blurring it, finding its blobs, and the means of windows.

As in `sigsearch._kernels` grey is whole numbers, 0 to `WHITE`, and so is what is summed. A point of a picture
is given in `UNIT` parts of a pixel from its upper left corner.
"""

from typing import Any, Final

import numpy as np
from numba import types

from sigsearch.jit import helper, kernel

UNIT: Final = 64
"""Parts of a pixel."""
PLANES: Final = 5
"""Differences of an octave: those where extrema are looked for, and one to each side."""

Array = np.ndarray[Any, Any]

_RGB = types.Array(types.uint8, 3, "C", readonly=True)
_GREY = types.Array(types.int32, 2, "C", readonly=True)
_PIXELS = (_RGB, _GREY)
_PLANE = types.Array(types.int32, 2, "C", readonly=True)
_STACK = types.Array(types.int32, 3, "C", readonly=True)
_SUMS = types.Array(types.int64, 2, "C", readonly=True)
_TAPS = types.Array(types.int64, 1, "C", readonly=True)
_LINES = types.Array(types.int64, 3, "C", readonly=True)
_INT = types.int64


@helper
def _add_row(pixels: Array, i: int, weight: int, columns: Array) -> None:
    """Add the grey of one row of pixels, so many times. The ndim is settled when compiling."""
    if pixels.ndim == 3:
        for j in range(columns.shape[0]):
            columns[j] += weight * (
                2125 * np.int64(pixels[i, j, 0])
                + 7154 * np.int64(pixels[i, j, 1])
                + 721 * np.int64(pixels[i, j, 2])
            )
    else:
        for j in range(columns.shape[0]):
            columns[j] += weight * np.int64(pixels[i, j])


@kernel([types.int32[:, ::1](pixels, _INT, _INT) for pixels in _PIXELS])
def shrink(pixels: Array, rows: int, columns: int) -> Array:
    """The grey of a picture at a smaller size, ``(rows, columns)`` int32: means over areas, rounded down.

    Where an area has a part of a pixel, the pixel counts by that part; so a mirrored picture shrinks to the
    mirrored grey.
    """
    height, width = pixels.shape[0], pixels.shape[1]
    small = np.empty((rows, columns), np.int32)
    sums = np.empty(width, np.int64)
    area = np.int64(height) * np.int64(width)
    for r in range(rows):  # in units of 1 / rows of a pixel; the same across
        sums[:] = 0
        top, bottom = r * height, (r + 1) * height
        for i in range(top // rows, (bottom - 1) // rows + 1):
            _add_row(pixels, i, min(bottom, (i + 1) * rows) - max(top, i * rows), sums)
        for c in range(columns):
            left, right = c * width, (c + 1) * width
            total = np.int64(0)
            for j in range(left // columns, (right - 1) // columns + 1):
                total += (min(right, (j + 1) * columns) - max(left, j * columns)) * sums[j]
            small[r, c] = total // area
    return small


@kernel([types.int32[:, ::1](_PLANE, _TAPS)])
def blur(plane: Array, taps: Array) -> Array:
    """A plane blurred along both axes by weights of an odd number; beyond the edge it goes on as at it."""
    height, width = plane.shape
    reach, total = taps.shape[0] // 2, taps.sum()
    across = np.empty((height, width), np.int32)
    for i in range(height):
        for j in range(width):
            value = np.int64(0)
            for k in range(-reach, reach + 1):
                value += taps[reach + k] * plane[i, min(max(j + k, 0), width - 1)]
            across[i, j] = value // total
    blurred = np.empty((height, width), np.int32)
    line = np.empty(width, np.int64)
    for i in range(height):
        line[:] = 0
        for k in range(-reach, reach + 1):
            row, weight = min(max(i + k, 0), height - 1), taps[reach + k]
            for j in range(width):
                line[j] += weight * across[row, j]
        for j in range(width):
            blurred[i, j] = line[j] // total
    return blurred


@helper
def _is_extreme(stack: Array, k: int, i: int, j: int) -> bool:
    """Whether a value is the greatest among its 26 neighbours, or the least; of equal ones the first."""
    value = stack[k, i, j]
    sign = 1 if value > 0 else -1
    for dk in range(-1, 2):
        for di in range(-1, 2):
            for dj in range(-1, 2):
                other = sign * stack[k + dk, i + di, j + dj]
                before = 9 * dk + 3 * di + dj < 0
                if other > sign * value or (other == sign * value and before):
                    return False
    return True


@helper
def _peak(before: int, value: int, after: int) -> float:
    """Where a parabola through three values has its top, from the middle one: -0.5 to 0.5."""
    bend = before - 2 * value + after
    if bend == 0:
        return 0.0
    return min(max(0.5 * (before - after) / bend, -0.5), 0.5)


@kernel([types.float64[:, ::1](_STACK, _INT, _INT)])
def extrema(stack: Array, least: int, elongation: int) -> Array:
    """Blobs: extrema over place and scale of differences of Gaussians, ``(5, h, w)``.

    Returns ``(n, 4)`` float64: magnitude, scale (0 to 2, of the planes 1 to 3), and the centre's row and
    column, in pixels; these three to a part of a step by parabolas. Left out are those of a magnitude
    below `least`, and those that are longer than wide, whose place along their length says nothing: the
    squares of the principal curvatures' sum and product as in Lowe, "Distinctive image features from
    scale-invariant keypoints", IJCV 2004, section 4.1.
    """
    height, width = stack.shape[1], stack.shape[2]
    found = np.empty((3 * height * width, 4), np.float64)
    count = 0
    for k in range(1, PLANES - 1):
        plane = stack[k]
        for i in range(1, height - 1):
            for j in range(1, width - 1):
                value = np.int64(plane[i, j])
                if abs(value) < least or not _is_extreme(stack, k, i, j):
                    continue
                down = np.int64(plane[i - 1, j]) - 2 * value + plane[i + 1, j]
                right = np.int64(plane[i, j - 1]) - 2 * value + plane[i, j + 1]
                mixed = (
                    np.int64(plane[i + 1, j + 1])
                    - plane[i + 1, j - 1]
                    - plane[i - 1, j + 1]
                    + plane[i - 1, j - 1]
                )
                trace = np.float64(down) + np.float64(right)
                product = np.float64(down) * np.float64(right) - np.float64(mixed) * np.float64(mixed) / 16
                if product <= 0 or trace * trace * elongation > product * (elongation + 1) ** 2:
                    continue
                found[count, 0] = abs(value)
                found[count, 1] = (
                    k - 1 + _peak(np.int64(stack[k - 1, i, j]), value, np.int64(stack[k + 1, i, j]))
                )
                found[count, 2] = i + 0.5 + _peak(np.int64(plane[i - 1, j]), value, np.int64(plane[i + 1, j]))
                found[count, 3] = j + 0.5 + _peak(np.int64(plane[i, j - 1]), value, np.int64(plane[i, j + 1]))
                count += 1
    return found[:count].copy()


@kernel([types.int64[:, ::1](_GREY)])
def integral(grey: Array) -> Array:
    """Sums of all above and to the left, ``(h + 1, w + 1)`` int64."""
    height, width = grey.shape
    sums = np.zeros((height + 1, width + 1), np.int64)
    for i in range(height):
        line = np.int64(0)
        for j in range(width):
            line += grey[i, j]
            sums[i + 1, j + 1] = sums[i, j + 1] + line
    return sums


@helper
def _sum_to(sums: Array, row: int, column: int) -> int:
    """The sum of all above and to the left of a point, in `UNIT` squared parts."""
    i = min(row // UNIT, sums.shape[0] - 2)
    j = min(column // UNIT, sums.shape[1] - 2)
    down, right = row - i * UNIT, column - j * UNIT
    upper = sums[i, j] * (UNIT - right) + sums[i, j + 1] * right
    lower = sums[i + 1, j] * (UNIT - right) + sums[i + 1, j + 1] * right
    return int(upper * (UNIT - down) + lower * down)


@kernel([types.int64[:, :, ::1](_SUMS, _LINES)])
def cell_means(sums: Array, lines: Array) -> Array:
    """Grey means over the cells of windows, ``(n, grid, grid)`` int64, rounded down.

    `lines` are where the cells of each window meet, ``(n, 2, grid + 1)``: rows and columns, rising.
    """
    count, grid = lines.shape[0], lines.shape[2] - 1
    means = np.empty((count, grid, grid), np.int64)
    corners = np.empty((grid + 1, grid + 1), np.int64)
    for n in range(count):
        for r in range(grid + 1):
            for c in range(grid + 1):
                corners[r, c] = _sum_to(sums, lines[n, 0, r], lines[n, 1, c])
        for r in range(grid):
            for c in range(grid):
                area = (lines[n, 0, r + 1] - lines[n, 0, r]) * (lines[n, 1, c + 1] - lines[n, 1, c])
                total = corners[r + 1, c + 1] - corners[r, c + 1] - corners[r + 1, c] + corners[r, c]
                means[n, r, c] = total // max(area, 1)
    return means
