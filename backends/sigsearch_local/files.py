"""The signature files of an index: rows in the order they were added, and the blocks made of them.

Of each layout there are two files. ``folded-1.rows`` has the packed rows, ``folded-1.blocks`` the same laid
out for searching, 256 rows a block; 1 is the generation, which compaction raises. Both only ever grow. How
many rows there are is said by the catalogue: what lies beyond them was never acknowledged and is written
over. So a writer syncs these files before its transaction in the catalogue ends, and whatever happens, the
rows that the catalogue counts are there.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sigsearch.errors import StorageError
from sigsearch_local.layout import BLOCK, Layout, Rows, block_checksum

Blocks = npt.NDArray[np.uint64]

_WORD = np.dtype("<u8")


@dataclass(frozen=True, eq=False)
class SignatureFiles:
    """The two files of one layout in one generation."""

    folder: Path
    layout: Layout
    generation: int

    @property
    def rows_path(self) -> Path:
        """The packed rows."""
        return self.folder / f"{self.layout.name}-{self.generation}.rows"

    @property
    def blocks_path(self) -> Path:
        """The blocks."""
        return self.folder / f"{self.layout.name}-{self.generation}.blocks"

    def append(self, count: int, rows: Rows) -> None:
        """Write rows after the first `count`, with the blocks that they complete, and sync.

        Raises
        ------
        OSError
            The disk is full, say. What was there before is untouched.
        StorageError
            Of the rows there should be some are missing.
        """
        if not len(rows):
            return
        open_block = count // BLOCK * BLOCK
        before = np.array(self._map(self.rows_path, count, self.layout.row_words)[open_block:])
        whole = (count + len(rows)) // BLOCK
        complete = np.concatenate([before, rows])[: BLOCK * whole - open_block]
        if len(complete):
            blocks = self.layout.lay_blocks(complete)
            _write(self.blocks_path, open_block // BLOCK * self.layout.block_bytes, blocks)
        _write(self.rows_path, count * self.layout.row_bytes, rows)

    def stored(self, count: int, *, blocks: bool = True) -> StoredRows:
        """The first `count` rows and, if wanted, their blocks, mapped into memory.

        Raises
        ------
        FileNotFoundError
            There are no such files: compaction may have put others in their place.
        StorageError
            They are cut.
        """
        return StoredRows(
            self,
            self._map(self.rows_path, count, self.layout.row_words),
            self._map(self.blocks_path, count // BLOCK if blocks else 0, self.layout.block_words),
        )

    def whatever(self, count: int) -> StoredRows:
        """Of the first `count` rows, and their blocks, those that are there: for files that are cut."""
        counts = (count, count // BLOCK)
        sizes = (self.layout.row_bytes, self.layout.block_bytes)
        rows, blocks = (
            self._map(path, min(wanted, path.stat().st_size // size) if path.exists() else 0, size // 8)
            for path, wanted, size in zip((self.rows_path, self.blocks_path), counts, sizes, strict=True)
        )
        return StoredRows(self, rows, blocks)

    def remove(self) -> None:
        """Delete the files."""
        for path in (self.rows_path, self.blocks_path):
            path.unlink(missing_ok=True)

    def bytes(self) -> int:
        """How long the files are."""
        paths = (self.rows_path, self.blocks_path)
        return sum(path.stat().st_size for path in paths if path.exists())

    def _map(self, path: Path, count: int, words: int) -> npt.NDArray[np.uint64]:
        if count == 0:  # nothing can be mapped, and the file need not be there
            return np.empty((0, words), np.uint64)
        size = path.stat().st_size
        if size < count * words * 8:
            raise StorageError(
                f"{path} is cut: wanted {count * words * 8:,} bytes, found {size:,}; "
                f"'sigsearch check --index {self.folder}' says what can be saved"
            )
        return np.asarray(np.memmap(path, _WORD, mode="r", shape=(count, words)))


@dataclass(frozen=True, eq=False)
class StoredRows:
    """Rows and blocks as they were at one moment; a file that grows or is deleted does not change them.

    Attributes
    ----------
    files : SignatureFiles
    rows : uint64, shape (rows, row_words)
    blocks : uint64, shape (rows // 256, block_words)
    """

    files: SignatureFiles
    rows: Rows
    blocks: Blocks

    @property
    def layout(self) -> Layout:
        """Of the rows."""
        return self.files.layout

    @cached_property
    def last_rows(self) -> Rows:
        """Those that do not fill a block."""
        return np.array(self.rows[len(self.blocks) * BLOCK :])

    @cached_property
    def last_block(self) -> Blocks:
        """The block of `last_rows`, shape (0 or 1, block_words)."""
        return self.layout.lay_blocks(self.last_rows)

    def headers(self, rows: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """For some rows, the number of the record and which of its views this is."""
        headers = self.rows[rows, -2]
        numbers = (headers & np.uint64(0xFFFF_FFFF_FFFF)).astype(np.int64)
        return numbers, (headers >> np.uint64(48)).astype(np.int64)

    def read(self, rows: npt.NDArray[np.int64] | Sequence[int]) -> Rows:
        """Copies of some rows.

        Raises
        ------
        StorageError
            One of them is damaged.
        """
        found = np.array(self.rows[rows])
        damaged = np.flatnonzero(~self.layout.sound(found))
        if len(damaged):
            raise StorageError(
                f"{self.files.rows_path} is damaged in row {rows[damaged[0]]}; "
                f"'sigsearch check --index {self.files.folder}' says what can be saved"
            )
        return found

    def squares(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """The squared norms of some rows."""
        words: npt.NDArray[np.uint64] = self.rows[rows, -1]
        return (words & np.uint64(0xFFFF_FFFF)).astype(np.int64)

    def damaged_blocks(self, first: int = 0) -> Iterator[int]:
        """The blocks, from that one on, that are not what was written: a search would miss something."""
        for number, block in enumerate(self.blocks[first:], first):
            if block_checksum(block) != block[-1]:
                yield number


def _write(path: Path, offset: int, data: npt.NDArray[np.uint64]) -> None:
    """Put words at an offset of a file and wait until they are on the disk."""
    if offset == 0 and not path.exists():
        path.touch()
        _sync_folder(path.parent)
    with path.open("r+b", buffering=0) as file:
        file.seek(offset)
        rest = data.astype(_WORD, copy=False).data.cast("B")
        while len(rest):
            rest = rest[file.write(rest) :]
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Make sure that a new file will be found in its folder after a power cut, where systems allow it."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
