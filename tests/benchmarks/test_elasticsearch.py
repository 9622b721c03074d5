"""The benchmark of the Elasticsearch backend: its edits, its arithmetic by hand, the command in small."""

import json
import math

import numpy as np
import pytest
from PIL import Image

import sigsearch
from benchmarks import edits, made, migration
from benchmarks import elasticsearch as benchmark
from benchmarks.elasticsearch import Query, Score, frontier, near_records, targets, wilson
from sigsearch.testing.pictures import make_picture

pytest_plugins = ["sigsearch_elasticsearch.testing.plugin"]

PICTURE = Image.fromarray(make_picture(3))  # 320 x 240


def pixels(picture):
    return np.asarray(picture).tobytes()


@pytest.mark.parametrize("name", edits.EDITS)
def test_an_edit_gives_the_same_copy_each_time_and_leaves_the_picture_alone(name):
    before = pixels(PICTURE)
    one, other = edits.edited(PICTURE, name, (1, 2)), edits.edited(PICTURE, name, (1, 2))
    assert one.mode == "RGB"
    assert pixels(one) == pixels(other) != before
    assert pixels(PICTURE) == before


def test_only_noise_depends_on_the_seed():
    differing = {
        name
        for name in edits.EDITS
        if pixels(edits.edited(PICTURE, name, (1,))) != pixels(edits.edited(PICTURE, name, (2,)))
    }
    assert differing == {"noise 15", "noise 40"}


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("JPEG 10", (320, 240)),
        ("scale 0.5", (160, 120)),
        ("scale 0.12", (38, 28)),
        ("squash 0.7 x 1", (224, 240)),
        ("squash 1 x 0.5", (320, 120)),
        ("caption 10 %", (320, 240)),
        ("border 3 %, black", (334, 254)),
        ("border 6 %, white", (348, 268)),
        ("border 10 %, black", (368, 288)),
        ("crop 4 % a side", (295, 221)),
        ("crop 8 % left", (295, 240)),
        ("rotate 3 degrees", (320, 240)),
        ("caption 10 %, border 3 % white, JPEG 20", (334, 254)),
    ],
)
def test_sizes_of_copies(name, size):
    assert edits.edited(PICTURE, name).size == size


def test_what_edits_do_to_single_pixels():
    grey = Image.new("RGB", (100, 100), (100, 100, 100))
    assert edits.edited(grey, "brightness 0.7").getpixel((0, 0)) == (70, 70, 70)
    assert edits.edited(grey, "colours 1.15, 1, 0.8").getpixel((0, 0)) == (114, 100, 80)  # 1.15 * 100 < 115
    assert edits.edited(grey, "gamma 1.7").getpixel((0, 0)) == (
        52,
        52,
        52,
    )  # 255 * (100 / 255) ** 1.7 = 51.97
    assert edits.edited(grey, "border 6 %, white").getpixel((5, 50)) == (255, 255, 255)
    assert edits.edited(grey, "caption 10 %").getpixel((0, 99)) == (0, 0, 0)
    assert edits.edited(grey, "caption 10 %").getpixel((99, 89)) == (100, 100, 100)


def test_copies_of_pictures_and_of_what_is_none(tmp_path):
    (tmp_path / "text.jpg").write_text("no picture")
    wanted = {3: ["grey", "JPEG 10"], tmp_path / "text.jpg": ["grey"], 4: []}
    first, second, third = edits.make_copies(wanted, 0)
    assert first.shape == (3, 648)
    assert np.array_equal(first[0], sigsearch.compute_signature(make_picture(3)))
    assert second is None
    assert third.shape == (1, 648)


def test_wilsons_interval():
    assert wilson(0, 0) == (0, 1)
    assert wilson(5, 10) == pytest.approx((0.2366, 0.7634), abs=1e-4)
    low, high = wilson(10, 10)  # the lower bound is 10 / (10 + 1.96 ** 2)
    assert low == pytest.approx(0.7225, abs=1e-4)
    assert high == pytest.approx(1)
    assert wilson(990, 1000) == pytest.approx((0.9817, 0.9946), abs=1e-4)


def query(own=7, distance=0.2, near=()):
    return Query("picture", "edit", own, distance, dict(near))


def test_what_an_answer_has_of_the_records_below_the_cutoff():
    some = query(near={7: 0.2, 8: 0.1, 9: 0.4})
    assert some.wanted == (3, 0.4)
    assert some.found([7, 8, 9]) == 3
    assert some.found([9, 9, 1000]) == 1
    assert some.found([]) == 0
    assert query().wanted == (0, 0)
    assert query().found([1, 2]) == 0
    assert query(distance=0.449).is_copy
    assert not query(distance=0.45).is_copy


def test_of_equally_distant_records_at_the_limit_any_will_do():
    # 99 nearer ones, and three for the last place.
    crowded = query(near=dict.fromkeys(range(99), 0.1) | dict.fromkeys(range(99, 102), 0.3) | {200: 0.4})
    assert crowded.wanted == (100, 0.3)
    assert crowded.found([*range(99), 101]) == 100
    assert crowded.found([*range(102)]) == 100
    assert crowded.found([*range(98), 101, 200]) == 99


