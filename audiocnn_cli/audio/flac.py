"""Frame headers of FLAC: whether a file goes on after the samples that its header states.

Source: RFC 9639, section 9.1.
"""

# Bytes that follow a header's coded number, by the codes of the block size and of the sample rate.
_SIZE_BYTES = {6: 1, 7: 2}
_RATE_BYTES = {12: 1, 13: 2, 14: 2}
_LONGEST_HEADER = 16


def count_frames(data: bytes) -> int:
    """The number of frame headers in `data`, each with its sync code and a checksum that is right."""
    count, position = 0, 0
    while (position := data.find(b"\xff", position)) >= 0:
        header = data[position : position + _LONGEST_HEADER]
        position += 1
        count += len(header) == _LONGEST_HEADER and header[1] & 0xFE == 0xF8 and _is_header(header)
    return count


def _is_header(header: bytes) -> bool:
    size, rate = header[2] >> 4, header[2] & 15
    following = next((n for n in range(8) if not header[4] & 0x80 >> n), 8)
    if size == 0 or rate == 15 or header[3] & 1 or following in (1, 8):
        return False
    length = 4 + max(1, following) + _SIZE_BYTES.get(size, 0) + _RATE_BYTES.get(rate, 0)
    return length < len(header) and _crc8(header[:length]) == header[length]


def _crc8(data: bytes) -> int:
    register = 0
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = register << 1 ^ (0x107 if register & 0x80 else 0)
    return register
