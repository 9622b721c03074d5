"""The suite's settings and names, what it takes for absurd, and its commands in small."""

import re
from pathlib import Path

import pytest
from PIL import Image
from suite_settings import tiny as settings

from benchmarks import results
from benchmarks.edits import EDITS, TURNED
from benchmarks.suite import command, descriptors, engines, false_matches, sanity, server, words
from benchmarks.suite.rows import RowFile
from benchmarks.suite.run import Plan, Run, header, name_of, originals, packaged, source_of
from sigsearch.testing.pictures import make_picture


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    for seed, name in enumerate(["a/one.png", "a/b/two.png", "three.png"]):
        Image.fromarray(make_picture(seed)).save(tmp_path / name)
    return tmp_path


def test_there_are_more_edits_than_were_asked_for_and_each_tells_its_numbers():
    assert len(EDITS) >= 50
    told = [name for name in EDITS if any(letter.isdigit() for letter in name)]
    assert set(EDITS) - set(told) == {"grey", "mirror", "invert"}
    assert set(EDITS) > TURNED


def test_without_a_folder_there_are_pictures_that_packages_ship_and_made_ones():
    found = originals(settings(originals=40))
    assert len(found) == len(set(found)) == 40
    assert {Path(source).name for source in packaged()} > {"MonaLisa_Wikipedia.jpg", "astronaut.png"}
    assert sum(isinstance(source, int) for source in found) == 40 - len(packaged())


def test_a_folders_pictures_are_chosen_by_the_seed(folder):
    chosen = {tuple(originals(settings(pictures=folder, seed=seed))) for seed in range(20)}
    assert len(chosen) > 1
    assert originals(settings(pictures=folder, seed=3)) == originals(settings(pictures=folder, seed=3))
    assert len(originals(settings(pictures=folder))) == 1  # of three, for half are left for distractors


@pytest.mark.parametrize(("wanted", "jpegs"), [(2, 1), (3, 1), (4, 2), (9, 2)])
def test_half_of_the_pictures_are_jpegs_if_there_are_so_many(folder, wanted, jpegs):
    for name in ["x.jpg", "y.JPEG", "z.jpg"]:
        Image.fromarray(make_picture(0)).save(folder / name)
    for name in ["u.png", "v.png"]:
        Image.fromarray(make_picture(0)).save(folder / name)
    found = originals(settings(pictures=folder, originals=wanted))
    assert len(found) == len(set(found)) == min(wanted, 4)
    assert sum(source.suffix.lower() in (".jpg", ".jpeg") for source in found) == jpegs


def test_a_folder_without_pictures_is_refused(tmp_path):
    with pytest.raises(SystemExit, match="wanted a folder with pictures, found none in"):
        originals(settings(pictures=tmp_path))


def test_a_name_leads_back_to_its_picture(folder):
    for source in [folder / "a" / "b" / "two.png", 1234, *packaged()]:
        assert source_of(name_of(source, folder), folder) == source
    assert name_of(folder / "a" / "b" / "two.png", folder) == "a/b/two.png"
    assert source_of("a/none.png", folder) is None


def test_the_header_tells_no_path(folder):
    row = header(settings(pictures=folder, pairs=folder / "pairs.json"))
    assert (row["pictures"], row["pairs"]) == (folder.name, "pairs.json")
    assert str(folder) not in str(row)
    assert row["edits"] == list(EDITS)
    assert row["versions"]["numpy"]


def test_each_purpose_has_random_numbers_of_its_own():
    run = Plan(settings())
    assert run.rng("one").random() == run.rng("one").random() != run.rng("other").random()


@pytest.mark.parametrize(
    ("written", "told"),
    [
        (
            '{"kind":"run","mode":"full"}\n',
            "is of a full run, which may have taken hours",
        ),
        ("notes\n", "wanted a file of raw rows, found another one"),
    ],
)
def test_a_quick_run_deletes_nothing_but_the_rows_of_one_before(tmp_path, written, told):
    rows = tmp_path / command.ROWS
    rows.write_text(written)
    with pytest.raises(SystemExit, match=told):
        command.quick(out=tmp_path)
    assert rows.read_text() == written


