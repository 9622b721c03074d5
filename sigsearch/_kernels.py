"""Every numba kernel: grey levels, the sums over them, signatures, words and distances.

One file, because numba's on-disk cache watches only the file a kernel stands in: a kernel that calls a
kernel of another file would go on using the old one after an edit there.

Grey is an ``int32`` array, 0 (black) to `WHITE`, in ten-thousandths of an 8-bit level, so that the
luma of an RGB pixel (0.2125 R + 0.7154 G + 0.0721 B) is a whole number. All that follows is sums of
whole numbers: the same on every machine, in any order, vectorised or not. No fastmath: a signature is
stored data.

Step numbers are those of Goldberg, Wong and Bern, "An image signature for any kind of image",
ICIP 2002, section 3; where the paper leaves a choice, the choice is image-match 1.1.2's.
"""

from typing import Any, Final

import numpy as np
from numba import types

from sigsearch.jit import helper, kernel

WHITE: Final = 2_550_000  # as in images/pixels.py, which must not import numba
LEVEL: Final = 10_000
"""One of the 255 steps of 8-bit grey, in units of grey."""
NEIGHBOURS: Final = 8

_MAX_DENOMINATOR: Final = 1 << 38
"""So that grey mean times denominator stays below 2**62 for pictures of up to 2**32 pixels."""

Array = np.ndarray[Any, Any]

# Arguments are declared read-only: numba then takes writeable and read-only arrays (decoded pictures,
# memory maps) by one compiled version instead of two.
_RGB = types.Array(types.uint8, 3, "C", readonly=True)
_GREY = types.Array(types.int32, 2, "C", readonly=True)
_PIXELS = (_RGB, _GREY)
_SUMS = types.Array(types.int64, 1, "C", readonly=True)
_SUMS_PAIR: Any = types.UniTuple(types.int64[::1], 2)  # type: ignore[no-untyped-call]
_TABLE = types.Array(types.int64, 2, "C", readonly=True)
_TABLE_OUT = types.int64[:, ::1]
_SIGNATURE = types.Array(types.int8, 1, "C", readonly=True)
_SIGNATURES = types.Array(types.int8, 2, "C", readonly=True)
_INT = types.int64


@helper
def _grey_row(pixels: Array, i: int, planes: Array, grey: Array) -> None:
    """Put the grey of one row of pixels into grey (step 1). The ndim is settled when compiling."""
    if pixels.ndim == 3:
        rgb = pixels[i].reshape(-1)
        red, green, blue = planes[0], planes[1], planes[2]
        for j in range(red.shape[0]):  # bytes to bytes in a loop of its own: LLVM then moves 32 at once
            red[j] = rgb[3 * j]
            green[j] = rgb[3 * j + 1]
            blue[j] = rgb[3 * j + 2]
        for j in range(grey.shape[0]):
            grey[j] = (
                np.int32(2125) * np.int32(red[j])
                + np.int32(7154) * np.int32(green[j])
                + np.int32(721) * np.int32(blue[j])
            )
    else:
        for j in range(grey.shape[0]):
            grey[j] = pixels[i, j]


@kernel([_SUMS_PAIR(pixels) for pixels in _PIXELS])
def activity(pixels: Array) -> tuple[Array, Array]:
    """Sums of absolute differences (step 2): of horizontal neighbours per row, of vertical ones per column.

    ``(h, w)`` grey or ``(h, w, 3)`` RGB to ``(h,)`` and ``(w,)`` int64.
    """
    height, width = pixels.shape[0], pixels.shape[1]
    rows = np.zeros(height, np.int64)
    columns = np.zeros(width, np.int64)
    # Grey is kept for two rows only, and differences are summed in 32 bits, which is twice as fast;
    # 512 of them fit with room to spare.
    grey = np.empty((2, width), np.int32)
    partial = np.zeros(width, np.int32)
    planes = np.empty((3, width), np.uint8)
    for i in range(height):
        row, above = grey[i & 1], grey[1 - (i & 1)]
        _grey_row(pixels, i, planes, row)
        total = np.uint64(0)
        for j in range(1, width):
            total += np.uint32(np.int32(abs(np.int32(row[j] - row[j - 1]))))
        rows[i] = np.int64(total)
        if i > 0:
            for j in range(width):
                partial[j] = np.int32(partial[j] + np.int32(abs(np.int32(row[j] - above[j]))))
            if i % 512 == 0:
                for j in range(width):
                    columns[j] += np.int64(partial[j])
                    partial[j] = 0
    for j in range(width):
        columns[j] += np.int64(partial[j])
    return rows, columns


