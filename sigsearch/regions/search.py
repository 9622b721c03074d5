"""The search of an index of regions: candidates by windows, grouped by record, and judged by their agreement."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

import numpy as np

from sigsearch.orientations import ORIENTATIONS
from sigsearch.records import Match
from sigsearch.regions.matching import ALIKE, EVIDENCE, Agreement, Pair
from sigsearch.signatures import distances, encode_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sigsearch.backend import Backend
    from sigsearch.filters import Filter
    from sigsearch.records import Candidate, Record
    from sigsearch.regions.matching import Query
    from sigsearch.scheme import Scheme

NEAREST: Final = 100
"""Records whose windows are looked at for each window of the query, if a search wants no more."""
JUDGED: Final = 48
"""Records that are judged, if a search wants no more: those of the most pairs, and the nearest."""
SURE: Final = 0.3
"""Whole pictures below this distance need no windows that agree."""
BACKED: Final = 0.15
"""Evidence that is enough where the whole pictures are below the cutoff, too."""
FEW: Final = 3
"""Windows with which a picture is judged by them; with fewer by the whole alone."""

_Pairs = dict[int, list[Pair]]
"""By orientation."""


def search(
    backend: Backend,
    query: Query,
    *,
    cutoff: float,
    limit: int | None,
    where: Filter | None,
    effort: int,
) -> list[Match]:
    """The records that show a part of the query or are part of it, the most evident first."""
    pairs = _candidates(backend, query, cutoff, limit, where, effort)
    likely = sorted(pairs, key=lambda id: (-max(map(_promise, pairs[id].values())), id))
    likely = likely[: None if limit is None else max(JUDGED, 2 * limit)]
    matches: list[tuple[float, Match]] = []
    for record in backend.get(likely):
        if record is None:  # deleted a moment ago
            continue
        found = [
            judged
            for orientation, own in pairs[record.id].items()
            if (judged := _judge(query, record, orientation, own, cutoff)) is not None
        ]
        if found:
            matches.append(min(found, key=lambda judged: (-judged[0], judged[1].distance)))
    matches.sort(key=lambda judged: (judged[1].distance, judged[1].id))
    return [match for _, match in matches[:limit]]


def _candidates(
    backend: Backend,
    query: Query,
    cutoff: float,
    limit: int | None,
    where: Filter | None,
    effort: int,
) -> dict[str, _Pairs]:
    """The pairs of views that look alike, by record and orientation."""
    _, views, length = query.signatures.shape
    every = query.signatures.reshape(-1, length)
    asked = np.flatnonzero(every.any(axis=1))
    found: dict[str, _Pairs] = defaultdict(lambda: defaultdict(list))
    if not len(asked):
        return found
    several = backend.candidates(
        every[asked],
        where=where,
        cutoff=max(ALIKE, cutoff),
        limit=None if limit is None else max(NEAREST, limit),
        effort=effort,
    )
    for number, candidates in zip(asked.tolist(), several, strict=True):
        orientation, view = divmod(number, views)
        for candidate, distance in _rescored(every[number], candidates, query.scheme):
            whole = view == 0
            if whole == (candidate.view == 0) and distance < (cutoff if whole else ALIKE):
                found[candidate.id][orientation].append(Pair(distance, view, candidate.view))
    return found


def _rescored(
    signature: np.ndarray, candidates: Sequence[Candidate], scheme: Scheme
) -> list[tuple[Candidate, float]]:
    if not candidates:
        return []
    stored = np.stack([candidate.signature for candidate in candidates])
    return list(zip(candidates, distances(signature, stored, scheme=scheme).tolist(), strict=True))


def _promise(pairs: Sequence[Pair]) -> float:
    """How likely a record is to be a match: for each window of the query how near its nearest is."""
    nearest: dict[int, float] = {}
    for pair in pairs:
        nearest[pair.query] = min(pair.distance, nearest.get(pair.query, 1.0))
    return sum((0.6 - distance) ** 2 for distance in nearest.values())


def _judge(
    query: Query, record: Record, orientation: int, pairs: Sequence[Pair], cutoff: float
) -> tuple[float, Match] | None:
    """The evidence and the match, if it is one."""
    whole = next((pair.distance for pair in pairs if pair.query == 0), None)
    found = query.agreement(record, orientation, pairs) if len(record.views) > 1 else None
    evidence = found.evidence if found is not None else 0.0
    by_windows = found is not None and evidence > (EVIDENCE if whole is None else BACKED)
    if found is not None and by_windows and found.distance < cutoff:
        return evidence, _match(query, record, orientation, found)
    if whole is not None and (whole < SURE or len(record.views) <= FEW):
        return evidence, _match(query, record, orientation, None, whole)
    return None


def _match(
    query: Query, record: Record, orientation: int, found: Agreement | None, whole: float = 1.0
) -> Match:
    scheme = query.scheme
    words = encode_words(query.signatures[orientation, 0], scheme=scheme)
    shared = int((words == encode_words(record.views[0].signature, scheme=scheme)).sum())
    common = (record.id, record.path, record.metadata, ORIENTATIONS[orientation], shared)
    if found is None:
        return Match(whole, *common)
    return Match(found.distance, *common, found.box, found.query_box, found.windows)
