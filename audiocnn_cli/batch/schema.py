"""The tables of a journal: an SQLite file with a row for each input, for one process at a time."""

import json
import os
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from audiocnn_cli.batch.outcome import Failure
from audiocnn_cli.batch.task import Codec
from audiocnn_cli.errors import FailureKind, OutputError, UsageError

R = TypeVar("R")

# Stored as `user_version`. Another number is another schema, and such a journal is refused.
_VERSION = 3
# `parts` are the files of a data set, with the token of the temporary name of each; `members` are the inputs
# whose rows they hold.
_TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE inputs (
    path BLOB PRIMARY KEY,
    path_key BLOB,
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
CREATE INDEX path_keys ON inputs (path_key);
CREATE TABLE parts (name TEXT PRIMARY KEY, token TEXT NOT NULL);
CREATE TABLE members (path BLOB PRIMARY KEY, part TEXT NOT NULL);
CREATE INDEX members_of_part ON members (part);
"""


class State(StrEnum):
    """The state of an input."""

    BEGUN = "begun"
    DONE = "done"
    FAILED = "failed"


def open_database(path: Path) -> sqlite3.Connection:
    """The journal at `path`, created if it does not exist, for this process alone.

    Raises:
        OutputError: another process has it, or it can't be written.
        UsageError: it is not a journal, or one of another version.
    """
    with sqlite_errors(path):
        database = sqlite3.connect(path, timeout=0, isolation_level=None)
        try:
            database.row_factory = sqlite3.Row
            # Held until the process ends, however it ends; without shared memory, which network drives lack.
            database.execute("PRAGMA locking_mode = EXCLUSIVE")
            database.execute("PRAGMA journal_mode = WAL")
            # Survives a crash of this process; after a power loss the last few inputs are done again.
            database.execute("PRAGMA synchronous = NORMAL")
            database.execute("BEGIN IMMEDIATE")
            _create_tables(database, path)
            database.execute("COMMIT")
        except BaseException:
            database.close()
            raise
    return database


def _create_tables(database: sqlite3.Connection, path: Path) -> None:
    (version,) = database.execute("PRAGMA user_version").fetchone()
    if version == _VERSION:
        return
    tables = {row["name"] for row in database.execute("SELECT name FROM sqlite_master")}
    if {"meta", "inputs"} <= tables:
        raise UsageError(
            f"{path}: is a journal of another version of audiocnn; go on with that version, or remove the"
            " journal"
        )
    if tables or version:
        raise UsageError(f"{path}: is not a journal of audiocnn; give another name, or remove it")
    for statement in _TABLES.split(";"):
        database.execute(statement)
    database.execute(f"PRAGMA user_version = {_VERSION}")


def meta(database: sqlite3.Connection, key: str) -> Any:
    """A value about the journal as a whole; None if there is none of that name."""
    row = database.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    return None if row is None else json.loads(row["value"])


def pack_result(result: R, codec: Codec[R]) -> bytes:
    """A result as the column `result` holds it: JSON, compressed."""
    return zlib.compress(json.dumps(codec.pack(result)).encode(), level=1)


def outcome_in(row: sqlite3.Row, codec: Codec[R]) -> R | Failure:
    """The outcome of an input that is done or has failed."""
    if row["state"] == State.FAILED:
        return Failure(os.fsdecode(row["path"]), FailureKind(row["kind"]), row["message"])
    return codec.unpack(json.loads(zlib.decompress(row["result"])))


@contextmanager
def sqlite_errors(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into sentences about the journal at `path`.

    Raises:
        OutputError: it can't be written, or another process has it.
        UsageError: it is not a journal.
    """
    try:
        yield
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            raise OutputError(
                f"{path}: another run is writing this journal; wait for it, or give another `journal`"
            ) from error
        raise OutputError(f"{path}: the journal can't be written ({error})") from error
    except sqlite3.DatabaseError as error:
        raise UsageError(
            f"{path}: is not a journal of audiocnn ({error}); give another name, or remove it"
        ) from error
