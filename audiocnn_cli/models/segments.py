"""Cut a stream of samples into the segments that a model wants, the same in training and in use.

Whole segments follow each other at `hop`. What is left at the end is not padded with silence, which no
model was trained on: a rest of half a segment or more gives one more segment that ends with the clip and
overlaps the one before; a shorter rest is dropped; a clip shorter than one segment is repeated to fill it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from audiocnn_cli.models.contract import SegmentConfig

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Rest(StrEnum):
    """What became of the samples after the last whole segment."""

    NONE = "none"
    OVERLAPPED = "overlapped"
    DROPPED = "dropped"
    REPEATED = "repeated"


@dataclass(frozen=True, slots=True)
class Segment:
    """`samples` of shape (length,) that start at sample `start` of the clip.

    `rest` and `rest_samples` say on the last segment what became of the rest; `valid` is how many of the
    samples are the clip's own (less than the length only for a repeated clip).
    """

    samples: "NDArray[np.float32]"
    start: int
    valid: int
    rest: Rest = Rest.NONE
    rest_samples: int = 0


def cut(blocks: Iterable["NDArray[np.float32]"], config: SegmentConfig) -> Iterator[Segment]:
    """Yield the segments of a clip that comes as (n,) blocks; at least one if there is any sample.

    Holds two segments and a block in memory at most. The last segment says what became of the rest.
    """
    import numpy as np

    length, hop = config.length, config.hop
    buffer = np.zeros(0, dtype=np.float32)  # the clip from sample `start` on
    start = 0
    waiting: Segment | None = None  # held back until it is known whether it is the last
    for block in blocks:
        buffer = np.concatenate([buffer, block])
        while len(buffer) >= length:
            if waiting is not None:
                yield waiting
            waiting = Segment(buffer[:length].copy(), start, length)
            buffer = buffer[hop:]
            start += hop
    yield from _finish(waiting, buffer, start, config)


def _finish(
    waiting: Segment | None, buffer: "NDArray[np.float32]", start: int, config: SegmentConfig
) -> Iterator[Segment]:
    import numpy as np

    length = config.length
    if waiting is None:
        if len(buffer):
            yield Segment(np.resize(buffer, length), 0, len(buffer), Rest.REPEATED, len(buffer))
        return
    end = start + len(buffer)
    rest = end - (waiting.start + length)
    if rest >= length / 2:
        yield waiting
        tail = np.concatenate([waiting.samples, buffer[len(buffer) - rest :]])[-length:]
        yield Segment(tail, end - length, length, Rest.OVERLAPPED, rest)
    elif rest > 0:
        yield Segment(waiting.samples, waiting.start, length, Rest.DROPPED, rest)
    else:
        yield waiting
