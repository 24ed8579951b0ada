"""Cut a stream of samples into segments, the same for feature tensors, in training and for a model.

Whole segments follow each other at `hop`. `TailPolicy` decides about the samples behind the last one. What
models are fed is `overlap`: silence, which no model was trained on, is never added. A tail of half a segment
or more gives one more segment that ends with the clip and overlaps the one before; a shorter tail is dropped;
a clip shorter than one segment is repeated to fill it.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from audiocnn_cli.errors import FailureKind, SignalError, UsageError

if TYPE_CHECKING:  # the command line lists TailPolicy without NumPy
    import numpy as np
    from numpy.typing import NDArray

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class TailPolicy(StrEnum):
    """What is made of the samples behind the last whole segment."""

    DROP = "drop"
    PAD = "pad"
    KEEP = "keep"
    OVERLAP = "overlap"


class TailHandling(StrEnum):
    """What became of the samples after the last whole segment."""

    NONE = "none"
    OVERLAPPED = "overlapped"
    DROPPED = "dropped"
    REPEATED = "repeated"
    PADDED = "padded"
    KEPT = "kept"


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentConfig:
    """The size of segments: `length` and `hop` in samples at the sample rate of the features.

    With `pad_short` a clip shorter than one segment is centred between zeros, instead of repeated.
    """

    length: int
    hop: int
    pad_short: bool = False


@dataclass(frozen=True, slots=True)
class Segmentation:
    """Either `count` equal segments, or segments of `length_s` seconds; each overlaps the one before.

    `overlap` is the fraction of a segment that the next one repeats, 0 or more and below 1.

    Raises:
        UsageError: a value is out of its range, or not exactly one of `count` and `length_s` is given.
    """

    count: int | None = None
    length_s: float | None = None
    overlap: float = 0.0
    rest: TailPolicy = TailPolicy.DROP

    def __post_init__(self) -> None:
        if (self.count is None) == (self.length_s is None):
            raise UsageError("give either `segments`, a number, or `segment`, the seconds of each")
        if self.count is not None and self.count < 1:
            raise UsageError(f"`segments` must be at least 1, not {self.count}")
        if self.length_s is not None and not 0 < self.length_s < 1e9:
            raise UsageError(f"`segment` must be above 0 s, not {self.length_s}")
        if not 0 <= self.overlap < 1:
            raise UsageError(f"`overlap` must be 0 or more and below 1, not {self.overlap}")
        if self.count is not None and self.rest is TailPolicy.OVERLAP:
            raise UsageError("`rest=overlap` is for `segment`: equal `segments` cover the recording")

    def sizes(self, samples: int, sample_rate: int) -> SegmentConfig:
        """The length and hop of the segments of a recording of `samples` samples.

        Raises:
            SignalError: there are fewer samples than segments.
        """
        if self.count is None:
            length = max(1, round((self.length_s or 0.0) * sample_rate))
            return SegmentConfig(length=length, hop=self._hop(length))
        # The last of `count` segments ends with the recording: length + (count - 1) * hop = samples.
        parts = 1 + (self.count - 1) * (1 - self.overlap)
        length = 1 + int(samples / parts)
        while length and self._end(length) > samples:
            length -= 1
        if self.rest is not TailPolicy.DROP and self._end(length) < samples:
            length += 1
        if length < 1:
            message = f"{samples} samples can't be cut into {self.count} segments"
            raise SignalError(FailureKind.TOO_SHORT, message)
        return SegmentConfig(length=length, hop=self._hop(length))

    def _hop(self, length: int) -> int:
        return max(1, round(length * (1 - self.overlap)))

    def _end(self, length: int) -> int:
        """Where the last of `count` segments ends."""
        return length + ((self.count or 1) - 1) * self._hop(length)


def segment_count(samples: int, config: SegmentConfig, tail: TailPolicy, most: int | None = None) -> int:
    """The number of segments that a `Splitter` makes of `samples` samples, without one that is kept apart."""
    whole = max(0, 1 + (samples - config.length) // config.hop)
    rest = samples - ((whole - 1) * config.hop + config.length if whole else 0)
    padded = tail is TailPolicy.PAD and rest > 0
    overlapped = tail is TailPolicy.OVERLAP and (2 * rest >= config.length or not whole)
    count = whole + (samples > 0 and (padded or overlapped))
    return count if most is None else min(count, most)


class Sink(Protocol[T_co]):
    """Receives the samples of one segment in blocks."""

    def push(self, block: "NDArray[np.float32]", /) -> None:
        """Take the next samples of the segment, shape (n,) or (n, channels)."""

    def finish(self, start: int, valid: int, /) -> T_co:
        """The result of the segment.

        Args:
            start: the index in the clip of the segment's first sample.
            valid: how many of its samples are the clip's own, neither repeated nor zeros.
        """


@dataclass(frozen=True)  # no slots: calling `Ending`, a generic alias, sets an attribute
class Tail(Generic[T]):
    """How a clip of `samples` samples ended: what became of the last `rest_samples`.

    `segment` is the one that they gave, if any.
    """

    samples: int
    rest: TailHandling = TailHandling.NONE
    rest_samples: int = 0
    segment: T | None = None


class Splitter(Generic[T]):
    """Blocks of a clip go in, the results of its segments come out, each as soon as its last sample is there.

    Each segment has a sink, so that a long one need not be held in memory as samples. Only for
    `TailPolicy.OVERLAP` the last `length` samples are kept, as the blocks that they came in.

    Args:
        config: the length and hop of the segments.
        sink: makes the sink of a segment.
        tail: what is made of the samples behind the last whole segment.
        most: the largest number of segments.
    """

    def __init__(
        self,
        config: SegmentConfig,
        sink: Callable[[], Sink[T]],
        *,
        tail: TailPolicy = TailPolicy.OVERLAP,
        most: int | None = None,
    ) -> None:
        self._length, self._hop, self._pad_short = config.length, config.hop, config.pad_short
        self._sink = sink
        self._tail = tail
        self._most = most
        self._open: deque[tuple[int, Sink[T]]] = deque()
        self._begun = self._whole = self._samples = 0
        self._recent: deque[NDArray[np.float32]] = deque()
        self._kept = 0

    def push(self, block: "NDArray[np.float32]") -> Iterator[T]:
        """Take a block of shape (n,) or (n, channels), yield the segments that it completes."""
        begin, end = self._samples, self._samples + len(block)
        self._samples = end
        self._recent.append(block)
        self._kept += len(block)
        needed = self._length if self._tail is TailPolicy.OVERLAP else 0
        while len(self._recent) > 1 and self._kept - len(self._recent[0]) >= needed:
            self._kept -= len(self._recent.popleft())
        while self._begun * self._hop < end and self._begun != self._most:
            self._open.append((self._begun * self._hop, self._sink()))
            self._begun += 1
        for start, sink in self._open:
            part = block[max(0, start - begin) : max(0, start + self._length - begin)]
            if len(part):
                sink.push(part)
        while self._open and self._open[0][0] + self._length <= end:
            start, sink = self._open.popleft()
            self._whole += 1
            yield sink.finish(start, self._length)

    def finish(self) -> Tail[T]:
        """What became of the samples behind the last whole segment, once the clip has ended."""
        import numpy as np

        samples, length = self._samples, self._length
        covered = (self._whole - 1) * self._hop + length if self._whole else 0
        rest = max(0, samples - covered)
        if not rest:
            return Tail(samples)
        if self._tail is TailPolicy.OVERLAP and (2 * rest >= length or not self._whole):
            known = np.concatenate(self._recent)[-length:]
            start, valid, sink = samples - len(known), len(known), self._sink()
            handling = TailHandling.OVERLAPPED if self._whole else TailHandling.REPEATED
            if self._pad_short and not self._whole:
                handling = TailHandling.PADDED
                before = (length - valid) // 2
                widths = [(before, length - valid - before), *[(0, 0)] * (known.ndim - 1)]
                sink.push(np.pad(known, widths))
            else:
                sink.push(np.resize(known, (length, *known.shape[1:])))
        elif self._tail in (TailPolicy.PAD, TailPolicy.KEEP) and self._open:
            start, sink = self._open[0]
            valid, handling = samples - start, TailHandling.KEPT
            if self._tail is TailPolicy.PAD:
                handling = TailHandling.PADDED
                channels = self._recent[-1].shape[1:]
                sink.push(np.zeros((length - valid, *channels), dtype=np.float32))
        else:
            return Tail(samples, TailHandling.DROPPED, rest)
        return Tail(samples, handling, rest, sink.finish(start, valid))


@dataclass(frozen=True, slots=True)
class Segment:
    """`samples` of shape (length,) that start at sample `start` of the clip.

    `valid` of them are the clip's own, from index `first` on: fewer than the length only for a clip that was
    repeated or padded.
    """

    samples: "NDArray[np.float32]"
    start: int
    valid: int
    first: int = 0


Ending = Tail[Segment]


class _SegmentSink:
    """Joins the blocks of a segment."""

    def __init__(self, *, centred: bool) -> None:
        self._blocks: list[NDArray[np.float32]] = []
        self._centred = centred

    def push(self, block: "NDArray[np.float32]", /) -> None:
        self._blocks.append(block)

    def finish(self, start: int, valid: int, /) -> Segment:
        import numpy as np

        samples = np.concatenate(self._blocks)
        return Segment(samples, start, valid, (len(samples) - valid) // 2 if self._centred else 0)


class Cutter(Splitter[Segment]):
    """The segments of a mono clip as samples, with the tail that models are fed."""

    def __init__(self, config: SegmentConfig) -> None:
        super().__init__(config, lambda: _SegmentSink(centred=config.pad_short))


def cut(blocks: Iterable["NDArray[np.float32]"], config: SegmentConfig) -> Iterator[Segment]:
    """Yield the segments of a clip that comes as (n,) blocks; at least one if there is any sample."""
    cutter = Cutter(config)
    for block in blocks:
        yield from cutter.push(block)
    ending = cutter.finish()
    if ending.segment is not None:
        yield ending.segment
