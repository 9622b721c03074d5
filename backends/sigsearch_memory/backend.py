"""Records in a dict, compared one and all: obvious and right before anything else."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from sigsearch.backend import Backend, Capability, Outcome, refuse_options
from sigsearch.bounds import EFFORT
from sigsearch.errors import ClosedError
from sigsearch.filters import Filter
from sigsearch.records import Candidate, Record
from sigsearch.scheme import Scheme
from sigsearch.signatures import distances


class MemoryBackend(Backend):
    """An index of its own for each call of open, whatever the location; close empties it."""

    capabilities: ClassVar[frozenset[Capability]] = frozenset(
        {Capability.EXACT, Capability.VIEWS, Capability.ORDERED}
    )

    def __init__(self, scheme: Scheme) -> None:
        self._scheme = scheme
        self._stored: dict[str, Record] | None = {}
        # Looking for an id and putting it in is one step: of two threads, one has added it.
        self._writing = threading.Lock()

    @classmethod
    def open(
        cls, location: str, *, scheme: Scheme, create: bool, options: Mapping[str, Any]
    ) -> MemoryBackend:
        refuse_options(options)
        return cls(scheme)

    @property
    def scheme(self) -> Scheme:
        return self._scheme

    @property
    def _records(self) -> dict[str, Record]:
        if self._stored is None:
            raise ClosedError("the in-memory index was closed, and with it all its records are gone")
        return self._stored

    def add(self, records: Sequence[Record], *, replace: bool) -> list[Outcome]:
        outcomes = []
        with self._writing:
            stored = self._records
            for record in records:
                there = record.id in stored
                if not there or replace:
                    stored[record.id] = deepcopy(record)
                outcomes.append(Outcome.ADDED if not there else Outcome.REPLACED if replace else Outcome.KEPT)
        return outcomes

    def delete(self, ids: Sequence[str]) -> int:
        with self._writing:
            stored = self._records
            return sum(stored.pop(id, None) is not None for id in ids)

    def get(self, ids: Sequence[str]) -> list[Record | None]:
        stored = self._records
        return [deepcopy(stored.get(id)) for id in ids]

    def ids(self, prefix: str = "") -> Iterator[str]:
        return (id for id in list(self._records) if id.startswith(prefix))

    def count(self, where: Filter | None = None) -> int:
        return len(self._chosen(where))

    def scan(self, where: Filter | None = None) -> Iterator[Record]:
        return (deepcopy(record) for record in self._chosen(where))

    def candidates(
        self,
        signatures: npt.NDArray[np.int8],
        *,
        where: Filter | None,
        cutoff: float,
        limit: int | None,
        effort: int = EFFORT,
    ) -> list[list[Candidate]]:
        views = [
            Candidate(record.id, number, view.signature)
            for record in self._chosen(where)
            for number, view in enumerate(record.views)
        ]
        if not views:
            return [[] for _ in signatures]
        stored = np.stack([view.signature for view in views])
        found = []
        for query in signatures:
            apart = distances(query, stored, scheme=self._scheme)
            near = sorted((apart[i], views[i].id, i) for i in np.flatnonzero(apart < cutoff))
            wanted = set(list(dict.fromkeys(id for _, id, _ in near))[:limit])
            found.append([views[i] for _, id, i in near if id in wanted])
        return found

    def refresh(self) -> None:
        self._records  # noqa: B018 - raises ClosedError

    def info(self) -> dict[str, Any]:
        return {"bytes": sum(v.signature.nbytes for r in self._records.values() for v in r.views)}

    def close(self) -> None:
        self._stored = None

    def _chosen(self, where: Filter | None) -> list[Record]:
        # A list, so that a caller of scan may add and delete on the way.
        records = list(self._records.values())
        return [record for record in records if where is None or where.matches(record.metadata)]
