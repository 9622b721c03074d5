"""sigsearch search, explain and compare."""

import inspect
import json

import pytest
from PIL import Image, ImageOps

import sigsearch
from sigsearch.cli import search as commands
from sigsearch.cli.output import short

MONA_LISAS = 0.22095170140933634  # published with image-match


@pytest.fixture
def mirrored(tmp_path, mona_lisa):
    path = tmp_path / "mirrored.png"
    with Image.open(mona_lisa) as image:
        ImageOps.mirror(image).save(path)
    return path


@pytest.fixture
def flat(tmp_path):
    path = tmp_path / "flat.png"
    Image.new("RGB", (80, 60), "grey").save(path)
    return path


def test_the_defaults_are_those_of_the_library():
    typed = inspect.signature(commands.search).parameters
    library = inspect.signature(sigsearch.Index.search).parameters
    for name in ("cutoff", "limit", "all_orientations"):
        assert typed[name].default == library[name].default
    assert (typed["cutoff"].default, typed["limit"].default) == (0.45, 100)


def test_in_a_pipe_a_match_is_distance_orientation_and_path_in_a_line(
    run, photos, mona_lisa, other_mona_lisa
):
    result = run("search", "--index", photos, mona_lisa)
    assert (result.status, result.err) == (0, "")
    assert result.lines == [f"0.0000\tas-is\t{mona_lisa}", f"0.2210\tas-is\t{other_mona_lisa}"]


def test_of_several_queries_each_line_names_its_query_last(run, photos, mona_lisa, caravaggio):
    result = run("search", "--index", photos, "--limit", 1, mona_lisa, caravaggio)
    assert result.lines == [
        f"0.0000\tas-is\t{mona_lisa}\t{mona_lisa}",
        f"0.0000\tas-is\t{caravaggio}\t{caravaggio}",
    ]


def test_a_record_without_path_is_shown_by_its_id(run, mona_lisa):
    with sigsearch.open("new.sig") as index:
        index.add(mona_lisa.read_bytes(), id="lisa")
    assert run("search", "--index", "new.sig", mona_lisa).out == "0.0000\tas-is\tlisa\n"


def test_json_is_one_object_a_query_a_line_each(run, photos, mona_lisa, other_mona_lisa, caravaggio):
    result = run("search", "--index", photos, "--json", other_mona_lisa, caravaggio)
    first, second = map(json.loads, result.lines)
    assert list(first) == ["query", "matches"]
    assert (first["query"], second["query"]) == (str(other_mona_lisa), str(caravaggio))
    assert [match["id"] for match in first["matches"]] == ["pixabay", str(mona_lisa)]
    match = first["matches"][1]
    assert set(match) == {
        "id",
        "distance",
        "path",
        "metadata",
        "orientation",
        "word_matches",
        "expected_false",
    }
    assert 0 < match["expected_false"] < 1e-3
    assert match["distance"] == MONA_LISAS
    assert match["path"] == str(mona_lisa)
    assert match["metadata"] == {"painter": "Leonardo", "year": 1503}
    assert match["orientation"] == "as-is"
    assert [match["distance"] for match in second["matches"]] == [0.0]


def test_max_false_leaves_out_what_may_be_chance(run, photos, mona_lisa, other_mona_lisa):
    found = run("search", "--index", photos, "--json", mona_lisa)
    least, most = (match["expected_false"] for match in json.loads(found.out)["matches"])
    between = (least + most) / 2
    assert run("search", "--index", photos, "--max-false", between, mona_lisa).lines == [
        f"0.0000\tas-is\t{mona_lisa}"
    ]
    assert run("search", "--index", photos, "--max-false", least / 2, mona_lisa).status == 1


@pytest.mark.parametrize("max_false", ["0", "-1", "nan"])
def test_max_false_is_a_number_above_0(run, photos, mona_lisa, max_false):
    result = run("search", "--index", photos, f"--max-false={max_false}", mona_lisa)
    assert result.is_one_line_error("wanted max_false as a number above 0")


@pytest.mark.parametrize(
    ("expected", "text"),
    [(None, "unknown"), (3.2e-5, "3e-05"), (0.23, "0.2"), (1.0, "1"), (39.8, "40"), (12_345.0, "12,000")],
)
def test_expected_false_is_short(expected, text):
    assert short(expected) == text


