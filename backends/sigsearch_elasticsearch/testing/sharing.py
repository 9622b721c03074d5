"""One server for all workers of pytest-xdist: the first one to need it has it started, the last one ends it.

It belongs to a process of its own, the host, and lives as long as anyone holds the writing end of a named
pipe open. Thus the system itself keeps count of the users, also of those that crash.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sigsearch_elasticsearch.testing.errors import PrerequisiteError, ServerError

if TYPE_CHECKING:
    from sigsearch_elasticsearch.testing.server import ElasticsearchServer

INTERVAL = 0.2
"""Seconds between two looks of the host at who is left."""


@contextmanager
def shared_server(folder: Path, version: str) -> Iterator[ElasticsearchServer]:
    """Give a server that all who ask with the same folder share, for the time of a with statement.

    Parameters
    ----------
    folder : pathlib.Path
        That only this user can come into; a few small files are left there.
    version : str
        Of Elasticsearch; it counts for who comes first.

    Yields
    ------
    ElasticsearchServer

    Raises
    ------
    PrerequisiteError, ServerError
        It cannot be started; the same for all, only the first one tries.
    """
    from sigsearch_elasticsearch.testing.server import ElasticsearchServer

    place = _Place(folder)
    with place.locked():
        pipe = place.enter()
        described = place.state()
        if pipe is None and "error" not in described:
            described = _start_host(place, version)
            pipe = place.enter()
    if pipe is None or "urls" not in described:
        if pipe is not None:
            os.close(pipe)  # of a host that has said why there is no server, and is about to end
        kind = PrerequisiteError if described.get("prerequisite") else ServerError
        raise kind(described.get("error", f"the shared server did not start; see {place.complaints}"))
    try:
        yield ElasticsearchServer(described["urls"], version=described["version"])
    finally:
        with place.locked():
            os.close(pipe)


class _Place:
    """The files by which users and host find each other; who looks at them or changes them has the lock."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pipe = folder / "elasticsearch.users"
        self.complaints = folder / "elasticsearch.stderr"
        self._state = folder / "elasticsearch.json"
        self._lock = folder / "elasticsearch.lock"

    @contextmanager
    def locked(self) -> Iterator[None]:
        with open(self._lock, "w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def enter(self) -> int | None:
        """Open the pipe, which makes its holder a user; None if there is no host at the other end."""
        try:
            return os.open(self.pipe, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENXIO):
                return None
            raise

    def state(self) -> dict[str, Any]:
        """What the host last said: how to reach the server, or why there is none."""
        try:
            state: dict[str, Any] = json.loads(self._state.read_text())
        except FileNotFoundError:
            return {}
        return state

    def say(self, state: dict[str, Any]) -> None:
        self._state.write_text(json.dumps(state))

    def clear(self) -> None:
        for file in (self.pipe, self._state):
            file.unlink(missing_ok=True)


def _start_host(place: _Place, version: str) -> dict[str, Any]:
    """Start the host and wait until it has said how it went. The caller has the lock."""
    place.clear()
    os.mkfifo(place.pipe, 0o600)
    read, write = os.pipe()
    with open(place.complaints, "wb") as complaints, open(read, "rb") as said:
        # Its own session: Ctrl-C is for the workers, whose end is what it waits for.
        host = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", __name__, str(place.folder), version],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            stdin=subprocess.DEVNULL,
            stdout=write,
            stderr=complaints,
            start_new_session=True,
        )
        os.close(write)
        said.read()  # it closes it when the server is there, or is not to be had
    # It outlives us if others need it longer; Python would complain of a child that was not waited for.
    host.returncode = 0
    return place.state()


def host(folder: Path, version: str) -> None:
    """Start a server, say how to reach it, and stop it when nobody uses it any more."""
    from sigsearch_elasticsearch.testing.server import LocalElasticsearch

    place = _Place(folder)
    # Before anything else: the first user opens the other end when we have closed our standard output.
    users = os.open(place.pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with LocalElasticsearch(version) as server:
            place.say({"urls": server.urls, "version": server.version})
            _close_output()
            while not _deserted(place, users):
                time.sleep(INTERVAL)
    except ServerError as error:
        place.say({"error": str(error), "prerequisite": isinstance(error, PrerequisiteError)})
        _close_output()


def _deserted(place: _Place, users: int) -> bool:
    """Tell whether nobody is there; if so nobody can come any more."""
    if _in_use(users):
        return False
    # Someone may be on the way: who comes has the lock, and so has the first user from before the start.
    with place.locked():
        if _in_use(users):
            return False
        place.clear()
        return True


def _in_use(users: int) -> bool:
    try:
        return os.read(users, 1) != b""
    except BlockingIOError:
        return True


def _close_output() -> None:
    with suppress(OSError):
        os.close(1)


if __name__ == "__main__":
    host(Path(sys.argv[1]), sys.argv[2])
