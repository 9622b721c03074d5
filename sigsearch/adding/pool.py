"""A pool of worker processes: pictures in, views out, in whatever order they come.

One that crashes, hangs or takes too much memory costs the picture it was at; the others go to a new one.
multiprocessing's and concurrent.futures' pools end when a worker dies, and run the caller's script again
in each worker, which a script that is not written for it does not survive.
"""

from __future__ import annotations

import atexit
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, Pipe, wait
from typing import TYPE_CHECKING, Any, Final, Generic, TypeAlias, TypeVar

from sigsearch import progress
from sigsearch.adding.worker import COMPILING, READY
from sigsearch.errors import WorkerError

if TYPE_CHECKING:
    from sigsearch.limits import Limits
    from sigsearch.scheme import Scheme

AHEAD: Final = 4
"""Pictures that a worker has before it, so that it need not wait while the caller stores others."""
IDLE_SECONDS: Final = 30.0
"""So long the workers are kept for the next who needs some."""

_GRACE: Final = 5.0
"""Seconds that a process may take to end."""
_ENVIRONMENT: Final = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
"""There is a process for each processor already."""
_LONGEST_WAIT: Final = 3600.0
"""Seconds; no system waits for infinite ones."""
_START: Final = """
import sys
sys.path[:] = sys.argv[2:]
from sigsearch.adding.worker import main
main(int(sys.argv[1]))
"""

Tag = TypeVar("Tag")
Answer: TypeAlias = "tuple[Tag, bytes | str]"
"""A picture's views, as bytes, or the reason why there are none."""
Note = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Task(Generic[Tag]):
    """A picture to be read: a path, a member of an archive, or encoded bytes."""

    tag: Tag
    image: Any
    scheme: Scheme
    limits: Limits


