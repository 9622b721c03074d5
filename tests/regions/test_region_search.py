"""The search of an index of regions, by what a user has: pictures in, matches with boxes out."""

import io
import warnings
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from sigsearch_local.backend import LocalBackend
from sigsearch_memory.backend import MemoryBackend

import sigsearch
from sigsearch import (
    ORIENTATIONS,
    Box,
    FeaturelessWarning,
    InputError,
    Item,
    Record,
    Scheme,
    SchemeMismatchError,
    View,
    compute_signature,
)
from sigsearch.backend import Capability
from sigsearch.testing import make_picture
from sigsearch.views import compute_views

BACKENDS = [
    pytest.param("memory", marks=pytest.mark.full_size),
    pytest.param("embedded", marks=[pytest.mark.full_size, pytest.mark.long]),
]
"""Without JIT a search takes seconds, so most are done only with it."""
SIZE = (160, 120)
"""Width and height: just large enough for two dozen windows."""
WHOLE = (0, 0, 1, 1)
STORED = {f"picture {seed}": make_picture(seed, SIZE) for seed in range(4)}
PICTURE = STORED["picture 0"]
PLAIN = np.full((30, 30), 128, np.uint8)
PARTS = {
    "left half": (0, 0, 0.5, 1),
    "lower half": (0, 0.5, 1, 1),
    "middle": (0.1, 0.2, 0.9, 0.7),
    "quarter": (0.5, 0.5, 1, 1),
}
TURNED = [
    "rotate-90",
    "rotate-180",
    "mirror",
    "mirror-rotate-270",
    "invert",
    "mirror-rotate-90-invert",
]


def opened(kind, folder, **options):
    location = "memory://" if kind == "memory" else folder / "index.sig"
    return sigsearch.open(location, views="regions", **options)


def fill(index):
    for seed, (id, pixels) in enumerate(STORED.items()):
        index.add(pixels, id=id, path=f"{id}.png", metadata={"even": seed % 2 == 0})


@pytest.fixture(params=BACKENDS)
def index(request, tmp_path):
    """Empty."""
    with opened(request.param, tmp_path) as index:
        yield index


@pytest.fixture(scope="module", params=BACKENDS)
def filled(request, tmp_path_factory):
    """Of four pictures that have nothing to do with each other; only to be read."""
    with opened(request.param, tmp_path_factory.mktemp("filled")) as index:
        fill(index)
        yield index


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    with (
        opened("memory", None) as memory,
        opened("embedded", tmp_path_factory.mktemp("both")) as embedded,
    ):
        fill(memory)
        fill(embedded)
        yield memory, embedded


def cut(pixels, box):
    height, width = pixels.shape[:2]
    left, top, right, bottom = np.round(np.array(box) * (width, height, width, height)).astype(int)
    return np.ascontiguousarray(pixels[top:bottom, left:right])


def unturned(pixels, orientation):
    """What has to be turned as the name says to be these pixels."""
    name = ORIENTATIONS[ORIENTATIONS.index(orientation)]
    pixels = 255 - pixels if "invert" in name else pixels
    quarters = next((k for k in (1, 2, 3) if f"rotate-{90 * k}" in name), 0)
    pixels = np.rot90(pixels, -quarters)
    return np.ascontiguousarray(pixels[:, ::-1] if "mirror" in name else pixels)


def within(pixels, seed=50):
    """The picture at a place in a stranger of about twice its size, and the box of that place."""
    height, width = pixels.shape[:2]
    canvas = make_picture(seed, (330, 310))
    canvas[70 : 70 + height, 110 : 110 + width] = pixels
    return canvas, (110 / 330, 70 / 310, (110 + width) / 330, (70 + height) / 310)


