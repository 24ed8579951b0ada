"""The bytes behind a source: a file, standard input, or what fsspec reaches."""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

from audiocnn_cli.audio.remote import RemoteFile, open_remote
from audiocnn_cli.audio.riff import missing_bytes
from audiocnn_cli.audio.sources import STDIN, Source, is_remote
from audiocnn_cli.errors import FailureKind, InputError


@contextmanager
def open_bytes(source: Source) -> Iterator[IO[bytes]]:
    """A seekable stream at its start, checked to hold bytes and as many as a RIFF header says.

    Raises:
        InputError: there is nothing to read, or less than there should be, or reading it fails.
        MissingExtraError: the source is remote and fsspec is not installed.
    """
    with _open(source) as stream:
        try:
            _require_bytes(source.path, stream)
            yield stream
        finally:
            if isinstance(stream, RemoteFile):
                stream.require_read()


def _require_bytes(path: str, stream: IO[bytes]) -> None:
    size = stream.seek(0, io.SEEK_END)
    stream.seek(0)
    if size == 0:
        raise InputError(path, FailureKind.EMPTY, "is empty (0 bytes)")
    missing = missing_bytes(stream, size)
    stream.seek(0)
    if missing:
        raise InputError(
            path,
            FailureKind.CORRUPT,
            f"is truncated: its header promises {missing} more bytes; copy or export it again",
        )


def _open(source: Source) -> Any:
    if source.path == STDIN:
        # A shell's `<&-` leaves no stdin at all.
        return io.BytesIO(sys.stdin.buffer.read() if sys.stdin else b"")
    if is_remote(source.path):
        return open_remote(source.path)
    return _open_file(source.path)


def _open_file(path: str) -> Any:
    try:
        if not os.path.isfile(path) and os.path.exists(path):  # noqa: PTH110, PTH113 (bytes and surrogates)
            raise InputError(
                path, FailureKind.NOT_AUDIO, "is not a regular file; pipe it in with '-'"
            )
        # Unbuffered: libsndfile continues on the same descriptor, from where this stream stands.
        return open(path, "rb", buffering=0)  # noqa: PTH123 (the caller closes it)
    except FileNotFoundError as error:
        raise InputError(path, FailureKind.NOT_FOUND, "no such file") from error
    except PermissionError as error:
        raise InputError(path, FailureKind.PERMISSION, "no permission to read it") from error
    except (OSError, ValueError) as error:  # a name too long, or with a null byte
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(path, FailureKind.NOT_FOUND, f"can't be opened ({reason})") from error
