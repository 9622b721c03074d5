"""Workers: what crashes, hangs or is greedy costs itself, and no process is left behind."""

import gc
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from odd_pictures import Odd, crash, hang, noted, picture, segfault, slow, take

import sigsearch
from sigsearch import Limits
from sigsearch.adding import pool
from sigsearch.errors import WorkerError

pytestmark = pytest.mark.long

TESTS = str(Path(__file__).parents[1])
PATIENCE = 60
"""Seconds within which what should happen has happened."""


def until(happened):
    """Wait for something; fails if it does not come."""
    end = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


def is_running(process):
    """Whether there is such a process which has not ended, though nobody may have asked how."""
    try:
        status = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] not in "ZX"


def workers():
    """The processes of the pools that are kept."""
    return [worker.process.pid for kept in pool._kept for worker in kept.pool._workers]


def reasons(report):
    return {failure.source: failure.reason for failure in report.failures}


@pytest.fixture
def index():
    with sigsearch.open("memory://") as index:
        yield index


@pytest.fixture
def no_pool():
    """None is kept from before, and none afterwards."""
    pool._close_kept()
    yield
    pool._close_kept()


@pytest.fixture
def files(tmp_path):
    """Twenty small pictures."""
    paths = [tmp_path / f"{k:02}.png" for k in range(20)]
    for k, path in enumerate(paths):
        path.write_bytes(picture(k))
    return paths


def run(code, *arguments, check=True, **options):
    """What a script writes that is run by itself."""
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        check=check,
        **options,
    )


# What costs one picture


@pytest.mark.parametrize("count", [1, 2])
def test_a_worker_that_dies_costs_the_picture_that_it_was_at(index, files, count):
    sources = [
        *files[:5],
        segfault("crashes"),
        *files[5:10],
        Odd("is killed", partial(crash, signal.SIGKILL)),
        Odd("is killed by one without name", partial(crash, signal.SIGRTMIN + 1)),
        *files[10:],
        Odd("ends it", partial(os._exit, 7)),
    ]
    report = index.add_many(sources, workers=count)
    assert report.added == index.count() == 20
    assert [(failure.source, failure.reason.rpartition("died: ")[2]) for failure in report.failures] == [
        ("crashes", "SIGSEGV"),
        ("is killed", "SIGKILL"),
        ("is killed by one without name", f"signal {signal.SIGRTMIN + 1}"),
        ("ends it", "exit status 7"),
    ]


def test_all_pictures_may_crash(index):
    report = index.add_many([segfault(str(k)) for k in range(12)], workers=2)
    assert [failure.source for failure in report.failures] == [str(k) for k in range(12)]
    assert {failure.reason for failure in report.failures} == {"the process that decoded it died: SIGSEGV"}


def test_an_error_that_no_decoder_should_raise_costs_one_picture(index, files):
    report = index.add_many([Odd("divides", partial(divmod, 1, 0)), *files[:3]], workers=1)
    assert report.added == 3
    assert reasons(report) == {"divides": "the process that decoded it died: exit status 1"}


@pytest.mark.parametrize("count", [1, 2])
def test_a_picture_that_hangs_costs_itself_and_no_other(index, files, count):
    index.limits = Limits(seconds=0.5)
    began = time.monotonic()
    report = index.add_many([*files[:9], hang("hangs"), *files[9:], hang("hangs too")], workers=count)
    assert time.monotonic() - began < PATIENCE
    assert report.added == 20
    late = "to decode it takes longer than the limit of 0.5 seconds"
    assert reasons(report) == {"hangs": late, "hangs too": late}


def test_who_lists_the_sources_may_take_longer_than_a_picture_may(index, files):
    def listed():
        for path in files[:4]:
            time.sleep(0.4)
            yield path
            yield sigsearch.sources.PAUSE

    index.limits = Limits(seconds=0.3)
    index.add_many(files[5:6], workers=1)  # started by now
    assert index.add_many(listed(), workers=1).failures == ()


