"""What the tests of the embedded backend do in other processes, and the books they keep of what is stored.

A location is opaque here: it lies in a folder of its own, the holder, whose whole content it is, be it one
file or many. Run as a program this file is a `Helper`, which does the commands below when it is told to.
"""

import faulthandler
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache, cached_property, partial
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from sigsearch_local.backend import LocalBackend

import sigsearch
from sigsearch.adding import pipeline
from sigsearch.backend import Outcome
from sigsearch.errors import BackendError, IndexNotFoundError, StorageError
from sigsearch.records import Item, Record
from sigsearch.scheme import DEFAULT_SCHEME
from sigsearch.testing.samples import make_signature, make_views

NUMBERS = 600
"""Records that a writer of one name knows, so that an index does not grow without end."""
PLENTY = 10_000
"""More records than have room where that is small."""
SWEEP = make_signature(0)
"""Nearer than 1.0 to every record: a search for it gives all there is to be found."""
STAMP = [(row * 9 + column) * 8 + way for row in (4, 5, 6) for column in (2, 3, 4, 5, 6) for way in range(4)]
"""Places in a signature, all different differences, whose signs say whose it is."""
BATCH = 64
PATIENCE = 120
"""Seconds after which something that should have ended hangs. Longer than a writer waits for another."""


def open_local(location, *, create=True):
    return LocalBackend.open(str(location), scheme=DEFAULT_SCHEME, create=create, options={})


def in_holder(folder):
    """The location of an index that will have this new folder to itself."""
    folder.mkdir()
    return folder / "photos.sig"


# The books


@cache
def make_version(name: str, number: int, version: int) -> Record:
    """A version of the record of a number: no two have anything but the id in common."""
    code = version * PLENTY + number
    signatures = [stamped(10 * code + view) for view in range(1 + 2 * (number % 10 == 0))]
    return Record(
        f"{name}-{number}",
        make_views(*signatures),
        f"/pictures/é/{number}-{version}.jpg",
        {"name": name, "number": number, "version": version, "note": "ü" * (code % 60)},
        datetime(2024, 2, 29, 23, 59, 59, 999_999, tzinfo=UTC) + timedelta(minutes=code % 10**6),
    )


def stamped(code: int):
    """A signature that is a stranger to all others and says of which code it is; see `stamp_of`.

    Half of them are such as pictures have, half such as they never have.
    """
    noise = np.frombuffer(hashlib.shake_128(str(code).encode()).digest(648), np.uint8)  # quicker than numpy's
    signature = np.array([-2, -1, 1, 2], np.int8)[noise % 4]
    signature[STAMP] = 2 * (code >> np.arange(len(STAMP)) & 1) - 1
    return pictured(signature) if code // 10 % 2 else signature


def stamp_of(signature) -> tuple[int, int, int]:
    """Number, version and view of a signature."""
    code, view = divmod(int((signature[STAMP] > 0) @ (1 << np.arange(len(STAMP)))), 10)
    return code % PLENTY, code // PLENTY, view


def pictured(signature):
    """The signature made one that a picture could have.

    Neighbours are compared twice, seen from each, and once says the opposite of the other; beyond the edge of
    the grid there is nothing.
    """
    return SIGN * signature[SOURCE]


def _source_of(place: int) -> tuple[int, int]:
    """Where the value of a place in a picture's signature is told from, and with which sign."""
    row, column, way = place // 72, place // 8 % 9, place % 8
    down, right = ((-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1))[way]
    if not (0 <= row + down < 9 and 0 <= column + right < 9):
        return place, 0
    return (place, 1) if way < 4 else (((row + down) * 9 + column + right) * 8 + 7 - way, -1)


SOURCE, SIGN = np.array([_source_of(place) for place in range(648)]).T
SIGN = SIGN.astype(np.int8)


Operation = dict[str, Any]
"""``do``: add, replace, delete or compact; ``numbers`` of records; their new ``version``."""


