"""Records whose file is no longer where it was."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from sigsearch.batches import batched
from sigsearch.sources import Place, vanished

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sigsearch.backend import Backend
    from sigsearch.records import AddReport

_BATCH: Final = 1000
"""Records deleted together."""


def look_for_vanished(
    backend: Backend, places: Sequence[Place], report: AddReport, *, prune: bool
) -> AddReport:
    """The report with the ids of records below these places whose picture is gone; deleted if so wanted."""
    gone: dict[str, None] = {}  # each once, though one place may be in another
    pruned = 0
    for place in {place.path: place for place in places}.values():
        ids = list(vanished(backend.ids(place.prefix), [place.path]))
        gone.update(dict.fromkeys(ids))
        if prune and place.pictures:
            pruned += sum(backend.delete(batch) for batch in batched(ids, _BATCH))
    return replace(report, vanished=tuple(gone), pruned=pruned)
