"""Sound that is still arriving: bare samples, an encoded stream on standard input, the microphone.

Its decoders go forward only, and give each block as soon as it is there.
"""

import io
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from importlib.util import find_spec
from types import SimpleNamespace
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from audiocnn_cli.audio.av_decoder import AvDecoder
from audiocnn_cli.audio.containers import OpenFile, riff_data, stated_rate
from audiocnn_cli.audio.contents import HEAD, Pipe, content, pipe_of
from audiocnn_cli.audio.decode import (
    AudioReader,
    decoder_of,
    needs_av,
    open_audio,
    report_messages,
    require_rate,
)
from audiocnn_cli.audio.decoders import Decoder, DecodingError, SoundFileDecoder
from audiocnn_cli.audio.mpeg import FrameFilter, tag_length
from audiocnn_cli.audio.mpeg_decoder import MpegDecoder
from audiocnn_cli.audio.pipes import Ahead, Incoming, incoming, is_file, standard_input
from audiocnn_cli.audio.raw import ForwardOnly, RawDecoder, RawFormat
from audiocnn_cli.audio.sources import STDIN, Source
from audiocnn_cli.errors import FailureKind, InputError, SignalError
from audiocnn_cli.extras import require_extra

_MICROPHONE = "microphone"
# Blocks of 50 ms: the delay beyond the last sample of a segment.
_BLOCKS_PER_S = 20
# The first bytes that a header is searched in.
_CHUNK = 1 << 16
_FOR_BARE_SAMPLES = "bare samples need `raw`, which `audiocnn classify` has"


class _AvStreamDecoder(ForwardOnly, AvDecoder):
    """The first sound track of what FFmpeg reads without seeking."""

    def __init__(self, stream: IO[bytes]) -> None:
        # Only `read`: it does not try to seek. Probe as few bytes as possible before the first block.
        quick = {"probesize": "4096", "analyzeduration": "0"}
        super().__init__(SimpleNamespace(read=stream.read), options=quick, buffer_size=4096)


class _MicrophoneDecoder(ForwardOnly):
    """PortAudio's default input, one channel."""

    def __init__(self, sounddevice: Any) -> None:
        device = sounddevice.query_devices(kind="input")
        self.sample_rate, self.channels = int(device["default_samplerate"]), 1
        self.format, self.subtype = "microphone", str(device["name"])
        self.messages: dict[str, None] = {}
        self._stream = sounddevice.InputStream(samplerate=self.sample_rate, channels=1, dtype="float32")
        self._stream.start()

    def read(self, frames: int) -> NDArray[np.float32]:
        """The next samples, shape (frames, 1), once they are recorded."""
        block: NDArray[np.float32] = self._stream.read(frames)[0]
        return block

    def close(self) -> None:
        self._stream.close()


class _Arriving(ForwardOnly):
    """A decoder of what arrives; where the header is `trusted`, the stream must be as long as it states."""

    def __init__(self, decoder: Decoder, arrived: Incoming, *, trusted: bool) -> None:
        self._decoder = decoder
        self._arrived = arrived
        self.sample_rate, self.channels = decoder.sample_rate, decoder.channels
        self.format, self.subtype, self.messages = decoder.format, decoder.subtype, decoder.messages
        if trusted:
            self.frames, self.least_frames = decoder.frames, decoder.least_frames
            self.exact_length = decoder.exact_length

    def read(self, frames: int) -> NDArray[np.float32]:
        try:
            block = self._decoder.read(frames)
        except DecodingError:  # perhaps since the pipe was closed
            self._arrived.check()
            raise
        if self._arrived.interrupted or not len(block):
            self._arrived.check()
        return block

    def close(self) -> None:
        self._decoder.close()


