"""Index: pictures in, copies out, over the embedded and the in-memory backend alike."""

import sys
import threading
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from PIL import Image

import sigsearch
from sigsearch import (
    AddReport,
    And,
    ClosedError,
    Eq,
    FeaturelessWarning,
    ImageError,
    IndexNotFoundError,
    InputError,
    Item,
    MetadataError,
    Range,
    Record,
    RecordExistsError,
    RecordNotFoundError,
    Scheme,
    SchemeMismatchError,
    View,
)
from sigsearch.testing import make_picture

PLAIN = np.full((30, 30), 128, np.uint8)


@pytest.fixture(params=["memory", "embedded"])
def index(request, tmp_path):
    with sigsearch.open("memory://" if request.param == "memory" else tmp_path / "index.sig") as index:
        yield index


def signature(seed, near=None, changes=0):
    """A made signature; or a copy of one with some values changed."""
    rng = np.random.default_rng(seed)
    if near is None:
        return rng.integers(-2, 3, 648).astype(np.int8)
    copy = near.copy()
    copy[rng.choice(648, changes, replace=False)] = 0
    return copy


# Adding


def test_a_picture_given_by_path_gets_its_absolute_path_as_id_and_path(
    index, small_picture, tmp_path, monkeypatch
):
    path = tmp_path / "a.png"
    Image.fromarray(small_picture).save(path)
    monkeypatch.chdir(tmp_path)
    assert index.add("a.png") == str(path)
    record = index.get(str(path))
    assert record.path == str(path)
    assert record.metadata is None
    assert not record.featureless
    assert np.array_equal(record.views[0].signature, sigsearch.compute_signature(small_picture))
    assert record.views[0].box == (0, 0, 1, 1)
    assert datetime.now(UTC) - record.timestamp < timedelta(minutes=5)


def test_id_path_and_metadata_can_be_given(index, small_picture):
    metadata = {"museum": "Louvre", "rooms": [6, 7], "loan": None}
    assert index.add(small_picture, id="mona", path="somewhere", metadata=metadata) == "mona"
    metadata["museum"] = "changed later"
    record = index.get("mona")
    assert record.path == "somewhere"
    assert record.metadata == {"museum": "Louvre", "rooms": [6, 7], "loan": None}


def test_a_picture_without_a_path_gets_an_id_of_its_signature(index, small_picture):
    first = index.add(small_picture)
    assert first.startswith("signature:")
    assert index.get(first).path is None
    with pytest.raises(RecordExistsError):
        index.add(small_picture)
    assert index.add(small_picture[::-1]) != first


def test_a_very_long_path_is_its_record_but_not_its_id(index, tmp_path, small_picture):
    folder = tmp_path.joinpath(*["d" * 200] * 3)
    folder.mkdir(parents=True)
    Image.fromarray(small_picture).save(folder / "a.png")
    id = index.add(folder / "a.png")
    assert len(id) < 100
    assert index.get(id).path == str(folder / "a.png")
    assert index.add_many(folder).skipped == 1


def test_an_id_that_is_there_is_an_error_unless_told_otherwise(index, small_picture):
    index.add(small_picture, id="a", metadata=1)
    with pytest.raises(RecordExistsError, match=r"'a'.*on_conflict='replace'"):
        index.add(small_picture, id="a", metadata=2)
    assert index.get("a").metadata == 1
    assert index.add(small_picture, id="a", metadata=2, on_conflict="skip") == "a"
    assert index.get("a").metadata == 1
    assert index.add(small_picture, id="a", metadata=2, on_conflict="replace") == "a"
    assert index.get("a").metadata == 2
    assert index.count() == 1


