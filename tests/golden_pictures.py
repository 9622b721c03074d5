"""The pictures behind tests/golden/signatures.json: parts of the paintings, and made ones.

Made by whole-number arithmetic alone, so that no version of any library can change them.
"""

from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

SIZES = [(40, 40), (64, 48), (48, 64), (100, 30), (30, 100), (200, 13), (13, 200), (9, 9), (251, 97)]


def golden_pictures() -> Iterator[tuple[str, npt.NDArray[np.uint8]]]:
    """Names and (h, w, 3) uint8 arrays."""
    for path in sorted((Path(str(files("sigsearch"))) / "pictures").glob("*.jpg")):
        with Image.open(path) as image:
            rgb = np.asarray(image.convert("RGB"))
        height, width = rgb.shape[:2]
        yield f"{path.stem}, whole", rgb
        yield f"{path.stem}, upper half", rgb[: height // 2]
        yield f"{path.stem}, left third", rgb[:, : width // 3]
        yield f"{path.stem}, middle", rgb[height // 4 : -height // 4, width // 4 : -width // 4]
        yield f"{path.stem}, every third pixel", rgb[::3, ::3]
        yield f"{path.stem}, every fourth row", rgb[::4]
        yield f"{path.stem}, framed", np.pad(rgb, ((20, 20), (60, 10), (0, 0)), constant_values=255)
    for seed in range(27):
        height, width = SIZES[seed % len(SIZES)]
        yield f"made {seed}, {width}x{height}", made_picture(seed, height, width)


def made_picture(seed: int, height: int, width: int) -> npt.NDArray[np.uint8]:
    """Blobs on three scales: pseudo-random lattices, interpolated between their points."""
    total = np.zeros((height, width, 3), np.int64)
    for scale in (3, 7, 16):
        lattice = _numbers(seed * 31 + scale, (scale + 1) * (scale + 1) * 3).reshape(scale + 1, scale + 1, 3)
        y, x = np.arange(height) * scale * 256 // height, np.arange(width) * scale * 256 // width
        (i, v), (j, u) = np.divmod(y, 256), np.divmod(x, 256)
        u, v = u[np.newaxis, :, np.newaxis], v[:, np.newaxis, np.newaxis]
        top = lattice[i][:, j] * (256 - u) + lattice[i][:, j + 1] * u
        bottom = lattice[i + 1][:, j] * (256 - u) + lattice[i + 1][:, j + 1] * u
        total += (top * (256 - v) + bottom * v) >> 16
    return (total // 3).astype(np.uint8)


def _numbers(seed: int, count: int) -> npt.NDArray[np.int64]:
    """Numbers from 0 to 255 by a linear congruential generator (Knuth's MMIX)."""
    found, state = [], seed + 1
    for _ in range(count + 8):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        found.append(state >> 56)
    return np.array(found[8:], np.int64)
