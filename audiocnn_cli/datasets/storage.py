"""Where a data set lies: a folder of this machine, or one that fsspec reaches. Files appear there whole."""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Protocol

from audiocnn_cli.errors import MissingExtraError, OutputError
from audiocnn_cli.files import make_folder


class Store(Protocol):
    """Files by their names below one folder, with `/` between folders."""

    def names(self) -> Iterator[str]:
        """All files that are there.

        Raises:
            OutputError: the folder can't be read; so of all methods, where it can't be read or written.
        """

    def write(self, name: str, fill: Callable[[IO[bytes]], None]) -> None:
        """A file of this name with what `fill` writes to a stream, on the disk when this returns."""

    def read(self, name: str) -> bytes:
        """What a file holds."""

    def rename(self, name: str, new: str) -> None:
        """Give a file another name; what has that name is replaced."""

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""


def is_url(location: str | Path) -> bool:
    """Whether a folder is one that fsspec reaches, and not of this machine."""
    return "://" in str(location)


def open_store(location: str) -> Store:
    """The store at a path or URL.

    Raises:
        OutputError: it can't be made or reached.
        MissingExtraError: it is remote and fsspec is not installed.
    """
    return RemoteStore(location) if is_url(location) else LocalStore(Path(location))


class LocalStore:
    """A folder of this machine."""

    def __init__(self, folder: Path) -> None:
        make_folder(folder)
        self._folder = folder

    def names(self) -> Iterator[str]:
        """All files that are there."""
        with _saying(str(self._folder)):
            for folder, _, files in os.walk(self._folder):
                below = Path(folder).relative_to(self._folder)
                yield from ((below / name).as_posix() for name in files)

    def write(self, name: str, fill: Callable[[IO[bytes]], None]) -> None:
        """Write, and wait until the disk has it: the journal must not know of more than there is."""
        path = self._folder / name
        make_folder(path.parent)
        with _saying(str(path)), path.open("wb") as stream:
            fill(stream)
            stream.flush()
            os.fsync(stream.fileno())

    def read(self, name: str) -> bytes:
        """What a file holds."""
        with _saying(str(self._folder / name)):
            return (self._folder / name).read_bytes()

    def rename(self, name: str, new: str) -> None:
        """Rename in one step."""
        with _saying(str(self._folder / new)):
            (self._folder / name).replace(self._folder / new)

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        with _saying(str(self._folder / name)):
            (self._folder / name).unlink(missing_ok=True)


class RemoteStore:
    """A folder that fsspec reaches; on object stores a new name is a copy, made by the store itself."""

    def __init__(self, url: str) -> None:
        try:
            import fsspec
        except ImportError as error:
            raise MissingExtraError(f"writing to {url}", "remote") from error
        self._url = url.rstrip("/")
        with _saying(self._url):
            self._files, self._root = fsspec.core.url_to_fs(self._url)
            self._root = self._root.rstrip("/")

    def names(self) -> Iterator[str]:
        """All files that are there."""
        with _saying(self._url):
            self._files.invalidate_cache()
            found = self._files.find(self._root) if self._files.exists(self._root) else []
            for path in found:
                yield path[len(self._root) :].lstrip("/")

    def write(self, name: str, fill: Callable[[IO[bytes]], None]) -> None:
        """Make the file here first: a store takes it whole or not at all."""
        with _saying(f"{self._url}/{name}"), tempfile.TemporaryFile() as scratch:
            fill(scratch)
            scratch.seek(0)
            self.put(name, scratch)

    def has(self, name: str) -> bool:
        """Whether there is a file of this name."""
        with _saying(f"{self._url}/{name}"):
            return bool(self._files.exists(self._path(name)))

    def put(self, name: str, stream: IO[bytes]) -> None:
        """Send what a stream holds from where it stands."""
        import shutil

        path = self._path(name)
        with _saying(f"{self._url}/{name}"):
            self._files.makedirs(path.rpartition("/")[0], exist_ok=True)
            with self._files.open(path, "wb") as target:
                shutil.copyfileobj(stream, target, 2**20)

    def read(self, name: str) -> bytes:
        """What a file holds."""
        with _saying(f"{self._url}/{name}"):
            content: bytes = self._files.cat_file(self._path(name))
            return content

    def rename(self, name: str, new: str) -> None:
        """Rename: in one step where the store can."""
        with _saying(f"{self._url}/{new}"):
            self._files.mv(self._path(name), self._path(new))

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        with _saying(f"{self._url}/{name}"), suppress(FileNotFoundError):
            self._files.rm_file(self._path(name))

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"


@contextmanager
def _saying(where: str) -> Iterator[None]:
    """Errors of a file system as sentences.

    Raises:
        OutputError: any of them.
    """
    try:
        yield
    except OutputError:
        raise
    except OSError as error:
        raise OutputError(f"{where}: can't be written ({error.strerror or error})") from error
    except Exception as error:  # every remote file system fails in its own way
        if not is_url(where):
            raise
        reason: Any = str(error) or type(error).__name__
        raise OutputError(f"{where}: can't be reached ({reason})") from error