def test_a_ready_signature_needs_no_picture(index):
    made = signature(1)
    index.add(made, id="array")
    index.add(Item(signature=made, id="item"))
    index.add(signature=made, id="argument")
    assert [match.distance for match in index.search(made)] == [0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"id": ""}, InputError, "an id of 1 to 512 bytes, found 0 bytes"),
        ({"id": "ü" * 257}, InputError, "found 514 bytes"),
        ({"id": 3}, InputError, "an id that is a string, found 3"),
        ({"id": "\ud800"}, InputError, "not valid Unicode"),
        ({"path": 3}, InputError, "a path that is a string, found 3"),
        ({"on_conflict": "maybe"}, InputError, "on_conflict 'error', 'skip' or 'replace', found 'maybe'"),
        ({"on_conflict": "update"}, InputError, "on_conflict 'error', 'skip' or 'replace', found 'update'"),
        ({"metadata": {1: 2}}, MetadataError, "the key 1 of type int at metadata"),
        ({"metadata": {"a": [1, {2}]}}, MetadataError, r"a set at metadata\.a\[1\]"),
        ({"metadata": float("nan")}, MetadataError, "nan at metadata"),
        ({"metadata": {"a": object()}}, MetadataError, r"a object at metadata\.a"),
        ({"metadata": "\ud800"}, MetadataError, "not valid Unicode"),
        ({"signature": np.zeros(3, np.int8)}, InputError, "an image or a signature, found both"),
    ],
)
def test_what_cannot_be_stored_is_refused_and_nothing_is_added(
    index, small_picture, arguments, error, message
):
    with pytest.raises(error, match=message):
        index.add(small_picture, **arguments)
    assert index.count() == 0


def test_metadata_that_contains_itself_is_refused(index, small_picture):
    loop = []
    loop.append(loop)
    with pytest.raises(MetadataError, match="more than 100 levels"):
        index.add(small_picture, metadata=loop)


def test_nothing_to_add_is_refused(index):
    with pytest.raises(InputError, match="wanted an image or a signature, found neither"):
        index.add()


def test_a_picture_that_cannot_be_read_is_an_error_and_changes_nothing(index, tmp_path):
    with pytest.raises(ImageError, match="no such file"):
        index.add(tmp_path / "none.jpg")
    assert index.count() == 0


# Adding many


@pytest.fixture
def folder(tmp_path, small_picture):
    """Three pictures, two of them below, and two files that are none."""
    folder = tmp_path / "pictures"
    (folder / "deep").mkdir(parents=True)
    for k, name in enumerate(("a.png", "deep/b.png", "deep/c.png")):
        Image.fromarray(np.rot90(small_picture, k)).save(folder / name)
    (folder / "broken.jpg").write_text("not a picture")
    (folder / "notes.txt").write_text("passed over")
    return folder


def test_a_folder_is_added_and_one_bad_file_stops_nothing(index, folder):
    report = index.add_many(folder)
    assert (report.added, report.replaced, report.skipped, report.featureless) == (3, 0, 0, 0)
    assert [str(failure) for failure in report.failures] == [
        f"{folder / 'broken.jpg'}: its content is not a picture of a known format"
    ]
    assert index.count() == 3


def test_a_second_run_skips_what_is_there_without_reading_it(index, folder):
    index.add_many(folder)
    for path in folder.rglob("*.png"):
        path.write_bytes(b"unreadable now")
    report = index.add_many([folder])
    assert (report.added, report.skipped, len(report.failures)) == (0, 3, 1)


def test_what_is_there_is_skipped_whatever_would_be_wrong_with_it(index, folder):
    index.add_many(folder)
    report = index.add_many([Item(image=folder / "a.png", metadata={1: 2})])
    assert (report.skipped, report.failures) == (1, ())


def test_replacing_reads_again(index, folder):
    index.add_many(folder)
    Image.fromarray(PLAIN).save(folder / "a.png")
    report = index.add_many(folder, on_conflict="replace")
    assert (report.added, report.replaced, report.skipped, report.featureless) == (0, 3, 0, 1)
    assert index.get(str(folder / "a.png")).featureless


def test_on_conflict_error_counts_failures(index, folder):
    index.add_many(folder)
    report = index.add_many(folder, on_conflict="error")
    assert (report.added, report.skipped) == (0, 0)
    assert len(report.failures) == 4


def test_all_kinds_of_sources_go_in_together(index, folder, small_picture):
    sources = (
        source
        for source in [
            str(folder / "a.png"),
            folder / "deep",
            small_picture,
            Item(image=folder / "a.png", id="item", metadata={"n": 1}),
            Item(signature=signature(3), id="signature", path="elsewhere.jpg"),
            signature(4),
        ]
    )
    report = index.add_many(sources)
    assert report.added == 7
    assert report.failures == ()
    assert index.get("item").path == str(folder / "a.png")
    assert index.get("signature").path == "elsewhere.jpg"