def test_the_near_records_are_those_of_one_distance_after_the_other():
    rng = np.random.default_rng(0)
    stored = np.concatenate(list(made.make_chunks(300, [1, 2, 3], 7, workers=0)))
    queries = made.change(stored[rng.permutation(300)[:20]], rng)
    near = near_records(queries, stored)
    for signature, found in zip(queries, near, strict=True):
        apart = sigsearch.distances(signature, stored)
        assert found == {i: apart[i] for i in np.flatnonzero(apart < 0.45)}
    assert all(near)


def score(name, found, p50, p95):
    return Score(name, found, 1000, 50, 100, p50, p95)


THEIRS = score("image-match", 940, 18, 36)


def test_targets_by_the_quickest_effort_that_finds_enough():
    ours = [score("effort 1", 930, 1, 1), score("effort 2", 940, 3, 8), score("effort 3", 990, 20, 20)]
    p50, p95, all, smaller = targets(THEIRS, ours, 8.0)
    assert (p50.found, p50.met) == (6, True)
    assert "effort 2" in p50.text
    assert (p95.found, p95.met) == (4.5, False)
    assert "effort 3" in all.text
    assert (all.found, all.met) == (0.9, False)
    assert (smaller.found, smaller.met) == (8, True)


def test_targets_that_no_effort_comes_near_are_not_met():
    found = targets(THEIRS, [score("effort 1", 930, 1, 1)], 7.9)
    assert [target.met for target in found] == [False] * 4
    assert [math.isnan(target.found) for target in found] == [True] * 3 + [False]


def test_the_table_has_shares_times_and_ratios():
    head, first, second = frontier([THEIRS, score("effort 1", 900, 2, 9)])
    assert len(head) == len(first) == len(second)
    assert " ".join(second.split()) == "effort 1 900/ 1000 90.00% 87.98% 91.71% 50.00% 2.00 9.00 9.00 4.00"


@pytest.fixture
def indexes_left(monkeypatch, elasticsearch_server):
    """Tell which indexes of the runs of this test are left; others use the server at the same time."""
    prefixes = []
    delete = benchmark.Run.delete_indexes
    monkeypatch.setattr(
        benchmark.Run, "delete_indexes", lambda run: (prefixes.append(run.prefix), delete(run))
    )

    def indexes_left():
        assert prefixes
        with elasticsearch_server.client() as client:
            there = client.indices.get_settings(index="*", expand_wildcards="all")
        return [name for name in there if name.startswith(tuple(prefixes))]

    return indexes_left


@pytest.mark.long
def test_the_command_measures_all_parts(
    tmp_path, monkeypatch, capsys, elasticsearch_server, image_match, indexes_left
):
    monkeypatch.setenv("SIGSEARCH_TEST_ES_URL", elasticsearch_server.full_url)
    monkeypatch.setattr(benchmark, "MADE_PICTURES", 20)
    raw = tmp_path / "raw.jsonl"
    benchmark.elasticsearch(records=300, queries=40, repeats=1, raw=raw)
    assert not indexes_left()
    rows = [json.loads(line) for line in raw.read_text().splitlines()]
    assert rows[0]["records"] == 300
    assert rows[0]["elasticsearch"] == elasticsearch_server.version
    assert {row["part"] for row in rows[1:]} == {
        *("made", "load", "as loaded", "merged", "search", "targets", "orientations", "many", "where")
    }
    found = {(row["part"], row["name"]): row["values"] for row in rows[1:]}
    assert found["made", "records in all"] == [323]
    assert len(found["made", "queries"]) == len(found["search", "effort 3"]) == 40
    (smaller,) = found["merged", "image-match's bytes / sigsearch's"]
    assert smaller > 1
    for name in ("image-match", *(f"effort {effort}" for effort in range(1, 6))):
        hits, copies, low, high = found["search", f"{name}: copies found, of, 95 % from, to"]
        assert 0.9 * copies <= hits <= copies <= 40
        assert low < hits / copies <= high
    hits, copies, *_ = found["search", "effort 5: copies found, of, 95 % from, to"]
    assert hits == copies
    assert found["where", "1 % left: share of the copies found"] == [1]
    assert "NOT MET" in capsys.readouterr().out  # nothing is six times as fast with 300 records


@pytest.mark.long
def test_image_matchs_own_index_is_searched_by_both_and_migrated(
    tmp_path, monkeypatch, elasticsearch_server, image_match, indexes_left
):
    monkeypatch.setenv("SIGSEARCH_TEST_ES_URL", elasticsearch_server.full_url)
    monkeypatch.setattr(benchmark, "MADE_PICTURES", 20)
    raw = tmp_path / "raw.jsonl"
    migration.migration(records=300, queries=40, repeats=1, raw=raw)
    assert not indexes_left()
    rows = [json.loads(line) for line in raw.read_text().splitlines()]
    found = {(row["part"], row["name"]): row["values"] for row in rows[1:]}
    assert {part for part, _ in found} == {"made", "load", "search", "orientations", "migrate", "add"}
    assert found["search", "matches of image-match's that effort 3 should give and does not"] == [0]
    (before,) = found["migrate", "image-match's index, a record"]
    (after,) = found["migrate", "the embedded index, a record"]
    assert after < before
    assert found["add", "sigsearch's / image-match's"] > [1]


def test_keeping_the_indexes_of_a_server_that_goes_is_refused(monkeypatch):
    monkeypatch.delenv("SIGSEARCH_TEST_ES_URL", raising=False)
    with pytest.raises(SystemExit, match="--keep is for a server that stays"):
        benchmark.elasticsearch(keep="kept")