@pytest.mark.skipif(sys.platform != "linux", reason="no other system holds a process to its memory")
def test_a_picture_that_takes_too_much_memory_fails_with_a_reason(index, files):
    report = index.add_many([*files[:3], Odd("greedy", partial(take, 5 * 2**30)), *files[3:]], workers=1)
    assert report.added == 20
    assert reasons(report) == {"greedy": "there is not enough memory to decode it"}


@pytest.mark.skipif(sys.platform != "linux", reason="no other system holds a process to its memory")
@pytest.mark.usefixtures("no_pool")
def test_limits_of_one_call_are_not_those_of_the_next(index, files):
    index.limits = Limits(memory=1)
    assert index.add_many(files[0], workers=1).failures[0].reason == "there is not enough memory to decode it"
    before = workers()
    index.limits = Limits()
    assert index.add_many(picture(1, side=480), workers=1).added == 1
    assert workers() == before


@pytest.mark.parametrize("limits", [{"seconds": float("inf")}, {"seconds": 1e300}, {"memory": 2**100}])
def test_a_limit_may_be_without_end(index, files, limits):
    index.limits = Limits(**limits)
    assert index.add_many(files[:2], workers=1).added == 2


# Starting


@pytest.mark.usefixtures("no_pool")
@pytest.mark.parametrize("executable", ["/bin/false", "/nowhere/python", "", None])
def test_workers_that_cannot_be_started_are_an_error_in_one_line(index, files, monkeypatch, executable):
    monkeypatch.setattr(sys, "executable", executable)
    with pytest.raises(WorkerError, match=r"^cannot start a process to decode pictures in: .*\Z") as error:
        index.add_many(files)
    assert "workers=0 does without" in str(error.value)
    monkeypatch.undo()
    assert index.add_many(files).added == 20


@pytest.mark.usefixtures("no_pool")
def test_workers_that_cannot_import_what_they_need_say_what(index, files, monkeypatch, tmp_path):
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "numba.py").write_text("print('\\n' * 3)\nraise ImportError('no numba today')")
    monkeypatch.setattr(sys, "path", [str(broken), *sys.path])
    with pytest.raises(WorkerError, match=r"pictures in: ImportError: no numba today; workers=0") as error:
        index.add_many(files)
    assert "\n" not in str(error.value)


@pytest.mark.usefixtures("no_pool")
def test_what_was_read_is_stored_if_a_later_worker_cannot_be_started(index, files, monkeypatch):
    index.add_many(files[0], workers=1)

    def listed():
        yield from files[1:10]
        monkeypatch.setattr(sys, "executable", "/bin/false")
        yield segfault("crashes")
        yield from files[10:]

    with pytest.raises(WorkerError):
        index.add_many(listed(), workers=1)
    assert index.count() == 10


def test_a_script_need_not_be_written_for_it(files, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import sys, sigsearch\n"
        "print('once')\n"
        "index = sigsearch.open('memory://')\n"
        "print(index.add_many(sys.argv[1:]).added)\n"
    )
    command = [sys.executable, "-X", "dev", "-W", "error", script, *files]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "once\n20\n", "")


