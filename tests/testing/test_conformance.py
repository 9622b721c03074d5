"""The conformance suite itself: each of these backends breaks one rule, and the suite must notice."""

import subprocess
import sys
import textwrap
import xml.etree.ElementTree as ET

import pytest

HEAD = """
    from dataclasses import replace

    import numpy as np
    import pytest
    from sigsearch_memory.backend import MemoryBackend

    from sigsearch.backend import Capability, Outcome
    from sigsearch.bounds import EFFORT
    from sigsearch.filters import And, Eq, Exists, In, Not, Or, Range
    from sigsearch.records import View
    from sigsearch.testing import BackendConformance
"""
# What is wrong with it: its methods, and the tests that must fail. Each is a mistake that one makes.
FAULTS = {
    "adds in any order": (
        """
        def add(self, records, *, replace):
            return super().add(list(records)[::-1], replace=replace)[::-1]
        """,
        {"test_of_one_id_twice_in_a_batch_the_first_is_kept_without_replace"},
    ),
    "replaces always": (
        """
        def add(self, records, *, replace):
            return super().add(records, replace=True)
        """,
        {"test_a_record_that_is_there_is_kept_without_replace"},
    ),
    "deletes the asked for, not the found": (
        """
        def delete(self, ids):
            super().delete(ids)
            return len(ids)
        """,
        {
            "test_delete_counts_what_was_there_and_each_once",
            "test_it_behaves_as_a_dict_of_records_does",
        },
    ),
    "gets without gaps": (
        """
        def get(self, ids):
            return [record for record in super().get(ids) if record is not None]
        """,
        {"test_get_gives_records_in_the_order_asked_for_and_none_for_what_is_missing"},
    ),
    "stores numbers as floats": (
        """
        def add(self, records, *, replace):
            from dataclasses import replace as but
            def changed(r):
                return but(r, metadata=float(r.metadata)) if type(r.metadata) is int else r
            return super().add([changed(r) for r in records], replace=replace)
        """,
        {"test_metadata_of_any_json_comes_back_the_same"},
    ),
    "folds case": (
        """
        def add(self, records, *, replace):
            from dataclasses import replace as but
            return super().add([but(r, id=r.id.lower()) for r in records], replace=replace)
        """,
        {"test_ids_of_all_kinds_are_kept_apart"},
    ),
    "cuts microseconds": (
        """
        def get(self, ids):
            return [
                r and replace(r, timestamp=r.timestamp and r.timestamp.replace(microsecond=0))
                for r in super().get(ids)
            ]
        """,
        {"test_timestamps_come_back_in_utc_to_the_microsecond"},
    ),
    "forgets boxes": (
        """
        def get(self, ids):
            def bare(record):
                return record and replace(record, views=tuple(View(v.signature) for v in record.views))
            return [bare(record) for record in super().get(ids)]
        """,
        {"test_views_and_their_boxes_come_back_in_order"},
    ),
    "scans what is stored meanwhile": (
        """
        def scan(self, where=None):
            return iter(self._records.values())
        """,
        {"test_a_scan_survives_adding_and_deleting_on_the_way"},
    ),
    "scans lazily": (
        """
        def scan(self, where=None):
            yield from super().scan(where)
        """,
        {"test_a_closed_backend_refuses_every_call[scan, before the first record is asked for]"},
    ),
    "counts without the filter": (
        """
        def count(self, where=None):
            return super().count()
        """,
        {"test_filters_count_what_the_table_says"},
    ),
    "filters after the limit": (
        """
        def candidates(self, signatures, *, where, cutoff, limit, effort=EFFORT):
            found = super().candidates(signatures, where=None, cutoff=cutoff, limit=limit)
            chosen = {record.id for record in self.scan(where)}
            return [[c for c in answer if c.id in chosen] for answer in found]
        """,
        {"test_the_filter_is_applied_before_the_limit", "test_nothing_is_missed[0.45-1]"},
    ),
    "takes the cutoff in": (
        """
        def candidates(self, signatures, *, where, cutoff, limit, effort=EFFORT):
            cutoff = float(np.nextafter(cutoff, 2))
            return super().candidates(signatures, where=where, cutoff=cutoff, limit=limit)
        """,
        {"test_a_view_at_the_cutoff_itself_is_not_wanted"},
    ),
    "counts views in the limit": (
        """
        def candidates(self, signatures, *, where, cutoff, limit, effort=EFFORT):
            found = super().candidates(signatures, where=where, cutoff=cutoff, limit=None)
            return [answer[:limit] for answer in found]
        """,
        {"test_the_limit_counts_records_not_views"},
    ),
    "offers the farthest first": (
        """
        def candidates(self, signatures, *, where, cutoff, limit, effort=EFFORT):
            found = super().candidates(signatures, where=where, cutoff=cutoff, limit=limit)
            return [answer[::-1] for answer in found]
        """,
        {"test_nothing_is_missed[1.0-None]"},
    ),
    "answers only the first query": (
        """
        def candidates(self, signatures, *, where, cutoff, limit, effort=EFFORT):
            found = super().candidates(signatures[:1], where=where, cutoff=cutoff, limit=limit)
            return found * len(signatures)
        """,
        {"test_each_of_many_queries_gets_its_own_answer_in_order"},
    ),
    "misses the last": (
        """
        def candidates(self, signatures, *, where, cutoff, limit, effort=EFFORT):
            found = super().candidates(signatures, where=where, cutoff=cutoff, limit=limit)
            return [answer[:-1] if len(answer) > 1 else answer for answer in found]
        """,
        {
            "test_nothing_is_missed[1.0-None]",
            "test_an_index_over_it_finds_copies_at_the_distance_of_plain_numpy",
        },
    ),
    "offers pictures without features": (
        """
        def candidates(self, signatures, *, where, cutoff, limit, effort=EFFORT):
            cutoff = 1.1 if cutoff == 1 else cutoff
            return super().candidates(signatures, where=where, cutoff=cutoff, limit=limit)
        """,
        {"test_records_without_features_are_stored_and_never_offered"},
    ),
    "carries half of the record": (
        """
        def candidates(self, signatures, *, where, cutoff, limit, effort=EFFORT):
            found = super().candidates(signatures, where=where, cutoff=cutoff, limit=limit)
            return [[replace(c, record=Record(c.id, (View(c.signature),))) for c in near] for near in found]
        """,
        {"test_a_record_that_a_candidate_carries_is_the_one_that_is_stored"},
    ),
    "promises a file and keeps none": (
        """
        capabilities = frozenset(Capability)
        """,
        {
            "test_everything_is_there_when_opened_again",
            "test_nothing_is_opened_where_nothing_is",
            "test_after_a_refresh_one_sees_what_another_stored",
        },
    ),
    "takes any option": (
        """
        @classmethod
        def open(cls, location, *, scheme, create, options):
            return cls(scheme)
        """,
        {"test_an_option_that_it_does_not_know_is_refused_and_nothing_is_made"},
    ),
    "has its own idea of the scheme": (
        """
        scheme = property(lambda self: __import__("sigsearch").Scheme())
        """,
        {"test_a_new_index_has_the_scheme_it_was_opened_with"},
    ),
    "takes other arguments": (
        """
        def count(self, filter=None):
            return super().count(filter)
        """,
        {"test_its_methods_take_the_arguments_of_the_abstract_class"},
    ),
    "tells what is not JSON": (
        """
        def info(self):
            return {**super().info(), "scheme": self.scheme}
        """,
        {"test_info_is_json"},
    ),
    "hands out what it stores": (
        """
        def get(self, ids):
            return [self._records.get(id) for id in ids]
        """,
        {"test_what_a_caller_does_to_a_record_does_not_reach_the_index"},
    ),
    "forgets a record as it compacts": (
        """
        def compact(self):
            self._records.popitem()
        """,
        {
            "test_compacting_keeps_every_record_and_every_answer",
            "test_an_empty_index_can_be_compacted",
            "test_it_behaves_as_a_dict_of_records_does",
        },
    ),
    "forgets metadata as it compacts": (
        """
        def compact(self):
            for id, record in self._records.items():
                self._records[id] = replace(record, metadata=None)
        """,
        {"test_compacting_keeps_every_record_and_every_answer"},
    ),
    "searches what was there before it compacted": (
        """
        def compact(self):
            super().compact()
            self.old = list(self._records.values())[1:]
        def _chosen(self, where):
            return getattr(self, "old", super()._chosen(where))
        """,
        {
            "test_compacting_keeps_every_record_and_every_answer",
            "test_a_compacted_index_takes_and_loses_records_as_before",
        },
    ),
    "scans by position": (
        """
        def delete(self, ids):
            there = self._records.keys() & set(ids)
            self.gone = getattr(self, "gone", set()) | there
            return len(there)
        def compact(self):
            super().delete(list(getattr(self, "gone", ())))
            self.gone = set()
        def scan(self, where=None):
            super().count()
            def read():
                position = 0
                while position < len(self._records):
                    record = list(self._records.values())[position]
                    position += 1
                    if record.id not in getattr(self, "gone", ()):
                        yield record
            return read()
        """,
        {"test_compacting_while_a_scan_is_under_way_loses_nothing"},
    ),
    "compacts while others write": (
        """
        def compact(self):
            import time
            kept = dict(self._records)
            time.sleep(0.1)
            self._stored = kept
        """,
        {"test_compacting_while_others_add_and_delete_loses_nothing"},
    ),
    "compacts once closed": (
        """
        def compact(self):
            pass
        """,
        {"test_a_closed_backend_refuses_every_call[compact]"},
    ),
    "cries wolf": (
        """
        def check(self):
            super().check()
            return iter([f"{id!r} was replaced" for id in self._records if id == "record-5"])
        """,
        {"test_a_sound_index_has_no_problems"},
    ),
    "mends what it checks": (
        """
        def check(self):
            self._records.pop("record-3", None)
            return super().check()
        """,
        {"test_what_is_checked_stays_as_it_is"},
    ),
    "checks lazily": (
        """
        def check(self):
            yield from super().check()
        """,
        {"test_a_closed_backend_refuses_every_call[check, before the first problem is asked for]"},
    ),
    "examines lazily": (
        """
        def examine(self, known=None):
            yield from super().examine(known)
        """,
        {"test_a_closed_backend_refuses_every_call[examine, before the first record is asked for]"},
    ),
    "examines what is known": (
        """
        def examine(self, known=None):
            return super().examine()
        """,
        {"test_what_is_known_is_not_examined_and_each_id_is_asked_for_once"},
    ),
    "salvages lazily": (
        """
        def salvage(self):
            yield from super().salvage()
        """,
        {"test_a_closed_backend_refuses_every_call[salvage, before the first record is asked for]"},
    ),
    "salvages what was deleted": (
        """
        def delete(self, ids):
            self.bin = [r for r in self.get(ids) if r]
            return super().delete(ids)
        def salvage(self):
            return iter([*super().salvage(), *getattr(self, "bin", [])])
        """,
        {"test_all_of_a_sound_index_can_be_salvaged"},
    ),
}