def test_one_source_alone_is_one_and_not_its_letters_bytes_or_rows(index, folder, small_picture):
    data = (folder / "a.png").read_bytes()
    with (folder / "a.png").open("rb") as file:
        sources = [str(folder / "a.png"), small_picture, signature(1), Item(image=data, id="item")]
        reports = [index.add_many(source) for source in (*sources, data, bytearray(data), file)]
    assert [report.added + report.skipped for report in reports] == [1] * 7


def test_one_id_twice_in_one_call_is_kept_once(index):
    items = [Item(signature=signature(k), id="same", metadata=k) for k in range(2)]
    report = index.add_many(items)
    assert (report.added, report.skipped) == (1, 1)
    assert index.get("same").metadata == 0


def test_bad_items_are_reported_by_name(index, tmp_path):
    report = index.add_many(
        [Item(id="empty"), Item(signature=np.zeros(3, np.int8), id="short"), tmp_path / "none.png", 3]
    )
    assert report.added == 0
    assert [failure.source for failure in report.failures] == [
        "empty",
        "short",
        str(tmp_path / "none.png"),
        "int object",
    ]


def test_progress_is_told_after_each_batch_of_pictures(index, small_picture):
    told = []
    items = [Item(image=small_picture, id=str(k)) for k in range(150)]
    index.add_many(items, on_advance=lambda report, done: told.append((report.added, done)))
    assert told == [(64, 64), (128, 128), (150, 150)]


def test_an_interrupted_call_keeps_whole_batches_and_can_be_repeated(index, small_picture):
    items = [Item(image=small_picture, id=str(k)) for k in range(150)]

    def interrupt(report, done):
        if done == 128:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        index.add_many(items, on_advance=interrupt)
    assert index.count() == 128
    report = index.add_many(items)
    assert (report.added, report.skipped) == (22, 128)


def test_what_needs_no_reading_goes_in_by_thousands():
    made = signature(1)
    items = [Item(signature=made, id=str(k)) for k in range(4096)]
    items += [Record(f"record {k}", (View(made),)) for k in range(4096)]
    items += [made] * 5
    told = []
    with sigsearch.open("memory://") as index:
        index.add_many(
            items, on_advance=lambda report, done: told.append((report.added, report.skipped, done))
        )
    assert told == [(4096, 0, 4096), (8192, 0, 8192), (8193, 4, 8197)]


@pytest.fixture
def small_batches(monkeypatch):
    """Batches end at 2 pictures to read or 5 ready signatures."""
    monkeypatch.setattr("sigsearch.adding.pipeline.BATCH", 2)
    monkeypatch.setattr("sigsearch.adding.pipeline.READY_BATCH", 5)


def test_pictures_and_ready_signatures_in_turn_share_batches(index, small_batches, small_picture):
    kinds = {
        "p": lambda name: Item(image=small_picture, id=name),
        "s": lambda name: Item(signature=signature(1), id=name),
        "r": lambda name: Record(name, (View(signature(1)),)),
        "v": lambda name: Record(name, (View(signature(1)), View(signature(2)), View(signature(3)))),
    }
    # Each ends with its second picture, or with its fifth signature; a v has three.
    batches = ["pssp", "ssrrs", "vv", "sprp", "vpsr", "ps"]
    sources = [kinds[kind](str(k)) for k, kind in enumerate("".join(batches))]
    ends = []
    index.add_many(sources, on_advance=lambda report, done: ends.append(done))
    assert ends == [sum(map(len, batches[:k])) for k in range(1, len(batches) + 1)]
    assert index.count() == len(sources)


@pytest.mark.parametrize("ready", [True, False])
def test_a_generator_is_never_read_further_than_the_batch(index, small_batches, small_picture, ready):
    read = 0

    def items():
        nonlocal read
        for k in range(12):
            read += 1
            yield Item(**({"signature": signature(k)} if ready else {"image": small_picture}), id=str(k))

    told = []
    index.add_many(items(), on_advance=lambda report, done: told.append((done, read, index.count())))
    ends = [5, 10, 12] if ready else [2, 4, 6, 8, 10, 12]
    assert told == [(end, end, end) for end in ends]


