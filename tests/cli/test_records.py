"""sigsearch list, get, delete, info and backends."""

import json

from PIL import Image

import sigsearch
from sigsearch.backend import PROTOCOL_VERSION, BackendInfo
from sigsearch.plugins import BrokenPlugin, FoundBackend, Registry


def test_list_is_a_line_a_record_with_the_path_if_it_is_not_the_id(
    run, photos, mona_lisa, other_mona_lisa, caravaggio
):
    result = run("list", "--index", photos)
    assert result.status == 0
    assert sorted(result.lines) == sorted([str(mona_lisa), f"pixabay\t{other_mona_lisa}", str(caravaggio)])


def test_list_marks_pictures_without_features_in_the_third_column(run):
    with sigsearch.open("new.sig") as index:
        index.add(Image.new("L", (40, 40)), id="flat")
    assert run("list", "--index", "new.sig").out == "flat\t\tfeatureless\n"


def test_list_with_where_lists_those_it_is_true_of(run, photos, caravaggio):
    assert run("list", "--index", photos, "--where", "museum.city=London").out == f"{caravaggio}\n"
    result = run("list", "--index", photos, "--where", "museum.city=Paris")
    assert (result.status, result.out) == (1, "")


def test_list_as_json_is_an_object_a_line(run, photos):
    records = [json.loads(line) for line in run("list", "--index", photos, "--json").lines]
    assert {record["metadata"]["painter"] for record in records} == {"Leonardo", "Caravaggio"}
    assert all(record["featureless"] is False for record in records)


def test_an_id_with_a_line_end_stays_in_its_line(run, mona_lisa):
    with sigsearch.open("new.sig") as index:
        index.add(mona_lisa, id="two\nlines\x1b[31m\u2028")
    assert run("list", "--index", "new.sig").out == f"two\\nlines\\x1b[31m\\u2028\t{mona_lisa}\n"


def test_get_writes_records_as_json_lines(run, photos, mona_lisa, other_mona_lisa):
    result = run("get", "--index", photos, "pixabay", mona_lisa)
    first, second = map(json.loads, result.lines)
    assert result.status == 0
    assert (first["id"], first["path"]) == ("pixabay", str(other_mona_lisa))
    assert second["metadata"] == {"painter": "Leonardo", "year": 1503}


def test_get_names_a_record_that_is_missing_and_writes_the_others(run, photos):
    result = run("get", "--index", photos, "nobody", "pixabay")
    assert result.status == 1
    assert json.loads(result.out)["id"] == "pixabay"
    assert result.err.startswith("sigsearch: no record 'nobody' in ")
    assert result.err.count("\n") == 1


def test_delete_says_how_many(run, photos, count):
    result = run("delete", "--index", photos, "pixabay", "nobody")
    assert (result.status, result.out, result.err) == (0, "1 deleted\n", "")
    assert count() == 2


def test_delete_of_nothing_is_exit_status_1(run, photos, count):
    result = run("delete", "--index", photos, "nobody")
    assert (result.status, result.out) == (1, "0 deleted\n")
    assert count() == 3


def test_info_says_where_and_how_many(run, photos):
    result = run("info", "--index", photos)
    assert result.status == 0
    assert f"location: {photos}" in result.lines
    assert "records: 3" in result.lines
    facts = json.loads(run("info", "--index", photos, "--json").out)
    assert (facts["location"], facts["records"], facts["scheme"]["word_count"]) == (str(photos), 3, 80)


def test_backends_lists_those_that_are_installed(run):
    result = run("backends")
    assert result.status == 0
    rows = [line.split("\t") for line in result.lines]
    assert [row[:2] for row in rows if row[0] in ("local", "memory")] == [
        ["local", "file"],
        ["memory", "memory"],
    ]
    assert all(len(row) == 4 for row in rows)


def test_backends_tells_of_a_broken_plugin_and_why(run, monkeypatch):
    info = BackendInfo(
        name="fine", schemes=("a", "b"), summary="good", load=dict, install="", protocol=PROTOCOL_VERSION
    )
    registry = Registry(
        (FoundBackend(info, "fine 1.0"),), (BrokenPlugin("odd", "odd 2.0", "SyntaxError: x"),)
    )
    monkeypatch.setattr("sigsearch.plugins.discover", lambda: registry)
    assert run("backends").lines == ["fine\ta, b\tfine 1.0\tgood", "odd\t-\todd 2.0\tbroken: SyntaxError: x"]
    assert json.loads(run("backends", "--json").out) == {
        "backends": [{"name": "fine", "schemes": ["a", "b"], "distribution": "fine 1.0", "summary": "good"}],
        "broken": [{"name": "odd", "distribution": "odd 2.0", "reason": "SyntaxError: x"}],
    }