def test_a_quick_run_begins_anew(tmp_path, monkeypatch):
    rows = tmp_path / command.ROWS
    rows.write_text('{"kind":"run","mode":"quick"}\n')
    monkeypatch.setattr(command, "_measure", lambda settings, out: None)
    command.quick(out=tmp_path)
    assert not rows.exists()


@pytest.mark.parametrize("text", ["5,10", "100,100", "200,100", "", "a", "100;200"])
def test_sizes_that_do_not_ascend_are_refused(text):
    with pytest.raises(SystemExit, match="wanted numbers of records of 100 and more, ascending"):
        command.full(records=text)


# What cannot be. A run of two queries, by hand.

NEAR = {"kind": "query", "records": 100, "near": 1, "own_distance": 0.2}
SEARCHES = {"kind": "searches", "records": 100, "queries": [0, 1], "found": [1, 1], "near_found": [1, 1]}
COPY = {"kind": "copy", "picture": "a", "edit": "grey"}
GOOD = [
    *({"kind": kind} for kind in sorted(sanity.ALWAYS - {"original", "query", "searches", "copy", "size"})),
    {"kind": "original", "picture": "a", "featureless": False},
    COPY
    | {"own": {"sigsearch": 0.1, "image-match 1.1.2": 0.1}}
    | {"ranks": {"sigsearch": [0, 0], "image-match 1.1.2": [0, 0]}},
    NEAR | {"number": 0},
    NEAR | {"number": 1},
    SEARCHES | {"engine": sanity.EMBEDDED, "ms": [1, 1]},
    SEARCHES | {"engine": sanity.ELASTICSEARCH.format(3), "ms": [2, 2]},
    SEARCHES | {"engine": sanity.THEIRS, "ms": [6, 6]},
    {"kind": "size", "records": 100, "engine": sanity.SERVER, "disk_bytes": 300},
    {"kind": "size", "records": 100, "engine": sanity.THEIRS, "disk_bytes": 3000},
]


def both(ours, theirs):
    return {"sigsearch": ours, "image-match 1.1.2": theirs}


def changed(engine_or_kind, **fields):
    return [row | fields if engine_or_kind in (row["kind"], row.get("engine")) else row for row in GOOD]


def test_a_run_as_it_should_be_is_not_absurd():
    assert sanity.absurdities(GOOD) == []


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (GOOD[1:], "there is no row of the kind calibration"),
        (changed("copy", own=both(0.5, 0.5)), "sigsearch finds 0% of"),
        (changed("copy", own=both(0.1, 0.3)), "sigsearch is not image-match 1.1.2"),
        (changed("copy", ranks=both([2, 0], [0, 0])), "sigsearch finds 0% .* before"),
        (changed(sanity.EMBEDDED, near_found=[1, 0]), "sigsearch embedded misses what comparing with all"),
        (changed(sanity.ELASTICSEARCH.format(3), found=[1, 0]), "effort 3 finds 50% of the copies"),
        (changed(sanity.ELASTICSEARCH.format(3), ms=[900, 900]), "time is 0.00667 times"),
        (changed(sanity.THEIRS, disk_bytes=200), "takes 300 bytes, image-match 1.1.2's 200"),
    ],
)
def test_what_cannot_be_is_told(rows, told):
    [line] = sanity.absurdities(rows)
    assert re.search(told, line)


def test_a_run_that_is_measured_already_starts_no_server(tmp_path, monkeypatch):
    wanted = settings(elasticsearch=True)
    rows = RowFile(tmp_path / command.ROWS, header(wanted))
    shapes = [f"words/{each.word_shape} {each.word_count} x {each.word_length}" for each in words.QUICK]
    units = [*shapes, words.SERVER_UNIT, *(f"engines/{size}" for size in wanted.records)]
    for done, unit in enumerate(units):
        run = Run(wanted, rows)
        assert words.is_done(run) == (done > len(shapes))
        assert not engines.is_done(run)
        with rows.unit(unit):
            pass
    for stage in (descriptors, false_matches):
        monkeypatch.setattr(stage, "measure", lambda run: None)
    monkeypatch.setattr(server, "start_server", lambda run: pytest.fail("a server was started"))

    def report(*_):
        raise SystemExit("the report is made")

    monkeypatch.setattr(results, "report", report)
    with pytest.raises(SystemExit, match="the report is made"):
        command._measure(wanted, tmp_path)
