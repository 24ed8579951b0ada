"""Sound that is still arriving: bare samples, an encoded stream on standard input, the microphone."""

import io
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from typing import IO, TYPE_CHECKING, Any

from audiocnn_cli.audio.decode import AudioInfo, AudioReader
from audiocnn_cli.audio.decoders import Decoder, DecodingError, SoundFileDecoder
from audiocnn_cli.audio.sources import STDIN
from audiocnn_cli.errors import FailureKind, InputError, MissingExtraError, UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MICROPHONE = "microphone"
# Blocks of 50 ms: what a listener waits for beyond the last sample of a segment.
_BLOCKS_PER_S = 20
# At most so many bytes are read at once; a pipe gives what has arrived.
_CHUNK = 1 << 16
_ENDLESS = 1 << 40
# libsndfile tells a format by as many bytes, and does not wait for them.
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
# What libsndfile decodes from a pipe, by its first bytes: WAV, AU, Ogg, MP3 with tags.
_STREAMED = (b"RIFF", b"RIFX", b".snd", b"OggS", b"ID3")


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
            raise UsageError(f"--raw {self.name}: is none of {', '.join(RAW_FORMATS)}")
        if self.sample_rate < 1 or self.channels < 1:
            raise UsageError("--raw wants a rate and channels of 1 or more")


@contextmanager
def open_stdin(raw: RawFormat | None = None) -> Iterator[AudioReader]:
    """Standard input, decoded as it arrives.

    Raises:
        InputError: nothing comes, or it is no sound.
    """
    # Not the buffer: at exit Python waits for it if a thread is still reading.
    stream = getattr(sys.stdin.buffer, "raw", sys.stdin.buffer) if sys.stdin else None
    head = _first_bytes(stream, 4) if stream else b""
    if stream is None or not head:
        raise InputError(STDIN, FailureKind.EMPTY, "is empty (0 bytes)")
    if raw is not None:
        yield _reader(_RawDecoder(stream, head, raw), STDIN)
        return
    with _piped(stream, head) as pipe, closing(_decoder(head, pipe)) as decoder:
        yield _reader(decoder, STDIN)


@contextmanager
def open_microphone() -> Iterator[AudioReader]:
    """The default microphone, at its own rate.

    Raises:
        MissingExtraError: sounddevice is not installed.
        InputError: there is no microphone, or no PortAudio library.
    """
    try:
        import sounddevice
    except ImportError as error:
        raise MissingExtraError("--mic", "live") from error
    except OSError as error:  # the wheel has no library inside on Linux
        message = f"can't be used ({error}); install PortAudio (libportaudio2)"
        raise InputError(MICROPHONE, FailureKind.NOT_FOUND, message) from error
    try:
        with closing(_MicrophoneDecoder(sounddevice)) as decoder:
            yield _reader(decoder, MICROPHONE)
    except sounddevice.PortAudioError as error:
        raise InputError(MICROPHONE, FailureKind.NOT_FOUND, f"can't be used ({error})") from error