def overlap(a, b):
    """Intersection over union."""
    a, b = np.array(a), np.array(b)
    sides = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    shared = np.maximum(sides, 0).prod()
    return shared / ((a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod() - shared)


def check(match, id, box, query_box, orientation="as-is"):
    assert match.id == id
    assert match.orientation == orientation
    assert match.distance < 0.2
    assert match.windows >= 2
    assert overlap(match.box, box) > 0.8
    assert overlap(match.query_box, query_box) > 0.8
    assert match.expected_false < 0.01


def jpeg(pixels, quality=60):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return file.getvalue()


# Finding


def test_a_half_of_a_picture_is_found_and_a_stranger_is_not():
    with opened("memory", None) as index:
        index.add(PICTURE, id="a")
        [match] = index.search(cut(PICTURE, PARTS["left half"]))
        check(match, "a", PARTS["left half"], WHOLE)
        assert index.search(STORED["picture 1"]) == []


@pytest.mark.parametrize("id", ["picture 0", "picture 3"])
@pytest.mark.parametrize("part", PARTS)
def test_a_part_of_a_picture_is_found_and_where_it_is_from(filled, id, part):
    [match] = filled.search(cut(STORED[id], PARTS[part]))
    check(match, id, PARTS[part], WHOLE)
    assert match.path == f"{id}.png"
    assert match.metadata == {"even": id == "picture 0"}


@pytest.mark.parametrize("part", ["left half", "middle"])
def test_a_part_that_is_enlarged_and_compressed_is_found(filled, part):
    crop = Image.fromarray(cut(PICTURE, PARTS[part]))
    enlarged = crop.resize((2 * crop.width, 2 * crop.height), Image.Resampling.BICUBIC)
    [match] = filled.search(jpeg(np.asarray(enlarged)))
    check(match, "picture 0", PARTS[part], WHOLE)


@pytest.mark.full_size
@pytest.mark.parametrize("id", ["picture 0", "picture 1"])
def test_a_picture_in_a_larger_one_is_found_and_where(filled, id):
    query, place = within(STORED[id])
    [match] = filled.search(query)
    check(match, id, WHOLE, place)


@pytest.mark.full_size
def test_several_pictures_in_a_larger_one_are_all_found(filled):
    gap = np.full((120, 20, 3), 230, np.uint8)
    query = np.concatenate([STORED["picture 1"], gap, STORED["picture 2"]], axis=1)
    first, second = sorted(filled.search(query), key=lambda match: match.id)
    check(first, "picture 1", WHOLE, (0, 0, 160 / 340, 1))
    check(second, "picture 2", WHOLE, (180 / 340, 0, 1, 1))


def test_a_copy_of_the_whole_is_found(filled):
    [match] = filled.search(jpeg(PICTURE))
    check(match, "picture 0", WHOLE, WHOLE)
    [match] = filled.search(PICTURE)
    assert match.distance < 0.1


@pytest.mark.full_size
@pytest.mark.parametrize("orientation", TURNED)
def test_a_turned_part_is_found_in_all_orientations_which_are_named(filled, orientation):
    box = PARTS["middle"]
    query = unturned(cut(PICTURE, box), orientation)
    [match] = filled.search(query, all_orientations=True)
    check(match, "picture 0", box, WHOLE, orientation)
    assert filled.search(query) == []


@pytest.mark.full_size
@pytest.mark.parametrize("orientation", TURNED)
def test_a_turned_picture_in_a_larger_one_is_found_at_its_place_in_the_query_as_given(filled, orientation):
    query, place = within(unturned(PICTURE, orientation))
    [match] = filled.search(query, all_orientations=True)
    check(match, "picture 0", WHOLE, place, orientation)


@pytest.mark.parametrize("seed", range(60, 63))
def test_a_stranger_is_not_found(filled, seed):
    assert filled.search(make_picture(seed, SIZE)) == []


@pytest.mark.full_size
@pytest.mark.parametrize("seed", range(70, 80))
def test_a_stranger_is_not_found_in_any_orientation_or_part(filled, seed):
    pixels = make_picture(seed, (320, 240))
    assert filled.search(pixels, all_orientations=True) == []
    assert filled.search(cut(pixels, PARTS["quarter"])) == []


def test_nothing_is_found_in_an_empty_index(index):
    assert index.search(PICTURE) == []


@pytest.mark.parametrize("shape", [(1, 1, 3), (5, 3, 3), (1, 2000, 3), (2000, 2)])
def test_a_tiny_or_very_long_query_raises_nothing(filled, shape):
    pixels = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FeaturelessWarning)
        assert all(match.windows is None for match in filled.search(pixels))


