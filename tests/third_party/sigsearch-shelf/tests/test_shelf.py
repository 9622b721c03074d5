"""What is the shelf's own: files that are none, and one left by a crash."""

import pytest

import sigsearch


def test_a_file_that_is_no_shelf_is_refused_and_left_as_it_is(tmp_path):
    path = tmp_path / "diary.txt"
    path.write_text("Dear diary")
    with pytest.raises(sigsearch.NotAnIndexError):
        sigsearch.open(f"shelf://{path}")
    assert path.read_text() == "Dear diary"


def test_a_line_that_a_crash_left_half_written_is_cut_off(tmp_path):
    path = tmp_path / "pictures.shelf"
    with sigsearch.open(f"shelf://{path}") as index:
        index.add(id="a", signature=[1, -1] * 324)
    with path.open("a") as file:
        file.write('{"id": "b", "signa')
    with sigsearch.open(f"shelf://{path}") as index:
        assert index.count() == 1
        index.add(id="c", signature=[1, -1] * 324)
    with sigsearch.open(f"shelf://{path}", create=False) as index:
        assert sorted(record.id for record in index.scan()) == ["a", "c"]
