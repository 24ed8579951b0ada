"""Decoders of sound that is still arriving: they go forward only, and give what is there."""

import io
from collections.abc import Iterator
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from audiocnn_cli.audio.decoders import Decoder, DecodingError, skip
from audiocnn_cli.audio.pipe import CHUNK, Interrupt, first_bytes

_ENDLESS = 1 << 40
# libsndfile tells a format by as many bytes, and does not wait for them.
_RECOGNISED = 512


class Ahead(io.RawIOBase):
    """A pipe that libsndfile may go back in as far as the header of a FLAC stream reaches."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self._pipe = pipe
        self._head = first_bytes(pipe, _RECOGNISED)
        self._at = 0

    def readinto(self, buffer: Any) -> int:
        """What has arrived; 0 bytes at the end."""
        here = self._head[self._at : self._at + len(buffer)]
        if not here and self._at < _ENDLESS:
            here = self._pipe.read(len(buffer))
            if self._at == len(self._head) < CHUNK:
                self._head += here
        buffer[: len(here)] = here
        self._at += len(here)
        return len(here)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go back into the header; the end is further than any stream reaches."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: _ENDLESS}[whence]
        self._at = base + offset
        return self._at

    def tell(self) -> int:
        """Where the next byte comes from."""
        return self._at


class AvStreamDecoder:
    """The first sound track of what FFmpeg reads without going back."""

    frames = 0
    exact_length = False

    def __init__(self, stream: IO[bytes]) -> None:
        import av

        self._blocks: Iterator[NDArray[np.float32]]
        try:
            # Look at little before the first sound.
            quick = {"probesize": "4096", "analyzeduration": "0"}
            self._container: Any = av.open(_OnlyRead(stream), options=quick, buffer_size=4096)
            if not self._container.streams.audio:
                raise DecodingError("it has no sound track")
            track = self._container.streams.audio[0]
            self.sample_rate, self.channels = (
                track.codec_context.sample_rate,
                track.codec_context.layout.nb_channels,
            )
        except (av.FFmpegError, ValueError) as error:
            raise DecodingError(str(error)) from error
        self.format, self.subtype = self._container.format.name, track.codec_context.name
        self._blocks = self._decode(track)
        self._left: NDArray[np.float32] | None = None

    def seek(self, frame: int) -> None:
        """Leave out so many samples of each channel; a stream is opened at its first."""
        skip(self, frame)

    def read(self, frames: int) -> NDArray[np.float32]:
        """The next samples, shape (n, channels), n <= frames; none at the end."""
        block = self._left if self._left is not None else next(self._blocks, None)
        if block is None:
            return np.zeros((0, self.channels), dtype=np.float32)
        self._left = block[frames:] if len(block) > frames else None
        return block[:frames]

    def _decode(self, track: Any) -> Iterator[NDArray[np.float32]]:
        import av

        resampler = av.AudioResampler(format="fltp")
        try:
            for coded in self._container.decode(track):
                for frame in resampler.resample(coded):
                    yield np.ascontiguousarray(frame.to_ndarray().T)
        except av.FFmpegError as error:
            raise DecodingError(str(error)) from error

    def close(self) -> None:
        """Let go of the stream."""
        self._container.close()


class _OnlyRead:
    """A stream that does not seem to seek: so FFmpeg doesn't try."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def read(self, size: int) -> bytes:
        """What has arrived, at most `size` bytes."""
        return self._stream.read(size)


class MicrophoneDecoder:
    """PortAudio's default input, one channel."""

    frames = 0
    exact_length = False

    def __init__(self, sounddevice: Any) -> None:
        device = sounddevice.query_devices(kind="input")
        self.sample_rate, self.channels = int(device["default_samplerate"]), 1
        self.format, self.subtype = "microphone", str(device["name"])
        self._stream = sounddevice.InputStream(
            samplerate=self.sample_rate, channels=1, dtype="float32"
        )
        self._stream.start()

    def seek(self, frame: int) -> None:
        """Leave out so many samples of each channel; a stream is opened at its first."""
        skip(self, frame)

    def read(self, frames: int) -> NDArray[np.float32]:
        """The next samples, shape (frames, 1), as soon as they are there."""
        block: NDArray[np.float32] = self._stream.read(frames)[0]
        return block

    def close(self) -> None:
        """Let go of the microphone."""
        self._stream.close()


class Interruptible:
    """A decoder on a pipe that ends at Ctrl-C, which is raised here."""

    def __init__(self, decoder: Decoder, interrupt: Interrupt) -> None:
        self._decoder = decoder
        self._interrupt = interrupt
        self.sample_rate, self.channels = decoder.sample_rate, decoder.channels
        self.frames, self.exact_length = decoder.frames, decoder.exact_length
        self.format, self.subtype = decoder.format, decoder.subtype

    def seek(self, frame: int) -> None:
        """Leave out so many samples of each channel; a stream is opened at its first."""
        skip(self, frame)

    def read(self, frames: int) -> NDArray[np.float32]:
        """The next samples, shape (n, channels), n <= frames; none at the end."""
        try:
            return self._decoder.read(frames)
        finally:  # also where the decoder is at a loss with a pipe that ended
            if self._interrupt.asked:
                raise KeyboardInterrupt

    def close(self) -> None:
        """Let go of the stream."""
        self._decoder.close()
