"""PDQ, a peer: its codes of pictures, and those of windows by the million."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from benchmarks.made import Source, Windows, describe_windows, windows_of_each
from benchmarks.report import cores, progress

Codes = npt.NDArray[np.uint8]
"""``(n, 32)`` uint8: 256 bits each."""


def describe(rgb: npt.NDArray[np.uint8]) -> Codes:
    """The code of one picture, ``(32,)``."""
    import pdqhash

    bits, _ = pdqhash.compute(np.ascontiguousarray(rgb))
    return np.packbits(np.asarray(bits, np.uint8))


def describe_turned(rgb: npt.NDArray[np.uint8]) -> Codes:
    """The codes of one picture in its 8 orientations, ``(8, 32)``."""
    import pdqhash

    bits, _ = pdqhash.compute_dihedral(np.ascontiguousarray(rgb))
    return np.packbits(np.asarray(bits, np.uint8), axis=1)


def window_codes(count: int, sources: Sequence[Source], seed: int) -> Codes:
    """The codes of random windows in 16 orientations, of the same pictures as `made.make_signatures` cuts."""
    windows = windows_of_each(count // 16, sources)
    found, have = [], 0
    for codes in describe_windows(sources, windows, seed, _all_orientations, cores()):
        found.append(codes)
        have += len(codes)
        progress(f"made {have:,} of {count:,} PDQ codes")
        if have >= count:
            break
    progress("")
    order = np.random.default_rng([seed, 1]).permutation(count)
    return np.concatenate(found)[:count][order]


def _all_orientations(windows: Windows) -> Codes:
    codes = [np.empty((0, 32), np.uint8)]
    for window in windows:
        turned = describe_turned(window)
        # Of a negative all coefficients have the other sign.
        codes += [turned, ~turned]
    return np.concatenate(codes)