@contextmanager
def open_stdin(raw: RawFormat | None = None, *, live: bool = True) -> Iterator[AudioReader]:
    """Standard input, decoded as it arrives; it can be read once, forward.

    A `live` stream may end anywhere. Otherwise one that is shorter than its header states is truncated.

    Raises:
        InputError: it is empty, or not audio.
    """
    stream = standard_input()
    if stream is None:
        raise InputError(STDIN, FailureKind.EMPTY, "is empty (0 bytes)")
    with ExitStack() as opened:
        arrived = opened.enter_context(incoming(stream))
        head = arrived.head(4 if raw else HEAD if live else _CHUNK)
        if not head:
            raise InputError(STDIN, FailureKind.EMPTY, "is empty (0 bytes)")
        decoder: Decoder
        if raw is not None:
            decoder, trusted = RawDecoder(arrived.chunks(), raw), False
        else:
            decoder = opened.enter_context(closing(_decoder(arrived, head, opened)))
            opened.callback(report_messages, STDIN, decoder)
            trusted = not live and _states_length(head)
        yield AudioReader(STDIN, _Arriving(decoder, arrived, trusted=trusted))


@contextmanager
def open_once(source: Source) -> Iterator[AudioReader]:
    """As `open_audio`, for a source that is read once, from its beginning: standard input is not stored.

    Raises:
        InputError, MissingExtraError: as `open_audio`.
    """
    stream = standard_input() if source.path == STDIN else None
    streamed = stream is not None and not is_file(stream)
    with open_stdin(live=False) if streamed else open_audio(source) as reader:
        yield reader


def _states_length(head: bytes) -> bool:
    """Whether a WAV header states a length; those of other formats that do not have no frames."""
    return content(head) != "WAV" or riff_data(OpenFile(io.BytesIO(head), len(head), head)) is not None


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


def _decoder(arrived: Incoming, head: bytes, opened: ExitStack) -> Decoder:
    """The decoder of what arrives; what it reads from is closed with `opened`.

    Raises:
        InputError: nothing decodes it.
    """
    while length := tag_length(head[:32]):
        arrived.skip(length)
        head = arrived.head(HEAD)
    format = content(head)
    try:
        if format is None and not _is_sound_file(arrived.head(_CHUNK)):
            return _mpeg_decoder(arrived, opened)
        way = Pipe.STORED if format is None else pipe_of(format, head)
        if way is Pipe.STORED:
            return decoder_of(STDIN, opened.enter_context(arrived.stored()))
        if way is Pipe.SNDFILE or find_spec("av") is not None:
            pipe = opened.enter_context(arrived.pipe(arrived.chunks()))
            if way is Pipe.FFMPEG:
                return _AvStreamDecoder(pipe)
            # FFmpeg would wait for ten frames of FLAC, which are two seconds.
            return SoundFileDecoder(Ahead(pipe) if format == "FLAC" else pipe)
    except DecodingError as error:
        arrived.check()
        require_rate(STDIN, stated_rate(OpenFile(io.BytesIO(head), len(head), head)))
        message = f"not audio that can be read from a pipe ({error}); {_FOR_BARE_SAMPLES}"
        raise InputError(STDIN, FailureKind.NOT_AUDIO, message) from error
    raise needs_av(STDIN, format, "which has no decoder for it")


def _is_sound_file(head: bytes) -> bool:
    """Whether libsndfile opens a file that begins so, other than MPEG audio."""
    try:
        with closing(SoundFileDecoder(io.BytesIO(head))) as decoder:
            return not decoder.is_mpeg
    except DecodingError:
        return False


def _mpeg_decoder(arrived: Incoming, opened: ExitStack) -> Decoder:
    found = FrameFilter(arrived.chunks())
    pipe = opened.enter_context(arrived.pipe(run.data for run in found.runs()))
    try:
        return MpegDecoder(pipe, found, counts_all=False)
    except DecodingError as error:
        try:
            arrived.check()
        except SignalError as refused:
            if refused.kind is not FailureKind.NOT_AUDIO:
                raise
        advice = _FOR_BARE_SAMPLES
        message = f"not a WAV, AU, FLAC, Ogg or MP3 stream, nor one that FFmpeg reads; {advice}"
        raise InputError(STDIN, FailureKind.NOT_AUDIO, message) from error
