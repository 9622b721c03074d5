"""Threads that fetch: what fails there is a reason, never an endless wait; no more is held than is read."""

import threading
import time

import pytest
from odd_pictures import picture

import sigsearch
from sigsearch import ImageError, Limits
from sigsearch.adding import fetchers, pipeline
from sigsearch.adding.fetchers import THREADS, Fetchers
from sigsearch.adding.pool import AHEAD

pytestmark = pytest.mark.long


@pytest.fixture
def fetch(monkeypatch):
    """Puts a function in the place of what reads an address."""

    def fetch(function):
        monkeypatch.setattr(fetchers, "read_bytes", lambda image, limits: function(image))

    return fetch


@pytest.fixture
def index():
    with sigsearch.open("memory://") as index:
        yield index


def address(number):
    return f"http://example.org/{number}.png"


def number_of(url):
    return int(url.rpartition("/")[2][:-4])


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ImageError("a", "it is far away"), "it is far away"),
        (MemoryError(), "there is not enough memory to fetch it"),
        (RuntimeError("first line\nsecond"), "first line"),
        (UnicodeError(), "UnicodeError"),
        (OSError(5, "Input/output error"), "Input/output error"),
    ],
)
def test_whatever_goes_wrong_is_a_failure_of_one_picture(index, fetch, error, reason):
    def function(url):
        if number_of(url) == 1:
            raise error
        return picture(1)

    fetch(function)
    report = index.add_many([address(k) for k in range(3)], workers=1)
    assert report.added == 2
    assert [(failure.source, failure.reason) for failure in report.failures] == [(address(1), reason)]


@pytest.mark.parametrize("workers", [0, 1])
def test_servers_are_asked_at_once_but_no_more_than_so_many(index, fetch, workers):
    asked = most = 0
    lock = threading.Lock()

    def function(url):
        nonlocal asked, most
        with lock:
            asked += 1
            most = max(most, asked)
        time.sleep(0.05)
        with lock:
            asked -= 1
        return picture(number_of(url) % 20)

    fetch(function)
    assert index.add_many([address(k) for k in range(100)], workers=workers).added == 100
    assert 1 < most <= THREADS


def test_no_more_is_fetched_than_the_workers_take(index, fetch, monkeypatch):
    fetched = 0

    def function(url):
        nonlocal fetched
        fetched += 1
        return picture(1)

    fetch(function)
    collected = pipeline.Pipeline._collect
    ahead = []

    def collect(self, *, block):
        collected(self, block=block)
        ahead.append(fetched - self._done - len(self._records))
        time.sleep(0.002)  # the servers are quicker

    monkeypatch.setattr(pipeline.Pipeline, "_collect", collect)
    assert index.add_many([address(k) for k in range(400)], workers=1).added == 400
    assert max(ahead) <= AHEAD + 4 * THREADS


def test_a_slow_server_does_not_hold_up_files(index, fetch, tmp_path):
    (tmp_path / "a.png").write_bytes(picture(1))
    there = threading.Event()

    def function(url):
        assert there.wait(60)
        return picture(2)

    fetch(function)

    def tell(report, done):
        if index.count():
            there.set()

    def listed():
        yield address(1)
        yield tmp_path / "a.png"
        end = time.monotonic() + 60
        while not there.is_set() and time.monotonic() < end:
            yield sigsearch.sources.PAUSE
            time.sleep(0.05)

    assert index.add_many(listed(), on_advance=tell).added == 2


def test_closing_ends_the_threads_though_something_was_left(fetch):
    begun, let_go = threading.Event(), threading.Event()

    def function(url):
        begun.set()
        let_go.wait(60)
        return b""

    fetch(function)
    found = Fetchers(Limits())
    for k in range(40):
        found.submit(k, address(k))
    assert found.full
    assert begun.wait(60)
    threads = list(found._threads)
    assert len(threads) == THREADS
    found.close()
    let_go.set()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()


def test_what_was_fetched_comes_with_its_tag(fetch):
    fetch(lambda url: picture(number_of(url)))
    found = Fetchers(Limits())
    for k in range(20):
        found.submit(k, address(k))
    got = {}
    while found.pending:
        found.ready.poll(60)
        got.update(found.fetched())
    found.close()
    assert got == {k: picture(k) for k in range(20)}
