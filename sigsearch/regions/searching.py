"""The search of an index of regions: candidates by windows, by record, judged by their agreement."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

import numpy as np

from sigsearch.orientations import ORIENTATIONS, turn_boxes_back
from sigsearch.records import Box, Match
from sigsearch.regions.matching import ALIKE, EVIDENCE, Pair
from sigsearch.signatures import distances, encode_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sigsearch.backend import Backend
    from sigsearch.certainty import Chance
    from sigsearch.filters import Filter
    from sigsearch.records import Candidate, Record
    from sigsearch.regions.matching import Comparison, Query
    from sigsearch.scheme import Scheme

NEAREST: Final = 100
"""Records whose windows are looked at for each window of the query, if a search wants no more."""
LOOKED_AT: Final = 100
"""Records whose boxes are looked at, if a search wants no more: those of the most and the nearest pairs."""
JUDGED: Final = 16
"""Places where the query is looked at, whatever speaks for them."""
CLEAR: Final = 0.15
"""What must speak for the others: one pair of 0.21, or several of less."""
SURE: Final = 0.3
"""Whole pictures below this distance need no windows that agree."""
BACKED: Final = 0.15
"""Evidence that is enough where the whole pictures are below the cutoff, too."""
COMMON: Final = 5e-5
"""Whole pictures so near as this share of strangers or more are to the query are no match by that alone."""
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
    chance: Chance,
) -> list[Match]:
    """The records that show a part of the query, or a part of which it shows, the nearest first.

    `chance` tells how many strangers are as near as whole pictures at a distance, or as a share of all.
    """
    pairs = _candidates(backend, query, cutoff, limit, where, effort)
    promised = {id: max(map(_promise, own.values())) for id, own in pairs.items()}
    likely = sorted(promised, key=lambda each: (-promised[each], each))
    if limit is not None:
        likely = likely[: max(LOOKED_AT, limit)]
    compared = [
        (record, orientation, query.comparison(record, orientation, own))
        for record in backend.get(likely)
        if record is not None  # deleted a moment ago
        for orientation, own in pairs[record.id].items()
    ]
    compared.sort(key=lambda each: (-each[2].support, each[0].id, each[1]))
    best: dict[str, tuple[float, Match]] = {}
    for rank, (record, orientation, comparison) in enumerate(compared):
        whole = next((pair.distance for pair in pairs[record.id][orientation] if pair.query == 0), None)
        if limit is not None and whole is None and rank >= JUDGED and comparison.support < CLEAR:
            continue
        judged = _judge(query, record, orientation, comparison, whole, cutoff, chance)
        if judged is not None and (record.id not in best or _better(judged, best[record.id])):
            best[record.id] = judged
    matches = sorted((match for _, match in best.values()), key=lambda match: (match.distance, match.id))
    return matches[:limit]


def search_one(record: Record, query: Query, *, cutoff: float, chance: Chance) -> Match | None:
    """The match of a record that stands alone, so that nothing is in its way; None if it is none."""
    stored = np.stack([view.signature for view in record.views])
    pairs: _Pairs = defaultdict(list)
    for orientation, view in np.argwhere(query.signatures.any(axis=2)).tolist():
        apart = distances(query.signatures[orientation, view], stored, scheme=query.scheme)
        least = ALIKE if view else cutoff
        for other in np.flatnonzero(apart < least).tolist():
            if (view == 0) == (other == 0):
                pairs[orientation].append(Pair(float(apart[other]), view, other))
    best: tuple[float, Match] | None = None
    for orientation, own in pairs.items():
        whole = next((pair.distance for pair in own if pair.query == 0), None)
        comparison = query.comparison(record, orientation, own)
        judged = _judge(query, record, orientation, comparison, whole, cutoff, chance)
        if judged is not None and (best is None or _better(judged, best)):
            best = judged
    return best[1] if best is not None else None


def _better(judged: tuple[float, Match], other: tuple[float, Match]) -> bool:
    return (-judged[0], judged[1].distance) < (-other[0], other[1].distance)


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
    wholes = asked % views == 0
    for rows, least in ((asked[wholes], cutoff), (asked[~wholes], ALIKE)):
        if not len(rows):
            continue
        wanted = None if limit is None else max(NEAREST, limit)
        several = backend.candidates(every[rows], where=where, cutoff=least, limit=wanted, effort=effort)
        for number, candidates in zip(rows.tolist(), several, strict=True):
            orientation, view = divmod(number, views)
            for candidate, distance in _rescored(every[number], candidates, query.scheme):
                if distance < least and (view == 0) == (candidate.view == 0):
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
    query: Query,
    record: Record,
    orientation: int,
    comparison: Comparison,
    whole: float | None,
    cutoff: float,
    chance: Chance,
) -> tuple[float, Match] | None:
    """The evidence and the match, if it is one; `whole` is the distance of the whole pictures."""
    found = comparison.agreement()
    evidence = found.evidence if found is not None else 0.0
    words = encode_words(
        np.stack([query.signatures[orientation, 0], record.views[0].signature]), scheme=query.scheme
    )
    common = (
        record.id,
        record.path,
        record.metadata,
        ORIENTATIONS[orientation],
        int((words[0] == words[1]).sum()),
    )
    by_chance = None if whole is None else chance.of_distance(query.signatures[:, 0], whole)
    rare = by_chance is None or by_chance <= COMMON * chance.records  # both 0 if the count lags
    enough = BACKED if whole is not None and rare else EVIDENCE
    if found is not None and evidence > enough and found.distance < cutoff:
        query_box = Box(*turn_boxes_back(np.array([found.query_box]), orientation)[0].tolist())
        by_share = chance.of_share(len(query.signatures) * found.share_of_strangers)
        expected = by_share if by_chance is None else min(by_share, by_chance)
        return evidence, Match(found.distance, *common, found.box, query_box, found.windows, expected)
    if whole is not None and rare and (whole < SURE or len(record.views) <= FEW):
        return evidence, Match(whole, *common, expected_false=by_chance)
    return None