def test_of_one_id_several_times_in_a_batch_the_first_stays_or_the_last_replaces(index):
    def items():
        return [Item(signature=signature(k), id="ab"[k % 2], metadata=k) for k in range(6)]

    def stored():
        records = [index.get(id) for id in "ab"]
        assert all(np.array_equal(r.views[0].signature, signature(r.metadata)) for r in records)
        return [record.metadata for record in records]

    assert index.add_many(items()) == AddReport(added=2, skipped=4)
    assert stored() == [0, 1]
    assert index.add_many(items(), on_conflict="replace") == AddReport(replaced=6)
    assert stored() == [4, 5]
    index.delete("a")
    report = index.add_many(items(), on_conflict="error")
    assert report.added == 1
    assert [failure.source for failure in report.failures] == ["b", "a", "b", "a", "b"]
    assert stored() == [0, 5]


def test_bad_signatures_amid_thousands_of_good_ones_fail_alone_and_as_they_do_by_themselves():
    good = np.random.default_rng(1).integers(-2, 3, (5000, 648)).astype(np.int8)
    items = [Item(signature=row, id=str(k)) for k, row in enumerate(good)]
    too_high, too_low = good[0].copy(), good[0].copy()
    too_high[647], too_low[0] = 3, -128
    bad = {
        1000: Item(signature=too_high, id="too high"),
        1001: Item(image=too_low, id="too low"),
        1002: Record("a view too high", (View(good[0]), View(too_high))),
        1003: Record("no view", ()),
        2000: Item(signature=good[0][:-1], id="short"),
        2001: Item(signature=good[0] > 0, id="of bool"),
        2002: Item(signature=good[0] / 1, id="of float"),
        2003: Item(signature=[*good[0][1:], 3], id="list"),
        2004: Item(signature=["a"], id="text"),
        2005: Item(signature=good[0], image=good[0], id="both"),
        4999: Item(signature=good[:2], id="two"),
    }
    for place, item in bad.items():
        items[place] = item
    with sigsearch.open("memory://") as index:
        reasons = []
        for item in bad.values():
            with pytest.raises(InputError) as error:
                index.add(item)
            reasons.append((item.id, str(error.value)))
        report = index.add_many(items)
        assert [(failure.source, failure.reason) for failure in report.failures] == reasons
        assert report.added == len(items) - len(bad)
        assert {record.id for record in index.scan()} == {str(k) for k in range(5000) if k not in bad}
        assert np.array_equal(index.get("999").views[0].signature, good[999])
    assert reasons[0][1] == "wanted signatures of values from -2 to 2, found -2 to 3"
    assert reasons[1][1] == "wanted signatures of values from -2 to 2, found -128 to 2"


def test_ready_signatures_of_any_whole_numbers_are_stored_as_int8(index):
    made = signature(1)
    backwards = made[::-1].copy()[::-1]  # the same values, not contiguous
    given = [made, backwards, made.astype(np.int64), made.astype(">i2"), made.tolist()]
    sources = [Item(signature=values, id=f"item {k}") for k, values in enumerate(given)]
    sources += [Record(f"record {k}", (View(values),)) for k, values in enumerate(given[:-1])]
    assert index.add_many(sources) == AddReport(added=9)
    for record in index.scan():
        [view] = record.views
        assert view.signature.dtype == np.int8
        assert view.signature.tolist() == made.tolist()


def test_of_ready_signatures_those_without_features_are_counted(index):
    blank = np.zeros(648, np.int8)
    sources = [Item(signature=s, id=str(k)) for k, s in enumerate([blank, signature(1), blank])]
    sources += [
        Record("half", (View(blank), View(signature(1)))),
        Record("blank", (View(blank), View(blank))),
    ]
    assert index.add_many(sources) == AddReport(added=5, featureless=3)
    assert index.add_many(sources) == AddReport(skipped=5)


