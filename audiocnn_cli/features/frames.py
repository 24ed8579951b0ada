"""Cut a signal that arrives in blocks into frames, some hundred of them at a time."""

from collections import deque
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from audiocnn_cli.features.framing import Framing

# Beyond this number small blocks are joined, so that samples are found fast.
_MOST_BLOCKS = 8


class Framer:
    """Blocks of samples go in, spans of samples come out, each holding whole frames.

    The spans do not depend on how the signal is cut into blocks: each but the last holds `chunk_frames`
    frames, so that what is computed from them is the same to the last bit.
    """

    def __init__(self, framing: Framing) -> None:
        self._framing = framing
        # Frames that are complete whatever follows: none reaches behind the samples that have come.
        self._inside = replace(framing, after=min(0, framing.after))
        self._blocks: deque[NDArray[np.float32]] = deque()
        self._start = 0  # which sample of the signal `_blocks` starts with
        self._padded = False
        self._seen = 0
        self._next = 0

    def push(self, block: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
        """Take a block of shape (channels, n), yield spans of shape (channels, samples)."""
        self._blocks.append(block)
        self._seen += block.shape[-1]
        if self._seen <= max(self._framing.before, self._framing.after):
            return  # what lies before the signal may mirror more of it than is here
        step = self._framing.chunk_frames
        while self._inside.n_frames(self._seen) - self._next >= step:
            yield self._take(step)

    def finish(self) -> Iterator[NDArray[np.float32]]:
        """Yield what is left when the signal has ended."""
        total = self._framing.n_frames(self._seen)
        if total <= self._next:
            return
        self._pad_start()
        if self._framing.after > 0:
            self._blocks.append(self._padding(after=self._framing.after))
        while self._next < total:
            yield self._take(min(self._framing.chunk_frames, total - self._next))

    def _take(self, frames: int) -> NDArray[np.float32]:
        self._pad_start()
        hop = self._framing.hop
        begin = self._next * hop - self._framing.before
        span = self._samples(begin, begin + (frames - 1) * hop + self._framing.length)
        self._next += frames
        self._drop(begin + frames * hop)
        return span

    def _samples(self, begin: int, end: int) -> NDArray[np.float32]:
        """Samples of the (padded) signal, without copying where one block holds them all."""
        if len(self._blocks) > _MOST_BLOCKS:
            joined = np.concatenate(self._blocks, axis=-1)
            self._blocks.clear()
            self._blocks.append(joined)
        parts = []
        start = self._start
        for block in self._blocks:
            part = block[:, max(0, begin - start) : max(0, end - start)]
            start += block.shape[-1]
            if part.shape[-1]:
                parts.append(part)
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-1)

    def _drop(self, begin: int) -> None:
        # What lies behind the signal mirrors its last `after` samples and one more: they stay.
        needed = min(begin, self._seen - self._framing.after - 1)
        while self._start + self._blocks[0].shape[-1] <= needed:
            self._start += self._blocks.popleft().shape[-1]
        if needed > self._start:
            self._blocks[0] = self._blocks[0][:, needed - self._start :]
            self._start = needed

    def _pad_start(self) -> None:
        if self._padded:
            return
        self._padded = True
        if self._framing.before > 0:
            self._blocks.appendleft(self._padding(before=self._framing.before))
            self._start = -self._framing.before

    def _padding(self, *, before: int = 0, after: int = 0) -> NDArray[np.float32]:
        """What lies before or behind the signal, made from as much of it as that can mirror."""
        known = self._samples(self._start, self._seen)
        reach = before + after + 1
        edge = known[:, :reach] if before else known[:, -reach:]
        padded = np.pad(edge, ((0, 0), (before, after)), mode=self._framing.pad_mode.value)
        return padded[:, :before] if before else padded[:, edge.shape[-1] :]