class Pool(Generic[Tag]):
    """Several workers, started as there is work. Used by one thread at a time.

    Parameters
    ----------
    count : int
        The most workers there will be.
    note : callable
        Told in a line what a person should know, such as that the kernels are being compiled.
    """

    def __init__(self, count: int, note: Note = lambda text: None) -> None:
        self.note = note
        self.count = count
        self._workers: list[_Worker[Tag]] = []
        self._waiting: deque[Task[Tag]] = deque()

    @property
    def pending(self) -> int:
        """Pictures that were not answered yet."""
        return len(self._waiting) + sum(len(worker.tasks) for worker in self._workers)

    @property
    def full(self) -> bool:
        """Whether to give it more would only make them wait."""
        return self.pending >= self.count * AHEAD

    def submit(self, task: Task[Tag]) -> None:
        """Have a picture read."""
        self._waiting.append(task)
        self._hand_out()

    def answers(self, *also: Any, block: bool = True) -> list[Answer[Tag]]:
        """What was answered: the signature's bytes, or the reason why there is none.

        Parameters
        ----------
        *also
            Other things to wait for that `multiprocessing.connection.wait` takes.
        block : bool
            Wait until there is an answer, or one of the other things is ready.
        """
        while True:
            answered = self._receive(also, 0.0 if not block else self._patience())
            answered += self._give_up_late()
            self._hand_out()
            if answered or not block or (also and wait(also, 0)) or not self.pending:
                return answered

    def close(self) -> None:
        """Stop all workers, whatever they are at."""
        for worker in self._workers:
            worker.stop()
        self._workers.clear()
        self._waiting.clear()

    def leave(self) -> None:
        """Close this process's ends, so that the workers end with the process that started them."""
        for worker in self._workers:
            worker.leave()

    def _hand_out(self) -> None:
        while self._waiting:
            ready = [worker for worker in self._workers if worker.takes(self._waiting[0])]
            if not ready:
                break
            worker = min(ready, key=lambda worker: len(worker.tasks))
            if worker.tasks and self._may_start():
                break  # for the one that is started now
            if worker.give(self._waiting[0]):
                self._waiting.popleft()
        # One by one: the first may have to compile the kernels, which the others then find.
        if self._waiting and self._may_start():
            self._workers.append(_Worker())

    def _may_start(self) -> bool:
        return len(self._workers) < self.count and all(worker.ready for worker in self._workers)

    def _patience(self) -> float | None:
        """Seconds until the first worker is late, if any is at something."""
        due = [worker.due for worker in self._workers if worker.tasks]
        return min(max(min(due) - time.monotonic(), 0.0), _LONGEST_WAIT) if due else None

    def _receive(self, also: tuple[Any, ...], timeout: float | None) -> list[Answer[Tag]]:
        answered: list[Answer[Tag]] = []
        by_connection = {worker.connection: worker for worker in self._workers}
        for connection in wait([*by_connection, *also], timeout):
            worker = by_connection.get(connection)  # type: ignore[call-overload]
            if worker is None:
                continue
            try:
                while True:
                    said = worker.connection.recv()
                    if said == READY:
                        worker.ready = True
                    elif said == COMPILING:
                        self.note(progress.COMPILING)
                    else:
                        answered.append((worker.answered(), said))
                    if not worker.connection.poll():
                        break
            except (EOFError, OSError):
                answered += self._bury(worker)
        return answered

    def _bury(self, worker: _Worker[Tag]) -> list[Answer[Tag]]:
        """What a worker that died was at, as an answer."""
        how = worker.stop(_GRACE)
        if not worker.ready:
            self._remove(worker)
            raise WorkerError(f"cannot start a process to decode pictures in: {how}; workers=0 does without")
        lost: list[Answer[Tag]] = []
        if worker.tasks:
            lost.append((worker.answered(), f"the process that decoded it died: {how}"))
        self._remove(worker)
        return lost

    def _give_up_late(self) -> list[Answer[Tag]]:
        late: list[Answer[Tag]] = []
        for worker in [each for each in self._workers if each.tasks and each.due <= time.monotonic()]:
            seconds = worker.tasks[0].limits.seconds
            worker.stop()
            late.append(
                (worker.answered(), f"to decode it takes longer than the limit of {seconds:g} seconds")
            )
            self._remove(worker)
        return late

    def _remove(self, worker: _Worker[Tag]) -> None:
        """Forget a worker that was stopped; others do what it had yet to do."""
        worker.stop()
        self._workers.remove(worker)
        self._waiting.extendleft(reversed(worker.tasks))


@dataclass(eq=False)
class _Worker(Generic[Tag]):
    """One process and what it has to do."""

    tasks: deque[Task[Tag]] = field(default_factory=deque)
    ready: bool = False
    gone: bool = False
    """It did not take what it was given; that it died is then soon told by its connection."""
    since: float = 0.0
    """When it began with the first of its tasks."""
    process: subprocess.Popen[bytes] = field(init=False)
    connection: Connection[Any, Any] = field(init=False)

    def __post_init__(self) -> None:
        self.connection, other = Pipe()
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-c", _START, str(other.fileno()), *_import_path()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                pass_fds=[other.fileno()],
                start_new_session=True,  # Ctrl-C is for the caller
                env=os.environ | _ENVIRONMENT,
            )
        except (OSError, ValueError, TypeError) as error:
            self.connection.close()
            raise WorkerError(
                f"cannot start a process to decode pictures in: {error}; workers=0 does without"
            ) from error
        finally:
            other.close()

    @property
    def due(self) -> float:
        """When it is late with the first of its tasks."""
        return self.since + self.tasks[0].limits.seconds

    def takes(self, task: Task[Tag]) -> bool:
        """Whether it can be given this; of encoded bytes only what it receives at once, or we would wait."""
        ahead = 1 if isinstance(task.image, bytes) else AHEAD
        return self.ready and not self.gone and len(self.tasks) < ahead

    def give(self, task: Task[Tag]) -> bool:
        """Give it one more; False if it is no longer there."""
        try:
            self.connection.send((task.image, task.scheme, task.limits))
        except OSError:
            self.gone = True
            return False
        if not self.tasks:
            self.since = time.monotonic()
        self.tasks.append(task)
        return True

    def answered(self) -> Tag:
        """The first of its tasks is done: its tag."""
        self.since = time.monotonic()
        return self.tasks.popleft().tag

    def leave(self) -> None:
        """Have nothing to do with it any more, as if it were another's process, which it is."""
        self.connection.close()
        if self.process.stderr is not None:
            self.process.stderr.close()
        self.process.returncode = 0  # nobody is to wait for it

    def stop(self, grace: float = 0.0) -> str:
        """Stop it, and say how it ended; it may still end by itself for so many seconds."""
        self.connection.close()
        if self.process.stderr is None or self.process.stderr.closed:
            return ""  # it was stopped before
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(grace)
        self.process.kill()
        try:
            said = self.process.communicate(timeout=_GRACE)[1].decode(errors="replace").strip()
        except subprocess.TimeoutExpired:  # it hangs in the system, on a file server that is gone
            return "it cannot be stopped"
        status = self.process.returncode
        if said and not self.ready:
            return said.splitlines()[-1]
        if status >= 0:
            return f"exit status {status}"
        with suppress(ValueError):
            return signal.Signals(-status).name
        return f"signal {-status}"  # of those for real time only the first has a name


