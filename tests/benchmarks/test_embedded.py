"""The embedded index's benchmark: made-up signatures, check of the answers, command; that of decoders."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import typer
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import sigsearch
from benchmarks import bulk, decoding, embedded, made
from benchmarks.edits import EDITS
from benchmarks.report import Report
from sigsearch.signatures import as_signatures
from sigsearch.testing.pictures import make_picture

ROOT = Path(__file__).parents[2]
VALUES = np.arange(-2, 3, dtype=np.int8)
SEEDS = st.integers(0, 2**32)


@pytest.fixture(scope="module")
def signatures():
    known, _ = made.sources(None)
    return np.concatenate(list(made.make_chunks(3000, known, 7, workers=0)))


@settings(deadline=None)
@given(SEEDS)
def test_the_bits_of_two_signatures_differ_by_the_sum_of_their_absolute_differences(seed):
    pair = np.random.default_rng(seed).choice(VALUES, (2, 648))
    one, other = made.encode_bits(pair)
    assert one.shape == (324,)
    assert np.unpackbits(one ^ other).sum() == np.abs(pair[0].astype(int) - pair[1]).sum()


@pytest.mark.long
def test_made_signatures_are_signatures_with_features_and_none_is_there_twice(signatures):
    assert as_signatures(signatures, ndim=2).shape == (3000, 648)
    assert signatures.dtype == np.int8
    assert signatures.any(axis=1).all()
    assert len(np.unique(signatures, axis=0)) == 3000
    assert made.count_duplicates(signatures) == 0
    assert made.count_duplicates(np.concatenate([signatures, signatures[:5]])) == 5


@pytest.mark.long
def test_made_signatures_have_the_statistics_of_pictures(signatures):
    found = made.statistics(signatures, np.random.default_rng(0))
    assert 0.15 < found["zeros"] < 0.45
    assert 28 < found["norm"] < 38
    assert 0.55 < found["distance, 1%"] < 0.65 < found["distance, 50%"] < 0.75 < found["distance, 99%"] < 0.95
    assert found["others below 0.45"] < 3


@pytest.mark.long
def test_the_same_seed_makes_the_same_signatures_whatever_the_number_of_processes():
    pictures = [1, 2, 3]
    here, there, other = (
        np.concatenate(list(made.make_chunks(500, pictures, seed, workers=workers)))
        for seed, workers in ((7, 0), (7, 1), (8, 0))
    )
    assert np.array_equal(here, there)
    assert not np.array_equal(here, other)


@pytest.mark.long
def test_changed_signatures_are_near_and_still_tell_each_difference_twice(signatures):
    changed = made.change(signatures[:50], np.random.default_rng(0))
    for one, other in zip(signatures, changed, strict=False):
        assert 0.05 < sigsearch.distance(one, other) < 0.4
    # Grid point (0, 0) and its right neighbour (0, 1): its value 4 is the neighbour's value 3, negated.
    assert (changed[:, 4] == -changed[:, 8 + 3]).all()
    # And its lower right neighbour (1, 1): value 7, and the neighbour's value 0.
    assert (changed[:, 7] == -changed[:, 8 * 10]).all()
    # Above the topmost row there is nothing.
    assert not changed[:, :3].any()


@pytest.mark.long
def test_an_index_that_misses_a_record_is_found_out(signatures, tmp_path):
    run = embedded.Run(Report(None), tmp_path, len(signatures), None, 1, 7)
    run.__dict__["signatures"] = signatures
    with sigsearch.open("memory://") as index:
        index.add_many(run.items())
        embedded.check_answers(run, index)
        index.delete(index.search(run.query(0))[0].id)
        with pytest.raises(typer.Exit) as exit:
            embedded.check_answers(run, index)
    assert exit.value.exit_code == 1


@pytest.mark.long
def test_the_command_measures_all_parts(tmp_path):
    numbers = tmp_path / "numbers.json"
    run = subprocess.run(
        [
            sys.executable,
            "-m",
            "benchmarks",
            "embedded",
            "--records=3000",
            "--repeats=1",
            f"--json={numbers}",
        ],
        cwd=ROOT,
        env=os.environ | {"TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    rows = [json.loads(line) for line in numbers.read_text().splitlines()]
    assert {row["part"] for row in rows} == {"", *embedded.PARTS}
    assert rows[0]["records"] == 3000
    assert all(row["values"] for row in rows[1:])
    assert {path.name for path in tmp_path.iterdir()} == {"numbers.json"}


def test_decoders_and_scales_are_compared(tmp_path, capsys):
    for size, name in ((700, "a.jpg"), (1100, "b.jpg")):
        Image.fromarray(make_picture(7)).resize((size, size)).save(tmp_path / name)
    numbers = tmp_path / "numbers.json"
    decoding.decoding(tmp_path, limit=1, rounds=1, sides="300", copies=1, raw=numbers)
    printed = capsys.readouterr().out
    assert "pictures: 2" in printed
    rows = [json.loads(line) for line in numbers.read_text().splitlines()]
    assert {row["part"] for row in rows} == {
        "",
        "decoders",
        "scaled, times",
        "scaled, distances",
        "scaled, copies",
    }
    distances = [row["values"] for row in rows if row.get("name") == "decode_side=300"]
    assert [len(values) for values in distances] == [1, 1, len(EDITS)]


@pytest.mark.long
def test_adding_in_bulk_is_compared(tmp_path, capsys):
    numbers = tmp_path / "numbers.json"
    bulk.bulk(
        None, limit=5, least=0.1, rounds=1, elasticsearch=False, peers=Path(sys.executable), raw=numbers
    )
    rows = {row.get("name"): row for row in map(json.loads, numbers.read_text().splitlines())}
    assert {bulk.BARE, bulk.EMBEDDED, "one by one, embedded index", "again, unchanged"} <= rows.keys()
    assert rows[None]["jpegs"] == 5


def test_a_folder_without_photographs_is_refused(tmp_path):
    with pytest.raises(SystemExit, match=r"no JPEG of 0\.3 megapixels or more in "):
        decoding.decoding(tmp_path)


def test_a_part_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(SystemExit, match="no part 'speed'; there are made, add,"):
        embedded.embedded(only="made,speed")
