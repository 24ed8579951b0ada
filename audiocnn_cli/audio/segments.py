"""Cut a stream of samples into the segments that a model wants, the same in training and in use.

Whole segments follow each other at `hop`. What is left at the end is not padded with silence, which no
model was trained on: a rest of half a segment or more gives one more segment that ends with the clip and
overlaps the one before; a shorter rest is dropped; a clip shorter than one segment is repeated to fill it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class TailHandling(StrEnum):
    """What became of the samples after the last whole segment."""

    NONE = "none"
    OVERLAPPED = "overlapped"
    DROPPED = "dropped"
    REPEATED = "repeated"


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentConfig:
    """How a clip is cut: `length` and `hop` in samples at the model's sample rate."""

    length: int
    hop: int


@dataclass(frozen=True, slots=True)
class Segment:
    """`samples` of shape (length,) that start at sample `start` of the clip.

    `valid` is how many of them are the clip's own (less than the length only for a repeated clip).
    """

    samples: "NDArray[np.float32]"
    start: int
    valid: int


@dataclass(frozen=True, slots=True)
class Ending:
    """How a clip of `samples` samples ended: what became of the last `rest_samples`.

    `segment` is the one that they gave, if any.
    """

    samples: int
    rest: TailHandling = TailHandling.NONE
    rest_samples: int = 0
    segment: Segment | None = None


class Cutter:
    """Blocks of a clip go in, its segments come out, each as soon as its last sample is there.

    Holds two segments and a block in memory at most.
    """

    def __init__(self, config: SegmentConfig) -> None:
        import numpy as np

        self._config = config
        self._buffer = np.zeros(0, dtype=np.float32)  # the clip from sample `_start` on
        self._start = 0
        self._last: Segment | None = None

    def push(self, block: "NDArray[np.float32]") -> Iterator[Segment]:
        """Take a block of shape (n,), yield the segments that it completes."""
        import numpy as np

        length, hop = self._config.length, self._config.hop
        self._buffer = np.concatenate([self._buffer, block])
        while len(self._buffer) >= length:
            self._last = Segment(self._buffer[:length].copy(), self._start, length)
            self._buffer = self._buffer[hop:]
            self._start += hop
            yield self._last

    def finish(self) -> Ending:
        """What became of the rest, once the clip has ended."""
        import numpy as np

        length, buffer = self._config.length, self._buffer
        end = self._start + len(buffer)
        if self._last is None:
            if not len(buffer):
                return Ending(0)
            repeated = Segment(np.resize(buffer, length), 0, len(buffer))
            return Ending(end, TailHandling.REPEATED, len(buffer), repeated)
        rest = end - (self._last.start + length)
        if rest >= length / 2:
            tail = np.concatenate([self._last.samples, buffer[len(buffer) - rest :]])[-length:]
            return Ending(end, TailHandling.OVERLAPPED, rest, Segment(tail, end - length, length))
        return Ending(end, TailHandling.DROPPED if rest else TailHandling.NONE, rest)


def cut(blocks: Iterable["NDArray[np.float32]"], config: SegmentConfig) -> Iterator[Segment]:
    """Yield the segments of a clip that comes as (n,) blocks; at least one if there is any sample."""
    cutter = Cutter(config)
    for block in blocks:
        yield from cutter.push(block)
    ending = cutter.finish()
    if ending.segment is not None:
        yield ending.segment