@helper
def _grey_at(pixels: Array, i: int, j: int) -> int:
    """The grey of one pixel. The ndim is settled when compiling."""
    if pixels.ndim == 3:
        red, green, blue = np.int64(pixels[i, j, 0]), np.int64(pixels[i, j, 1]), np.int64(pixels[i, j, 2])
        grey = 2125 * red + 7154 * green + 721 * blue
    else:
        grey = np.int64(pixels[i, j])
    return int(grey)


@kernel([types.boolean(pixels, _SUMS, _SUMS) for pixels in _PIXELS])
def all_active(pixels: Array, rows: Array, columns: Array) -> bool:
    """Whether `activity` is above 0 in each of these rows and columns; it stops where it sees that."""
    for i in rows:
        j = 1
        while j < pixels.shape[1] and _grey_at(pixels, i, j) == _grey_at(pixels, i, j - 1):
            j += 1
        if j >= pixels.shape[1]:
            return False
    for j in columns:
        i = 1
        while i < pixels.shape[0] and _grey_at(pixels, i, j) == _grey_at(pixels, i - 1, j):
            i += 1
        if i >= pixels.shape[0]:
            return False
    return True


@helper
def _percentile(cumulated: Array, percent: int) -> int:
    """A percentile of ascending sums, interpolated linearly, times 100: a whole number, nothing to round."""
    rank = (cumulated.shape[0] - 1) * percent
    i, fraction = rank // 100, rank % 100
    bound: int = 100 * cumulated[i]
    if fraction:
        bound += fraction * (cumulated[i + 1] - cumulated[i])
    return bound


@helper
def _window(cumulated: Array, low: int, high: int) -> tuple[int, int]:
    """First and last line of the window in which the activity rises from percentile low to high (step 2)."""
    n = cumulated.shape[0]
    bound = _percentile(cumulated, low)
    first = 0
    while first < n and 100 * cumulated[first] <= bound:
        first += 1
    bound = _percentile(cumulated, high)
    last = 0
    while 100 * cumulated[last] < bound:
        last += 1
    if first > last:  # nearly featureless: the middle of the picture
        first, last = n * low // 100, n * high // 100
    return first, last


@kernel([_TABLE_OUT(_SUMS, _INT, _INT, _INT, _INT, types.boolean)])
def intervals(sums: Array, side: int, grid: int, low: int, high: int, turned: bool) -> Array:
    """Start and stop of the squares along one axis (steps 2 and 3), from the activity along it.

    ``(grid, 2)`` int64; if turned ``(2 * grid, 2)``: after those of the axis read forwards those of the
    axis read backwards, as they come about in a mirrored or turned picture.
    """
    n = sums.shape[0]
    sets = 2 if turned else 1
    cumulated = np.empty(n, np.int64)
    found = np.empty((sets * grid, 2), np.int64)
    for backwards in range(sets):
        total = np.int64(0)
        for i in range(n):
            total += sums[n - 1 - i] if backwards else sums[i]
            cumulated[i] = total
        first, last = _window(cumulated, low, high)
        for k in range(grid):
            point = first + (k + 1) * (last - first) // (grid + 1)
            start = max(2 * point - side, 0) // 2
            stop = min(start + side, n)
            found[backwards * grid + k, 0] = n - stop if backwards else start
            found[backwards * grid + k, 1] = n - start if backwards else stop
    return found


