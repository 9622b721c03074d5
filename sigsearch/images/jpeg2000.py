"""JPEG 2000 of more than 8 bits a colour, by imagecodecs: Pillow rounds these, and turns white to black."""

from __future__ import annotations

import importlib.util

import numpy as np

from sigsearch.images.pixels import Pixels

_STARTS = (b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51")
# Start of codestream, then the size marker; a JP2's boxes before it are small.
_SIZE_MARKER = b"\xff\x4f\xff\x51"
_SEARCHED = 2**20
_GREY_OR_SRGB = (16, 17)


def depths(data: bytes) -> list[int]:
    """Bits of each channel of a JPEG 2000, by its header (ISO/IEC 15444-1, A.5.1); none for other content."""
    if not data.startswith(_STARTS):
        return []
    at = data.find(_SIZE_MARKER, 0, _SEARCHED)
    if at < 0:
        return []
    count = int.from_bytes(data[at + 40 : at + 42], "big")
    return [(bits & 0x7F) + 1 for bits in data[at + 42 : at + 42 + 3 * count : 3]]


def pillow_misreads(data: bytes) -> bool:
    """Whether it is a JPEG 2000 with deep colours, which Pillow rounds to 8 bits and lets overflow."""
    channels = depths(data)
    return len(channels) > 1 and max(channels) > 8


def is_readable() -> bool:
    """Whether the library for `read_jpeg2000` is installed."""
    return importlib.util.find_spec("imagecodecs") is not None


def read_jpeg2000(data: bytes) -> Pixels | None:
    """Deep colours as uint16 of full range; None for what is neither grey, RGB, nor these with alpha."""
    import imagecodecs

    channels = depths(data)
    at = data.find(b"colr", 0, data.find(_SIZE_MARKER))
    if len(set(channels)) > 1 or len(channels) > 4 or channels[0] > 16:
        return None
    if at >= 0 and data[at + 4] == 1 and int.from_bytes(data[at + 7 : at + 11], "big") not in _GREY_OR_SRGB:
        return None
    array: Pixels = imagecodecs.jpeg2k_decode(data)
    if array.dtype != np.uint16 or array.ndim != 3:
        return None
    if channels[0] < 16:
        array = (array.astype(np.uint32) * 65535 // (2 ** channels[0] - 1)).astype(np.uint16)
    return array[:, :, [0, 0, 0, 1]] if array.shape[2] == 2 else array
