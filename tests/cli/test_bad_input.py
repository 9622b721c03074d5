"""Wrong input, line by line of the list in the first issue: one line, exit status 2, the index unchanged.

Of that list, a closed index cannot happen on the command line, and a bad file in `add` is in test_add.
"""

import sqlite3

import pytest

import sigsearch
from sigsearch.backend import PROTOCOL_VERSION, BackendInfo
from sigsearch.plugins import FoundBackend, Registry

READERS = {
    "search": ["search", "query.jpg"],
    "explain": ["explain", "query.jpg", "id"],
    "list": ["list"],
    "get": ["get", "id"],
    "delete": ["delete", "id"],
    "info": ["info"],
    "check": ["check"],
    "compact": ["compact"],
}


@pytest.fixture(params=["missing", "a folder", "empty", "text", "truncated"])
def bad_file(request, bad_files):
    return bad_files[request.param]


def test_a_query_that_cannot_be_read_is_one_line_and_exit_status_2(run, photos, bad_file):
    assert run("search", "--index", photos, bad_file).is_one_line_error(f"cannot read {bad_file}: ")
    assert run("explain", "--index", photos, bad_file, "pixabay").is_one_line_error(str(bad_file))


def test_a_picture_to_compare_that_cannot_be_read_is_one_line_and_exit_status_2(run, bad_file, mona_lisa):
    assert run("compare", mona_lisa, bad_file).is_one_line_error(f"cannot read {bad_file}: ")


@pytest.mark.parametrize("path", ["a\nb.jpg", "a\rb.jpg", "a\x1b[2Jb.jpg", "a\u2028b.jpg", "a\udcffb.jpg"])
def test_an_error_stays_one_line_whatever_is_in_the_path(run, photos, path):
    escaped = path.encode("unicode_escape").decode()
    assert run("search", "--index", photos, path).is_one_line_error(escaped)


@pytest.mark.parametrize("command", READERS)
def test_a_missing_index_is_one_line_and_nothing_is_made(run, tmp_path, command):
    result = run(*READERS[command], "--index", "none.sig")
    assert result.is_one_line_error("no index at none.sig", "sigsearch add --index none.sig")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_default_index_is_one_line_and_nothing_is_made(run, tmp_path):
    assert run("list").is_one_line_error("no index at ")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", [*READERS, "add"])
def test_an_unknown_location_scheme_is_one_line(run, command):
    arguments = READERS.get(command, ["add", "."])
    result = run(*arguments, "--index", "nowhere://host/name")
    assert result.is_one_line_error("no backend for nowhere://", "memory://")


def test_a_backend_whose_driver_is_missing_says_how_to_install_it(run, monkeypatch):
    def load():
        raise ModuleNotFoundError("No module named 'driver'")

    info = BackendInfo(
        name="far",
        schemes=("far",),
        summary="far away",
        load=load,
        install="pip install 'sigsearch[far]'",
        protocol=PROTOCOL_VERSION,
    )
    monkeypatch.setattr("sigsearch.plugins.discover", lambda: Registry((FoundBackend(info, "far 1"),), ()))
    result = run("list", "--index", "far://host/name")
    assert result.is_one_line_error("No module named 'driver'", "pip install 'sigsearch[far]'")


@pytest.mark.parametrize("command", [*READERS, "add"])
def test_an_index_made_with_another_scheme_is_one_line_and_unchanged(run, command, mona_lisa, count):
    other = sigsearch.Scheme(crop_percentiles=(10, 90))
    sigsearch.open("other.sig", scheme=other).close()
    arguments = READERS.get(command, ["add", mona_lisa])
    result = run(*arguments, "--index", "other.sig")
    assert result.is_one_line_error("other.sig was made with another scheme", "(10, 90)")
    with sigsearch.open("other.sig", scheme=other) as index:
        assert index.count() == 0


@pytest.mark.parametrize("cutoff", ["1.5", "-0.1", "nan", "inf"])
def test_a_cutoff_outside_0_to_1_is_one_line(run, photos, mona_lisa, cutoff):
    for command in (
        ["search", "--index", photos, mona_lisa],
        ["explain", "--index", photos, mona_lisa, "pixabay"],
        ["compare", mona_lisa, mona_lisa],
    ):
        assert run(*command, "--cutoff", cutoff).is_one_line_error("wanted a cutoff from 0 to 1, found")


def test_a_limit_below_1_is_one_line(run, photos, mona_lisa):
    assert run("search", "--index", photos, "--limit", "0", mona_lisa).is_one_line_error("limit")


def test_a_condition_that_is_none_is_one_line(run, photos, mona_lisa):
    result = run("search", "--index", photos, "--where", "=Louvre", mona_lisa)
    assert result.is_one_line_error("wanted a condition such as museum=Louvre")


def test_a_file_that_is_no_index_is_one_line_and_unchanged(run, tmp_path, mona_lisa):
    (tmp_path / "letter.txt").write_text("Dear Lisa")
    for command in (["list"], ["add", mona_lisa]):
        assert run(*command, "--index", "letter.txt").is_one_line_error("not a sigsearch index")
    assert (tmp_path / "letter.txt").read_text() == "Dear Lisa"


def test_a_database_of_another_program_is_one_line_and_unchanged(run, tmp_path, mona_lisa):
    with sqlite3.connect(tmp_path / "notes.sqlite") as database:
        database.execute("CREATE TABLE notes (text)")
    database.close()
    before = (tmp_path / "notes.sqlite").read_bytes()
    for command in (["list"], ["add", mona_lisa]):
        assert run(*command, "--index", "notes.sqlite").is_one_line_error("index, which is a folder")
    assert (tmp_path / "notes.sqlite").read_bytes() == before


def test_a_configuration_that_does_not_parse_is_one_line(run, tmp_path):
    (tmp_path / "sigsearch.toml").write_text("index = photos.sig\n")
    assert run("list").is_one_line_error("sigsearch.toml")


@pytest.mark.parametrize(
    ("arguments", "says", "help_of"),
    [
        (["search"], "missing argument 'IMAGE'", "sigsearch search"),
        (["add"], "missing argument 'PATH'", "sigsearch add"),
        (["explain", "query.jpg"], "missing argument 'ID'", "sigsearch explain"),
        (["compare", "a.jpg"], "missing argument 'B'", "sigsearch compare"),
        (["get"], "missing argument 'ID'", "sigsearch get"),
        (["search", "--nonsense", "query.jpg"], "no such option: --nonsense", "sigsearch search"),
        (["search", "query.jpg", "--cutoff", "abc"], "'--cutoff'", "sigsearch search"),
        (["search", "query.jpg", "--limit", "1.5"], "'--limit'", "sigsearch search"),
        (["search", "query.jpg", "--limit"], "--limit", "sigsearch"),
        (["info", "surplus"], "surplus", "sigsearch info"),
        (["serach", "query.jpg"], "no such command 'serach'", "sigsearch"),
        (["--nonsense"], "no such option: --nonsense", "sigsearch"),
    ],
)
def test_a_usage_error_is_one_line_that_points_to_the_help(run, arguments, says, help_of):
    assert run(*arguments).is_one_line_error(says, f"(try '{help_of} --help')")
