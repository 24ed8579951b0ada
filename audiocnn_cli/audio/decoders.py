"""Decoders: libsndfile for nearly all formats, FFmpeg (PyAV) for the others."""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, Protocol

import numpy as np
import soundfile
from numpy.typing import NDArray


class DecodingError(Exception):
    """Decoding failed; the message is the library's."""


@contextmanager
def _decoding_errors(*kinds: type[Exception]) -> Iterator[None]:
    """Errors of these kinds as a `DecodingError`, without error number and file name."""
    try:
        yield
    except kinds as error:
        message = getattr(error, "error_string", None) or getattr(error, "strerror", None) or str(error)
        raise DecodingError(message) from error


class Decoder(Protocol):
    """An open recording: its properties, and the samples from the current position."""

    sample_rate: int
    channels: int
    frames: int
    exact_length: bool
    format: str
    subtype: str

    def seek(self, frame: int) -> None:
        """Seek to sample `frame` of each channel."""

    def read(self, frames: int) -> NDArray[np.float32]:
        """The next samples, shape (n, channels), n <= frames; none at the end."""

    def close(self) -> None:
        """Close the file."""


class SoundFileDecoder:
    """libsndfile, through soundfile."""

    def __init__(self, stream: IO[bytes] | io.RawIOBase) -> None:
        # libsndfile reads a descriptor faster than through callbacks.
        handle = os.dup(stream.fileno()) if isinstance(stream, io.FileIO) else stream
        with _decoding_errors(soundfile.LibsndfileError):
            self._sound = soundfile.SoundFile(handle)
        # soundfile seeks to the current position after every read where it can. An MP3 decoder starts anew
        # then, and is off by 1e-5 for some frames.
        self._sound.seekable = lambda: False
        self.sample_rate: int = self._sound.samplerate
        self.channels: int = self._sound.channels
        self.frames: int = self._sound.frames
        self.format: str = self._sound.format
        self.subtype: str = self._sound.subtype
        # The length of an MP3 without a header frame is an estimate.
        self.exact_length = self.format != "MP3"
        self._at = 0

    def seek(self, frame: int) -> None:
        """Seek to sample `frame` of each channel."""
        if frame != self._at:
            with _decoding_errors(soundfile.LibsndfileError):
                self._at = self._sound.seek(frame)

    def read(self, frames: int) -> NDArray[np.float32]:
        """The next samples, shape (n, channels), n <= frames; none at the end."""
        with _decoding_errors(soundfile.LibsndfileError):
            block: NDArray[np.float32] = self._sound.read(frames, dtype="float32", always_2d=True)
        self._at += len(block)
        return block

    def close(self) -> None:
        """Close the file."""
        self._sound.close()


# Up to here, decoding from the beginning is about as fast as seeking.
_NEAR_S = 10.0


class AvDecoder:
    """The first sound track of anything that FFmpeg reads, through PyAV; `options` are those of `av.open`."""

    exact_length = False

    def __init__(self, stream: Any, **options: Any) -> None:
        self._stream, self._options = stream, options
        self._begin(0)
        codec, length = self._track.codec_context, self._track.duration
        self.sample_rate: int = codec.sample_rate
        self.channels: int = codec.layout.nb_channels
        self._exact_times = self._track.time_base * self.sample_rate == 1
        microseconds = self._container.duration or 0
        seconds = microseconds / 1_000_000 if length is None else length * self._track.time_base
        self.frames = int(seconds * self.sample_rate)
        self.format: str = self._container.format.name
        self.subtype: str = codec.name

    def _begin(self, frame: int) -> None:
        """Open the stream, which is at its start, to decode it from sample `frame` on."""
        import av

        with _decoding_errors(av.FFmpegError, ValueError):
            self._container: Any = av.open(self._stream, **self._options)
        if not self._container.streams.audio:
            raise DecodingError("it has no sound track")
        self._track = self._container.streams.audio[0]
        self._blocks = self._decode(frame)
        self._left: NDArray[np.float32] | None = None
        self._at = frame

    def seek(self, frame: int) -> None:
        """Seek to sample `frame` of each channel."""
        if frame != self._at:
            # Only a new decoder leaves out the encoder's padding before the first sample.
            self._container.close()
            self._stream.seek(0)
            self._begin(frame)

    def read(self, frames: int) -> NDArray[np.float32]:
        """The next samples, shape (n, channels), n <= frames; none at the end."""
        block = self._left if self._left is not None else next(self._blocks, None)
        if block is None:
            return np.zeros((0, self.channels), dtype=np.float32)
        self._left = block[frames:] if len(block) > frames else None
        self._at += min(frames, len(block))
        return block[:frames]

    def _decode(self, first: int) -> Iterator[NDArray[np.float32]]:
        """Blocks from sample `first` on."""
        import av

        resampler = av.AudioResampler(format="fltp")
        position: int | None = None
        # A lossy codec needs a second of preceding audio to decode exactly. Near the beginning, and where a
        # container does not count time in samples, decoding starts at the beginning.
        entry_s = first / self.sample_rate - 1.0
        with _decoding_errors(av.FFmpegError):
            if self._exact_times and entry_s > _NEAR_S:
                self._container.seek(int(entry_s * 1_000_000))
            for coded in self._container.decode(self._track):
                for frame in resampler.resample(coded):
                    if position is None:
                        position = (frame.pts or 0) if self._exact_times else 0
                    block = np.ascontiguousarray(frame.to_ndarray().T)
                    skipped = max(0, first - position)
                    position += len(block)
                    if skipped < len(block):
                        yield block[skipped:]

    def close(self) -> None:
        """Close the file."""
        self._container.close()
