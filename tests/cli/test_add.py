"""sigsearch add."""

import io
import json
import os
import shutil
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest
from odd_pictures import picture
from PIL import Image

import sigsearch
from sigsearch.cli import add


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


# The journal


@pytest.fixture
def bad(tmp_path):
    """A folder with a good picture and a bad one."""
    folder = tmp_path / "bad folder"
    folder.mkdir()
    (folder / "good.png").write_bytes(picture(1))
    (folder / "bad.jpg").write_text("no picture")
    return folder


def journal(path):
    return [json.loads(line)["source"] for line in path.read_text().splitlines()]


def test_failures_are_kept_beside_the_index_told_again_and_not_tried_again(run, bad, tmp_path):
    kept = tmp_path / "new.sig.failures.jsonl"
    first = run("add", "--index", "new.sig", bad)
    assert (first.status, first.out) == (2, "1 added, 1 failed\n")
    assert journal(kept) == [str(bad / "bad.jpg")]
    again = run("add", "--index", "new.sig/", bad)
    assert (again.status, again.out) == (2, "0 added, 1 already there, 1 failed\n")
    assert again.err == first.err + (
        "sigsearch: 1 of these failed before and were not tried; --retry-failed does\n"
    )
    (bad / "bad.jpg").write_bytes(picture(2))
    assert run("add", "--index", "new.sig", bad).out == "1 added, 1 already there\n"
    assert not kept.exists()


def test_retry_failed_without_path_tries_these_and_nothing_else(run, bad, tmp_path):
    run("add", "--index", "new.sig", bad)
    (bad / "more.png").write_bytes(picture(3))
    result = run("add", "--index", "new.sig", "--retry-failed")
    assert (result.status, result.out) == (2, "0 added, 1 failed\n")
    assert "--retry-failed" not in result.err
    (bad / "bad.jpg").write_bytes(picture(2))
    result = run("add", "--index", "new.sig", "--retry-failed")
    assert (result.status, result.out, result.err) == (0, "1 added\n", "")
    assert not (tmp_path / "new.sig.failures.jsonl").exists()
    assert run("add", "--index", "new.sig", "--retry-failed").out == "0 added\n"
    assert set(stored("new.sig")) == {str(bad / "good.png"), str(bad / "bad.jpg")}


def test_a_path_is_wanted_unless_failures_are_tried_again(run):
    assert run("add", "--index", "new.sig").is_one_line_error("missing argument 'PATH', or --retry-failed")


def test_the_journal_can_be_elsewhere_or_nowhere(run, bad, tmp_path):
    result = run("add", "--index", "new.sig", "--journal", "mine.jsonl", bad)
    assert result.status == 2
    assert journal(tmp_path / "mine.jsonl") == [str(bad / "bad.jpg")]
    for _ in range(2):
        result = run("add", "--index", "new.sig", "--journal", "-", bad)
        assert (result.status, "failed before" in result.err) == (2, False)
    assert not (tmp_path / "new.sig.failures.jsonl").exists()
    assert not (tmp_path / "-").exists()


def test_a_journal_that_cannot_be_written_is_an_error_in_one_line(run, bad):
    result = run("add", "--index", "new.sig", "--journal", "none/mine.jsonl", bad)
    assert result.is_one_line_error("the journal of failures none/mine.jsonl cannot be written")


def test_the_journal_is_in_the_state_folder_if_beside_the_index_nothing_may_be_written(
    run, bad, tmp_path, monkeypatch
):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    access = os.access
    monkeypatch.setattr(
        os, "access", lambda path, mode, **o: path != str(tmp_path) and access(path, mode, **o)
    )
    assert run("add", "--index", "new.sig", bad).status == 2
    [kept] = (tmp_path / "state").rglob("*.failures.jsonl")
    assert journal(kept) == [str(bad / "bad.jpg")]
    assert "1 of these failed before" in run("add", "--index", tmp_path / "new.sig", bad).err


def test_of_many_failures_the_first_are_told_and_the_journal_has_all(run, tmp_path):
    names = [f"none {k}.jpg" for k in range(60)]
    result = run("add", "--index", "new.sig", *names)
    lines = result.err.splitlines()
    assert [line.split(": ")[1] for line in lines[:50]] == names[:50]
    [last] = lines[50:]
    kept = tmp_path / "new.sig.failures.jsonl"
    assert last == f"sigsearch: and 10 more; all of them and why are in {kept}"
    assert sorted(journal(kept)) == sorted(str(tmp_path / name) for name in names)
    assert len(run("add", "--index", "new.sig", "--journal", "-", *names).err.splitlines()) == 60


# Files that change or vanish


def test_a_changed_file_is_replaced_and_a_touched_one_is_not(run, bad):
    (bad / "bad.jpg").unlink()
    (bad / "other.png").write_bytes(picture(2))
    run("add", "--index", "new.sig", "--metadata", '{"a": 1}', bad)
    (bad / "good.png").write_bytes(picture(3))
    (bad / "other.png").touch()
    assert run("add", "--index", "new.sig", bad).out == "0 added, 1 replaced, 1 already there\n"
    records = stored("new.sig")
    assert [record.metadata for record in records.values()] == [{"a": 1}] * 2
    made = sigsearch.compute_signature(picture(3))
    assert (records[str(bad / "good.png")].views[0].signature == made).all()


