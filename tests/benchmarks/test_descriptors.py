"""Descriptors, by hand: distances, ranks with ties, who is left out; the stage in small, and going on."""

import json

import numpy as np
import pytest
from PIL import Image
from suite_settings import tiny

import sigsearch
from benchmarks.peers.descriptors import Bits, Descriptor, EfficientNet, Signature, descriptors
from benchmarks.suite import descriptors as stage
from benchmarks.suite import realism
from benchmarks.suite.rows import RowFile, read
from benchmarks.suite.run import Run, header
from sigsearch.testing.pictures import make_picture


class Line(Descriptor):
    """Codes are numbers on a line."""

    def describe(self, rgb):
        raise AssertionError("not asked for")

    def distances(self, queries, stored):
        return np.abs(queries - stored.T).astype(np.float32)


def test_the_distance_of_bits_is_how_many_differ():
    codes = np.array([[0b00000000, 0b11111111], [0b00000001, 0b11111111], [0b11111111, 0b00000000]], np.uint8)

    class Sixteen(Bits):
        def describe(self, rgb):
            raise AssertionError("not asked for")

    assert Sixteen().distances(codes[:2], codes).tolist() == [[0, 1, 16], [1, 0, 15]]


def test_the_distance_of_signatures_is_sigsearchs_own():
    rng = np.random.default_rng(0)
    codes = rng.integers(-2, 3, (6, 648)).astype(np.int8)
    codes[5] = 0
    found = Signature().distances(codes, codes)
    for one in range(6):
        wanted = sigsearch.distances(codes[one], codes)
        assert np.abs(found[one] - wanted).max() < 1e-6
        assert ((found[one] < 0.45) == (wanted < 0.45)).all()
    assert found[5, 5] == 1  # no features


@pytest.mark.long
def test_each_descriptor_has_the_picture_itself_nearest():
    there, absent = descriptors()
    assert set(there) | set(absent) == {
        *("sigsearch", "sigsearch, 16 orientations", "image-match 1.1.2", "pHash", "dHash", "wHash"),
        *("PDQ", "PDQ, 8 orientations", "EfficientNet-Lite0"),
    }
    pictures = [make_picture(seed) for seed in (1, 2)]
    for name, descriptor in there.items():
        stored = np.stack([descriptor.describe(picture) for picture in pictures])
        own, other = descriptor.distances(descriptor.ask(pictures[0]), stored).min(axis=0)
        assert own < other, name
        assert own == pytest.approx(0, abs=1e-6)
        mirrored = descriptor.distances(descriptor.ask(pictures[0][:, ::-1]), stored).min(axis=0)[0]
        if "orientations" in name:
            assert mirrored < descriptor.cutoff
        elif not isinstance(descriptor, EfficientNet):
            assert mirrored > descriptor.cutoff


def test_copies_are_compared_with_windows_and_with_other_whole_pictures_apart():
    # Whole pictures at 0, 10, 11, 20 of a line, windows at 21, 30, 31, 40, 50, 15; the copies are of the
    # picture at 10, and that at 11 shows the same.
    stored = np.array([[0], [10], [11], [20], [21], [30], [31], [40], [50], [15]], np.float32)
    # The first copy has one code; of the second's, 12 and 24, the nearer counts for each record.
    asked = np.array([[[20], [20]], [[12], [24]]], np.float32)
    found = stage.compare(Line(), asked, stored, 4, 1, np.array([1, 2]))
    assert found.own.tolist() == [10, 2]
    # From 20 the windows are 1, 10, 11, 20, 30 and 5 away; from 12 or 24 they are 3, 6, 7, 16, 26 and 3.
    assert found.nearest.tolist() == [[1, 5, 10, 11, 20], [3, 3, 6, 7, 16]]
    assert found.ranks.tolist() == [[2, 1], [0, 0]]
    assert found.whole.tolist() == [0, 4]


def test_words_that_are_all_zeros_and_words_that_are_new():
    signatures = np.zeros((4, 648), np.int8)
    signatures[2:] = 1
    found = realism.word_statistics(signatures)
    assert found["all-zero words, sigsearch's, mean"] == 0.5
    assert found["all-zero words, image-match's, most"] == 0.5
    assert found["different words a record, image-match's, least"] == 0.5  # two of four


