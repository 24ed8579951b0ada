"""MPEG audio files and streams, decoded by libsndfile up to their last frame."""

import io
from array import array
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from audiocnn_cli.audio.decoders import Decoder, SoundFileDecoder
from audiocnn_cli.audio.mpeg import FrameFilter, frame_header, info_frame, tag_length
from audiocnn_cli.errors import FailureKind, SignalError

_CHUNK = 1 << 18
# Long enough for any header frame.
_FRAME = 4096
_ID3V1 = 128
_APE = 32
# Where `_Runs` pretends to end.
_ENDLESS = 1 << 40
# Samples that may be missing: some encoders count the header frame too, and the last frame may be cut.
_SLACK = 2 * 1152


def open_mpeg(stream: IO[bytes], begin: int, end: int) -> Decoder | None:
    """The decoder of the MPEG audio in bytes `begin` to `end` of a file; None where there is none.

    A file whose header frame states its size, as most do, is decoded as it is. The frames of others are
    counted first, which takes a thirtieth of the time of decoding.

    Raises:
        SignalError: there are fewer frames than the header frame states, or the sample rate changes.
        DecodingError: libsndfile can't decode it.
    """
    first = begin + leading_tags(stream, begin)
    if begin == 0 and _states_its_size(stream, first, end):
        return _plain(stream)
    try:
        scan = _scan(stream, begin, end)
    except SignalError as error:
        if error.kind is FailureKind.NOT_AUDIO:
            return None
        raise
    scan.counted.require_whole()
    if begin == 0 and scan.begins_at(first):
        decoder = _plain(stream, scan.counted.samples)
        if scan.is_stated or (scan.counted.info is None and decoder.frames == scan.counted.samples):
            return decoder
        decoder.close()
    return MpegDecoder(io.BufferedReader(_Runs(stream, scan), _CHUNK), scan.counted, counts_all=True)


def _plain(stream: IO[bytes], samples: int | None = None) -> SoundFileDecoder:
    """The whole file through libsndfile; a damaged one gives fewer samples than it states."""
    stream.seek(0)
    decoder = SoundFileDecoder(stream)
    decoder.frames = decoder.frames if samples is None else min(decoder.frames, samples)
    decoder.least_frames = max(0, decoder.frames - _SLACK)
    return decoder


def leading_tags(stream: IO[bytes], begin: int) -> int:
    """The length of the tags at byte `begin`."""
    length = 0
    while True:
        stream.seek(begin + length)
        tag = tag_length(stream.read(_APE))
        if not tag:
            return length
        length += tag


def _states_its_size(stream: IO[bytes], first: int, end: int) -> bool:
    """Whether the frame at byte `first` is a header frame that states the bytes up to the tags at the end."""
    stream.seek(first)
    frame = stream.read(_FRAME)
    header = frame_header(int.from_bytes(frame[:4], "big"))
    info = info_frame(frame[: header.size], header) if header else None
    if info is None or info.frames is None or info.bytes is None:
        return False
    stream.seek(max(0, end - _ID3V1))
    if stream.read(3) == b"TAG":
        end -= _ID3V1
    stream.seek(max(0, end - _APE))
    footer = stream.read(_APE)
    if footer[:8] == b"APETAGEX":
        end -= int.from_bytes(footer[12:16], "little") + (_APE if footer[23] & 0x80 else 0)
    return info.bytes == end - first


@dataclass(frozen=True, slots=True)
class _Scan:
    """The frames of a file: where runs of them begin, and how long each is."""

    counted: FrameFilter
    offsets: "array[int]" = field(default_factory=lambda: array("q"))
    lengths: "array[int]" = field(default_factory=lambda: array("q"))

    @property
    def is_stated(self) -> bool:
        """Whether there are as many frames as the header frame states."""
        return self.counted.info is not None and self.counted.frames == self.counted.info.frames

    def begins_at(self, first: int) -> bool:
        """Whether all frames are one run that begins at byte `first`."""
        info = self.counted.info
        return len(self.offsets) == 1 and self.offsets[0] - (info.size if info else 0) == first


def _scan(stream: IO[bytes], begin: int, end: int) -> _Scan:
    scan = _Scan(FrameFilter(_region(stream, begin, end)))
    offsets, lengths = scan.offsets, scan.lengths
    for run in scan.counted.runs():
        offset = begin + run.offset
        if offsets and offsets[-1] + lengths[-1] == offset:
            lengths[-1] += len(run.data)
        else:
            offsets.append(offset)
            lengths.append(len(run.data))
    return scan


def _region(stream: IO[bytes], begin: int, end: int) -> Iterator[bytes]:
    """Bytes `begin` to `end`, in chunks; the position of the stream is its own between them."""
    stream.seek(begin)
    while begin < end and (chunk := stream.read(min(_CHUNK, end - begin))):
        begin += len(chunk)
        yield chunk


