"""The feature tensor of a recording, with the parameters and axes that describe it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from audiocnn_cli.audio.decode import AudioInfo, AudioReader, open_audio
from audiocnn_cli.audio.load import channel_blocks, mono_blocks
from audiocnn_cli.audio.resample import resampled_length
from audiocnn_cli.audio.sources import Source
from audiocnn_cli.errors import InputError, SignalError
from audiocnn_cli.features.config import Feature
from audiocnn_cli.features.extract import extract_blocks, tuned
from audiocnn_cli.features.plan import Plan, axes, columns
from audiocnn_cli.features.segments import extract_segments
from audiocnn_cli.features.terms import Statistic

_BLOCK_VALUES = 1 << 20


@dataclass(frozen=True, slots=True)
class Tensor:
    """A feature tensor and its axes.

    `data` is float32 of shape ([segments,] frames, bins[, channels]); a summary has statistics for frames.
    `mean` and `std` are over all frames, shape (bins[, channels]). `rest`, where segments leave one and it is
    kept, is one segment with fewer frames. `starts_s` is when each segment starts in the recording, and
    `duration_s` how much of it was read. `plan` holds the tuning that was estimated.
    """

    plan: Plan
    data: NDArray[np.float32]
    mean: NDArray[np.float64]
    std: NDArray[np.float64]
    duration_s: float
    rest: NDArray[np.float32] | None
    starts_s: tuple[float, ...]

    @property
    def axes(self) -> tuple[str, ...]:
        """What each axis of `data` counts."""
        first, second = axes(self.plan.configs)
        names = (["segment"] if self.plan.segmentation else []) + [
            "statistic" if self.plan.summary else first,
            second,
        ]
        return (*names, "channel")[: self.data.ndim]

    @property
    def times_s(self) -> NDArray[np.float64]:
        """When each frame is, from its segment's start: its middle if centred, else its start."""
        config = self.plan.config
        hop = 1 if config.feature is Feature.WAVEFORM else config.hop_length
        frames = self.data.shape[1 if self.plan.segmentation else 0]
        return np.arange(frames, dtype=np.float64) * (hop / config.sample_rate)

    @property
    def columns(self) -> list[str]:
        """The name of each column of a row: the bins, each with its channel where there are several."""
        names = columns(self.plan.configs)
        if "channel" not in self.axes:
            return names
        parts = range(self.data.shape[-1])
        if self.plan.config.feature is not Feature.COMPLEX:
            return [f"{name}_channel{part}" for name in names for part in parts]
        ends = [f"{end}{part // 2 or ''}" for part in parts for end in (("re", "im")[part % 2],)]
        return [f"{name}_{end}" for name in names for end in ends]


@dataclass(frozen=True, slots=True)
class FeatureResult:
    """The tensor of one recording."""

    source: Source
    info: AudioInfo
    tensor: Tensor


def extract_source(source: Source, plan: Plan) -> FeatureResult:
    """Decode `source` and compute its features, in memory that does not grow with its length.

    Raises:
        InputError: the source can't be used.
    """
    with open_audio(source) as reader:
        try:
            return _extract(source, reader, plan)
        except InputError:
            raise
        except SignalError as error:
            raise InputError(source.path, error.kind, error.message) from error


def _extract(source: Source, reader: AudioReader, plan: Plan) -> FeatureResult:
    def blocks() -> Iterator[NDArray[np.float32]]:
        read = channel_blocks if plan.keep_channels else mono_blocks
        return read(reader, sample_rate=plan.config.sample_rate, excerpt=plan.excerpt)

    # Only equal segments need the length before the end; where the header estimates it, it is counted.
    counted = plan.segmentation is not None and plan.segmentation.count is not None
    length = (_length(reader, plan) or sum(map(len, blocks()))) if counted else 0
    tensor = compute(blocks, length, plan)
    return FeatureResult(source, reader.info, tensor)


def compute(blocks: Callable[[], Iterator[NDArray[np.float32]]], length: int, plan: Plan) -> Tensor:
    """The tensor of a recording.

    Args:
        blocks: returns the recording from its beginning, as arrays of shape (n,) or (n, channels); called
            twice where a tuning is estimated.
        length: samples in all; used for a given number of segments only.
        plan: what to compute; `blocks` yields its excerpt only.

    Raises:
        SignalError: the recording is too short, or holds numbers beyond what float32 can square.
    """
    configs = tuned(blocks(), plan.configs)
    plan = replace(plan, configs=configs)
    counted = _Counted(blocks())
    rest = None
    starts: tuple[float, ...] = (plan.excerpt.offset_s,)
    if plan.segmentation is None:
        data = extract_blocks(counted, configs)
    else:
        rate = plan.config.sample_rate
        sizes = plan.segmentation.sizes(length, rate)
        segments = extract_segments(counted, configs, sizes, plan.segmentation)
        data, rest = segments.data, segments.rest
        starts = tuple(plan.excerpt.offset_s + start / rate for start in segments.starts)
    mean, std = mean_and_std(data, axes=2 if plan.segmentation else 1)
    if plan.summary:
        if plan.segmentation is None:
            data = summarise(data, plan.summary)
        else:
            frames = data.swapaxes(0, 1)
            data = summarise(frames, plan.summary).swapaxes(0, 1)
        rest = None if rest is None else summarise(rest, plan.summary)
    return Tensor(plan, data, mean, std, counted.samples / plan.config.sample_rate, rest, starts)


class _Counted:
    """Blocks as they come, and how many samples they held."""

    def __init__(self, blocks: Iterator[NDArray[np.float32]]) -> None:
        self.samples = 0
        self._blocks = blocks

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        for block in self._blocks:
            self.samples += len(block)
            yield block


def _length(reader: AudioReader, plan: Plan) -> int:
    """Samples after resampling, as the header has them; 0 where it only estimates them."""
    info = reader.info
    if not info.exact_length:
        return 0
    start, wanted = plan.excerpt.span(info)
    frames = info.frames - start if wanted is None else min(wanted, info.frames - start)
    return resampled_length(frames, source_rate=info.sample_rate, sample_rate=plan.config.sample_rate)


def mean_and_std(data: NDArray[np.float32], *, axes: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation (over n, not n - 1) over the first `axes` axes, in float64."""
    over = tuple(range(axes))
    step = max(1, _BLOCK_VALUES * len(data) // max(1, data.size))
    blocks = [slice(start, start + step) for start in range(0, len(data), step)]
    count = max(1, int(np.prod(data.shape[:axes])))
    zero = np.zeros(data.shape[axes:])
    mean = sum((data[rows].sum(axis=over, dtype=np.float64) for rows in blocks), zero) / count
    squares = sum((((data[rows] - mean) ** 2).sum(axis=over) for rows in blocks), zero)
    return mean, np.sqrt(squares / count)


def summarise(data: NDArray[np.float32], statistics: tuple[Statistic, ...]) -> NDArray[np.float32]:
    """(frames, ...) to (statistics, ...)."""
    compute: dict[Statistic, Callable[[], NDArray[np.float64]]] = {
        Statistic.MEAN: lambda: mean_and_std(data, axes=1)[0],
        Statistic.STD: lambda: mean_and_std(data, axes=1)[1],
        Statistic.MIN: lambda: data.min(axis=0),
        Statistic.MAX: lambda: data.max(axis=0),
        Statistic.MEDIAN: lambda: np.median(data, axis=0),
    }
    rows = [compute[each]() for each in statistics]
    return np.stack(rows).astype(np.float32)