@pytest.fixture(scope="module")
def failures(tmp_path_factory):
    """For each faulty backend, the tests of the suite that fail: all of them in one run of pytest."""
    folder = tmp_path_factory.mktemp("faulty")
    code = textwrap.dedent(HEAD)
    for number, (methods, _) in enumerate(FAULTS.values()):
        # As few tests as will do: the ones that must fail, and one that must not.
        code += f"\n\nclass Faulty{number}(MemoryBackend):\n"
        code += textwrap.indent(textwrap.dedent(methods).strip(), "    ") + "\n"
        code += f"""
class Test{number}(BackendConformance):
    @pytest.fixture
    def location(self):
        return "memory://"

    @pytest.fixture
    def backend_class(self):
        return Faulty{number}
"""
    (folder / "test_faulty.py").write_text(code)
    wanted = {
        f"test_faulty.py::Test{number}::{test}"
        for number, (_, tests) in enumerate(FAULTS.values())
        for test in {*tests, "test_refresh_changes_nothing"}
    }
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=no", "--junitxml=r.xml"]
    done = subprocess.run([*command, *sorted(wanted)], capture_output=True, text=True, cwd=folder)
    assert done.returncode == 1, done.stdout + done.stderr
    found = {name: set() for name in FAULTS}
    for case in ET.parse(folder / "r.xml").getroot().iter("testcase"):
        number = int(case.get("classname").rpartition("Test")[2])
        if case.find("failure") is not None:
            found[list(FAULTS)[number]].add(case.get("name"))
    return found


@pytest.mark.long
@pytest.mark.parametrize("fault", FAULTS)
def test_the_suite_notices_a_backend_that(failures, fault):
    assert failures[fault] == FAULTS[fault][1]
