"""The stage of false matches: who counts as a stranger, what is counted, and that it goes on."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from suite_settings import tiny

import sigsearch
from benchmarks.suite import false_matches
from benchmarks.suite.false_matches import CUTOFFS, DESCRIPTOR, count_below, measure, signatures_of
from benchmarks.suite.rows import RowFile, read
from benchmarks.suite.run import Run, header
from sigsearch.sources import find_pictures
from sigsearch.testing.pictures import make_picture


@pytest.fixture
def folder(tmp_path):
    """30 pictures, five of them twice with other bytes, one labelled the same as another, a plain one."""
    folder = tmp_path / "pictures"
    (folder / "a").mkdir(parents=True)
    (folder / "b").mkdir()
    for seed in range(30):
        Image.fromarray(make_picture(seed, (200, 200))).save(folder / "ab"[seed % 2] / f"{seed:02}.png")
    for seed in range(5):
        Image.fromarray(make_picture(seed, (200, 200))).save(folder / "b" / f"{seed:02} again.jpg")
    Image.new("RGB", (200, 200)).save(folder / "a" / "plain.png")
    (folder / "a" / "broken.png").write_bytes(b"no picture")
    pair = {"a": "a/10.png", "b": "b/11.png", "label": "edit", "verified_by_eye": True}
    (tmp_path / "pairs.json").write_text(json.dumps([pair]))
    return folder


def run_of(tmp_path, **changed):
    settings = tiny(**({"records": (100, 400)} | changed))
    return Run(settings, RowFile(tmp_path / "rows.jsonl", header(settings)))


def rows_of(tmp_path, kind):
    return [row for row in read(tmp_path / "rows.jsonl") if row["kind"] == kind]


def test_counts_are_those_of_the_distances_one_by_one():
    rng = np.random.default_rng(0)
    queries, records = (rng.integers(-1, 3, (n, 648)).astype(np.int8) for n in (5, 4000))
    records[7] = queries[2]
    cutoffs = [0.1, 0.45, 0.63, 0.65]
    expected = [
        [int((sigsearch.distances(query, records) < cutoff).sum()) for cutoff in cutoffs] for query in queries
    ]
    found = count_below(queries, records, cutoffs)
    assert found.tolist() == expected
    assert found[2, 0] == 1
    assert found[:, 2].min() > 0


def test_of_a_picture_come_the_whole_first_and_windows_that_are_not_turned(folder):
    plain, broken, some, again = signatures_of(
        [folder / "a" / name for name in ("plain.png", "broken.png", "02.png", "02.png")], 5, 0
    )
    assert (plain == 0).all()
    assert (broken == 0).all()
    assert some.shape == (6, 648)
    np.testing.assert_array_equal(some[0], sigsearch.compute_signature(make_picture(2, (200, 200))))
    assert not (some == again)[1:].all()  # other windows, of another place in the list


def test_each_picture_with_features_is_compared_with_others_that_do_not_show_the_same(folder, tmp_path):
    run = run_of(tmp_path, pictures=folder, pairs=tmp_path / "pairs.json")
    run.__dict__["originals"] = [Path(path) for path in find_pictures(folder)]
    with pytest.raises(SystemExit, match="wanted pictures that are no originals"):
        measure(run)  # all are originals: there is nothing to cut windows from
    run.rows.done[false_matches.WINDOWS] = 0
    measure(run)
    rows = {row["query"]: row for row in rows_of(tmp_path, "false_matches")}
    assert len(rows) == 35
    assert {row["against"] for row in rows.values()} == {"look-alikes"}
    # Of 35 with features itself is left out, and the other copy of those that have one, or the labelled one.
    for name, row in rows.items():
        twice = "again" in name or any(f"/{seed:02}.png" in name for seed in range(5))
        assert row["records"] == (33 if twice or name in ("a/10.png", "b/11.png") else 34), name
        assert row["cutoffs"] == list(CUTOFFS)
        assert row["below"][:8] == [0] * 8  # made pictures are strangers


def test_windows_are_cut_from_pictures_that_are_no_originals_nor_show_the_same(folder, tmp_path):
    run = run_of(tmp_path, pictures=folder)
    sources = run.window_sources
    assert len(sources) > 20
    assert not set(sources) & set(run.originals)
    twice = {source.stem.removesuffix(" again") for source in run.originals}
    assert not twice & {source.stem.removesuffix(" again") for source in sources}


def test_strangers_to_the_index_show_nothing_that_is_in_it(folder, tmp_path):
    indexed, strange = false_matches._Stage(run_of(tmp_path, pictures=folder))._split()
    assert min(len(indexed), len(strange)) > 5
    names = [{source.stem.removesuffix(" again") for source in side} for side in (indexed, strange)]
    assert not names[0] & names[1]


def test_a_run_without_a_folder_has_all_rows_and_goes_on_where_it_stopped(tmp_path, monkeypatch):
    def stopped(self, keep):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(false_matches._Stage, "calibrate", stopped)
        with pytest.raises(KeyboardInterrupt):
            measure(run_of(tmp_path))
    before = (tmp_path / "rows.jsonl").read_bytes()
    assert {row["against"] for row in rows_of(tmp_path, "false_matches")} == {"windows", "look-alikes"}
    for each in ("against_windows", "against_look_alikes"):
        monkeypatch.setattr(false_matches._Stage, each, stopped)
    measure(run_of(tmp_path))
    assert (tmp_path / "rows.jsonl").read_bytes().startswith(before)
    windows = [row for row in rows_of(tmp_path, "false_matches") if row["against"] == "windows"]
    assert len(windows) == 4
    assert {(row["descriptor"], row["records"]) for row in windows} == {(DESCRIPTOR, 400)}
    assert all(row["below"] == sorted(row["below"]) for row in windows)
    [row] = rows_of(tmp_path, "calibration")
    assert (row["records"], row["cutoffs"]) == (400, list(CUTOFFS[1:]))
    lists = ("per_million", "low", "high", "share", "measured", "measured_low", "measured_high")
    assert {len(row[name]) for name in (*lists, "measured_share")} == {11}
    assert row["measured"][-1] > 100  # per million, at 0.60
    before = (tmp_path / "rows.jsonl").read_bytes()
    monkeypatch.setattr(false_matches._Stage, "calibrate", stopped)
    measure(run_of(tmp_path))
    assert (tmp_path / "rows.jsonl").read_bytes() == before
