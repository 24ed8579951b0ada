"""Pipes, and decoders of sound that is still arriving: forward only, each block as soon as it is there."""

import io
import os
import select
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import SimpleNamespace
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from audiocnn_cli.audio.arrays import scaled
from audiocnn_cli.audio.decoders import AvDecoder, Decoder
from audiocnn_cli.errors import UsageError

# The largest number of bytes read at once; a pipe returns those that have arrived.
CHUNK = 1 << 16
_ENDLESS = 1 << 40
# libsndfile recognises a format by these first bytes, and does not wait for them.
_RECOGNISED = 512


# As sox and FFmpeg name them, and NumPy; three bytes have no type of their own.
RAW_FORMATS = {
    "u8": "u1",
    "s8": "i1",
    "s16le": "<i2",
    "s16be": ">i2",
    "s24le": "<i3",
    "s24be": ">i3",
    "s32le": "<i4",
    "s32be": ">i4",
    "f32le": "<f4",
    "f32be": ">f4",
    "f64le": "<f8",
    "f64be": ">f8",
}


@dataclass(frozen=True, slots=True)
class RawFormat:
    """Bare interleaved samples, as `RAW_FORMATS` names them.

    Raises:
        UsageError: there is no such format, or a number is below 1.
    """

    name: str
    sample_rate: int
    channels: int = 1

    def __post_init__(self) -> None:
        if self.name not in RAW_FORMATS:
            raise UsageError(f"`raw={self.name}` is none of {', '.join(RAW_FORMATS)}")
        if self.sample_rate < 1 or self.channels < 1:
            raise UsageError("`raw` requires a rate and a number of channels of 1 or more")


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


class ForwardOnly:
    """Base of decoders of sound that is still arriving: its length is unknown, and there is no way back."""

    frames = 0
    exact_length = False

    def seek(self: Decoder, frame: int) -> None:
        """Read and discard the first `frame` samples of each channel."""
        while frame > 0 and (block := len(self.read(min(frame, self.sample_rate)))):
            frame -= block


class AvStreamDecoder(ForwardOnly, AvDecoder):
    """The first sound track of what FFmpeg reads without seeking."""

    def __init__(self, stream: IO[bytes]) -> None:
        # Only `read`: it does not try to seek. Probe as few bytes as possible before the first block.
        quick = {"probesize": "4096", "analyzeduration": "0"}
        super().__init__(SimpleNamespace(read=stream.read), options=quick, buffer_size=4096)


class RawDecoder(ForwardOnly):
    """Bare samples."""

    def __init__(self, stream: IO[bytes], head: bytes, raw: RawFormat) -> None:
        self._stream = stream
        self._bytes = head
        self._type = RAW_FORMATS[raw.name]
        self._width = int(self._type[-1]) * raw.channels
        self.sample_rate, self.channels = raw.sample_rate, raw.channels
        self.format, self.subtype = "RAW", raw.name

    def read(self, frames: int) -> NDArray[np.float32]:
        """The next samples, shape (n, channels), n <= frames; none at the end."""
        while len(self._bytes) < self._width and (more := self._stream.read(CHUNK)):
            self._bytes += more
        # A stream that ends within a sample leaves bytes that are ignored.
        size = min(frames, len(self._bytes) // self._width) * self._width
        block, self._bytes = self._bytes[:size], self._bytes[size:]
        return _numbers(block, self._type).reshape(-1, self.channels)

    def close(self) -> None:
        """Standard input stays open."""


def _numbers(block: bytes, kind: str) -> NDArray[np.float32]:
    """Numbers in [-1, 1), as libsndfile scales them."""
    if kind[-1] != "3":
        return scaled(np.frombuffer(block, dtype=kind))
    # The three bytes become the upper ones of four.
    padded = np.zeros((len(block) // 3, 4), dtype=np.uint8)
    place = slice(1, 4) if kind[0] == "<" else slice(0, 3)
    padded[:, place] = np.frombuffer(block, dtype=np.uint8).reshape(-1, 3)
    return scaled(padded.view(f"{kind[0]}i4")[:, 0])


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
