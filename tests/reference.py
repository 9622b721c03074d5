"""Plain-Python twins of the kernels, in exact fractions: slow and obvious.

Nothing here is shared with the kernels. Where they count in whole numbers over a common denominator,
these use `fractions.Fraction`; where they shortcut image-match's level writing, these write the levels
one after the other as it does.
"""

import itertools
import math
from fractions import Fraction
from itertools import pairwise

WHITE = 2_550_000


def grey(pixels):
    """Rows of whole-number grey; RGB by 0.2125 R + 0.7154 G + 0.0721 B."""
    if pixels.ndim == 2:
        return [[int(value) for value in row] for row in pixels]
    return [[2125 * int(r) + 7154 * int(g) + 721 * int(b) for r, g, b in row] for row in pixels]


def activity(pixels):
    rows = grey(pixels)
    across = [sum(abs(b - a) for a, b in itertools.pairwise(row)) for row in rows]
    down = [0] * len(rows[0])
    for above, row in itertools.pairwise(rows):
        down = [total + abs(b - a) for total, a, b in zip(down, above, row, strict=True)]
    return across, down


def border_width(pixels, box, side, most, tolerance, alike, mostly, gap):
    left, top, right, bottom = box
    lines = [row[left:right] for row in grey(pixels)[top:bottom]]
    if side in (0, 2):
        lines = [list(column) for column in zip(*lines, strict=True)]
    if side >= 2:
        lines.reverse()
    shares = []
    border = None
    for line in lines[:most]:
        step = max(len(line) // 256, 1)
        half = math.ceil(Fraction(len(line), 2 * step))
        chosen = line[::step][:half] + line[::-1][::step][:half]
        if border is None:
            border = sorted(chosen)[half]
        shares.append(Fraction(100 * sum(abs(value - border) <= tolerance for value in chosen), len(chosen)))
    width = 0
    for number, share in enumerate(shares):
        if share >= alike and all(each >= mostly for each in shares[width:number]) and number - width <= gap:
            width = number + 1
    return width


def percentile(ascending, percent):
    """numpy.percentile, method linear, without its rounding."""
    rank = Fraction(percent) * (len(ascending) - 1) / 100
    low = math.floor(rank)
    high = min(low + 1, len(ascending) - 1)
    return ascending[low] + (rank - low) * (ascending[high] - ascending[low])


def window(sums, low, high):
    cumulated = [sum(sums[: i + 1]) for i in range(len(sums))]
    lower, upper = percentile(cumulated, low), percentile(cumulated, high)
    first = sum(value <= lower for value in cumulated)  # searchsorted, side right
    last = sum(value < upper for value in cumulated)  # searchsorted, side left
    if first > last:
        first, last = int(Fraction(low, 100) * len(sums)), int(Fraction(high, 100) * len(sums))
    return first, last


def intervals(sums, side, grid, low, high):
    first, last = window(sums, low, high)
    found = []
    for k in range(1, grid + 1):
        point = math.floor(first + Fraction(k * (last - first), grid + 1))
        start = int(max(point - Fraction(side, 2), 0))
        found.append((start, min(start + side, len(sums))))
    return found


def square_side(height, width):
    return max(2, int(Fraction(1, 2) + Fraction(min(height, width), 20)))


def square_sums(pixels, rows, columns):
    values = grey(pixels)
    return [
        [sum(sum(row[left:right]) for row in values[top:bottom]) for left, right in columns]
        for top, bottom in rows
    ]


def means(sums, rows, columns):
    """Grey means as fractions of white."""
    return [
        [
            Fraction(total, (bottom - top) * (right - left) * WHITE)
            for total, (left, right) in zip(line, columns, strict=True)
        ]
        for line, (top, bottom) in zip(sums, rows, strict=True)
    ]


def signature_of_means(means, tolerance, levels):
    """Steps 4a and 4b: differences, then levels written over them one band after the other."""
    grid = len(means)
    steps = [(-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1)]
    differences = []
    for r in range(grid):
        for c in range(grid):
            for down, right in steps:
                inside = 0 <= r + down < grid and 0 <= c + right < grid
                differences.append(means[r][c] - means[r + down][c + right] if inside else Fraction(0))
    values = [Fraction(0) if abs(d) < Fraction(tolerance, 255) else d for d in differences]
    for sign in (1, -1):
        ordered = sorted(sign * v for v in values if sign * v > 0)
        if not ordered:
            continue
        bounds = [percentile(ordered, Fraction(100 * k, levels)) for k in range(levels + 1)]
        # In place, as image-match does it: a level already written is compared again.
        written = [sign * v for v in values]
        for level in range(levels):
            written = [Fraction(level + 1) if bounds[level] <= v <= bounds[level + 1] else v for v in written]
        values = [sign * v for v in written]
    return [int(v) for v in values]


def signature(pixels, grid=9, low=5, high=95, tolerance=2, levels=2):
    """The whole way, of one picture as it is."""
    height, width = pixels.shape[:2]
    side = square_side(height, width)
    across, down = activity(pixels)
    rows, columns = intervals(across, side, grid, low, high), intervals(down, side, grid, low, high)
    averages = means(square_sums(pixels, rows, columns), rows, columns)
    return signature_of_means(averages, tolerance, levels)


def words(signature, positions):
    found = []
    for places in positions:
        values = [signature[place] if place >= 0 else 0 for place in places]
        digits = [(value > 0) - (value < 0) + 1 for value in values]
        found.append(sum(digit * 3**place for place, digit in enumerate(digits)))
    return found


def runs(values, length, count):
    """The values that each of the words of a signature reads, -1 beyond its end."""
    starts = [k * values // count for k in range(count)]
    return [[place if place < values else -1 for place in range(start, start + length)] for start in starts]


def crosses(grid, length, count):
    """The same for crosses, each difference named by the two grid points and looked up where it stands."""
    steps = [(-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1)]
    where = {}
    for r in range(grid):
        for c in range(grid):
            for k, (down, right) in enumerate(steps):
                if 0 <= r + down < grid and 0 <= c + right < grid:
                    where[(r, c), (r + down, c + right)] = 8 * (r * grid + c) + k
    found = []
    for lines in ([(0, 1), (1, 0)], [(1, 1), (1, -1)]):
        for r in range(grid):
            for c in range(grid):
                word = []
                for (down, right), values in zip(lines, (length - length // 2, length // 2), strict=True):
                    points = [(r + j * down, c + j * right) for j in range(-(values // 2), values + 1)]
                    word += [where.get(pair, -1) for pair in list(pairwise(points))[:values]]
                found.append(word)
    found += [[-1] * length] * max(0, count - len(found))
    return sorted(found, key=lambda word: sum(place < 0 for place in word))[:count]


def distance(a, b):
    apart = sum((int(x) - int(y)) ** 2 for x, y in zip(a, b, strict=True))
    norms = math.sqrt(sum(int(x) ** 2 for x in a)) + math.sqrt(sum(int(y) ** 2 for y in b))
    return math.sqrt(apart) / norms if norms else 1.0


def shrink(pixels, rows, columns):
    """The mean grey of each area, an area being a whole number of parts of pixels."""
    values = grey(pixels)
    height, width = len(values), len(values[0])
    # Each pixel stands rows x columns times, so that every area is whole pixels.
    repeated = [[value for value in line for _ in range(columns)] for line in values for _ in range(rows)]
    found = []
    for r in range(rows):
        lines = repeated[r * height : (r + 1) * height]
        areas = [[line[c * width : (c + 1) * width] for line in lines] for c in range(columns)]
        found.append([math.floor(Fraction(sum(map(sum, area)), height * width)) for area in areas])
    return found


def blur(plane, taps):
    """Each row, then each column of what comes of it, both rounded down."""
    across = [_blurred(row, taps) for row in plane]
    return _transposed([_blurred(column, taps) for column in _transposed(across)])


def _blurred(line, taps):
    reach = len(taps) // 2
    padded = [line[0]] * reach + list(line) + [line[-1]] * reach
    return [
        math.floor(
            Fraction(sum(tap * value for tap, value in zip(taps, padded[k:], strict=False)), sum(taps))
        )
        for k in range(len(line))
    ]


def _transposed(rows):
    return [list(column) for column in zip(*rows, strict=True)]


def extrema(stack, least, elongation):
    """Magnitude, scale, row and column of each value that is beyond all its neighbours."""
    height, width = len(stack[0]), len(stack[0][0])
    around = [step for step in itertools.product((-1, 0, 1), repeat=3) if step != (0, 0, 0)]
    found = []
    for k, i, j in itertools.product(range(1, 4), range(1, height - 1), range(1, width - 1)):
        value = stack[k][i][j]
        sign = 1 if value > 0 else -1
        near = {step: sign * stack[k + step[0]][i + step[1]][j + step[2]] for step in around}
        beyond = all(
            other < sign * value or (other == sign * value and step > (0, 0, 0))
            for step, other in near.items()
        )
        if abs(value) < least or not beyond:
            continue
        plane = stack[k]
        down = plane[i - 1][j] - 2 * value + plane[i + 1][j]
        right = plane[i][j - 1] - 2 * value + plane[i][j + 1]
        mixed = Fraction(
            plane[i + 1][j + 1] - plane[i + 1][j - 1] - plane[i - 1][j + 1] + plane[i - 1][j - 1], 4
        )
        determinant = down * right - mixed**2
        if determinant <= 0:
            continue
        if Fraction((down + right) ** 2) / determinant > Fraction((elongation + 1) ** 2, elongation):
            continue
        found.append(
            [
                float(abs(value)),
                k - 1 + _top(stack[k - 1][i][j], value, stack[k + 1][i][j]),
                i + 0.5 + _top(plane[i - 1][j], value, plane[i + 1][j]),
                j + 0.5 + _top(plane[i][j - 1], value, plane[i][j + 1]),
            ]
        )
    return found


def _top(before, value, after):
    """Where the parabola through three values has its top or bottom."""
    bend = before - 2 * value + after
    place = Fraction(before - after, 2 * bend) if bend else Fraction(0)
    return float(min(max(place, Fraction(-1, 2)), Fraction(1, 2)))


def integral(values):
    height, width = len(values), len(values[0])
    return [[sum(sum(row[:j]) for row in values[:i]) for j in range(width + 1)] for i in range(height + 1)]


def cell_means(values, lines, unit):
    """Means over the cells between lines in parts of a pixel: each pixel by how much of it lies within."""

    def parts(length, start, stop):
        return [max(0, min(stop, (k + 1) * unit) - max(start, k * unit)) for k in range(length)]

    height, width = len(values), len(values[0])
    found = []
    for rows, columns in lines:
        cells = []
        for top, bottom in _widened(list(pairwise(rows))):
            down = parts(height, top, bottom)
            cells.append([])
            for left, right in _widened(list(pairwise(columns))):
                across = parts(width, left, right)
                total = sum(
                    d * a * value
                    for d, line in zip(down, values, strict=True)
                    for a, value in zip(across, line, strict=True)
                )
                area = (bottom - top) * (right - left)
                cells[-1].append(math.floor(Fraction(total, area)) if area else 0)
        found.append(cells)
    return found


def _widened(cells):
    """Of cells along an axis those without a width replaced by the nearest that has one, if any has."""
    wide = [k for k, (start, stop) in enumerate(cells) if stop > start]
    return [cells[min(wide, key=lambda other: (abs(other - k), other), default=k)] for k in range(len(cells))]


def signatures_of_means(stack, tolerance, levels):
    """Of grey means as whole numbers."""
    return [
        signature_of_means([[Fraction(value, WHITE) for value in row] for row in means], tolerance, levels)
        for means in stack
    ]
