"""The file that a journal is: SQLite, one row an input, for one process at a time."""

import json
import os
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar

from audiocnn_cli.batch.outcome import Failure
from audiocnn_cli.errors import FailureKind, OutputError, UsageError

R = TypeVar("R")

FORMAT = 2
TABLES = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS inputs (
    path BLOB PRIMARY KEY,
    place BLOB,
    run INTEGER NOT NULL,
    configuration TEXT NOT NULL,
    size INTEGER,
    mtime_ns INTEGER,
    content TEXT,
    state TEXT NOT NULL,
    kind TEXT,
    message TEXT,
    output BLOB UNIQUE,
    output_size INTEGER,
    result BLOB,
    seconds REAL,
    aborted INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS places ON inputs (place);
"""
BEGUN, DONE, FAILED = "begun", "done", "failed"


class Codec(Protocol[R]):
    """How a result lies in the journal: as values that JSON knows."""

    def pack(self, result: R) -> Any:
        """The result as values that JSON knows."""

    def unpack(self, values: Any) -> R:
        """The result again."""


def open_database(path: Path) -> sqlite3.Connection:
    """The SQLite file at `path`, made if need be, for this process alone.

    Raises:
        OutputError: another process has it, or it can't be written.
        UsageError: it is no SQLite file.
    """
    with saying(path):
        database = sqlite3.connect(path, timeout=0, isolation_level=None)
        try:
            database.row_factory = sqlite3.Row
            # Held until the process ends, however it ends; and no shared memory, so that network drives do.
            database.execute("PRAGMA locking_mode = EXCLUSIVE")
            database.execute("PRAGMA journal_mode = WAL")
            # Survives a crash of this process; after a power loss the last few inputs are done again.
            database.execute("PRAGMA synchronous = NORMAL")
            database.execute("BEGIN IMMEDIATE")
            database.execute("COMMIT")
        except BaseException:
            database.close()
            raise
    return database


def meta(database: sqlite3.Connection, key: str) -> Any:
    """A value of the journal as a whole; None if it has none of that name.

    Raises:
        sqlite3.DatabaseError: it is no journal.
    """
    row = database.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    return None if row is None else json.loads(row["value"])


def failure_in(row: sqlite3.Row) -> Failure | None:
    """The failure of an input, if it has failed."""
    if row["state"] != FAILED:
        return None
    return Failure(os.fsdecode(row["path"]), FailureKind(row["kind"]), row["message"])


def result_in(row: sqlite3.Row, codec: Codec[R]) -> R:
    """The result of an input that is done."""
    return codec.unpack(json.loads(zlib.decompress(row["result"])))


@contextmanager
def saying(path: Path) -> Iterator[None]:
    """SQLite's errors as sentences about the journal at `path`.

    Raises:
        OutputError: it can't be written, or another process has it.
        UsageError: it is no journal.
    """
    try:
        yield
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            raise OutputError(
                f"{path}: another run is writing this journal; wait for it, or give another --journal"
            ) from error
        raise OutputError(f"{path}: the journal can't be written ({error})") from error
    except sqlite3.DatabaseError as error:
        raise UsageError(
            f"{path}: is no journal of audiocnn ({error}); give another name, or remove it"
        ) from error
