"""The catalogue: an SQLite database of all but the signatures. Its layout, and opening it without harm.

An index is a folder with ``catalogue.sqlite`` and the signature files (see `sigsearch_local.files`). The
catalogue says what of them counts, so its transactions are the index's: what one commits is there as a
whole, for every process, and what one does not commit never was.

A record's number tells where its first row lies: twice the row's number, plus 1 in the full layout.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import zlib
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from sigsearch.errors import FormatVersionError, IndexNotFoundError, NotAnIndexError, StorageError
from sigsearch.scheme import Scheme
from sigsearch_local import leaves

NAME: Final = "catalogue.sqlite"
APPLICATION_ID: Final = 0x53494753
"""'SIGS', in the header of the database; see https://www.sqlite.org/pragma.html#pragma_application_id."""
FORMAT_VERSION: Final = 2
BUSY_TIMEOUT = 30.0
"""Seconds that a writer waits for another."""

_NOTHING = "no index at {0}; 'sigsearch add --index {0} FOLDER' makes one"
RECORDS: Final = """
CREATE TABLE {name} (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    path TEXT,
    metadata TEXT,              -- JSON; NULL for null
    timestamp,                  -- microseconds since 1970 in UTC, or text: ISO 8601 as it was given
    views TEXT,                 -- JSON: place and box of each; NULL for one of the whole picture
    checksum INTEGER NOT NULL   -- CRC-32 of all but the number
);
"""
SEVERAL_VIEWS: Final = "CREATE INDEX several_views ON records (number) WHERE views IS NOT NULL"
_SCHEMA = (
    """
CREATE TABLE properties (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE state (
    generation INTEGER NOT NULL,  -- of the signature files
    folded INTEGER NOT NULL,      -- rows in them, of each layout
    full INTEGER NOT NULL,
    live INTEGER NOT NULL         -- rows that belong to a record
);
INSERT INTO state VALUES (1, 0, 0, 0);
"""
    + RECORDS.format(name="records")
    + SEVERAL_VIEWS
    + ";\n"
    + leaves.SCHEMA
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class State(NamedTuple):
    """What of the signature files counts."""

    generation: int
    folded: int
    full: int
    live: int


class Row(NamedTuple):
    """A record in the catalogue."""

    number: int
    id: str
    path: str | None
    metadata: str | None
    timestamp: int | str | None
    views: str | None
    checksum: int

    @classmethod
    def of(
        cls,
        number: int,
        id: str,
        path: str | None,
        metadata: Any,
        timestamp: datetime | None,
        views: list[Any] | None,
    ) -> Row:
        """A row, sealed by its checksum."""
        text = None if metadata is None else _json(metadata)
        stamp = _stamp(timestamp)
        boxes = None if views is None else _json(views)
        return cls(number, id, path, text, stamp, boxes, _checksum(id, path, text, stamp, boxes))

    @property
    def sound(self) -> bool:
        """Whether it is what was written."""
        return _checksum(*self[1:-1]) == self.checksum

    def with_views(self, views: list[Any]) -> tuple[str, int, int]:
        """Other views, as the catalogue has them, the checksum with them, and the number."""
        text = _json(views)
        return text, _checksum(*self[1:-2], text), self.number

    def places(self) -> list[int]:
        """Where the rows of its views are."""
        return [self.number] if self.views is None else [place for place, _ in json.loads(self.views)]

    def when(self) -> datetime | None:
        """The timestamp."""
        return when(self.timestamp)


COLUMNS: Final = ", ".join(Row._fields)


def when(timestamp: int | str | None) -> datetime | None:
    """A timestamp as the catalogue has it."""
    if isinstance(timestamp, int):
        return _EPOCH + timedelta(microseconds=timestamp)
    return datetime.fromisoformat(timestamp) if timestamp else None


@dataclass(frozen=True, slots=True)
class Location:
    """Where an index is, and whether it can be written there. To be released when it is closed."""

    folder: Path
    read_only: bool
    file: tuple[int, int]

    @property
    def catalogue(self) -> Path:
        """The database."""
        return self.folder / NAME

    def release(self) -> None:
        """Say that all connections to it are closed."""
        with _opening:
            _in_use[self.file] -= 1


# A process that opens and closes a file loses all its locks on it, those of SQLite's connections as well,
# and then others may write over what it reads. So the header is looked at only while there are none.
_in_use: Counter[tuple[int, int]] = Counter()
_opening = threading.Lock()


def prepare(folder: Path, *, scheme: Scheme, create: bool) -> Location:
    """Find the index in a folder, or make one where there is nothing.

    Raises
    ------
    IndexNotFoundError, NotAnIndexError, FormatVersionError, StorageError
    """
    with _opening:
        size = _look(folder)
        if not size and not create:
            raise IndexNotFoundError(_NOTHING.format(folder))
        if not folder.parent.is_dir():
            raise IndexNotFoundError(f"cannot make an index at {folder}: there is no folder {folder.parent}")
        catalogue = folder / NAME
        try:
            if not size:
                folder.mkdir(exist_ok=True)
                catalogue.touch()
            file = catalogue.stat()
        except OSError as error:
            raise StorageError(f"cannot make an index at {folder}: {error.strerror}") from error
        read_only = bool(size) and not _may_write(folder, catalogue)
        location = Location(folder, read_only, (file.st_dev, file.st_ino))
        _prepare(location, scheme if create else None)
        _in_use[location.file] += 1
    return location


def _look(folder: Path) -> int:
    """The size of a folder's catalogue, 0 if there is none; refuse what is not ours before SQLite sees it.

    SQLite takes over a log or journal that lies beside another program's database, and so changes it.
    """
    catalogue = folder / NAME
    try:
        if not folder.exists():
            return 0
        if not folder.is_dir():
            _refuse(folder)
        size = catalogue.stat().st_size if catalogue.exists() else 0
        if not size and has_signatures(folder):
            raise StorageError(
                f"{catalogue} is missing or empty; the signatures beside it are left as they are, but what "
                "they belong to is lost: bring it back from a copy, or make a new index elsewhere"
            )
        if not size:
            return 0
        file = catalogue.stat()
        if not _in_use[file.st_dev, file.st_ino]:
            header = _header(catalogue)
            if header[:16] != b"SQLite format 3\0":
                raise NotAnIndexError(f"{catalogue} is not a sigsearch index; it was left as it is")
            if int.from_bytes(header[68:72], "big") != APPLICATION_ID:
                raise NotAnIndexError(f"{catalogue} is another program's database; it was left as it is")
    except OSError as error:
        raise StorageError(f"cannot open {folder}: {error.strerror}") from error
    return size


def has_signatures(folder: Path) -> bool:
    """Whether there are signature files in a folder."""
    return any(folder.glob("*-*.rows"))


def _header(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(100)


def _refuse(path: Path) -> None:
    """Say what a file is that stands where the folder of an index should be."""
    header = _header(path)
    if header[:16] == b"SQLite format 3\0" and int.from_bytes(header[68:72], "big") == APPLICATION_ID:
        raise FormatVersionError(
            f"{path} has format version 1, this version of sigsearch reads {FORMAT_VERSION}: "
            "make a new index of the pictures"
        )
    raise NotAnIndexError(f"{path} is not a sigsearch index, which is a folder; it was left as it is")


def _prepare(location: Location, scheme: Scheme | None) -> None:
    """Check the database, having made it if there is none and a scheme is given."""
    database = connect(location)
    try:
        # Not by its size: what a killed process left half made is empty once SQLite has rolled it back.
        if database.execute("PRAGMA page_count").fetchone()[0] == 0:
            if scheme is None:
                raise IndexNotFoundError(_NOTHING.format(location.folder))
            _create(database, scheme)
        _check(database, location.folder)
        # Where others have the file open that very moment SQLite does not wait but fails. They or the
        # next to open it will do it; until then it is as safe, and readers wait for writers.
        if not location.read_only:
            with suppress(sqlite3.OperationalError):
                database.execute("PRAGMA journal_mode = WAL")
    except sqlite3.Error as error:
        raise StorageError(f"cannot use {location.catalogue}: {error}") from error
    finally:
        database.close()


def connect(location: Location) -> sqlite3.Connection:
    """Open the catalogue of an index.

    Raises
    ------
    StorageError
    """
    # Where nothing may be written SQLite could not make its files beside the database, nor need it:
    # immutable is to say so. If such files are there, somebody else may be writing, and they will do.
    mode = "rw"
    if location.read_only:
        log = Path(f"{location.catalogue}-wal")
        mode = "ro" if log.exists() and log.stat().st_size else "ro&immutable=1"
    uri = f"file:{quote(os.fspath(location.catalogue.absolute()))}?mode={mode}"
    try:
        database = sqlite3.connect(
            uri, uri=True, timeout=BUSY_TIMEOUT, isolation_level=None, check_same_thread=False
        )
        # A commit is acknowledged when it is on the disk: WAL lets others read meanwhile, FULL syncs.
        database.execute("PRAGMA synchronous = FULL")
        # In kibibytes: the ids of a million records in memory, for ids that come in no order.
        database.execute("PRAGMA cache_size = -65536")
    except sqlite3.Error as error:
        raise StorageError(f"cannot open {location.catalogue}: {error}") from error
    return database


def stored_scheme(database: sqlite3.Connection) -> Scheme:
    """The scheme that the index was made with."""
    row = database.execute("SELECT value FROM properties WHERE name = 'scheme'").fetchone()
    try:
        stored = json.loads(row[0])
    except (TypeError, ValueError) as error:
        raise StorageError("the index is damaged: it does not say with which scheme it was made") from error
    return Scheme.from_json(stored)


def state(database: sqlite3.Connection) -> State:
    """What of the signature files counts."""
    rows = database.execute(f"SELECT {', '.join(State._fields)} FROM state").fetchall()
    if len(rows) != 1 or not all(isinstance(value, int) and value >= 0 for value in rows[0]):
        raise StorageError("the index is damaged: it does not say how many signatures it has")
    return State(*rows[0])


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _stamp(timestamp: datetime | None) -> int | str | None:
    if timestamp is None:
        return None
    if timestamp.tzinfo is UTC:
        since = timestamp - _EPOCH
        return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    return timestamp.isoformat()


def _checksum(id: Any, path: Any, metadata: Any, timestamp: Any, views: Any) -> int:
    return zlib.crc32(f"{id}\0{path}\0{metadata}\0{timestamp}\0{views}".encode(errors="surrogatepass"))


def _may_write(folder: Path, catalogue: Path) -> bool:
    return os.access(folder, os.W_OK, **_AS_NOW) and os.access(catalogue, os.W_OK, **_AS_NOW)


# By the rights that this process has at the moment, not by those of who started it.
_AS_NOW: dict[str, Any] = {"effective_ids": True} if os.access in os.supports_effective_ids else {}


def _create(database: sqlite3.Connection, scheme: Scheme) -> None:
    # Not in WAL mode yet: until a checkpoint the marks would stand in the log alone, and the file would
    # not say whose it is. All marks in one transaction: a file is an index as a whole or not at all.
    # Another process may have made it between our look and the lock.
    database.execute("BEGIN IMMEDIATE")
    if database.execute("PRAGMA application_id").fetchone()[0] == 0:
        for statement in _SCHEMA.split(";\n"):
            database.execute(statement)
        database.execute("INSERT INTO properties VALUES ('scheme', ?)", (json.dumps(scheme.to_json()),))
        database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        database.execute(f"PRAGMA user_version = {FORMAT_VERSION}")
    database.execute("COMMIT")


def _check(database: sqlite3.Connection, folder: Path) -> None:
    if database.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise NotAnIndexError(f"{folder / NAME} is another program's database; it was left as it is")
    version = database.execute("PRAGMA user_version").fetchone()[0]
    if version != FORMAT_VERSION:
        raise FormatVersionError(
            f"{folder} has format version {version}, this version of sigsearch reads {FORMAT_VERSION}: "
            "use the sigsearch that made it"
        )
