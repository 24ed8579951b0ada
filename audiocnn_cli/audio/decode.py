"""Decode a source, block by block, into float32 samples.

A file that ends early, is not audio or holds numbers that are not finite raises an `InputError` of its kind,
whichever library decodes it.
"""

import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import IO

import numpy as np
from numpy.typing import NDArray

from audiocnn_cli.audio.arrays import ArrayDecoder, ArraySource
from audiocnn_cli.audio.decoders import AvDecoder, Decoder, DecodingError, SoundFileDecoder
from audiocnn_cli.audio.opening import open_bytes
from audiocnn_cli.audio.sources import AV_SUFFIXES, STDIN, Source
from audiocnn_cli.errors import FailureKind, InputError, SignalError
from audiocnn_cli.extras import install_command

BLOCK_SAMPLES = 1 << 16


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

    def __init__(self, info: AudioInfo, decoder: Decoder) -> None:
        self.info = info
        self._decoder = decoder

    def blocks(
        self, *, start: int = 0, frames: int | None = None, block_samples: int = BLOCK_SAMPLES
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
        self._require_complete(position, min(end, self.info.frames))

    def _require_complete(self, read: int, expected: int) -> None:
        if read < expected and self.info.exact_length:
            rate = self.info.sample_rate
            raise InputError(
                self.info.path,
                FailureKind.CORRUPT,
                f"ends after {read / rate:.2f} s of the {self.info.duration_s:.2f} s that its header"
                " states; copy or export it again",
            )


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
    with _open_decoder(source) as decoder:
        info = AudioInfo(
            path=source.path,
            sample_rate=decoder.sample_rate,
            channels=decoder.channels,
            frames=decoder.frames,
            format=decoder.format,
            subtype=decoder.subtype,
            exact_length=decoder.exact_length,
        )
        yield AudioReader(info, decoder)


@contextmanager
def _open_decoder(source: Source) -> Iterator[Decoder]:
    if isinstance(source, ArraySource):
        yield ArrayDecoder(source)
        return
    with open_bytes(source) as stream, closing(_decoder(source, stream)) as decoder:
        yield decoder


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
