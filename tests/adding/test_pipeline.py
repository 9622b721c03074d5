"""Many sources in one call: what is read, in which order it is settled, what an interruption leaves."""

import gc
import io
import os
import sys
import tarfile
import time
import zipfile
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from odd_pictures import Odd, noted, picture, segfault, slow
from PIL import Image

import sigsearch
from sigsearch import AddReport, ImageError, InputError, Item, Limits, Record, View
from sigsearch.adding import pool
from sigsearch.reading.archives import Member
from sigsearch.sources import PAUSE

BLANK = np.zeros((24, 24), np.uint8)


@pytest.fixture
def read(monkeypatch):
    """The pictures that were given to be read, in their order."""
    read = []
    for kind in (pool.Pool, pool.Here):
        submit = kind.submit

        def noting(self, task, submit=submit):
            read.append(task.image)
            submit(self, task)

        monkeypatch.setattr(kind, "submit", noting)
    return read


def signature(seed):
    return sigsearch.compute_signature(picture(seed))


def stored(index):
    """The number of the picture that each record has."""
    numbers = {signature(seed).tobytes(): seed for seed in range(30)}
    return {record.id: numbers[record.views[0].signature.tobytes()] for record in index.scan()}


def pixels(seed):
    return np.asarray(Image.open(io.BytesIO(picture(seed))))


# Kinds of sources


