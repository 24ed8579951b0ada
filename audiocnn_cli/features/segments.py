"""A recording in segments, each a signal of its own: framed, padded and floored by itself."""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from audiocnn_cli.errors import FailureKind, SignalError, UsageError
from audiocnn_cli.features.config import FeatureConfig
from audiocnn_cli.features.extract import Extraction
from audiocnn_cli.features.spool import Spool
from audiocnn_cli.features.terms import TailPolicy

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Segmentation:
    """Either `count` equal segments, or segments of `length_s` seconds; each overlaps the one before.

    Raises:
        UsageError: a value is out of its range, or not exactly one of `count` and `length_s` is given.
    """

    count: int | None = None
    length_s: float | None = None
    overlap: float = 0.0
    rest: TailPolicy = TailPolicy.DROP

    def __post_init__(self) -> None:
        if (self.count is None) == (self.length_s is None):
            raise UsageError("give either a number of segments or the seconds of a segment")
        if self.count is not None and self.count < 1:
            raise UsageError(f"segments must be at least 1, not {self.count}")
        if self.length_s is not None and not 0 < self.length_s < 1e9:
            raise UsageError(f"segment must be above 0 s, not {self.length_s}")
        if not 0 <= self.overlap < 1:
            raise UsageError(f"overlap must be 0 or more and below 1, not {self.overlap}")

    def sizes(self, total: int, sample_rate: int) -> "SegmentSizes":
        """The segments of a recording of `total` samples.

        Raises:
            SignalError: there are fewer samples than segments.
        """
        if self.count is None:
            length = max(1, round((self.length_s or 0.0) * sample_rate))
            return SegmentSizes(length, self._hop(length), self.rest)
        # The last of `count` segments ends with the recording: length + (count - 1) * hop = total.
        parts = 1 + (self.count - 1) * (1 - self.overlap)
        length = 1 + int(total / parts)
        while length and length + (self.count - 1) * self._hop(length) > total:
            length -= 1
        if (
            self.rest is not TailPolicy.DROP
            and length + (self.count - 1) * self._hop(length) < total
        ):
            length += 1
        if length < 1:
            raise SignalError(
                FailureKind.TOO_SHORT, f"{total} samples can't be cut into {self.count} segments"
            )
        return SegmentSizes(length, self._hop(length), self.rest, self.count)

    def _hop(self, length: int) -> int:
        return max(1, round(length * (1 - self.overlap)))


@dataclass(frozen=True, slots=True)
class SegmentSizes:
    """Segments of `length` samples, one every `hop`, at most `count` of them."""

    length: int
    hop: int
    rest: TailPolicy = TailPolicy.DROP
    count: int | None = None


@dataclass(frozen=True, slots=True)
class Segments:
    """`data` of shape (segments, frames, bins[, channels]); `rest` of (frames, bins[, channels]) if kept."""

    data: "NDArray[np.float32]"
    rest: "NDArray[np.float32] | None"


def extract_segments(
    blocks: "Iterable[NDArray[np.float32]]",
    configs: Sequence[FeatureConfig],
    sizes: SegmentSizes,
) -> Segments:
    """The features of each segment of a signal that comes in blocks of (n,) or (n, channels).

    Raises:
        SignalError: the signal is shorter than one segment, or as `extract`.
    """
    segmenter = _Segmenter(configs, sizes)
    for block in blocks:
        segmenter.push(block)
    return segmenter.finish()


class _Segmenter:
    """Hands each block to the segments that it lies in."""

    def __init__(self, configs: Sequence[FeatureConfig], sizes: SegmentSizes) -> None:
        self._configs = configs
        self._sizes = sizes
        self._open: deque[tuple[int, Extraction]] = deque()
        self._begun = 0
        self._seen = 0
        self._done = Spool()
        self._channels: tuple[int, ...] = ()

    def push(self, block: "NDArray[np.float32]") -> None:
        self._channels = block.shape[1:]
        end = self._seen + len(block)
        while self._begun * self._sizes.hop < end and self._begun != self._sizes.count:
            self._open.append((self._begun * self._sizes.hop, Extraction(self._configs)))
            self._begun += 1
        for start, extraction in self._open:
            part = block[
                max(0, start - self._seen) : max(0, start + self._sizes.length - self._seen)
            ]
            if len(part):
                extraction.push(part)
        self._seen = end
        while self._open and self._open[0][0] + self._sizes.length <= end:
            self._done.append(self._open.popleft()[1].finish()[None])

    def finish(self) -> Segments:
        rest = self._rest()
        if rest is not None and self._sizes.rest is TailPolicy.PAD:
            self._done.append(rest[None])
            rest = None
        if not len(self._done) and rest is None:
            seconds = [n / self._configs[0].sample_rate for n in (self._seen, self._sizes.length)]
            raise SignalError(
                FailureKind.TOO_SHORT,
                f"is {seconds[0]:.2f} s, shorter than one segment of {seconds[1]:g} s; use a shorter one, or"
                " --rest pad",
            )
        data = self._done.array()
        return Segments(data if rest is None or len(data) else rest[None][:0], rest)

    def _rest(self) -> "NDArray[np.float32] | None":
        """The features of what lies behind the last whole segment, if they are wanted."""
        import numpy as np

        whole = len(self._done)
        covered = (whole - 1) * self._sizes.hop + self._sizes.length if whole else 0
        if self._sizes.rest is TailPolicy.DROP or not self._open or covered >= self._seen:
            return None
        start, extraction = self._open[0]
        if self._sizes.rest is TailPolicy.PAD:
            missing = start + self._sizes.length - self._seen
            extraction.push(np.zeros((missing, *self._channels), dtype=np.float32))
        return extraction.finish()
