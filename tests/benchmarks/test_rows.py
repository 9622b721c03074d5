"""Raw rows: written in units, gone on with after a stop, refused where they are of something else."""

import gzip
import json
import math

import numpy as np
import pytest

from benchmarks.suite.rows import RowFile, RowsError, read

HEADER = {"mode": "quick", "seed": 0, "commit": "a"}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "rows.jsonl"


def test_rows_are_written_unit_by_unit(path):
    rows = RowFile(path, HEADER)
    with rows.unit("one") as keep:
        keep("copy", picture="a", own=np.float64(0.25), ranks=np.arange(3), missing=math.nan)
        assert len(path.read_text().splitlines()) == 1
    header, copy, unit = read(path)
    assert header == {"kind": "run", **HEADER}
    assert copy == {"kind": "copy", "picture": "a", "own": 0.25, "ranks": [0, 1, 2], "missing": None}
    assert (unit["kind"], unit["unit"]) == ("unit", "one")
    assert unit["seconds"] >= 0


def test_numbers_keep_six_digits(path):
    with RowFile(path, HEADER).unit("one") as keep:
        keep("copy", value=1 / 3, small=1.23456789e-9, whole=123456789)
    row = read(path)[1]
    assert (row["value"], row["small"], row["whole"]) == (0.333333, 1.23457e-09, 123456789)


def fill(path, units):
    rows = RowFile(path, HEADER)
    for name in units:
        if name not in rows.done:
            with rows.unit(name) as keep:
                keep("copy", picture=name)
    return [row.get("picture", row.get("unit")) for row in read(path)[1:]]


def test_a_run_goes_on_after_its_last_whole_unit(path):
    def stopped():
        with RowFile(path, HEADER).unit("one") as keep:
            keep("copy", picture="lost")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert len(read(path)) == 1
    assert fill(path, ["one"]) == ["one", "one"]
    assert fill(path, ["one", "two"]) == ["one", "one", "two", "two"]


@pytest.mark.parametrize("cut", [1, 2, 20, 40, 55, 75])
def test_what_was_cut_off_in_the_writing_is_dropped(path, cut):
    fill(path, ["one", "two"])
    path.write_bytes(path.read_bytes()[:-cut])
    assert [row.get("unit") for row in read(path) if row["kind"] == "unit"] == ["one"]
    assert fill(path, ["one", "two"]) == ["one", "one", "two", "two"]


def test_a_unit_is_not_written_twice(path):
    fill(path, ["one"])
    with pytest.raises(RowsError, match="'one' is there already"), RowFile(path, HEADER).unit("one"):
        pass
    assert len(read(path)) == 3


def test_another_commit_goes_on_and_other_settings_do_not(path):
    fill(path, ["one"])
    RowFile(path, HEADER | {"commit": "b"})
    with pytest.raises(RowsError, match="of seed 0 instead of 1: give the same options to go on"):
        RowFile(path, HEADER | {"seed": 1})
    assert read(path)[0]["commit"] == "a"


@pytest.mark.parametrize("content", ["hello\n", '{"kind":"copy"}\n', "[1]\n", "{"])
def test_a_file_of_something_else_is_refused_and_left_alone(path, content):
    path.write_text(content)
    for attempt in (lambda: RowFile(path, HEADER), lambda: read(path)):
        with pytest.raises(RowsError, match="wanted a file of raw rows, found another one"):
            attempt()
    assert path.read_text() == content


def test_compressed_rows_are_read_and_broken_ones_refused(path):
    fill(path, ["one"])
    packed = path.with_suffix(".jsonl.gz")
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert read(packed) == read(path)
    packed.write_bytes(packed.read_bytes()[:-12])
    with pytest.raises(RowsError, match="wanted a file of raw rows"):
        read(packed)
    with pytest.raises(RowsError, match="No such file"):
        read(path.with_name("none"))


def test_each_line_is_one_object_of_a_kind(path):
    fill(path, ["one", "two"])
    assert all("kind" in json.loads(line) for line in path.read_text().splitlines())
