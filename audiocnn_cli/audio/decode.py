"""Decode a source, block by block, into float32 samples.

A file that ends early, is not audio or holds numbers that are not finite raises an `InputError` of its kind,
whichever library decodes it.
"""

import io
import os
import struct
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from audiocnn_cli.audio.arrays import ArrayDecoder, ArraySource
from audiocnn_cli.audio.decoders import AvDecoder, Decoder, DecodingError, SoundFileDecoder
from audiocnn_cli.audio.remote import RemoteFile, open_remote
from audiocnn_cli.audio.sources import AV_SUFFIXES, STDIN, Source, is_remote
from audiocnn_cli.errors import FailureKind, InputError, SignalError
from audiocnn_cli.extras import install_command

_BLOCK_SAMPLES = 1 << 16
# Programs that write to a pipe leave one of these in place of the length.
_UNKNOWN_LENGTHS = frozenset({0x7FFFFFFF, 0x80000000, 0xFFFFFFFF})
_SLACK = 0x1000  # sox writes 0x7FFFFFFF less its header


@dataclass(frozen=True, slots=True)
class AudioInfo:
    """The properties of a recording by its header: `frames` samples a channel at `sample_rate` Hz.

    Without `exact_length` the number of frames is an estimate (an MP3 without a header frame, a video).
    """

    path: str
    sample_rate: int
    channels: int
    frames: int
    format: str
    subtype: str
    exact_length: bool = True

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.frames / self.sample_rate


class AudioReader:
    """An open audio file: its `info`, and its samples in blocks."""

    def __init__(self, path: str, decoder: Decoder) -> None:
        self.info = AudioInfo(
            path,
            decoder.sample_rate,
            decoder.channels,
            decoder.frames,
            decoder.format,
            decoder.subtype,
            decoder.exact_length,
        )
        self._decoder = decoder

    def blocks(
        self, *, start: int = 0, frames: int | None = None, block_samples: int = _BLOCK_SAMPLES
    ) -> Iterator[NDArray[np.float32]]:
        """Yield arrays of shape (n, channels), n * channels <= block_samples, float32, PCM in [-1, 1].

        It seeks to frame `start`, reads `frames` of them (None: all that follow), and may be called again.

        Raises:
            InputError: the file is shorter than its header states, can't be decoded, or not finite.
        """
        position = start
        end = sys.maxsize if frames is None else start + frames
        step = max(1, block_samples // self.info.channels)
        try:
            self._decoder.seek(start)
            while position < end:
                block = self._decoder.read(min(step, end - position))
                if not len(block):
                    break
                require_finite(block, start=position, sample_rate=self.info.sample_rate)
                position += len(block)
                yield block
        except SignalError as error:
            raise InputError(self.info.path, error.kind, error.message) from error
        except DecodingError as error:
            after = f"decoding fails after {position / self.info.sample_rate:.2f} s ({error})"
            raise InputError(self.info.path, FailureKind.CORRUPT, after) from error
        if position == start:
            raise InputError(self.info.path, FailureKind.EMPTY, "holds no samples")
        if self.info.exact_length and position < min(end, self.info.frames):
            read_s, stated_s = position / self.info.sample_rate, self.info.duration_s
            lengths = f"{read_s:.2f} s of the {stated_s:.2f} s that its header states"
            message = f"ends after {lengths}; copy or export it again"
            raise InputError(self.info.path, FailureKind.CORRUPT, message)


def require_finite(block: NDArray[np.float32], *, start: int, sample_rate: int) -> None:
    """Refuse a block of shape (n,) or (n, channels), the first sample of which is number `start`.

    Raises:
        SignalError: a sample is NaN or infinite; the message names the first.
    """
    # A finite energy is quick to check, and only a block without one is searched.
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(np.vdot(block, block)):
            return
    bad = np.flatnonzero(~np.isfinite(block).reshape(len(block), -1).all(axis=1))
    if bad.size:
        first = start + int(bad[0])
        message = f"sample {first} (at {first / sample_rate:.3f} s) is NaN or infinite"
        raise SignalError(FailureKind.NON_FINITE, message)


@contextmanager
def open_audio(source: Source) -> Iterator[AudioReader]:
    """Open `source` for reading; close it at the end of the `with` block.

    Raises:
        InputError: the source is missing, unreadable, empty, truncated or not audio.
        MissingExtraError: the source is remote and the package for that is not installed.
    """
    with ExitStack() as opened:
        if isinstance(source, ArraySource):
            decoder: Decoder = ArrayDecoder(source)
        else:
            stream = opened.enter_context(_open_bytes(source))
            decoder = opened.enter_context(closing(_decoder(source, stream)))
        yield AudioReader(source.path, decoder)


def _decoder(source: Source, stream: IO[bytes]) -> Decoder:
    try:
        return SoundFileDecoder(stream)
    except DecodingError as error:
        reason = str(error)
    # FFmpeg decodes only what libsndfile does not: libsndfile is exact and faster for its own formats.
    named = source.path.lower().endswith(tuple(AV_SUFFIXES))
    decodable = find_spec("av") is not None
    if not named and not (source.path == STDIN and decodable):
        message = f"not an audio file that libsndfile reads ({reason})"
        raise InputError(source.path, FailureKind.NOT_AUDIO, message)
    if not decodable:
        message = f"needs PyAV to be decoded: {install_command('av')}, or convert it to WAV or FLAC"
        raise InputError(source.path, FailureKind.NOT_AUDIO, message)
    stream.seek(0)
    try:
        return AvDecoder(stream)
    except DecodingError as error:
        message = f"not a recording that FFmpeg reads ({error})"
        raise InputError(source.path, FailureKind.NOT_AUDIO, message) from error


@contextmanager
def _open_bytes(source: Source) -> Iterator[IO[bytes]]:
    """A seekable stream at its start, checked to be as long as its RIFF header states."""
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
        message = f"is truncated: by its header {missing} more bytes follow; copy or export it again"
        raise InputError(path, FailureKind.CORRUPT, message)


def _missing_bytes(stream: IO[bytes], size: int) -> int:
    """Bytes of sample data that a RIFF (WAV) header states and the file lacks; 0 for other formats.

    libsndfile reads a truncated file without an error. `size` is that of the whole file.

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
    path = source.path
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
