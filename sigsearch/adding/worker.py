"""A worker process: decodes one picture after the other, and answers each with its views or why not.

Decoders of other people's files crash, hang and take all the memory there is. Here that costs one picture.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from multiprocessing.connection import Connection
from threading import Lock, Timer
from typing import TYPE_CHECKING, Any, Final

from sigsearch.progress import PATIENCE

if TYPE_CHECKING:
    from sigsearch.limits import Limits
    from sigsearch.scheme import Scheme

READY: Final = b"ready"
COMPILING: Final = b"compiling"

_GRACE: Final = 5.0
_LONGEST: Final = 1e8
"""Seconds; a timer takes no infinite ones."""


def main(handle: int) -> None:
    """Serve the pool at the other end of a connection until it closes that.

    Each message is a picture to read: the picture, the scheme, the limits. Each answer is its views, as bytes,
    or the reason why there are none.
    """
    connection: Connection[Any, Any] = Connection(handle)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the pool says when to stop
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        _load(connection)
        _silence()
        while True:
            image, scheme, limits = connection.recv()
            with _held_to(limits):
                answered = answer(image, scheme, limits)
            connection.send(answered)


def _load(connection: Connection[Any, Any]) -> None:
    """Load all that decodes and computes, and say so; say as well if that takes long."""
    sending = Lock()

    def say(what: bytes) -> None:
        with sending:
            connection.send(what)

    timer = Timer(PATIENCE, say, [COMPILING])
    timer.daemon = True
    import numba  # noqa: F401 - slow enough on a cold disk to be taken for compiling

    timer.start()
    import PIL.Image

    from sigsearch import _kernels  # noqa: F401

    PIL.Image.init()
    timer.cancel()
    say(READY)


def _silence() -> None:
    """Decoders write what they think of a file wherever they like; nobody is to read it."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nothing, standard)


def answer(image: Any, scheme: Scheme, limits: Limits) -> bytes | str:
    """A picture's views, as bytes, or the reason why there are none."""
    from sigsearch.adding.views import to_bytes
    from sigsearch.errors import ImageError
    from sigsearch.images import OUT_OF_MEMORY
    from sigsearch.views import compute_views

    try:
        return to_bytes(compute_views(image, scheme=scheme, limits=limits))
    except ImageError as error:
        return error.reason
    except MemoryError:
        return OUT_OF_MEMORY


@contextlib.contextmanager
def _held_to(limits: Limits) -> Iterator[None]:
    """Let a picture take no more memory and time than its limits, where the system can hold a process to it.

    Of time a little more: it is the pool that stops who is late, but if that was killed, nobody else does.
    """
    with _limited_memory(limits.memory):
        if sys.platform == "win32":
            yield
            return
        signal.setitimer(signal.ITIMER_REAL, min(limits.seconds, _LONGEST) + _GRACE)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)


@contextlib.contextmanager
def _limited_memory(memory: int) -> Iterator[None]:
    if sys.platform != "linux":
        yield
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = min(memory, sys.maxsize)
    resource.setrlimit(
        resource.RLIMIT_DATA, (wanted if soft == resource.RLIM_INFINITY else min(wanted, soft), hard)
    )
    try:
        yield
    finally:
        # Or the next picture, which may have other limits, could not even be received.
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