@helper
def _sum_rows(pixels: Array, start: int, stop: int, sums: Array) -> None:
    """Put the sums of the rows start to stop, element by element as they lie in memory, into sums."""
    sums[:] = 0
    for i in range(start, stop):
        row = pixels[i].reshape(-1)
        for j in range(sums.shape[0]):
            sums[j] = sums[j] + row[j]


@kernel([_TABLE_OUT(pixels, _TABLE, _TABLE) for pixels in _PIXELS])
def square_sums(pixels: Array, rows: Array, columns: Array) -> Array:
    """Sum of grey over each square (step 3), ``(len(rows), len(columns))`` int64."""
    sums = np.zeros((rows.shape[0], columns.shape[0]), np.int64)
    for r in range(rows.shape[0]):
        if pixels.ndim == 3:
            # 256 rows of bytes fit in 16 bits, which halves the time.
            channels = np.empty(3 * pixels.shape[1], np.uint16)
            for start in range(rows[r, 0], rows[r, 1], 256):
                _sum_rows(pixels, start, min(start + 256, rows[r, 1]), channels)
                for c in range(columns.shape[0]):
                    red = green = blue = np.int64(0)
                    for j in range(columns[c, 0], columns[c, 1]):
                        red += np.int64(channels[3 * j])
                        green += np.int64(channels[3 * j + 1])
                        blue += np.int64(channels[3 * j + 2])
                    sums[r, c] += 2125 * red + 7154 * green + 721 * blue  # luma is linear
        else:
            line = np.empty(pixels.shape[1], np.int64)
            _sum_rows(pixels, rows[r, 0], rows[r, 1], line)
            for c in range(columns.shape[0]):
                for j in range(columns[c, 0], columns[c, 1]):
                    sums[r, c] += line[j]
    return sums


