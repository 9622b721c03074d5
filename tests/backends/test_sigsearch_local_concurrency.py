"""The embedded backend used by many at once: processes and threads that write, read and die meanwhile."""

import os
import random
import signal
import threading
import time
from contextlib import ExitStack

import numpy as np
import pytest
from backends.local_processes import (
    NUMBERS,
    PATIENCE,
    Book,
    Helper,
    check_holds,
    in_holder,
    make_version,
    near,
    open_local,
    perform,
    some_operation,
    swept,
    versions_in,
)
from sigsearch_local import upkeep

from sigsearch.testing.samples import make_copy

LARGE = 500
"""Records added by one call, so many that it can be killed or stopped in the middle."""

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(os.name != "posix", reason="starts and stops processes as POSIX has it"),
]


@pytest.fixture(scope="module")
def helpers():
    with ExitStack() as stack:
        yield [stack.enter_context(Helper()) for _ in range(3)]


@pytest.fixture
def location(tmp_path):
    """Where an index may come to lie, alone in its folder."""
    return in_holder(tmp_path / "holder")


# Processes


def test_readers_see_whole_batches_and_what_was_acknowledged_at_once(location, helpers):
    writer, *watchers = helpers
    book, moments = Book(), random.Random(1)
    with open_local(location) as backend:
        for watcher in watchers:
            watcher.start("watch", location, "mine", 7)
        writer.start("step", location, "mine", 7)
        for number in range(60):
            writer.tell(True)
            operation = writer.hear()
            book, expected = book.after("mine", operation)
            assert writer.hear() == expected
            backend.refresh()
            assert backend.count() == len(book.there)
            asked = moments.sample(range(NUMBERS), 50)
            assert backend.get([f"mine-{n}" for n in asked]) == [book.there.get(f"mine-{n}") for n in asked]
            if number % 10 == 0:
                check_holds(backend, book)
        check_holds(backend, book)
    for watcher in watchers:
        watcher.kill()
        assert len(watcher.rest(-signal.SIGKILL)) > 5
    writer.tell(False)
    assert writer.rest() == []
    assert len(book.gone) > 300


def test_of_many_processes_that_make_fill_and_close_an_index_none_loses_a_record(location, helpers):
    batches = 40
    for number, helper in enumerate(helpers):
        helper.start("compete", location, f"{number}", 1 + number, batches)
    first = [helper.rest() for helper in helpers]
    assert sorted(batch for [batches] in first for batch in batches) == list(range(batches))
    records = [make_version("shared", batch, 0) for batch in range(batches)]
    records += [make_version(f"{n}", i, 1 + n) for n in range(len(helpers)) for i in range(7 * batches)]
    with open_local(location, create=False) as backend:
        check_holds(backend, Book({record.id: record for record in records}))


def test_what_is_opened_twice_in_a_process_is_not_lost_when_others_close_it(location, helpers):
    """To close a file is to lose all locks of this process on it, and then others tidy up what is in use."""
    book = Book()
    with open_local(location) as backend:
        for version in range(0, 12, 2):
            open_local(location).close()
            helpers[0].run("add_large", location, "theirs", version, 20)
            book, _ = book.after("theirs", {"do": "add", "version": version, "numbers": range(20)})
            operation = {"do": "replace", "version": 1 + version, "numbers": [3, 5 + version]}
            book, answer = book.after("ours", operation)
            assert perform(backend, "ours", operation) == answer
            check_holds(backend, book)
    with open_local(location, create=False) as backend:
        check_holds(backend, book)


def test_the_lock_of_a_killed_writer_is_no_lock(location, helpers):
    """It is killed in the middle of a long call; who has it open, or opens it then, writes at once."""
    moments, helper, book = random.Random(2), helpers[0], Book()
    with open_local(location) as backend:
        for kill in range(12):
            add_large(helper, location, f"large {kill}", kill, moments)
            helper.kill()
            helper.rest(-signal.SIGKILL, 0)  # on a quick machine it may have ended before
            operation = {"do": "add", "version": 100 + kill, "numbers": [kill]}
            book, expected = book.after("small", operation)
            began = time.monotonic()
            if kill % 2:
                assert perform(backend, "small", operation) == expected
            else:
                with open_local(location) as opened:
                    assert perform(opened, "small", operation) == expected
            assert time.monotonic() - began < 15  # half of what a writer waits for another that lives
            book = with_large_or_without(backend, book, f"large {kill}", kill)
            check_holds(backend, book)


