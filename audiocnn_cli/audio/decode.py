"""Decode any file that libsndfile reads, block by block, into float32 samples.

One way to decode for the whole project. A file that ends early, is no audio or holds numbers that are
not finite is an `InputError` of its kind, whatever the library below says of it.
"""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from audiocnn_cli.audio.riff import missing_bytes
from audiocnn_cli.audio.sources import STDIN, Source
from audiocnn_cli.errors import FailureKind, InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BLOCK_SAMPLES = 1 << 16


@dataclass(frozen=True, slots=True)
class AudioInfo:
    """What a file says of itself: `frames` samples a channel at `sample_rate` Hz."""

    path: str
    sample_rate: int
    channels: int
    frames: int
    format: str
    subtype: str

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.frames / self.sample_rate


class AudioReader:
    """An open audio file: its `info`, and its samples in blocks."""

    def __init__(self, info: AudioInfo, sound: Any) -> None:
        self.info = info
        self._sound = sound

    def blocks(self, *, block_samples: int = BLOCK_SAMPLES) -> Iterator["NDArray[np.float32]"]:
        """Yield arrays of shape (n, channels), n * channels <= block_samples, float32, PCM in [-1, 1].

        Raises:
            InputError: the file ends before its header says, can't be decoded, or holds NaN or infinity.
        """
        read = 0
        frames = max(1, block_samples // self.info.channels)
        while True:
            block = self._read(frames, at=read)
            if not len(block):
                break
            self._require_finite(block, at=read)
            read += len(block)
            yield block
        self._require_complete(read)

    def _read(self, frames: int, *, at: int) -> "NDArray[np.float32]":
        import soundfile

        try:
            block: NDArray[np.float32] = self._sound.read(frames, dtype="float32", always_2d=True)
        except soundfile.LibsndfileError as error:
            raise InputError(
                self.info.path,
                FailureKind.CORRUPT,
                f"decoding fails after {at / self.info.sample_rate:.2f} s ({error.error_string})",
            ) from error
        return block

    def _require_finite(self, block: "NDArray[np.float32]", *, at: int) -> None:
        import numpy as np

        # A sum is finite for all sane blocks and cheap; only a doubtful one is searched.
        with np.errstate(over="ignore", invalid="ignore"):
            if np.isfinite(block.sum()):
                return
        bad = np.flatnonzero(~np.isfinite(block).all(axis=1))
        if bad.size:
            raise InputError(
                self.info.path,
                FailureKind.NON_FINITE,
                f"holds NaN or infinite samples, the first at {(at + bad[0]) / self.info.sample_rate:.3f} s;"
                " repair the file that wrote it",
            )

    def _require_complete(self, read: int) -> None:
        if read == 0:
            raise InputError(self.info.path, FailureKind.EMPTY, "holds no samples")
        # The length of an MP3 without a header frame is an estimate, so it can't be held to it.
        if read < self.info.frames and self.info.format != "MP3":
            rate = self.info.sample_rate
            raise InputError(
                self.info.path,
                FailureKind.CORRUPT,
                f"ends after {read / rate:.2f} s of the {self.info.duration_s:.2f} s that its header"
                " promises; copy or export it again",
            )


@contextmanager
def open_audio(source: Source) -> Iterator[AudioReader]:
    """Open `source` for reading; close it at the end of the `with` block.

    Raises:
        InputError: the file is missing, unreadable, empty, truncated or not audio.
    """
    import soundfile

    with _open_bytes(source) as stream:
        try:
            sound = soundfile.SoundFile(_handle(stream))
        except soundfile.LibsndfileError as error:
            raise InputError(
                source.path,
                FailureKind.NOT_AUDIO,
                f"not an audio file that libsndfile reads ({error.error_string})",
            ) from error
        with sound:
            info = AudioInfo(
                path=source.path,
                sample_rate=sound.samplerate,
                channels=sound.channels,
                frames=sound.frames,
                format=sound.format,
                subtype=sound.subtype,
            )
            yield AudioReader(info, sound)


def _handle(stream: io.BytesIO | io.FileIO) -> Any:
    """What libsndfile reads fastest: a descriptor of a file, or the object itself for bytes in memory."""
    return stream if isinstance(stream, io.BytesIO) else os.dup(stream.fileno())


@contextmanager
def _open_bytes(source: Source) -> Iterator[io.BytesIO | io.FileIO]:
    """The bytes behind `source`, checked to be there and to be as many as the header says."""
    if source.path == STDIN:
        stream: io.BytesIO | io.FileIO = io.BytesIO(_read_stdin())
    else:
        stream = _open_file(source.path)
    with stream:
        size = stream.seek(0, io.SEEK_END)
        stream.seek(0)
        if size == 0:
            raise InputError(source.path, FailureKind.EMPTY, "is empty (0 bytes)")
        missing = missing_bytes(stream, size)
        stream.seek(0)
        if missing:
            raise InputError(
                source.path,
                FailureKind.CORRUPT,
                f"is truncated: its header promises {missing} more bytes; copy or export it again",
            )
        yield stream


def _read_stdin() -> bytes:
    # A shell's `<&-` leaves no stdin at all.
    return sys.stdin.buffer.read() if sys.stdin else b""


def _open_file(path: str) -> io.FileIO:
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
