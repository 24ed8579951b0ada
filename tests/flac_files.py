"""FLAC files with any header and any frames, their samples stored verbatim (RFC 9639)."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

# Codes of the sample size and the sample rate in a frame header; 0 refers to the stream's header.
_SIZES = {8: 1, 12: 2, 16: 4, 20: 5, 24: 6, 32: 7}
_RATES = {8000: 4, 16000: 5, 22050: 6, 24000: 7, 32000: 8, 44100: 9, 48000: 10, 96000: 11}


def flac_file(
    samples: NDArray[np.int64],
    *,
    rate: int = 44100,
    bits: int = 16,
    total: int | None = None,
    blocks: Sequence[int] = (4096,),
) -> bytes:
    """A file of `samples`, shape (n, channels), in frames of the sizes `blocks`, again and again.

    `total` is the number of samples that the header states, by default the true one; 0 is unknown.
    """
    count, channels = samples.shape
    info = (min(blocks).to_bytes(2) + max(blocks).to_bytes(2)) + bytes(6)
    fields = rate << 44 | (channels - 1) << 41 | (bits - 1) << 36 | (count if total is None else total)
    header: bytes = b"fLaC" + b"\x80\x00\x00\x22" + info + fields.to_bytes(8) + bytes(16)
    return header + flac_frames(samples, rate=rate, bits=bits, blocks=blocks)


def flac_frames(
    samples: NDArray[np.int64], *, rate: int, bits: int, blocks: Sequence[int] = (4096,), first: int = 0
) -> bytes:
    """The frames alone; `first` is the number of the first sample."""
    frames, start, index = [], 0, 0
    while start < len(samples):
        block = samples[start : start + blocks[index % len(blocks)]]
        frames.append(_frame(block, first + start, rate=rate, bits=bits))
        start += len(block)
        index += 1
    return b"".join(frames)


def _frame(block: NDArray[np.int64], first: int, *, rate: int, bits: int) -> bytes:
    count, channels = block.shape
    codes = 7 << 4 | _RATES.get(rate, 0)
    head = b"\xff\xf9" + bytes([codes, (channels - 1) << 4 | _SIZES.get(bits, 0) << 1])
    head += _coded(first) + (count - 1).to_bytes(2)
    head += bytes([_crc(head, 8, 0x07)])
    places = np.arange(bits - 1, -1, -1)
    verbatim = np.array([0, 0, 0, 0, 0, 0, 1, 0], dtype=np.uint8)
    parts = [np.concatenate([verbatim, ((each[:, None] >> places) & 1).ravel()]) for each in block.T]
    body: bytes = head + np.packbits(np.concatenate(parts).astype(np.uint8)).tobytes()
    return body + _crc(body, 16, 0x8005).to_bytes(2)


def _coded(number: int) -> bytes:
    """A number as UTF-8 codes it, up to 36 bits."""
    if number < 0x80:
        return bytes([number])
    following = 1
    while number >> (6 * following + 6 - following):
        following += 1
    lead = 0xFF << (7 - following) & 0xFF | number >> 6 * following
    rest = [0x80 | number >> 6 * place & 0x3F for place in range(following - 1, -1, -1)]
    return bytes([lead, *rest])


def _crc(data: bytes, width: int, polynomial: int) -> int:
    table = []
    top = 1 << (width - 1)
    for value in range(256):
        register = value << (width - 8)
        for _ in range(8):
            register = register << 1 ^ (polynomial if register & top else 0)
        table.append(register & ((1 << width) - 1))
    register = 0
    for byte in data:
        register = (register << 8 ^ table[register >> (width - 8) ^ byte]) & ((1 << width) - 1)
    return register
