"""Decode a source, block by block, into float32 samples.

One way to decode for the whole project. A file that ends early, is no audio or holds numbers that are
not finite is an `InputError` of its kind, whatever the library below says of it.
"""

import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import IO

import numpy as np
from numpy.typing import NDArray

from audiocnn_cli.audio.decoders import AvDecoder, Decoder, DecodingError, SoundFileDecoder
from audiocnn_cli.audio.opening import open_bytes
from audiocnn_cli.audio.sources import AV_SUFFIXES, STDIN, Source
from audiocnn_cli.errors import FailureKind, InputError

BLOCK_SAMPLES = 1 << 16


@dataclass(frozen=True, slots=True)
class AudioInfo:
    """What a file says of itself: `frames` samples a channel at `sample_rate` Hz.

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
            InputError: the file ends before its header says, can't be decoded, or holds NaN or infinity.
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
                self._require_finite(block, at=position)
                position += len(block)
                yield block
        except DecodingError as error:
            after = f"decoding fails after {position / self.info.sample_rate:.2f} s ({error})"
            raise InputError(self.info.path, FailureKind.CORRUPT, after) from error
        if position == start:
            raise InputError(self.info.path, FailureKind.EMPTY, "holds no samples")
        self._require_complete(position, min(end, self.info.frames))

    def _require_finite(self, block: NDArray[np.float32], *, at: int) -> None:
        # The energy is finite for all sane blocks and cheap; only a doubtful one is searched.
        with np.errstate(over="ignore", invalid="ignore"):
            if np.isfinite(np.vdot(block, block)):
                return
        bad = np.flatnonzero(~np.isfinite(block).all(axis=1))
        if bad.size:
            raise InputError(
                self.info.path,
                FailureKind.NON_FINITE,
                f"holds NaN or infinite samples, the first at {(at + bad[0]) / self.info.sample_rate:.3f} s;"
                " repair the file that wrote it",
            )

    def _require_complete(self, read: int, promised: int) -> None:
        if read < promised and self.info.exact_length:
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
        InputError: the source is missing, unreadable, empty, truncated or not audio.
        MissingExtraError: the source is remote and the package for that is not installed.
    """
    with open_bytes(source) as stream, closing(_decoder(source, stream)) as decoder:
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


def _decoder(source: Source, stream: IO[bytes]) -> Decoder:
    try:
        return SoundFileDecoder(stream)
    except DecodingError as error:
        words = str(error)
    # libsndfile knows its own formats better: FFmpeg is asked only for what it is needed for.
    named = source.path.lower().endswith(tuple(AV_SUFFIXES))
    decodable = find_spec("av") is not None
    if not named and not (source.path == STDIN and decodable):
        message = f"not an audio file that libsndfile reads ({words})"
        raise InputError(source.path, FailureKind.NOT_AUDIO, message)
    if not decodable:
        message = (
            "needs PyAV to be decoded: pip install 'audiocnn-cli[av]', or convert it to WAV or FLAC"
        )
        raise InputError(source.path, FailureKind.NOT_AUDIO, message)
    stream.seek(0)
    try:
        return AvDecoder(stream)
    except DecodingError as error:
        message = f"not a recording that FFmpeg reads ({error})"
        raise InputError(source.path, FailureKind.NOT_AUDIO, message) from error
