"""sigsearch demo."""

import re
import tempfile

import pytest

import sigsearch
from sigsearch.cli import demo


def rows(out):
    """Distance, orientation and result by what was done to the copy."""
    lines = re.findall(r"^(.+?)  +(\d\.\d{4}) +(\S+) +(\S.*)$", out, re.MULTILINE)
    return {what: (float(distance), orientation, result) for what, distance, orientation, result in lines}


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_the_demo_finds_the_copies_and_leaves_nothing_behind(run, tmp_path, temporary):
    result = run("demo")
    assert (result.status, result.err) == (0, "")
    table = rows(result.out)
    assert len(table) == 12
    assert table["the picture itself"] == (0.2210, "as-is", "found")
    assert table["mirrored"][1:] == ("mirror", "found in all orientations")
    assert table["its negative"][1:] == ("invert", "found in all orientations")
    assert table["rotated by 90°"][1:] == ("rotate-90", "found in all orientations")
    assert table["another painting, the Caravaggio"][1:] == ("-", "not found")
    for distance, _, found in table.values():
        assert (distance < 0.45) is (found != "not found")
    assert "the Caravaggio is not a match" in result.out
    assert list(tmp_path.iterdir()) == [temporary]
    assert list(temporary.iterdir()) == []


def test_keep_leaves_pictures_and_index_that_can_be_searched(run, other_mona_lisa):
    assert run("demo", "--keep", "here/there").status == 0
    with sigsearch.open("here/there/demo.sig", create=False) as index:
        assert index.count() == 12
        assert len(index.search(other_mona_lisa)) == 7


def test_keep_takes_no_folder_that_has_files_in_it(run, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "small.jpg").write_text("mine")
    assert run("demo", "--keep", "mine").is_one_line_error("wanted a new or empty folder")
    assert (tmp_path / "mine" / "small.jpg").read_text() == "mine"


def test_keep_at_a_file_is_one_line(run, tmp_path):
    (tmp_path / "file").write_text("")
    assert run("demo", "--keep", "file").is_one_line_error("cannot make the pictures")


def test_a_copy_that_should_be_found_and_is_not_is_exit_status_1(run, monkeypatch, temporary):
    copies = demo._copies()
    black = demo._Copy("black.jpg", "painted black", lambda image: image.point(lambda _: 0))
    monkeypatch.setattr(demo, "_copies", lambda: [*copies, black])
    result = run("demo")
    assert result.status == 1
    assert rows(result.out)["painted black"] == (1.0, "-", "not found")