def test_a_report_for_each_batch_copies_none_of_the_failures():
    items = [Item(id=f"without picture {k}") for k in range(100_000)]
    told = []
    with sigsearch.open("memory://") as index:
        report = index.add_many(items, on_advance=lambda report, done: told.append(report))
    assert isinstance(report.failures, tuple)
    assert [failure.source for failure in report.failures] == [item.id for item in items]
    assert [len(report.failures) for report in told] == [*range(64, 100_000, 64), 100_000]
    # All reports are still there: had each a copy, each would hold the first failure once more.
    assert sys.getrefcount(report.failures[0]) < 10
    assert told[1].failures == report.failures[:128]
    assert told[1].failures[-1] == report.failures[127]
    assert told[1].failures[64:] == report.failures[64:128]
    assert list(told[1].failures) == list(report.failures[:128])
    assert told[-1] == report
    with pytest.raises(IndexError):
        told[1].failures[128]


def test_an_index_can_be_copied_into_another(index, tmp_path):
    index.add_many([Item(signature=signature(k), id=str(k), metadata={"k": k}) for k in range(5)])
    with sigsearch.open(tmp_path / "copy.sig") as copy:
        assert copy.add_many(index.scan()).added == 5
        assert {r.id: r for r in copy.scan()} == {r.id: r for r in index.scan()}


# Searching


def test_copies_are_found_nearest_first_and_strangers_are_not(index):
    original = signature(1)
    index.add(signature(2), id="stranger")
    index.add(signature(5, near=original, changes=60), id="near", path="n.jpg", metadata={"a": 1})
    index.add(signature(6, near=original, changes=120), id="farther")
    index.add(original, id="same")
    matches = index.search(original)
    assert [match.id for match in matches] == ["same", "near", "farther"]
    assert matches[0].distance == 0.0
    assert matches[0].word_matches == 80
    near = index.get("near").views[0].signature
    assert matches[1].distance == sigsearch.distance(original, near)
    assert matches[1].word_matches == int(
        (sigsearch.encode_words(original) == sigsearch.encode_words(near)).sum()
    )
    assert (matches[1].path, matches[1].metadata, matches[1].orientation) == ("n.jpg", {"a": 1}, "as-is")


def test_the_cutoff_is_strict(index):
    original = signature(1)
    near = signature(5, near=original, changes=60)
    index.add(near, id="near")
    exactly = sigsearch.distance(original, near)
    assert index.search(original, cutoff=exactly) == []
    assert len(index.search(original, cutoff=np.nextafter(exactly, 1))) == 1
    assert index.search(near, cutoff=0) == []


def test_limit_keeps_the_nearest(index):
    original = signature(1)
    for k in range(10):
        index.add(signature(k, near=original, changes=10 * (k + 1)), id=str(k))
    assert [match.id for match in index.search(original, limit=3)] == ["0", "1", "2"]
    assert len(index.search(original, limit=None)) == 10


def test_equal_distances_come_in_order_of_id(index):
    for id in ("b", "c", "a"):
        index.add(signature(1), id=id)
    assert [match.id for match in index.search(signature(1))] == ["a", "b", "c"]


def test_where_leaves_out_records_before_the_limit(index):
    original = signature(1)
    index.add(original, id="nearest", metadata={"museum": "Prado"})
    index.add(signature(5, near=original, changes=60), id="louvre", metadata={"museum": "Louvre"})
    for where in (Eq("museum", "Louvre"), {"museum": "Louvre"}):
        assert [match.id for match in index.search(original, limit=1, where=where)] == ["louvre"]
        assert index.count(where) == 1
        assert [record.id for record in index.scan(where)] == ["louvre"]
    assert index.search(original, where=Eq("museum", "Tate")) == []


def really_turned(picture, name):
    """The picture that looks like the original once `name` is done to the original: its inverse undone."""
    found = picture[:, ::-1] if "mirror" in name else picture
    for turns in (1, 2, 3):
        found = np.rot90(found, turns) if f"rotate-{90 * turns}" in name else found
    return 255 - found if "invert" in name else found


@pytest.mark.parametrize("name", sigsearch.ORIENTATIONS)
def test_each_orientation_is_found_and_named(small_picture, name):
    with sigsearch.open("memory://") as index:
        index.add(np.ascontiguousarray(really_turned(small_picture, name)), id="turned")
        assert [m.orientation for m in index.search(small_picture)] == ["as-is"] * (name == "as-is")
        [match] = index.search(small_picture, all_orientations=True)
        assert (match.orientation, match.distance) == (name, 0.0)


