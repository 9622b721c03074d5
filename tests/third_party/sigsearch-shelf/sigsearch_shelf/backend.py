"""Records in a file of JSON lines, found by the words they share with a query."""

from __future__ import annotations

import base64
import json
import os
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from sigsearch import encode_words
from sigsearch.backend import Backend, Capability, Outcome, refuse_options
from sigsearch.bounds import EFFORT
from sigsearch.errors import (
    ClosedError,
    FormatVersionError,
    IndexNotFoundError,
    InputError,
    NotAnIndexError,
    StorageError,
)
from sigsearch.filters import Filter
from sigsearch.records import Box, Candidate, Record, View
from sigsearch.scheme import Scheme

FORMAT = "sigsearch-shelf"
FORMAT_VERSION = 1


class ShelfBackend(Backend):
    """A file whose first line names its format and scheme; each further line puts or deletes a record."""

    capabilities: ClassVar[frozenset[Capability]] = frozenset({Capability.DURABLE})

    def __init__(self, path: str, scheme: Scheme) -> None:
        self._path = path
        self._scheme = scheme
        self._lock = threading.RLock()
        self._closed = False
        self._read_to = 0
        self._records: dict[str, Record] = {}
        self._ids_by_word: defaultdict[tuple[int, int], set[str]] = defaultdict(set)

    @classmethod
    def open(cls, location: str, *, scheme: Scheme, create: bool, options: Mapping[str, Any]) -> ShelfBackend:
        refuse_options(options)
        path = location.partition("://")[2]
        with _storage_errors(path):
            if create:
                _create(path, scheme)
            try:
                with open(path, "rb") as file:
                    first = file.readline()
            except FileNotFoundError as error:
                raise IndexNotFoundError(f"no shelf at {path}; create=True makes one") from error
        shelf = cls(path, _scheme_of(first, path))
        shelf.refresh()
        return shelf

    @property
    def scheme(self) -> Scheme:
        return self._scheme

    def add(self, records: Sequence[Record], *, replace: bool) -> list[Outcome]:
        outcomes: list[Outcome] = []
        lines: list[dict[str, Any]] = []
        with self._in_use():
            self._catch_up()
            there = set(self._records)
            for record in records:
                if len(record.views) != 1:
                    raise InputError(f"a shelf keeps one view of a picture, {record.id!r} has several")
                if record.id not in there:
                    outcomes.append(Outcome.ADDED)
                else:
                    outcomes.append(Outcome.REPLACED if replace else Outcome.KEPT)
                if outcomes[-1] is not Outcome.KEPT:
                    there.add(record.id)
                    lines.append(_to_line(record))
            self._write(lines)
        return outcomes

    def delete(self, ids: Sequence[str]) -> int:
        with self._in_use():
            self._catch_up()
            there = [id for id in dict.fromkeys(ids) if id in self._records]
            self._write([{"delete": id} for id in there])
        return len(there)

    def get(self, ids: Sequence[str]) -> list[Record | None]:
        with self._in_use():
            return [_copy(self._records[id]) if id in self._records else None for id in ids]

    def count(self, where: Filter | None = None) -> int:
        with self._in_use():
            return len(self._chosen(where))

    def scan(self, where: Filter | None = None) -> Iterator[Record]:
        with self._in_use():
            chosen = self._chosen(where)
        return (_copy(record) for record in chosen)

    def candidates(
        self,
        signatures: npt.NDArray[np.int8],
        *,
        where: Filter | None,
        cutoff: float,
        limit: int | None,
        effort: int = EFFORT,
    ) -> list[list[Candidate]]:
        # The cutoff is left to the core, which compares each candidate exactly.
        with self._in_use():
            chosen = {record.id for record in self._chosen(where)}
            found = []
            for words in encode_words(signatures, scheme=self._scheme):
                shared: Counter[str] = Counter()
                for word in self._telling(words):
                    shared.update(self._ids_by_word.get(word, ()))
                best = sorted(chosen & shared.keys(), key=lambda name: (-shared[name], name))[:limit]
                found.append([Candidate(id, 0, self._records[id].views[0].signature) for id in best])
        return found

    def refresh(self) -> None:
        with self._in_use():
            self._catch_up()

    def info(self) -> dict[str, Any]:
        with self._in_use():
            return {"bytes": os.path.getsize(self._path), "format": FORMAT_VERSION, "file": self._path}

    def close(self) -> None:
        with self._lock:
            self._closed = True
            self._records.clear()
            self._ids_by_word.clear()

    @contextmanager
    def _in_use(self) -> Iterator[None]:
        """One thread at a time, none after close, and no OSError to the outside."""
        with self._lock, _storage_errors(self._path):
            if self._closed:
                raise ClosedError(f"the shelf at {self._path} was closed; open it again")
            yield

    def _catch_up(self) -> None:
        """Take in the lines that were written since, by whomever."""
        with open(self._path, "rb") as file:
            file.seek(self._read_to)
            for line in file:
                if not line.endswith(b"\n"):
                    break  # being written at this moment, or left by a crash
                self._read_to += len(line)
                self._apply(json.loads(line))

    def _write(self, lines: Sequence[Mapping[str, Any]]) -> None:
        """Append lines, synced. A line that a killed process left half written is cut off."""
        if not lines:
            return
        with open(self._path, "r+b") as file:
            file.truncate(self._read_to)
            file.seek(self._read_to)
            file.write(b"".join(json.dumps(line).encode() + b"\n" for line in lines))
            file.flush()
            os.fsync(file.fileno())
        self._catch_up()

    def _apply(self, line: Mapping[str, Any]) -> None:
        if "scheme" in line:
            return
        id = line["delete"] if "delete" in line else line["id"]
        old = self._records.pop(id, None)
        if old is not None:
            for word in self._words_of(old):
                self._ids_by_word[word].discard(id)
        if "delete" not in line:
            record = self._records[id] = _from_line(line)
            for word in self._words_of(record):
                self._ids_by_word[word].add(id)

    def _words_of(self, record: Record) -> list[tuple[int, int]]:
        return self._telling(encode_words(record.views[0].signature, scheme=self._scheme))

    def _telling(self, words: npt.NDArray[np.int64]) -> list[tuple[int, int]]:
        """Words with their position, but for the word of nothing but zeros: too many pictures share it."""
        nothing = (3**self._scheme.word_length - 1) // 2
        return [(position, word) for position, word in enumerate(words.tolist()) if word != nothing]

    def _chosen(self, where: Filter | None) -> list[Record]:
        return [r for r in self._records.values() if where is None or where.matches(r.metadata)]


