"""sigsearch check and compact, over a backend whose damage is made here."""

import json
import os
import signal
import subprocess
import sys

import pytest
from sigsearch_memory.backend import MemoryBackend

import sigsearch
from sigsearch import Item, Scheme, plugins
from sigsearch.backend import PROTOCOL_VERSION, Backend, BackendInfo
from sigsearch.errors import StorageError
from sigsearch.plugins import FoundBackend, Registry
from sigsearch.records import Record, View
from sigsearch.testing.samples import make_records, make_signature

LOCATION = "worn://photos"


class WornBackend(MemoryBackend):
    """Its records outlive it; some are damaged, and it reads on behind them. Made by the fixture `worn`."""

    @classmethod
    def open(cls, location, *, scheme, create, options):
        backend = cls(scheme)
        backend._stored = cls.stored
        return backend

    def delete(self, ids):
        deleted = super().delete(ids)
        type(self).deleted += deleted
        return deleted

    def compact(self):
        type(self).deleted = 0

    def info(self):
        return {"bytes": 1000 * (self.count() + self.deleted)}

    def scan(self, where=None):
        for record in super().scan(where):
            if record.id in self.damaged:
                raise StorageError(f"the record {record.id!r} does not read")
            yield record

    def check(self):
        return iter([f"the record {id!r} is torn\nin two and lost" for id in self.damaged])

    def salvage(self):
        return (record for record in super().scan() if record.id not in self.damaged)


class PlainBackend(WornBackend):
    """The same, with the verbs of upkeep as `Backend` has them."""

    compact, check, salvage = Backend.compact, Backend.check, Backend.salvage


@pytest.fixture
def worn(monkeypatch):
    """Install the backend with these records, those of these ids damaged; gives its class."""

    def worn(records, *damaged, backend=WornBackend):
        stored = {record.id: record for record in records}
        made = type("Worn", (backend,), {"stored": stored, "damaged": damaged, "deleted": 0})
        info = BackendInfo(
            name="worn",
            schemes=("worn",),
            summary="old",
            load=lambda: made,
            install="",
            protocol=PROTOCOL_VERSION,
        )
        installed = plugins.discover().backends
        registry = Registry((*installed, FoundBackend(info, "worn 1.0")), ())
        monkeypatch.setattr("sigsearch.plugins.discover", lambda: registry)
        return made

    return worn


def ids_in(location):
    with sigsearch.open(location, create=False) as index:
        return sorted(record.id for record in index.scan())


def test_a_sound_index_is_one_line_and_exit_status_0(run, photos):
    result = run("check", "--index", photos)
    assert (result.status, result.out, result.err) == (0, f"{photos} is sound: 3 records\n", "")


def test_an_index_of_one_record_has_one_record(run):
    with sigsearch.open("new.sig") as index:
        index.add(make_signature(1), id="a")
    assert run("check", "--index", "new.sig").out == "new.sig is sound: 1 record\n"


def test_each_problem_is_a_line_and_the_last_says_what_to_do(run, worn):
    backend = worn(make_records(1200), "record-7", "record-800")
    before = dict(backend.stored)
    result = run("check", "--index", LOCATION)
    assert (result.status, result.err) == (1, "")
    assert result.lines == [
        "the record 'record-7' is torn\\nin two and lost",
        "the record 'record-800' is torn\\nin two and lost",
        "2 problems in worn://photos; 1,198 of 1,200 records can be read whole: "
        "'sigsearch check --index worn://photos --salvage NEW' copies them",
    ]
    assert backend.stored == before


def test_salvage_copies_what_can_be_read_into_a_new_index(run, worn):
    backend = worn(make_records(10), "record-3")
    before = dict(backend.stored)
    result = run("check", "--index", LOCATION, "--salvage", "saved.sig")
    assert (result.status, result.err) == (1, "")
    assert result.lines == [
        "the record 'record-3' is torn\\nin two and lost",
        "1 problem in worn://photos; 9 of 10 records can be read whole; 9 copied to saved.sig",
    ]
    with sigsearch.open("saved.sig", create=False) as saved:
        assert {record.id: record for record in saved.scan()} == {
            id: record for id, record in before.items() if id != "record-3"
        }
    assert backend.stored == before