def test_a_picture_without_windows_is_found_by_the_whole(index):
    pixels = np.random.default_rng(5).integers(0, 256, (12, 14, 3)).astype(np.uint8)
    index.add(pixels, id="tiny")
    assert len(index.get("tiny").views) == 1
    [match] = index.search(pixels)
    assert (match.id, match.distance, match.windows) == ("tiny", 0.0, None)
    assert (match.box, match.query_box) == (WHOLE, WHOLE)


@pytest.mark.full_size
def test_a_picture_is_found_while_the_count_of_records_lags_behind(monkeypatch):
    pixels = np.random.default_rng(5).integers(0, 256, (12, 14, 3)).astype(np.uint8)
    with opened("memory", None) as index:
        index.add(pixels, id="tiny")
        monkeypatch.setattr(MemoryBackend, "count", lambda self, where=None: 0)
        assert [match.id for match in index.search(pixels)] == ["tiny"]


def test_a_query_without_features_warns_and_matches_nothing(filled):
    with pytest.warns(FeaturelessWarning, match="has no features") as caught:
        assert filled.search(PLAIN) == []
    assert caught[0].filename == __file__


# Both backends


@pytest.mark.full_size
@pytest.mark.parametrize("all_orientations", [False, True])
def test_backends_give_the_same_matches_to_the_last_bit(both, all_orientations):
    memory, embedded = both
    queries = [cut(PICTURE, box) for box in PARTS.values()]
    queries += [unturned(queries[0], "mirror"), within(PICTURE)[0], make_picture(90, SIZE)]
    options = {"all_orientations": all_orientations, "cutoff": 0.8}
    found = memory.search_many(queries, **options)
    assert embedded.search_many(queries, **options) == found
    assert sum(map(len, found)) >= 5


@pytest.mark.full_size
def test_backends_keep_the_same_views(both):
    expected = compute_views(PICTURE, scheme=Scheme(views="regions"))
    assert len(expected) > 20
    for index in both:
        check_same_views(index.get("picture 0").views, expected)


def check_same_views(found, expected):
    assert [view.box for view in found] == [view.box for view in expected]
    assert np.array_equal([view.signature for view in found], [view.signature for view in expected])


# What a search is told


@pytest.fixture(scope="module", params=BACKENDS)
def copies(request, tmp_path_factory):
    """A picture, its halves and a copy of it."""
    with opened(request.param, tmp_path_factory.mktemp("copies")) as index:
        index.add(PICTURE, id="whole", metadata={"kind": "whole"})
        index.add(jpeg(PICTURE), id="copy", metadata={"kind": "whole"})
        for name in ("left half", "lower half"):
            index.add(cut(PICTURE, PARTS[name]), id=name, metadata={"kind": "half"})
        yield index


def test_matches_are_sorted_and_a_limit_keeps_the_nearest(copies):
    matches = copies.search(PICTURE)
    assert {match.id for match in matches} == {"whole", "copy", "left half", "lower half"}
    assert [match.distance for match in matches] == sorted(match.distance for match in matches)
    assert copies.search(PICTURE, limit=None) == matches
    assert copies.search(PICTURE, limit=2) == matches[:2]


def test_only_records_that_a_filter_is_true_of_are_found(copies):
    found = copies.search(PICTURE, where={"kind": "half"})
    assert {match.id for match in found} == {"left half", "lower half"}
    assert copies.search(PICTURE, where={"kind": "none"}) == []


def test_matches_are_below_the_cutoff(copies):
    matches = copies.search(PICTURE)
    cutoff = matches[2].distance
    assert copies.search(PICTURE, cutoff=cutoff) == [m for m in matches if m.distance < cutoff]


def test_matches_that_chance_may_give_are_left_out_where_that_is_asked_for(copies):
    matches = copies.search(PICTURE)
    chances = sorted(match.expected_false for match in matches)
    assert copies.search(PICTURE, max_false=1) == matches
    kept = copies.search(PICTURE, max_false=chances[1])
    assert kept == [match for match in matches if match.expected_false <= chances[1]]
    assert copies.search(PICTURE, max_false=chances[0] / 2) == []