@dataclass
class Book:
    """What was acknowledged: the records that must be there and those that must not any more."""

    there: dict[str, Record] = field(default_factory=dict)
    gone: list[Record] = field(default_factory=list)

    def after(self, name: str, operation: Operation) -> tuple["Book", object]:
        """The book after an operation, and what the backend must answer."""
        book, outcomes = Book(dict(self.there), list(self.gone)), []
        for number in operation["numbers"]:
            record = make_version(name, number, operation["version"])
            old = book.there.get(record.id)
            if old and operation["do"] == "add":
                outcomes.append(Outcome.KEPT)
                continue
            if old:
                book.gone.append(book.there.pop(record.id))
            if operation["do"] != "delete":
                book.there[record.id] = record
            outcomes.append(Outcome.REPLACED if old else Outcome.ADDED)
        if operation["do"] == "delete":
            return book, outcomes.count(Outcome.REPLACED)
        return book, [outcome.value for outcome in outcomes]

    def versions(self) -> dict[str, int]:
        return {id: record.metadata["version"] for id, record in self.there.items()}


def the_one(possible: Sequence[Book], found: dict[str, int]) -> Book:
    """The book that has those versions."""
    [book, *_] = [book for book in possible if book.versions() == found] or [None]
    assert book, "neither as before the last operation nor as after it"
    return book


def versions_in(backend, name: str = "") -> dict[str, int]:
    """Which version of each record is there, or of those of a name, all of it as it was written."""
    backend.refresh()
    found: dict[str, int] = {}
    for record in backend.scan():
        if name and record.metadata["name"] != name:
            continue
        assert record.id not in found, "scanned twice"
        check_version(record)
        found[record.id] = record.metadata["version"]
    return found


def check_version(record: Record) -> None:
    """Fail unless a record is in every part of it the version that it says it is."""
    said = record.metadata
    assert record == make_version(said["name"], said["number"], said["version"])


def check_holds(backend, book: Book) -> None:
    """Fail unless a backend has the records of a book, finds them and nothing else, by any call."""
    there = book.there
    assert versions_in(backend) == book.versions()
    assert backend.count() == len(there)
    ids = [*there, "never"]
    *found, none = backend.get(ids)
    assert none is None
    assert found == list(there.values())
    assert backend.contains(ids) == there.keys()
    assert swept(backend) == views_of(book)
    chosen = random.Random(len(there))
    for record in chosen.sample(list(there.values()), min(8, len(there))):
        assert near(backend, record) == [(record.id, 0)]
    for record in chosen.sample(book.gone, min(8, len(book.gone))):
        assert near(backend, record) == []


def views_of(book: Book) -> dict[tuple[str, int], bytes]:
    """All views that a search must find, and their signatures."""
    return {
        (id, position): view.signature.tobytes()
        for id, record in book.there.items()
        for position, view in enumerate(record.views)
    }


def swept(backend) -> dict[tuple[str, int], bytes]:
    """All views that a search can find."""
    [found] = backend.candidates(SWEEP[np.newaxis], where=None, cutoff=1.0, limit=None)
    views = {(candidate.id, candidate.view): candidate.signature.tobytes() for candidate in found}
    assert len(views) == len(found), "a view was offered twice"
    return views


def near(backend, record: Record) -> list[tuple[str, int]]:
    [found] = backend.candidates(record.views[0].signature[np.newaxis], where=None, cutoff=0.2, limit=5)
    return [(candidate.id, candidate.view) for candidate in found]


# Helpers