def test_all_orientations_give_each_id_once_with_its_best_distance(index, small_picture):
    # Nearly its own mirror image: found as it is and mirrored, nearer as it is.
    half = small_picture[:, :40]
    symmetric = np.concatenate([half, half[:, ::-1]], axis=1).copy()
    symmetric[:, 40:44] = 0
    index.add(symmetric, id="symmetric")
    [match] = index.search(symmetric, all_orientations=True, cutoff=1)
    assert (match.orientation, match.distance) == ("as-is", 0.0)
    mirrored = np.ascontiguousarray(symmetric[:, ::-1])
    assert 0 < sigsearch.compare(symmetric, mirrored) < 0.45
    [match] = index.search(mirrored, all_orientations=True)
    assert (match.orientation, match.distance) == ("mirror", 0.0)


def test_search_many_gives_what_search_gives_one_by_one(index, monkeypatch):
    monkeypatch.setattr("sigsearch.index.SEARCH_BATCH", 4)
    originals = [signature(k) for k in range(10)]
    index.add_many([Item(signature=s, id=str(k)) for k, s in enumerate(originals)])
    index.add(signature(100, near=originals[3], changes=50), id="copy")
    found = index.search_many(iter([*originals, signature(200)]))
    assert found == [index.search(query) for query in [*originals, signature(200)]]
    assert [match.id for match in found[3]] == ["3", "copy"]
    assert found[10] == []
    assert index.search_many([]) == []


def test_what_is_not_several_is_refused(index):
    with pytest.raises(InputError, match="wanted several pictures, found None"):
        index.search_many(None)
    with pytest.raises(InputError, match="wanted an id or several, found 3"):
        index.delete(3)
    with pytest.raises(InputError, match="wanted paths, pictures or Items, found None"):
        index.add_many(None)


def test_one_picture_for_search_many_is_refused(index, mona_lisa):
    with pytest.raises(InputError, match=r"found one: .*use search"):
        index.search_many(str(mona_lisa))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"cutoff": 1.01}, r"a cutoff from 0 to 1, found 1\.01"),
        ({"cutoff": -0.1}, "a cutoff from 0 to 1"),
        ({"cutoff": float("nan")}, "a cutoff from 0 to 1, found nan"),
        ({"cutoff": "0.4"}, "a cutoff from 0 to 1, found '0.4'"),
        ({"limit": 0}, "a limit of 1 or more, found 0"),
        ({"limit": 2.5}, "a limit"),
        ({"limit": True}, "a limit"),
        ({"where": "museum"}, "a filter such as .* or a mapping, found 'museum'"),
        ({"where": {"museum": None}}, r"found None; for a missing value use ~Exists\(path\)"),
        ({"all_orientations": True}, "pass the picture"),
    ],
)
def test_an_argument_out_of_range_is_refused_in_words(index, arguments, message):
    with pytest.raises(InputError, match=message):
        index.search(signature(1), **arguments)


def test_a_picture_without_features_is_stored_and_matches_nothing_but_says_so(index):
    id = index.add(PLAIN)
    assert index.get(id).featureless
    with pytest.warns(FeaturelessWarning, match="has no features, so it matches nothing"):
        assert index.search(PLAIN, cutoff=1) == []
    with pytest.warns(FeaturelessWarning):
        assert index.search(PLAIN, all_orientations=True, cutoff=1) == []
    assert index.search(signature(1), cutoff=1) == []


# Getting, deleting, closing


def test_get_delete_and_count(index):
    index.add_many([Item(signature=signature(k), id=str(k)) for k in range(4)])
    assert index.count() == len(index) == 4
    assert index.get("9") is None
    assert index.delete("0") == 1
    assert index.delete(["0", "1", "9", "1"]) == 1
    assert sorted(record.id for record in index.scan()) == ["2", "3"]
    assert index.search(signature(0)) == []
    assert index.add(signature(0), id="0") == "0"
    assert bool(index)


