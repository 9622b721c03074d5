"""sigsearch migrate: what it says, how it ends, and that it goes on after Ctrl-C and after a kill."""

import json
import os
import re
import signal
import subprocess
import sys

import pexpect
import pytest
from sigsearch_memory.backend import MemoryBackend

import sigsearch
from sigsearch import plugins
from sigsearch.backend import PROTOCOL_VERSION, Backend, BackendInfo
from sigsearch.errors import StorageError
from sigsearch.plugins import FoundBackend, Registry
from sigsearch.records import Problem
from sigsearch.scheme import IMAGE_MATCH_SCHEME, Scheme
from sigsearch.testing.samples import check_same, featureless, make_copy, make_record, make_records

LOCATION = "worn://photos"


class WornBackend(MemoryBackend):
    """Its records outlive it. Of some damaged ones the signature is whole, of others nothing."""

    @classmethod
    def open(cls, location, *, scheme, create, options):
        backend = cls(scheme)
        backend._stored = cls.stored
        return backend

    def examine(self, *known):
        for found in super().examine(*known):
            if found.id in self.lost:
                yield Problem(found.id, f"the record {found.id!r} is torn\nin two")
            elif found.id in self.wordless:
                yield Problem(found.id, f"the record {found.id!r} has lost its words", found)
            else:
                yield found


@pytest.fixture
def worn(monkeypatch):
    """Install the backend with these records, those of these ids damaged; gives its class."""

    def worn(records, *, lost=(), wordless=(), **verbs):
        stored = {record.id: record for record in records}
        made = type("Worn", (WornBackend,), {"stored": stored, "lost": lost, "wordless": wordless, **verbs})
        info = BackendInfo(
            name="worn",
            schemes=("worn",),
            summary="old",
            load=lambda: made,
            install="",
            protocol=PROTOCOL_VERSION,
        )
        registry = Registry((*plugins.discover().backends, FoundBackend(info, "worn 1.0")), ())
        monkeypatch.setattr("sigsearch.plugins.discover", lambda: registry)
        return made

    return worn


def make_index(location, records, **options):
    with sigsearch.open(location, **options) as index:
        index.add_many(records)
    return records


def check_holds(location, records):
    """Fail unless these are the records of an index."""
    with sigsearch.open(location, create=False) as index:
        assert index.count() == len(records)
        assert index.check() == []
        for record in records:
            check_same(index.get(record.id), record)


def ids_in(location):
    with sigsearch.open(location, create=False) as index:
        return {record.id for record in index.scan()}


