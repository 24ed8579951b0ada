"""The features of a recording in segments, each a signal of its own: framed, padded and floored by itself."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audiocnn_cli.audio.segments import Segmentation, SegmentConfig, Splitter, TailHandling, TailPolicy
from audiocnn_cli.errors import FailureKind, SignalError
from audiocnn_cli.features.config import FeatureConfig
from audiocnn_cli.features.extract import Extraction
from audiocnn_cli.features.spool import Spool


@dataclass(frozen=True, slots=True)
class Segments:
    """`data` of shape (segments, frames, bins[, channels]); `rest` of (frames, bins[, channels]) if kept.

    `starts` are the first samples of the segments, the rest included, counted from that of the recording.
    """

    data: NDArray[np.float32]
    rest: NDArray[np.float32] | None
    starts: tuple[int, ...]


def extract_segments(
    blocks: Iterable[NDArray[np.float32]],
    configs: Sequence[FeatureConfig],
    sizes: SegmentConfig,
    segmentation: Segmentation,
) -> Segments:
    """The features of each segment of a signal that comes in blocks of (n,) or (n, channels).

    Args:
        blocks: the signal, in blocks of any size.
        configs: as for `extract_blocks`.
        sizes: what `segmentation` gives for the signal's length.
        segmentation: how many segments there may be, and what is made of the samples behind the last one.

    Raises:
        SignalError: the signal is shorter than one segment, or as `extract`.
    """
    done, starts = Spool(), []
    splitter = Splitter(sizes, lambda: _Features(configs), tail=segmentation.rest, most=segmentation.count)
    for block in blocks:
        for start, data in splitter.push(block):
            starts.append(start)
            done.append(data[None])
    ending = splitter.finish()
    rest = None
    if ending.segment is not None:
        start, last = ending.segment
        starts.append(start)
        if ending.rest is TailHandling.KEPT:
            rest = last
        else:
            done.append(last[None])
    if not starts:
        seconds = [n / configs[0].sample_rate for n in (ending.samples, sizes.length)]
        raise SignalError(
            FailureKind.TOO_SHORT,
            f"is {seconds[0]:.2f} s, shorter than one segment of {seconds[1]:g} s; use a shorter one, or"
            f" `rest={TailPolicy.PAD}`",
        )
    data = done.array() if len(done) or rest is None else rest[None][:0]
    return Segments(data, rest, tuple(starts))


class _Features:
    """The features of one segment, as a `Sink`."""

    def __init__(self, configs: Sequence[FeatureConfig]) -> None:
        self._extraction = Extraction(configs)

    def push(self, block: NDArray[np.float32], /) -> None:
        self._extraction.push(block)

    def finish(self, start: int, _valid: int, /) -> tuple[int, NDArray[np.float32]]:
        return start, self._extraction.finish()
