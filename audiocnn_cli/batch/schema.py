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
# What is in `meta`, as JSON.
_META = {"configuration": dict, "digest": str, "shard": str, "run": int, "complete": bool}
# A result of an hour with 500 labels a second has a tenth of it; decoded it takes up to ten times as much.
_LARGEST_RESULT = 256 << 20


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
            # A journal may come from elsewhere: its schema must not run functions.
            database.execute("PRAGMA trusted_schema = OFF")
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
    schema = database.execute("SELECT name, sql FROM sqlite_master").fetchall()
    statements = [statement.strip() for statement in _TABLES.split(";") if statement.strip()]
    if version == _VERSION and {row["sql"] for row in schema if row["sql"]} == set(statements):
        return
    tables = {row["name"] for row in schema}
    if version != _VERSION and {"meta", "inputs"} <= tables:
        raise UsageError(
            f"{path}: is a journal of another version of audiocnn; go on with that version, or remove the"
            " journal"
        )
    if tables or version:
        raise UsageError(f"{path}: is not a journal of audiocnn; give another name, or remove it")
    for statement in statements:
        database.execute(statement)
    database.execute(f"PRAGMA user_version = {_VERSION}")


def meta(database: sqlite3.Connection, key: str) -> Any:
    """A value about the journal as a whole; None if there is none of that name.

    Raises:
        DamagedError: it is of another type.
    """
    row = database.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    if row is None:
        return None
    with _damaged(f"its {key}"):
        value = json.loads(row["value"])
        if type(value) is not _META[key]:
            raise TypeError
        return value


def pack_result(result: R, codec: Codec[R]) -> bytes | None:
    """A result as the column `result` holds it: JSON, compressed; None if it is too large to be recalled."""
    text = json.dumps(codec.pack(result)).encode()
    return zlib.compress(text, level=1) if len(text) <= _LARGEST_RESULT else None


def outcome_in(row: sqlite3.Row, codec: Codec[R]) -> R | Failure:
    """The outcome of an input that is done or has failed.

    Raises:
        DamagedError: the row does not hold one.
    """
    with _damaged("the result of an input"):
        path, seconds = os.fsdecode(row["path"]), row["seconds"]
        if not isinstance(seconds, float):
            raise TypeError
        if row["state"] == State.FAILED:
            return Failure(path, FailureKind(row["kind"]), str(row["message"]))
        inflater = zlib.decompressobj()
        text = inflater.decompress(row["result"], _LARGEST_RESULT)
        if not inflater.eof:
            raise ValueError
        return codec.unpack(json.loads(text))


class DamagedError(Exception):
    """A journal of another origin holds what audiocnn does not write."""


@contextmanager
def _damaged(what: str) -> Iterator[None]:
    """Turn the errors of values of other types into `DamagedError`."""
    try:
        yield
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, zlib.error) as error:
        raise DamagedError(what) from error


@contextmanager
def sqlite_errors(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into sentences about the journal at `path`.

    Raises:
        OutputError: it can't be written, or another process has it.
        UsageError: it is not a journal.
    """
    try:
        yield
    except DamagedError as error:
        raise UsageError(
            f"{path}: is not a journal of audiocnn, or a damaged one ({error} is not valid); give another"
            " name, or remove it"
        ) from error
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
