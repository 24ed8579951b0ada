"""Bare samples as they arrive, and what all decoders of arriving sound have in common."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audiocnn_cli.audio.arrays import scaled
from audiocnn_cli.audio.decode import HIGHEST_RATE, LOWEST_RATE
from audiocnn_cli.audio.decoders import Decoder
from audiocnn_cli.errors import UsageError

_MOST_CHANNELS = 1024
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
        UsageError: there is no such format, the rate is not from 50 Hz to 10 MHz, or there are not 1 to 1024
            channels.
    """

    name: str
    sample_rate: int
    channels: int = 1

    def __post_init__(self) -> None:
        if self.name not in RAW_FORMATS:
            raise UsageError(f"`raw={self.name}` is none of {', '.join(RAW_FORMATS)}")
        if not LOWEST_RATE <= self.sample_rate <= HIGHEST_RATE:
            raise UsageError(
                f"`sample_rate` of `raw` must be {LOWEST_RATE} to {HIGHEST_RATE} Hz, not {self.sample_rate}"
            )
        if not 1 <= self.channels <= _MOST_CHANNELS:
            raise UsageError(f"`raw_channels` must be 1 to {_MOST_CHANNELS}, not {self.channels}")


class ForwardOnly:
    """Base of decoders of sound that is still arriving: its length is unknown, and there is no way back."""

    frames = least_frames = 0
    exact_length = False

    def seek(self: Decoder, frame: int) -> None:
        """Read and discard the first `frame` samples of each channel."""
        while frame > 0 and (block := len(self.read(min(frame, self.sample_rate)))):
            frame -= block


class RawDecoder(ForwardOnly):
    """Bare samples."""

    def __init__(self, chunks: Iterator[bytes], raw: RawFormat) -> None:
        self._chunks = chunks
        self._bytes = b""
        self._type = RAW_FORMATS[raw.name]
        self._width = int(self._type[-1]) * raw.channels
        self.sample_rate, self.channels = raw.sample_rate, raw.channels
        self.format, self.subtype = "RAW", raw.name
        self.messages: dict[str, None] = {}

    def read(self, frames: int) -> NDArray[np.float32]:
        """The next samples, shape (n, channels), n <= frames, as soon as there are any; none at the end."""
        while len(self._bytes) < self._width and (more := next(self._chunks, b"")):
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