def _create(path: str, scheme: Scheme) -> None:
    """Make a shelf where there is no file."""
    header = {"format": FORMAT, "version": FORMAT_VERSION, "scheme": scheme.to_json()}
    try:
        with open(path, "xb") as file:
            file.write(json.dumps(header).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError:
        return


def _scheme_of(first_line: bytes, path: str) -> Scheme:
    try:
        header = json.loads(first_line)
        ours = header["format"] == FORMAT
    except (ValueError, TypeError, KeyError):
        ours = False
    if not ours:
        raise NotAnIndexError(f"{path} is not a shelf; it was left as it is")
    if header["version"] != FORMAT_VERSION:
        raise FormatVersionError(f"{path} has format {header['version']}, wanted {FORMAT_VERSION}")
    return Scheme.from_json(header["scheme"])


@contextmanager
def _storage_errors(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(f"{path}: {error.strerror or error}") from error


def _to_line(record: Record) -> dict[str, Any]:
    view = record.views[0]
    return {
        "id": record.id,
        "signature": base64.b64encode(view.signature.tobytes()).decode(),
        "box": list(view.box),
        "path": record.path,
        "metadata": record.metadata,
        "timestamp": record.timestamp.isoformat() if record.timestamp else None,
    }


def _from_line(line: Mapping[str, Any]) -> Record:
    signature = np.frombuffer(base64.b64decode(line["signature"]), np.int8)
    return Record(
        line["id"],
        (View(signature, Box(*line["box"])),),
        line["path"],
        line["metadata"],
        datetime.fromisoformat(line["timestamp"]) if line["timestamp"] else None,
    )


def _copy(record: Record) -> Record:
    """The caller may do with its metadata what he likes."""
    metadata = json.loads(json.dumps(record.metadata))
    return Record(record.id, record.views, record.path, metadata, record.timestamp)
