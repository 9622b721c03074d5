"""The conformance suite: every rule of `sigsearch.backend`, as tests that a backend's author inherits.

A whole test module of a backend::

    import pytest
    from sigsearch.testing import BackendConformance

    class TestFooBackend(BackendConformance):
        @pytest.fixture
        def location(self, tmp_path):
            return f"foo://{tmp_path}/index.foo"

What is tested beyond the least depends on the capabilities that the backend declares, never on its name;
what it does not declare is skipped, and the reason of the skip names the capability. Expected values come
from plain numpy (`sigsearch.testing.samples`) and from tables worked by hand, never from the core.
"""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol, overload

import numpy as np
import pytest

import sigsearch
from sigsearch import plugins
from sigsearch.backend import PROTOCOL_VERSION, Backend, Capability, Outcome
from sigsearch.errors import ClosedError, IndexNotFoundError, InputError, SigsearchError
from sigsearch.filters import Eq, Exists, Range
from sigsearch.index import Index
from sigsearch.records import MAX_ID_BYTES, Item, Record
from sigsearch.scheme import DEFAULT_SCHEME, Scheme
from sigsearch.testing.filter_cases import FILTERS, METADATA
from sigsearch.testing.pictures import make_picture
from sigsearch.testing.samples import (
    check_exact,
    check_same,
    featureless,
    make_copy,
    make_record,
    make_records,
    make_signature,
    make_views,
    plain_distances,
    plain_shared_words,
    same_json,
)
from sigsearch.testing.stateful import run_against_a_dict

if TYPE_CHECKING:
    from sigsearch.records import Candidate
    from sigsearch.signatures import Signature

OTHER_SCHEME = Scheme(grid_size=5, crop_percentiles=(10, 90), levels=3, word_length=8, word_count=25)
"""A scheme other than the default in nearly everything; its signatures have 200 values."""

