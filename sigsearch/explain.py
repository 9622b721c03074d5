"""Why a search finds one record or not, and what would have to change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sigsearch import signatures
from sigsearch.bounds import MOST_EFFORT
from sigsearch.orientations import ORIENTATIONS
from sigsearch.records import Explanation

if TYPE_CHECKING:
    import numpy.typing as npt

    from sigsearch.backend import Backend
    from sigsearch.filters import Filter
    from sigsearch.records import Match, Record


def explain(
    backend: Backend,
    queries: npt.NDArray[np.int8],
    record: Record,
    *,
    match: Match | None,
    by_regions: bool,
    alone: Match | None,
    all_orientations: bool,
    cutoff: float,
    limit: int | None,
    where: Filter | None,
    effort: int,
) -> Explanation:
    """See `sigsearch.Index.explain`.

    Parameters
    ----------
    queries : ndarray of int8, shape (parts, 16, 648) or (1, 1, 648)
        The query, and what is inside its borders, in all orientations; or a ready signature, whose others are
        not to be had.
    match : Match or None
        The record as the search that is explained found it.
    by_regions : bool
        Whether that search was one by regions.
    alone : Match or None
        The record as a search by regions in all orientations would find it if there were no other.
    """
    scheme = backend.scheme
    orientations = queries.shape[1]
    searched = orientations if all_orientations else 1
    stored = np.stack([view.signature for view in record.views])
    apart = np.stack(
        [[signatures.distances(query, stored, scheme=scheme) for query in part] for part in queries]
    )
    nearest = np.argmin(apart[:, :searched])
    part, orientation, view = np.unravel_index(nearest, (len(queries), searched, len(stored)))
    distance = float(apart[part, orientation, view])
    best = int(np.argmin(apart.min(axis=(0, 2))))
    best_distance, best_orientation = float(apart[:, best].min()), ORIENTATIONS[best]
    if alone is not None:
        best_distance, best_orientation = alone.distance, alone.orientation
    query = queries[part, orientation]
    words = signatures.encode_words(np.stack([query, stored[view]]), scheme=scheme)

    featureless = not queries.any()
    rank = None if featureless else _rank(backend, query, record.id, where, cutoff, limit, effort)
    advice = []
    if match is not None:
        pass
    elif featureless:
        advice.append("the query has no features, it matches nothing: search for another picture")
    elif record.featureless:
        advice.append("the record's picture has no features, nothing matches it")
    else:
        excluded = where is not None and not where.matches(record.metadata)
        if excluded:
            advice.append("the filter is not true of the record's metadata: change where")
        if by_regions and alone is None:
            advice.append("too few of their windows agree below the cutoff")
        elif by_regions and (all_orientations or best_orientation == ORIENTATIONS[0]):
            if not excluded:
                advice.append(f"too many records are nearer: raise limit above {limit}")
        elif by_regions or (distance >= cutoff and best_distance < cutoff):
            advice.append(
                f"as {best_orientation} the distance is {best_distance:.4f}: search with all_orientations"
            )
        elif distance >= cutoff:
            # As far as can be is never below a cutoff.
            change = f"raise it above {distance:.4f}" if distance < 1 else "they have nothing in common"
            advice.append(f"the distance is not below the cutoff: {change}")
        elif rank is None and not excluded:
            more = ": raise effort" if effort < MOST_EFFORT else ", as it shares too few words"
            advice.append(f"the backend does not offer it as a candidate{more}")
        elif not excluded:
            advice.append(f"too many records are nearer: raise limit above {limit}")
    turned = orientations > 1
    return Explanation(
        id=record.id,
        found=match is not None,
        distance=distance if match is None else match.distance,
        word_matches=int((words[0] == words[1]).sum()),
        word_count=scheme.word_count,
        orientation=ORIENTATIONS[orientation] if match is None else match.orientation,
        cutoff=cutoff,
        limit=limit,
        candidate_rank=rank,
        best_distance=best_distance if turned else None,
        best_orientation=best_orientation if turned else None,
        advice=tuple(advice),
    )


def _rank(
    backend: Backend,
    query: signatures.Signature,
    id: str,
    where: Filter | None,
    cutoff: float,
    limit: int | None,
    effort: int,
) -> int | None:
    """The record's place among the candidates: as the search asks, and if it is not there, of all."""
    for wanted, least in ((limit, cutoff), (None, 1.0)):
        [offered] = backend.candidates(
            query[np.newaxis], where=where, cutoff=least, limit=wanted, effort=effort
        )
        ids = list(dict.fromkeys(candidate.id for candidate in offered))
        if id in ids:
            return ids.index(id) + 1
    return None
