"""The embedded backend when things go wrong: killed and interrupted processes, full disks, damaged files."""

import os
import random
import signal
import time
from contextlib import ExitStack

import pytest
from backends.local_processes import (
    BATCH,
    Book,
    Helper,
    check_holds,
    files_in,
    in_holder,
    items,
    make_closed,
    open_local,
    own_filesystem,
    the_one,
    versions_in,
)

import sigsearch

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(os.name != "posix", reason="kills, interrupts and limits processes as POSIX has it"),
]


@pytest.fixture(scope="module")
def helpers():
    with ExitStack() as stack:
        yield [stack.enter_context(Helper()) for _ in range(2)]


@pytest.fixture
def location(tmp_path):
    """Where an index may come to lie, alone in its folder."""
    return in_holder(tmp_path / "holder")


# Killed


@pytest.mark.parametrize(
    ("writers", "watched", "rounds"),
    [
        pytest.param(1, False, 20, id="one writer"),
        pytest.param(1, True, 10, id="one writer, watched"),
        pytest.param(2, False, 10, id="two writers"),
        pytest.param(2, True, 10, id="two writers, watched"),
    ],
)
def test_after_a_kill_all_that_was_acknowledged_is_there_and_nothing_is_half_there(
    location, helpers, writers, watched, rounds
):
    """Whoever opens it next, the test or the next writers, finds all or nothing of what was cut off."""
    moments = random.Random(f"{writers} {watched}")
    possible = {f"writer {number}": [Book()] for number in range(writers)}
    with ExitStack() as stack:
        watching = stack.enter_context(open_local(location)) if watched else None
        for seed in range(10 * rounds):
            if seed >= rounds and is_much_gone(possible):
                break
            possible = kill_writers(location, possible, helpers, moments, seed)
            if watching or moments.random() < 0.5:
                with open_local(location, create=False) as backend:
                    everything = Book()
                    for name, books in possible.items():
                        book = the_one(books, versions_in(backend, name))
                        everything.there |= book.there
                        everything.gone += book.gone
                        possible[name] = [book]
                    for opened in filter(None, (backend, watching)):
                        check_holds(opened, everything)
    assert is_much_gone(possible)


def is_much_gone(possible):
    """Whether each writer came far enough for the test to say something; a busy machine takes longer."""
    return all(len(book.gone) > 300 for books in possible.values() for book in books)


def kill_writers(location, possible, helpers, moments, seed):
    """Let writers write and kill them; for each the one or two books of which one must be true now."""
    working = list(zip(possible, helpers, strict=False))
    for number, (name, helper) in enumerate(working):
        helper.start("write", location, name, 2 * seed + number)
    heard = []
    if moments.random() < 0.5:
        heard = [working[0][1].hear() for _ in range(moments.randrange(2, 30))]
        time.sleep(moments.uniform(0, 0.01))
    else:
        time.sleep(moments.uniform(0, 0.1))
    for _, helper in working:
        helper.kill()
    said = [helper.rest(-signal.SIGKILL) for _, helper in working]
    said[0] = heard + said[0]
    return {name: told(possible[name], name, lines) for name, lines in zip(possible, said, strict=True)}


def told(possible, name, said):
    """The books that may be true after a writer said what it found and each operation and its answer."""
    if not said:
        return possible
    book, operations = the_one(possible, said[0]), said[1:]
    for operation, answer in zip(operations[::2], operations[1::2], strict=False):
        book, expected = book.after(name, operation)
        assert answer == expected
    return [book, book.after(name, operations[-1])[0]] if len(operations) % 2 else [book]


def test_adding_many_that_is_killed_again_and_again_ends_complete(location, helpers):
    moments, [helper, _] = random.Random(3), helpers
    total, done = BATCH * 20 + 10, 0
    while done < total - BATCH * 6:
        helper.start("add_many", location, total)
        said = [helper.hear() for _ in range(done // BATCH + moments.randrange(1, 5))]
        time.sleep(moments.uniform(0, 0.008))
        helper.kill()
        done = check_batches(location, total, said + helper.rest(-signal.SIGKILL))
    helper.start("add_many", location, total)
    helper.tell()
    assert helper.rest()[-1] == [total - done, done, 0]
    assert check_batches(location, total, [total]) == total


# Interrupted


def test_adding_many_that_is_interrupted_again_and_again_ends_complete_in_the_same_process(location, helpers):
    moments, [helper, _] = random.Random(4), helpers
    total, done = BATCH * 20 + 10, 0
    helper.start("add_many", location, total)
    while done < total - BATCH * 6:
        said = [helper.hear() for _ in range(done // BATCH + moments.randrange(1, 5))]
        time.sleep(moments.uniform(0, 0.008))
        helper.kill(signal.SIGINT)
        while said[-1] != "interrupted":
            said.append(helper.hear())
        done = check_batches(location, total, said, killed=False)
        helper.tell()
    helper.tell()
    assert helper.rest()[-1] == [total - done, done, 0]
    assert check_batches(location, total, [total]) == total


def check_batches(location, total, said, killed=True):
    """How many items are there: no fewer than were acknowledged, each once; after a kill, whole batches."""
    with sigsearch.open(location, create=False) as index:
        found = {record.id: record for record in index.scan()}
        expected = items(total)[: len(found)]
        assert index.count() == len(found) >= max(value for value in said if isinstance(value, int))
        assert not killed or len(found) % BATCH == 0 or len(found) == total
        assert found.keys() == {item.id for item in expected}
        for item in expected:
            record = found[item.id]
            assert (record.path, record.metadata) == (item.path, item.metadata)
            assert [view.signature.tolist() for view in record.views] == [item.signature.tolist()]
        for item in expected[::50]:
            assert [match.id for match in index.search(item.signature, cutoff=0.2)] == [item.id]
    return len(found)


def test_an_interrupt_at_any_moment_leaves_the_index_as_before_the_call_or_after_it_and_free(
    location, helpers
):
    helpers[0].run("be_interrupted", location, 300)


# Full


def test_on_a_full_disk_nothing_stored_is_lost_and_with_room_again_it_goes_on(tmp_path):
    folder = tmp_path / "small"
    folder.mkdir()
    before = own_filesystem(folder, "4m")
    if not before:
        pytest.skip("a small file system cannot be mounted here, not even in a namespace of our own")
    with Helper(before) as helper:
        helper.run("fill_disk", folder / "photos.sig")


def test_where_files_may_not_grow_nothing_stored_is_lost_and_with_room_again_it_goes_on(location, helpers):
    helpers[0].run("fill_to_limit", location)


# Damaged


@pytest.fixture(scope="module")
def closed(tmp_path_factory):
    """The folder of a closed index, to be copied."""
    location = in_holder(tmp_path_factory.mktemp("damage") / "holder")
    make_closed(location)
    return location.parent


@pytest.mark.parametrize("part", range(3))
def test_of_a_damaged_index_every_answer_is_right_or_refused_and_no_file_is_changed(
    closed, tmp_path, helpers, part
):
    """Each file in each way, on a copy; in a helper, for a page that cannot be read may kill who reads it."""
    wrong = []
    for name in list(files_in(closed))[part::3]:
        said = helpers[0].run("damage", closed, name, tmp_path, 20 if "sqlite" in name else 8)
        assert len(said) >= 2 * 12
        for way, answer in zip(said[::2], said[1::2], strict=True):
            wrong += [f"{name}, {way}: {line}" for line in answer["wrong"][:3]]
    assert "\n".join(wrong) == ""