def processors() -> int:
    """How many processors this process may use; a container may have fewer than the machine."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _import_path() -> list[str]:
    """Where a worker imports from: as here, but not from the working folder, which may contain a PIL.py."""
    absolute = [folder for folder in sys.path if os.path.isabs(folder)]
    return [*absolute, os.path.dirname(os.path.dirname(os.path.dirname(__file__)))]


class Here(Generic[Tag]):
    """The interface of a pool without any process: what is submitted is read at once."""

    def __init__(self) -> None:
        self._answers: list[Answer[Tag]] = []

    @property
    def pending(self) -> int:
        """Answers to be fetched."""
        return len(self._answers)

    @property
    def full(self) -> bool:
        """Whether there is an answer to be fetched."""
        return bool(self._answers)

    def submit(self, task: Task[Tag]) -> None:
        """Read a picture."""
        from sigsearch.adding.worker import answer

        self._answers.append((task.tag, answer(task.image, task.scheme, task.limits)))

    def answers(self, *also: Any, block: bool = True) -> list[Answer[Tag]]:
        """What was read. See `Pool.answers`."""
        if also and block and not self._answers:
            wait(also)
        answered, self._answers = self._answers, []
        return answered


@dataclass
class _Kept:
    """A pool that is not in use, and the timer that will close it."""

    pool: Pool[Any]
    timer: threading.Timer


_kept: list[_Kept] = []
_keeping = threading.Lock()


@contextmanager
def pool_of(count: int, note: Note) -> Iterator[Pool[Any] | Here[Any]]:
    """A pool of so many workers, for as long as the context lasts; one that was kept, if there is one."""
    if not count:
        yield Here()
        return
    with _keeping:
        found = next((kept for kept in _kept if kept.pool.count == count), None)
        if found is not None:
            _kept.remove(found)
            found.timer.cancel()
    pool: Pool[Any] = found.pool if found is not None else Pool(count)
    pool.note = note
    try:
        yield pool
    except BaseException:
        pool.close()
        raise
    timer = threading.Timer(IDLE_SECONDS, _close_kept, [pool])
    timer.daemon = True
    with _keeping:
        _kept.append(_Kept(pool, timer))
    timer.start()


@atexit.register
def _close_kept(*only: Pool[Any]) -> None:
    """Close these pools, or all, if they are still not in use."""
    with _keeping:
        doomed = [kept for kept in _kept if not only or kept.pool in only]
        for kept in doomed:
            _kept.remove(kept)
    for kept in doomed:
        kept.timer.cancel()
        kept.pool.close()


def _forget_kept() -> None:
    """In a forked process: the workers are the other's, and its threads may have held the lock."""
    global _keeping
    _keeping = threading.Lock()
    for kept in _kept:
        kept.pool.leave()
    _kept.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_kept)
