"""sigsearch add."""

import io
import json
import shutil
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
from PIL import Image

import sigsearch


def stored(location):
    with sigsearch.open(location, create=False) as index:
        return {record.id: record for record in index.scan()}


@pytest.fixture
def tree(tmp_path, mona_lisa, caravaggio):
    """A folder with a picture, one a level below, and a file that is none."""
    folder = tmp_path / "tree"
    (folder / "below").mkdir(parents=True)
    shutil.copy(mona_lisa, folder / "mona.jpg")
    shutil.copy(caravaggio, folder / "below" / "supper.JPG")
    (folder / "letter.txt").write_text("Dear Lisa")
    return folder


@pytest.fixture
def typed(monkeypatch):
    """Standard input with these bytes."""

    def typed(data):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))

    return typed


def test_files_go_in_under_their_absolute_path(run, mona_lisa, caravaggio):
    result = run("add", "--index", "new.sig", mona_lisa, caravaggio)
    assert (result.status, result.out, result.err) == (0, "2 added\n", "")
    assert set(stored("new.sig")) == {str(mona_lisa), str(caravaggio)}


def test_a_folder_goes_in_with_all_below_it(run, tree):
    result = run("add", "--index", "new.sig", tree)
    assert (result.status, result.out) == (0, "2 added\n")
    assert set(stored("new.sig")) == {str(tree / "mona.jpg"), str(tree / "below" / "supper.JPG")}


def test_a_second_add_skips_what_is_there(run, photos, mona_lisa, tree):
    result = run("add", "--index", photos, mona_lisa, tree)
    assert (result.status, result.out) == (0, "2 added, 1 already there\n")


def test_replace_puts_the_new_metadata_in_the_place_of_the_old(run, photos, mona_lisa):
    result = run("add", "--index", photos, mona_lisa, "--replace", "--metadata", '{"museum": "Louvre"}')
    assert (result.status, result.out) == (0, "0 added, 1 replaced\n")
    assert stored(photos)[str(mona_lisa)].metadata == {"museum": "Louvre"}


def test_metadata_is_kept_with_every_picture_of_files_folders_and_lists(run, tree, typed, other_mona_lisa):
    typed(f"{other_mona_lisa}\n".encode())
    assert run("add", "--index", "new.sig", tree, "-", "--metadata", '["any", "JSON"]').status == 0
    assert [record.metadata for record in stored("new.sig").values()] == [["any", "JSON"]] * 3


def test_a_dash_reads_paths_and_folders_from_standard_input_and_passes_over_blank_lines(
    run, typed, tree, mona_lisa
):
    typed(f"\n{mona_lisa}\n  \n{tree}\r\n\n".encode())
    result = run("add", "--index", "new.sig", "-")
    assert (result.status, result.out) == (0, "3 added\n")


def test_a_path_on_standard_input_that_is_not_unicode_is_a_failure_in_one_line(run, typed, mona_lisa):
    typed(b"bad\xff.jpg\n" + bytes(mona_lisa))
    result = run("add", "--index", "new.sig", "-")
    assert (result.status, result.out) == (2, "1 added, 1 failed\n")
    assert result.err.startswith("sigsearch: bad\\udcff.jpg: the path ")
    assert result.err.endswith("is not valid Unicode; give an id and a path\n")


def test_a_url_goes_in_under_its_address(run, mona_lisa):
    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=mona_lisa.parent)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}/{mona_lisa.name}"
        refused = run("add", "--index", "new.sig", url)
        result = run("add", "--index", "new.sig", url, url + ".gone", "--allow-private", "--retry-failed")
        server.shutdown()
        thread.join()
    assert refused.status == 2
    assert "127.0.0.1 is not a public address" in refused.err
    assert "--allow-private" in refused.err
    assert (result.status, result.out) == (2, "1 added, 1 failed\n")
    assert result.err.startswith(f"sigsearch: {url}.gone: ")
    assert list(stored("new.sig")) == [url]


def test_failures_are_told_at_the_end_a_line_each_and_the_others_go_in(run, bad_files, mona_lisa):
    broken = [path for what, path in bad_files.items() if what != "a folder"]
    result = run("add", "--index", "new.sig", *broken, mona_lisa)
    assert (result.status, result.out) == (2, "1 added, 4 failed\n")
    lines = result.err.splitlines()
    assert [line.split(": ")[:2] for line in lines] == [["sigsearch", str(path)] for path in broken]
    assert list(stored("new.sig")) == [str(mona_lisa)]


def test_a_picture_without_features_is_mentioned(run, tmp_path):
    Image.new("RGB", (80, 60), "grey").save(tmp_path / "flat.png")
    result = run("add", "--index", "new.sig", "flat.png")
    assert result.status == 0
    assert result.out == "1 added; 1 without features will match nothing\n"


def test_json_is_the_report_in_one_object(run, photos, mona_lisa, tree):
    result = run("add", "--index", photos, mona_lisa, tree, "nope.jpg", "--json")
    assert result.status == 2
    assert json.loads(result.out) == {
        "added": 2,
        "replaced": 0,
        "skipped": 1,
        "failures": [{"source": "nope.jpg", "reason": "no such file"}],
        "featureless": 0,
        "failed_before": 0,
        "duplicates": 0,
        "vanished": [],
        "pruned": 0,
        "seconds": pytest.approx(30, abs=30),
    }


@pytest.mark.parametrize("metadata", ["{bad", "", "NaN", '{"a": Infinity}', "[" * 100_000, '"\\ud800"'])
def test_metadata_that_is_not_json_is_refused_before_the_index_is_made(run, tmp_path, mona_lisa, metadata):
    result = run("add", "--index", "new.sig", "--metadata", metadata, mona_lisa)
    assert result.is_one_line_error("wanted metadata that is JSON")
    assert not (tmp_path / "new.sig").exists()


def test_without_index_the_configured_one_is_used(run, tmp_path, mona_lisa):
    (tmp_path / "sigsearch.toml").write_text('index = "mine.sig"\n')
    assert run("add", mona_lisa).status == 0
    assert list(stored("mine.sig")) == [str(mona_lisa)]
