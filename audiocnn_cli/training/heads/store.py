"""Embeddings on disk: a clip is embedded once, also if a training is interrupted or more clips are added."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from audiocnn_cli.errors import OutputError
from audiocnn_cli.files import make_folder

_TABLE = (
    "CREATE TABLE IF NOT EXISTS embeddings (backbone TEXT, clip TEXT, copy TEXT, dimensions INTEGER,"
    " silent BLOB, numbers BLOB, PRIMARY KEY (backbone, clip, copy)) WITHOUT ROWID"
)
_WAIT_S = 60.0


@dataclass(frozen=True)
class Embedding:
    """The embedding of each segment of a clip, or of a copy of it.

    Args:
        numbers: shape (segments, dimensions), float32.
        silent: whether a segment is silence, shape (segments,), bool.
    """

    numbers: NDArray[np.float32]
    silent: NDArray[np.bool_]


# By the name of the copy.
Embeddings = dict[str, Embedding]


class EmbeddingStore:
    """A file of embeddings by backbone, content of the clip, and copy; several processes may use it at once.

    `backbone` is whatever identifies the numbers: the hash of the model file, and how copies are made.
    """

    def __init__(self, database: sqlite3.Connection, path: Path) -> None:
        self._database = database
        self._path = path

    def find(self, backbone: str, clip: str) -> Embeddings:
        """The embeddings of a clip, empty if it was not embedded yet."""
        with self._reported():
            rows = self._database.execute(
                "SELECT copy, dimensions, silent, numbers FROM embeddings WHERE backbone = ? AND clip = ?",
                (backbone, clip),
            )
            return {
                copy: Embedding(
                    np.frombuffer(numbers, dtype=np.float32).reshape(-1, dimensions),
                    np.frombuffer(silent, dtype=np.bool_),
                )
                for copy, dimensions, silent, numbers in rows
            }

    def add(self, backbone: str, clip: str, found: Embeddings) -> None:
        """Keep the embeddings of a clip.

        Raises:
            OutputError: the disk is full, or the file can't be written.
        """
        rows = [
            (backbone, clip, copy, each.numbers.shape[1], each.silent.tobytes(), each.numbers.tobytes())
            for copy, each in found.items()
        ]
        with self._reported(), self._database:
            self._database.executemany("INSERT OR REPLACE INTO embeddings VALUES (?, ?, ?, ?, ?, ?)", rows)

    @contextmanager
    def _reported(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise _failed(self._path, error) from error


@contextmanager
def open_store(path: Path) -> Iterator[EmbeddingStore]:
    """The store at `path`, made if it is not there, and made anew if it is no such file.

    Raises:
        OutputError: it can't be made or opened.
    """
    make_folder(path.parent)
    try:
        database = _connect(path)
    except sqlite3.OperationalError as error:
        raise _failed(path, error) from error
    except sqlite3.DatabaseError:  # cut or overwritten: what it held can be computed again
        with suppress(OSError):
            path.unlink()
        try:
            database = _connect(path)
        except sqlite3.Error as error:
            raise _failed(path, error) from error
    try:
        yield EmbeddingStore(database, path)
    finally:
        database.close()


def _connect(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, timeout=_WAIT_S)
    # With a write-ahead log no commit waits for the disk, and a crash loses at most the last clips.
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = NORMAL")
    database.execute(_TABLE)
    database.execute("SELECT copy, dimensions, silent, numbers FROM embeddings LIMIT 1")
    return database


def _failed(path: Path, error: sqlite3.Error) -> OutputError:
    return OutputError(f"{path}: can't be used ({error}); free some space or choose another `cache`")