def test_a_writer_that_stands_still_holds_up_no_reader_and_loses_nothing(location, helpers):
    moments, helper, book = random.Random(3), helpers[0], Book()
    with open_local(location) as backend:
        for stop in range(5):
            add_large(helper, location, f"large {stop}", stop, moments)
            helper.kill(signal.SIGSTOP)
            time.sleep(0.05)  # what it does this very moment it may end
            with open_local(location, create=False) as opened:
                for each in (backend, opened):
                    check_holds(each, with_large_or_without(each, book, f"large {stop}", stop))
            helper.kill(signal.SIGCONT)
            book, answer = book.after(f"large {stop}", large(stop))
            assert helper.rest()[-1] == answer
            check_holds(backend, book)


def large(version):
    return {"do": "add", "version": version, "numbers": range(LARGE)}


def add_large(helper, location, name, version, moments):
    """Let another process begin to add many records by one call, and return at a moment during that."""
    helper.start("add_large", location, name, version, LARGE)
    assert helper.hear() == "begins"
    time.sleep(moments.uniform(0, 0.04))


def with_large_or_without(backend, book, name, version):
    """The book with what another process was adding, all of it, or as it is, with nothing of it."""
    book, _ = book.after(name, large(version)) if versions_in(backend, name) else (book, None)
    return book


# Threads


def in_threads(work, names):
    """Do some work for each name in a thread of its own."""
    errors = []

    def noting_errors(name):
        try:
            work(name)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=noting_errors, args=(name,), daemon=True) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert errors == []
    assert not any(thread.is_alive() for thread in threads)


def test_a_compaction_does_not_mind_that_the_one_before_it_still_removes_its_old_files(tmp_path):
    class Listed:
        def iterdir(self):
            yield tmp_path / "folded-1.rows"  # and by now it is gone

    upkeep.sweep(Listed(), [])


def test_threads_that_share_a_backend_disturb_each_other_in_nothing(location):
    books = {f"thread {number}": Book() for number in range(8)}

    def work(name):
        moments, book = random.Random(name), books[name]
        first = 1000 * (1 + list(books).index(name))
        for version in range(first, first + 25):
            numbers = moments.sample(range(NUMBERS), moments.choice([1, 3, 20, 60]))
            operation = some_operation(moments, version, numbers)
            book, expected = book.after(name, operation)
            assert perform(backend, name, operation) == expected
            look = moments.choice(["scan", "get", "search", "count"])
            if look == "scan":
                assert versions_in(backend, name) == book.versions()
            elif look == "get":
                assert backend.get([f"{name}-{n}" for n in numbers]) == [
                    book.there.get(f"{name}-{n}") for n in numbers
                ]
            elif look == "count":
                assert backend.count() >= len(book.there)
            else:
                for record in list(book.there.values())[-3:]:
                    assert near(backend, record) == [(record.id, 0)]
                for record in book.gone[-3:]:
                    assert near(backend, record) == []
        books[name] = book

    with open_local(location) as backend:
        in_threads(work, books)
        everything = Book(
            {id: record for book in books.values() for id, record in book.there.items()},
            [record for book in books.values() for record in book.gone],
        )
        check_holds(backend, everything)
    with open_local(location, create=False) as backend:
        check_holds(backend, everything)
    assert len(everything.gone) > 500


def test_several_threads_that_search_at_once_find_what_one_finds(location):
    records = [make_version("mine", number, number % 5) for number in range(2000)]
    queries = np.stack([make_copy(record.views[0].signature, 150) for record in records[::40]])

    def search(query):
        [found] = backend.candidates(query[np.newaxis], where=None, cutoff=0.7, limit=20)
        return [(candidate.id, candidate.view, candidate.signature.tobytes()) for candidate in found]

    with open_local(location) as backend:
        backend.add(records, replace=False)
        alone = [search(query) for query in queries]
        assert min(map(len, alone)) >= 20
        together = {}

        def work(number):
            order = random.Random(number).sample(range(len(queries)), len(queries))
            together[number] = {place: search(queries[place]) for place in order}

        in_threads(work, range(6))
        for found in together.values():
            assert [found[place] for place in range(len(queries))] == alone
        assert swept(backend).keys() >= {(record.id, 0) for record in records}