class Helper:
    """Another process, which has all imported and does one command at a time, each in a child of its own.

    What a command says it says in JSON, line by line.
    """

    def __init__(self, before: Sequence[str] = ()) -> None:
        self._before = before
        self._child: int | None = None

    def __enter__(self) -> "Helper":
        return self

    def __exit__(self, *_: object) -> None:
        if "_process" in vars(self):
            with self._process:
                self.kill()
                self._process.kill()

    @cached_property
    def _process(self) -> subprocess.Popen:
        """Started when it is first needed, for that takes a second."""
        return subprocess.Popen(
            [*self._before, sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def start(self, command: str, *arguments: object) -> None:
        self.kill()  # what a test that failed left running
        self.tell([command, *map(str, arguments)])
        while "began" not in (said := self._line()):
            pass
        self._child = said["began"]

    def tell(self, value: object = None) -> None:
        self._process.stdin.write(f"{json.dumps(value)}\n")
        self._process.stdin.flush()

    def hear(self) -> object:
        """The next thing that the command says."""
        line = self._line()
        assert "said" in line, line.get("failed", line)
        return line["said"]

    def kill(self, by: int = signal.SIGKILL) -> None:
        if self._child is not None:
            with suppress(ProcessLookupError):
                os.kill(self._child, by)

    def rest(self, *statuses: int) -> list[object]:
        """What the command still said before it ended, as it must, with one of these statuses or else 0."""
        said = []
        while "said" in (line := self._line()):
            said.append(line["said"])
        assert line.get("ended") in (statuses or (0,)), (
            f"{line.get('failed', line)}\nThe last it said: {said[-3:]}"
        )
        return said

    def run(self, command: str, *arguments: object) -> list[object]:
        self.start(command, *arguments)
        return self.rest()

    def _line(self) -> dict[str, Any]:
        line = json.loads(self._process.stdout.readline())
        if "ended" in line:
            self._child = None
        return line


def main() -> None:
    """Do the command of each line read in a child, and say how that ended."""
    with TemporaryDirectory() as folder, open_local(Path(folder) / "warm.sig") as backend:
        perform(backend, "warm", {"do": "add", "version": 0, "numbers": range(NUMBERS)})
        swept(backend)  # by now all is loaded that takes long to load
    for line in sys.stdin:
        child = os.fork()
        if not child:
            faulthandler.dump_traceback_later(PATIENCE, exit=True)
            say(os.getpid(), "began")
            try:
                command, *arguments = json.loads(line)
                globals()[command](*arguments)
            except BaseException:
                say(traceback.format_exc(), "failed")
            finally:
                os._exit(0)
        say(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), "ended")


def say(value: object, kind: str = "said") -> None:
    sys.stdout.write(f"{json.dumps({kind: value})}\n")
    sys.stdout.flush()


def own_filesystem(folder: Path, size: str) -> Sequence[str]:
    """What to put before a command to give it a small file system at a folder; empty if that cannot be.

    It is mounted in a namespace of its own and goes when the command ends.
    """
    mounted = ("sh", "-c", f'mount -t tmpfs -o size={size} tmpfs "$0" && exec "$@"', str(folder))
    for unshared in (("--mount",), ("--user", "--map-root-user", "--mount")):
        before = ("unshare", *unshared, *mounted)
        with suppress(OSError):
            if subprocess.run([*before, "true"], capture_output=True).returncode == 0:
                return before
    return ()


# Commands


def write(location: str, name: str, seed: str) -> None:
    """Add, replace, delete until killed.

    Say what of this name was there, then each operation before it is done, and its answer when it has come.
    """
    moments = random.Random(f"{name} {seed}")
    with open_local(location) as backend:
        say(versions_in(backend, name))
        for version in count(10_000 * int(seed)):
            size = moments.choice([1, 2, 5, 20, 100, 300])
            operation = some_operation(moments, version, moments.sample(range(NUMBERS), size))
            say(operation)
            say(perform(backend, name, operation))


def step(location: str, name: str, size: str) -> None:
    """The same to groups of that many neighbours, an operation for each line read, until that is false."""
    moments, group = random.Random(name), int(size)
    with open_local(location) as backend:
        for version in count():
            first = [group * g for g in moments.sample(range(NUMBERS // group), moments.choice([1, 3, 10]))]
            operation = some_operation(
                moments, version, [number + i for number in first for i in range(group)]
            )
            if not json.loads(sys.stdin.readline()):
                return
            say(operation)
            say(perform(backend, name, operation))


def some_operation(moments: random.Random, version: int, numbers: list[int]) -> Operation:
    do = moments.choice(["add"] * 8 + ["replace"] * 5 + ["delete"] * 3 + ["compact"])
    return {"do": do, "version": version, "numbers": [] if do == "compact" else numbers}


def perform(backend, name: str, operation: Operation) -> object:
    """What the backend answers, as `Book.after` foretells it."""
    if operation["do"] == "compact":
        backend.compact()
        return []
    records = [make_version(name, number, operation["version"]) for number in operation["numbers"]]
    if operation["do"] == "delete":
        return backend.delete([record.id for record in records])
    outcomes = backend.add(records, replace=operation["do"] == "replace")
    return [outcome.value for outcome in outcomes]


def watch(location: str, name: str, size: str) -> None:
    """Look at what `step` does meanwhile, until killed, and fail at any state that there never was."""
    moments, group = random.Random(os.getpid()), int(size)
    with open_local(location, create=False) as backend:
        while True:
            backend.refresh()
            assert backend.count() % group == 0
            for record in backend.scan():
                check_version(record)
            first = group * moments.randrange(NUMBERS // group)
            found = backend.get([f"{name}-{first + i}" for i in range(group)])
            assert len({record and record.metadata["version"] for record in found}) == 1, "half a batch"
            for record in found:
                if record is not None:
                    check_version(record)
            check_groups(swept(backend), name, group)
            say("looked")


def add_large(location: str, name: str, version: str, size: str) -> None:
    """Add many records by one call; say when it begins and what it gave."""
    operation = {"do": "add", "version": int(version), "numbers": list(range(int(size)))}
    for number in operation["numbers"]:
        make_version(name, number, int(version))
    with open_local(location) as backend:
        say("begins")
        say(perform(backend, name, operation))


def compete(location: str, name: str, version: str, batches: str) -> None:
    """Open, add a batch with a record that others add too, and close, again and again.

    Say with which of the records that others add it was the first.
    """
    first = []
    for batch in range(int(batches)):
        records = [make_version(name, 7 * batch + i, int(version)) for i in range(7)]
        with open_local(location) as backend:
            *ours, shared = backend.add([*records, make_version("shared", batch, 0)], replace=False)
        assert ours == [Outcome.ADDED] * 7
        first += [batch] * (shared is Outcome.ADDED)
    say(first)


def check_groups(views: dict[tuple[str, int], bytes], name: str, size: int) -> None:
    """Fail unless the views that are found are those of whole groups, each of one version."""
    groups: dict[tuple[int, int], dict[tuple[str, int], bytes]] = {}
    for key, data in views.items():
        number, version, _ = stamp_of(np.frombuffer(data, np.int8))
        groups.setdefault((number // size, version), {})[key] = data
    assert len({group for group, _ in groups}) == len(groups), "two versions of a group at once"
    for (group, version), found in groups.items():
        records = [make_version(name, size * group + i, version) for i in range(size)]
        assert found == views_of(Book({record.id: record for record in records}))


def items(total: int) -> list[Item]:
    """Records as `Index.add_many` takes them; of number 10, 20… only the first view."""
    records = [make_version("item", number, 1) for number in range(total)]
    return [
        Item(id=record.id, signature=record.views[0].signature, path=record.path, metadata=record.metadata)
        for record in records
    ]


def add_many(location: str, total: str) -> None:
    """Add items in batches of `BATCH`; say how many are done after each, and at the end what was reported.

    A Ctrl-C ends the call, not the process: it goes on, with the same index, when a line is read. So is the
    end waited for, lest it come before the Ctrl-C.
    """
    pipeline.BATCH = pipeline.READY_BATCH = BATCH
    given = items(int(total))
    with sigsearch.open(location) as index:
        while True:
            try:
                report = index.add_many(given, on_advance=lambda report, done: say(done))
                say([report.added, report.skipped, len(report.failures)])
                sys.stdin.readline()
                return
            except KeyboardInterrupt:
                say("interrupted")
                sys.stdin.readline()


def be_interrupted(location: str, rounds: str) -> None:
    """Be interrupted at any moment of many operations.

    After each the index must be as before or as after it, and hold up neither us nor others.
    """
    moments, armed, book = random.Random(1), [], Book()

    def interrupt(*_: object) -> None:
        if armed:
            armed.clear()
            raise KeyboardInterrupt

    signal.signal(signal.SIGALRM, interrupt)
    with open_local(location) as backend, open_local(location) as other:
        for version in range(int(rounds)):
            numbers = moments.sample(range(100), moments.choice([1, 5, 30]))
            operation = some_operation(moments, version, numbers)
            possible = [book, book.after("mine", operation)[0]]
            try:
                armed.append(True)
                signal.setitimer(signal.ITIMER_REAL, moments.uniform(0.00001, 0.003))
                perform(backend, "mine", operation)
                possible = possible[1:]
                backend.get(list(possible[0].there))
                armed.clear()
            except (KeyboardInterrupt, RuntimeError, SystemError) as error:
                # The others are what the standard library and numba make of it here and there.
                if KeyboardInterrupt not in map(type, causes(error)):
                    raise
            book = the_one(possible, versions_in(backend))
            assert swept(backend) == views_of(book)
            operation = {"do": "replace", "version": 10_000 + version, "numbers": [version % 7]}
            book, answer = book.after("other", operation)
            assert perform(other, "other", operation) == answer
            assert versions_in(backend) == book.versions()
            if version % 20 == 0:
                check_holds(backend, book)
    with open_local(location, create=False) as backend:
        check_holds(backend, book)


def causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__context__


def fill_disk(location: str) -> None:
    """Fill a small file system, in which a file was laid that can be done without."""
    filler = Path(location).parent / "filler"
    filler.write_bytes(bytes(1 << 20))
    fill(location, filler.unlink, says="full")


def fill_to_limit(location: str) -> None:
    """Write until no file may grow any more, as with a quota."""
    import resource

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (3 << 20, hard))
    fill(location, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard)))


def fill(location: str, make_room: Callable[[], object], says: str = "") -> None:
    """Add until there is no room, go on as far as that goes, make room, go on: nothing stored may be lost."""
    book, versions, chosen = Book(), count(), random.Random(2)

    def fails(backend, do: str, numbers: Sequence[int]) -> StorageError | None:
        """The error of an operation, which then must have changed nothing."""
        nonlocal book
        operation = {"do": do, "version": next(versions), "numbers": list(numbers)}
        after, expected = book.after("mine", operation)
        try:
            assert perform(backend, "mine", operation) == expected
        except StorageError as error:
            check_one_line(error, location)
            return error
        book = after
        return None

    def fill_up(backend) -> None:
        for size in (100, 10, 1):
            while not (error := fails(backend, "replace", chosen.sample(range(PLENTY), size))):
                pass
            assert says in str(error)
            check_holds(backend, book)

    with open_local(location) as backend:
        fill_up(backend)
        with open_local(location, create=False) as other:
            check_holds(other, book)
        for part in range(3):
            fails(backend, "delete", range(part, PLENTY, 10))
            check_holds(backend, book)
            fails(backend, "replace", chosen.sample(range(PLENTY), 10))
            check_holds(backend, book)
    with open_local(location, create=False) as reopened:
        check_holds(reopened, book)
        fill_up(reopened)
        make_room()
        assert not fails(reopened, "replace", chosen.sample(range(PLENTY), 100))
        check_holds(reopened, book)
    with open_local(location, create=False) as reopened:
        check_holds(reopened, book)


def check_one_line(error: BackendError, location: str) -> None:
    assert "\n" not in str(error)
    assert location in str(error)


# Damage


STEPS: Sequence[Operation] = [
    {"do": do, "version": version, "numbers": list(numbers)}
    for version, (do, numbers) in enumerate(
        [
            *[("add", range(first, first + 100)) for first in range(0, NUMBERS, 100)],
            ("replace", range(0, NUMBERS, 9)),
            ("delete", range(0, NUMBERS, 20)),
            ("replace", range(5, NUMBERS, 50)),
            ("add", range(0, NUMBERS, 100)),
        ]
    )
]


def make_closed(location: Path) -> Book:
    """Make an index that has also seen records replaced and deleted, and close it."""
    book = Book()
    with open_local(location) as backend:
        for operation in STEPS:
            book, expected = book.after("mine", operation)
            assert perform(backend, "mine", operation) == expected
    return book


def files_in(holder: Path) -> dict[str, bytes]:
    """All that an index consists of, but for what SQLite keeps beside its file while it is open."""
    return {
        str(file.relative_to(holder)): file.read_bytes()
        for file in sorted(holder.rglob("*"))
        if file.is_file() and not file.name.endswith(("-wal", "-shm"))
    }


def damages(data: bytes, seed: str, places: int) -> Iterator[tuple[str, bytes | None]]:
    """Ways to damage a file: how it is done and what is left of it; None for no file."""
    moments, size = random.Random(seed), len(data)
    for kept in sorted({0, size // 2, max(size - 100, 0), max(size - 1, 0)} - {size}):
        yield f"cut to {kept} of {size} bytes", data[:kept]
    yield "deleted", None
    for number in range(places):
        place = moments.randrange(size if number % 4 else min(size, 200))  # each fourth in the header
        flipped = bytearray(data)
        flipped[place] ^= 1 << number % 8
        yield f"bit {number % 8} of byte {place} of {size} flipped", bytes(flipped)


def damage(holder: str, name: str, scratch: str, places: str) -> None:
    """Damage a file of an index in one way after another; say of each what was wrong with the answers."""
    book = Book()
    for operation in STEPS:
        book, _ = book.after("mine", operation)
    data = (Path(holder) / name).read_bytes()
    for way, left in damages(data, name, int(places)):
        say(way)
        copy = Path(scratch) / "holder"
        shutil.copytree(holder, copy)
        if left is None:
            (copy / name).unlink()
        else:
            (copy / name).write_bytes(left)
        before = files_in(copy)
        wrong, lacking = look(copy / "photos.sig", book)
        if len(before) > 1:
            wrong += look_for_new_index(copy / "photos.sig")
        after = files_in(copy)
        changed = [file for file in before.keys() | after.keys() if before.get(file) != after.get(file)]
        say({"wrong": [*wrong, *(f"changed {file}" for file in changed)], "lacking": lacking})
        shutil.rmtree(copy)


def look_for_new_index(location: Path) -> list[str]:
    """Whether an index that is said not to be there is silently made anew over what is left of it."""
    for create in (False, True):
        try:
            open_local(location, create=create).close()
        except IndexNotFoundError:
            continue
        except BackendError:
            return []
        return ["open: made a new index over what is left of the old"] * create
    return []


def look(location: Path, book: Book) -> tuple[list[str], list[str]]:
    """Ask a damaged index everything: what was wrong with the answers, and what was refused or left out."""
    wrong: list[str] = []
    lacking: list[str] = []

    def ask(call: str, question: Callable[[], Any], otherwise: Any = None) -> Any:
        try:
            return question()
        except BackendError as error:
            lacking.append(f"{call}: {error}")
            if "\n" in str(error):
                wrong.append(f"{call}: not one line: {error}")
        except Exception as error:
            wrong.append(f"{call}: {type(error).__name__}: {error}")
        return otherwise

    def get(ids: Sequence[str]) -> Iterator[Record | None]:
        """What is answered of each record, asked for with as few others as it takes, unless most fail."""
        found = ask(f"get {len(ids)}", partial(backend.get, ids), [])
        if found or len(ids) == 1 or len(lacking) > 30:
            yield from found
        else:
            yield from get(ids[: len(ids) // 2])
            yield from get(ids[len(ids) // 2 :])

    def right(call: str, records: Iterator[Record | None]) -> set[str]:
        """The ids of the records that come and are what was stored."""
        good, came = set(), []
        ask(call, lambda: came.extend(record for record in records if record is not None))
        for record in came:
            if record == book.there.get(record.id):
                good.add(record.id)
            else:
                wrong.append(f"{call}: a wrong record {record!r:.60}")
        if len(good) < len(came):
            wrong.append(f"{call}: gave {len(came)} records, of which {len(good)} are there")
        elif len(good) < len(book.there):
            lacking.append(f"{call}: only {len(good)} of {len(book.there)}")
        return good

    backend = ask("open", lambda: open_local(location, create=False))
    if backend is None:
        return wrong, lacking
    with backend:
        ask("scheme", lambda: DEFAULT_SCHEME.check_same(backend.scheme, str(location)))
        if ask("count", backend.count) != len(book.there):
            lacking.append("count")
        good = right("get", get(list(book.there))) | right("scan", backend.scan())
        views = ask("candidates", lambda: swept(backend), {})
        stored = views_of(book)
        lacking += ["candidates"] * (views.keys() != stored.keys())
        wrong += [f"candidates: wrong of {key}" for key in views if views[key] != stored.get(key)]
        lines: list[str] = []
        ask("check", lambda: lines.extend(backend.check()))
        wrong += [f"check: not one line: {line!r}" for line in lines if "\n" in line]
        if lacking and not lines:
            wrong.append(f"check: found nothing of {lacking[:3]}")
        if left_out := good - right("salvage", backend.salvage()):
            wrong.append(f"salvage: left out {len(left_out)} records that are there")
    return wrong, lacking


if __name__ == "__main__":
    main()