def files_of(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def damage(path):
    """Change a byte in the middle of a file."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)


def numbers_of(result):
    """The counts of the first line, by what they count."""
    return {
        what: int(count.replace(",", ""))
        for count, what in re.findall(r"([\d,]+) ([a-z ]+)", result.lines[0])
    }


def migrating(code):
    """A process that runs code, then the command between a.sig and b.sig."""
    run = "from sigsearch.cli import main\nsys.exit(main(['migrate', 'a.sig', 'b.sig']))"
    return subprocess.run(
        [sys.executable, "-c", f"import os, signal, sys\n{code}\n{run}"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_every_record_is_copied_and_the_last_lines_say_that_it_was_looked_at(run):
    records = make_records(3000)
    near = make_copy(records[0].views[0].signature, 30)
    records += [make_record("near", near), make_record("blank", featureless())]
    make_index("a.sig", records)
    result = run("migrate", "a.sig", "b.sig")
    assert (result.status, result.err) == (0, "")
    assert numbers_of(result) == {"read": 3002, "added": 3002}
    assert result.lines[1].startswith("verified: 3,002 records in b.sig; ")
    assert re.fullmatch(r".*[\d,]+ bytes before, [\d,]+ after", result.lines[2])
    check_holds("b.sig", records)


def test_nothing_is_written_to_the_source(run, tmp_path):
    make_index("a.sig", make_records(20))
    before = files_of(tmp_path / "a.sig")
    assert run("migrate", "a.sig", "b.sig").status == 0
    assert files_of(tmp_path / "a.sig") == before


def test_it_can_be_run_again_for_what_was_added_since(run):
    records = make_index("a.sig", make_records(30))
    assert run("migrate", "a.sig", "b.sig").status == 0
    again = run("migrate", "a.sig", "b.sig")
    assert (again.status, again.err) == (0, "")
    assert numbers_of(again) == {"read": 30, "added": 0, "already there": 30}
    records += make_index("a.sig", make_records(5, prefix="later"))
    later = run("migrate", "a.sig", "b.sig")
    assert numbers_of(later) == {"read": 35, "added": 5, "already there": 30}
    check_holds("b.sig", records)


def test_what_the_target_has_besides_stays(run):
    others = make_index("b.sig", make_records(3, prefix="other"))
    records = make_index("a.sig", make_records(3))
    assert run("migrate", "a.sig", "b.sig").status == 0
    check_holds("b.sig", records + others)


@pytest.mark.parametrize(
    ("schemes", "kept"),
    [
        ({"a.sig": IMAGE_MATCH_SCHEME}, sigsearch.Scheme()),
        ({"a.sig": Scheme(), "b.sig": Scheme(word_length=12)}, Scheme(word_length=12)),
    ],
    ids=["a new index has words of its own", "an index that is there keeps its words"],
)
def test_words_may_be_others(run, schemes, kept):
    for location, scheme in schemes.items():
        sigsearch.open(location, scheme=scheme).close()
    with sigsearch.open("a.sig") as index:
        index.add_many(make_records(10))
    assert run("migrate", "a.sig", "b.sig").status == 0
    with sigsearch.open("b.sig") as target:
        assert (target.count(), target.scheme) == (10, kept)


def test_json_is_one_object(run, worn):
    worn(make_records(10), lost=["record-3"])
    result = run("migrate", LOCATION, "b.sig", "--json")
    assert (result.status, len(result.lines)) == (1, 1)
    told = json.loads(result.out)
    assert (told["read"], told["added"]) == (10, 9)
    assert json.dumps(told).count("record-3") >= 1


# What does not go


def test_without_a_source_nothing_is_made(run, tmp_path):
    assert run("migrate", "none.sig", "b.sig").is_one_line_error("no index at none.sig")
    assert list(tmp_path.iterdir()) == []


def test_what_is_to_be_done_with_damage_is_looked_at_before_anything_is_made(run, tmp_path):
    make_index("a.sig", make_records(1))
    assert run("migrate", "a.sig", "b.sig", "--on-damage", "ignore").is_one_line_error(
        "ignore", "skip", "copy"
    )
    assert not (tmp_path / "b.sig").exists()


def test_the_settings_of_both_backends_can_be_given(run, tmp_path, monkeypatch):
    given = []
    opened = sigsearch.open

    def noting(location, **options):
        given.append(options)
        return opened(location, **{name: options[name] for name in options if name in ("create", "scheme")})

    make_index("a.sig", make_records(3))
    monkeypatch.setattr("sigsearch.open", noting)
    done = run(
        *("migrate", "a.sig", "b.sig", "--source-option", "timezone=Europe/Berlin"),
        *("--target-option", "threads=2", "--target-option", 'settings={"a": 1}'),
    )
    assert done.status == 0
    source, target = given
    assert source == {"create": False, "timezone": "Europe/Berlin"}
    assert target == {"scheme": None, "threads": 2, "settings": {"a": 1}}


@pytest.mark.parametrize("setting", ["timezone", "timezone=", "=1", "create=true", "scheme=1", "a-b=1"])
def test_what_is_no_setting_is_refused_before_anything_is_made(run, tmp_path, setting):
    make_index("a.sig", make_records(3))
    done = run("migrate", "a.sig", "b.sig", "--target-option", setting)
    assert (done.status, done.out) == (2, "")
    assert done.err == (f"sigsearch: wanted a setting such as timezone=Europe/Berlin, found {setting!r}\n")
    assert not (tmp_path / "b.sig").exists()


def test_a_setting_that_the_backend_does_not_know_is_named(run, tmp_path):
    make_index("a.sig", make_records(3))
    done = run("migrate", "a.sig", "b.sig", "--target-option", "shards=2")
    assert (done.status, done.out) == (2, "")
    assert "unknown option 'shards'" in done.err
    assert len(done.err.splitlines()) == 1
    assert not (tmp_path / "b.sig").exists()


def test_an_index_is_not_copied_into_itself(run, tmp_path):
    make_index("a.sig", make_records(1))
    os.symlink("a.sig", "link.sig")
    for name in ("a.sig", tmp_path / "a.sig", "link.sig"):
        assert run("migrate", "a.sig", name).is_one_line_error("a.sig")


def test_a_file_that_is_no_index_is_left_alone(run, tmp_path):
    make_index("a.sig", make_records(1))
    (tmp_path / "letter.txt").write_text("Dear Lisa")
    assert run("migrate", "a.sig", "letter.txt").is_one_line_error("letter.txt is not")
    assert (tmp_path / "letter.txt").read_text() == "Dear Lisa"


# Damage


def test_a_damaged_record_is_left_out_and_named_in_a_line(run, worn):
    worn(make_records(10), lost=["record-3"], wordless=["record-5"])
    result = run("migrate", LOCATION, "b.sig")
    assert result.status == 1
    assert numbers_of(result)["added"] == 8
    assert result.lines[1].startswith("verified: 8 records in b.sig")
    assert result.err.splitlines() == [
        "sigsearch: the record 'record-3' is torn\\nin two",
        "sigsearch: the record 'record-5' has lost its words",
    ]
    assert ids_in("b.sig") == {f"record-{k}" for k in range(10)} - {"record-3", "record-5"}


def test_what_can_be_saved_of_a_damaged_record_is_copied_if_asked(run, worn):
    records = make_records(10)
    worn(records, wordless=["record-5"])
    assert run("migrate", LOCATION, "b.sig", "--on-damage", "copy").status == 0
    check_holds("b.sig", records)


def test_all_that_is_read_before_a_scan_breaks_off_is_copied(run, worn):
    def scan(self, where=None):
        for number, record in enumerate(MemoryBackend.scan(self)):
            if number == 1500:
                raise StorageError("the rest does not read")
            yield record

    worn(make_records(2000), scan=scan, examine=Backend.examine)
    result = run("migrate", LOCATION, "b.sig")
    assert (result.status, numbers_of(result)["added"]) == (1, 1500)
    assert result.err == "sigsearch: the rest does not read\n"


def test_a_target_that_fails_is_no_damage_of_the_source(worn):
    def contains(self, ids):
        raise StorageError("the target is gone")

    worn([], contains=contains)
    with sigsearch.open("memory://") as source, sigsearch.open(LOCATION) as target:
        source.add_many(make_records(10))
        with pytest.raises(StorageError, match="the target is gone"):
            sigsearch.migrate(source, target)


def test_a_damaged_record_ends_it_if_asked(run, worn):
    worn(make_records(10), wordless=["record-5"])
    result = run("migrate", LOCATION, "b.sig", "--on-damage", "stop")
    assert result.is_one_line_error("'record-5' has lost its words", "skip")


def test_a_damaged_record_of_an_embedded_index_is_named_by_its_id(run, tmp_path):
    make_index("a.sig", make_records(50))
    damage(tmp_path / "a.sig" / "full-1.rows")
    result = run("migrate", "a.sig", "b.sig")
    assert result.status == 1
    [lost] = {f"record-{k}" for k in range(50)} - ids_in("b.sig")
    assert result.err.count("\n") == 1
    assert repr(lost) in result.err


def test_a_source_that_reads_and_does_not_search_is_copied_all_the_same(run, tmp_path):
    records = make_index("a.sig", make_records(600))
    damage(tmp_path / "a.sig" / "full-1.blocks")
    result = run("migrate", "a.sig", "b.sig")
    assert (result.status, numbers_of(result)["added"]) == (1, 600)
    assert result.err.startswith("sigsearch: the matches of the source are not known: ")
    assert "full-1.blocks is damaged" in result.err
    check_holds("b.sig", records)


def test_a_record_that_is_damaged_after_it_was_copied_is_told_and_ends_nothing(run, tmp_path):
    records = make_index("a.sig", make_records(50))
    assert run("migrate", "a.sig", "b.sig").status == 0
    damage(tmp_path / "a.sig" / "full-1.rows")
    records += make_index("a.sig", make_records(5, prefix="later"))
    result = run("migrate", "a.sig", "b.sig")
    assert (result.status, numbers_of(result)["added"]) == (1, 5)
    assert "cannot be read again: " in result.err
    check_holds("b.sig", records)


def test_what_is_not_as_it_should_be_is_a_line_each_and_exit_status_2(run, worn):
    make_index("a.sig", make_records(10))

    def get(self, ids):
        return [None if record.id == "record-7" else record for record in MemoryBackend.get(self, ids)]

    worn([], get=get, contains=lambda self, ids: set())
    result = run("migrate", "a.sig", LOCATION)
    assert result.status == 2
    assert "verified" not in result.out
    assert "'record-7' is not in worn://photos" in result.err


# Interruptions


def test_after_ctrl_c_the_same_command_goes_on(run):
    records = make_index("a.sig", make_records(2500))
    ended = migrating(
        "from sigsearch.index import Index\n"
        "add_many, calls = Index.add_many, []\n"
        "def interrupted(self, *arguments, **options):\n"
        "    calls.append(1)\n"
        "    if len(calls) == 3:\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "    return add_many(self, *arguments, **options)\n"
        "Index.add_many = interrupted\n"
    )
    assert (ended.returncode, ended.stdout) == (128 + signal.SIGINT, "")
    assert ended.stderr.startswith("sigsearch: interrupted; what was copied is kept")
    assert "the same command goes on where it stopped" in ended.stderr
    assert ended.stderr.count("\n") == 1
    stored = len(ids_in("b.sig"))
    assert 0 < stored < 2500
    result = run("migrate", "a.sig", "b.sig")
    assert (result.status, result.err) == (0, "")
    assert numbers_of(result) == {"read": 2500, "added": 2500 - stored, "already there": stored}
    check_holds("b.sig", records)


def test_after_a_kill_in_the_middle_of_a_write_the_same_command_goes_on(run):
    records = make_index("a.sig", make_records(2500))
    ended = migrating(
        "from sigsearch_local.backend import LocalBackend\n"
        "store, calls = LocalBackend._store, []\n"
        "def dying(self, *arguments):\n"
        "    store(self, *arguments)\n"
        "    calls.append(1)\n"
        "    if len(calls) == 3:\n"
        "        os.kill(os.getpid(), signal.SIGKILL)  # all written, nothing of it committed\n"
        "LocalBackend._store = dying\n"
    )
    assert ended.returncode == -signal.SIGKILL
    stored = len(ids_in("b.sig"))
    assert 0 < stored < 2500
    result = run("migrate", "a.sig", "b.sig")
    assert (result.status, result.err) == (0, "")
    assert numbers_of(result) == {"read": 2500, "added": 2500 - stored, "already there": stored}
    check_holds("b.sig", records)
    check_holds("a.sig", records)


# Progress


@pytest.mark.parametrize("there", [0, 2500], ids=["as it copies", "as it passes over what is there"])
def test_without_a_terminal_progress_is_a_line_now_and_then(run, monkeypatch, there):
    monkeypatch.setattr("sigsearch.progress.EVERY", 0.0)
    records = make_index("a.sig", make_records(2500))
    make_index("b.sig", records[:there])
    result = run("migrate", "a.sig", "b.sig")
    assert result.status == 0
    lines = result.err.splitlines()
    assert len(lines) >= 2
    assert all(line.startswith("sigsearch: ") and "of 2,500 records" in line for line in lines)


def test_on_a_terminal_there_is_a_progress_bar():
    make_index("a.sig", make_records(2500))
    child = pexpect.spawn(
        sys.executable,
        ["-m", "sigsearch", "migrate", "a.sig", "b.sig"],
        dimensions=(24, 100),
        encoding="utf-8",
        timeout=120,
        env=os.environ | {"TERM": "xterm"},
    )
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    assert "copying" in child.before
    assert "2500/2500" in child.before
    assert "2,500 read: 2,500 added\r\n" in child.before