def settings(folder, **changed):
    given = {"pictures": folder, "pairs": folder / "pairs.json", "originals": 3, "strangers": 12}
    return tiny(**(given | changed))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Seven pictures, one of them twice; and few, quick edits."""
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for seed in range(7):
        Image.fromarray(make_picture(seed)).save(pictures / f"{seed}.png")
    Image.fromarray(make_picture(0)).resize((200, 150)).save(pictures / "again.png")
    pairs = [
        {"a": "0.png", "b": "again.png", "label": "same-picture", "verified_by_eye": True},
        {"a": "1.png", "b": "2.png", "label": "different"},
        {"a": "1.png", "b": "gone.png", "label": "crop"},
    ]
    (pictures / "pairs.json").write_text(json.dumps(pairs))
    monkeypatch.setattr(Run, "edits", ["grey", "mirror", "scale 0.5"])
    without = {name: each for name, each in descriptors()[0].items() if not isinstance(each, EfficientNet)}
    monkeypatch.setattr(stage, "descriptors", lambda: (without, {"EfficientNet-Lite0": "needs torch"}))
    monkeypatch.setattr(stage, "GROUP", 2)
    stage._descriptors.cache_clear()
    yield pictures
    stage._descriptors.cache_clear()


def measured(path, wanted):
    stage.measure(Run(wanted, RowFile(path, header(wanted))))
    rows = read(path)
    for row in rows:
        row.pop("describe_ms", None)
        row.pop("seconds", None)
    return rows[1:]


@pytest.mark.long
def test_the_stage_in_small_and_a_stopped_run_goes_on_to_the_same_rows(tmp_path, folder, monkeypatch):
    wanted = settings(folder)
    rows = measured(tmp_path / "whole.jsonl", wanted)
    kinds = {kind: [row for row in rows if row["kind"] == kind] for kind in {row["kind"] for row in rows}}
    assert len(kinds["descriptor"]) == 8
    originals = {row["picture"] for row in kinds["original"]}
    assert len(originals) == 3
    assert {(row["picture"], row["edit"]) for row in kinds["copy"]} == {
        (picture, edit) for picture in originals for edit in ["grey", "mirror", "scale 0.5"]
    }
    for row in kinds["copy"]:
        assert all(len(nearest) == 5 for nearest in row["strangers"].values())
        assert row["own"]["sigsearch, 16 orientations"] < 0.2
        assert (row["own"]["sigsearch"] > 0.45) == (row["edit"] == "mirror")
        # Were the other copy of the picture not left out, it would be nearer than any.
        assert row["whole"]["sigsearch, 16 orientations"] > 0.3
    for row in kinds.get("ignored", []):
        assert {row["a"], row["b"]} == {"0.png", "again.png"}
    [pair, different] = kinds["pair"]
    assert (pair["label"], pair["verified_by_eye"], different["label"]) == ("same-picture", True, "different")
    assert pair["distances"]["sigsearch"] < 0.2 < 0.5 < different["distances"]["sigsearch"]
    told = {row["what"]: row["why"] for row in kinds["absent"]}
    assert told == {"EfficientNet-Lite0": "needs torch", "1 labelled pairs": "their files are not there"}
    [strangers] = kinds["stranger_records"]
    assert strangers["windows"] + strangers["pictures"] == 12
    assert {row["of"] for row in kinds["statistics"]} == {"windows", "pictures"}

    going_on = tmp_path / "stopped.jsonl"
    keep_copies = stage._keep_copies
    calls = []

    def stop(*arguments):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        keep_copies(*arguments)

    monkeypatch.setattr(stage, "_keep_copies", stop)
    with pytest.raises(KeyboardInterrupt):
        measured(going_on, wanted)
    monkeypatch.setattr(stage, "_keep_copies", keep_copies)
    assert measured(going_on, wanted) == rows


@pytest.mark.long
def test_a_folder_of_nothing_that_can_be_read_is_refused(tmp_path, folder):
    for file in folder.glob("*.png"):
        file.write_text("no picture")
    with pytest.raises(SystemExit, match="none of the pictures can be read"):
        measured(tmp_path / "rows.jsonl", settings(folder, pairs=None))
