"""The embedded backend against the conformance suite, and its own: other files, crashes, processes."""

import errno
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pytest
from sigsearch_local import catalogue, leaves
from sigsearch_local.backend import FOLDER_NAME, LocalBackend
from sigsearch_local.files import SignatureFiles

import sigsearch
from sigsearch.backend import Outcome
from sigsearch.errors import (
    FormatVersionError,
    IndexNotFoundError,
    InputError,
    NotAnIndexError,
    SchemeMismatchError,
    StorageError,
)
from sigsearch.scheme import DEFAULT_SCHEME
from sigsearch.testing import BackendConformance
from sigsearch.testing.samples import check_same, make_record, make_records, make_signature


class TestLocalBackend(BackendConformance):
    @pytest.fixture
    def location(self, tmp_path):
        return str(tmp_path / "index.sig")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "index.sig"


@pytest.fixture
def open_local(path):
    """Open the backend at the path; all that was opened is closed at the end."""
    opened = []

    def open_local(create=True, at=path):
        opened.append(LocalBackend.open(str(at), scheme=DEFAULT_SCHEME, create=create, options={}))
        return opened[-1]

    yield open_local
    for backend in opened:
        backend.close()


@pytest.fixture
def filled(path, open_local):
    """The path of a closed index with 60 records."""
    backend = open_local()
    backend.add(make_records(60), replace=False)
    backend.close()
    return path


def contents(folder):
    """All files of a folder and below, with what is in them."""
    return {file.relative_to(folder): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@contextmanager
def left_as_it_is(folder):
    """Fail unless all files of a folder are, byte for byte, what they were."""
    before = contents(folder)
    yield
    after = contents(folder)
    assert {name: len(data) for name, data in after.items()} == {n: len(d) for n, d in before.items()}
    assert after == before


# Where the index is


def test_an_index_in_a_folder_of_other_things_has_a_folder_of_its_own(tmp_path):
    (tmp_path / "photo.jpg").write_bytes(b"a photo")
    with sigsearch.open(tmp_path) as index:
        index.add(id="a", signature=make_signature(1))
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted([FOLDER_NAME, "photo.jpg"])
    with sigsearch.open(tmp_path / FOLDER_NAME, create=False) as index:
        assert index.count() == 1


def test_an_empty_folder_becomes_an_index(path):
    path.mkdir()
    with pytest.raises(IndexNotFoundError, match=r"index\.sig"):
        sigsearch.open(path, create=False)
    assert list(path.iterdir()) == []
    with sigsearch.open(path) as index:
        assert index.count() == 0
    assert (path / catalogue.NAME).is_file()


@pytest.mark.parametrize("form", ["file://{}", "FILE://{}"])
def test_a_file_url_is_a_path(tmp_path, form):
    url = (tmp_path / "a b.sig").as_uri().removeprefix("file://")
    with sigsearch.open(form.format(url)):
        assert (tmp_path / "a b.sig").is_dir()


@pytest.mark.parametrize("parent", ["missing", "missing/too", "file"])
def test_no_folder_is_made_for_an_index(tmp_path, parent):
    (tmp_path / "file").write_text("not a folder")
    with left_as_it_is(tmp_path), pytest.raises(IndexNotFoundError, match="there is no folder"):
        sigsearch.open(tmp_path / parent / "index.sig")
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("threads", [0, -1, 1.5, "2", True])
def test_threads_are_a_whole_number_of_at_least_one(path, threads):
    with pytest.raises(InputError, match="wanted threads as a whole number of at least 1"):
        sigsearch.open(path, threads=threads)
    assert not path.exists()


# What is there is not an index of ours


@pytest.mark.parametrize("create", [True, False])
@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"Dear diary", id="text"),
        pytest.param(b"SQLite format 3, a book", id="text that begins as a database does"),
        pytest.param(bytes(10_000), id="zeros"),
    ],
)
def test_another_file_is_refused_and_left_as_it_is(path, content, inside, create):
    if inside:
        path.mkdir()
        (path / catalogue.NAME).write_bytes(content)
    else:
        path.write_bytes(content)
    with left_as_it_is(path.parent), pytest.raises(NotAnIndexError, match=r"index\.sig.* is not a sigsearch"):
        sigsearch.open(path, create=create)


