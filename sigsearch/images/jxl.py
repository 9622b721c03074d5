"""JPEG XL to pixels by imagecodecs, and its size and depth by its header, before it is decoded."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sigsearch.errors import ImageError
from sigsearch.images import formats
from sigsearch.images.pixels import Pixels, check_size
from sigsearch.limits import Limits

CODESTREAM = b"\xff\x0a"
# Enough for the longest header of size and depth.
_HEADER_BYTES = 128


@dataclass(frozen=True, slots=True)
class Header:
    """What is told of a picture before its pixels."""

    width: int
    height: int
    bits: int


def read_jxl(data: bytes, name: str, limits: Limits) -> Pixels:
    """The pixels of a JPEG XL: uint8, uint16 or float; grey, RGB or RGBA; the first frame, upright."""
    imagecodecs = formats.required("imagecodecs", "JPEG XL", name)
    header = header_of(data)
    if header is None:
        raise ImageError(name, "it begins like a JPEG XL picture, but has no header")
    check_size(header.width, header.height, name, limits)
    array: Pixels = imagecodecs.jpegxl_decode(data, index=0, numthreads=1)
    if array.dtype == np.uint16 and header.bits < 16:  # decoded to as many bits as it has
        array = (array.astype(np.uint32) * 65535 // (2**header.bits - 1)).astype(np.uint16)
    if array.ndim == 3 and array.shape[2] == 2:
        array = array[:, :, [0, 0, 0, 1]]  # grey and alpha
    return array


def header_of(data: bytes) -> Header | None:
    """Read SizeHeader and ImageMetadata as far as BitDepth, by ISO/IEC 18181-1; None if there is none."""
    start = _codestream(data)
    if len(start) <= len(CODESTREAM):
        return None
    bits = _Bits(start[len(CODESTREAM) :])
    width, height = bits.size()
    depth = 8
    if not bits.take(1):  # not all is as usual
        if bits.take(1):
            bits.take(3)  # the orientation
            if bits.take(1):
                bits.size()  # the size it is meant to be shown at
            if bits.take(1):
                bits.preview()
            if bits.take(1):
                bits.animation()
        floats = bits.take(1)
        depth = (
            bits.choice((32, 0), (16, 0), (24, 0), (1, 6))
            if floats
            else bits.choice((8, 0), (10, 0), (12, 0), (1, 6))
        )
    return Header(width, height, depth)


class _Bits:
    """Bits, lowest first."""

    def __init__(self, data: bytes) -> None:
        self._rest = int.from_bytes(data, "little")

    def take(self, count: int) -> int:
        value = self._rest & ((1 << count) - 1)
        self._rest >>= count
        return value

    def choice(self, *ways: tuple[int, int]) -> int:
        """A number that two bits say how to read: what to add to how many bits."""
        offset, count = ways[self.take(2)]
        return offset + self.take(count)

    def size(self) -> tuple[int, int]:
        ways = ((1, 9), (1, 13), (1, 18), (1, 30))
        eighths = self.take(1)
        height = (self.take(5) + 1) * 8 if eighths else self.choice(*ways)
        width = self._by_ratio(height)
        if width is None:
            width = (self.take(5) + 1) * 8 if eighths else self.choice(*ways)
        return width, height

    def preview(self) -> None:
        ways = (
            ((16, 0), (32, 0), (1, 5), (33, 9)) if self.take(1) else ((1, 6), (65, 8), (321, 10), (1345, 12))
        )
        if self._by_ratio(self.choice(*ways)) is None:
            self.choice(*ways)

    def animation(self) -> None:
        self.choice((100, 0), (1000, 0), (1, 10), (1, 30))
        self.choice((1, 0), (1001, 0), (1, 8), (1, 10))
        self.choice((0, 0), (0, 3), (0, 16), (0, 32))
        self.take(1)

    def _by_ratio(self, height: int) -> int | None:
        across, down = ((0, 1), (1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))[self.take(3)]
        return height * across // down if across else None


def _codestream(data: bytes) -> bytes:
    """The beginning of the codestream, out of its box if it is in one."""
    if data.startswith(CODESTREAM):
        return data[:_HEADER_BYTES]
    at = 0
    while at + 8 <= len(data):
        size, kind, header = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8], 8
        if size == 1:
            size, header = int.from_bytes(data[at + 8 : at + 16], "big"), 16
        if kind in (b"jxlc", b"jxlp"):
            begin = at + header + (4 if kind == b"jxlp" else 0)  # a part is numbered
            return data[begin : begin + _HEADER_BYTES]
        if size < 8:  # 0 is "to the end of the file"
            break
        at += size
    return b""
