"""Recordings on other machines and in object stores, through fsspec."""

import io
from contextlib import suppress
from typing import Any

from audiocnn_cli.errors import FailureKind, InputError, MissingExtraError


class RemoteFile(io.RawIOBase):
    """A file on another machine; it seeks, and reads only what is asked for.

    Where reading fails it ends: libsndfile reads through callbacks, which can't raise. So ask
    `require_read` once all is read.
    """

    def __init__(self, url: str, file: Any) -> None:
        self._url = url
        self._file = file
        self._failure: Exception | None = None

    def require_read(self) -> None:
        """Say of a file that has been read that all of it was there.

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
        return int(self._file.seek(offset, whence))

    def readinto(self, buffer: Any) -> int:
        """Read up to the size of `buffer` into it and say how many bytes those are."""
        try:
            data = self._file.read(len(buffer))
        except Exception as error:  # every file system fails in its own way
            self._failure = self._failure or error
            return 0
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        """Let go of the connection."""
        with suppress(Exception):
            self._file.close()
        super().close()


def open_remote(url: str) -> RemoteFile:
    """The bytes behind `url`.

    Raises:
        InputError: it is not there, or can't be reached or read.
        MissingExtraError: fsspec is not installed.
    """
    try:
        import fsspec
    except ImportError as error:
        raise MissingExtraError(f"reading {url}", "remote") from error
    try:
        file: Any = fsspec.open(url, "rb").open()
        if not isinstance(getattr(file, "size", None), int):  # then it does not seek
            with file:
                file = io.BytesIO(file.read())
    except Exception as error:
        raise _failed(url, error) from error
    return RemoteFile(url, file)


def _failed(url: str, error: Exception) -> InputError:
    """Why nothing comes from `url`."""
    # fsspec calls an object, a host and a refusal not found, and has the truth as the cause of that.
    cause = error.__cause__ if isinstance(error, FileNotFoundError) and error.__cause__ else error
    status = getattr(cause, "status", None)
    if isinstance(cause, PermissionError) or status in (401, 403):
        return InputError(url, FailureKind.PERMISSION, "no permission to read it")
    if isinstance(cause, FileNotFoundError) or status in (404, 410):
        return InputError(url, FailureKind.NOT_FOUND, "there is no such object")
    if isinstance(status, int):
        return InputError(url, FailureKind.NOT_FOUND, f"its server answers {status}")
    if isinstance(cause, OSError):
        reason = cause.strerror or cause
        return InputError(url, FailureKind.NOT_FOUND, f"its host can't be reached ({reason})")
    # An ImportError names the package that the protocol needs.
    reason = str(cause) or type(cause).__name__
    return InputError(url, FailureKind.NOT_FOUND, f"can't be read ({reason})")