def test_an_empty_file_is_no_index_and_left_as_it_is(path):
    path.touch()
    with left_as_it_is(path.parent), pytest.raises(NotAnIndexError, match="which is a folder"):
        sigsearch.open(path)


def test_a_jpeg_is_refused_and_left_as_it_is(path, mona_lisa):
    shutil.copy(mona_lisa, path)
    with left_as_it_is(path.parent), pytest.raises(NotAnIndexError):
        sigsearch.open(path)


@pytest.mark.parametrize("journal", ["DELETE", "WAL"])
def test_another_programs_database_is_refused_and_left_as_it_is(path, journal):
    path.mkdir()
    with closing(sqlite3.connect(path / catalogue.NAME)) as database:
        database.execute(f"PRAGMA journal_mode = {journal}")
        database.execute("CREATE TABLE records (id TEXT)")
        database.commit()
    with left_as_it_is(path), pytest.raises(NotAnIndexError, match="another program's database"):
        sigsearch.open(path)


def test_the_log_of_another_programs_crash_is_left_for_it_to_recover(tmp_path):
    """SQLite would move the log into the database and delete it, as whoever opens it does."""
    crashed = tmp_path / "crashed"
    crashed.mkdir()
    name = catalogue.NAME
    with closing(sqlite3.connect(tmp_path / name, isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("CREATE TABLE precious (thing TEXT)")
        for file in (name, f"{name}-wal"):
            shutil.copy(tmp_path / file, crashed)
    with left_as_it_is(crashed), pytest.raises(NotAnIndexError):
        sigsearch.open(crashed)


def test_the_mark_of_an_index_stands_in_the_file_as_soon_as_it_is_made(path, open_local):
    open_local()
    assert (path / catalogue.NAME).read_bytes()[68:72] == b"SIGS"


def test_a_newer_format_is_refused_with_both_named_and_left_as_it_is(filled):
    with closing(sqlite3.connect(filled / catalogue.NAME)) as database:
        database.execute(f"PRAGMA user_version = {catalogue.FORMAT_VERSION + 1}")
    with left_as_it_is(filled), pytest.raises(FormatVersionError, match=r"has format version 3, .* reads 2"):
        sigsearch.open(filled)


def test_the_first_format_which_was_a_file_is_refused_and_left_as_it_is(path):
    with closing(sqlite3.connect(path)) as database:
        database.execute(f"PRAGMA application_id = {catalogue.APPLICATION_ID}")
        database.execute("CREATE TABLE records (id TEXT)")
    with (
        left_as_it_is(path.parent),
        pytest.raises(FormatVersionError, match=r"has format version 1, .* reads 2"),
    ):
        sigsearch.open(path)


def test_an_index_of_another_scheme_is_refused_with_both_named(path):
    with sigsearch.open(path, scheme=sigsearch.Scheme(word_length=12)) as index:
        index.add(id="a", signature=make_signature(1))
    with left_as_it_is(path.parent), pytest.raises(SchemeMismatchError) as caught:
        sigsearch.open(path, scheme=sigsearch.Scheme())
    assert "wanted word_length=10, found word_length=12" in str(caught.value)
    assert "\n" not in str(caught.value)
    with sigsearch.open(path, scheme=sigsearch.Scheme(word_length=12)) as index:
        assert index.count() == 1


@pytest.fixture
def readonly_folder():
    """A folder with an index, where this process may not write; root becomes somebody else meanwhile."""
    if not hasattr(os, "geteuid"):
        pytest.skip("this system has no read-only folders to speak of")
    user = os.geteuid()
    # Not below tmp_path, which nobody but its owner may enter.
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with sigsearch.open(folder / "index.sig") as index:
            index.add(id="a", signature=make_signature(1))
            # Whoever root becomes may not be able to read what is installed: what is needed is loaded now.
            index.search(make_signature(1))
            assert index.check() == []
        for each in (folder, folder / "index.sig"):
            each.chmod(0o555)
        if user == 0:
            os.seteuid(65534)
        try:
            yield folder
        finally:
            if user == 0:
                os.seteuid(user)
            for each in (folder, folder / "index.sig"):
                each.chmod(0o755)


def test_an_index_that_may_not_be_written_can_be_searched(readonly_folder):
    # Not by sigsearch.open, which reads what is installed.
    def open_local(name):
        return LocalBackend.open(str(readonly_folder / name), scheme=DEFAULT_SCHEME, create=True, options={})

    with left_as_it_is(readonly_folder), pytest.raises(StorageError, match=r"new\.sig"):
        open_local("new.sig")
    with left_as_it_is(readonly_folder):
        backend = open_local("index.sig")
        assert backend.count() == 1
        signature = make_signature(1)[np.newaxis]
        [[found]] = backend.candidates(signature, where=None, cutoff=0.1, limit=None)
        assert found.id == "a"
        assert list(backend.check()) == []
        for change in (
            lambda: backend.add([make_record("b")], replace=False),
            lambda: backend.delete(["a"]),
            backend.compact,
        ):
            with pytest.raises(StorageError, match="it is read-only"):
                change()
        backend.close()


# Batches that fail


@pytest.fixture
def interrupted(monkeypatch):
    """Make the next call of something fail with the error given, as late as it can."""

    def interrupt(owner, name, error):
        real = getattr(owner, name)

        def fail(*args, **options):
            real(*args, **options)
            monkeypatch.undo()
            raise error

        monkeypatch.setattr(owner, name, fail)

    return interrupt


@pytest.mark.parametrize(("owner", "name"), [(SignatureFiles, "append"), (leaves, "add"), (os, "fsync")])
@pytest.mark.parametrize(
    "error",
    [
        KeyboardInterrupt(),
        MemoryError(),
        sqlite3.OperationalError("disk I/O error"),
        OSError(errno.ENOSPC, "No space left on device"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_batch_that_fails_halfway_changes_nothing(open_local, interrupted, owner, name, error):
    backend = open_local()
    backend.add(make_records(3), replace=False)
    changed = [make_record(f"record-{i}", seed=i, metadata={"new": i}) for i in range(600)]
    interrupted(owner, name, error)
    with pytest.raises(StorageError if isinstance(error, (sqlite3.Error, OSError)) else type(error)):
        backend.add(changed, replace=True)
    for at in (backend, open_local()):
        assert sorted(record.id for record in at.scan()) == ["record-0", "record-1", "record-2"]
        for found, record in zip(at.get([f"record-{i}" for i in range(3)]), make_records(3), strict=True):
            check_same(found, record)
        assert at.candidates(make_signature(4)[np.newaxis], where=None, cutoff=0.3, limit=1) == [[]]
        assert at.count(sigsearch.Exists("new")) == 0
        assert list(at.check()) == []
    assert backend.add(changed, replace=True) == [Outcome.REPLACED] * 3 + [Outcome.ADDED] * 597
    assert list(backend.check()) == []
    check_same(backend.get(["record-4"])[0], changed[4])


def test_a_compaction_that_fails_halfway_changes_nothing(open_local, path, interrupted):
    backend = open_local()
    backend.add(make_records(300), replace=False)
    backend.delete([f"record-{i}" for i in range(0, 300, 2)])
    files = contents(path)
    interrupted(SignatureFiles, "append", OSError(errno.ENOSPC, "No space left on device"))
    with pytest.raises(StorageError, match="No space left"):
        backend.compact()
    assert contents(path).keys() == files.keys()
    assert list(backend.check()) == []
    assert backend.count() == 150
    backend.compact()
    assert backend.info()["dead"] == 0
    assert list(backend.check()) == []


def test_what_a_killed_compaction_left_is_swept_away_by_the_next(open_local, path):
    backend = open_local()
    backend.add(make_records(300), replace=False)
    backend.compact()
    left = [path / name for name in ("full-1.rows", "full-1.blocks", "folded-3.rows", "full-3.blocks")]
    for file in left:
        file.write_bytes(b"left")
    backend.compact()
    assert list(backend.check()) == []
    assert sorted(file.name for file in path.glob("*.rows")) == ["full-3.rows"]
    assert sorted(file.name for file in path.glob("*.blocks")) == ["full-3.blocks"]


@pytest.mark.parametrize("damage", ["flipped", "cut", "deleted"])
def test_damaged_blocks_are_made_anew_by_compaction(open_local, path, damage):
    backend = open_local()
    backend.add(make_records(300), replace=False)
    backend.close()
    blocks = path / "full-1.blocks"
    data = bytearray(blocks.read_bytes())
    data[len(data) // 2] ^= 1
    if damage == "deleted":
        blocks.unlink()
    else:
        blocks.write_bytes(data if damage == "flipped" else data[:-1])
    backend = open_local()
    query = make_signature(1005)[np.newaxis]
    with pytest.raises(StorageError, match=r"full-1\.blocks"):
        backend.candidates(query, where=None, cutoff=0.1, limit=None)
    assert any("full-1.blocks" in line for line in backend.check())
    backend.compact()
    assert list(backend.check()) == []
    [[found]] = backend.candidates(query, where=None, cutoff=0.1, limit=None)
    assert found.id == "record-5"


def test_a_full_catalogue_is_a_storage_error_and_changes_nothing(open_local):
    backend = open_local()
    backend.add(make_records(3), replace=False)
    with backend._connection() as database:
        pages = database.execute("PRAGMA page_count").fetchone()[0]
    [database] = backend._idle
    database.execute(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(StorageError, match="full"):
        backend.add(make_records(600, first=3), replace=False)
    assert backend.count() == 3
    database.execute("PRAGMA max_page_count = 1000000")
    assert backend.add(make_records(600, first=3), replace=False) == [Outcome.ADDED] * 600


def test_a_writer_that_waits_too_long_for_another_says_so(path, open_local, monkeypatch):
    monkeypatch.setattr(catalogue, "BUSY_TIMEOUT", 0.05)
    backend = open_local()
    with closing(sqlite3.connect(path / catalogue.NAME, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageError, match="locked"):
            backend.add(make_records(1), replace=False)
        assert backend.count() == 0
    assert backend.add(make_records(1), replace=False) == [Outcome.ADDED]


# Several at once


def test_a_reader_goes_on_scanning_while_another_connection_writes(open_local):
    writer, reader = open_local(), open_local()
    writer.add(make_records(1200), replace=False)  # more than is read in one step
    seen = set()
    for record in reader.scan():
        seen.add(record.id)
        if len(seen) % 200 == 1:
            writer.add(make_records(3, prefix=f"late-{len(seen)}"), replace=False)
            writer.delete([f"record-{len(seen)}"])
    deleted = {f"record-{number}" for number in range(1, 1200, 200)}
    assert {f"record-{i}" for i in range(1200)} - deleted <= seen
    found = reader.candidates(make_signature(1000)[np.newaxis], where=None, cutoff=0.1, limit=None)[0]
    assert {"record-0", "late-1-0"} <= {candidate.id for candidate in found}


def test_many_may_make_one_index_at_the_same_moment(path, open_local):
    outcomes, errors = [], []
    start = threading.Barrier(8)

    def work(number):
        try:
            start.wait(30)
            outcomes.extend(open_local().add([make_record(f"{number}")], replace=False))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
    assert outcomes == [Outcome.ADDED] * 8
    assert open_local(create=False).count() == 8


def test_an_index_left_without_its_log_mode_is_opened_as_any_other(filled, open_local):
    """A process killed between making it and switching leaves it so."""
    with closing(sqlite3.connect(filled / catalogue.NAME)) as database:
        assert database.execute("PRAGMA journal_mode = DELETE").fetchone() == ("delete",)
    backend = open_local(create=False)
    assert backend.count() == 60
    with closing(sqlite3.connect(filled / catalogue.NAME)) as database:
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)


WRITER = """
import sys
from sigsearch_local.backend import LocalBackend
from sigsearch.scheme import DEFAULT_SCHEME
from sigsearch.testing.samples import make_records
location, name, batches = sys.argv[1], sys.argv[2], int(sys.argv[3])
print("ready", flush=True)
with LocalBackend.open(location, scheme=DEFAULT_SCHEME, create=True, options={}) as backend:
    for batch in range(batches):
        backend.add(make_records(5, prefix=name, first=5 * batch), replace=False)
        print(batch, flush=True)
"""


@contextmanager
def writing(path, name, batches):
    """Another process that writes batches of five records and prints the number of each when it is stored."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), name, str(batches)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            assert process.stdout.readline() == "ready\n", process.stderr.read()
            yield process
        finally:
            process.kill()


def check_whole(found, name):
    """Fail unless the records of a name are whole batches, each record as it was written; their numbers."""
    ours = [record for record in found if record.id.startswith(f"{name}-")]
    for record in ours:
        number = int(record.id.rsplit("-", 1)[1])
        check_same(record, make_records(1, prefix=name, first=number)[0])
    numbers = {record.metadata["number"] // 5 for record in ours}
    assert len(ours) == 5 * len(numbers), "a batch is half there"
    return numbers


def test_while_another_process_writes_each_scan_sees_whole_records(path, open_local):
    reader = open_local()
    counts = []
    with writing(path, "theirs", 40) as process:
        while process.poll() is None:
            counts.append(reader.count())
            for record in reader.scan():
                check_same(record, make_records(1, prefix="theirs", first=record.metadata["number"])[0])
        assert process.returncode == 0, process.stderr.read()
    assert counts == sorted(counts)
    assert all(count % 5 == 0 for count in counts)
    assert check_whole(reader.scan(), "theirs") == set(range(40))


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs kill -9, which this system does not have")
def test_what_was_acknowledged_survives_a_killed_process_and_nothing_is_half_there(path, open_local):
    moments = random.Random(5)
    for kill in range(5):
        name = f"kill{kill}"
        with writing(path, name, 100_000) as process:
            told = [int(process.stdout.readline()) for _ in range(moments.randrange(1, 10))]
            time.sleep(moments.uniform(0, 0.02))
            process.kill()
            told += [int(line) for line in process.stdout.read().split("\n")[:-1]]
        backend = open_local(create=False)
        numbers = check_whole(backend.scan(), name)
        # It was killed before it could say so of the last one, or not.
        assert set(told) <= numbers <= set(range(len(told) + 1))
        assert backend.add([make_record(f"after {name}")], replace=False) == [Outcome.ADDED]
        backend.close()
    assert list(open_local(create=False).check()) == []


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs kill -9, which this system does not have")
def test_a_process_killed_while_it_makes_an_index_leaves_no_wall(tmp_path, open_local):
    moments = random.Random(6)
    for kill in range(5):
        path = tmp_path / f"{kill}.sig"
        with writing(path, "theirs", 1) as process:
            time.sleep(moments.uniform(0, 0.012))
            process.kill()
        backend = open_local(at=path)
        assert check_whole(backend.scan(), "theirs") <= {0}
        assert backend.add([make_record("ours")], replace=False) == [Outcome.ADDED]
        backend.close()


def test_what_a_killed_process_left_half_made_is_made_again(path, open_local):
    """Killed in the middle of the first commit: the marks are in the file, and a journal undoes them."""
    half_made = path.parent / "half.sig"
    half_made.mkdir()
    unfinished = path.parent / "unfinished.sqlite"
    with closing(sqlite3.connect(unfinished, isolation_level=None)) as database:
        database.execute("PRAGMA cache_size = 1")  # so that pages are written before the commit
        database.execute("BEGIN IMMEDIATE")
        for number in range(50):
            database.execute(f"CREATE TABLE t{number} (a TEXT)")
        for ending in ("", "-journal"):
            shutil.copy(f"{unfinished}{ending}", half_made / f"{catalogue.NAME}{ending}")
    open_local()
    with (half_made / catalogue.NAME).open("r+b") as file:
        # The first page is the first that a commit writes.
        file.write((path / catalogue.NAME).read_bytes()[:4096])
    with pytest.raises(IndexNotFoundError):
        open_local(create=False, at=half_made)
    assert open_local(at=half_made).add(make_records(2), replace=False) == [Outcome.ADDED] * 2


@pytest.mark.parametrize("damage", ["DELETE FROM properties", "UPDATE properties SET value = '{'"])
def test_an_index_that_does_not_say_its_scheme_is_damaged(tmp_path, damage):
    path = tmp_path / "index.sig"
    sigsearch.open(path).close()
    with closing(sqlite3.connect(path / catalogue.NAME, isolation_level=None)) as database:
        database.execute(damage)
    with pytest.raises(StorageError, match="damaged: it does not say with which scheme"):
        sigsearch.open(path)
