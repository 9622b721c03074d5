"""Regions: where each edit leaves the picture, what peers make of it, the figures by hand, a run in small."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from benchmarks.__main__ import app
from benchmarks.peers.descriptors import present
from benchmarks.peers.local import MATCHERS
from benchmarks.regions import measure
from benchmarks.regions.edits import SETS, TURNED, UPRIGHT, Copy, edited, iou
from benchmarks.regions.table import Figures, document
from benchmarks.suite.rows import read
from sigsearch.records import WHOLE, Box
from sigsearch.testing.pictures import make_picture

PICTURE = Image.fromarray(make_picture(3))  # 320 x 240
OTHERS = [Image.fromarray(make_picture(seed)) for seed in (5, 6)]
HEADER = {
    "kind": "run",
    "pictures": "some",
    "limit": 2,
    "machine": {"cpu": "one"},
    "versions": {"numpy": "2"},
    "quality": 50,
}
TURN_BACK = {"mirrored": Image.Transpose.FLIP_LEFT_RIGHT, "rotated by 90 degrees": Image.Transpose.ROTATE_270}


def small(picture, box=WHOLE):
    """A part of a picture, (24, 24, 3)."""
    width, height = picture.size
    edges = (box.left * width, box.top * height, box.right * width, box.bottom * height)
    return np.asarray(picture.resize((24, 24), Image.Resampling.BOX, box=edges), np.float64)


@pytest.mark.parametrize("name", [*UPRIGHT, *TURNED])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_boxes_of_a_copy_and_of_the_original_show_the_same(name, seed):
    copy = edited(PICTURE, name, OTHERS, (seed,))
    assert all(0 <= edge <= 1 for edge in (*copy.inside, *copy.part))
    turned = next((copy.picture.transpose(how) for end, how in TURN_BACK.items() if name.endswith(end)), None)
    seen, meant = small(turned or copy.picture, copy.inside), small(PICTURE, copy.part)
    assert np.abs(seen - meant).mean() < 6
    # A box that is off by a tenth shows something else.
    inside, part = ([0.9 * edge for edge in box] for box in (copy.inside, copy.part))
    off = small(copy.picture, Box(*inside)) if turned is None else meant
    if copy.inside != WHOLE:
        assert np.abs(off - meant).mean() > 10
    else:
        assert np.abs(small(PICTURE, Box(*part)) - seen).mean() > np.abs(seen - meant).mean()


@pytest.mark.parametrize("name", [*UPRIGHT, *TURNED])
def test_a_copy_is_the_same_each_time_and_the_picture_is_left_alone(name):
    before = PICTURE.tobytes()
    one, other = edited(PICTURE, name, OTHERS, (1, 2)), edited(PICTURE, name, OTHERS, (1, 2))
    assert one.picture.tobytes() == other.picture.tobytes()
    assert (one.inside, one.part) == (other.inside, other.part)
    assert PICTURE.tobytes() == before


def test_what_is_drawn_is_drawn_anew_for_each_picture():
    parts = {edited(PICTURE, "quarter of the area, anywhere", OTHERS, (0, i)).part for i in range(20)}
    assert len(parts) == 20
    halves = {edited(PICTURE, "left or right half", OTHERS, (0, i)).part for i in range(20)}
    assert halves == {Box(0, 0, 0.5, 1), Box(0.5, 0, 1, 1)}
    corners = {edited(PICTURE, "crop 20 % from two sides", OTHERS, (0, i)).part for i in range(40)}
    assert len(corners) == 4


@pytest.mark.parametrize(
    ("name", "size", "inside", "part"),
    [
        ("quarter of the area, the middle", (160, 120), WHOLE, Box(0.25, 0.25, 0.75, 0.75)),
        ("crop 10 % a side", (256, 192), WHOLE, Box(0.1, 0.1, 0.9, 0.9)),
        ("border 20 %, black", (416, 336), Box(48 / 416, 48 / 336, 368 / 416, 288 / 336), WHOLE),
    ],
)
def test_sizes_and_boxes_by_hand(name, size, inside, part):
    copy = edited(PICTURE, name, OTHERS)
    assert copy.picture.size == size
    assert copy.inside == pytest.approx(inside)
    assert copy.part == pytest.approx(part)


def test_a_picture_beside_another_and_one_of_four_take_their_share():
    beside, four = (
        edited(PICTURE, name, OTHERS).inside for name in ("beside another picture", "one of four pictures")
    )
    assert beside in (Box(0, 0, 0.5, 1), Box(0.5, 0, 1, 1))  # the other is as large
    assert (four.right - four.left, four.bottom - four.top) == (0.5, 0.5)


def test_a_screenshot_holds_the_picture_at_its_own_shape_and_in_the_size_that_its_name_tells():
    for seed in range(10):
        copy = edited(PICTURE, "screenshot, 40-80 % of the screen", OTHERS, (seed,))
        assert copy.picture.size == (1024, 640)
        wide, high = copy.inside.right - copy.inside.left, copy.inside.bottom - copy.inside.top
        assert wide * 1024 / (high * 640) == pytest.approx(320 / 240, rel=0.01)
        assert 0.39 < max(wide, high / 0.88) < 0.81
        assert copy.inside.top >= 0.12  # below the bars


def test_the_area_that_two_boxes_share_of_what_they_cover():
    assert iou(WHOLE, WHOLE) == 1
    assert iou(Box(0, 0, 0.5, 1), Box(0.5, 0, 1, 1)) == 0
    assert iou(Box(0, 0, 0.5, 1), Box(0.25, 0, 0.75, 1)) == pytest.approx(1 / 3)
    assert iou(Box(0, 0, 0, 0), Box(0, 0, 0, 0)) == 0


@pytest.mark.parametrize("name", MATCHERS)
def test_a_peer_finds_the_picture_itself_more_alike_than_a_stranger_and_nothing_in_plain_grey(name):
    matcher = present(MATCHERS)[0][name]
    stored = matcher.describe(PICTURE)
    [query], [other] = (matcher.ask(picture, turned=False) for picture in (PICTURE, OTHERS[0]))
    assert matcher.compare(query, stored) > matcher.compare(other, stored)
    assert matcher.bytes(stored) > 0
    plain = Image.new("RGB", (200, 200), (128, 128, 128))
    if name != "ImageHash crop_resistant_hash":  # it has a hash of anything
        assert matcher.ask(plain, turned=False) == []


def test_points_are_found_again_in_a_mirrored_crop_if_all_orientations_are_asked_for():
    sift = present(MATCHERS)[0]["SIFT"]
    stored = sift.describe(PICTURE)
    copy = edited(PICTURE, "crop to 50-100 %, mirrored", OTHERS).picture
    as_is, turned = (
        max(sift.compare(each, stored) for each in sift.ask(copy, turned=turned)) for turned in (False, True)
    )
    assert turned > 3 * as_is


def test_the_cutoff_is_the_least_that_allows_no_more_false_matches_and_the_other_half_checks_it():
    def strangers(half, pairs, *scores):
        return {"kind": "strangers", "half": half, "pairs": pairs, "scores": scores}

    rows = [
        {"kind": "method", "method": "Some", "default": 2.0},
        *({"kind": "copy", "picture": "a", "edit": "x", "score": score} for score in (0, 5, 6, 9)),
        strangers(0, 60_000, 7, 5, 1),
        strangers(0, 40_000, 4),
        strangers(1, 50_000, 6, 5, 8),
    ]
    figures = Figures(rows)
    assert figures.cutoff == 5  # one of 100,000 is above it
    assert (figures.pairs(0), figures.false(5, 0), figures.false(5, 1), figures.false(2, 0, 1)) == (
        100_000,
        1,
        2,
        6,
    )
    assert figures.recall(5, "x").value == 0.5
    assert figures.recall(2, "x").value == figures.recall(2).value == 0.75
    assert np.isnan(figures.recall(None).value)
    fewer = [row for row in rows if row.get("pairs") != 40_000]
    assert Figures(fewer).cutoff == 7  # of fewer pairs none may match


def test_boxes_of_a_match_are_compared_with_where_the_edit_put_it():
    copy = Copy(PICTURE, Box(0.5, 0, 1, 1), Box(0, 0, 1, 0.5))
    match = SimpleNamespace(query_box=Box(0.5, 0, 1, 0.5), box=Box(0, 0, 1, 0.5), windows=4)
    found = measure._boxes(copy, match)
    assert (found["query_iou"], found["iou"], found["windows"]) == (0.5, 1.0, 4)
    assert measure._boxes(copy, SimpleNamespace(distance=0.1)) == measure._boxes(copy, None) == {}


class Finder:
    """An index that finds every record in any picture, the first one nearest."""

    def __init__(self):
        self.ids = []

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def add(self, image, *, id):
        self.ids.append(id)

    def delete(self, ids):
        self.ids.clear()

    def search(self, image, *, all_orientations):
        assert all_orientations
        return [
            SimpleNamespace(id=id, expected_false=10.0 ** (place - 4), box=WHOLE, query_box=WHOLE, windows=3)
            for place, id in enumerate(self.ids)
        ]


def test_a_search_keeps_the_chance_and_the_boxes_of_the_original_and_all_else_as_false(monkeypatch):
    monkeypatch.setattr(measure.sigsearch, "open", lambda location, scheme: Finder())
    settings = measure.Settings(
        pictures=Path("."), limit=2, strangers=1, minutes=1, records=2, least=1, seed=0
    )
    rows = []
    measure._search(
        measure.Run(settings, measure.Chosen([3, 4], [5])),
        measure.Ours("Finder", None, "finds all"),
        "turned",
        lambda kind, **fields: rows.append({"kind": kind, "method": "Finder", "set": "turned", **fields}),
    )
    copies = [row for row in rows if row["kind"] == "copy"]
    assert [row["score"] for row in copies] == [24, 24, 23, 23]
    assert all((row["query_iou"], row["windows"]) == (1, 3) for row in copies)
    assert all(0.25 <= row["iou"] <= 1 for row in copies)
    strangers = [(row["scores"], row["pairs"], row["nearest"]) for row in rows if row["kind"] == "strangers"]
    one, other = "made picture 3", "made picture 4"
    assert strangers == [*2 * [([23], 1, other)], *2 * [([24], 1, one)], ([24, 23], 2, one)]
    figures = Figures(rows)
    assert (figures.pairs(0, 1), figures.false(0, 0, 1), figures.recall(0).value) == (6, 6, 1)
    assert "| crop to 50-100 %, mirrored | 2 | 1.00 |" in document([HEADER, *rows])


def run(folder, out, *options):
    return CliRunner().invoke(
        app,
        [
            *("regions", "--pictures", str(folder), "--out", str(out), "--limit", "4"),
            *("--strangers", "60", "--records", "12", *options),
        ],
    )


@pytest.fixture
def folder(tmp_path):
    """Eight pictures, of which one is there twice and one too small."""
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for seed in range(8):
        Image.fromarray(make_picture(seed)).save(pictures / f"{seed}.jpg")
    Image.fromarray(make_picture(0)).save(pictures / "again.jpg")
    Image.fromarray(make_picture(9)).resize((100, 100)).save(pictures / "small.jpg")
    return pictures


@pytest.mark.long
def test_a_run_in_small_and_another_method_added_to_its_rows(folder, tmp_path):
    out = tmp_path / "rows.jsonl"
    ours = list(measure.ours()[0])
    first = run(folder, out, "--only", "; ".join(ours))
    assert first.exit_code == 0, first.output
    before = out.read_text()
    second = run(folder, out, "--only", f"{ours[0]}; ORB")
    assert second.exit_code == 0, second.output
    assert out.read_text().startswith(before)
    rows = read(out)
    kinds = {kind: [row for row in rows if row["kind"] == kind] for kind in {row["kind"] for row in rows}}
    assert {row["unit"] for row in kinds["unit"]} == {
        *(f"{name}, {edits}" for name in (*ours, "ORB") for edits in SETS),
        *(f"{name}, 12 records" for name in ours),
    }
    assert not {"small.jpg"} & {row["picture"] for row in kinds["copy"]}
    for name in (*ours, "ORB"):
        copies = [(row["picture"], row["edit"]) for row in kinds["copy"] if row["method"] == name]
        assert len(set(copies)) == len(copies) == 4 * (len(UPRIGHT) + len(TURNED))
    # Each copy with the three other originals, and each of four strangers with all of them.
    assert {row["set"]: row["pairs"] for row in kinds["compared"]} == {
        "upright": 60,
        "turned": 4 * len(TURNED) * 3 + 4 * 4,
    }
    originals = {row["picture"] for row in kinds["copy"]}
    assert len(originals) == 4
    assert not originals >= {"0.jpg", "again.jpg"}
    # Each copy against the three others, each stranger against all four.
    searched = [row for row in kinds["strangers"] if row["method"].startswith("sigsearch")]
    assert {row["pairs"] for row in searched if row["edit"] != measure.STRANGER} == {3}
    assert {row["pairs"] for row in searched if row["edit"] == measure.STRANGER} == {4}
    assert {row["method"]: row["records"] for row in kinds["embedded"]} == dict.fromkeys(ours, 12)
    table = document(rows)
    assert all(f"| {name} |" in table for name in [*UPRIGHT, *TURNED])
    assert "### " not in table
    assert run(folder, out, "--only", "none").output.startswith("# Regions")


def test_what_does_not_exist_is_refused(folder, tmp_path):
    refused = run(folder, tmp_path / "rows", "--only", "SURF")
    assert (refused.exit_code, "no method 'SURF'" in refused.output) == (1, True)
    refused = run(folder, tmp_path / "rows", "--sets", "upside")
    assert (refused.exit_code, "no set 'upside'" in refused.output) == (1, True)
    empty = tmp_path / "empty"
    empty.mkdir()
    refused = run(empty, tmp_path / "rows")
    assert (refused.exit_code, "wanted four different pictures" in refused.output) == (1, True)