IDS = [
    *("a", "A", " a", "a ", "é", "e\u0301", "0", "null", ".", "..", "-", "--help", "_id", "_doc"),
    *("/folder/picture.jpg", "../up", "C:\\folder\\picture.jpg", "https://host/a?b=1&c=%20#d"),
    *("with 'single' and \"double\" quotes", "`back`", "'; DROP TABLE records; --", '{"json": 1}'),
    *("new\nline", "tab\tand\rreturn", "zero\0inside", "per%cent under_score * ? [a-z]", "comma,a"),
    *("Größe", "日本語", "😀", "\u202eright to left", "\ufeffmark"),
    *("x" * MAX_ID_BYTES, "é" * (MAX_ID_BYTES // 2)),
]
"""Ids that the core lets through, and that files, URLs, shells, queries or folders might trip over."""

DEEP: Any = 1
for _ in range(50):
    DEEP = {"a": [DEEP]}

JSON_VALUES: list[Any] = [
    *(None, True, False, 0, 1, -1, 1.0, 0.1, -0.0, 1e300, 5e-324, 2**53, -(2**53)),
    *("", "text", "null", "1", "日本 😀", "line\nbreak, zero\0, quotes ' \" and \\", "x" * 100_000),
    *([], {}, [None], [[]], [1, "1", True, None, 1.0, [2, [3]]], list(range(1000))),
    # Keys: empty, dotted beside nested, reserved somewhere.
    *({"": "empty key"}, {"a.b": 1, "a": {"b": 2}}, {"a": None}, {".": 1, "..": 2, "a..b": 3}),
    {"id": "x", "_id": "y", "path": 1, "signature": [1], "words": "w", "metadata": {}, "timestamp": 0},
    {"$ref": "#", "@type": "t", "key with 'quotes\"": 1, "😀": 1, "zero\0": 2},
    # One key with a value of another kind in each record, as users have it.
    *({"kind": 1}, {"kind": 1.5}, {"kind": "one"}, {"kind": {"of": "object"}}, {"kind": [{"of": 1}]}),
    *({"date": "2024-02-29"}, {"date": "not a date"}, {"date": True}),
    DEEP,
]
"""JSON that the core lets through; no whole numbers beyond 2**53, for much JSON software rounds them."""


class OpenBackend(Protocol):
    """Type of the fixture `open_backend`."""

    def __call__(
        self,
        *,
        scheme: Scheme = DEFAULT_SCHEME,
        create: bool = True,
        options: dict[str, Any] | None = None,
    ) -> Backend: ...


def differing_signatures(backend_class: type[Backend]) -> list[str]:
    """Where the methods of a backend take other arguments than those of `Backend`."""
    differing = []
    for name, wanted in inspect.getmembers(Backend, inspect.isroutine):
        if name.startswith("_"):
            continue
        arguments = [
            [(p.name, p.kind, p.default) for p in inspect.signature(method).parameters.values()]
            for method in (wanted, getattr(backend_class, name))
        ]
        if arguments[0] != arguments[1]:
            differing.append(f"{name}{inspect.signature(getattr(backend_class, name))}")
    return differing


class BackendConformance:
    """Inherit it as ``class TestFooBackend(BackendConformance)`` and override the fixture `location`."""

    # What an author overrides

    @pytest.fixture
    def location(self) -> str:
        """A location where there is nothing yet, another one for each test. Override this."""
        raise NotImplementedError("override the fixture 'location': a new, empty location for each test")

    @pytest.fixture
    def options(self) -> dict[str, Any]:
        """Options that every `open` is given. Override it if the backend cannot do without."""
        return {}

    @pytest.fixture
    def backend_class(self, location: str) -> type[Backend]:
        """The backend, as the installed plugins provide it for the location."""
        return plugins.discover().load(plugins.location_scheme(location))

    # What the tests use

    @pytest.fixture
    def open_backend(
        self, backend_class: type[Backend], location: str, options: dict[str, Any]
    ) -> Iterator[OpenBackend]:
        """Open the location; all that was opened is closed at the end."""
        opened: list[Backend] = []

        def open_backend(
            *,
            scheme: Scheme = DEFAULT_SCHEME,
            create: bool = True,
            options: dict[str, Any] | None = None,
            standing: dict[str, Any] = options,
        ) -> Backend:
            given = {**standing, **(options or {})}
            backend = backend_class.open(location, scheme=scheme, create=create, options=given)
            opened.append(backend)
            return backend

        yield open_backend
        for backend in opened:
            backend.close()

    @pytest.fixture
    def backend(self, open_backend: OpenBackend) -> Backend:
        """An open backend without records."""
        return open_backend()

    @pytest.fixture
    def index(self, backend: Backend, location: str) -> Index:
        """A whole index over the backend."""
        return Index(backend, location)

    # Announcing and opening

    def test_a_plugin_announces_it_for_the_scheme_of_its_location(
        self, location: str, backend_class: type[Backend]
    ) -> None:
        info = plugins.discover().find(plugins.location_scheme(location)).info
        assert info.load() is backend_class
        assert info.protocol == PROTOCOL_VERSION
        assert info.summary.strip() == info.summary.splitlines()[0]
        assert info.install

    def test_its_methods_take_the_arguments_of_the_abstract_class(self, backend_class: type[Backend]) -> None:
        assert differing_signatures(backend_class) == []

    def test_its_capabilities_are_capabilities(self, backend: Backend) -> None:
        assert isinstance(backend.capabilities, frozenset)
        assert all(isinstance(capability, Capability) for capability in backend.capabilities)

    def test_a_new_index_is_empty(self, backend: Backend) -> None:
        assert backend.count() == 0
        assert list(backend.scan()) == []
        assert backend.candidates(_queries(1), where=None, cutoff=1.0, limit=10) == [[]]

    def test_a_new_index_has_the_scheme_it_was_opened_with(self, open_backend: OpenBackend) -> None:
        assert open_backend(scheme=OTHER_SCHEME).scheme == OTHER_SCHEME

    def test_signatures_of_another_scheme_are_kept_and_found(self, open_backend: OpenBackend) -> None:
        backend = open_backend(scheme=OTHER_SCHEME)
        signature = make_signature(1, OTHER_SCHEME)
        records = [
            make_record("copy", make_copy(signature, 20)),
            make_record("stranger", make_signature(2, OTHER_SCHEME)),
        ]
        backend.add(records, replace=False)
        backend.refresh()
        check_same(backend.get(["copy"])[0], records[0])
        found = backend.candidates(signature[np.newaxis], where=None, cutoff=0.5, limit=5)[0]
        assert found[0].id == "copy"

    def test_an_index_that_exists_keeps_its_own_scheme(
        self, open_backend: OpenBackend, backend_class: type[Backend]
    ) -> None:
        _need(backend_class, Capability.DURABLE)
        open_backend(scheme=OTHER_SCHEME).close()
        assert open_backend(scheme=DEFAULT_SCHEME).scheme == OTHER_SCHEME
        assert open_backend(scheme=DEFAULT_SCHEME, create=False).scheme == OTHER_SCHEME

    def test_nothing_is_opened_where_nothing_is(
        self, open_backend: OpenBackend, backend_class: type[Backend]
    ) -> None:
        _need(backend_class, Capability.DURABLE)
        for _ in range(2):  # the first try must not have made it
            with pytest.raises(IndexNotFoundError):
                open_backend(create=False)

    def test_an_option_that_it_does_not_know_is_refused_and_nothing_is_made(
        self, open_backend: OpenBackend, backend_class: type[Backend]
    ) -> None:
        with pytest.raises(InputError, match="no_such_option"):
            open_backend(options={"no_such_option": 1})
        if Capability.DURABLE in backend_class.capabilities:
            with pytest.raises(IndexNotFoundError):
                open_backend(create=False)

    # add

    def test_new_records_are_added(self, backend: Backend) -> None:
        records = make_records(3)
        assert backend.add(records, replace=False) == [Outcome.ADDED] * 3
        assert backend.add(make_records(2, first=3), replace=True) == [Outcome.ADDED] * 2

    def test_a_record_that_is_there_is_kept_without_replace(self, backend: Backend) -> None:
        old, new = make_record("a", seed=1, metadata="old"), make_record("a", seed=2, metadata="new")
        backend.add([old], replace=False)
        assert backend.add([new, make_record("b")], replace=False) == [Outcome.KEPT, Outcome.ADDED]
        check_same(backend.get(["a"])[0], old)

    def test_a_record_that_is_there_is_replaced_whole(self, backend: Backend) -> None:
        old = make_record("a", seed=1, metadata={"old": 1, "both": 1}, path="/old", timestamp=_TIME)
        new = make_record("a", seed=2, metadata={"both": 2})
        backend.add([old], replace=False)
        assert backend.add([make_record("b"), new], replace=True) == [Outcome.ADDED, Outcome.REPLACED]
        check_same(backend.get(["a"])[0], new)
        backend.refresh()
        assert backend.count() == 2
        assert backend.count(Exists("old")) == 0

    def test_a_replaced_record_is_no_longer_found_by_its_old_signature(self, backend: Backend) -> None:
        old, new = make_signature(1), make_signature(2)
        backend.add([make_record("a", old)], replace=False)
        backend.add([make_record("a", new)], replace=True)
        backend.refresh()
        answers = backend.candidates(np.stack([old, new]), where=None, cutoff=0.45, limit=10)
        assert all(found.signature.tolist() == new.tolist() for found in answers[0])
        assert [found.id for found in answers[1]] == ["a"]

    def test_of_one_id_twice_in_a_batch_the_first_is_kept_without_replace(self, backend: Backend) -> None:
        first, second = make_record("a", seed=1), make_record("a", seed=2)
        outcomes = backend.add([first, make_record("b"), second], replace=False)
        assert outcomes == [Outcome.ADDED, Outcome.ADDED, Outcome.KEPT]
        check_same(backend.get(["a"])[0], first)

    def test_of_one_id_twice_in_a_batch_the_last_stays_with_replace(self, backend: Backend) -> None:
        first, second = make_record("a", seed=1), make_record("a", seed=2)
        outcomes = backend.add([first, make_record("b"), second], replace=True)
        assert outcomes == [Outcome.ADDED, Outcome.ADDED, Outcome.REPLACED]
        check_same(backend.get(["a"])[0], second)
        backend.refresh()
        assert backend.count() == 2
        assert sorted(record.id for record in backend.scan()) == ["a", "b"]

    def test_after_an_interrupted_add_each_record_is_there_whole_or_not_at_all(
        self, backend: Backend
    ) -> None:
        records = make_records(10)
        with suppress(KeyboardInterrupt):
            backend.add(_Interrupted(records, 6), replace=False)
        backend.refresh()
        for found, record in zip(backend.get([r.id for r in records]), records, strict=True):
            if found is not None:
                check_same(found, record)
        assert backend.count() == sum(found is not None for found in backend.get([r.id for r in records]))
        backend.add(records, replace=True)
        backend.refresh()
        assert backend.count() == 10

    # What comes back

    def test_records_come_back_as_they_were_stored(self, backend: Backend) -> None:
        records = make_records(5)
        backend.add(records, replace=False)
        for found, record in zip(backend.get([r.id for r in records]), records, strict=True):
            check_same(found, record)

    def test_ids_of_all_kinds_are_kept_apart(self, backend: Backend) -> None:
        records = [make_record(id, seed=i, metadata=i) for i, id in enumerate(IDS)]
        assert backend.add(records, replace=False) == [Outcome.ADDED] * len(IDS)
        backend.refresh()
        assert sorted(record.id for record in backend.scan()) == sorted(IDS)
        for found, record in zip(backend.get(IDS), records, strict=True):
            check_same(found, record)
        assert backend.contains(IDS) == set(IDS)
        nearest = backend.candidates(_queries(3), where=None, cutoff=0.45, limit=1)[0]
        assert [candidate.id for candidate in nearest] == [IDS[3]]
        assert backend.delete(IDS[::2]) == len(IDS[::2])
        assert backend.contains(IDS) == set(IDS[1::2])

    def test_metadata_of_any_json_comes_back_the_same(self, backend: Backend) -> None:
        records = [make_record(f"{i}", metadata=value) for i, value in enumerate(JSON_VALUES)]
        backend.add(records, replace=False)
        backend.refresh()
        scanned = {record.id: record for record in backend.scan()}
        for record, found in zip(records, backend.get([r.id for r in records]), strict=True):
            assert found is not None
            assert same_json(found.metadata, record.metadata)
            assert same_json(scanned[record.id].metadata, record.metadata)

    def test_timestamps_come_back_in_utc_to_the_microsecond(self, backend: Backend) -> None:
        times = [
            None,
            datetime(1970, 1, 1, tzinfo=UTC),
            datetime(2024, 2, 29, 23, 59, 59, 999_999, tzinfo=UTC),
            datetime(2024, 1, 1, 0, 0, 0, 1, tzinfo=UTC),
            datetime(1815, 6, 18, tzinfo=UTC),
            datetime(9999, 12, 31, 23, 59, 59, 123_000, tzinfo=UTC),
        ]
        records = [make_record(f"{i}", timestamp=time) for i, time in enumerate(times)]
        backend.add(records, replace=False)
        for record, found in zip(records, backend.get([r.id for r in records]), strict=True):
            check_same(found, record)

    def test_paths_of_all_kinds_and_none_come_back(self, backend: Backend) -> None:
        paths = [
            None,
            "/pictures/é 'ü'.jpg",
            "C:\\a\\b.png",
            "https://host/x?y=%20#z",
            "new\nline",
            "x" * 5000,
        ]
        records = [make_record(f"{i}", path=path) for i, path in enumerate(paths)]
        backend.add(records, replace=False)
        for record, found in zip(records, backend.get([r.id for r in records]), strict=True):
            check_same(found, record)

    def test_what_a_caller_does_to_a_record_does_not_reach_the_index(self, backend: Backend) -> None:
        metadata: Any = {"list": [1]}
        backend.add([make_record("a", metadata=metadata)], replace=False)
        backend.refresh()
        metadata["list"].append("changed before")
        for found in [*backend.get(["a"]), *backend.get(["a"]), *backend.scan()]:
            assert found is not None
            assert found.metadata == {"list": [1]}
            theirs: Any = found.metadata
            theirs["list"].append("changed after")
        again = backend.get(["a"])[0]
        assert again is not None
        assert again.metadata == {"list": [1]}

    # get, contains, delete

    def test_get_gives_records_in_the_order_asked_for_and_none_for_what_is_missing(
        self, backend: Backend
    ) -> None:
        records = make_records(3)
        backend.add(records, replace=False)
        found = backend.get(["record-2", "missing", "record-0", "record-2"])
        assert [record and record.id for record in found] == ["record-2", None, "record-0", "record-2"]

    def test_timestamps_are_told_of_the_ids_that_are_there(self, backend: Backend) -> None:
        records = make_records(3)
        backend.add([*records[:2], replace(records[2], timestamp=None)], replace=False)
        assert backend.timestamps(["record-2", "missing", "record-0", "record-2"]) == {
            "record-0": records[0].timestamp,
            "record-2": None,
        }

    def test_ids_are_those_that_begin_as_asked_for(self, backend: Backend) -> None:
        names = ["a", "a/", "a/b", "a/b/c", "a0", "A/b", "a/\U0010ffff", "a/\U0010ffff\U0010ffff", "b%_"]
        backend.add(
            [replace(r, id=id) for r, id in zip(make_records(len(names)), names, strict=True)], replace=True
        )
        assert sorted(backend.ids()) == sorted(names)
        assert sorted(backend.ids("a/")) == sorted(name for name in names if name.startswith("a/"))
        assert list(backend.ids("b%")) == ["b%_"]
        assert list(backend.ids("a%")) == list(backend.ids("z")) == []

    def test_ids_are_read_in_steps_and_none_is_left_out(self, backend: Backend) -> None:
        backend.add(make_records(1200), replace=False)
        found = list(backend.ids("record-1"))
        assert len(found) == len(set(found))
        assert set(found) == {f"record-{n}" for n in range(1200) if str(n).startswith("1")}

    def test_delete_counts_what_was_there_and_each_once(self, backend: Backend) -> None:
        backend.add(make_records(4), replace=False)
        assert backend.delete(["record-1", "missing", "record-1", "record-3"]) == 2
        assert backend.delete(["record-1", "record-3"]) == 0
        assert backend.contains([f"record-{i}" for i in range(4)]) == {"record-0", "record-2"}
        backend.refresh()
        assert backend.count() == 2
        assert sorted(record.id for record in backend.scan()) == ["record-0", "record-2"]

    def test_a_deleted_record_is_found_no_more_and_can_be_added_again(self, backend: Backend) -> None:
        record = make_record("a", seed=1)
        backend.add([record], replace=False)
        backend.delete(["a"])
        backend.refresh()
        assert backend.candidates(_queries(1), where=None, cutoff=0.45, limit=10) == [[]]
        assert backend.add([record], replace=False) == [Outcome.ADDED]
        backend.refresh()
        found = backend.candidates(_queries(1), where=None, cutoff=0.45, limit=10)[0]
        assert [candidate.id for candidate in found] == ["a"]

    def test_empty_batches_do_nothing(self, backend: Backend) -> None:
        backend.add(make_records(2), replace=False)
        assert backend.add([], replace=False) == []
        assert backend.add([], replace=True) == []
        assert backend.get([]) == []
        assert backend.contains([]) == set()
        assert backend.delete([]) == 0
        assert backend.candidates(_queries(), where=None, cutoff=1.0, limit=10) == []
        backend.refresh()
        assert backend.count() == 2

    def test_batches_of_more_than_a_thousand_are_taken(self, backend: Backend) -> None:
        """Stores have limits on what one request or statement holds; callers do not know them."""
        signature = make_signature(1)
        records = [make_record(f"{i}", signature, metadata=i) for i in range(1100)]
        ids = [record.id for record in records]
        assert backend.add(records, replace=False) == [Outcome.ADDED] * 1100
        backend.refresh()
        assert backend.count() == 1100
        assert [record and record.metadata for record in backend.get(ids)] == list(range(1100))
        assert backend.contains([*ids, "missing"]) == set(ids)
        assert sorted(int(record.id) for record in backend.scan()) == list(range(1100))
        assert backend.delete(ids[:1050]) == 1050
        assert backend.contains(ids) == set(ids[1050:])

    # count, scan, where

    def test_scan_gives_every_record_once(self, backend: Backend) -> None:
        records = {record.id: record for record in make_records(20)}
        backend.add(list(records.values()), replace=False)
        backend.refresh()
        found = list(backend.scan())
        assert sorted(record.id for record in found) == sorted(records)
        for record in found:
            check_same(record, records[record.id])

    def test_scan_gives_only_records_that_the_filter_is_true_of(self, backend: Backend) -> None:
        backend.add(make_records(20), replace=False)
        backend.refresh()
        found = [record.metadata for record in backend.scan(Eq("even", True) & Range("number", gte=10))]
        assert sorted(metadata["number"] for metadata in _objects(found)) == [10, 12, 14, 16, 18]

    def test_a_scan_survives_adding_and_deleting_on_the_way(self, backend: Backend) -> None:
        backend.add(make_records(30), replace=False)
        backend.refresh()
        seen = []
        for record in backend.scan():
            seen.append(record.id)
            if len(seen) % 10 == 1:
                backend.add(make_records(5, prefix=f"new-{len(seen)}"), replace=False)
                backend.delete([f"record-{len(seen)}"])
            assert len(seen) < 1000, "a scan goes on as long as records are added"
        assert len(set(seen)) == len(seen)
        # What was there from beginning to end; the rest may or may not have been seen.
        assert {f"record-{i}" for i in range(30)} - {"record-1", "record-11", "record-21"} <= set(seen)

    def test_what_is_scanned_can_be_deleted_on_the_way(self, backend: Backend) -> None:
        backend.add(make_records(30), replace=False)
        backend.refresh()
        assert sum(backend.delete([record.id]) for record in backend.scan()) == 30
        backend.refresh()
        assert backend.count() == 0

    def test_two_scans_at_once_do_not_disturb_each_other(self, backend: Backend) -> None:
        backend.add(make_records(10), replace=False)
        backend.refresh()
        pairs = list(zip(backend.scan(), backend.scan(), strict=True))
        assert len({first.id for first, _ in pairs}) == len({second.id for _, second in pairs}) == 10

    def test_filters_count_what_the_table_says(self, backend: Backend) -> None:
        _add_filter_table(backend)
        wrong = {
            repr(where): (backend.count(where), len(names))
            for where, names in FILTERS
            if backend.count(where) != len(names)
        }
        assert wrong == {}, "filter: (found, expected)"

    def test_filters_scan_what_the_table_says(self, backend: Backend) -> None:
        _add_filter_table(backend)
        wrong = {}
        for where, names in FILTERS:
            found = sorted(record.id for record in backend.scan(where))
            if found != sorted(names):
                wrong[repr(where)] = (found, sorted(names))
        assert wrong == {}, "filter: (found, expected)"

    def test_filters_choose_the_candidates_that_the_table_says(self, backend: Backend) -> None:
        _add_filter_table(backend)
        wrong = {}
        for where, names in FILTERS:
            answer = backend.candidates(_queries(1), where=where, cutoff=1.0, limit=len(METADATA))[0]
            found = sorted(candidate.id for candidate in answer)
            if found != sorted(names):
                wrong[repr(where)] = (found, sorted(names))
        assert wrong == {}, "filter: (found, expected)"

    # candidates

    def test_each_of_many_queries_gets_its_own_answer_in_order(self, backend: Backend) -> None:
        backend.add([make_record(f"{seed}", seed=seed) for seed in range(20)], replace=False)
        backend.refresh()
        asked = [7, 19, 0, 7, *range(20), 99]  # one twice, one that is not there
        answers = backend.candidates(_queries(*asked), where=None, cutoff=0.3, limit=3)
        near = [
            [c.id for c in found if _apart(seed, c) < 0.3] for seed, found in zip(asked, answers, strict=True)
        ]
        assert near == [[f"{seed}"] if seed < 20 else [] for seed in asked]

    def test_candidates_carry_the_stored_signature_and_view(self, backend: Backend) -> None:
        copy = make_copy(make_signature(1), 50)
        backend.add([make_record("a", copy)], replace=False)
        backend.refresh()
        found = backend.candidates(_queries(1), where=None, cutoff=1.0, limit=1)[0]
        assert [(candidate.id, candidate.view) for candidate in found] == [("a", 0)]
        assert found[0].signature.dtype == np.int8
        assert found[0].signature.tolist() == copy.tolist()

    def test_a_record_that_a_candidate_carries_is_the_one_that_is_stored(self, backend: Backend) -> None:
        stored = make_record("a", make_signature(1), metadata={"a": [1, "text", None]}, path="/a.jpg")
        backend.add([stored], replace=False)
        backend.refresh()
        [found] = backend.candidates(_queries(1), where=None, cutoff=0.3, limit=1)[0]
        if found.record is not None:  # it need not carry one
            check_same(found.record, stored)

    def test_the_nearest_is_offered_first(self, backend: Backend) -> None:
        _add_copies(backend)
        found = backend.candidates(_queries(1), where=None, cutoff=0.45, limit=1)[0]
        assert found[0].id == "copy-0"

    def test_the_filter_is_applied_before_the_limit(self, backend: Backend) -> None:
        _add_copies(backend)
        where = Eq("changed", 90) | Eq("changed", 120)
        found = backend.candidates(_queries(1), where=where, cutoff=0.5, limit=1)[0]
        assert found[0].id == "copy-90"
        assert {candidate.id for candidate in found} <= {"copy-90", "copy-120"}

    def test_records_without_features_are_stored_and_never_offered(self, backend: Backend) -> None:
        query = make_signature(1)
        query[:300] = 0  # it has words that are all zero, as theirs are
        records = [make_record("blank", featureless()), make_record("copy", query)]
        backend.add(records, replace=False)
        backend.refresh()
        assert backend.count() == 2
        found = backend.get(["blank"])[0]
        check_same(found, records[0])
        assert found is not None
        assert found.featureless
        for limit in (1, 10, None):
            answer = backend.candidates(query[np.newaxis], where=None, cutoff=1.0, limit=limit)[0]
            assert [candidate.id for candidate in answer] == ["copy"]

    @pytest.mark.parametrize("limit", [1, 2, 7, 30, 1000, None])
    @pytest.mark.parametrize("cutoff", [0.0, 0.3, 0.45, 0.7, 1.0])
    def test_nothing_is_missed(self, backend: Backend, cutoff: float, limit: int | None) -> None:
        _need(backend, Capability.EXACT)
        query = make_signature(1)
        records = [
            make_record(f"copy-{k}", make_copy(query, 30 * k), metadata={"changed": 30 * k})
            for k in range(10)
        ]
        records += [make_record(f"twin-{k}", make_copy(query, 30 * k)) for k in range(5)]
        records += [make_record(f"stranger-{k}", seed=100 + k, metadata={"odd": k % 2}) for k in range(10)]
        records += [make_record("opposite", -query), make_record("blank", featureless())]
        backend.add(records, replace=False)
        backend.refresh()
        queries = np.stack([query, make_copy(query, 100), make_signature(105)])
        for where in (None, ~Eq("odd", 1), Range("changed", gte=60)):
            answers = backend.candidates(queries, where=where, cutoff=cutoff, limit=limit)
            for asked, found in zip(queries, answers, strict=True):
                check_exact(found, records, asked, where=where, cutoff=cutoff, limit=limit)

    def test_a_view_at_the_cutoff_itself_is_not_wanted(self, backend: Backend) -> None:
        _need(backend, Capability.EXACT)
        query = make_signature(1)
        copy = make_copy(query, 60)
        backend.add([make_record("a", copy)], replace=False)
        backend.refresh()
        apart = float(plain_distances(query, copy[np.newaxis])[0])
        for cutoff, wanted in ((apart, []), (np.nextafter(apart, 1), ["a"])):
            answer = backend.candidates(query[np.newaxis], where=None, cutoff=float(cutoff), limit=5)[0]
            assert [candidate.id for candidate in answer] == wanted

    @pytest.mark.parametrize("limit", [1, 3, 8, 100])
    def test_records_that_share_most_words_are_offered_first(self, backend: Backend, limit: int) -> None:
        if Capability.EXACT in backend.capabilities:
            pytest.skip("this backend declares Capability.EXACT, so distance alone decides")
        query = make_signature(1)
        records = [make_record(f"{k}", make_copy(query, 20 * k)) for k in (5, 0, 8, 2, 1, 7, 3, 6, 4)]
        records += [make_record("none", -query)]
        backend.add(records, replace=False)
        backend.refresh()
        found = backend.candidates(query[np.newaxis], where=None, cutoff=1.0, limit=limit)[0]
        ids = list(dict.fromkeys(candidate.id for candidate in found))
        shared = {r.id: plain_shared_words(query, r.views[0].signature) for r in records}
        order = [shared[id] for id in ids]
        assert order == sorted(order, reverse=True)
        assert ids[:limit] == [f"{k}" for k in range(min(limit, 9))]
        assert "none" not in ids

    def test_all_that_share_a_word_are_offered_without_a_limit(self, backend: Backend) -> None:
        backend.add([make_record(f"{k}", make_copy(make_signature(1), k)) for k in range(150)], replace=False)
        backend.refresh()
        found = backend.candidates(_queries(1), where=None, cutoff=1.0, limit=None)[0]
        assert sorted(int(candidate.id) for candidate in found) == list(range(150))

    # Views

    def test_views_and_their_boxes_come_back_in_order(self, backend: Backend) -> None:
        _need(backend, Capability.VIEWS)
        views = make_views(*(make_signature(seed) for seed in range(5)), featureless(), make_signature(0))
        record = Record("a", views, metadata={"views": 7})
        backend.add([record, make_record("b")], replace=False)
        backend.refresh()
        check_same(backend.get(["a"])[0], record)
        assert backend.count() == 2
        assert sorted(len(found.views) for found in backend.scan()) == [1, 7]

    def test_candidates_name_the_view(self, backend: Backend) -> None:
        _need(backend, Capability.VIEWS)
        records = [
            Record(id, make_views(*(make_signature(s) for s in seeds))) for id, seeds in _VIEWS.items()
        ]
        backend.add(records, replace=False)
        backend.refresh()
        for id, seeds in _VIEWS.items():
            for view, seed in enumerate(seeds):
                found = backend.candidates(_queries(seed), where=None, cutoff=0.3, limit=1)[0]
                assert [(c.id, c.view) for c in found if _apart(seed, c) < 0.3] == [(id, view)]

    def test_the_limit_counts_records_not_views(self, backend: Backend) -> None:
        _need(backend, Capability.VIEWS)
        query = make_signature(1)
        near = Record("near", make_views(*(make_copy(query, 10 * k) for k in range(8))))
        far = Record("far", make_views(make_copy(query, 100), make_copy(query, 5)))
        farther = make_record("farther", make_copy(query, 110))
        backend.add([farther, far, near], replace=False)
        backend.refresh()
        for limit, wanted in ((1, {"near"}), (2, {"near", "far"}), (3, {"near", "far", "farther"})):
            found = backend.candidates(query[np.newaxis], where=None, cutoff=0.9, limit=limit)[0]
            assert wanted <= {candidate.id for candidate in found}
            if Capability.EXACT in backend.capabilities:
                check_exact(found, [near, far, farther], query, cutoff=0.9, limit=limit)

    def test_replacing_a_record_leaves_none_of_its_old_views(self, backend: Backend) -> None:
        _need(backend, Capability.VIEWS)
        backend.add([Record("a", make_views(*(make_signature(s) for s in range(4))))], replace=False)
        record = Record("a", make_views(make_signature(0), make_signature(9)))
        backend.add([record], replace=True)
        backend.refresh()
        check_same(backend.get(["a"])[0], record)
        answers = backend.candidates(_queries(3, 9), where=None, cutoff=0.3, limit=10)
        assert [c for c in answers[0] if _apart(3, c) < 0.3] == []
        assert [(c.id, c.view) for c in answers[1]] == [("a", 1)]

    def test_a_record_of_several_views_is_refused_rather_than_cut_down(self, backend: Backend) -> None:
        if Capability.VIEWS in backend.capabilities:
            pytest.skip("this backend declares Capability.VIEWS, so it takes them")
        with pytest.raises(SigsearchError):
            backend.add([Record("a", make_views(make_signature(0), make_signature(1)))], replace=False)
        assert backend.get(["a"]) == [None]

    # Keeping

    def test_everything_is_there_when_opened_again(self, open_backend: OpenBackend) -> None:
        backend = _need(open_backend, Capability.DURABLE)
        records = make_records(20)
        records += [make_record(f"json-{i}", metadata=value) for i, value in enumerate(JSON_VALUES)]
        records += [make_record(id) for id in IDS]
        backend.add(records, replace=False)
        backend.add([make_record("record-3", seed=3)], replace=True)
        backend.delete(["record-4"])
        backend.close()
        kept = {record.id: record for record in records if record.id != "record-4"}
        kept["record-3"] = make_record("record-3", seed=3)

        for create in (False, True):
            again = open_backend(create=create)
            assert again.count() == len(kept)
            for record in again.scan():
                check_same(record, kept[record.id])
            assert again.get(["record-4"]) == [None]
            found = again.candidates(_queries(1005), where=None, cutoff=0.45, limit=1)[0]
            assert [candidate.id for candidate in found] == ["record-5"]
            again.close()

    def test_opening_again_before_closing_sees_what_was_acknowledged(self, open_backend: OpenBackend) -> None:
        first = _need(open_backend, Capability.DURABLE)
        first.add(make_records(3), replace=False)
        second = open_backend(create=False)
        second.refresh()
        assert second.count() == 3

    def test_after_a_refresh_one_sees_what_another_stored(self, open_backend: OpenBackend) -> None:
        reader = _need(open_backend, Capability.DURABLE)
        writer = open_backend()
        record = make_record("a", seed=1, metadata={"old": True})
        writer.add([record], replace=False)
        reader.refresh()
        check_same(reader.get(["a"])[0], record)
        assert [c.id for c in reader.candidates(_queries(1), where=None, cutoff=0.3, limit=1)[0]] == ["a"]

        changed = make_record("a", seed=2)
        writer.add([changed], replace=True)
        reader.refresh()
        check_same(reader.get(["a"])[0], changed)
        assert reader.count(Exists("old")) == 0
        assert [c.id for c in reader.candidates(_queries(2), where=None, cutoff=0.3, limit=1)[0]] == ["a"]
        assert reader.add([record], replace=False) == [Outcome.KEPT]

        writer.delete(["a"])
        reader.refresh()
        assert reader.count() == 0
        assert reader.candidates(_queries(2), where=None, cutoff=0.3, limit=1) == [[]]

    def test_two_that_write_in_turn_lose_nothing(self, open_backend: OpenBackend) -> None:
        first = _need(open_backend, Capability.DURABLE)
        second = open_backend()
        for i in range(5):
            first.add([make_record(f"first-{i}")], replace=False)
            second.add([make_record(f"second-{i}")], replace=False)
        first.close()
        second.close()
        found = {record.id for record in open_backend(create=False).scan()}
        assert found == {f"{who}-{i}" for who in ("first", "second") for i in range(5)}

    def test_another_process_sees_what_was_acknowledged(
        self, open_backend: OpenBackend, location: str, options: dict[str, Any]
    ) -> None:
        backend = _need(open_backend, Capability.DURABLE)
        backend.add(make_records(3), replace=False)
        try:
            told = json.dumps([location, options])
        except TypeError:
            pytest.skip("its options are not JSON, so another process cannot be told them")
        done = subprocess.run(  # noqa: S603 - this Python and the code below
            [sys.executable, "-c", _READ_ELSEWHERE, told], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout) == ["record-0", "record-1", "record-2"]

    # Threads

    def test_several_threads_may_add_and_search_at_once(self, backend: Backend) -> None:
        def work(number: int) -> None:
            for step in range(4):
                first = 100 * number + 5 * step
                backend.add(make_records(5, first=first), replace=False)
                backend.refresh()
                answer = backend.candidates(_queries(1000 + first), where=None, cutoff=0.3, limit=5)[0]
                assert [c.id for c in answer if _apart(1000 + first, c) < 0.3] == [f"record-{first}"]
                check_same(backend.get([f"record-{first + 4}"])[0], make_records(1, first=first + 4)[0])
                assert len(list(backend.scan())) >= 5

        _in_threads(work, 4)
        backend.refresh()
        expected = {f"record-{100 * number + i}" for number in range(4) for i in range(20)}
        assert {record.id for record in backend.scan()} == expected

    def test_of_several_threads_that_add_one_id_one_has_added_it(self, backend: Backend) -> None:
        outcomes: list[Outcome] = []

        def work(number: int) -> None:
            records = [make_record(f"{i}", metadata=number) for i in range(200)]
            outcomes.extend(backend.add(records, replace=False))

        _in_threads(work, 4)
        assert outcomes.count(Outcome.ADDED) == 200
        assert outcomes.count(Outcome.KEPT) == 600

    # compact, check, salvage

    def test_compacting_keeps_every_record_and_every_answer(self, backend: Backend) -> None:
        kept = _add_replace_and_delete(backend)
        asked = _queries(*range(8), 1000, 1001)
        before = backend.candidates(asked, where=None, cutoff=0.45, limit=None)
        backend.compact()
        backend.refresh()
        _check_all_there(backend, kept)
        after = backend.candidates(asked, where=None, cutoff=0.45, limit=None)
        assert [_views_of(found) for found in after] == [_views_of(found) for found in before]
        if Capability.EXACT in backend.capabilities:
            for query, found in zip(asked, after, strict=True):
                check_exact(found, list(kept.values()), query, cutoff=0.45)

    def test_a_compacted_index_takes_and_loses_records_as_before(self, backend: Backend) -> None:
        kept = _add_replace_and_delete(backend)
        for step in range(3):
            backend.compact()
            new = make_records(3, prefix=f"new-{step}")
            assert backend.add(new, replace=False) == [Outcome.ADDED] * 3
            assert backend.add(list(kept.values()), replace=False) == [Outcome.KEPT] * len(kept)
            kept |= {record.id: record for record in new[1:]}
            assert backend.delete([new[0].id, f"record-{step}"]) == 1
        backend.refresh()
        _check_all_there(backend, kept)

    def test_an_empty_index_can_be_compacted(self, backend: Backend) -> None:
        backend.compact()
        assert backend.count() == 0
        backend.add(make_records(3), replace=False)
        backend.delete([f"record-{i}" for i in range(3)])
        backend.compact()
        backend.refresh()
        assert (backend.count(), list(backend.scan())) == (0, [])
        assert backend.add(make_records(1), replace=False) == [Outcome.ADDED]

    def test_compacting_while_a_scan_is_under_way_loses_nothing(self, backend: Backend) -> None:
        signature = make_signature(1)
        backend.add([make_record(f"{i}", signature) for i in range(1500)], replace=False)
        # Two of three, so that what stays moves far.
        backend.delete([f"{i}" for i in range(1500) if i % 3])
        backend.refresh()
        seen = []
        for record in backend.scan():
            seen.append(record.id)
            if len(seen) in (100, 300):
                backend.compact()
            assert record.views[0].signature.tolist() == signature.tolist()
        assert sorted(map(int, seen)) == list(range(0, 1500, 3))

    def test_compacting_while_others_add_and_delete_loses_nothing(self, backend: Backend) -> None:
        compacted = threading.Event()
        steps = dict.fromkeys((1, 2, 3), 0)

        def work(number: int) -> None:
            if number == 0:
                try:
                    for _ in range(5):
                        backend.compact()
                finally:
                    compacted.set()
                return
            # Until the last compaction is over, so that each of them has writers beside it.
            while steps[number] < 5 or not compacted.wait(0.001):
                first = 100_000 * number + 5 * steps[number]
                backend.add(make_records(5, first=first), replace=False)
                assert backend.delete([f"record-{first}"]) == 1
                steps[number] += 1

        _in_threads(work, 4)
        backend.refresh()
        expected = {
            f"record-{100_000 * number + i}"
            for number, count in steps.items()
            for i in range(5 * count)
            if i % 5
        }
        assert {record.id for record in backend.scan()} == expected
        assert list(backend.check()) == []

    def test_what_was_compacted_is_there_when_opened_again(self, open_backend: OpenBackend) -> None:
        backend = _need(open_backend, Capability.DURABLE)
        kept = _add_replace_and_delete(backend)
        backend.compact()
        backend.close()
        _check_all_there(open_backend(create=False), kept)

    def test_one_that_is_open_goes_on_after_another_has_compacted(self, open_backend: OpenBackend) -> None:
        first = _need(open_backend, Capability.DURABLE)
        kept = _add_replace_and_delete(first)
        second = open_backend()
        scan = first.scan()
        seen = {next(scan).id}
        second.compact()
        assert seen | {record.id for record in scan} == kept.keys()
        first.refresh()
        _check_all_there(first, kept)
        first.add([make_record("first")], replace=False)
        second.add([make_record("second")], replace=False)
        kept |= {id: make_record(id) for id in ("first", "second")}
        for backend in (first, second):
            backend.refresh()
            _check_all_there(backend, kept)

    def test_a_sound_index_has_no_problems(self, backend: Backend) -> None:
        assert list(backend.check()) == []
        backend.add([make_record(id, metadata=id) for id in IDS], replace=False)
        backend.add([make_record("blank", featureless())], replace=False)
        assert list(backend.check()) == []
        _add_replace_and_delete(backend)
        assert list(backend.check()) == []
        backend.compact()
        assert list(backend.check()) == []

    def test_what_is_checked_stays_as_it_is(self, backend: Backend) -> None:
        kept = _add_replace_and_delete(backend)
        assert list(backend.check()) == []
        backend.refresh()
        _check_all_there(backend, kept)

    def test_all_of_a_sound_index_can_be_salvaged(self, backend: Backend) -> None:
        assert list(backend.salvage()) == []
        kept = _add_replace_and_delete(backend)
        for compacted in (False, True):
            if compacted:
                backend.compact()
            found = list(backend.salvage())
            assert sorted(record.id for record in found) == sorted(kept)
            for record in found:
                check_same(record, kept[record.id])

    def test_all_of_a_sound_index_is_examined_and_found_whole(self, backend: Backend) -> None:
        assert list(backend.examine()) == []
        kept = _add_replace_and_delete(backend)
        found = [each for each in backend.examine() if isinstance(each, Record)]
        assert sorted(record.id for record in found) == sorted(kept)
        for record in found:
            check_same(record, kept[record.id])

    def test_what_is_known_is_not_examined_and_each_id_is_asked_for_once(self, backend: Backend) -> None:
        signature = make_signature(1)
        backend.add([make_record(f"{i}", signature) for i in range(1200)], replace=False)
        backend.refresh()
        asked: list[str] = []

        def known(ids: Sequence[str]) -> set[str]:
            asked.extend(ids)
            return {id for id in ids if int(id) % 3}

        examined = [each for each in backend.examine(known) if isinstance(each, Record)]
        assert sorted(int(record.id) for record in examined) == list(range(0, 1200, 3))
        assert sorted(map(int, asked)) == list(range(1200))
        assert all(np.array_equal(record.views[0].signature, signature) for record in examined)

    # info, refresh, close

    def test_info_is_json(self, backend: Backend) -> None:
        for records in ([], make_records(3)):
            backend.add(records, replace=False)
            told = backend.info()
            assert isinstance(told, dict)
            assert json.loads(json.dumps(told, allow_nan=False)) == told
            assert isinstance(told.get("bytes", 0), int)

    def test_refresh_changes_nothing(self, backend: Backend) -> None:
        backend.refresh()
        backend.add(make_records(2), replace=False)
        backend.refresh()
        backend.refresh()
        assert backend.count() == 2

    def test_closing_twice_is_closing_once(self, backend: Backend) -> None:
        backend.close()
        backend.close()

    def test_it_is_a_context_manager(self, open_backend: OpenBackend) -> None:
        with open_backend() as backend:
            assert backend.count() == 0
        with pytest.raises(ClosedError):
            backend.count()

    @pytest.mark.parametrize(
        "call",
        [
            pytest.param(lambda b: b.add(make_records(1), replace=False), id="add"),
            pytest.param(lambda b: b.add([], replace=True), id="add nothing"),
            pytest.param(lambda b: b.delete(["a"]), id="delete"),
            pytest.param(lambda b: b.get(["a"]), id="get"),
            pytest.param(lambda b: b.contains(["a"]), id="contains"),
            pytest.param(lambda b: b.timestamps(["a"]), id="timestamps"),
            pytest.param(lambda b: b.ids(), id="ids, before the first is asked for"),
            pytest.param(lambda b: b.count(), id="count"),
            pytest.param(lambda b: b.count(Exists("a")), id="count with a filter"),
            pytest.param(lambda b: b.scan(), id="scan, before the first record is asked for"),
            pytest.param(
                lambda b: b.candidates(_queries(1), where=None, cutoff=1.0, limit=1), id="candidates"
            ),
            pytest.param(lambda b: b.refresh(), id="refresh"),
            pytest.param(lambda b: b.info(), id="info"),
            pytest.param(lambda b: b.compact(), id="compact"),
            pytest.param(lambda b: b.check(), id="check, before the first problem is asked for"),
            pytest.param(lambda b: b.salvage(), id="salvage, before the first record is asked for"),
            pytest.param(lambda b: b.examine(), id="examine, before the first record is asked for"),
        ],
    )
    def test_a_closed_backend_refuses_every_call(
        self, backend: Backend, call: Callable[[Backend], object]
    ) -> None:
        backend.add(make_records(2), replace=False)
        backend.close()
        with pytest.raises(ClosedError):
            call(backend)

    # All of it at once

    def test_it_behaves_as_a_dict_of_records_does(self, open_backend: OpenBackend) -> None:
        run_against_a_dict(open_backend)

    # A whole index over it

    def test_an_index_over_it_finds_copies_at_the_distance_of_plain_numpy(self, index: Index) -> None:
        query = make_signature(1)
        stored = {f"{k}": make_copy(query, k) for k in (0, 20, 60, 120, 300)}
        stored |= {f"stranger-{k}": make_signature(50 + k) for k in range(5)}
        items = [Item(signature=signature, id=id, metadata={"id": id}) for id, signature in stored.items()]
        report = index.add_many(items)
        assert (report.added, report.failures) == (len(stored), ())
        index.refresh()
        apart = dict(zip(stored, plain_distances(query, np.stack(list(stored.values()))), strict=True))
        expected = [(apart[id], id) for id in ("0", "20", "60", "120")]
        assert [(m.distance, m.id) for m in index.search(query, cutoff=0.45)] == expected
        assert [m.metadata for m in index.search(query, limit=2)] == [{"id": "0"}, {"id": "20"}]
        assert [m.id for m in index.search(query, where={"id": "60"})] == ["60"]
        for match in index.search(query):
            assert match.word_matches == plain_shared_words(query, stored[match.id])
            assert match.orientation == "as-is"

    def test_an_index_over_it_answers_many_queries_in_order(self, index: Index) -> None:
        for seed in range(5):
            index.add(id=f"{seed}", signature=make_signature(seed))
        index.refresh()
        matches = index.search_many([make_signature(seed) for seed in (3, 99, 0)])
        assert [[match.id for match in found] for found in matches] == [["3"], [], ["0"]]

    def test_an_index_over_it_gives_each_id_once_at_its_best_orientation(self, index: Index) -> None:
        picture = make_picture(1, size=(64, 48))
        turned = sigsearch.compute_orientations(picture)
        stored = {f"{row}": make_copy(turned[row], 4 * row) for row in (0, 3, 6, 13)}
        for id, signature in stored.items():
            index.add(id=id, signature=signature)
        index.refresh()
        best = {
            id: min(
                (float(plain_distances(query, signature[np.newaxis])[0]), row)
                for row, query in enumerate(turned)
            )
            for id, signature in stored.items()
        }
        found = {m.id: (m.distance, m.orientation) for m in index.search(picture, all_orientations=True)}
        assert found == {id: (apart, sigsearch.ORIENTATIONS[row]) for id, (apart, row) in best.items()}
        assert len(index.search(picture, all_orientations=True)) == len(stored)

    def test_an_index_over_it_copies_into_another(self, index: Index) -> None:
        records = make_records(10)
        assert index.add_many(records).added == 10
        index.refresh()
        with sigsearch.open("memory://") as target:
            assert target.add_many(index.scan(Eq("even", True))).added == 5
            for record in records[::2]:
                check_same(target.get(record.id), record)

    def test_an_index_over_it_says_why_a_record_is_found_or_not(self, index: Index) -> None:
        query = make_signature(1)
        index.add(id="near", signature=make_copy(query, 40))
        index.add(id="far", signature=make_copy(query, 300))
        index.refresh()
        near, far = index.explain(query, "near"), index.explain(query, "far")
        assert (near.found, near.candidate_rank, near.advice) == (True, 1, ())
        assert not far.found
        assert far.distance == plain_distances(query, make_copy(query, 300)[np.newaxis])[0]
        assert far.advice


# What the tests need

_TIME = datetime(2024, 1, 2, 3, 4, 5, 6, tzinfo=UTC)
_VIEWS = {"a": (1, 2, 3), "b": (4,), "c": (5, 6)}
"""Ids, and the seeds of the signatures of their views."""

_READ_ELSEWHERE = """
import json, sys
from sigsearch import plugins
from sigsearch.scheme import DEFAULT_SCHEME
location, options = json.loads(sys.argv[1])
backend_class = plugins.discover().load(plugins.location_scheme(location))
with backend_class.open(location, scheme=DEFAULT_SCHEME, create=False, options=options) as backend:
    backend.refresh()
    print(json.dumps(sorted(record.id for record in backend.scan())))
"""


class _Interrupted(Sequence[Record]):
    """Records, and Ctrl-C on the way to one of them."""

    def __init__(self, records: Sequence[Record], at: int) -> None:
        self._records, self._at = records, at

    def __len__(self) -> int:
        return len(self._records)

    @overload
    def __getitem__(self, where: int) -> Record: ...
    @overload
    def __getitem__(self, where: slice) -> Sequence[Record]: ...
    def __getitem__(self, where: int | slice) -> Record | Sequence[Record]:
        if isinstance(where, slice):
            return [self[i] for i in range(*where.indices(len(self)))]
        if where == self._at:
            raise KeyboardInterrupt
        return self._records[where]


def _need(subject: OpenBackend | Backend | type[Backend], capability: Capability) -> Backend:
    """Skip the test unless the capability is declared; the backend, opened if need be."""
    backend: Any = subject() if inspect.isfunction(subject) else subject
    if capability not in backend.capabilities:
        pytest.skip(f"needs Capability.{capability.name}, which the backend does not declare")
    found: Backend = backend
    return found


def _queries(*seeds: int) -> Signature:
    """Signatures of seeds, ``(len(seeds), 648)``; of none, ``(0, 648)``."""
    stacked: Signature = np.array([make_signature(seed) for seed in seeds], np.int8).reshape(
        -1, DEFAULT_SCHEME.signature_length
    )
    return stacked


def _apart(seed: int, candidate: Candidate) -> float:
    return float(plain_distances(make_signature(seed), candidate.signature[np.newaxis])[0])


def _objects(values: Sequence[Any]) -> list[dict[str, Any]]:
    return [value for value in values if isinstance(value, dict)]


def _add_copies(backend: Backend) -> None:
    """Copies of the signature of seed 1, ever farther, in an order that is none."""
    changes = (90, 0, 120, 30, 60)
    backend.add(
        [make_record(f"copy-{k}", make_copy(make_signature(1), k), metadata={"changed": k}) for k in changes],
        replace=False,
    )
    backend.refresh()


def _add_replace_and_delete(backend: Backend) -> dict[str, Record]:
    """Do all that leaves something behind in a store; what must be there then, by id."""
    views = Capability.VIEWS in backend.capabilities
    records = make_records(30)
    records += [make_record(f"json-{i}", metadata=value) for i, value in enumerate(JSON_VALUES)]
    if views:
        records += [Record(id, make_views(*map(make_signature, seeds))) for id, seeds in _VIEWS.items()]
    backend.add(records, replace=False)
    changed = [make_record(f"record-{i}", seed=i, metadata="new") for i in range(5, 8)]
    if views:
        changed.append(Record("a", make_views(make_signature(3), make_signature(7))))
    backend.add(changed, replace=True)
    deleted = [f"record-{i}" for i in (0, 1, 2, 7, 12, 29)]
    assert backend.delete(deleted) == len(deleted)
    backend.refresh()
    kept = {record.id: record for record in [*records, *changed]}
    return {id: record for id, record in kept.items() if id not in deleted}


def _check_all_there(backend: Backend, kept: dict[str, Record]) -> None:
    """Fail unless the records of an index are these."""
    assert backend.count() == len(kept)
    assert sorted(record.id for record in backend.scan()) == sorted(kept)
    for record, found in zip(kept.values(), backend.get(list(kept)), strict=True):
        check_same(found, record)


def _views_of(candidates: Sequence[Candidate]) -> list[tuple[str, int, list[int]]]:
    """Candidates in an order of their own, for stores may put equals in any."""
    return sorted((found.id, found.view, found.signature.tolist()) for found in candidates)


def _add_filter_table(backend: Backend) -> None:
    signature = make_signature(1)
    backend.add(
        [make_record(name, signature, metadata=metadata) for name, metadata in METADATA.items()],
        replace=False,
    )
    backend.refresh()


@contextmanager
def _hasty_switching() -> Iterator[None]:
    """Let threads take turns as often as can be, so that a race shows."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(interval)


def _in_threads(work: Callable[[int], None], count: int) -> None:
    """Run the work in several threads at once; raise the first error of any of them."""
    errors: list[BaseException] = []
    start = threading.Barrier(count)

    def run(number: int) -> None:
        try:
            start.wait(30)
            work(number)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(number,), daemon=True) for number in range(count)]
    with _hasty_switching():
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
    if errors:
        raise errors[0]
    assert not any(thread.is_alive() for thread in threads), "threads wait for each other"