def test_delete_where_deletes_what_the_filter_is_true_of(index):
    index.add_many([Item(signature=signature(k), id=str(k), metadata={"k": k}) for k in range(4)])
    assert index.delete_where({"k": 2}) == 1
    assert index.delete_where(Range("k", lt=2)) == 2
    assert [record.id for record in index.scan()] == ["3"]
    assert index.delete_where({"k": 2}) == 0
    with pytest.raises(InputError, match="wanted a filter of what to delete, found None"):
        index.delete_where(None)
    assert index.delete_where(And()) == 1
    assert index.count() == 0


@pytest.mark.parametrize("effort", [0, 6, True, 1.5, "3", None])
def test_an_effort_out_of_its_range_is_refused(index, effort):
    for call in (index.search, index.search_many):
        with pytest.raises(InputError, match="wanted an effort from 1 to 5, found"):
            call(signature(0) if call == index.search else [signature(0)], effort=effort)


def test_an_exact_backend_finds_all_at_any_effort(index):
    index.add(signature(0), id="0")
    assert [[m.id for m in index.search(signature(0), effort=e)] for e in range(1, 6)] == [["0"]] * 5


def test_info_says_what_is_there(index):
    index.add(signature(1))
    info = index.info()
    assert info["records"] == 1
    assert info["scheme"] == Scheme().to_json()
    assert info["location"] == index.location
    assert info["bytes"] > 0


def test_a_closed_index_says_so_whatever_it_is_asked(index):
    index.close()
    index.close()
    for ask in (
        lambda: index.add(signature(1)),
        lambda: index.add_many([signature(1)]),
        lambda: index.search(signature(1)),
        lambda: index.get("a"),
        lambda: index.delete("a"),
        lambda: index.count(),
        lambda: index.scan(),
        lambda: index.refresh(),
        lambda: index.info(),
        lambda: index.compact(),
        lambda: index.check(),
        lambda: index.salvage(),
        lambda: index.explain(signature(1), "a"),
    ):
        with pytest.raises(ClosedError, match=r"was closed; open it again with sigsearch\.open"):
            ask()
    assert "closed" in repr(index)


def test_threads_may_share_an_index(index):
    def work(number):
        for k in range(10):
            made = signature(100 * number + k)
            index.add(made, id=f"{number}-{k}")
            assert index.search(made)[0].id == f"{number}-{k}"

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert index.count() == 40


# Opening


def test_an_embedded_index_is_there_when_opened_again(tmp_path):
    with sigsearch.open(tmp_path / "a.sig") as index:
        index.add(signature(1), id="kept", metadata={"deep": [1, None, "ü"]})
    with sigsearch.open(str(tmp_path / "a.sig"), create=False) as index:
        assert index.get("kept").metadata == {"deep": [1, None, "ü"]}
        assert index.search(signature(1))[0].id == "kept"


def test_an_index_that_is_not_there_is_not_made_if_not_wanted(tmp_path):
    with pytest.raises(IndexNotFoundError, match=r"no index at .*a\.sig"):
        sigsearch.open(tmp_path / "a.sig", create=False)
    assert not (tmp_path / "a.sig").exists()


def test_an_index_of_another_scheme_is_refused_and_named(tmp_path):
    other = Scheme(levels=3, word_length=12)
    with sigsearch.open(tmp_path / "a.sig", scheme=other) as index:
        index.add(signature=signature(1))
    with pytest.raises(SchemeMismatchError, match=r"wanted levels=2, found levels=3; .*word_length=12"):
        sigsearch.open(tmp_path / "a.sig")
    with sigsearch.open(tmp_path / "a.sig", scheme=other) as index:
        assert index.count() == 1
        assert index.scheme == other


def test_an_index_of_other_words_is_opened_unless_a_scheme_is_asked_for(tmp_path):
    other = Scheme(word_length=12)
    with sigsearch.open(tmp_path / "a.sig", scheme=other) as index:
        index.add(signature(1), id="a")
    with sigsearch.open(tmp_path / "a.sig") as index:
        assert index.scheme == other
        assert [match.id for match in index.search(signature(1))] == ["a"]
    with pytest.raises(SchemeMismatchError, match="wanted word_length=10, found word_length=12"):
        sigsearch.open(tmp_path / "a.sig", scheme=Scheme())


@pytest.mark.parametrize("location", ["", 3, object()])
def test_what_is_no_location_is_refused(location):
    with pytest.raises(InputError, match="wanted a path or a location"):
        sigsearch.open(location)


