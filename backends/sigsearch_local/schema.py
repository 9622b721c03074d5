"""The file: an SQLite database. Its layout, its marks, and opening it without harm to what it may be."""

from __future__ import annotations

import json
import sqlite3
from contextlib import suppress
from pathlib import Path

from sigsearch.errors import FormatVersionError, IndexNotFoundError, NotAnIndexError, StorageError
from sigsearch.scheme import Scheme

APPLICATION_ID = 0x53494753
"""'SIGS', in the header of the file; see https://www.sqlite.org/pragma.html#pragma_application_id."""
FORMAT_VERSION = 1
BUSY_TIMEOUT = 30.0
"""Seconds that a writer waits for another."""

_NOTHING = "no index at {0}; 'sigsearch add --index {0} FOLDER' makes one"
_SCHEMA = """
CREATE TABLE properties (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE records (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    path TEXT,
    metadata TEXT NOT NULL,  -- JSON
    timestamp TEXT           -- ISO 8601, UTC
);
CREATE TABLE views (
    record INTEGER NOT NULL REFERENCES records ON DELETE CASCADE,
    position INTEGER NOT NULL,
    box TEXT NOT NULL,       -- JSON: left, top, right, bottom
    signature BLOB NOT NULL, -- int8 values
    PRIMARY KEY (record, position)
) WITHOUT ROWID;
"""


def connect(path: Path, *, scheme: Scheme, create: bool) -> sqlite3.Connection:
    """Open the database of an index; create it only where there is no file, or an empty one.

    Raises
    ------
    IndexNotFoundError, NotAnIndexError, FormatVersionError, StorageError
    """
    try:
        size = path.stat().st_size if path.exists() else 0
    except OSError as error:
        raise StorageError(f"cannot open {path}: {error.strerror}") from error
    if size == 0 and not create:
        raise IndexNotFoundError(_NOTHING.format(path))
    if size == 0 and not path.parent.is_dir():
        raise IndexNotFoundError(f"cannot make an index at {path}: there is no folder {path.parent}")
    try:
        if size:
            _check_header(path)
        database = sqlite3.connect(path, timeout=BUSY_TIMEOUT, isolation_level=None, check_same_thread=False)
    except (OSError, sqlite3.Error) as error:
        raise StorageError(f"cannot open {path}: {getattr(error, 'strerror', None) or error}") from error
    try:
        # Not by its size: what a killed process left half made is empty once SQLite has rolled it back.
        if database.execute("PRAGMA page_count").fetchone()[0] == 0:
            if not create:
                raise IndexNotFoundError(_NOTHING.format(path))
            _create(database, scheme)
        _check(database, path)
        # Where others have the file open that very moment SQLite does not wait but fails. They or the
        # next to open it will do it; until then it is as safe, and readers wait for writers.
        with suppress(sqlite3.OperationalError):
            database.execute("PRAGMA journal_mode = WAL")
        # A commit is acknowledged when it is on the disk: WAL lets others read meanwhile, FULL syncs.
        database.execute("PRAGMA synchronous = FULL")
        database.execute("PRAGMA foreign_keys = ON")
    except sqlite3.DatabaseError as error:
        database.close()
        raise StorageError(f"cannot use {path}: {error}") from error
    except BaseException:
        database.close()
        raise
    return database


def stored_scheme(database: sqlite3.Connection) -> Scheme:
    """The scheme that the index was made with."""
    row = database.execute("SELECT value FROM properties WHERE name = 'scheme'").fetchone()
    try:
        stored = json.loads(row[0])
    except (TypeError, ValueError) as error:
        raise StorageError("the index is damaged: it does not say with which scheme it was made") from error
    return Scheme.from_json(stored)


def _check_header(path: Path) -> None:
    """Refuse a file that is not ours before SQLite sees it.

    SQLite takes over a log or journal that lies beside another program's database, and so changes it.
    """
    with path.open("rb") as file:
        header = file.read(100)
    if header[:16] != b"SQLite format 3\0":
        raise NotAnIndexError(f"{path} is not a sigsearch index; it was left as it is")
    if int.from_bytes(header[68:72], "big") != APPLICATION_ID:
        raise NotAnIndexError(f"{path} is another program's database; it was left as it is")


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


def _check(database: sqlite3.Connection, path: Path) -> None:
    if database.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise NotAnIndexError(f"{path} is another program's database; it was left as it is")
    version = database.execute("PRAGMA user_version").fetchone()[0]
    if version != FORMAT_VERSION:
        raise FormatVersionError(
            f"{path} has format version {version}, this version of sigsearch reads {FORMAT_VERSION}: "
            "use the sigsearch that made it"
        )
