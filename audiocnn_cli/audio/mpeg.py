"""MPEG audio streams (MP3, MP2, MP1): frames, tags and the header frame that encoders add.

libsndfile takes the length of a stream from that header frame, or estimates it from the first frames, and
stops there: streams that are joined, or whose bit rate varies without a header frame, would be cut short.
Here the frames themselves are counted.

Source: ISO/IEC 11172-3 and 13818-3 (frame header); the LAME project, "MP3 Info Tag" (Xing and LAME header).
"""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from audiocnn_cli.errors import FailureKind, SignalError

# Bit rates in kbit/s by index, for MPEG-1 layers I to III, then MPEG-2 and 2.5, layer I and the others.
_BIT_RATES = {
    (1, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES = (44100, 48000, 32000)
# By the two bits of the version: MPEG-2.5, reserved, MPEG-2, MPEG-1. The rates are divided by the second.
_VERSIONS = {0: (2, 4), 2: (2, 2), 3: (1, 1)}
# Version, layer and sample rate are the same in all frames of a stream.
_CONSTANT = 0xFFFE0C00
_INFO_TAGS = (b"Xing", b"Info")
# LAME's decoder delay: what a decoder adds before the first sample of the encoder.
_DECODER_DELAY = 529
# Frames that follow each other before the first of them is taken for one: noise looks like two by chance.
_CHAIN = 4
_LONGEST_FRAME = 2881
# Encoders differ in whether they count the header frame itself.
_UNCOUNTED = 1
_AHEAD = (_CHAIN + 1) * _LONGEST_FRAME
# Junk before the first frame (MPEG frames cut in the middle, padding of taggers) that is searched.
_MOST_JUNK = 1 << 17


@dataclass(frozen=True, slots=True)
class FrameHeader:
    """A frame of `size` bytes that decodes to `samples` samples a channel."""

    size: int
    samples: int
    sample_rate: int
    channels: int
    layer: int
    stream: int
    side_info: int


@lru_cache(maxsize=4096)
def frame_header(word: int) -> FrameHeader | None:
    """The header in four bytes, a big-endian number; None where they are none, or of a free bit rate."""
    version = _VERSIONS.get(word >> 19 & 3)
    layer = 4 - (word >> 17 & 3)
    bit_rate, rate = word >> 12 & 15, word >> 10 & 3
    if word >> 21 != 0x7FF or version is None or layer == 4 or bit_rate in (0, 15) or rate == 3:
        return None
    edition, divisor = version
    bits = 1000 * _BIT_RATES[edition, layer if edition == 1 else min(layer, 2)][bit_rate - 1]
    sample_rate = _RATES[rate] // divisor
    padding = word >> 9 & 1
    mono = word >> 6 & 3 == 3
    samples = 384 if layer == 1 else 576 if (layer, edition) == (3, 2) else 1152
    if layer == 1:
        size = 4 * (12 * bits // sample_rate + padding)
    else:
        size = samples // 8 * bits // sample_rate + padding
    side_info = (17 if mono else 32) if edition == 1 else (9 if mono else 17)
    if not word >> 16 & 1:
        side_info += 2  # a checksum
    stream = word & _CONSTANT | mono  # bit 0 is none of the constant ones
    return FrameHeader(size, samples, sample_rate, 1 if mono else 2, layer, stream, side_info)


@dataclass(frozen=True, slots=True)
class InfoFrame:
    """What the header frame of an encoder states; None where it does not.

    `frames` and `bytes` count the frames after it, and all bytes from it on. `delay` and `padding` are the
    samples that the encoder added before and after the recording, the decoder's own delay included. The frame
    itself has `size` bytes.
    """

    size: int
    frames: int | None = None
    bytes: int | None = None
    delay: int = 0
    padding: int = 0


def info_frame(frame: bytes, header: FrameHeader) -> InfoFrame | None:
    """The statements of a whole frame, if it is a header frame (Xing, Info or VBRI)."""
    if frame[36:40] == b"VBRI" and len(frame) >= 54:
        size, frames = struct.unpack_from(">II", frame, 46)
        return InfoFrame(header.size, frames, size)
    at = 4 + header.side_info
    if header.layer != 3 or frame[at : at + 4] not in _INFO_TAGS or len(frame) < at + 8:
        return None
    flags = int.from_bytes(frame[at + 4 : at + 8])
    at += 8
    numbers: list[int | None] = []
    for bit, length in ((1, 4), (2, 4), (4, 100), (8, 4)):
        stated = bool(flags & bit)
        numbers.append(int.from_bytes(frame[at : at + 4]) if stated else None)
        at += length * stated
    delay = padding = 0
    if len(frame) >= at + 24 and frame[at]:
        both = int.from_bytes(frame[at + 21 : at + 24])
        delay, padding = (both >> 12) + _DECODER_DELAY, max(0, (both & 0xFFF) - _DECODER_DELAY)
    return InfoFrame(header.size, numbers[0], numbers[1], delay, padding)


@dataclass(frozen=True, slots=True)
class Run:
    """Whole frames that follow each other: `data`, from byte `offset` of the stream on."""

    offset: int
    data: bytes


class FrameFilter:
    """The whole frames of a stream, without tags, junk and the encoder's header frame.

    `runs` yields them and needs little memory. Attributes describe what it has read so far: `header` is that
    of the first frame, `info` the encoder's header frame, `frames`, `samples` (a channel) and `bytes` count,
    `left` are the bytes of an incomplete frame at the end, and `junk` those left out that are no tags.

    In files that are joined, the header frames of all but the first are kept, as FFmpeg keeps them, unless a
    tag precedes them: they decode to 26 ms of silence.
    """

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._buffer = b""
        self._at = 0  # the offset of the buffer in the stream
        self._ended = self._behind_tag = False
        self.header: FrameHeader | None = None
        self.info: InfoFrame | None = None
        self.frames = self.samples = self.bytes = self.left = self.junk = 0

    def require_whole(self) -> None:
        """Check the number of frames, once all have been read, against the encoder's header frame.

        Raises:
            SignalError: it states more.
        """
        info = self.info
        if info is None or info.frames is None:
            return
        lacking = info.frames - self.frames
        cut = self.left > 0 or (info.bytes or 0) > info.size + self.bytes
        if lacking > _UNCOUNTED or (lacking > 0 and cut):
            message = f"is truncated: by its header {info.frames} frames follow, and {self.frames} do"
            raise SignalError(FailureKind.CORRUPT, f"{message}; copy or export it again")

    def runs(self) -> Iterator[Run]:
        """Yield frames as soon as they have arrived.

        Raises:
            SignalError: there are none, or the sample rate or the number of channels changes.
        """
        position = 0
        while True:
            if self._behind_tag:
                if not self._ended and len(self._buffer) - position < _AHEAD:
                    position = self._fill(position)
                    continue
                position += self._info_behind_tag(position)
            end = self._whole_frames(position)
            if end > position:
                yield Run(self._at + position, self._buffer[position:end])
                position = end
            left = len(self._buffer) - position
            if not self._ended and (left < _AHEAD or self._continues(position)):
                position = self._fill(position)
            elif not left:
                break
            elif length := tag_length(self._buffer[position : position + 32]):
                position = self._skip(position, length)
                self._behind_tag = self.frames > 0
            elif self._continues(position):
                self.left = left
                break
            else:
                position = self._next_frame(position)
        if not self.frames:
            self.require_whole()
            raise SignalError(FailureKind.NOT_AUDIO, "holds no MPEG audio frames")

    def _whole_frames(self, position: int) -> int:
        """Count the frames that follow each other from `position` on; where they end."""
        if self.header is None:
            return position
        buffer, same, size = self._buffer, self.header.stream, len(self._buffer)
        begin, frames = position, 0
        while position + 4 <= size:
            found = frame_header(int.from_bytes(buffer[position : position + 4], "big"))
            if found is None or found.stream != same or position + found.size > size:
                break
            position += found.size
            frames += 1
        self.frames += frames
        self.bytes += position - begin
        self.samples += frames * self.header.samples
        return position

    def _info_behind_tag(self, position: int) -> int:
        """The size of the header frame at `position`; 0 where there is none."""
        self._behind_tag = False
        found = self._header_at(position)
        info = info_frame(self._buffer[position : position + found.size], found) if found else None
        return info.size if info else 0

    def _continues(self, position: int) -> bool:
        """Whether the stream goes on at `position` with a frame of the same kind, whole or not."""
        found = self._header_at(position)
        return found is not None and self.header is not None and found.stream == self.header.stream

    def _header_at(self, position: int) -> FrameHeader | None:
        return frame_header(int.from_bytes(self._buffer[position : position + 4], "big"))

    def _fill(self, position: int) -> int:
        """Drop what is before `position` and append a chunk; the position in the new buffer."""
        chunk = next(self._chunks, b"")
        self._ended = not chunk
        self._buffer = self._buffer[position:] + chunk
        self._at += position
        return 0

    def _skip(self, position: int, length: int) -> int:
        """The position behind `length` bytes, which may be beyond the buffer."""
        while position + length > len(self._buffer) and not self._ended:
            length -= len(self._buffer) - position
            position = self._fill(len(self._buffer))
        return min(position + length, len(self._buffer))

    def _next_frame(self, position: int) -> int:
        """Begin at the next frame in the buffer; without one, where to continue the search."""
        start, buffer = position, self._buffer
        last = len(buffer) if self._ended else len(buffer) - _AHEAD
        while 0 <= (position := buffer.find(b"\xff", position)) <= last:
            first = self._header_at(position)
            if first is not None and self._is_chain(position, first):
                self.junk += position - start
                return position + self._begin(position, first)
            position += 1
        position = len(buffer) if self._ended else min(len(buffer), last + 1)
        self.junk += position - start
        if self.header is None and self.junk > _MOST_JUNK:
            raise SignalError(FailureKind.NOT_AUDIO, "holds no MPEG audio frames")
        return position

    def _is_chain(self, position: int, first: FrameHeader) -> bool:
        """Whether frames of one kind follow each other: some, or all up to the end of the stream."""
        for number in range(_CHAIN):
            position += first.size if (found := self._header_at(position)) is None else found.size
            rest = self._buffer[position : position + 32]
            if self._ended and (len(rest) < 4 or tag_length(rest)):
                return number > 0 or position <= len(self._buffer)
            following = self._header_at(position)
            if following is None or following.stream != first.stream:
                return False
        return True

    def _begin(self, position: int, first: FrameHeader) -> int:
        """Begin a stream at a frame; the number of bytes to leave out there."""
        if self.header is None:
            self.header = first
            self.info = info_frame(self._buffer[position : position + first.size], first)
            return first.size if self.info else 0
        if first.stream != self.header.stream:
            old, new = (f"{each.sample_rate} Hz, {each.channels} channels" for each in (self.header, first))
            after = f"after {self.samples / self.header.sample_rate:.2f} s"
            message = f"changes from {old} to {new} {after}; convert its parts one by one"
            raise SignalError(FailureKind.CORRUPT, message)
        return 0


def tag_length(begun: bytes) -> int:
    """The length of a tag (ID3v1, ID3v2, APEv2) that begins with these 32 bytes; 0 where none does."""
    if begun[:3] == b"ID3" and len(begun) >= 10 and max(begun[6:10]) < 0x80:
        size = begun[6] << 21 | begun[7] << 14 | begun[8] << 7 | begun[9]
        return 20 + size if begun[5] & 0x10 else 10 + size
    if begun[:3] == b"TAG":
        return 128
    if begun[:8] == b"APETAGEX" and len(begun) == 32:
        version, size, _, flags = struct.unpack_from("<IIII", begun, 8)
        if version in (1000, 2000):
            return 32 + size if flags & 1 << 29 else 32
    return 0