def test_chance_gives_as_many_more_as_there_are_more_records(copies):
    crop = cut(PICTURE, PARTS["middle"])
    all_of_them = {match.id: match for match in copies.search(crop)}
    [*halves] = copies.search(crop, where={"kind": "whole"})
    assert halves
    for match in halves:
        assert match.expected_false == pytest.approx(all_of_them[match.id].expected_false / 2, rel=0.01)


@pytest.mark.parametrize("effort", range(1, 6))
def test_a_part_is_found_at_any_effort(filled, effort):
    [match] = filled.search(cut(PICTURE, PARTS["left half"]), effort=effort)
    check(match, "picture 0", PARTS["left half"], WHOLE)
    assert filled.explain(cut(PICTURE, PARTS["left half"]), match.id, effort=effort).found


def test_several_pictures_are_searched_for_at_once(filled):
    queries = [cut(STORED["picture 1"], PARTS["left half"]), jpeg(PICTURE), make_picture(91, SIZE)]
    assert filled.search_many(queries) == [filled.search(query) for query in queries]
    assert filled.search_many([]) == []


@pytest.mark.parametrize("cutoff", [-0.1, 1.1, "0.4"])
def test_a_cutoff_out_of_its_range_is_refused(filled, cutoff):
    with pytest.raises(InputError, match="cutoff"):
        filled.search(PICTURE, cutoff=cutoff)


# Matches as JSON


def test_a_match_as_json_has_boxes_only_where_regions_matched(index):
    index.add(PICTURE, id="picture")
    pixels = np.random.default_rng(5).integers(0, 256, (12, 14, 3)).astype(np.uint8)
    index.add(pixels, id="tiny")
    usual = {"id", "distance", "path", "metadata", "orientation", "word_matches", "expected_false"}
    [tiny] = index.search(pixels)
    assert set(tiny.to_json()) == usual
    [match] = index.search(cut(PICTURE, PARTS["left half"]))
    told = match.to_json()
    assert set(told) == usual | {"box", "query_box", "windows"}
    assert told["box"] == list(match.box)
    assert told["query_box"] == list(match.query_box)
    assert told["windows"] == match.windows


# Ready signatures


def test_a_ready_signature_is_added_and_found_by_its_picture(index):
    index.add(signature=compute_signature(PICTURE), id="ready")
    index.add(Item(signature=compute_signature(STORED["picture 1"]), id="item"))
    assert len(index.get("ready").views) == 1
    [match] = index.search(PICTURE)
    assert (match.id, match.distance, match.windows) == ("ready", 0.0, None)
    assert index.search(cut(PICTURE, PARTS["left half"])) == []


def test_a_ready_signature_is_searched_for_in_all_views(filled):
    [match] = filled.search(compute_signature(PICTURE))
    assert (match.id, match.distance, match.box) == ("picture 0", 0.0, WHOLE)
    view = filled.get("picture 0").views[3]
    match = filled.search(view.signature)[0]
    assert (match.id, match.distance, match.box) == ("picture 0", 0.0, view.box)
    assert match.to_json()["box"] == list(view.box)
    with pytest.raises(InputError, match="pass the picture"):
        filled.search(view.signature, all_orientations=True)


def test_views_whose_boxes_have_no_size_or_lie_elsewhere_raise_nothing(index):
    whole, *windows = compute_views(PICTURE, scheme=Scheme(views="regions"))
    for number, box in enumerate([(0.5, 0.5, 0.5, 0.5), (0, 0, 1, 0), (0, 0, 1, 1), (0.2, 0.2, 0.3, 0.3)]):
        views = (whole, *(View(view.signature, Box(*box)) for view in windows))
        index.add(Record(f"odd {number}", views))
    index.add(Record("windows alone", tuple(windows)))
    index.add(PICTURE, id="sound")
    [*matches] = index.search(cut(PICTURE, PARTS["left half"]))
    assert matches[0].id == "sound"
    for match in (*matches, *index.search(PICTURE)):
        assert 0 <= match.distance < 0.45


# Adding and deleting


@pytest.fixture
def folder(tmp_path):
    """Three files, two of them of the same content."""
    folder = tmp_path / "folder"
    folder.mkdir()
    for name, seed in (("a", 0), ("b", 1), ("c", 0)):
        Image.fromarray(make_picture(seed, SIZE)).save(folder / f"{name}.png")
    return folder