def test_a_sound_index_can_be_copied_too(run, photos, count):
    result = run("check", "--index", photos, "--salvage", "copy.sig")
    assert (result.status, result.err) == (0, "")
    assert result.out == f"{photos} is sound: 3 records; 3 copied to copy.sig\n"
    assert ids_in("copy.sig") == ids_in(photos)


def test_a_backend_that_only_scans_is_checked_and_salvaged_up_to_the_damage(run, worn):
    worn(make_records(10), "record-6", backend=PlainBackend)
    hint = "'sigsearch check --index worn://photos --salvage NEW' copies them"
    result = run("check", "--index", LOCATION)
    assert result.status == 1
    assert result.lines == [
        "the record 'record-6' does not read",
        f"1 problem in worn://photos; 6 of 10 records can be read whole: {hint}",
    ]
    assert run("check", "--index", LOCATION, "--salvage", "saved.sig").status == 1
    assert ids_in("saved.sig") == [f"record-{i}" for i in range(6)]


def test_where_nothing_can_be_read_nothing_is_promised(run, worn, monkeypatch):
    def scan(self, where=None):
        raise StorageError("nothing reads")

    monkeypatch.setattr(worn(make_records(5), backend=PlainBackend), "scan", scan)
    result = run("check", "--index", LOCATION)
    assert result.status == 1
    assert result.lines == [
        "nothing reads",
        "1 problem in worn://photos; 0 of 5 records can be read whole",
    ]


def test_signatures_of_another_scheme_are_found_and_not_copied(run, worn):
    short = make_signature(1, Scheme(grid_size=5))
    whole = make_signature(1)
    worn(
        [
            Record("good", (View(whole),)),
            Record("short", (View(whole), View(short))),
            Record("none", ()),
        ],
        backend=PlainBackend,
    )
    result = run("check", "--index", LOCATION, "--salvage", "saved.sig")
    assert result.status == 1
    assert "view 1 of the record 'short': wanted signatures of shape (648,), found shape (200,)" in result.out
    assert "the record 'none' has lost its signature" in result.out
    assert "not copied: short: " in result.out
    assert result.lines[-1].endswith("; 1 copied to saved.sig")
    assert ids_in("saved.sig") == ["good"]


def test_damage_that_salvage_alone_meets_is_damage(run, worn, monkeypatch):
    backend = worn(make_records(5), "record-2", backend=PlainBackend)
    monkeypatch.setattr(backend, "check", lambda self: iter(()))
    result = run("check", "--index", LOCATION, "--salvage", "saved.sig")
    assert result.status == 1
    assert result.lines[0] == "the record 'record-2' does not read"
    assert result.lines[1].endswith("; 2 copied to saved.sig")


def test_where_nothing_can_be_counted_the_last_line_says_what_can_be_read(run, worn, monkeypatch):
    def count(self, where=None):
        raise StorageError("the count is lost")

    monkeypatch.setattr(worn(make_records(5)), "count", count)
    result = run("check", "--index", LOCATION)
    assert result.status == 1
    assert result.lines == [
        "the count is lost",
        "1 problem in worn://photos; 5 records can be read whole: "
        "'sigsearch check --index worn://photos --salvage NEW' copies them",
    ]


def test_json_is_one_object(run, worn):
    worn(make_records(10), "record-3")
    told = {"problems": ["the record 'record-3' is torn\nin two and lost"], "records": 10, "readable": 9}
    result = run("check", "--index", LOCATION, "--json")
    assert (result.status, len(result.lines)) == (1, 1)
    assert json.loads(result.out) == told | {"copied": None}
    result = run("check", "--index", LOCATION, "--json", "--salvage", "saved.sig")
    assert (result.status, json.loads(result.out)) == (1, told | {"copied": 9})
    result = run("check", "--index", "saved.sig", "--json")
    assert result.status == 0
    assert json.loads(result.out) == {"problems": [], "records": 9, "readable": 9, "copied": None}


