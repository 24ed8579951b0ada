"""Decode a source, block by block, into float32 samples.

A file that ends early, is not audio or holds numbers that are not finite raises an `InputError` of its kind,
whichever library decodes it.
"""

import io
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from audiocnn_cli.audio.arrays import ArrayDecoder, ArraySource
from audiocnn_cli.audio.containers import VOC, OpenFile, missing_bytes, riff_data, stated_rate, voc_blocks
from audiocnn_cli.audio.contents import HEAD, content
from audiocnn_cli.audio.decoders import Decoder, DecodingError, SoundFileDecoder
from audiocnn_cli.audio.mpeg_decoder import behind, leading_tags, open_mpeg
from audiocnn_cli.audio.remote import RemoteFile, open_remote
from audiocnn_cli.audio.sources import AV_SUFFIXES, STDIN, Source, is_remote
from audiocnn_cli.errors import FailureKind, InputError, SignalError
from audiocnn_cli.extras import install_command

_BLOCK_SAMPLES = 1 << 16
# Outside of these a sample rate is an error of the header, and resampling would take hours or gigabytes.
LOWEST_RATE, HIGHEST_RATE = 50, 10_000_000

_log = logging.getLogger("audiocnn")


@dataclass(frozen=True, slots=True)
class AudioInfo:
    """The properties of a recording by its header: `frames` samples a channel at `sample_rate` Hz.

    Without `exact_length` the number of frames may be another one (an MP3, a video), and is 0 where it is not
    known before the end (FLAC that was written to a pipe).
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
    """An open audio file: its `info`, and its samples in blocks.

    Raises:
        InputError: the sample rate is below 50 Hz or above 10 MHz.
    """

    def __init__(self, path: str, decoder: Decoder) -> None:
        require_rate(path, decoder.sample_rate)
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
        self._seek(start)
        try:
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
            raise self._ends_before(start)
        if position < min(end, self._decoder.least_frames):
            read_s, stated_s = position / self.info.sample_rate, self.info.duration_s
            lengths = f"{read_s:.2f} s of the {stated_s:.2f} s that its header states"
            message = f"ends after {lengths}; copy or export it again"
            raise InputError(self.info.path, FailureKind.CORRUPT, message)

    def _seek(self, start: int) -> None:
        try:
            self._decoder.seek(start)
        except SignalError as error:
            raise InputError(self.info.path, error.kind, error.message) from error
        except DecodingError as error:
            if not self.info.exact_length:  # libraries can't seek beyond the end
                raise self._ends_before(start) from error
            raise InputError(self.info.path, FailureKind.CORRUPT, f"seeking fails ({error})") from error

    def _ends_before(self, start: int) -> InputError:
        """The error of a recording that has no sample from frame `start` on."""
        if start == 0:
            return InputError(self.info.path, FailureKind.EMPTY, "holds no samples")
        message = f"ends before the offset of {start / self.info.sample_rate:g} s"
        return InputError(self.info.path, FailureKind.TOO_SHORT, message)


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


def require_rate(path: str, sample_rate: int | None) -> None:
    """Refuse a sample rate that no recording has; None is one that is not known.

    Raises:
        InputError: it is below 50 Hz or above 10 MHz.
    """
    if sample_rate is not None and not LOWEST_RATE <= sample_rate <= HIGHEST_RATE:
        limits = f"{LOWEST_RATE} Hz to {HIGHEST_RATE // 1_000_000} MHz"
        message = f"states a sample rate of {sample_rate} Hz, which must be from {limits}"
        raise InputError(path, FailureKind.NOT_AUDIO, message)


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
            decoder = opened.enter_context(closing(decoder_of(source.path, stream)))
            opened.callback(report_messages, source.path, decoder)
        yield AudioReader(source.path, decoder)


def report_messages(path: str, decoder: Decoder) -> None:
    """Log what the decoding library has printed, in one line that names the file."""
    if decoder.messages:
        _log.debug("%s: its decoder reports: %s", path, " ".join(decoder.messages))


def decoder_of(path: str, stream: IO[bytes]) -> Decoder:
    """The decoder for what a seekable stream holds; `path` is its name in errors.

    Raises:
        InputError: it is empty, truncated or not audio.
    """
    size = stream.seek(0, io.SEEK_END)
    if size == 0:
        raise InputError(path, FailureKind.EMPTY, "is empty (0 bytes)")
    stream.seek(0)
    file = OpenFile(stream, size, stream.read(HEAD))
    missing = missing_bytes(file)
    if missing:
        message = f"is truncated: by its header {missing} more bytes follow; copy or export it again"
        raise InputError(path, FailureKind.CORRUPT, message)
    try:
        return _decoder(path, file)
    except InputError:
        raise
    except SignalError as error:
        raise InputError(path, error.kind, error.message) from error
    except DecodingError as error:
        message = f"not an audio file that can be decoded ({error})"
        raise InputError(path, FailureKind.NOT_AUDIO, message) from error


def _decoder(path: str, file: OpenFile) -> Decoder:
    if file.head[:1] == b"\xff" or file.head[:3] == b"ID3":
        mpeg = open_mpeg(file.stream, 0, file.size)
        if mpeg is not None:
            return mpeg
    if file.head.startswith(VOC) and len(voc_blocks(file)) > 1:
        return _other_decoder(path, file, "several blocks of samples")
    tags = leading_tags(file.stream, 0) if file.head.startswith(b"ID3") else 0
    file.stream.seek(0)
    try:
        # libsndfile skips tags, but can't seek in FLAC behind them.
        decoder = SoundFileDecoder(behind(file.stream, tags) if tags else file.stream)
    except DecodingError as error:
        return _other_decoder(path, file, str(error))
    if decoder.is_mpeg and decoder.format != "MP3":
        decoder.close()
        return _other_decoder(path, file, "MPEG audio")
    return decoder


def _other_decoder(path: str, file: OpenFile, reason: str) -> Decoder:
    """The decoder for what libsndfile does not decode, or not whole, for that reason."""
    require_rate(path, stated_rate(file))
    stream = file.stream
    tags = leading_tags(stream, 0)
    stream.seek(tags)
    format = content(stream.read(HEAD))
    mpeg = None
    if format is None:  # MPEG audio that begins in the middle of a frame
        mpeg = open_mpeg(stream, 0, file.size)
    elif (data := riff_data(file)) is not None:
        mpeg = open_mpeg(stream, data.start, data.start + data.length)
    if mpeg is not None:
        return mpeg
    # FFmpeg decodes only what libsndfile does not: libsndfile is exact and faster for its own formats.
    if format is None and not path.lower().endswith(tuple(AV_SUFFIXES)):
        message = f"not an audio file that libsndfile reads ({reason})"
        raise InputError(path, FailureKind.NOT_AUDIO, message)
    if find_spec("av") is None:
        raise needs_av(path, format, reason)
    from audiocnn_cli.audio.av_decoder import AvDecoder

    stream.seek(0)
    try:
        return AvDecoder(stream)
    except DecodingError as error:
        message = f"not an audio file that libsndfile ({reason}) or FFmpeg ({error}) reads"
        raise InputError(path, FailureKind.NOT_AUDIO, message) from error


def needs_av(path: str, format: str | None, reason: str) -> InputError:
    """The error of an input that only PyAV decodes, which is not installed."""
    what = f"is {format} that libsndfile does not read ({reason}) and " if format else ""
    message = f"{what}needs PyAV to be decoded: {install_command('av')}, or convert it to WAV or FLAC"
    return InputError(path, FailureKind.NOT_AUDIO, message)


@contextmanager
def _open_bytes(source: Source) -> Iterator[IO[bytes]]:
    """A seekable stream."""
    with _open(source) as stream:
        try:
            yield stream
        finally:
            if isinstance(stream, RemoteFile):
                stream.require_read()


def _open(source: Source) -> Any:
    path = source.path
    if path == STDIN:
        from audiocnn_cli.audio.pipes import stored_stdin

        return stored_stdin()
    if is_remote(path):
        return open_remote(path)
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