@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.long)])
def test_many_pictures_are_added_with_the_views_of_one(index, folder, workers):
    report = index.add_many(folder, workers=workers)
    assert (report.added, report.failures) == (3, ())
    for name, seed in (("a", 0), ("b", 1), ("c", 0)):
        expected = compute_views(make_picture(seed, SIZE), scheme=Scheme(views="regions"))
        check_same_views(index.get(str(folder / f"{name}.png")).views, expected)


@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.long)])
def test_a_file_of_the_same_content_is_given_all_the_views_of_the_first(index, folder, workers):
    report = index.add_many(folder, workers=workers, once=True)
    assert (report.added, report.duplicates) == (3, 1)
    first, twin = (index.get(str(folder / f"{name}.png")) for name in "ac")
    assert len(first.views) > 20
    check_same_views(twin.views, first.views)
    found = index.search(cut(PICTURE, PARTS["left half"]))
    assert {match.id for match in found} == {first.id, twin.id}
    assert found[0].distance == found[1].distance


def test_an_index_is_copied_with_all_its_views(index, both):
    index.add_many(both[0].scan())
    assert index.count() == len(STORED)
    check_same_views(index.get("picture 0").views, both[0].get("picture 0").views)
    crop = cut(PICTURE, PARTS["left half"])
    assert index.search(crop) == both[0].search(crop)


def test_what_is_deleted_or_replaced_is_not_found(index):
    crop = cut(PICTURE, PARTS["left half"])
    index.add(PICTURE, id="a")
    index.add(PICTURE, id="b")
    assert [match.id for match in index.search(crop)] == ["a", "b"]
    assert index.delete("a") == 1
    assert [match.id for match in index.search(crop)] == ["b"]
    index.add(STORED["picture 1"], id="b", on_conflict="replace")
    assert index.search(crop) == []
    index.compact()
    assert index.search(crop) == []
    assert [match.id for match in index.search(STORED["picture 1"])] == ["b"]


# Opening


@pytest.mark.full_size
def test_an_index_of_regions_is_opened_again_without_being_told(tmp_path):
    crop = cut(PICTURE, PARTS["left half"])
    with opened("embedded", tmp_path) as index:
        index.add(PICTURE, id="a")
        expected = index.search(crop)
    with sigsearch.open(tmp_path / "index.sig") as index:
        assert index.scheme == Scheme(views="regions")
        assert index.search(crop) == expected
        index.add(STORED["picture 1"], id="b")
        assert len(index.get("b").views) > 20
    with opened("embedded", tmp_path, create=False) as index:
        assert index.count() == 2
    with sigsearch.open(tmp_path / "index.sig", scheme=Scheme(views="regions")) as index:
        assert index.count() == 2


@pytest.mark.full_size
def test_an_index_of_wholes_is_not_opened_as_one_of_regions_and_stays(tmp_path):
    with sigsearch.open(tmp_path / "index.sig") as index:
        index.add(PICTURE, id="a")
    with pytest.raises(SchemeMismatchError, match="wanted views='regions', found views='whole'"):
        opened("embedded", tmp_path)
    with sigsearch.open(tmp_path / "index.sig", views="whole") as index:
        assert index.scheme == Scheme()
        assert [match.id for match in index.search(PICTURE)] == ["a"]


def test_an_index_of_regions_is_not_opened_as_one_of_wholes(tmp_path):
    opened("embedded", tmp_path).close()
    for options in ({"views": "whole"}, {"scheme": Scheme()}):
        with pytest.raises(SchemeMismatchError, match=r"found views='regions'; .*Scheme\(views='regions'\)"):
            sigsearch.open(tmp_path / "index.sig", **options)


def test_views_take_the_place_of_the_schemes():
    with sigsearch.open("memory://", scheme=Scheme(word_length=12), views="regions") as index:
        assert index.scheme == Scheme(word_length=12, views="regions")


@pytest.mark.parametrize("views", ["whole", "regions"])
def test_who_asks_for_views_alone_is_given_the_words_that_the_index_has(tmp_path, views):
    made = Scheme(word_length=12, views=views, decode_side=400)
    sigsearch.open(tmp_path / "index.sig", scheme=made).close()
    with sigsearch.open(tmp_path / "index.sig", views=views) as index:
        assert index.scheme == made
    with pytest.raises(SchemeMismatchError, match="wanted word_length=10, found word_length=12"):
        sigsearch.open(tmp_path / "index.sig", scheme=Scheme(decode_side=400), views=views)


