"""The outline of a waveform: the lowest and the highest sample of each stretch of time."""

import numpy as np
from numpy.typing import NDArray


class Envelope:
    """Samples go in block by block; a low and a high come out for every `stretch` of them."""

    def __init__(self, *, samples: int, widest: int) -> None:
        self.stretch = max(1, samples // widest)
        self._left = np.zeros(0, dtype=np.float32)
        self._lows: list[NDArray[np.float32]] = []
        self._highs: list[NDArray[np.float32]] = []

    def push(self, block: NDArray[np.float32]) -> None:
        """Take the next samples, shape (n,)."""
        left = np.concatenate([self._left, block])
        whole = len(left) // self.stretch * self.stretch
        rows = left[:whole].reshape(-1, self.stretch)
        self._lows.append(rows.min(axis=1))
        self._highs.append(rows.max(axis=1))
        self._left = left[whole:]

    def lows_and_highs(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """One value each a whole stretch; a last partial one is left out."""
        return np.concatenate(self._lows), np.concatenate(self._highs)