def test_nothing_matched_is_exit_status_1(run, photos, mirrored):
    result = run("search", "--index", photos, mirrored)
    assert (result.status, result.out, result.err) == (1, "", "")
    result = run("search", "--index", photos, mirrored, "--json")
    assert (result.status, json.loads(result.out)) == (1, {"query": str(mirrored), "matches": []})


def test_all_orientations_finds_the_mirrored_copy_and_says_so(run, photos, mirrored, mona_lisa):
    result = run("search", "--index", photos, mirrored, "--all-orientations")
    assert result.status == 0
    assert result.lines[0] == f"0.0000\tmirror\t{mona_lisa}"


def test_the_cutoff_is_strict(run, photos, mona_lisa, other_mona_lisa):
    def found(cutoff):
        return len(run("search", "--index", photos, "--cutoff", cutoff, mona_lisa).lines)

    assert found(repr(MONA_LISAS)) == 1
    assert found("0.22095170140933637") == 2
    assert found("0") == 0
    assert found("1") == 3


def test_where_narrows_the_search(run, photos, mona_lisa):
    def found(*where):
        conditions = [part for condition in where for part in ("--where", condition)]
        return len(run("search", "--index", photos, mona_lisa, *conditions).lines)

    assert found("painter=Leonardo") == 2
    assert found("year=1503") == 2
    assert found("year<1600") == 1
    assert found("year<1600", "painter=Caravaggio") == 0


def test_a_query_without_features_is_a_note_in_one_line_and_matches_nothing(run, photos, flat):
    result = run("search", "--index", photos, flat)
    assert (result.status, result.out) == (1, "")
    assert result.err == f"sigsearch: {flat} has no features, so it matches nothing\n"


def test_one_query_that_cannot_be_read_does_not_stop_the_others(run, photos, mona_lisa, caravaggio):
    result = run("search", "--index", photos, "--json", mona_lisa, "nope.jpg", caravaggio)
    assert result.status == 2
    assert [json.loads(line)["query"] for line in result.lines] == [str(mona_lisa), str(caravaggio)]
    assert result.err == "sigsearch: cannot read nope.jpg: no such file\n"


def test_explain_says_that_a_record_is_found(run, photos, mona_lisa):
    result = run("explain", "--index", photos, mona_lisa, "pixabay")
    assert result.status == 0
    assert "record: pixabay" in result.lines
    assert "found: yes" in result.lines
    assert any(line.startswith("distance: 0.2210 as-is") for line in result.lines)


def test_explain_says_what_would_have_to_change(run, photos, mirrored, mona_lisa):
    result = run("explain", "--index", photos, mirrored, mona_lisa)
    assert result.status == 1
    assert "found: no" in result.lines
    assert "best of all orientations: 0.0000 mirror" in result.lines
    assert result.lines[-1].startswith("to find it: ")
    assert run("explain", "--index", photos, mirrored, mona_lisa, "--all-orientations").status == 0


def test_explain_as_json(run, photos, mona_lisa):
    told = json.loads(run("explain", "--index", photos, mona_lisa, "pixabay", "--json").out)
    assert (told["id"], told["found"], told["distance"]) == ("pixabay", True, MONA_LISAS)
    assert (told["cutoff"], told["limit"], told["word_count"]) == (0.45, 100, 80)


def test_explain_of_a_record_that_is_not_there_is_an_error(run, photos, mona_lisa):
    assert run("explain", "--index", photos, mona_lisa, "nobody").is_one_line_error("no record 'nobody'")


def test_compare_prints_every_digit_and_tells_a_copy_by_its_exit_status(
    run, mona_lisa, other_mona_lisa, caravaggio
):
    result = run("compare", mona_lisa, other_mona_lisa)
    assert (result.status, result.out) == (0, "0.22095170140933634 below the cutoff 0.45\n")
    result = run("compare", mona_lisa, caravaggio)
    assert result.status == 1
    assert result.out.endswith(" not below the cutoff 0.45\n")
    assert run("compare", mona_lisa, other_mona_lisa, "--cutoff", "0.22095170140933634").status == 1


def test_compare_as_json(run, mona_lisa, other_mona_lisa):
    result = run("compare", mona_lisa, other_mona_lisa, "--json")
    assert json.loads(result.out) == {"distance": MONA_LISAS, "cutoff": 0.45, "below": True}


def test_compare_of_pictures_without_features_is_distance_1(run, flat):
    result = run("compare", flat, flat)
    assert (result.status, result.out) == (1, "1.0 not below the cutoff 0.45\n")