def behind(stream: IO[bytes], begin: int) -> io.BufferedReader:
    """The file from byte `begin` on, as a file."""
    size = stream.seek(0, io.SEEK_END)
    begin = min(begin, size)
    return io.BufferedReader(_Parts(stream, array("q", [begin]), array("q", [size - begin])), _CHUNK)


class _Parts(io.RawIOBase):
    """Parts of a file one after the other, as a file: where each begins, and its length."""

    def __init__(self, stream: IO[bytes], offsets: "array[int]", lengths: "array[int]") -> None:
        self._stream = stream
        self._offsets, self._lengths = offsets, lengths
        self._starts = array("q", accumulate(lengths, initial=0))
        self._position = 0
        self._size = self._starts[-1]

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to that byte."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        # What a damaged file refers to may be before its beginning, and callbacks of C can't raise.
        self._position = max(0, base + offset)
        return self._position

    def readinto(self, buffer: Any) -> int:
        """Read the next bytes, of one part."""
        data = self._read(len(buffer))
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)

    def _read(self, count: int) -> bytes:
        if self._position >= self._starts[-1]:
            return b""
        part = bisect_right(self._starts, self._position) - 1
        within = self._position - self._starts[part]
        self._stream.seek(self._offsets[part] + within)
        return self._stream.read(min(count, self._lengths[part] - within))


class _Runs(_Parts):
    """The runs of frames of a file as one file that is endless for libmpg123, which then reads to their end.

    libmpg123 reads its last 128 bytes first, where a tag may be: they are zeros.
    """

    def __init__(self, stream: IO[bytes], scan: _Scan) -> None:
        super().__init__(stream, scan.offsets, scan.lengths)
        self._size = _ENDLESS

    def _read(self, count: int) -> bytes:
        if self._position >= _ENDLESS - _ID3V1:
            return bytes(min(count, _ENDLESS - self._position))
        return super()._read(count)


class MpegDecoder:
    """libsndfile on bare frames, without what the encoder added before and after the recording.

    As FFmpeg does, of joined files it leaves out only what the first encoder added before.

    Args:
        stream: the frames that `counted` found, without the header frame.
        counted: by the end of the stream, it has counted all frames.
        counts_all: whether it has counted them already, and the stream seeks.
    """

    exact_length = False

    def __init__(self, stream: IO[bytes] | io.RawIOBase, counted: FrameFilter, *, counts_all: bool) -> None:
        self._counted, self._counts_later = counted, not counts_all
        self._sound = SoundFileDecoder(stream)
        self.sample_rate, self.channels = self._sound.sample_rate, self._sound.channels
        self.format, self.subtype, self.messages = "MP3", self._sound.subtype, self._sound.messages
        info = counted.info
        self._delay, self._padding = (info.delay, info.padding) if info else (0, 0)
        self.frames = self.least_frames = 0
        if counts_all:
            self.frames = max(0, counted.samples - self._delay - (self._padding if self._is_one else 0))
            self.least_frames = max(0, self.frames - _SLACK)
            self._report_junk()
        self._none = np.zeros((0, self.channels), dtype=np.float32)
        self._held = self._none
        self._ended = False
        self._at = 0
        self._skip = self._delay

    @property
    def _is_one(self) -> bool:
        """Whether the frames so far are those that the header frame states, and no others are joined."""
        return self._counted.info is not None and self._counted.frames == self._counted.info.frames

    def seek(self, frame: int) -> None:
        """Seek to sample `frame` of each channel."""
        if frame != self._at:
            self._sound.seek(frame + self._delay)
            self._held, self._ended, self._skip, self._at = self._none, False, 0, frame

    def read(self, frames: int) -> NDArray[np.float32]:
        """The next samples, shape (n, channels), n <= frames; none at the end.

        Raises:
            SignalError: a stream has ended before the encoder's header frame states.
        """
        while not self._ended and len(self._held) < frames + self._padding:
            block = self._next(frames + self._padding - len(self._held))
            if not len(block):
                self._ended = True
                if self._counts_later:
                    self._counted.require_whole()
                    self._report_junk()
                if self._padding and self._is_one:
                    self._held = self._held[: -self._padding]
            self._held = np.concatenate([self._held, block]) if len(self._held) else block
        block, self._held = self._held[:frames], self._held[frames:]
        self._at += len(block)
        return block

    def _next(self, frames: int) -> NDArray[np.float32]:
        """What libsndfile decodes next, without what the encoder added before."""
        while self._skip:
            skipped = len(self._sound.read(self._skip))
            if not skipped:
                break
            self._skip -= skipped
        return self._sound.read(frames)

    def _report_junk(self) -> None:
        if self._counted.junk:
            self.messages[f"{self._counted.junk} bytes that are no MPEG audio frames are left out."] = None

    def close(self) -> None:
        """Close the file."""
        self._sound.close()
