"""The journal of failures: what could not be added and why, a JSON object a line, kept from run to run."""

from __future__ import annotations

import errno
import json
import os
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from types import NoneType
from typing import IO

from sigsearch.errors import StorageError
from sigsearch.records import now


@dataclass(frozen=True, slots=True)
class Entry:
    """A picture that could not be added.

    Attributes
    ----------
    source : str
        Its path or address, or what it was called.
    reason : str or None
        Why; None once it could.
    stamp : float or None
        When its file last changed, see `sigsearch.sources.stamp_of`.
    time : str
        When that was, in ISO 8601 and UTC.
    """

    source: str
    reason: str | None
    stamp: float | None
    time: str


class Journal:
    """Failures in a file: added to as they come, and written anew at the end without what is mended.

    Whoever is killed leaves a file that can be read: of several lines of one source the last one counts, and
    a line that was cut off is passed over. Several processes may keep the same one; each puts into the new
    file what it has to say itself, for another may have put one in its place that does not have it.

    Raises
    ------
    StorageError
        The file cannot be read or written.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        self._file: IO[bytes] | None = None
        self._entries: dict[str, Entry] = {}
        self._said: dict[str, Entry] = {}
        """What this process wrote, the last of each source."""
        self._load()
        self._check_writable()

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(list(self._entries.values()))

    def reason(self, source: str, stamp: float | None) -> str | None:
        """Why this could not be added before, if it has not changed since."""
        entry = self._entries.get(source)
        return entry.reason if entry is not None and entry.stamp == stamp else None

    def failed(self, source: str, reason: str, stamp: float | None) -> None:
        """Note what could not be added."""
        self._append(Entry(source, reason, stamp, now().isoformat()))

    def succeeded(self, source: str) -> None:
        """Strike out what could be added."""
        if source in self._entries:
            self._append(Entry(source, None, None, now().isoformat()))

    def close(self) -> None:
        """Write the file anew, with what failed and nothing else; without failures there is none."""
        if self._file is None:
            return
        is_file = stat.S_ISREG(os.fstat(self._file.fileno()).st_mode)
        self._file.close()
        self._file = None
        if not is_file:
            return  # /dev/null is not to be replaced
        self._entries.clear()
        self._load()  # another process may have added to it
        for entry in self._said.values():
            self._learn(entry)
        path = os.path.realpath(self.path)
        with self._errors("written"):
            if not self._entries:
                with suppress(FileNotFoundError):
                    os.unlink(path)
                return
            beside = f"{path}.{os.getpid()}.{threading.get_ident()}.tmp"
            with open(beside, "wb") as file:
                file.writelines(map(_line, self._entries.values()))
            os.replace(beside, path)

    def _load(self) -> None:
        if not os.path.exists(self.path):
            return
        with self._errors("read"), open(self.path, "rb") as file:
            for line in file:
                if (entry := _entry(line)) is not None:
                    self._learn(entry)

    def _check_writable(self) -> None:
        """Say so now and not hours later, at the first failure."""
        folder = os.path.dirname(os.path.abspath(self.path))
        with self._errors("written"):
            if not os.path.isdir(folder):
                raise FileNotFoundError(errno.ENOENT, "there is no such folder")
            if not os.access(self.path if os.path.exists(self.path) else folder, os.W_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    def _learn(self, entry: Entry) -> None:
        if entry.reason is None:
            self._entries.pop(entry.source, None)
        else:
            self._entries[entry.source] = entry

    def _append(self, entry: Entry) -> None:
        self._learn(entry)
        self._said[entry.source] = entry
        with self._errors("written"):
            if self._file is not None and not self._is_there(self._file):
                self._file.close()
                self._file = None
            if self._file is None:
                self._file = open(self.path, "ab", buffering=0)  # noqa: SIM115 - close() closes it
                if self._file.tell():
                    self._file.write(b"\n")  # the last line may have been cut off
            self._file.write(_line(entry))

    def _is_there(self, file: IO[bytes]) -> bool:
        """Whether it is still the file of this path; another process may have written that anew."""
        try:
            return os.path.samestat(os.fstat(file.fileno()), os.stat(self.path))
        except FileNotFoundError:
            return False

    @contextmanager
    def _errors(self, done: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StorageError(
                f"the journal of failures {self.path} cannot be {done}: {error.strerror}"
            ) from error


def _line(entry: Entry) -> bytes:
    return json.dumps(asdict(entry)).encode() + b"\n"


def _entry(line: bytes) -> Entry | None:
    """What a line says, if it is whole and one of ours."""
    try:
        entry = Entry(**json.loads(line))
    except (ValueError, TypeError, RecursionError):
        return None
    whole = isinstance(entry.source, str) and isinstance(entry.reason, (str, NoneType))
    return entry if whole else None