@pytest.mark.parametrize("kind", ["memory", "embedded"])
def test_a_backend_of_one_view_refuses_regions_in_a_line_and_makes_nothing(kind, tmp_path, monkeypatch):
    for backend in (MemoryBackend, LocalBackend):
        monkeypatch.setattr(backend, "capabilities", backend.capabilities - {Capability.VIEWS})
    for options in ({"views": "regions"}, {"scheme": Scheme(views="regions")}):
        location = "memory://" if kind == "memory" else tmp_path / "index.sig"
        with pytest.raises(
            InputError, match="keeps one view of a picture, so it can have no regions"
        ) as caught:
            sigsearch.open(location, **options)
        assert str(location) in str(caught.value)
        assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("views", ["x", "", None, 3, "Regions", ["regions"]])
def test_a_scheme_of_other_views_is_refused(views):
    with pytest.raises(InputError, match="views must be 'whole' or 'regions', not"):
        Scheme(views=views)
    if views is not None:
        with pytest.raises(InputError, match="views must be 'whole' or 'regions', not"):
            sigsearch.open("memory://", views=views)


def test_the_scheme_of_wholes_is_stored_as_before_there_were_regions():
    assert "views" not in Scheme().to_json()
    stored = Scheme(views="regions").to_json()
    assert stored["views"] == "regions"
    assert Scheme.from_json(stored) == Scheme(views="regions")
    assert Scheme.from_json(Scheme().to_json() | {"views": "whole"}) == Scheme()
    assert replace(Scheme(), views="regions").with_words_of(Scheme(word_length=12)).views == "regions"


# Explaining


def test_explain_says_that_a_part_is_found_and_how(filled):
    crop = cut(PICTURE, PARTS["left half"])
    said = filled.explain(crop, "picture 0")
    [match] = filled.search(crop)
    assert said.found
    assert said.advice == ()
    assert (said.distance, said.orientation) == (match.distance, match.orientation)


@pytest.mark.full_size
def test_explain_names_the_orientation_that_a_part_is_found_in(filled):
    crop = unturned(cut(PICTURE, PARTS["left half"]), "mirror")
    said = filled.explain(crop, "picture 0", all_orientations=True)
    assert said.found
    assert said.orientation == "mirror"
    [match] = filled.search(crop, all_orientations=True)
    said = filled.explain(crop, "picture 0")
    assert not said.found
    assert said.advice == (f"as mirror the distance is {match.distance:.4f}: search with all_orientations",)
    assert (said.best_orientation, said.best_distance) == ("mirror", match.distance)


def test_explain_advises_to_raise_the_limit(copies):
    crop = cut(PICTURE, PARTS["middle"])
    last = copies.search(crop)[-1]
    said = copies.explain(crop, last.id, limit=1)
    assert not said.found
    assert said.advice == ("too many records are nearer: raise limit above 1",)
    assert said.best_distance == last.distance


def test_explain_says_that_a_stranger_is_not_found(filled):
    said = filled.explain(make_picture(60, SIZE), "picture 0")
    assert not said.found
    assert said.distance > 0.45
    assert said.advice == ("too few of their windows agree below the cutoff",)


def test_explain_knows_the_filter_and_pictures_without_features(filled):
    said = filled.explain(PICTURE, "picture 0", where={"even": False})
    assert not said.found
    assert said.advice == ("the filter is not true of the record's metadata: change where",)
    said = filled.explain(PLAIN, "picture 0")
    assert not said.found
    assert "the query has no features" in said.advice[0]


def test_explain_takes_files_read_once_pictures_of_16_bits_and_signatures(filled):
    assert filled.explain(io.BytesIO(jpeg(PICTURE)), "picture 0").found
    deep = (PICTURE.astype(np.float64) @ (0.2125, 0.7154, 0.0721) * 257).astype(np.uint16)
    assert filled.explain(deep, "picture 0").found
    said = filled.explain(compute_signature(PICTURE), "picture 0")
    assert said.found
    assert said.distance == 0.0
