"""The pytest plugin, used as an outside project uses it: a folder with a test file, and pytest run there."""

import subprocess
import sys
import textwrap
import xml.etree.ElementTree as ET

import pytest


@pytest.fixture
def project(tmp_path):
    """Write a test module, run pytest on it in another process, and give what it printed and its results."""

    def project(code, *arguments):
        (tmp_path / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
        (tmp_path / "test_outside.py").write_text(textwrap.dedent(code))
        # hypothesis has a pytest plugin of its own, which takes a second to load.
        without = ["-p", "no:cacheprovider", "-p", "no:hypothesispytest"]
        command = [sys.executable, "-m", "pytest", *without, "--junitxml=r.xml", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
        cases = ET.parse(tmp_path / "r.xml").getroot().iter("testcase")
        results = {case.get("name"): "failed" if len(case) else "passed" for case in cases}
        return done.stdout + done.stderr, results

    return project


def test_an_outside_project_uses_the_fixtures_without_any_setting_up(project):
    printed, results = project(
        """
        import pytest
        from sigsearch.testing import EDITS

        SIZE = (96, 72)

        def test_the_index_is_empty(sigsearch_index):
            assert sigsearch_index.count() == 0

        def test_the_copy_is_found_among_others(sigsearch_index, make_picture, make_near_duplicate):
            for seed in range(5):
                sigsearch_index.add(make_picture(seed, SIZE), id=str(seed))
            for edit in ("jpeg", "squash"):
                suspect = make_near_duplicate(make_picture(3, SIZE), edit)
                assert [match.id for match in sigsearch_index.search(suspect)] == ["3"]

        def test_the_index_is_empty_again(sigsearch_index):
            assert sigsearch_index.count() == 0

        @pytest.mark.parametrize("edit", EDITS)
        def test_every_edit_has_a_name(make_picture, make_near_duplicate, edit):
            assert make_near_duplicate(make_picture(size=SIZE), edit).ndim == 3

        kept = []

        def test_one_keeps_the_index(sigsearch_index):
            kept.append(sigsearch_index)

        def test_it_was_closed_at_the_end_of_that_test():
            assert "closed" in repr(kept[0])
        """
    )
    assert len(results) > 15, printed
    assert set(results.values()) == {"passed"}, printed


def test_the_fixtures_are_documented(project):
    printed, _ = project("def test_nothing(): pass", "--fixtures")
    for said in (
        "sigsearch_index -- ",
        "An empty index in memory",
        "make_picture [session scope] -- ",
        "make_near_duplicate [session scope] -- ",
    ):
        assert said in printed


def test_a_failing_conformance_test_shows_what_differs_and_a_missing_location_what_to_do(project):
    """pytest shows values only of modules whose assertions it rewrites."""
    printed, results = project(
        """
        import pytest
        from sigsearch_memory.backend import MemoryBackend
        from sigsearch.testing import BackendConformance

        class Forgetful(MemoryBackend):
            def delete(self, ids):
                return super().delete(ids) + 40

        class TestForgetful(BackendConformance):
            @pytest.fixture
            def location(self):
                return "memory://"

            @pytest.fixture
            def backend_class(self):
                return Forgetful

        class TestWithoutLocation(BackendConformance):
            pass
        """,
        "-k",
        "(Forgetful and test_delete_counts) or (WithoutLocation and test_info_is_json)",
    )
    assert results == {
        "test_delete_counts_what_was_there_and_each_once": "failed",
        "test_info_is_json": "failed",
    }
    assert "assert 42 == 2" in printed
    assert "override the fixture 'location'" in printed


def test_the_plugin_costs_a_run_that_does_not_use_it_nothing_heavy(project):
    printed, results = project(
        """
        import sys

        def test_nothing_was_loaded():
            heavy = {"numpy", "numba", "PIL", "hypothesis.stateful", "sigsearch.index"}
            assert heavy & set(sys.modules) == set()
        """
    )
    assert results == {"test_nothing_was_loaded": "passed"}, printed
