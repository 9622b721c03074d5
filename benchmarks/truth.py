"""What a search should find: known by construction, and by comparing every query with every record."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Final

from benchmarks.made import Signatures
from benchmarks.report import progress
from sigsearch.bounds import CUTOFF, LIMIT
from sigsearch.calibration import pairs_below

_CHUNK: Final = 4096

Near = Mapping[int, float]
"""Records below the cutoff, by their numbers, and their distances."""


def near_records(queries: Signatures, stored: Signatures, first: int = 0) -> list[dict[int, float]]:
    """The records below the cutoff for each query, by comparing with all; numbers from `first` on."""
    near: list[dict[int, float]] = [{} for _ in queries]
    for start in range(0, len(stored), _CHUNK):
        asked, places, apart = pairs_below(queries, stored[start : start + _CHUNK], CUTOFF)
        numbers = (places + start + first).tolist()
        for query, number, distance in zip(asked.tolist(), numbers, apart.tolist(), strict=True):
            near[query][number] = distance
        progress(f"compared with {start:,} of {len(stored):,} records")
    progress("")
    return near


def wanted(near: Near) -> tuple[int, float]:
    """How many records are to be found, the nearest `LIMIT`, and the distance of the last of them."""
    apart = sorted(near.values())[:LIMIT]
    return len(apart), apart[-1] if apart else 0.0


def count_found(near: Near, answer: Iterable[int]) -> int:
    """How many of those an answer has. Of equally distant ones at the limit any will do."""
    count, most = wanted(near)
    return min(count, sum(near.get(record, math.inf) <= most for record in set(answer)))
