"""BMPs whose colours lie in other bits than Pillow knows: 4-4-4-4, 10 bits, any masks."""

from __future__ import annotations

import numpy as np

from sigsearch.images.pixels import Pixels, check_size
from sigsearch.limits import Limits

_BITFIELDS = (3, 6)
"""Compressions in which masks say where each colour lies, without and with one for alpha."""
_WITH_ALPHA_MASK = 56
"""Bytes of the smallest header that has one itself."""


def is_bmp(data: bytes) -> bool:
    """Whether a file begins like a BMP."""
    return data.startswith(b"BM")


def read_bmp(data: bytes, name: str, limits: Limits) -> Pixels | None:
    """A BMP with masks as RGBA of 8 bits; None for any other or a broken one."""

    def number(at: int, size: int = 4) -> int:
        return int.from_bytes(data[at : at + size], "little")

    start, header, bits, kind = number(10), number(14), number(28, 2), number(30)
    width, height = (int.from_bytes(data[at : at + 4], "little", signed=True) for at in (18, 22))
    if header < 40 or bits not in (16, 32) or kind not in _BITFIELDS or width < 1 or not height:
        return None
    check_size(width, abs(height), name, limits)
    row = (width * bits + 31) // 32 * 4
    if start < 66 or start + row * abs(height) > len(data):
        return None
    stored = np.frombuffer(data, np.uint8, row * abs(height), start).reshape(abs(height), row)
    pixels = stored.view("<u2" if bits == 16 else "<u4")[:, :width]
    if height > 0:
        pixels = pixels[::-1]
    masks = [number(at) for at in (54, 58, 62)]
    masks.append(number(66) if header >= _WITH_ALPHA_MASK or kind == 6 else 0)
    array = np.full((abs(height), width, 4), 255, np.uint8)
    for channel, mask in enumerate(masks):
        if mask:
            lowest = (mask & -mask).bit_length() - 1
            largest = mask >> lowest
            array[:, :, channel] = ((pixels & mask) >> lowest) * (255.0 / largest) + 0.5
        elif channel < 3:
            return None
    return array
