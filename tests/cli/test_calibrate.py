"""sigsearch calibrate: the table, in a pipe, on a terminal and as JSON, and what it says of too little."""

import json
import re

import numpy as np
import pytest
from PIL import Image

import sigsearch
from sigsearch.calibration import Calibration, CalibrationRow
from sigsearch.cli import calibrate as command
from sigsearch.testing.pictures import make_picture

CUTOFFS = ["0.10", "0.15", "0.20", "0.25", "0.30", "0.35", "0.40", "0.45", "0.50", "0.55", "0.60"]


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """The location of an index of 60 made pictures, 20 of which are there twice, and a plain one."""
    location = tmp_path_factory.mktemp("many") / "many.sig"
    with sigsearch.open(location) as index:
        for seed in range(60):
            index.add(make_picture(seed, (96, 64)), id=str(seed))
        for seed in range(20):
            index.add(make_picture(seed, (96, 64)), id=f"{seed} again")
        index.add(Image.new("L", (40, 40)), id="flat")
    return location


def test_in_a_pipe_it_is_a_line_a_cutoff_with_tabs_between(run, many):
    result = run("calibrate", "--index", many)
    assert (result.status, result.err) == (0, "")
    cells = [line.split("\t") for line in result.lines]
    assert [row[0] for row in cells] == CUTOFFS
    assert {len(row) for row in cells} == {6}
    assert cells[0][1:] == ["0", cells[0][2], "0", "0.0%", "0.5"]  # 40 of 80 have another of the same


def test_as_json_it_is_an_object_a_cutoff_with_all_that_python_has(run, many):
    rows = [json.loads(line) for line in run("calibrate", "--index", many, "--json").lines]
    with sigsearch.open(many) as index:
        expected = index.calibrate()
    assert rows == expected.to_json()
    assert [f"{row['cutoff']:.2f}" for row in rows] == CUTOFFS
    assert {(row["records"], row["featureless"]) for row in rows} == {(80, 1)}
    assert all(row["low"] <= row["per_million"] <= row["high"] for row in rows)


def test_the_seed_and_the_samples_are_those_of_python(run, many):
    rows = run("calibrate", "--index", many, "--json", "--samples", "50", "--seed", "3").out
    with sigsearch.open(many) as index:
        expected = index.calibrate(samples=50, seed=3)
    assert [json.loads(line) for line in rows.splitlines()] == expected.to_json()
    assert expected.queries == 50


def test_on_a_terminal_it_says_what_was_compared_and_which_cutoff_is_for_few(run, many, monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    row = CalibrationRow(
        cutoff=0.3,
        per_million=1234.5,
        low=1000.0,
        high=0.012345,
        expected=2,
        expected_low=1,
        expected_high=0.01,
        share=0.125,
        own=3.14159,
    )
    found = Calibration(records=1234, featureless=5, queries=1000, compared=1233, symmetric=0, rows=(row,))
    monkeypatch.setattr(sigsearch.Index, "calibrate", lambda *_, **__: found)
    first, header, line, last = run("calibrate", "--index", many).lines
    assert first == (
        f"{many}: 1,234 records; the mirror images of 1,000 compared with 1,233 each; "
        "left out: 5 without features"
    )
    assert re.sub("\x1b\\[\\d*m", "", header).split("  ")[0] == "cutoff"
    assert line.split() == ["0.30", "1,230", "1,000", "to", "0.0123", "2", "12.5%", "3.14"]
    assert last == "below 0.30 at most one false match in 100 searches is to be expected"


def test_where_no_cutoff_is_for_few_it_says_so():
    found = Calibration(records=1, featureless=0, queries=1, compared=1, symmetric=0, rows=())
    assert command._advice(found).startswith("each of these cutoffs may let through more than one")


@pytest.mark.parametrize(
    ("number", "text"),
    [(0.0, "0"), (0.00001234, "0.0000123"), (12.3456, "12.3"), (98765.4, "98,800"), (1e6, "1,000,000")],
)
def test_numbers_have_three_digits_and_no_exponent(number, text):
    assert command._short(number) == text


def test_too_few_records_are_one_line_and_exit_status_2(run, photos):
    result = run("calibrate", "--index", photos)
    assert result.is_one_line_error("too little to calibrate with", "wanted 50 records", "found 3")


def test_no_index_and_too_few_samples_are_errors(run, many, tmp_path):
    assert run("calibrate", "--index", tmp_path / "none.sig").is_one_line_error("none.sig")
    assert run("calibrate", "--index", many, "--samples", "49").is_one_line_error("--samples", "50")


def test_an_index_in_which_no_picture_has_a_mirror_image_of_its_own_is_refused(run):
    with sigsearch.open("symmetric.sig") as index:
        for seed in range(60):
            half = np.asarray(make_picture(seed, (160, 240)))
            index.add(np.concatenate([half, half[:, ::-1]], axis=1), id=str(seed))
    result = run("calibrate", "--index", "symmetric.sig")
    assert result.is_one_line_error("too little to calibrate with", "their own mirror image, found")