def test_an_index_that_holds_records_is_not_salvaged_into(run, photos, count):
    with sigsearch.open("other.sig") as index:
        index.add(make_signature(1), id="a")
    result = run("check", "--index", photos, "--salvage", "other.sig")
    assert result.is_one_line_error("wanted a new location", "an index with records at other.sig")
    assert ids_in("other.sig") == ["a"]


def test_a_file_that_is_no_index_is_not_salvaged_into(run, photos, tmp_path):
    (tmp_path / "letter.txt").write_text("Dear Lisa")
    assert run("check", "--index", photos, "--salvage", "letter.txt").is_one_line_error("letter.txt is not")
    assert (tmp_path / "letter.txt").read_text() == "Dear Lisa"


def test_an_index_is_not_salvaged_into_itself(run, tmp_path):
    sigsearch.open("empty.sig").close()
    os.symlink("empty.sig", "link.sig")
    for name in ("empty.sig", tmp_path / "empty.sig", "link.sig"):
        result = run("check", "--index", "empty.sig", "--salvage", name)
        assert result.is_one_line_error("wanted a new location", "that of the index itself")


def test_without_an_index_nothing_is_salvaged_and_nothing_made(run, tmp_path):
    assert run("check", "--index", "none.sig", "--salvage", "new.sig").is_one_line_error(
        "no index at none.sig"
    )
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_salvage_is_one_line_that_says_what_is_there(photos):
    code = (
        "import os, signal, sys\n"
        "from sigsearch.cli import main\n"
        "from sigsearch.index import Index\n"
        "whole = Index.salvage\n"
        "def salvage(self):\n"
        "    yield from whole(self)\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "Index.salvage = salvage\n"
        f"sys.exit(main(['check', '--index', {str(photos)!r}, '--salvage', 'saved.sig']))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (128 + signal.SIGINT, "")
    assert ended.stderr.startswith("sigsearch: interrupted; saved.sig has a part of the records")
    assert ended.stderr.count("\n") == 1


def test_compact_says_how_large_it_was_and_is(run, worn):
    worn(make_records(10))
    run("delete", "--index", LOCATION, *(f"record-{i}" for i in range(7)))
    result = run("compact", "--index", LOCATION)
    assert (result.status, result.err) == (0, "")
    assert result.out == "worn://photos: 10,000 bytes before, 3,000 after\n"
    assert run("compact", "--index", LOCATION).out == "worn://photos: 3,000 bytes before, 3,000 after\n"


def test_compact_says_so_where_the_size_is_not_known(run, worn, monkeypatch):
    monkeypatch.setattr(worn([]), "info", lambda self: {})
    assert run("compact", "--index", LOCATION).out == "worn://photos: compacted\n"


def test_a_compacted_index_has_all_its_records(run, photos, mona_lisa):
    kept = [id for id in ids_in(photos) if id != "pixabay"]
    run("delete", "--index", photos, "pixabay")
    assert run("compact", "--index", photos).status == 0
    assert ids_in(photos) == kept
    assert run("check", "--index", photos).out == f"{photos} is sound: 2 records\n"


def test_an_index_checks_and_salvages_itself_in_python(worn):
    worn(make_records(5), "record-1")
    with sigsearch.open(LOCATION) as damaged, sigsearch.open("memory://") as target:
        assert damaged.check() == ["the record 'record-1' is torn\nin two and lost"]
        assert target.add_many(damaged.salvage()).added == 4
        assert target.check() == []
        target.add_many([Item(signature=make_signature(1), id="a")])
        target.compact()
        assert target.count() == 5
