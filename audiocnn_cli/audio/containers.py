"""How much sample data the header of a file states: libsndfile reads a truncated file without an error.

Sources: Microsoft/IBM, Multimedia Programming Interface and Data Specifications 1.0 (RIFF); EBU Tech 3306
(RF64) and ITU-R BS.2088 (BW64); Sony Pictures Digital, Wave64 1.0; Apple, AIFF 1.3 and Core Audio Format 1.0;
Sun, audio(5) (AU); Electronic Arts, EA IFF 85 and 8SVX; NIST, SPHERE; RFC 3533 (Ogg).
"""

import math
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO

# Programs that write to a pipe leave one of these in place of a length of 32 bits.
_UNKNOWN_LENGTHS = (0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
_UNKNOWN_64 = 1 << 62
_SLACK = 0x1000  # sox writes 0x7FFFFFFF less its header
_MOST_CHUNKS = 10_000
_W64_TAIL = bytes.fromhex("f3acd3118cd100c04f8edb8a")
VOC = b"Creative Voice File"
# Blocks of sound, sound that continues, and sound of the new kind.
_VOC_SAMPLES = (1, 2, 9)
_LONGEST_PAGE = 27 + 255 + 255 * 255


@dataclass(frozen=True, slots=True)
class OpenFile:
    """A seekable file of `size` bytes; `head` are the first of them, 32 or more where there are so many."""

    stream: IO[bytes]
    size: int
    head: bytes

    def at(self, position: int, count: int) -> bytes:
        """`count` bytes from `position` on; zeros where the file ends."""
        if position + count <= len(self.head):
            return self.head[position : position + count]
        self.stream.seek(position)
        parts = b""
        while len(parts) < count and (more := self.stream.read(count - len(parts))):
            parts += more
        return parts.ljust(count, b"\0")


@dataclass(frozen=True, slots=True)
class Chunk:
    """A chunk of a file: its name, the offset of its content, and the length that is stated."""

    name: bytes
    start: int
    length: int


def missing_bytes(file: OpenFile) -> int:
    """Bytes of sample data that the header states and the file lacks.

    0 for other formats, and where the header states no length, as that of a file that was written to a pipe.
    """
    stated = next((stated for magic, stated in _STATED.items() if file.head.startswith(magic)), None)
    if stated is None or len(file.head) < 16:
        return 0
    data = stated(file)
    return max(0, data.start + data.length - file.size) if data is not None else 0


def _chunks(file: OpenFile, *, position: int, layout: str, align: int = 2) -> Iterator[Chunk]:
    """Chunks that follow each other from `position` on, each a name and a length in `layout`."""
    head = struct.Struct(layout)
    for _ in range(_MOST_CHUNKS):
        if not 0 <= position <= file.size - head.size:
            return
        name, length = head.unpack(file.at(position, head.size))
        position += head.size
        yield Chunk(name, position, length)
        position += length + -length % align


def riff_data(file: OpenFile) -> Chunk | None:
    """The data chunk of a WAV file, also of RF64 and BW64; None where it or its length is missing."""
    form = file.head[:4]
    if file.head[8:12] != b"WAVE":
        return None
    length64 = None
    for chunk in _chunks(file, position=12, layout=">4sI" if form == b"RIFX" else "<4sI"):
        if chunk.name == b"ds64" and form in (b"RF64", b"BW64"):
            length64 = int.from_bytes(file.at(chunk.start + 8, 8), "little")
        elif chunk.name == b"data":
            if length64 is not None and chunk.length == 0xFFFFFFFF:
                return Chunk(chunk.name, chunk.start, length64) if length64 < _UNKNOWN_64 else None
            return _known(chunk)
    return None


def stated_rate(file: OpenFile) -> int | None:
    """The sample rate in the header of a WAV or AU file, which libsndfile may refuse; None for others."""
    if file.head[:4] in (b".snd", b"dns."):
        return int.from_bytes(file.head[16:20], "big" if file.head[:4] == b".snd" else "little")
    big = file.head[:4] == b"RIFX"
    if file.head[8:12] == b"WAVE":
        for chunk in _chunks(file, position=12, layout=">4sI" if big else "<4sI"):
            if chunk.name == b"fmt ":
                return int.from_bytes(file.at(chunk.start + 4, 4), "big" if big else "little")
    return None


def _known(chunk: Chunk) -> Chunk | None:
    """The chunk, if its length of 32 bits is one."""
    unknown = any(value - _SLACK <= chunk.length <= value for value in _UNKNOWN_LENGTHS)
    return None if unknown else chunk


def _w64_data(file: OpenFile) -> Chunk | None:
    position = 40  # behind two identifiers and the length of the file
    while 0 < position <= file.size - 24:
        name, length = struct.unpack("<16sq", file.at(position, 24))
        if name == b"data" + _W64_TAIL:
            return Chunk(b"data", position + 24, length - 24) if length < _UNKNOWN_64 else None
        position += max(24, length + -length % 8)
    return None


def _iff_data(file: OpenFile) -> Chunk | None:
    bodies = {b"AIFF": b"SSND", b"AIFC": b"SSND", b"8SVX": b"BODY", b"16SV": b"BODY"}
    body = bodies.get(file.head[8:12])
    found = (each for each in _chunks(file, position=12, layout=">4sI") if each.name == body)
    data = next(found, None)
    return None if data is None else _known(data)


def _caf_data(file: OpenFile) -> Chunk | None:
    for chunk in _chunks(file, position=8, layout=">4sq", align=1):
        if chunk.name == b"data" or chunk.length < 0:
            return chunk if chunk.length >= 0 else None  # -1: up to the end of the file
    return None


def _au_data(file: OpenFile) -> Chunk | None:
    start, length = struct.unpack_from(">II" if file.head[:4] == b".snd" else "<II", file.head, 4)
    return _known(Chunk(b"data", start, length))


def _nist_data(file: OpenFile) -> Chunk | None:
    lines = file.at(0, 1024).split(b"\n")
    fields = dict(line.split(b" -i ", 1) for line in lines if b" -i " in line)
    names = (b"sample_count", b"channel_count", b"sample_n_bytes")
    numbers = [int(fields[name]) for name in names if fields.get(name, b"").strip().isdigit()]
    begin = file.head[8:15].strip()
    compressed = any(b"embedded" in line for line in lines)
    if len(numbers) < len(names) or compressed or not begin.isdigit():
        return None
    return Chunk(b"data", int(begin), math.prod(numbers))


def voc_blocks(file: OpenFile) -> list[Chunk]:
    """The blocks of a VOC file that hold samples.

    libsndfile reads the headers of all but the first as samples.
    """
    position = int.from_bytes(file.at(20, 2), "little")
    blocks: list[Chunk] = []
    while position < file.size and len(blocks) < _MOST_CHUNKS:
        kind, *length = file.at(position, 4)
        if kind == 0:
            break
        stated = int.from_bytes(bytes(length), "little")
        position += 4
        if kind in _VOC_SAMPLES:
            blocks.append(Chunk(bytes([kind]), position, stated))
        position += stated
    return blocks


def _voc_data(file: OpenFile) -> Chunk | None:
    blocks = voc_blocks(file)
    return blocks[-1] if blocks else None


def _last_page(file: OpenFile) -> Chunk | None:
    """The content of the last page of an Ogg file, which ends where its lengths state."""
    start = max(0, file.size - _LONGEST_PAGE)
    tail = file.at(start, file.size - start)
    at = len(tail)
    while (at := tail.rfind(b"OggS\0", 0, at)) >= 0:
        count = tail[at + 26] if at + 26 < len(tail) else 0
        lengths = tail[at + 27 : at + 27 + count]
        content = start + at + 27 + count
        if tail[at + 5 : at + 6] < b"\x08":  # else four letters within a page
            return Chunk(b"OggS", content, sum(lengths) if len(lengths) == count else 1)
    return None


_STATED: dict[bytes, Callable[[OpenFile], Chunk | None]] = {
    b"RIFF": riff_data,
    b"RIFX": riff_data,
    b"RF64": riff_data,
    b"BW64": riff_data,
    b"riff.\x91\xcf\x11": _w64_data,
    b"FORM": _iff_data,
    b"caff": _caf_data,
    b".snd": _au_data,
    b"dns.": _au_data,
    b"NIST_1A": _nist_data,
    VOC: _voc_data,
    b"OggS": _last_page,
}