@kernel([_TABLE_OUT(_RGB, _TABLE, _TABLE, _INT)])
def scaled_square_sums(pixels: Array, rows: Array, columns: Array, scale: int) -> Array:
    """As `square_sums` of the picture in which each pixel stands scale times in each direction.

    Rows and columns are that picture's: a square's edge may cut through a pixel, which then counts by its
    share.
    """
    sums = np.zeros((rows.shape[0], columns.shape[0]), np.int64)
    width = pixels.shape[1]
    channels = np.empty(3 * width, np.int64)
    for r in range(rows.shape[0]):
        top, bottom = rows[r, 0], rows[r, 1]
        channels[:] = 0
        for i in range(top // scale, (bottom - 1) // scale + 1):
            height = min(bottom, (i + 1) * scale) - max(top, i * scale)
            row = pixels[i].reshape(-1)
            for j in range(3 * width):
                channels[j] += height * np.int64(row[j])
        for c in range(columns.shape[0]):
            left, right = columns[c, 0], columns[c, 1]
            for j in range(left // scale, (right - 1) // scale + 1):
                across = min(right, (j + 1) * scale) - max(left, j * scale)
                luma = 2125 * channels[3 * j] + 7154 * channels[3 * j + 1] + 721 * channels[3 * j + 2]
                sums[r, c] += across * luma
    return sums


@helper
def _gcd(a: int, b: int) -> int:
    while b:
        a, b = b, a % b
    return a


@helper
def _means(sums: Array, rows: Array, columns: Array, top: int, left: int, means: Array) -> int:
    """Put the grey means of one set of squares (step 3), as numerators, into means; return the denominator.

    Squares cut by the picture's edge have other areas. Over the least common multiple of the areas the
    means are exact, so that equal differences stay equal; only where it would overflow (three different
    cuts of squares of hundreds of pixels) are they rounded down, to 38 bits after the point.
    """
    grid = means.shape[0]
    denominator = 1
    for r in range(top, top + grid):
        for c in range(left, left + grid):
            area = (rows[r, 1] - rows[r, 0]) * (columns[c, 1] - columns[c, 0])
            if denominator < _MAX_DENOMINATOR and denominator % area:
                denominator = min(denominator * (area // _gcd(denominator, area)), _MAX_DENOMINATOR)
    for r in range(grid):
        for c in range(grid):
            area = (rows[top + r, 1] - rows[top + r, 0]) * (columns[left + c, 1] - columns[left + c, 0])
            total = sums[top + r, left + c]
            means[r, c] = total // area * denominator + total % area * denominator // area
    return denominator


@helper
def _level_bounds(means: Array, same: int, white: int, bounds: Array) -> int:
    """Put the largest magnitude of each level into bounds (step 4); return the level that level 1 becomes.

    Differences come in pairs of both signs, so one set of percentiles of the magnitudes serves both. An
    interpolated percentile between two magnitudes parts them: what is not above the lower of the two is
    not above the percentile, and there is nothing to round.

    image-match writes level 1 over the differences that it is still comparing. Black beside white is a
    difference of exactly 1.0, so where a later band reaches 1.0, the ones already written fall into it
    and are raised to its level.
    """
    grid, levels = means.shape[0], bounds.shape[0]
    magnitudes = np.empty(grid * grid * 4, np.int64)
    count = 0
    for r in range(grid):
        for c in range(grid):
            for nr, nc in ((r, c + 1), (r + 1, c - 1), (r + 1, c), (r + 1, c + 1)):  # each pair once
                if nr < grid and 0 <= nc < grid:
                    magnitude = abs(means[r, c] - means[nr, nc])
                    if magnitude >= same:
                        magnitudes[count] = magnitude
                        count += 1
    bounds[:] = 0
    if count == 0:
        return 1
    ordered = np.sort(magnitudes[:count])
    lowest = 1
    for k in range(1, levels + 1):
        bounds[k - 1] = ordered[k * (count - 1) // levels]
        if k > 1 and lowest == 1 and bounds[k - 1] == white:
            lowest = k
    return lowest


@helper
def _level(difference: int, same: int, bounds: Array, lowest: int) -> int:
    """The level of one neighbour difference (step 4)."""
    magnitude = abs(difference)
    if magnitude < same:
        return 0
    level = 1
    for k in range(bounds.shape[0] - 1):
        if magnitude > bounds[k]:
            level = k + 2
    if level == 1:
        level = lowest
    return level if difference > 0 else -level


@helper
def _write_levels(means: Array, denominator: int, tolerance: int, bounds: Array, signature: Array) -> None:
    """Put the levels of the neighbour differences of grey means, as numerators, into a signature (step 4)."""
    grid = means.shape[0]
    same = max(tolerance * LEVEL * denominator, 1)
    lowest = _level_bounds(means, same, WHITE * denominator, bounds)
    for r in range(grid):
        for c in range(grid):
            step = 0
            for nr in range(r - 1, r + 2):
                for nc in range(c - 1, c + 2):
                    if nr == r and nc == c:
                        continue
                    if 0 <= nr < grid and 0 <= nc < grid:
                        level = _level(means[r, c] - means[nr, nc], same, bounds, lowest)
                        signature[(r * grid + c) * NEIGHBOURS + step] = level
                    step += 1


@kernel([types.int8[:, ::1](_TABLE, _TABLE, _TABLE, _INT, _INT, _INT)])
def signatures_of(sums: Array, rows: Array, columns: Array, grid: int, tolerance: int, levels: int) -> Array:
    """Signatures from the sums over the squares (step 4), ``(1 or 16, grid * grid * 8)`` int8.

    The neighbours of a point: upper left, upper, upper right, left, right, lower left, lower, lower
    right; a difference is the point's mean less the neighbour's, 0 beyond the grid's edge.

    One signature from ``(grid, grid)`` sums; from ``(2 * grid, 2 * grid)`` those of the 16 orientations.
    Row ``8 * inverted + 4 * mirrored + turns`` is the picture mirrored left to right, then turned by
    ``turns`` quarter turns against the clock (`numpy.rot90`), then inverted. Turned or mirrored, an axis
    is read forwards or backwards, so two sets of squares an axis serve all; inversion negates every
    difference and moves no square.
    """
    orientations = 16 if rows.shape[0] > grid else 1
    signatures = np.zeros((orientations, grid * grid * NEIGHBOURS), np.int8)
    means = np.empty((grid, grid), np.int64)
    bounds = np.empty(levels, np.int64)
    for orientation in range(min(orientations, 8)):
        mirrored, turns = orientation // 4, orientation % 4
        # Of the turned picture's rows and columns: are they the original's read backwards? Turned
        # once, its rows are the columns from right to left, its columns the rows.
        top = grid if turns == 2 or turns == 3 else 0
        left = grid if (turns == 1 or turns == 2) != (mirrored == 1) else 0
        denominator = _means(sums, rows, columns, top, left, means)
        if turns % 2 == 1:
            for i in range(grid):
                for j in range(i):
                    means[i, j], means[j, i] = means[j, i], means[i, j]
        _write_levels(means, denominator, tolerance, bounds, signatures[orientation])
        if orientations == 16:
            for k in range(grid * grid * NEIGHBOURS):
                signatures[8 + orientation, k] = -signatures[orientation, k]
    return signatures


@kernel([types.int8[:, ::1](types.Array(types.int64, 3, "C", readonly=True), _INT, _INT)])
def signatures_of_means(means: Array, tolerance: int, levels: int) -> Array:
    """Signatures of grey means that are known (step 4), ``(n, grid, grid)`` to ``(n, grid * grid * 8)`` int8."""
    n, grid = means.shape[0], means.shape[1]
    signatures = np.zeros((n, grid * grid * NEIGHBOURS), np.int8)
    bounds = np.empty(levels, np.int64)
    for i in range(n):
        _write_levels(means[i], 1, tolerance, bounds, signatures[i])
    return signatures


@kernel([types.int64[:, ::1](_SIGNATURES, types.Array(types.int64, 2, "C", readonly=True))])
def words_of(signatures: Array, positions: Array) -> Array:
    """Words of signatures, ``(n, values)`` int8 to ``(n, words)`` int64, each 0 to ``3**length - 1``.

    Word k takes the signs of the values at ``positions[k]``, ``(words, length)`` int64, as digits of a number
    of base 3 (-1, 0, 1 are 0, 1, 2), the first the least; at -1 the sign is 0.
    """
    n = len(signatures)
    count, length = positions.shape
    words = np.empty((n, count), np.int64)
    for i in range(n):
        for k in range(count):
            word = np.int64(0)
            for j in range(length - 1, -1, -1):
                digit = np.int64(1)
                if positions[k, j] >= 0:
                    value = signatures[i, positions[k, j]]
                    digit += np.int64(value > 0) - np.int64(value < 0)
                word = 3 * word + digit
            words[i, k] = word
    return words


@kernel([types.float64[::1](_SIGNATURE, _SIGNATURES)])
def distances_to(signature: Array, signatures: Array) -> Array:
    """Distances of one signature to many, ``(n,)`` float64: ``||a-b|| / (||a||+||b||)``, 1.0 where 0/0.

    Squared norms are whole numbers; one correctly rounded root of each makes the distance the same
    everywhere.
    """
    n, values = signatures.shape
    own = np.int32(0)
    for j in range(values):
        own += np.int32(signature[j]) * np.int32(signature[j])
    distances = np.empty(n, np.float64)
    for i in range(n):
        other = np.int32(0)
        apart = np.int32(0)
        for j in range(values):
            value = np.int32(signatures[i, j])
            difference = np.int32(signature[j]) - value
            other += value * value
            apart += difference * difference
        norms = np.sqrt(np.float64(own)) + np.sqrt(np.float64(other))
        distances[i] = np.sqrt(np.float64(apart)) / norms if norms > 0 else 1.0
    return distances
