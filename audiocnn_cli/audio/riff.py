"""How many bytes a RIFF (WAV) file lacks: libsndfile reads a truncated one without a word."""

import struct
from typing import IO

# Writers that stream to a pipe can't know the length and leave one of these in its place.
_UNKNOWN_LENGTHS = frozenset({0x7FFFFFFF, 0x80000000, 0xFFFFFFFF})
_SLACK = 0x1000  # sox writes 0x7FFFFFFF less its header


def missing_bytes(stream: IO[bytes], size: int) -> int:
    """Bytes of sample data promised by the header but not there; 0 for whole files and other formats.

    Args:
        stream: at the start of the file; it is left anywhere.
        size: of the whole file in bytes.

    Source: Microsoft/IBM, Multimedia Programming Interface and Data Specifications 1.0 (RIFF chunks).
    """
    header = stream.read(12)
    if len(header) < 12 or header[:4] not in (b"RIFF", b"RIFX") or header[8:] != b"WAVE":
        return 0
    layout = "<4sI" if header[:4] == b"RIFF" else ">4sI"
    position = 12
    while position + 8 <= size:
        stream.seek(position)
        name, length = struct.unpack(layout, stream.read(8))
        position += 8
        if name == b"data":
            if any(unknown - _SLACK <= length <= unknown for unknown in _UNKNOWN_LENGTHS):
                return 0
            return max(0, position + int(length) - size)
        position += length + length % 2
    return 0
