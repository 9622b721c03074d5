"""The search of stored rows for several queries at once, on as many threads as are given."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from sigsearch_local.files import StoredRows
from sigsearch_local.query import Queries

PAIRS: Final = 64
"""Pairs of queries that are searched for at once: their tables stay in the cache."""
_CROWDED: Final = 0.6
"""From this cutoff on most rows are found, so queries are searched for one by one, to bound the memory."""
_FEW_BLOCKS: Final = 64
"""Fewer than that are not worth a thread."""

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Near:
    """Rows nearer to a query than the cutoff.

    Attributes
    ----------
    stored : StoredRows
        Where they are.
    queries, rows : ndarray of int64
    distances : ndarray of float64
    """

    stored: StoredRows
    queries: Ints
    rows: Ints
    distances: npt.NDArray[np.float64]


def search(
    stored: StoredRows,
    signatures: npt.NDArray[np.int8],
    cutoff: float,
    *,
    threads: Executor | None = None,
    workers: int = 1,
    chosen: Ints | None = None,
) -> Near:
    """Compare queries with all rows, or with chosen ones.

    Parameters
    ----------
    signatures : ndarray of int8, shape (queries, length)
    threads, workers
        Where to run, and how many at once; by default here and now.
    chosen : ndarray of int64, optional
        Rows in rising order, if only these are wanted; best if they are few.
    """
    import sigsearch_local._kernels as kernels

    found: list[tuple[Ints, npt.NDArray[np.float64]]] = []
    layout = stored.layout
    at_once = 1 if cutoff > _CROWDED else PAIRS
    prepared = Queries.of(layout, signatures)
    run: Callable[..., Iterable[Any]] = threads.map if threads and workers > 1 else map
    for queries in prepared.split(at_once):
        against = (queries.numbers, queries.squares, queries.scales, queries.tables, cutoff)
        if chosen is not None:
            found.append(kernels.search_rows(stored.rows, chosen, layout.bits, *against))
            continue
        offsets, bounds, _ = queries.planes
        bound = (queries.factors, queries.slices, offsets, bounds, queries.constants)

        def search_blocks(
            blocks: Any, rows: Any, part: range, bound: Any = bound, against: Any = against
        ) -> Any:
            return kernels.search_blocks(
                blocks.reshape(-1),
                layout.block_words,
                layout.extremes,
                part.start,
                part.stop,
                rows,
                layout.bits,
                *bound,
                *against,
            )

        parts = _parts(len(stored.blocks), workers)
        found += run(partial(search_blocks, stored.blocks, stored.rows), parts)
        last, distances = search_blocks(stored.last_block, stored.last_rows, range(len(stored.last_block)))
        last[:, 1] += len(stored.rows) - len(stored.last_rows)
        found.append((last, distances))
    pairs = np.concatenate([pairs for pairs, _ in found]) if found else np.empty((0, 2), np.int64)
    every = np.concatenate([distances for _, distances in found]) if found else np.empty(0)
    return Near(stored, pairs[:, 0], pairs[:, 1], every)


def _parts(blocks: int, workers: int) -> Iterator[range]:
    """Split blocks evenly among workers."""
    number = max(1, min(workers, blocks // _FEW_BLOCKS))
    for k in range(number):
        yield range(blocks * k // number, blocks * (k + 1) // number)
