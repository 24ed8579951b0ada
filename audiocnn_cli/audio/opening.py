"""The bytes behind a source: a file, standard input, or what fsspec reaches."""

import io
import os
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

from audiocnn_cli.audio.remote import RemoteFile, open_remote
from audiocnn_cli.audio.sources import STDIN, Source, is_remote
from audiocnn_cli.errors import FailureKind, InputError

# Programs that write to a pipe leave one of these in place of the length.
_UNKNOWN_LENGTHS = frozenset({0x7FFFFFFF, 0x80000000, 0xFFFFFFFF})
_SLACK = 0x1000  # sox writes 0x7FFFFFFF less its header


@contextmanager
def open_bytes(source: Source) -> Iterator[IO[bytes]]:
    """A seekable stream at its start, checked to be as long as its RIFF header states.

    Raises:
        InputError: the source is empty or truncated, or can't be read.
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
    missing = _missing_bytes(stream, size)
    stream.seek(0)
    if missing:
        raise InputError(
            path,
            FailureKind.CORRUPT,
            f"is truncated: by its header {missing} more bytes follow; copy or export it again",
        )


def _missing_bytes(stream: IO[bytes], size: int) -> int:
    """Bytes of sample data that a RIFF (WAV) header states and the file lacks; 0 for other formats.

    libsndfile reads a truncated file without an error.

    Args:
        stream: at the start of the file; its position is changed.
        size: of the whole file in bytes.

    Source: Microsoft/IBM, Multimedia Programming Interface and Data Specifications 1.0 (RIFF chunks).
    """
    header = stream.read(12)
    if len(header) < 12 or header[:4] not in (b"RIFF", b"RIFX") or header[8:] != b"WAVE":
        return 0
    layout = "<4sI" if header[:4] == b"RIFF" else ">4sI"
    position = 12
    while position + 8 <= size:
        stream.seek(position)
        name, length = struct.unpack(layout, stream.read(8))
        position += 8
        if name == b"data":
            if any(unknown - _SLACK <= length <= unknown for unknown in _UNKNOWN_LENGTHS):
                return 0
            return max(0, position + int(length) - size)
        position += length + length % 2
    return 0


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
            raise InputError(path, FailureKind.NOT_AUDIO, "is not a regular file; pipe it in with '-'")
        # Unbuffered: libsndfile continues on the same descriptor, from where this stream stands.
        return open(path, "rb", buffering=0)  # noqa: PTH123 (the caller closes it)
    except FileNotFoundError as error:
        raise InputError(path, FailureKind.NOT_FOUND, "no such file") from error
    except PermissionError as error:
        raise InputError(path, FailureKind.PERMISSION, "no permission to read it") from error
    except (OSError, ValueError) as error:  # a name too long, or with a null byte
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(path, FailureKind.NOT_FOUND, f"can't be opened ({reason})") from error
