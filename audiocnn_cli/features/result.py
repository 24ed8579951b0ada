"""The feature tensor of a recording, with the parameters and axes that describe it.

Each segment of a recording is a signal of its own: framed, padded and floored by itself.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from audiocnn_cli.audio.decode import AudioInfo, open_audio
from audiocnn_cli.audio.load import channel_blocks, mono_blocks
from audiocnn_cli.audio.resample import resampled_length
from audiocnn_cli.audio.segments import Segmentation, SegmentConfig, Splitter, TailHandling, TailPolicy
from audiocnn_cli.audio.sources import Source
from audiocnn_cli.audio.streams import open_once
from audiocnn_cli.errors import FailureKind, InputError, SignalError
from audiocnn_cli.features.config import Feature, FeatureConfig, Statistic
from audiocnn_cli.features.extract import Extraction, extract_blocks, needs_tuning, tuned
from audiocnn_cli.features.plan import Plan, axes, columns
from audiocnn_cli.features.spool import Spool

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
        lead = ("segment",) if self.plan.segmentation else ()
        return (*lead, "statistic" if self.plan.summary else first, second, "channel")[: self.data.ndim]

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
        ends = [f"channel{part}" for part in range(self.data.shape[-1])]
        if self.plan.config.feature is Feature.COMPLEX:
            ends = [f"{('re', 'im')[part % 2]}{part // 2 or ''}" for part in range(len(ends))]
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
    twice = plan.segmentation is not None and plan.segmentation.count is not None
    twice = twice or needs_tuning(plan.configs)
    with open_audio(source) if twice else open_once(source) as reader:
        info, rate = reader.info, plan.config.sample_rate
        read = channel_blocks if plan.keep_channels else mono_blocks
        blocks = partial(read, reader, sample_rate=rate, excerpt=plan.excerpt)
        length = 0
        try:
            # Only equal segments need the length before the end; it is counted where the header estimates it.
            if plan.segmentation is not None and plan.segmentation.count is not None:
                frames = plan.excerpt.frames(reader) if info.exact_length else 0
                length = resampled_length(frames, source_rate=info.sample_rate, sample_rate=rate)
                length = length or sum(map(len, blocks()))
            return FeatureResult(source, info, compute(blocks, length, plan))
        except InputError:
            raise
        except SignalError as error:
            raise InputError(source.path, error.kind, error.message) from error


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
    samples = 0

    def counted() -> Iterator[NDArray[np.float32]]:
        nonlocal samples
        for block in blocks():
            samples += len(block)
            yield block

    rest = None
    starts: tuple[float, ...] = (plan.excerpt.offset_s,)
    if plan.segmentation is None:
        data = extract_blocks(counted(), configs)
    else:
        rate = plan.config.sample_rate
        sizes = plan.segmentation.sizes(length, rate)
        segments = extract_segments(counted(), configs, sizes, plan.segmentation)
        data, rest = segments.data, segments.rest
        starts = tuple(plan.excerpt.offset_s + start / rate for start in segments.starts)
    frame_axis = 1 if plan.segmentation else 0
    skip_nan = plan.may_hold_nan
    mean, std = _mean_and_std(data, axes=1 + frame_axis, skip_nan=skip_nan)
    if plan.summary:
        summarise = partial(_summarise, statistics=plan.summary, skip_nan=skip_nan)
        data = summarise(data.swapaxes(0, frame_axis)).swapaxes(0, frame_axis)
        rest = None if rest is None else summarise(rest)
    return Tensor(plan, data, mean, std, samples / plan.config.sample_rate, rest, starts)


def _mean_and_std(
    data: NDArray[np.float32], *, axes: int, skip_nan: bool = False
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation (over n, not n - 1) over the first `axes` axes, in float64.

    With `skip_nan` those of the other numbers; NaN where there are none.
    """
    over = tuple(range(axes))
    step = max(1, _BLOCK_VALUES * len(data) // max(1, data.size))
    blocks = [slice(start, start + step) for start in range(0, len(data), step)]
    zero = np.zeros(data.shape[axes:])
    total = np.nansum if skip_nan else np.sum
    count = zero + max(1, int(np.prod(data.shape[:axes])))
    if skip_nan:
        count = sum(((~np.isnan(data[rows])).sum(axis=over) for rows in blocks), zero)
        count[count == 0] = np.nan
    mean = sum((total(data[rows], axis=over, dtype=np.float64) for rows in blocks), zero) / count
    squares = sum((total((data[rows] - mean) ** 2, axis=over) for rows in blocks), zero)
    return mean, np.sqrt(squares / count)


def _summarise(
    data: NDArray[np.float32], statistics: tuple[Statistic, ...], *, skip_nan: bool
) -> NDArray[np.float32]:
    """(frames, ...) to (statistics, ...)."""
    compute: dict[Statistic, Callable[[], NDArray[np.float64]]] = {
        Statistic.MEAN: lambda: _mean_and_std(data, axes=1, skip_nan=skip_nan)[0],
        Statistic.STD: lambda: _mean_and_std(data, axes=1, skip_nan=skip_nan)[1],
        # They leave out NaN.
        Statistic.MIN: lambda: np.fmin.reduce(data, axis=0),
        Statistic.MAX: lambda: np.fmax.reduce(data, axis=0),
        Statistic.MEDIAN: lambda: _median(data) if skip_nan else np.median(data, axis=0),
    }
    rows = [compute[each]() for each in statistics]
    return np.stack(rows).astype(np.float32)


def _median(data: NDArray[np.float32]) -> NDArray[np.float64]:
    """The median over the first axis of what is not NaN; NaN where there is nothing else."""
    columns = data.reshape(len(data), -1).T
    there = [column[~np.isnan(column)] for column in columns]
    medians = [np.median(column) if column.size else np.nan for column in there]
    return np.array(medians).reshape(data.shape[1:])


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
        seconds, least = (n / configs[0].sample_rate for n in (ending.samples, sizes.length))
        advice = f"use a shorter one, or `rest={TailPolicy.PAD}`"
        message = f"is {seconds:.2f} s, shorter than one segment of {least:g} s; {advice}"
        raise SignalError(FailureKind.TOO_SHORT, message)
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