def live_blocks(
    reader: AudioReader, *, start: int = 0, frames: int | None = None
) -> Iterator["NDArray[np.float32]"]:
    """Small blocks of shape (n, channels), each as soon as it is there."""
    size = max(1, reader.info.sample_rate // _BLOCKS_PER_S) * reader.info.channels
    return reader.blocks(start=start, frames=frames, block_samples=size)


def _reader(decoder: Decoder, path: str) -> AudioReader:
    info = AudioInfo(
        path=path,
        sample_rate=decoder.sample_rate,
        channels=decoder.channels,
        frames=0,  # of a stream nobody knows
        format=decoder.format,
        subtype=decoder.subtype,
        exact_length=False,
    )
    return AudioReader(info, decoder)


def _first_bytes(stream: IO[bytes], count: int) -> bytes:
    head = b""
    while len(head) < count and (more := stream.read(count - len(head))):
        head += more
    return head


@contextmanager
def _piped(stream: IO[bytes], head: bytes) -> Iterator[IO[bytes]]:
    """A pipe of our own with `head` and what follows: libraries read a descriptor from its beginning."""
    out, into = os.pipe()

    def pump() -> None:
        # The reader may go away first, and the writer may close in the middle of a read.
        with suppress(OSError, ValueError), os.fdopen(into, "wb", buffering=0) as pipe:
            chunk = head
            while chunk:
                pipe.write(chunk)
                chunk = stream.read(_CHUNK)

    thread = threading.Thread(target=pump, daemon=True)
    with os.fdopen(out, "rb", buffering=0) as pipe:
        thread.start()
        yield pipe


def _decoder(head: bytes, pipe: IO[bytes]) -> Decoder:
    try:
        if head.startswith(_STREAMED) or _is_mpeg(head):
            return _ForwardSoundFile(pipe)
        if head == b"fLaC":
            # FFmpeg would wait for ten frames, which are two seconds.
            return _ForwardSoundFile(_Ahead(pipe))
        if find_spec("av") is not None:
            return _AvStreamDecoder(pipe)
    except DecodingError as error:
        message = f"not a sound that can be read as it arrives ({error}); bare samples want --raw"
        raise InputError(STDIN, FailureKind.NOT_AUDIO, message) from error
    message = (
        "not a WAV, AU, FLAC, Ogg or MP3 stream; others need PyAV (pip install 'audiocnn-cli[av]') and bare"
        " samples --raw"
    )
    raise InputError(STDIN, FailureKind.NOT_AUDIO, message)


class _Ahead(io.RawIOBase):
    """A pipe that libsndfile may go back in as far as the header of a FLAC stream reaches."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self._pipe = pipe
        self._head = _first_bytes(pipe, _RECOGNISED)
        self._at = 0

    def readinto(self, buffer: Any) -> int:
        """What has arrived; 0 bytes at the end."""
        here = self._head[self._at : self._at + len(buffer)]
        if not here and self._at < _ENDLESS:
            here = self._pipe.read(len(buffer))
            if self._at == len(self._head) < _CHUNK:
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


def _is_mpeg(head: bytes) -> bool:
    """Whether an MPEG audio frame (ISO 11172-3) begins so: eleven bits of sync, and a layer."""
    return head[0] == 0xFF and head[1] & 0xE0 == 0xE0 and head[1] & 0x06 != 0


class _ForwardSoundFile(SoundFileDecoder):
    """libsndfile on a pipe, where it can't seek."""

    def seek(self, frame: int) -> None:
        """Go to that sample of each channel, which must lie ahead."""
        _skip(self, frame - self._at)


def _skip(decoder: Decoder, frames: int) -> None:
    """Read so many samples of each channel for nothing."""
    while frames > 0 and (block := len(decoder.read(min(frames, decoder.sample_rate)))):
        frames -= block


class _RawDecoder:
    """Bare samples."""

    frames = 0
    exact_length = False

    def __init__(self, stream: IO[bytes], head: bytes, raw: RawFormat) -> None:
        self._stream = stream
        self._bytes = head
        self._type = RAW_FORMATS[raw.name]
        self._width = int(self._type[-1]) * raw.channels
        self.sample_rate, self.channels = raw.sample_rate, raw.channels
        self.format, self.subtype = "RAW", raw.name

    def seek(self, frame: int) -> None:
        """Leave out so many samples of each channel; a stream is opened at its first."""
        _skip(self, frame)

    def read(self, frames: int) -> "NDArray[np.float32]":
        """The next samples, shape (n, channels), n <= frames; none at the end."""
        while len(self._bytes) < self._width and (more := self._stream.read(_CHUNK)):
            self._bytes += more
        # A writer that stops within a sample leaves bytes that mean nothing.
        size = min(frames, len(self._bytes) // self._width) * self._width
        block, self._bytes = self._bytes[:size], self._bytes[size:]
        return _samples(block, self._type).reshape(-1, self.channels)

    def close(self) -> None:
        """Standard input stays open."""


def _samples(block: bytes, kind: str) -> "NDArray[np.float32]":
    """Numbers in [-1, 1), as libsndfile scales them."""
    import numpy as np

    if kind[-1] == "3":
        # The three bytes become the upper ones of four.
        padded = np.zeros((len(block) // 3, 4), dtype=np.uint8)
        place = slice(1, 4) if kind[0] == "<" else slice(0, 3)
        padded[:, place] = np.frombuffer(block, dtype=np.uint8).reshape(-1, 3)
        return (padded.view(f"{kind[0]}i4")[:, 0] / 2.0**31).astype(np.float32)
    numbers = np.frombuffer(block, dtype=kind)
    if numbers.dtype.kind == "f":
        return numbers.astype(np.float32)
    full = 2.0 ** (8 * numbers.dtype.itemsize - 1)
    offset = full if numbers.dtype.kind == "u" else 0.0
    return ((numbers - offset) / full).astype(np.float32)


class _AvStreamDecoder:
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
        _skip(self, frame)

    def read(self, frames: int) -> "NDArray[np.float32]":
        """The next samples, shape (n, channels), n <= frames; none at the end."""
        import numpy as np

        block = self._left if self._left is not None else next(self._blocks, None)
        if block is None:
            return np.zeros((0, self.channels), dtype=np.float32)
        self._left = block[frames:] if len(block) > frames else None
        return block[:frames]

    def _decode(self, track: Any) -> "Iterator[NDArray[np.float32]]":
        import av
        import numpy as np

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


class _MicrophoneDecoder:
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
        _skip(self, frame)

    def read(self, frames: int) -> "NDArray[np.float32]":
        """The next samples, shape (frames, 1), as soon as they are there."""
        block: NDArray[np.float32] = self._stream.read(frames)[0]
        return block

    def close(self) -> None:
        """Let go of the microphone."""
        self._stream.close()