def test_a_scheme_that_is_none_is_refused():
    with pytest.raises(InputError, match="wanted a Scheme, found 'default'"):
        sigsearch.open("memory://", scheme="default")


# Explaining


def test_explain_says_that_a_match_is_found(index):
    index.add(signature(1), id="a")
    index.add(signature(5, near=signature(1), changes=60), id="b")
    said = index.explain(signature(1), "b")
    assert said.found
    assert said.advice == ()
    assert said.candidate_rank == 2
    assert said.distance == index.search(signature(1))[1].distance
    assert said.word_matches == index.search(signature(1))[1].word_matches
    assert said.word_count == 80


def test_explain_reads_its_picture_once(index, small_picture, tmp_path):
    Image.fromarray(small_picture).save(tmp_path / "a.png")
    index.add(small_picture, id="a")
    with (tmp_path / "a.png").open("rb") as file:
        assert index.explain(file, "a").found


def test_explain_advises_to_raise_the_cutoff(index):
    index.add(signature(1), id="a")
    said = index.explain(signature(2), "a")
    assert not said.found
    assert said.advice == (f"the distance is not below the cutoff: raise it above {said.distance:.4f}",)
    assert index.search(signature(2), cutoff=said.distance + 0.0001)[0].id == "a"


def test_explain_advises_to_search_all_orientations(index, small_picture):
    index.add(np.ascontiguousarray(small_picture[:, ::-1]), id="mirrored")
    said = index.explain(small_picture, "mirrored")
    assert not said.found
    assert said.best_distance == 0.0
    assert said.best_orientation == "mirror"
    assert "search with all_orientations" in said.advice[0]
    said = index.explain(small_picture, "mirrored", all_orientations=True)
    assert said.found
    assert said.orientation == "mirror"


def test_explain_advises_to_raise_the_limit(index):
    for k in range(3):
        index.add(signature(k, near=signature(1), changes=20 * k), id=str(k))
    said = index.explain(signature(1), "2", limit=2)
    assert not said.found
    assert said.candidate_rank == 3
    assert said.advice == ("too many records are nearer: raise limit above 2",)


def test_explain_advises_to_change_the_filter(index):
    index.add(signature(1), id="a", metadata={"museum": "Louvre"})
    said = index.explain(signature(1), "a", where={"museum": "Prado"})
    assert not said.found
    assert said.advice == ("the filter is not true of the record's metadata: change where",)


def test_explain_knows_pictures_without_features(index):
    index.add(PLAIN, id="plain")
    index.add(signature(1), id="a")
    assert "the record's picture has no features" in index.explain(signature(1), "plain").advice[0]
    said = index.explain(PLAIN, "a")
    assert not said.found
    assert "the query has no features" in said.advice[0]


def test_explain_of_a_record_that_is_not_there_says_so(index):
    with pytest.raises(RecordNotFoundError, match="no record 'a' in the index"):
        index.explain(signature(1), "a")


@pytest.mark.parametrize("all_orientations", [False, True])
def test_a_query_is_also_searched_for_without_its_borders(all_orientations):
    picture = make_picture(3)
    framed = np.full((picture.shape[0] + 120, picture.shape[1] + 160, 3), 255, np.uint8)
    framed[60:-60, 80:-80] = picture
    query = np.ascontiguousarray(np.rot90(framed)) if all_orientations else framed
    with sigsearch.open("memory://") as index:
        index.add(picture, id="picture")
        index.add(make_picture(4), id="another")
        [match] = index.search(query, all_orientations=all_orientations)
        assert match.id == "picture"
        assert match.distance < 0.1 < sigsearch.compare(framed, picture)
        assert match.orientation == ("rotate-270" if all_orientations else "as-is")
        assert match.box == (0, 0, 1, 1)
        across, down = 80 / framed.shape[1], 60 / framed.shape[0]
        inside = (
            (down, across, 1 - down, 1 - across) if all_orientations else (across, down, 1 - across, 1 - down)
        )
        assert match.query_box == pytest.approx(inside, abs=0.01)
        assert index.explain(query, "picture", all_orientations=all_orientations).distance == match.distance
