"""Sound that is still arriving: bare samples, an encoded stream on standard input, the microphone.

Its decoders go forward only, and give each block as soon as it is there.
"""

import io
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from types import SimpleNamespace
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from audiocnn_cli.audio.arrays import scaled
from audiocnn_cli.audio.decode import AudioReader
from audiocnn_cli.audio.decoders import AvDecoder, Decoder, DecodingError, SoundFileDecoder
from audiocnn_cli.audio.pipes import Ahead, Interrupt, first_bytes, piped
from audiocnn_cli.audio.sources import STDIN
from audiocnn_cli.errors import FailureKind, InputError, UsageError
from audiocnn_cli.extras import install_command, require_extra

_MICROPHONE = "microphone"
# Blocks of 50 ms: the delay beyond the last sample of a segment.
_BLOCKS_PER_S = 20
# First bytes of the formats that libsndfile decodes from a pipe: WAV, AU, Ogg, MP3 with tags.
_STREAMED = (b"RIFF", b"RIFX", b".snd", b"OggS", b"ID3")
# Those that it decodes from a whole file only: AIFF, CAF, W64, RF64, NIST, VOC.
_WHOLE = (b"FORM", b"caff", b"riff", b"RF64", b"NIST", b"Crea")
# The largest number of bytes read at once; a pipe returns those that have arrived.
_CHUNK = 1 << 16
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


class _ForwardOnly:
    """Base of decoders of sound that is still arriving: its length is unknown, and there is no way back."""

    frames = 0
    exact_length = False

    def seek(self: Decoder, frame: int) -> None:
        """Read and discard the first `frame` samples of each channel."""
        while frame > 0 and (block := len(self.read(min(frame, self.sample_rate)))):
            frame -= block


class _AvStreamDecoder(_ForwardOnly, AvDecoder):
    """The first sound track of what FFmpeg reads without seeking."""

    def __init__(self, stream: IO[bytes]) -> None:
        # Only `read`: it does not try to seek. Probe as few bytes as possible before the first block.
        quick = {"probesize": "4096", "analyzeduration": "0"}
        super().__init__(SimpleNamespace(read=stream.read), options=quick, buffer_size=4096)


class _RawDecoder(_ForwardOnly):
    """Bare samples."""

    def __init__(self, stream: IO[bytes], head: bytes, raw: RawFormat) -> None:
        self._stream = stream
        self._bytes = head
        self._type = RAW_FORMATS[raw.name]
        self._width = int(self._type[-1]) * raw.channels
        self.sample_rate, self.channels = raw.sample_rate, raw.channels
        self.format, self.subtype = "RAW", raw.name

    def read(self, frames: int) -> NDArray[np.float32]:
        while len(self._bytes) < self._width and (more := self._stream.read(_CHUNK)):
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


class _MicrophoneDecoder(_ForwardOnly):
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
        self._stream.close()


class _Interruptible(_ForwardOnly):
    """A decoder on a pipe that Ctrl-C closes; raises KeyboardInterrupt then."""

    def __init__(self, decoder: Decoder, interrupt: Interrupt) -> None:
        self._decoder = decoder
        self._interrupt = interrupt
        self.sample_rate, self.channels = decoder.sample_rate, decoder.channels
        self.format, self.subtype = decoder.format, decoder.subtype

    def read(self, frames: int) -> NDArray[np.float32]:
        try:
            return self._decoder.read(frames)
        finally:  # also where the decoder fails on a pipe that ended
            if self._interrupt.requested:
                raise KeyboardInterrupt

    def close(self) -> None:
        self._decoder.close()


@contextmanager
def open_stdin(raw: RawFormat | None = None) -> Iterator[AudioReader]:
    """Standard input, decoded as it arrives.

    Raises:
        InputError: it is empty, or not audio.
    """
    # Not the buffer, which Python waits for at exit while a thread reads it.
    stream = getattr(sys.stdin.buffer, "raw", sys.stdin.buffer) if sys.stdin else None
    head = first_bytes(stream, 4) if stream else b""
    if stream is None or not head:
        raise InputError(STDIN, FailureKind.EMPTY, "is empty (0 bytes)")
    if raw is not None:
        yield AudioReader(STDIN, _RawDecoder(stream, head, raw))
        return
    with piped(stream, head) as (pipe, interrupt), closing(_decoder(head, pipe)) as decoder:
        yield AudioReader(STDIN, _Interruptible(decoder, interrupt))


@contextmanager
def open_microphone() -> Iterator[AudioReader]:
    """The default microphone, at its own rate.

    Raises:
        MissingExtraError: sounddevice is not installed.
        InputError: there is no microphone, or no PortAudio library.
    """
    try:
        import sounddevice
    except ImportError:
        require_extra("live", "`microphone=True`")
        raise
    except OSError as error:  # the wheel has no library inside on Linux
        message = f"can't be used ({error}); install PortAudio (libportaudio2)"
        raise InputError(_MICROPHONE, FailureKind.NOT_FOUND, message) from error
    try:
        with closing(_MicrophoneDecoder(sounddevice)) as decoder:
            yield AudioReader(_MICROPHONE, decoder)
    except sounddevice.PortAudioError as error:
        raise InputError(_MICROPHONE, FailureKind.NOT_FOUND, f"can't be used ({error})") from error


def live_blocks(
    reader: AudioReader, *, start: int = 0, frames: int | None = None
) -> Iterator[NDArray[np.float32]]:
    """Blocks of 50 ms, shape (n, channels), each as soon as it is there."""
    size = max(1, reader.info.sample_rate // _BLOCKS_PER_S) * reader.info.channels
    return reader.blocks(start=start, frames=frames, block_samples=size)


def _is_mpeg(head: bytes) -> bool:
    """Whether `head` begins an MPEG audio frame (ISO 11172-3): eleven bits of sync, and a layer."""
    return len(head) > 1 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0 and head[1] & 0x06 != 0


def _decoder(head: bytes, pipe: IO[bytes]) -> Decoder:
    try:
        if head.startswith(_STREAMED) or _is_mpeg(head):
            return SoundFileDecoder(pipe)
        if head == b"fLaC":
            # FFmpeg would wait for ten frames, which are two seconds.
            return SoundFileDecoder(Ahead(pipe))
        if head.startswith(_WHOLE):
            return SoundFileDecoder(io.BytesIO(pipe.read()))
        if find_spec("av") is not None:
            return _AvStreamDecoder(pipe)
    except DecodingError as error:
        message = f"not audio that can be read from a pipe ({error}); set `raw` for bare samples"
        raise InputError(STDIN, FailureKind.NOT_AUDIO, message) from error
    advice = f"other formats need PyAV ({install_command('av')}), and bare samples `raw`"
    message = f"not a WAV, AU, FLAC, Ogg or MP3 stream; {advice}"
    raise InputError(STDIN, FailureKind.NOT_AUDIO, message)
