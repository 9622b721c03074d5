"""The file: an SQLite database. Its layout, its marks, and opening it without harm to what it may be."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

from sigsearch.errors import FormatVersionError, IndexNotFoundError, NotAnIndexError, StorageError
from sigsearch.scheme import Scheme

APPLICATION_ID = 0x53494753
"""'SIGS', in the header of the file; see https://www.sqlite.org/pragma.html#pragma_application_id."""
FORMAT_VERSION = 1
BUSY_TIMEOUT = 30.0
"""Seconds that a writer waits for another."""

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
        raise IndexNotFoundError(f"no index at {path}; 'sigsearch add --index {path} FOLDER' makes one")
    if size == 0 and not path.parent.is_dir():
        raise IndexNotFoundError(f"cannot make an index at {path}: there is no folder {path.parent}")
    try:
        if size and not _is_sqlite(path):
            raise NotAnIndexError(f"{path} is not a sigsearch index; it was left as it is")
        database = sqlite3.connect(path, timeout=BUSY_TIMEOUT, isolation_level=None, check_same_thread=False)
    except (OSError, sqlite3.Error) as error:
        raise StorageError(f"cannot open {path}: {getattr(error, 'strerror', None) or error}") from error
    try:
        if size == 0:
            _create(database, scheme)
        _check(database, path)
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
    return Scheme.from_json(json.loads(row[0]))


def _is_sqlite(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(16) == b"SQLite format 3\0"


def _create(database: sqlite3.Connection, scheme: Scheme) -> None:
    database.execute("PRAGMA journal_mode = WAL")
    # All marks in one transaction: a file is an index as a whole or not at all. Another process
    # may have made it between our look and the lock.
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
