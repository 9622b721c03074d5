"""Are our signatures image-match's, value for value? And where they are not, is it a tie?"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import typer

import sigsearch
from benchmarks.image_match import ImageMatch
from benchmarks.pictures import rgb_pictures
from sigsearch import images
from sigsearch.scheme import DEFAULT_SCHEME, IMAGE_MATCH_SCHEME
from sigsearch.signatures import sum_squares

TOLERANCE = Fraction(2, 255)
ROUNDING = 1e-12
"""More than image-match's sums of floats from 0 to 1 can be off, far less than one grey level."""


def parity(
    pictures: Annotated[
        Path | None, typer.Option(help="a folder; default: what comes with sigsearch")
    ] = None,
    orientations: Annotated[bool, typer.Option(help="also the 16 orientations of each")] = False,
) -> None:
    """Compare signatures and words with image-match 1.1.2's; exit 1 if a difference is not a tie.

    A value that differs is a tie if the exact difference of grey means, in fractions, lies exactly on the
    bound between two levels (on 2/255, or on the median of the differences), so that image-match's answer
    is that of its rounding, which must be within 1e-12 of the exact difference.
    """
    reference = ImageMatch()
    compared = differing = values = unexplained = 0
    for name, rgb in rgb_pictures(pictures):
        if orientations:
            pairs = _orientations(reference, rgb)
        else:
            pairs = [("", rgb, reference.signature(rgb), sigsearch.compute_signature(rgb))]
        for orientation, pixels, theirs, ours in pairs:
            compared += 1
            words = sigsearch.encode_words(theirs, scheme=IMAGE_MATCH_SCHEME)
            if not np.array_equal(words, reference.words(theirs)):
                unexplained += 1
                print(f"{name} {orientation}: the words of one signature differ")
            if np.array_equal(theirs, ours):
                continue
            differing += 1
            where = np.flatnonzero(theirs != ours)
            values += len(where)
            ties = tied_values(reference, pixels)
            others = [int(i) for i in where if i not in ties]
            unexplained += bool(others)
            kind = f"NOT ties: {others}" if others else "all exact ties"
            print(f"{name} {orientation}: {len(where)} of {len(ours)} values differ, {kind}")
    print(f"{compared} signatures compared, {compared - differing} identical in all values")
    print(f"{differing} differ, in {values} values altogether; {unexplained} of them not by exact ties")
    raise typer.Exit(1 if unexplained or not compared else 0)


def _orientations(
    reference: ImageMatch, rgb: npt.NDArray[np.uint8]
) -> list[tuple[str, npt.NDArray[Any], npt.NDArray[np.int8], npt.NDArray[np.int8]]]:
    """Each orientation: name, the really turned grey, image-match's signature of it, ours."""
    grey = reference.grey(rgb)
    found = []
    for name, ours in zip(sigsearch.ORIENTATIONS, sigsearch.compute_orientations(rgb), strict=True):
        turned = grey[:, ::-1] if "mirror" in name else grey
        turns = next((turns for turns in (1, 2, 3) if f"rotate-{90 * turns}" in name), 0)
        turned = np.ascontiguousarray(np.rot90(turned, turns))
        turned = 1 - turned if "invert" in name else turned
        found.append((name, turned, reference.signature(turned), ours))
    return found


def tied_values(reference: ImageMatch, pixels: npt.NDArray[Any]) -> set[int]:
    """Which values of a picture's signature hang on image-match's rounding: see `parity`."""
    exact = exact_differences(pixels)
    rounded = reference.differences(pixels)
    every = sorted(abs(d) for i, d in enumerate(exact) if _each_pair_once(i) and abs(d) >= TOLERANCE)
    # A difference of just 2/255 counts as none or not, as it was rounded; and then the median shifts.
    without = [magnitude for magnitude in every if magnitude != TOLERANCE]
    tied = {TOLERANCE}
    medians = []
    for magnitudes in (every, without):
        middle = (len(magnitudes) - 1) // 2
        if magnitudes:
            medians.append(magnitudes[middle])
        if magnitudes[middle : middle + 1] == magnitudes[middle + 1 : middle + 2] != []:
            tied.add(magnitudes[middle])  # equal on both sides of the median: rounding parts them
    if medians:
        tied |= {magnitude for magnitude in every if min(medians) < magnitude <= max(medians)}
    return {i for i, d in enumerate(exact) if abs(d) in tied and abs(float(d) - rounded[i]) < ROUNDING}


def _each_pair_once(i: int) -> bool:
    """Whether value i is of the half with each pair once: right, lower left, lower, lower right."""
    return i % 8 >= 4


def exact_differences(pixels: npt.NDArray[Any]) -> list[Fraction]:
    """The neighbour differences of a picture's grey means, as fractions of white, ``(648,)``."""
    sums, rows, columns = sum_squares(images.read_pixels(pixels), DEFAULT_SCHEME, turned=False)
    means = [
        [
            Fraction(int(sums[r, c]), int((bottom - top) * (right - left)) * images.WHITE)
            for c, (left, right) in enumerate(columns)
        ]
        for r, (top, bottom) in enumerate(rows)
    ]
    steps = [(-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1)]
    return [
        means[r][c] - means[r + down][c + right] if 0 <= r + down < 9 and 0 <= c + right < 9 else Fraction(0)
        for r in range(9)
        for c in range(9)
        for down, right in steps
    ]
