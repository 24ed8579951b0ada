"""Sound that is still arriving: bare samples, an encoded stream on standard input, the microphone."""

import io
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib.util import find_spec
from typing import IO

import numpy as np
from numpy.typing import NDArray

from audiocnn_cli.audio.decode import AudioReader
from audiocnn_cli.audio.decoders import Decoder, DecodingError, SoundFileDecoder
from audiocnn_cli.audio.sources import STDIN
from audiocnn_cli.audio.stream_decoders import (
    Ahead,
    AvStreamDecoder,
    Interruptible,
    MicrophoneDecoder,
    RawDecoder,
    RawFormat,
    first_bytes,
    piped,
)
from audiocnn_cli.errors import FailureKind, InputError
from audiocnn_cli.extras import install_command, require_extra

MICROPHONE = "microphone"
# Blocks of 50 ms: the delay beyond the last sample of a segment.
_BLOCKS_PER_S = 20
# First bytes of the formats that libsndfile decodes from a pipe: WAV, AU, Ogg, MP3 with tags.
_STREAMED = (b"RIFF", b"RIFX", b".snd", b"OggS", b"ID3")
# Those that it decodes from a whole file only: AIFF, CAF, W64, RF64, NIST, VOC.
_WHOLE = (b"FORM", b"caff", b"riff", b"RF64", b"NIST", b"Crea")


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
        yield AudioReader(STDIN, RawDecoder(stream, head, raw))
        return
    with piped(stream, head) as (pipe, interrupt), closing(_decoder(head, pipe)) as decoder:
        yield AudioReader(STDIN, Interruptible(decoder, interrupt))


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
        require_extra("live", "`mic=True`")
        raise
    except OSError as error:  # the wheel has no library inside on Linux
        message = f"can't be used ({error}); install PortAudio (libportaudio2)"
        raise InputError(MICROPHONE, FailureKind.NOT_FOUND, message) from error
    try:
        with closing(MicrophoneDecoder(sounddevice)) as decoder:
            yield AudioReader(MICROPHONE, decoder)
    except sounddevice.PortAudioError as error:
        raise InputError(MICROPHONE, FailureKind.NOT_FOUND, f"can't be used ({error})") from error


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
            return AvStreamDecoder(pipe)
    except DecodingError as error:
        message = f"not audio that can be read from a pipe ({error}); set `raw` for bare samples"
        raise InputError(STDIN, FailureKind.NOT_AUDIO, message) from error
    message = (
        "not a WAV, AU, FLAC, Ogg or MP3 stream; other formats need PyAV"
        f" ({install_command('av')}), and bare samples `raw`"
    )
    raise InputError(STDIN, FailureKind.NOT_AUDIO, message)
