"""Decoders: libsndfile for nearly all formats, FFmpeg (PyAV) for the others."""

import io
import os
from collections.abc import Iterator
from typing import IO, Any, Protocol

import numpy as np
from numpy.typing import NDArray


class DecodingError(Exception):
    """Decoding failed; the message is the library's."""


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
        import soundfile

        # libsndfile reads a descriptor faster than through callbacks.
        handle = os.dup(stream.fileno()) if isinstance(stream, io.FileIO) else stream
        try:
            self._sound = soundfile.SoundFile(handle)
        except soundfile.LibsndfileError as error:
            raise DecodingError(error.error_string) from error
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
        import soundfile

        if frame == self._at:
            return
        try:
            self._at = self._sound.seek(frame)
        except soundfile.LibsndfileError as error:
            raise DecodingError(error.error_string) from error

    def read(self, frames: int) -> NDArray[np.float32]:
        """The next samples, shape (n, channels), n <= frames; none at the end."""
        import soundfile

        try:
            block: NDArray[np.float32] = self._sound.read(frames, dtype="float32", always_2d=True)
        except soundfile.LibsndfileError as error:
            raise DecodingError(error.error_string) from error
        self._at += len(block)
        return block

    def close(self) -> None:
        """Close the file."""
        self._sound.close()


# Up to here, decoding from the beginning is about as fast as seeking.
_NEAR_S = 10.0


class AvDecoder:
    """The first sound track of anything that FFmpeg reads, through PyAV."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._open()
        codec = self._track.codec_context
        self.sample_rate: int = codec.sample_rate
        self.channels: int = codec.layout.nb_channels
        self.frames = self._length()
        self._exact_times = self._track.time_base * self.sample_rate == 1
        self.exact_length = False
        self.format: str = self._container.format.name
        self.subtype: str = codec.name
        self._at = 0
        self._blocks = self._decode(0)
        self._left: NDArray[np.float32] | None = None

    def _open(self) -> None:
        import av

        self._stream.seek(0)
        try:
            self._container: Any = av.open(self._stream)
            if not self._container.streams.audio:
                raise DecodingError("it has no sound track")
            self._track = self._container.streams.audio[0]
        except (av.FFmpegError, ValueError) as error:
            raise DecodingError(_message(error)) from error

    def _length(self) -> int:
        if self._track.duration is not None:
            seconds = self._track.duration * self._track.time_base
            return int(seconds * self.sample_rate)
        return int((self._container.duration or 0) / 1_000_000 * self.sample_rate)

    def seek(self, frame: int) -> None:
        """Seek to sample `frame` of each channel."""
        if frame == self._at:
            return
        # Only a new decoder leaves out the encoder's padding before the first sample.
        self._container.close()
        self._open()
        self._blocks = self._decode(frame)
        self._left = None
        self._at = frame

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
        try:
            entry = self._entry(first)
            if entry > 0:
                self._container.seek(entry)
            for coded in self._container.decode(self._track):
                for frame in resampler.resample(coded):
                    if position is None:
                        position = (frame.pts or 0) if self._exact_times else 0
                    block = np.ascontiguousarray(frame.to_ndarray().T)
                    skipped = max(0, first - position)
                    position += len(block)
                    if skipped < len(block):
                        yield block[skipped:]
        except av.FFmpegError as error:
            raise DecodingError(_message(error)) from error

    def _entry(self, first: int) -> int:
        """Where to start decoding for sample `first`, in microseconds; 0 for the beginning.

        A lossy codec needs a second of preceding audio to decode exactly. Near the beginning, and where a
        container does not count time in samples, decoding starts at the beginning.
        """
        seconds = first / self.sample_rate - 1.0
        return int(seconds * 1_000_000) if self._exact_times and seconds > _NEAR_S else 0

    def close(self) -> None:
        """Close the file."""
        self._container.close()


class ForwardOnly:
    """Base of decoders of sound that is still arriving: its length is unknown, and there is no way back."""

    frames = 0
    exact_length = False

    def seek(self: Decoder, frame: int) -> None:
        """Read and discard the first `frame` samples of each channel."""
        while frame > 0 and (block := len(self.read(min(frame, self.sample_rate)))):
            frame -= block


def _message(error: Exception) -> str:
    """FFmpeg's message, without error number and file name."""
    return getattr(error, "strerror", None) or str(error)
