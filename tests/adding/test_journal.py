"""The journal of failures: what stands in it, who may write to it, and what a damaged one still tells."""

import json
import os
import signal
import subprocess
import sys
from datetime import datetime
from functools import partial
from pathlib import Path

import pytest
from odd_pictures import Odd, note, noted, picture, segfault

import sigsearch
from sigsearch import Failure, Item, Limits, StorageError
from sigsearch.adding import Journal
from sigsearch.sources import stamp_of


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines() if line]


def sources(path):
    return [line["source"] for line in lines(path)]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "failures.jsonl"


@pytest.fixture
def index():
    with sigsearch.open("memory://") as index:
        yield index


@pytest.fixture
def folder(tmp_path):
    """A good picture and two bad ones."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "bad.jpg").write_text("no picture")
    (folder / "good.png").write_bytes(picture(1))
    (folder / "worse.jpg").write_bytes(b"")
    return folder


# By itself


def test_what_failed_stands_in_it_a_json_object_a_line(path):
    journal = Journal(path)
    journal.failed("a\udcff\n", "because", 1.5)
    journal.failed("b", "därum", None)
    for read in (lines(path), (journal.close(), lines(path))[1]):
        assert [(line["source"], line["reason"], line["stamp"]) for line in read] == [
            ("a\udcff\n", "because", 1.5),
            ("b", "därum", None),
        ]
        assert all(datetime.fromisoformat(line["time"]).utcoffset() is not None for line in read)
    again = Journal(path)
    assert (again.reason("a\udcff\n", 1.5), again.reason("b", None)) == ("because", "därum")
    assert (again.reason("a\udcff\n", 1.6), again.reason("b", 1.5), again.reason("c", None)) == (None,) * 3
    assert len(again) == len(list(again)) == 2


def test_without_failures_there_is_no_file(path):
    journal = Journal(path)
    journal.succeeded("never failed")
    journal.close()
    assert not path.exists()
    journal = Journal(path)
    journal.failed("a", "because", None)
    journal.succeeded("a")
    assert path.exists()
    journal.close()
    assert os.listdir(path.parent) == []


def test_the_last_line_of_a_source_counts(path):
    journal = Journal(path)
    journal.failed("a", "first", 1.0)
    journal.failed("a", "second", 2.0)
    journal.close()
    assert [(line["reason"], line["stamp"]) for line in lines(path)] == [("second", 2.0)]


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"\n\n",
        b"not JSON\n",
        b"\xff\xfe\x00\n",
        b"[" * 100_000 + b"\n",
        b"[]\n3\nnull\n{}\n",
        b'{"source": 1, "reason": "x", "stamp": null, "time": ""}\n',
        b'{"source": "x", "reason": 1, "stamp": null, "time": ""}\n',
        b'{"source": "x", "reason": "y", "stamp": null, "time": "", "more": 1}\n',
        b'{"source": "cut off, "rea',
    ],
)
def test_lines_that_are_no_entries_are_passed_over(path, garbage):
    journal = Journal(path)
    journal.failed("before", "because", None)
    journal.close()
    with path.open("ab") as file:
        file.write(garbage)
    journal = Journal(path)
    assert [entry.source for entry in journal] == ["before"]
    journal.failed("after", "because", None)
    assert [entry.source for entry in Journal(path)] == ["before", "after"]
    journal.close()
    assert sources(path) == ["before", "after"]


def test_two_that_write_to_one_file_keep_each_others_lines_whoever_ends_first(path):
    first, second = Journal(path), Journal(path)
    first.failed("1", "because", None)
    second.failed("2", "because", None)
    first.failed("mended", "because", None)
    second.succeeded("mended")  # it does not know that it failed
    first.succeeded("mended")
    first.close()
    assert sources(path) == ["1", "2"]
    second.failed("3", "because", None)  # into the file that is there now
    assert sources(path) == ["1", "2", "3"]
    second.close()
    assert sources(path) == ["1", "2", "3"]


def test_one_that_mends_all_does_not_take_the_file_from_another(path):
    first = Journal(path)
    first.failed("1", "because", None)
    second = Journal(path)
    second.succeeded("1")
    second.close()
    assert not path.exists()
    first.failed("2", "because", None)
    assert sources(path) == ["2"]
    first.close()
    assert "2" in sources(path)


def test_a_line_that_another_put_a_new_file_in_the_place_of_is_said_again_at_the_end(path):
    journal = Journal(path)
    journal.failed("lost", "because", None)
    path.unlink()  # as a process does that had read it a moment before
    journal.close()
    assert sources(path) == ["lost"]


def test_a_link_to_it_stays_a_link(path, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    path.symlink_to(tmp_path / "elsewhere" / "kept")
    journal = Journal(path)
    journal.failed("a", "because", None)
    journal.close()
    assert path.is_symlink()
    assert sources(tmp_path / "elsewhere" / "kept") == ["a"]


def test_a_journal_that_is_dev_null_leaves_it(tmp_path):
    link = tmp_path / "null"
    link.symlink_to("/dev/null")  # so that a fault only costs the link
    journal = Journal(link)
    journal.failed("a", "because", None)
    journal.close()
    assert link.is_symlink()
    assert len(Journal("/dev/null")) == 0


@pytest.mark.parametrize("name", ["none/failures.jsonl", "file/failures.jsonl", "."])
def test_one_that_cannot_be_kept_is_an_error_in_one_line_before_anything_is_read(
    index, tmp_path, folder, name
):
    (tmp_path / "file").write_text("")
    log = tmp_path / "log"
    with pytest.raises(StorageError, match=r"^the journal of failures .* cannot be (written|read): .*\Z"):
        index.add_many([noted("a", 1, log)], journal=tmp_path / name)
    assert not log.exists()
    assert index.count() == 0


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_one_in_a_folder_that_may_not_be_written_to_is_an_error_at_once(index, tmp_path, folder):
    (tmp_path / "closed").mkdir(mode=0o500)
    with pytest.raises(StorageError, match="cannot be written: Permission denied"):
        index.add_many(folder, journal=tmp_path / "closed" / "failures.jsonl")


# In a call


def test_known_failures_are_reported_but_not_tried_again(index, path, folder, tmp_path):
    first = index.add_many(folder, journal=path)
    assert (first.added, first.failed_before) == (1, 0)
    assert sources(path) == [str(folder / "bad.jpg"), str(folder / "worse.jpg")]
    assert [line["stamp"] for line in lines(path)] == [stamp_of(line["source"]) for line in lines(path)]
    written = path.read_bytes()
    second = index.add_many(folder, journal=path)
    assert second.failures == first.failures
    assert (second.added, second.skipped, second.failed_before) == (0, 1, 2)
    assert path.read_bytes() == written


def test_what_is_known_to_fail_is_not_read(index, path, tmp_path):
    log = tmp_path / "log"
    broken = Odd("broken", partial(note, log), b"no picture")
    for retry, times, before in ((False, 1, 0), (False, 1, 1), (True, 2, 0)):
        report = index.add_many([broken], journal=path, retry_failed=retry)
        assert report.failures == (Failure("broken", "its content is not a picture of a known format"),)
        assert len(log.read_text().splitlines()) == times
        assert report.failed_before == before
    assert sources(path) == ["broken"]


def test_a_file_that_has_changed_is_tried_again_and_struck_out_when_it_is_mended(index, path, folder):
    index.add_many(folder, journal=path)
    (folder / "bad.jpg").write_bytes(picture(2))
    report = index.add_many(folder, journal=path)
    assert (report.added, report.skipped, report.failed_before) == (1, 1, 1)
    assert sources(path) == [str(folder / "worse.jpg")]
    (folder / "worse.jpg").write_bytes(picture(3))
    report = index.add_many(folder, journal=path)
    assert (report.added, report.failures, report.failed_before) == (1, (), 0)
    assert not path.exists()


def test_a_file_that_was_not_there_is_tried_again_when_it_is(index, path, tmp_path):
    late = tmp_path / "late.png"
    assert index.add_many(late, journal=path).failures[0].reason == "no such file"
    assert index.add_many(late, journal=path).failed_before == 1
    late.write_bytes(picture(1))
    assert index.add_many(late, journal=path).added == 1
    assert not path.exists()


def test_what_limits_forbade_is_added_when_they_are_raised_and_it_is_tried_again(index, path, folder):
    index.limits = Limits(bytes=3)
    assert len(index.add_many(folder / "good.png", journal=path).failures) == 1
    index.limits = Limits()
    assert index.add_many(folder / "good.png", journal=path).failed_before == 1
    assert index.add_many(folder / "good.png", journal=path, retry_failed=True).added == 1
    assert not path.exists()


def test_what_was_added_elsewhere_meanwhile_is_struck_out(index, path, folder):
    index.limits = Limits(bytes=3)
    index.add_many(folder / "good.png", journal=path)
    index.limits = Limits()
    index.add(folder / "good.png")
    assert index.add_many(folder, journal=path).skipped == 1
    assert str(folder / "good.png") not in sources(path)


def test_crashes_stand_in_it(index, path):
    index.add_many([segfault("crashes")], journal=path)
    assert [(line["source"], line["reason"]) for line in lines(path)] == [
        ("crashes", "the process that decoded it died: SIGSEGV")
    ]


def test_an_item_stands_in_it_by_its_path(index, path, folder):
    index.add_many([Item(image=folder / "bad.jpg", id="mine")], journal=path)
    assert sources(path) == [str(folder / "bad.jpg")]
    assert index.add_many([Item(image=folder / "bad.jpg", id="mine")], journal=path).failed_before == 1


@pytest.mark.long
def test_whoever_is_killed_leaves_what_was_written(path, folder):
    for k in range(200):
        (folder / f"{k:03}.jpg").write_text("no picture")
    code = (
        "import os, signal, sys, sigsearch\n"
        "def kill(report, done):\n"
        "    if len(report.failures) > 100: os.kill(os.getpid(), signal.SIGKILL)\n"
        "sigsearch.open('memory://').add_many(sys.argv[1], journal=sys.argv[2], on_advance=kill)"
    )
    ended = subprocess.run([sys.executable, "-c", code, folder, path], timeout=120, check=False)
    assert ended.returncode == -signal.SIGKILL
    assert 100 < len(sources(path)) <= 202
    with sigsearch.open("memory://") as index:
        report = index.add_many(folder, journal=path)
        assert 100 < report.failed_before <= len(report.failures) == 202
    assert len(set(sources(path))) == len(sources(path)) == 202


@pytest.mark.long
def test_two_processes_at_once_lose_none_of_their_failures(path, tmp_path):
    code = "import sys, sigsearch; sigsearch.open('memory://').add_many(sys.argv[1], journal=sys.argv[2])"
    running = []
    for number in range(2):
        folder = tmp_path / str(number)
        folder.mkdir()
        for k in range(150):
            (folder / f"{k:03}.jpg").write_text("no picture")
        running.append(subprocess.Popen([sys.executable, "-c", code, folder, path]))
    assert [process.wait(120) for process in running] == [0, 0]
    found = {Path(source).relative_to(tmp_path) for source in sources(path)}
    assert len(found) == 300
