"""Why a search finds one record or not, and what would have to change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sigsearch import signatures
from sigsearch.orientations import ORIENTATIONS
from sigsearch.records import Explanation

if TYPE_CHECKING:
    from sigsearch.backend import Backend
    from sigsearch.filters import Filter
    from sigsearch.images import ImageLike
    from sigsearch.index import Index
    from sigsearch.records import Record


def explain(
    index: Index,
    backend: Backend,
    image: ImageLike,
    record: Record,
    *,
    all_orientations: bool,
    cutoff: float,
    limit: int | None,
    where: Filter | None,
) -> Explanation:
    """See `sigsearch.Index.explain`."""
    scheme = index.scheme
    ready = signatures.is_signature(image, scheme)
    if ready and not all_orientations:
        queries = signatures.compute_signature(image, scheme=scheme)[np.newaxis]
    else:
        queries = signatures.compute_orientations(image, scheme=scheme)
    searched = len(queries) if all_orientations else 1
    stored = np.stack([view.signature for view in record.views])
    apart = np.stack([signatures.distances(query, stored, scheme=scheme) for query in queries])
    orientation, view = np.unravel_index(np.argmin(apart[:searched]), (searched, len(stored)))
    best = int(np.argmin(apart.min(axis=1)))
    distance = float(apart[orientation, view])
    words = signatures.encode_words(np.stack([queries[orientation], stored[view]]), scheme=scheme)

    featureless = not queries[0].any()
    offered, rank = [], None
    if not featureless:
        # As the search asks first, for what it would see; then for all, to say how far off it is.
        query = queries[orientation : orientation + 1]
        for wanted, least in ((limit, cutoff), (None, 1.0)):
            offered = backend.candidates(query, where=where, cutoff=least, limit=wanted)[0]
            ids = list(dict.fromkeys(candidate.id for candidate in offered))
            if record.id in ids:
                rank = ids.index(record.id) + 1
                break
    found = not featureless and any(
        match.id == record.id
        for match in index.search(
            image, all_orientations=all_orientations, cutoff=cutoff, limit=limit, where=where
        )
    )
    turned = float(apart[best].min())
    advice = []
    if found:
        pass
    elif featureless:
        advice.append("the query has no features, it matches nothing: search for another picture")
    elif record.featureless:
        advice.append("the record's picture has no features, nothing matches it")
    else:
        excluded = where is not None and not where.matches(record.metadata)
        if excluded:
            advice.append("the filter is not true of the record's metadata: change where")
        if distance >= cutoff and turned < cutoff:
            advice.append(
                f"as {ORIENTATIONS[best]} the distance is {turned:.4f}: search with all_orientations"
            )
        elif distance >= cutoff:
            # As far as can be is never below a cutoff.
            change = f"raise it above {distance:.4f}" if distance < 1 else "they have nothing in common"
            advice.append(f"the distance is not below the cutoff: {change}")
        elif rank is None and not excluded:
            advice.append("the backend does not offer it as a candidate: no word is shared")
        elif not excluded:
            advice.append(f"too many records are nearer: raise limit above {limit}")
    return Explanation(
        id=record.id,
        found=found,
        distance=distance,
        word_matches=int((words[0] == words[1]).sum()),
        word_count=scheme.word_count,
        orientation=ORIENTATIONS[orientation],
        cutoff=cutoff,
        limit=limit,
        candidate_rank=rank,
        best_distance=None if ready else float(apart.min()),
        best_orientation=None if ready else ORIENTATIONS[best],
        advice=tuple(advice),
    )
