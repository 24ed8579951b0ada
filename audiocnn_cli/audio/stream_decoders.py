"""Pipes, and decoders of sound that is still arriving: forward only, each block as soon as it is there."""

import io
import os
import select
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from audiocnn_cli.audio.decoders import Decoder, DecodingError, ForwardOnly

# The largest number of bytes read at once; a pipe returns those that have arrived.
CHUNK = 1 << 16
_ENDLESS = 1 << 40
# libsndfile recognises a format by these first bytes, and does not wait for them.
_RECOGNISED = 512


def first_bytes(stream: IO[bytes], count: int) -> bytes:
    """The first `count` bytes, or fewer if the stream ends."""
    head = b""
    while len(head) < count and (more := stream.read(count - len(head))):
        head += more
    return head


@dataclass(slots=True)
class Interrupt:
    """Whether Ctrl-C was pressed."""

    requested: bool = False


@contextmanager
def piped(stream: IO[bytes], head: bytes) -> Iterator[tuple[IO[bytes], Interrupt]]:
    """A pipe with `head` and the bytes that follow, for libraries that read a descriptor from its beginning.

    Ctrl-C raises nothing here, where a library would suppress it or finish its read first: it closes the
    pipe, and the reader checks the `Interrupt`.
    """
    out, into = os.pipe()
    with _interrupt() as (interrupt, signalled):

        def pump() -> None:
            # The reader may close first, and the writer may close during a read.
            with suppress(OSError, ValueError), os.fdopen(into, "wb", buffering=0) as pipe:
                chunk = head
                while chunk:
                    pipe.write(chunk)
                    chunk = stream.read(CHUNK) if _arrived(stream, signalled) else b""

        thread = threading.Thread(target=pump, daemon=True)
        with os.fdopen(out, "rb", buffering=0) as pipe:
            thread.start()
            yield pipe, interrupt


@contextmanager
def _interrupt() -> Iterator[tuple[Interrupt, int]]:
    """Record Ctrl-C; the descriptor becomes readable once a signal has arrived."""
    interrupt = Interrupt()

    def record(*_: object) -> None:
        interrupt.requested = True

    readable, writable = os.pipe()
    os.set_blocking(writable, False)
    handler = signal.signal(signal.SIGINT, record)
    before = signal.set_wakeup_fd(writable, warn_on_full_buffer=False)
    try:
        yield interrupt, readable
    finally:
        signal.set_wakeup_fd(before)
        signal.signal(signal.SIGINT, handler)
        os.close(writable)  # ends a select() that still waits
        os.close(readable)


def _arrived(stream: IO[bytes], signalled: int) -> bool:
    """Wait for data or the end of the stream; false when a signal arrives first."""
    try:
        arriving = stream.fileno()
    except OSError:
        return True  # no file descriptor, so select() can't wait for it
    return signalled not in select.select([arriving, signalled], [], [])[0]


class Ahead(io.RawIOBase):
    """A pipe in which libsndfile can seek back within the header of a FLAC stream."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self._pipe = pipe
        self._head = first_bytes(pipe, _RECOGNISED)
        self._at = 0

    def readinto(self, buffer: Any) -> int:
        """Read the bytes that have arrived; 0 at the end."""
        here = self._head[self._at : self._at + len(buffer)]
        if not here and self._at < _ENDLESS:
            here = self._pipe.read(len(buffer))
            if self._at == len(self._head) < CHUNK:
                self._head += here
        buffer[: len(here)] = here
        self._at += len(here)
        return len(here)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Seek within the header; the end is taken to be beyond any stream."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: _ENDLESS}[whence]
        self._at = base + offset
        return self._at

    def tell(self) -> int:
        """The position of the next byte."""
        return self._at


class AvStreamDecoder(ForwardOnly):
    """The first sound track of what FFmpeg reads without seeking."""

    def __init__(self, stream: IO[bytes]) -> None:
        import av

        self._blocks: Iterator[NDArray[np.float32]]
        try:
            # Probe as few bytes as possible before the first block.
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
        """Close the stream."""
        self._container.close()


class _OnlyRead:
    """A stream without `seek`, so that FFmpeg does not try to seek."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def read(self, size: int) -> bytes:
        """The bytes that have arrived, at most `size`."""
        return self._stream.read(size)


class MicrophoneDecoder(ForwardOnly):
    """PortAudio's default input, one channel."""

    def __init__(self, sounddevice: Any) -> None:
        device = sounddevice.query_devices(kind="input")
        self.sample_rate, self.channels = int(device["default_samplerate"]), 1
        self.format, self.subtype = "microphone", str(device["name"])
        self._stream = sounddevice.InputStream(samplerate=self.sample_rate, channels=1, dtype="float32")
        self._stream.start()

    def read(self, frames: int) -> NDArray[np.float32]:
        """The next samples, shape (frames, 1), once they are recorded."""
        block: NDArray[np.float32] = self._stream.read(frames)[0]
        return block

    def close(self) -> None:
        """Close the microphone."""
        self._stream.close()


class Interruptible(ForwardOnly):
    """A decoder on a pipe that Ctrl-C closes; raises KeyboardInterrupt then."""

    def __init__(self, decoder: Decoder, interrupt: Interrupt) -> None:
        self._decoder = decoder
        self._interrupt = interrupt
        self.sample_rate, self.channels = decoder.sample_rate, decoder.channels
        self.format, self.subtype = decoder.format, decoder.subtype

    def read(self, frames: int) -> NDArray[np.float32]:
        """The next samples, shape (n, channels), n <= frames; none at the end."""
        try:
            return self._decoder.read(frames)
        finally:  # also where the decoder fails on a pipe that ended
            if self._interrupt.requested:
                raise KeyboardInterrupt

    def close(self) -> None:
        """Close the stream."""
        self._decoder.close()
