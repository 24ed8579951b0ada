"""Folders that a data set is written to: of this machine, or reached by fsspec. Files appear there whole."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from audiocnn_cli.errors import OutputError
from audiocnn_cli.extras import require_extra
from audiocnn_cli.files import make_folder


def is_url(location: str | Path) -> bool:
    """Whether a folder is reached by fsspec, and not one of this machine."""
    return "://" in str(location)


def open_storage(location: str) -> "LocalStorage | RemoteStorage":
    """The storage at a path or URL: files below one folder, by names with `/` between folders.

    All its methods raise OutputError where the folder can't be read or written.

    Raises:
        OutputError: it can't be made or reached.
        MissingExtraError: it is remote and fsspec is not installed.
    """
    return RemoteStorage(location) if is_url(location) else LocalStorage(Path(location))


class LocalStorage:
    """A folder of this machine."""

    def __init__(self, folder: Path) -> None:
        make_folder(folder)
        self._folder = folder

    def names(self) -> Iterator[str]:
        """The names of all files."""
        with _storage_errors(str(self._folder)):
            for folder, _, files in os.walk(self._folder):
                below = Path(folder).relative_to(self._folder)
                yield from ((below / name).as_posix() for name in files)

    def write(self, name: str, fill: Callable[[IO[bytes]], None]) -> None:
        """Write, and wait for the disk: the journal must not list a file that a power loss removes."""
        path = self._folder / name
        make_folder(path.parent)
        with _storage_errors(str(path)), path.open("wb") as stream:
            fill(stream)
            stream.flush()
            os.fsync(stream.fileno())

    def read(self, name: str) -> bytes:
        """The content of a file."""
        with _storage_errors(str(self._folder / name)):
            return (self._folder / name).read_bytes()

    def rename(self, name: str, new: str) -> None:
        """Rename in one step."""
        with _storage_errors(str(self._folder / new)):
            (self._folder / name).replace(self._folder / new)

    def remove(self, name: str) -> None:
        """Remove a file, if it exists."""
        with _storage_errors(str(self._folder / name)):
            (self._folder / name).unlink(missing_ok=True)


class RemoteStorage:
    """A folder that fsspec reaches; in an object store renaming is a copy, made by the store itself."""

    def __init__(self, url: str) -> None:
        require_extra("remote", f"writing to {url}")
        import fsspec

        self._url = url.rstrip("/")
        with _storage_errors(self._url):
            self._files, self._root = fsspec.core.url_to_fs(self._url)
            self._root = self._root.rstrip("/")

    def names(self) -> Iterator[str]:
        """The names of all files."""
        with _storage_errors(self._url):
            self._files.invalidate_cache()
            found = self._files.find(self._root) if self._files.exists(self._root) else []
            for path in found:
                yield path[len(self._root) :].lstrip("/")

    def write(self, name: str, fill: Callable[[IO[bytes]], None]) -> None:
        """Write to a temporary file of this machine first: a store gets the file whole or not at all."""
        with _storage_errors(f"{self._url}/{name}"), tempfile.TemporaryFile() as scratch:
            fill(scratch)
            scratch.seek(0)
            self.put(name, scratch)

    def has(self, name: str) -> bool:
        """Whether a file of this name exists."""
        with _storage_errors(f"{self._url}/{name}"):
            return bool(self._files.exists(self._path(name)))

    def put(self, name: str, stream: IO[bytes]) -> None:
        """Copy a stream from its position to a file."""
        path = self._path(name)
        with _storage_errors(f"{self._url}/{name}"):
            self._files.makedirs(path.rpartition("/")[0], exist_ok=True)
            with self._files.open(path, "wb") as target:
                shutil.copyfileobj(stream, target, 2**20)

    def read(self, name: str) -> bytes:
        """The content of a file."""
        with _storage_errors(f"{self._url}/{name}"):
            return bytes(self._files.cat_file(self._path(name)))

    def rename(self, name: str, new: str) -> None:
        """Rename, in one step where the store can."""
        with _storage_errors(f"{self._url}/{new}"):
            self._files.mv(self._path(name), self._path(new))

    def remove(self, name: str) -> None:
        """Remove a file, if it exists."""
        with _storage_errors(f"{self._url}/{name}"), suppress(FileNotFoundError):
            self._files.rm_file(self._path(name))

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"


@contextmanager
def _storage_errors(where: str) -> Iterator[None]:
    """Turn the errors of a file system into sentences.

    Raises:
        OutputError: any of them.
    """
    try:
        yield
    except OutputError:
        raise
    except OSError as error:
        raise OutputError(f"{where}: can't be written ({error.strerror or error})") from error
    except Exception as error:  # every remote file system has exceptions of its own
        if not is_url(where):
            raise
        raise OutputError(f"{where}: can't be reached ({str(error) or type(error).__name__})") from error
