"""What is computed from the frames of a recording in their order, with state between chunks."""

from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class OverTime(Protocol):
    """Rows of a recording go in, in order and some at a time; rows come out, possibly later.

    Rows have shape (frames, channels, columns). What comes out does not depend on how many go in at once,
    but for the rounding of sums.
    """

    def push(self, rows: NDArray[np.float32], /) -> NDArray[np.float32]:
        """Take the next rows, give those that are complete."""

    def finish(self) -> NDArray[np.float32] | None:
        """The rows that are left when the recording has ended; None if there are none."""


def applied(over_time: OverTime, rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """All rows that come of `rows`, those of a whole recording."""
    complete, rest = over_time.push(rows), over_time.finish()
    return complete if rest is None else np.concatenate([complete, rest])


def maximum_over_bands(rows: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    """The largest of `size` neighbouring bands, at the edges of those that are there: (..., bands).

    Equal to `scipy.ndimage.maximum_filter1d` over the last axis.
    """
    bands = rows.shape[-1]
    largest = rows.copy()
    for offset in range(-(size // 2), size - size // 2):
        # Band i is compared with band i + offset, where there is one.
        low, high = max(0, -offset), min(bands, bands - offset)
        if offset and low < high:
            part = largest[..., low:high]
            np.maximum(part, rows[..., low + offset : high + offset], out=part)
    return largest


class Smoother:
    """A first-order low-pass filter over frames: m[t] = (1 - b) m[t - 1] + b x[t], and m[-1] = `start`.

    Blocks of frames are multiplied by a triangular matrix, which takes less time than a loop over frames.
    """

    _BLOCK = 64

    def __init__(self, b: float, *, start: float = 1.0) -> None:
        self._b = b
        self._start = start
        self._last: NDArray[np.float64] | None = None

    def state(self, size: int) -> NDArray[np.float64]:
        """The last filtered row, (size,)."""
        return np.full(size, self._start) if self._last is None else self._last

    def push(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """The filtered rows, (frames, n)."""
        smooth = np.empty(rows.shape)
        weights, decay = _recursion(self._b, self._BLOCK)
        last = self.state(rows.shape[1])
        for start in range(0, len(rows), self._BLOCK):
            block = rows[start : start + self._BLOCK]
            out = smooth[start : start + len(block)]
            np.dot(weights[: len(block), : len(block)], block, out=out)
            out += decay[: len(block), None] * last
            last = out[-1]
        self._last = last.copy()
        return smooth


@lru_cache(maxsize=8)
def _recursion(b: float, size: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What x[j] adds to m[i], (size, size), and what is left of the state before, (size,)."""
    ages = np.subtract.outer(np.arange(size), np.arange(size))
    # With b = 1 nothing is left of earlier frames, and 0 ** 0 is 1.
    weights = np.where(ages >= 0, b * (1.0 - b) ** np.maximum(ages, 0), 0.0)
    decay: NDArray[np.float64] = (1.0 - b) ** np.arange(1.0, size + 1)
    return weights, decay
