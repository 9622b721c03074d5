"""A hypothesis state machine that does to a backend and to a dict of records the same, and compares them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, ClassVar

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from sigsearch.backend import Backend, Capability, Outcome
from sigsearch.filters import Eq, Exists, Filter, Range
from sigsearch.records import Record
from sigsearch.testing.samples import (
    check_exact,
    check_same,
    featureless,
    make_copy,
    make_signature,
    make_views,
)

SETTINGS = settings(
    max_examples=30,
    stateful_step_count=20,
    # The same steps in every run: a suite that a third party ships against must not fail by chance.
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)

_IDS = st.sampled_from(["a", "b", "c", "A", "a/b", "é"])
_QUERY = make_signature(1)
# Copies of the query at several distances, one exact twin, strangers, and a picture without features.
_SIGNATURES = [make_copy(_QUERY, changed) for changed in (0, 0, 40, 120, 250)]
_SIGNATURES += [make_signature(2), make_signature(3), featureless()]
_METADATA: list[Any] = [
    None,
    {"museum": "Louvre", "year": 1503},
    {"museum": "Prado", "year": 1601.5},
    {"museum": ["Louvre", "Prado"]},
    {"year": [1400, 1700]},
]
_FILTERS: st.SearchStrategy[Filter | None] = st.sampled_from(
    [
        None,
        Eq("museum", "Louvre"),
        ~Eq("museum", "Louvre"),
        Range("year", gte=1500),
        Exists("year") & Exists("museum"),
    ]
)
_TIMES = [None, datetime(2024, 1, 2, 3, 4, 5, 678, tzinfo=UTC)]


@st.composite
def _records(draw: st.DrawFn) -> tuple[str, list[int], Any, str | None, datetime | None]:
    """What a record is made of; the machine makes it, for only it knows what the backend can take."""
    return (
        draw(_IDS),
        draw(st.lists(st.integers(0, len(_SIGNATURES) - 1), min_size=1, max_size=3)),
        draw(st.sampled_from(_METADATA)),
        draw(st.sampled_from([None, "/pictures/é.jpg"])),
        draw(st.sampled_from(_TIMES)),
    )


class BackendMachine(RuleBasedStateMachine):
    """Steps on a backend and a dict; see `run_against_a_dict`."""

    open_backend: ClassVar[Callable[[], Backend]]

    def __init__(self) -> None:
        super().__init__()
        self.model: dict[str, Record] = {}
        self.backend = type(self).open_backend()

    @initialize()
    def start_empty(self) -> None:
        # Of a durable backend the last example's records are still there.
        self.backend.delete([record.id for record in self.backend.scan()])
        self.backend.refresh()

    @rule(made=st.lists(_records(), max_size=4), replace=st.booleans())
    def add(self, made: list[tuple[str, list[int], Any, str | None, datetime | None]], replace: bool) -> None:
        views = Capability.VIEWS in self.backend.capabilities
        records = [
            Record(
                id,
                make_views(*(_SIGNATURES[number] for number in (numbers if views else numbers[:1]))),
                path,
                metadata,
                timestamp,
            )
            for id, numbers, metadata, path, timestamp in made
        ]
        expected = []
        for record in records:
            there = record.id in self.model
            expected.append(Outcome.ADDED if not there else Outcome.REPLACED if replace else Outcome.KEPT)
            if not there or replace:
                self.model[record.id] = record
        assert self.backend.add(records, replace=replace) == expected

    @rule(ids=st.lists(_IDS, max_size=4))
    def delete(self, ids: list[str]) -> None:
        expected = sum(self.model.pop(id, None) is not None for id in ids)
        assert self.backend.delete(ids) == expected

    @rule(ids=st.lists(_IDS, max_size=4))
    def get(self, ids: list[str]) -> None:
        found = self.backend.get(ids)
        assert len(found) == len(ids)
        for id, record in zip(ids, found, strict=True):
            if id in self.model:
                check_same(record, self.model[id])
            else:
                assert record is None
        assert self.backend.contains(ids) == set(ids) & self.model.keys()

    @rule(where=_FILTERS)
    def scan(self, where: Filter | None) -> None:
        self.backend.refresh()
        found = list(self.backend.scan(where))
        expected = self._chosen(where)
        assert sorted(record.id for record in found) == sorted(expected)
        for record in found:
            check_same(record, expected[record.id])
        assert self.backend.count(where) == len(expected)

    @rule(
        where=_FILTERS,
        cutoff=st.sampled_from([0.0, 0.3, 0.45, 1.0]),
        limit=st.sampled_from([None, 1, 2, 10]),
        changed=st.lists(st.sampled_from([0, 60, 200]), max_size=3),
    )
    def candidates(self, where: Filter | None, cutoff: float, limit: int | None, changed: list[int]) -> None:
        self.backend.refresh()
        queries = np.array([make_copy(_QUERY, k) for k in changed], np.int8).reshape(-1, len(_QUERY))
        answers = self.backend.candidates(queries, where=where, cutoff=cutoff, limit=limit)
        assert len(answers) == len(queries)
        stored = list(self.model.values())
        chosen = self._chosen(where)
        for query, found in zip(queries, answers, strict=True):
            if Capability.EXACT in self.backend.capabilities:
                check_exact(found, stored, query, where=where, cutoff=cutoff, limit=limit)
            for candidate in found:
                view = chosen[candidate.id].views[candidate.view]
                assert candidate.signature.tolist() == view.signature.tolist()

    @rule()
    def refresh(self) -> None:
        self.backend.refresh()

    @rule()
    def compact(self) -> None:
        self.backend.compact()
        assert list(self.backend.check()) == []

    @precondition(lambda self: Capability.DURABLE in self.backend.capabilities)
    @rule()
    def reopen(self) -> None:
        self.backend.close()
        self.backend = type(self).open_backend()

    @invariant()
    def counts_agree(self) -> None:
        self.backend.refresh()
        assert self.backend.count() == len(self.model)

    def teardown(self) -> None:
        self.backend.close()

    def _chosen(self, where: Filter | None) -> dict[str, Record]:
        return {
            id: record for id, record in self.model.items() if where is None or where.matches(record.metadata)
        }


def run_against_a_dict(open_backend: Callable[[], Backend], steps: settings = SETTINGS) -> None:
    """Take random steps on a backend and fail where a dict of records would have answered otherwise.

    Parameters
    ----------
    open_backend : callable
        Opens the same location each time. What is there is deleted.
    steps : hypothesis.settings
        How many examples of how many steps. Default: 30 of 20, the same in every run.
    """
    opener = staticmethod(open_backend)
    machine = type("BackendMachineOfOne", (BackendMachine,), {"open_backend": opener})
    run_state_machine_as_test(machine, settings=steps)