def test_vanished_files_are_told_and_pruned_if_wanted(run, bad):
    (bad / "bad.jpg").unlink()
    for k in range(3):
        (bad / f"{k}.png").write_bytes(picture(k))
    run("add", "--index", "new.sig", bad)
    (bad / "0.png").unlink()
    result = run("add", "--index", "new.sig", bad)
    assert (result.status, result.out) == (0, "0 added, 3 already there, 1 vanished\n")
    assert result.err == f"sigsearch: {bad / '0.png'} is no longer there; --prune deletes such records\n"
    (bad / "1.png").unlink()
    assert f"{bad / '0.png'} and 1 more are no longer there" in run("add", "--index", "new.sig", bad).err
    result = run("add", "--index", "new.sig", "--prune", bad)
    assert (result.status, result.out, result.err) == (0, "0 added, 2 already there, 2 pruned\n", "")
    assert set(stored("new.sig")) == {str(bad / "2.png"), str(bad / "good.png")}


def test_an_empty_folder_prunes_nothing_and_says_so(run, bad):
    run("add", "--index", "new.sig", bad)
    shutil.rmtree(bad)
    bad.mkdir()
    result = run("add", "--index", "new.sig", "--prune", bad)
    assert (result.status, result.out) == (0, "0 added, 1 vanished\n")
    assert result.err == "sigsearch: 1 records were not deleted: no picture at all is found where they were\n"
    assert set(stored("new.sig")) == {str(bad / "good.png")}


def test_standard_input_is_read_only_so_far_ahead(run, monkeypatch):
    monkeypatch.setattr("sigsearch.cli.add._AHEAD", 10)
    read = 0

    class Lines:
        def __iter__(self):
            nonlocal read
            for k in range(5000):
                read += 1
                yield f"none {k}.jpg\n".encode()

    ahead = []
    given = add._given

    def counted(paths, metadata):
        for k, path in enumerate(given(paths, metadata)):
            ahead.append(read - k)
            yield path

    monkeypatch.setattr(add, "_given", counted)
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=Lines()))
    result = run("add", "--index", "new.sig", "-", "--journal", "-")
    assert result.out == "0 added, 5,000 failed\n"
    assert max(ahead) < 50


def views_of(location):
    with sigsearch.open(location, create=False) as index:
        return index.scheme.views


def test_views_says_what_a_new_index_signs(run, mona_lisa):
    for given, views in ((["--views", "regions"], "regions"), (["--views", "whole"], "whole"), ([], "whole")):
        location = f"{len(given)}-{views}.sig"
        assert run("add", "--index", location, *given, mona_lisa).status == 0
        assert views_of(location) == views


def test_views_of_an_index_that_exists_need_not_be_said(run, mona_lisa, caravaggio):
    assert run("add", "--index", "new.sig", "--views", "regions", mona_lisa).status == 0
    assert run("add", "--index", "new.sig", caravaggio).status == 0
    assert (
        run("add", "--index", "new.sig", "--views", "regions", caravaggio).out == "0 added, 1 already there\n"
    )
    with sigsearch.open("new.sig") as index:
        assert all(len(record.views) > 1 for record in index.scan())


@pytest.mark.parametrize(("made", "asked"), [("regions", "whole"), ("whole", "regions")])
def test_other_views_than_those_of_the_index_are_an_error_and_change_nothing(
    run, mona_lisa, caravaggio, tmp_path, made, asked
):
    def contents():
        return {path.name: path.read_bytes() for path in (tmp_path / "new.sig").rglob("*") if path.is_file()}

    run("add", "--index", "new.sig", "--views", made, mona_lisa)
    before = contents()
    result = run("add", "--index", "new.sig", "--views", asked, caravaggio)
    assert result.is_one_line_error(
        "new.sig was made with another scheme", f"wanted views='{asked}'", f"found views='{made}'"
    )
    assert contents() == before


def test_views_go_with_decode_side(run, mona_lisa):
    assert run("add", "--index", "new.sig", "--views", "regions", "--decode-side", 400, mona_lisa).status == 0
    with sigsearch.open("new.sig") as index:
        assert (index.scheme.views, index.scheme.decode_side) == ("regions", 400)


def test_views_that_do_not_exist_are_an_error_and_make_no_index(run, mona_lisa, tmp_path):
    result = run("add", "--index", "new.sig", "--views", "half", mona_lisa)
    assert result.is_one_line_error("--views", "'half'", "whole", "regions")
    assert not (tmp_path / "new.sig").exists()


def test_a_configuration_file_may_say_the_views(run, mona_lisa, tmp_path):
    (tmp_path / "sigsearch.toml").write_text(
        'index = "new.sig"\n[scheme]\nviews = "regions"\nword_length = 12\n'
    )
    assert run("add", mona_lisa).status == 0
    with sigsearch.open("new.sig", scheme=sigsearch.Scheme(views="regions", word_length=12)) as index:
        assert len(index.get(str(mona_lisa)).views) > 1


def test_what_is_typed_goes_before_the_views_of_the_configuration_file(run, mona_lisa, tmp_path):
    (tmp_path / "sigsearch.toml").write_text('index = "new.sig"\n[scheme]\nviews = "regions"\n')
    assert run("add", "--views", "whole", mona_lisa).status == 0
    assert views_of(tmp_path / "new.sig") == "whole"


def test_views_in_a_configuration_file_that_do_not_exist_are_an_error(run, mona_lisa, tmp_path):
    (tmp_path / "sigsearch.toml").write_text('index = "new.sig"\n[scheme]\nviews = "half"\n')
    assert run("add", mona_lisa).is_one_line_error("sigsearch.toml, scheme", "'whole' or 'regions'", "'half'")
