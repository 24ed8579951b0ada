"""Recordings on other machines and in object stores, read and listed through fsspec."""

import io
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from audiocnn_cli.errors import FailureKind, InputError, MissingExtraError
from audiocnn_cli.extras import require_extra

_WEB = ("http://", "https://")


class RemoteFile(io.RawIOBase):
    """A file on another machine that seeks and reads only the bytes that are requested.

    Where reading fails, the file ends, since the callbacks that libsndfile reads through can't raise. Call
    `require_read` once all is read.
    """

    def __init__(self, url: str, file: Any) -> None:
        self._url = url
        self._file = file
        self._failure: Exception | None = None

    def require_read(self) -> None:
        """Check, once the file has been read, that no read failed.

        Raises:
            InputError: the connection or the server failed.
        """
        if self._failure is not None:
            raise _failed(self._url, self._failure)

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to that byte; nothing is read."""
        if whence == io.SEEK_CUR:
            offset, whence = offset + self._file.tell(), io.SEEK_SET
        if whence == io.SEEK_SET:  # a damaged file may refer to what is before its beginning
            offset = max(0, offset)
        return int(self._file.seek(offset, whence))

    def readinto(self, buffer: Any) -> int:
        """Read up to the size of `buffer` into it and return the number of bytes."""
        try:
            data = self._file.read(len(buffer))
        except Exception as error:  # file systems raise errors of their own
            self._failure = self._failure or error
            return 0
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        """Close the connection."""
        with suppress(Exception):
            self._file.close()
        super().close()


def open_remote(url: str) -> RemoteFile:
    """The bytes behind `url`.

    Raises:
        InputError: it is not there, or can't be reached or read, or fsspec is not installed.
    """
    fsspec = _fsspec(url)
    try:
        file: Any = fsspec.open(url, "rb").open()
        if not isinstance(getattr(file, "size", None), int):  # then it does not seek
            with file:
                file = io.BytesIO(file.read())
    except Exception as error:
        raise _failed(url, error) from error
    return RemoteFile(url, file)


def _failed(url: str, error: Exception) -> InputError:
    """The error of a source that can't be read."""
    # fsspec raises FileNotFoundError also for hosts and refusals; its cause keeps them apart.
    cause = error.__cause__ if isinstance(error, FileNotFoundError) and error.__cause__ else error
    status = getattr(cause, "status", None)
    if isinstance(cause, PermissionError) or status in (401, 403):
        return InputError(url, FailureKind.PERMISSION, "no permission to read it")
    if isinstance(cause, FileNotFoundError) or status in (404, 410):
        return InputError(url, FailureKind.NOT_FOUND, "there is no such object")
    if isinstance(status, int):
        return InputError(url, FailureKind.NOT_FOUND, f"its server responds with status {status}")
    if isinstance(cause, OSError):
        reason = cause.strerror or cause
        return InputError(url, FailureKind.NOT_FOUND, f"its host can't be reached ({reason})")
    # An ImportError names the package that the protocol needs.
    reason = str(cause) or type(cause).__name__
    return InputError(url, FailureKind.NOT_FOUND, f"can't be read ({reason})")


def _fsspec(url: str) -> Any:
    try:
        require_extra("remote", "reading it")
    except MissingExtraError as error:  # fails this input: others may be files
        raise InputError(url, FailureKind.NOT_FOUND, str(error)) from error
    import fsspec

    return fsspec


def names_one(url: str) -> bool:
    """Whether a URL names one recording: on the web `*` and `?` are not patterns."""
    return url.startswith(_WEB) and not url.endswith("/")


def list_remote(url: str) -> Iterator[tuple[str, str]]:
    """The files below a folder, or that a pattern matches, as (URL, path below the folder), lazily.

    Any other URL yields nothing.

    Raises:
        InputError: it can't be listed, or fsspec is not installed.
    """
    files, root = _reach(url)
    root = root.rstrip("/")
    try:
        if "*" in root or "[" in root:
            fixed = root[: min(root.index(sign) for sign in "*[" if sign in root)].rpartition("/")[0]
            for path in sorted(files.glob(root)):
                yield files.unstrip_protocol(path), path[len(fixed) :].lstrip("/")
        elif files.isdir(root):
            yield from _walk(files, root)
    except PermissionError as error:
        raise InputError(url, FailureKind.PERMISSION, "no permission to list it") from error
    except Exception as error:  # file systems raise errors of their own
        reason = str(error) or type(error).__name__
        raise InputError(url, FailureKind.NOT_FOUND, f"can't be listed ({reason})") from error


def version_of(url: str) -> tuple[int | None, str | None]:
    """The size of a remote file and a checksum of its content; (None, None) for web servers.

    File systems take both from their listings; a web server would need a request for each file.
    """
    if url.startswith(_WEB):
        return None, None
    try:
        files, path = _reach(url)
        entry = files.info(path)
        size = entry.get("size")
        return (size if isinstance(size, int) else None), str(files.checksum(path))
    except Exception:  # reported when it is read
        return None, None


def _reach(url: str) -> tuple[Any, str]:
    fsspec = _fsspec(url)
    try:
        files, root = fsspec.core.url_to_fs(url)
    except Exception as error:  # no such protocol, or its own package is missing
        raise InputError(url, FailureKind.NOT_FOUND, f"can't be opened ({error})") from error
    return files, root


def _walk(files: Any, root: str) -> Iterator[tuple[str, str]]:
    for folder, folders, names in files.walk(root):
        folders.sort()
        for name in sorted(names):
            path = f"{folder.rstrip('/')}/{name}"
            yield files.unstrip_protocol(path), path[len(root) :].lstrip("/")