def test_nothing_is_imported_from_the_working_folder(files, tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name in ("PIL", "numpy", "numba", "imageio", "struct", "sigsearch", "olefile"):
        (folder / f"{name}.py").write_text(f"open({str(tmp_path / 'imported')!r}, 'a').write({name!r})")
    # As in an interactive Python, '' leads sys.path, but all that this process needs it has loaded before.
    code = (
        "import os, sys, PIL.Image, numba, imageio.v3, sigsearch.index, sigsearch.signatures\n"
        "PIL.Image.init()\n"
        "sigsearch.signatures._kernels()\n"
        "index = sigsearch.open('memory://')\n"
        "os.chdir(sys.argv[1])\n"
        "assert sys.path[0] == ''\n"
        "print(index.add_many(sys.argv[2:], workers=1).added)"
    )
    assert run(code, folder, *files, cwd=tmp_path).stdout == "20\n"
    assert not (tmp_path / "imported").exists()


@pytest.mark.usefixtures("no_pool")
def test_the_working_folder_may_change_between_calls(index, files, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    index.add_many("00.png", workers=1)
    before = workers()
    (tmp_path / "below").mkdir()
    monkeypatch.chdir("below")
    assert index.add_many(["../01.png", Path("../02.png")], workers=1).added == 2
    assert index.add_many("00.png", workers=1).failures[0].reason == "no such file"
    assert workers() == before
    assert {record.id for record in index.scan()} == {str(path) for path in files[:3]}


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system binds no process to processors")
def test_there_are_as_many_workers_as_processors_that_may_be_used(files):
    code = (
        "import os, sys, sigsearch\n"
        "from sigsearch.adding import pool\n"
        "os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])\n"
        "sigsearch.open('memory://').add_many(sys.argv[1:])\n"
        "print(*[kept.pool.count for kept in pool._kept])"
    )
    assert run(code, *files).stdout == "1\n"


# Keeping


@pytest.mark.usefixtures("no_pool")
def test_workers_are_kept_for_the_next_call(index, files, tmp_path):
    log = tmp_path / "log"
    for k in range(3):
        index.add_many([noted(f"{k} {j}", j, log) for j in range(4)], workers=1)
    assert len(set(log.read_text().split())) == 1
    assert log.read_text().split()[:1] == [str(pid) for pid in workers()]


@pytest.mark.usefixtures("no_pool")
def test_workers_that_nobody_wants_end_after_a_while(index, files, monkeypatch, tmp_path):
    monkeypatch.setattr(pool, "IDLE_SECONDS", 0.2)
    log = tmp_path / "log"
    index.add_many(noted("first", 1, log), workers=1)
    until(lambda: not pool._kept)
    until(lambda: not is_running(int(log.read_text())))
    assert index.add_many(files, workers=1).added == 20


@pytest.mark.usefixtures("no_pool")
def test_many_calls_leave_one_timer_and_not_one_each(index, files):
    before = threading.active_count()
    for path in files:
        index.add_many(path, workers=1)
    until(lambda: threading.active_count() <= before + 1)
    assert len(pool._kept) == 1


@pytest.mark.usefixtures("no_pool")
def test_a_kept_worker_that_died_meanwhile_is_replaced_and_costs_nothing(index, files):
    index.add_many(files[:4], workers=1)
    [process] = workers()
    os.kill(process, signal.SIGKILL)
    until(lambda: not is_running(process))
    assert index.add_many(files, workers=1).added == 16
    assert workers() != [process]


@pytest.mark.usefixtures("no_pool")
def test_threads_may_add_to_the_same_and_to_different_indexes_at_once(tmp_path, files):
    with sigsearch.open(tmp_path / "a.sig") as first, sigsearch.open("memory://") as second:
        reports = {}

        def add(number):
            index = (first, second)[number % 2]
            sources = [*files, slow(f"slow {number}", number, 0.2), segfault(f"crashes {number}")]
            reports[number] = index.add_many(sources, workers=1)

        threads = [threading.Thread(target=add, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(reports) == [0, 1, 2, 3]
        for number, report in reports.items():
            assert [failure.source for failure in report.failures] == [f"crashes {number}"]
            assert report.added + report.skipped == 21
        for index in (first, second):
            assert index.count() == 22
            for k, path in enumerate(files):
                made = sigsearch.compute_signature(picture(k))
                assert np.array_equal(index.get(str(path)).views[0].signature, made)
        assert first.check() == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system does not fork")
def test_a_forked_process_has_workers_of_its_own(files, tmp_path):
    code = (
        "import os, sys, sigsearch\n"
        "from sigsearch.adding import pool\n"
        "pids = lambda: [worker.process.pid for kept in pool._kept for worker in kept.pool._workers]\n"
        "index = sigsearch.open('memory://')\n"
        "index.add_many(sys.argv[1:6], workers=1)\n"
        "before = pids()\n"
        "for lock in (False, True):\n"
        "    if lock: pool._keeping.acquire()\n"  # as if another thread were at it
        "    child = os.fork()\n"
        "    if not child:\n"
        "        assert not pids()\n"
        "        report = sigsearch.open('memory://').add_many(sys.argv[1:], workers=1)\n"
        "        assert report.added == 20, report\n"
        "        assert pids() and pids() != before\n"
        "        sys.exit(0)\n"
        "    if lock: pool._keeping.release()\n"
        "    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0\n"
        "    assert index.add_many(sys.argv[1:], on_conflict='replace', workers=1).failures == ()\n"
        "    assert pids() == before\n"
        "print('done')"
    )
    ended = run("import warnings; warnings.simplefilter('error')\n" + code, *files, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "done\n", "")


# Ending


@pytest.mark.usefixtures("no_pool")
def test_nothing_is_left_open(index, files):
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        index.add_many([*files, segfault("crashes")], workers=2)
        pool._close_kept()
        gc.collect()
    assert told == []


CALLER = """
import os, signal, sys, threading, time
sys.path.append({tests!r})
from odd_pictures import *
import sigsearch
from sigsearch.adding import pool
index = sigsearch.open("memory://", limits=sigsearch.Limits(seconds={seconds}))
def tell(report, done):
    print(*[kept.process.pid for kept in pool_workers()], flush=True)
def pool_workers():
    import gc
    return [each for each in gc.get_objects() if type(each) is pool._Worker]
"""


@pytest.fixture
def caller():
    """Starts a process of Python that has an index; it is killed at the end."""
    started = []

    def caller(code, seconds=60):
        process = subprocess.Popen(
            [sys.executable, "-c", CALLER.format(tests=TESTS, seconds=seconds) + code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield caller
    for process in started:
        process.kill()
        with process:
            pass


ADD = "index.add_many([Odd(str(k), partial(note, Path(os.devnull)), picture(k)) for k in range(8)], workers=2"


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_idle_workers_end_when_their_caller_is_killed(caller):
    process = caller(f"{ADD})\ntell(0, 0)\nsys.stdin.read()")
    found = [int(pid) for pid in process.stdout.readline().split()]
    assert found
    assert all(map(is_running, found))
    process.kill()
    until(lambda: not any(map(is_running, found)))


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_idle_workers_end_when_their_caller_is_killed_though_a_process_that_it_forked_is_left(caller):
    process = caller(
        f"{ADD})\n"
        "child = os.fork()\n"
        "if child: print(child, end=' '); tell(0, 0)\n"
        "sys.stdin.read()\n"
        "time.sleep(1000)"
    )
    child, *found = [int(pid) for pid in process.stdout.readline().split()]
    try:
        assert found
        process.kill()
        until(lambda: not any(map(is_running, found)))
        assert is_running(child)
    finally:
        os.kill(child, signal.SIGKILL)


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_worker_that_hangs_ends_a_while_after_its_caller_was_killed(caller):
    process = caller(
        "def watch():\n"
        "    while not any(worker.tasks for worker in pool_workers()): time.sleep(0.05)\n"
        "    tell(0, 0)\n"
        "threading.Thread(target=watch, daemon=True).start()\n"
        "index.add_many([hang('hangs')], workers=1)",
        seconds=3,
    )
    [worker] = [int(pid) for pid in process.stdout.readline().split()]
    process.kill()
    assert is_running(worker)
    until(lambda: not is_running(worker))


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_workers_end_when_their_caller_is_interrupted_at_work(caller, number):
    process = caller(f"{ADD})\nindex.add_many([hang('hangs'), hang('too')], on_advance=tell, workers=2)")
    until(lambda: Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().strip())
    time.sleep(1)  # anywhere between loading and hanging
    found = [int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]
    process.send_signal(number)
    assert process.wait(PATIENCE) == -number
    if number == signal.SIGINT:
        assert not any(map(is_running, found))
    # SIGTERM ends the caller at once; what hangs ends with the limit of its own.


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_workers_have_ended_when_the_interpreter_has(caller):
    process = caller(f"{ADD})\ntell(0, 0)")
    out, err = process.communicate(timeout=PATIENCE)
    assert err == ""
    assert out.split()
    assert not any(is_running(int(pid)) for pid in out.split())


def test_ctrl_c_is_for_the_caller_and_not_for_its_workers(index, files):
    index.add_many(files[0], workers=1)
    for process in workers():
        os.kill(process, signal.SIGINT)
    assert index.add_many(files[1:3], workers=1).added == 2
