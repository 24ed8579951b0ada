"""Resample a stream of samples with soxr's HQ preset."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Blocks at a low rate are resampled in parts, each of so many samples at most at the new rate.
_MOST_SAMPLES = 1 << 20


def resampled_length(samples: int, *, source_rate: int, sample_rate: int) -> int:
    """The number of samples that a `Resampler` makes of `samples`."""
    return -(-samples * sample_rate // source_rate)


class Resampler:
    """Blocks of (n,) or (n, channels) go in, blocks at another rate come out.

    The whole stream has ceil(samples * sample_rate / source_rate) samples, as librosa's resample has:
    soxr rounds, so a last sample may be missing (then 0 is appended) or too many (then it is cut).
    """

    def __init__(self, *, source_rate: int, sample_rate: int) -> None:
        self._source_rate = source_rate
        self._sample_rate = sample_rate
        self._stream: Any = None
        self._empty: NDArray[np.float32] | None = None
        self._taken = self._given = 0

    def push(self, block: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
        """Take the next samples; yield those that are ready in blocks of bounded size, none of them empty."""
        channels = 1 if block.ndim == 1 else block.shape[1]
        step = max(1, _MOST_SAMPLES * self._source_rate // (self._sample_rate * channels))
        if self._sample_rate == self._source_rate:
            step = max(1, len(block))
        for start in range(0, len(block), step):
            ready = self._push(block[start : start + step])
            if len(ready):
                yield ready

    def _push(self, block: NDArray[np.float32]) -> NDArray[np.float32]:
        if self._sample_rate == self._source_rate:
            return block
        if self._stream is None:
            import soxr

            channels = 1 if block.ndim == 1 else block.shape[1]
            self._stream = soxr.ResampleStream(
                self._source_rate, self._sample_rate, channels, dtype="float32", quality="HQ"
            )
            self._empty = block[:0]
        self._taken += len(block)
        ready: NDArray[np.float32] = self._stream.resample_chunk(np.ascontiguousarray(block))
        self._given += len(ready)
        return ready

    def finish(self) -> NDArray[np.float32]:
        """The last samples, once the stream has ended."""
        if self._stream is None or self._empty is None:
            return np.zeros(0, dtype=np.float32)
        rest = self._stream.resample_chunk(self._empty, last=True)
        length = resampled_length(self._taken, source_rate=self._source_rate, sample_rate=self._sample_rate)
        left = length - self._given
        missing = np.zeros((max(0, left - len(rest)), *rest.shape[1:]), dtype=np.float32)
        return np.concatenate([rest, missing])[:left]


def resample_blocks(
    blocks: Iterable[NDArray[np.float32]], *, source_rate: int, sample_rate: int
) -> Iterator[NDArray[np.float32]]:
    """Resample a stream of (n,) or (n, channels) blocks; blocks without samples are left out."""
    resampler = Resampler(source_rate=source_rate, sample_rate=sample_rate)
    for block in blocks:
        yield from resampler.push(block)
    rest = resampler.finish()
    if len(rest):
        yield rest
