"""How a signature lies in a row and in a block: which of its values are stored, in which bits.

A difference between two neighbours stands in a signature twice, once seen from each, with opposite signs,
and beyond the grid's edge there is none. So of the 648 values of a picture's signature 272 tell all:
the *folded* layout stores these. Signatures from elsewhere need not be so; any that is not is stored in
the *full* layout. Which of the two is decided for each signature, and nothing is ever lost.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from sigsearch.neighbours import Positions, opposites
from sigsearch.scheme import Scheme

BLOCK: Final = 256
"""Rows in a block."""
LANES: Final = 4
"""Words of 64 bits in a plane."""
_HEADER: Final = 2
"""Words of a row after those of its values."""

Rows = npt.NDArray[np.uint64]


@dataclass(frozen=True, eq=False)
class Layout:
    """One of the two ways to store signatures of a scheme.

    A row is an array of little-endian words: the packed values; the number of the record's first row (48
    bits) and which of its views this is (16 bits); the squared norm and a checksum (32 bits each).

    Attributes
    ----------
    name : str
        ``"folded"`` or ``"full"``; also the names of its files.
    length, levels : int
        Of the scheme: values in a signature, and their greatest magnitude.
    forward, backward : ndarray of int64
        Positions of the stored values, and of those that are their negatives; none in the full layout.
    planes : int
        Planes a value in a block: 2 say whether it is negative, zero or positive, 1 whether it is negative.
        One is enough to dismiss most strangers whose values are independent, and keeps a full row and its
        share of a block below 300 bytes; values of pictures are not independent.
    """

    name: str
    length: int
    levels: int
    forward: Positions
    backward: Positions
    planes: int

    @property
    def folded(self) -> bool:
        """Whether each stored value stands for two."""
        return len(self.backward) > 0

    @property
    def values(self) -> int:
        """Values stored."""
        return len(self.forward)

    @cached_property
    def border(self) -> Positions:
        """Positions whose values are not stored because they are 0."""
        stored = np.concatenate([self.forward, self.backward])
        return np.setdiff1d(np.arange(self.length), stored)

    @property
    def base(self) -> int:
        """How many values there can be at a position."""
        return 2 * self.levels + 1

    @cached_property
    def group(self) -> int:
        """Values in a code: as many as fit in a byte."""
        return next(k for k in range(8, 0, -1) if self.base**k <= 256)

    @cached_property
    def bits(self) -> int:
        """Bits of a code: 7 for three values of five levels."""
        return int(self.base**self.group - 1).bit_length()

    @property
    def places(self) -> int:
        """Codes in a row."""
        return -(-self.values // self.group)

    @property
    def value_words(self) -> int:
        """Words of a row that have the values."""
        return -(-self.places // (64 // self.bits))

    @property
    def row_words(self) -> int:
        """Words of a row."""
        return self.value_words + _HEADER

    @property
    def extremes(self) -> int:
        """Words of a block before the least and greatest squared norm of each lane."""
        return (self.values * self.planes + 1) * LANES + BLOCK // 8

    @property
    def block_words(self) -> int:
        """Words of a block, the last a checksum: a multiple of 8, so that no plane is in two cache lines."""
        return -(-(self.extremes + LANES + 1) // 8) * 8

    @property
    def row_bytes(self) -> int:
        """Bytes of a row."""
        return 8 * self.row_words

    @property
    def block_bytes(self) -> int:
        """Bytes of a block."""
        return 8 * self.block_words

    def takes(self, signatures: npt.NDArray[np.int8]) -> npt.NDArray[np.bool_]:
        """Which signatures, shape (n, length), can be stored in this layout."""
        if not self.folded:
            return np.ones(len(signatures), np.bool_)
        taken: npt.NDArray[np.bool_] = _kernels().folds(signatures, self.forward, self.backward, self.border)
        return taken

    def pack(self, signatures: npt.NDArray[np.int8], firsts: Positions, positions: Positions) -> Rows:
        """Rows of signatures that the layout takes."""
        rows = np.zeros((len(signatures), self.row_words), np.uint64)
        if len(rows):
            _kernels().pack(signatures, self.forward, self.levels, self.group, self.bits, rows)
        rows[:, -2] = firsts.astype(np.uint64) | positions.astype(np.uint64) << np.uint64(48)
        wide = signatures.astype(np.int32)
        rows[:, -1] = np.einsum("ij,ij->i", wide, wide).astype(np.uint64)
        rows[:, -1] |= _checksums(rows) << np.uint64(32)
        return rows

    def readdress(self, rows: Rows, firsts: npt.NDArray[np.int64]) -> None:
        """Give rows the numbers of other records."""
        rows[:, -2] &= np.uint64(0xFFFF << 48)
        rows[:, -2] |= firsts.astype(np.uint64)
        rows[:, -1] &= np.uint64(0xFFFF_FFFF)
        rows[:, -1] |= _checksums(rows) << np.uint64(32)

    def sound(self, rows: Rows) -> npt.NDArray[np.bool_]:
        """Which rows have the checksum that they should have."""
        kept: npt.NDArray[np.uint64] = rows[:, -1] >> np.uint64(32)
        return np.equal(kept, _checksums(rows))

    def unpack(self, rows: Rows) -> npt.NDArray[np.int8]:
        """The signatures of rows, shape (n, length)."""
        signatures = np.zeros((len(rows), self.length), np.int8)
        if len(rows):
            rows = np.ascontiguousarray(rows)
            _kernels().unpack(
                rows, self.forward, self.backward, self.levels, self.group, self.bits, signatures
            )
        return signatures

    def lay_blocks(self, rows: Rows) -> npt.NDArray[np.uint64]:
        """The blocks of rows, shape (blocks, block_words); the last may be of fewer rows than 256."""
        blocks = np.zeros((-(-len(rows) // BLOCK), self.block_words), np.uint64)
        for number, block in enumerate(blocks):
            part = rows[BLOCK * number : BLOCK * (number + 1)]
            _kernels().lay_block(part, self.values, self.planes, self.levels, self.group, self.bits, block)
            block[-1] = block_checksum(block)
        return blocks


@lru_cache
def layouts(scheme: Scheme) -> tuple[Layout, Layout]:
    """The folded and the full layout of a scheme's signatures."""
    forward, backward = opposites(scheme.grid_size)
    length, levels = scheme.signature_length, scheme.levels
    every = np.arange(length, dtype=np.int64)
    return (
        Layout("folded", length, levels, forward, backward, planes=2),
        Layout("full", length, levels, every, every[:0], planes=1),
    )


def block_checksum(block: npt.NDArray[np.uint64]) -> int:
    """Of all of a block but the place of the checksum, its last word."""
    return zlib.crc32(block[:-1].data)


def _checksums(rows: Rows) -> npt.NDArray[np.uint64]:
    """Of all of each row but the place of the checksum, its last four bytes."""
    data, size = rows.tobytes(), 8 * rows.shape[1]
    view = memoryview(data)
    return np.array([zlib.crc32(view[i : i + size - 4]) for i in range(0, len(data), size)], np.uint64)


def _kernels() -> Any:
    # Here and not above: importing numba takes longer than opening an index.
    from sigsearch_local import _kernels

    return _kernels