@pytest.fixture
def server():
    """Serves picture N at /N.png, late if N is odd; anything else is not found."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            number = self.path[1:-4]
            found = number.isdigit()
            body = picture(int(number)) if found else b"gone"
            if found and int(number) % 2:
                time.sleep(0.3)
            self.send_response(200 if found else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.long
@pytest.mark.parametrize("workers", [0, 1, 2])
def test_all_kinds_in_one_call_have_the_signatures_of_their_pictures(index, tmp_path, server, workers):
    for k in range(4):
        (tmp_path / f"{k}.png").write_bytes(picture(k))
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "4.png").write_bytes(picture(4))
    (tmp_path / "folder" / "5.png").write_bytes(picture(5))
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr("6.png", picture(6))
    with tarfile.open(tmp_path / "b.tgz", "w:gz") as file:
        info = tarfile.TarInfo("7.png")
        info.size = len(picture(7))
        file.addfile(info, io.BytesIO(picture(7)))
    index.limits = Limits(private_addresses=True, file_urls=True)
    with (tmp_path / "1.png").open("rb") as opened:
        report = index.add_many(
            [
                str(tmp_path / "0.png"),
                Item(image=opened, id="file object"),
                segfault("crash") if workers else b"crash",
                Item(image=tmp_path / "2.png", id="path"),
                f"{server}/13.png",
                f"file://{tmp_path}/3.png",
                Item(image=tmp_path / "folder", metadata={"in": "folder"}),
                tmp_path / "missing.png",
                tmp_path / "a.zip",
                f"{server}/gone.png",
                tmp_path / "b.tgz",
                Item(image=picture(8), id="bytes"),
                Item(image=bytearray(picture(9)), id="bytearray"),
                Item(image=memoryview(picture(10)), id="memoryview", metadata=[1]),
                Item(image=Image.open(io.BytesIO(picture(11))), id="PIL"),
                Item(image=pixels(12), id="array"),
                f"{server}/14.png",
                b"no picture",
                Item(signature=signature(15), id="signature"),
                Record("record", (View(signature(16)),), metadata="kept"),
                3,
                picture(17),
            ],
            workers=workers,
        )
    named = {str(tmp_path / "0.png"): 0, "file object": 1, "path": 2, f"file://{tmp_path}/3.png": 3}
    named |= {f"{tmp_path}/folder/{k}.png": k for k in (4, 5)}
    named |= {f"{tmp_path}/a.zip!/6.png": 6, f"{tmp_path}/b.tgz!/7.png": 7}
    named |= {"bytes": 8, "bytearray": 9, "memoryview": 10, "PIL": 11, "array": 12}
    named |= {f"{server}/13.png": 13, f"{server}/14.png": 14, "signature": 15, "record": 16}
    [unnamed] = set(stored(index)) - set(named)
    assert unnamed.startswith("signature:")
    assert stored(index) == named | {unnamed: 17}
    assert report.added == 18
    assert [failure.source for failure in report.failures] == [
        "crash" if workers else "picture of 5 bytes",
        str(tmp_path / "missing.png"),
        f"{server}/gone.png",
        "picture of 10 bytes",
        "int object",
    ]
    assert index.get(f"{tmp_path}/folder/5.png").metadata == {"in": "folder"}
    assert index.get("path").path == str(tmp_path / "2.png")
    assert index.get("memoryview").metadata == [1]
    assert index.get("record").metadata == "kept"


def test_paths_of_bytes_are_paths(index, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "1.png").write_bytes(picture(1))
    (tmp_path / "2.png").write_bytes(picture(2))

    class Path(os.PathLike):
        def __init__(self, name):
            self.name = name

        def __fspath__(self):
            return os.fsencode(tmp_path / self.name)

    report = index.add_many(
        [Path("folder"), Path("2.png"), Path("none.png"), Item(image=Path("2.png"), id="a")]
    )
    assert stored(index) == {f"{tmp_path}/folder/1.png": 1, f"{tmp_path}/2.png": 2, "a": 2}
    assert [(f.source, f.reason) for f in report.failures] == [(f"{tmp_path}/none.png", "no such file")]
    assert index.add(Path("2.png"), on_conflict="skip") == f"{tmp_path}/2.png"


def test_a_file_object_that_cannot_be_read_fails_alone(index, tmp_path):
    (tmp_path / "1.png").write_bytes(picture(1))
    with (tmp_path / "1.png").open("rb") as closed:
        pass
    with (tmp_path / "1.png").open() as text:
        report = index.add_many([closed, text, Item(image=io.BytesIO(picture(2)), id="good")])
    assert stored(index) == {"good": 2}
    assert [failure.source for failure in report.failures] == [str(tmp_path / "1.png")] * 2
    with pytest.raises(ImageError, match="read of closed file"):
        index.add(closed)


# Order


def test_failures_come_in_the_order_of_their_sources(index, tmp_path):
    index.add(picture(0), id="there")
    sources = [
        slow("slow", 1, 0.5),
        tmp_path / "none 1.png",
        Item(signature=signature(0), id="there"),
        Item(image=picture(0), id="there"),
        segfault("crashes"),
        Item(),
        Item(image=pixels(1), id="twice"),
        Item(image=pixels(2), id="twice"),
        Item(signature=[1], id="bad"),
        picture(3),
        b"no picture",
        picture(3),
        tmp_path / "none 2.png",
    ]
    report = index.add_many(sources, on_conflict="error", workers=2)
    assert [failure.source.partition(":")[0] for failure in report.failures] == [
        f"{tmp_path}/none 1.png",
        "there",
        "there",
        "crashes",
        "NoneType object",
        "twice",
        "bad",
        "picture of 10 bytes",
        "signature",
        f"{tmp_path}/none 2.png",
    ]
    assert report.added == 3


@pytest.mark.long
@pytest.mark.parametrize("waits", [(0.5, 0.0, 0.0), (0.0, 0.5, 0.0), (0.0, 0.0, 0.5)])
def test_of_one_id_the_first_stays_or_the_last_replaces_however_long_each_takes(index, waits):
    sources = [Item(image=slow(f"{k}", k, wait), id="one", metadata=k) for k, wait in enumerate(waits)]
    report = index.add_many(sources, workers=2)
    assert (report, stored(index)) == (AddReport(added=1, skipped=2), {"one": 0})
    assert index.get("one").metadata == 0
    report = index.add_many(sources, workers=2, on_conflict="replace")
    assert (report, stored(index)) == (AddReport(replaced=3), {"one": 2})
    index.delete("one")
    report = index.add_many(sources, workers=2, on_conflict="error")
    assert (report.added, len(report.failures), stored(index)) == (1, 2, {"one": 0})


def test_of_one_id_the_second_is_added_if_the_first_cannot_be_read(index):
    sources = [Item(image=segfault("crashes"), id="one"), Item(image=picture(1), id="one")]
    report = index.add_many([*sources, Item(signature=signature(2), id="one")])
    assert (report.added, report.skipped, len(report.failures)) == (1, 1, 1)
    assert stored(index) == {"one": 1}


@pytest.mark.parametrize("kinds", ["ps", "sp", "psp", "sps"])
def test_pictures_and_ready_signatures_of_one_id_are_settled_in_order(index, kinds):
    def sources():
        return [
            Item(image=slow("slow", k, 0.1), id="one")
            if kind == "p"
            else Item(signature=signature(k), id="one")
            for k, kind in enumerate(kinds)
        ]

    assert index.add_many(sources()) == AddReport(added=1, skipped=len(kinds) - 1)
    assert stored(index) == {"one": 0}
    assert index.add_many(sources(), on_conflict="replace") == AddReport(replaced=len(kinds))
    assert stored(index) == {"one": len(kinds) - 1}


# Files that change


@pytest.fixture
def folder(tmp_path):
    """Six pictures, changed a minute ago."""
    folder = tmp_path / "folder"
    folder.mkdir()
    for k in range(6):
        (folder / f"{k}.png").write_bytes(picture(k))
    time.sleep(0.3)  # as the clock of the file system may be behind
    return folder


@pytest.mark.parametrize("workers", [0, 1])
def test_update_reads_only_what_has_changed(index, folder, read, workers):
    index.add_many(Item(image=folder, metadata="first"), workers=workers)
    read.clear()
    assert index.add_many(folder, on_conflict="update", workers=workers) == AddReport(skipped=6)
    assert read == []
    (folder / "1.png").write_bytes(picture(11))
    os.utime(folder / "1.png", (1, 1))  # written long ago, it claims
    os.utime(folder / "2.png")
    (folder / "newer.tmp").write_bytes(picture(13))
    os.utime(folder / "newer.tmp", (1, 1))
    (folder / "newer.tmp").replace(folder / "3.png")
    (folder / "4.png").write_bytes(b"no picture")
    (folder / "5.png").unlink()
    time.sleep(0.2)
    report = index.add_many(folder, on_conflict="update", workers=workers)
    assert (report.added, report.replaced, report.skipped) == (0, 2, 2)
    assert [failure.source for failure in report.failures] == [str(folder / "4.png")]
    assert sorted(read) == [str(folder / f"{k}.png") for k in (1, 2, 3, 4)]
    assert stored(index) == {f"{folder}/{k}.png": number for k, number in enumerate([0, 11, 2, 13, 4, 5])}
    assert {record.metadata for record in index.scan()} == {"first"}
    read.clear()
    index.add_many(folder, on_conflict="update", workers=workers)
    assert read == [str(folder / "4.png")]


def test_skip_never_reads_what_is_there(index, folder, read):
    index.add_many(folder)
    read.clear()
    (folder / "1.png").write_bytes(picture(11))
    assert index.add_many(folder) == AddReport(skipped=6)
    assert read == []


def test_a_changed_file_has_new_metadata_if_they_are_given(index, folder):
    index.add_many(Item(image=folder, metadata="first"))
    (folder / "1.png").write_bytes(picture(11))
    (folder / "2.png").touch()
    report = index.add_many(Item(image=folder, metadata="second"), on_conflict="update")
    assert (report.replaced, report.skipped) == (2, 4)  # of the second the picture is the same
    assert [index.get(f"{folder}/{k}.png").metadata for k in range(3)] == ["first", "second", "second"]


def test_a_time_of_writing_to_come_does_not_have_a_file_read_each_time(index, folder, read):
    os.utime(folder / "1.png", (2**33, 2**33))
    time.sleep(0.2)
    index.add_many(folder)
    read.clear()
    assert index.add_many(folder, on_conflict="update") == AddReport(skipped=6)
    assert read == []


def test_a_touched_picture_without_features_is_not_counted_as_added(index, folder):
    Image.fromarray(BLANK).save(folder / "1.png")
    assert index.add_many(folder).featureless == 1
    (folder / "1.png").touch()
    report = index.add_many(folder, on_conflict="update")
    assert (report.skipped, report.replaced, report.featureless) == (6, 0, 0)


def test_a_record_without_timestamp_is_taken_for_current(index, folder, read):
    index.add_many([Record(f"{folder}/1.png", (View(signature(20)),))])
    index.add_many(folder, on_conflict="update")
    expected = 20 if index.get(f"{folder}/1.png").timestamp is None else 1
    assert stored(index)[f"{folder}/1.png"] == expected
    assert len(read) == 5 + (expected == 1)


def test_what_is_in_a_changed_archive_is_read_again(index, tmp_path, read):
    def write(*seeds):
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
            for k, seed in enumerate(seeds):
                file.writestr(f"{k}.png", picture(seed))

    write(1, 2)
    time.sleep(0.2)
    index.add_many(tmp_path / "a.zip")
    assert index.add_many(tmp_path / "a.zip", on_conflict="update") == AddReport(skipped=2)
    write(1, 3, 4)
    report = index.add_many(tmp_path / "a.zip", on_conflict="update")
    assert report == AddReport(added=1, replaced=1, skipped=1)
    assert sorted(stored(index).values()) == [1, 3, 4]


def test_of_one_changed_file_given_twice_each_counts(index, folder):
    index.add_many(folder)
    (folder / "1.png").write_bytes(picture(11))
    time.sleep(0.2)
    report = index.add_many([folder / "1.png"] * 2, on_conflict="update")
    assert (report.replaced, report.skipped) == (1, 1)


# Iterators, interruptions


@pytest.mark.long
def test_what_is_known_so_far_is_stored_at_a_pause(index):
    def listed():
        for k in range(3):
            yield Item(image=picture(k), id=str(k))
        end = time.monotonic() + 60
        while index.count() < 3 and time.monotonic() < end:
            yield PAUSE
            time.sleep(0.05)
        assert index.count() == 3
        yield Item(image=picture(3), id="3")

    assert index.add_many(listed()).added == 4


@pytest.mark.long
@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError, SystemExit])
def test_what_was_read_is_stored_if_the_listing_fails(index, error, tmp_path, monkeypatch):
    def listed():
        yield from (noted(str(k), k, log) for k in range(3))
        end = time.monotonic() + 60
        while len(log.read_text().split() if log.exists() else "") < 3 and time.monotonic() < end:
            yield PAUSE
            time.sleep(0.05)
        time.sleep(1)
        yield PAUSE
        assert index.count() == 0
        raise error

    monkeypatch.setattr("sigsearch.adding.pipeline.STORE_SECONDS", 1000.0)
    log = tmp_path / "log"
    with pytest.raises(error):
        index.add_many(listed())
    assert index.count() == 3


def test_pixels_that_were_read_are_stored_if_the_listing_fails_at_once(index):
    def listed():
        yield from (Item(image=pixels(k), id=str(k)) for k in range(64))
        yield from (Item(image=pixels(k), id=f"more {k}") for k in range(64))
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        index.add_many(listed())
    assert index.count() == 128


def test_an_interrupt_of_on_advance_keeps_what_was_read_and_the_call_can_be_repeated(index):
    sources = [Item(image=picture(k), id=str(k)) for k in range(20)]
    told = []

    def interrupt(report, done):
        told.append(done)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        index.add_many(sources, on_advance=interrupt)
    kept = index.count()
    assert kept >= told[0] > 0
    assert index.add_many(sources) == AddReport(added=20 - kept, skipped=kept)
    assert stored(index) == {str(k): k for k in range(20)}


def test_on_advance_is_told_all_with_counts_that_grow_and_add_up(index, tmp_path):
    sources = [picture(k % 25) for k in range(100)]
    sources[10::10] = [tmp_path / f"none {k}" for k in range(9)]
    told = []
    report = index.add_many(sources, on_advance=lambda report, done: told.append((report, done)))
    dones = [done for _, done in told]
    assert dones == sorted(dones)
    assert dones[-1] == 100
    for so_far, done in told:
        assert so_far.added + so_far.replaced + so_far.skipped + len(so_far.failures) == done
    assert told[-1][0] == report


def test_a_generator_of_files_is_read_no_further_than_a_batch_beyond_what_is_being_read(index, folder):
    read = 0

    def listed():
        nonlocal read
        for k in range(500):
            read += 1
            yield Item(image=slow(str(k), 1, 0.0), id=str(k))

    ahead = []
    index.add_many(listed(), workers=1, on_advance=lambda report, done: ahead.append(read - done))
    # A batch that was begun, the pictures that a worker has before it, and those that wait to be stored.
    assert max(ahead) <= 64 + pool.AHEAD + 64


def test_bad_workers_are_refused(index):
    for workers in (-1, 1.5, True, "2"):
        with pytest.raises(InputError, match="workers as a whole number from 0"):
            index.add_many([], workers=workers)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_the_pictures_of_a_compressed_tar_are_not_gathered_to_be_counted(index, tmp_path, monkeypatch):
    with tarfile.open(tmp_path / "a.tgz", "w:gz") as file:
        for k in range(200):
            info = tarfile.TarInfo(f"{k}.png")
            info.size = len(picture(k % 30))
            file.addfile(info, io.BytesIO(picture(k % 30)))
    most = 0

    def tell(report, done):
        nonlocal most
        most = max(most, sum(type(each) is Member for each in gc.get_objects()))

    monkeypatch.setattr(sys, "stderr", Terminal())
    assert index.add_many(tmp_path / "a.tgz", progress=True, on_advance=tell).added == 200
    assert 0 < most < 150


def test_workers_zero_decodes_here(index, folder, tmp_path):
    log = tmp_path / "log"
    assert index.add_many([noted("a", 1, log), *folder.iterdir()], workers=0).added == 7
    assert log.read_text().split() == [str(os.getpid())]


def test_the_same_sources_give_the_same_index_with_any_number_of_workers(folder, tmp_path):
    sources = [folder, *[Odd(f"odd {k}", partial(len, ""), picture(k)) for k in range(10)], Path("none")]
    found = []
    for workers in (0, 1, 3):
        with sigsearch.open("memory://") as index:
            report = index.add_many(sources, workers=workers)
            found.append((report, stored(index)))
    assert found[0] == found[1] == found[2]
