"""The journal of failures: what could not be added and why, a JSON object a line, kept from run to run."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
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
    a line that was cut off is passed over.

    Raises
    ------
    StorageError
        The file cannot be read or written.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        self._file: IO[bytes] | None = None
        self._entries: dict[str, Entry] = {}
        self._load()

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
        self._file.close()
        self._file = None
        self._entries.clear()
        self._load()  # another process may have added to it
        with self._errors("written"):
            if not self._entries:
                with suppress(FileNotFoundError):
                    os.unlink(self.path)
                return
            beside = f"{self.path}.{os.getpid()}.tmp"
            with open(beside, "wb") as file:
                file.writelines(map(_line, self._entries.values()))
            os.replace(beside, self.path)

    def _load(self) -> None:
        if not os.path.exists(self.path):
            return
        with self._errors("read"), open(self.path, "rb") as file:
            for line in file:
                entry = _entry(line)
                if entry is not None and entry.reason is None:
                    self._entries.pop(entry.source, None)
                elif entry is not None:
                    self._entries[entry.source] = entry

    def _append(self, entry: Entry) -> None:
        if entry.reason is None:
            self._entries.pop(entry.source, None)
        else:
            self._entries[entry.source] = entry
        with self._errors("written"):
            if self._file is None:
                self._file = open(self.path, "ab", buffering=0)  # noqa: SIM115 - close() closes it
                if self._file.tell():
                    self._file.write(b"\n")  # the last line may have been cut off
            self._file.write(_line(entry))

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
    except (ValueError, TypeError):
        return None
    return entry if isinstance(entry.source, str) else None
