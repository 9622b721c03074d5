"""Threads that fetch what is not at hand: most of the time such pictures are waited for, not decoded."""

from __future__ import annotations

import threading
from collections import deque
from contextlib import suppress
from multiprocessing.connection import Pipe
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from sigsearch.errors import ImageError
from sigsearch.reading import read_bytes
from sigsearch.reading.located import reason_of

if TYPE_CHECKING:
    from sigsearch.limits import Limits

THREADS: Final = 16
"""Servers that are asked at once."""

Tag = TypeVar("Tag")


class Fetchers(Generic[Tag]):
    """Addresses in, encoded bytes out, in whatever order they come. Used by one thread."""

    def __init__(self, limits: Limits) -> None:
        self.pending = 0
        """Those that were not given back yet."""
        self._limits = limits
        self._wanted: SimpleQueue[tuple[Tag, Any] | None] = SimpleQueue()
        self._fetched: deque[tuple[Tag, bytes | str]] = deque()
        self._threads: list[threading.Thread] = []
        self.ready, self._wake = Pipe(duplex=False)
        """What `multiprocessing.connection.wait` may wait for: something was fetched."""

    @property
    def full(self) -> bool:
        """Whether to give it more would only make them wait."""
        return self.pending >= 2 * THREADS

    def submit(self, tag: Tag, image: Any) -> None:
        """Have the bytes of a picture fetched."""
        self.pending += 1
        self._wanted.put((tag, image))
        if len(self._threads) < min(self.pending, THREADS):
            # Daemons: nobody who wants to leave waits for a server that does not answer.
            thread = threading.Thread(target=self._serve, name="sigsearch-fetch", daemon=True)
            self._threads.append(thread)
            thread.start()

    def fetched(self) -> list[tuple[Tag, bytes | str]]:
        """What was fetched: its bytes, or the reason why there are none."""
        found = [self._fetched.popleft() for _ in range(len(self._fetched))]
        for _ in found:
            self.ready.recv_bytes()
        self.pending -= len(found)
        return found

    def close(self) -> None:
        """Let the threads end when they have done what they are at."""
        with suppress(Empty):
            while True:
                self._wanted.get_nowait()
        for _ in self._threads:
            self._wanted.put(None)
        self.ready.close()

    def _serve(self) -> None:
        while (wanted := self._wanted.get()) is not None:
            tag, image = wanted
            found: bytes | str
            try:
                found = read_bytes(image, self._limits)
            except ImageError as error:
                found = error.reason
            except MemoryError:
                found = "there is not enough memory to fetch it"
            except Exception as error:
                found = reason_of(error)  # or it would be waited for for ever
            self._fetched.append((tag, found))
            try:
                self._wake.send_bytes(b".")
            except OSError:
                return  # nobody waits for it any more
