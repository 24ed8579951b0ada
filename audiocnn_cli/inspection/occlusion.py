"""Occlusion: the times and frequencies that a label rests on.

Parts of the sound are attenuated by 30 dB one after the other, and the drop of the label's probability is
measured. The sound is changed, not the features: so it applies to any model, and frequencies are those of
the sound also for features without a frequency axis, such as cepstral coefficients.

Source: Zeiler and Fergus, ECCV 2014.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby, islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from audiocnn_cli.audio.decode import open_audio
from audiocnn_cli.audio.load import WHOLE, Excerpt, mono_blocks
from audiocnn_cli.audio.segments import Segment, cut
from audiocnn_cli.audio.sources import Source
from audiocnn_cli.inspection.cells import Grid, Region, choose_grid, most_segments, split, strongest, window
from audiocnn_cli.models.inference import ModelStream, is_silent, tensor_of

DECIBELS = 30.0
_BATCH = 16
_MOST_SPANS = 3
# NumPy and ONNX Runtime release the interpreter lock for nearly all of the work.
_THREADS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A region of time and frequency that the label rests on.

    `before` and `after` are the label's mean probability in the `segments` that the region overlaps, without
    and with the attenuation.
    """

    start_s: float
    end_s: float
    low_hz: float
    high_hz: float
    before: float
    after: float
    segments: int

    @property
    def weight(self) -> float:
        """Drop summed over the segments, by which regions are compared."""
        return (self.before - self.after) * self.segments


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """What the label of a clip rests on.

    Args:
        label: the label.
        times_s: edges of the cells in seconds of the recording.
        bands_hz: edges of the cells in Hz.
        drops: by how much the label's probability for the clip drops when a cell is attenuated by `decibels`,
            shape (times, bands); negative where it rises, NaN where it was not searched.
        spans: the regions with the largest drops, by descending weight.
        segments: number of segments that are not silent.
        searched: of these in how many was searched: of a long clip those in which the label is most probable.
        decibels: the attenuation.
    """

    label: str
    times_s: tuple[float, ...]
    bands_hz: tuple[float, ...]
    drops: NDArray[np.float64]
    spans: tuple[Span, ...]
    segments: int
    searched: int
    decibels: float = DECIBELS


def explain_label(source: Source, stream: ModelStream, label: str, excerpt: Excerpt = WHOLE) -> Why:
    """Search `source` for what `label` rests on, with a bounded number of runs for a clip of any length.

    Raises:
        SignalError: the source can't be read.
    """
    rate = stream.model.signature.features.sample_rate
    scorer = _LabelScorer(stream, label)
    with open_audio(source) as reader:
        start_s = excerpt.span(reader.info)[0] / reader.info.sample_rate
        segments = cut(mono_blocks(reader, sample_rate=rate, excerpt=excerpt), stream.segment)
        clip = _sounding(segments, scorer, most_segments(rate))
    grid = choose_grid(clip.number, end=clip.end, hop=stream.segment.hop, sample_rate=rate)
    drops = _drops(clip, scorer, grid)
    regions = strongest(drops, grid, most=_MOST_SPANS)
    spans = [_span(region, clip.kept, scorer, grid, start_s) for region in regions]
    return Why(
        label=label,
        times_s=tuple(start_s + time / rate for time in grid.times),
        bands_hz=grid.bands_hz,
        drops=drops,
        spans=tuple(sorted(spans, key=lambda span: -span.weight)),
        segments=clip.number,
        searched=len(clip.kept),
    )


@dataclass(frozen=True, slots=True)
class _Scored:
    """A segment, and the probability of the other labels in it."""

    segment: Segment
    complement: float

    @property
    def end(self) -> int:
        """The first sample of the clip behind the segment."""
        return self.segment.start + self.segment.valid


class _LabelScorer:
    """Runs a model for the probability of one label."""

    def __init__(self, stream: ModelStream, label: str) -> None:
        self._stream = stream
        self._signature = stream.model.signature
        self._index = self._signature.labels.index(label)

    def complement(self, samples: NDArray[np.float32]) -> NDArray[np.float64]:
        """1 minus the label's probability, for samples of shape (n, length): shape (n,).

        For labels that exclude each other it is the sum of the others' probabilities, which is precise also
        where 1 - p would round to 0.
        """
        tensors = np.stack([tensor_of(each, self._signature.features) for each in samples])
        model, member = self._stream.model, self._stream.member
        found = model.scores(tensors, member=member).astype(np.float64)
        if self._signature.multi_label:
            return np.asarray(1.0 - found[:, self._index])
        return np.asarray(np.delete(found, self._index, axis=1).sum(axis=1))

    def drops(
        self, scored: _Scored, regions: Sequence[Region], bands_hz: tuple[float, ...]
    ) -> NDArray[np.float64]:
        """Drop of the label's probability in a segment for each region, shape (regions,)."""
        attenuated = self._attenuated(scored.segment, regions, bands_hz)
        found = []
        while batch := list(islice(attenuated, _BATCH)):
            found.append(self.complement(np.stack(batch)))
        return np.concatenate(found) - scored.complement

    def _attenuated(
        self, segment: Segment, regions: Sequence[Region], bands_hz: tuple[float, ...]
    ) -> Iterator[NDArray[np.float32]]:
        """The samples with one region after the other attenuated; regions of equal times share a window."""
        samples, rate = segment.samples, self._signature.features.sample_rate
        ranges = sorted({(region.first, region.last) for region in regions})
        filtered = dict(zip(ranges, split(samples, bands_hz, ranges, sample_rate=rate), strict=True))
        # A clip shorter than a segment is repeated in it: a region is in it several times.
        at = segment.start + (np.arange(len(samples)) - segment.first) % segment.valid
        removed = np.float32(1 - 10 ** (-DECIBELS / 20))
        for (start, end), together in groupby(regions, key=lambda region: (region.start, region.end)):
            weights = removed * window(start, end, at, sample_rate=rate)
            for region in together:
                yield samples - weights * filtered[region.first, region.last]


class _Sounding(NamedTuple):
    """The segments to search, the number of all that are not silent, and the first sample behind the last."""

    kept: list[_Scored]
    number: int
    end: int


def _sounding(segments: Iterator[Segment], scorer: _LabelScorer, most: int) -> _Sounding:
    """The segments that are not silent, of a long clip the `most` in which the label is most probable."""
    kept: list[_Scored] = []
    number = end = 0
    while batch := list(islice(segments, _BATCH)):
        end = batch[-1].start + batch[-1].valid
        if sounding := [segment for segment in batch if not is_silent(segment)]:
            complements = scorer.complement(np.stack([each.samples for each in sounding]))
            kept += map(_Scored, sounding, complements.tolist())
            number += len(sounding)
        while len(kept) > most:
            del kept[int(np.argmax([each.complement for each in kept]))]
    return _Sounding(kept, number, end)


def _drops(clip: _Sounding, scorer: _LabelScorer, grid: Grid) -> NDArray[np.float64]:
    """Drop of the clip's probability for each cell, over all segments that overlap it: (times, bands)."""
    bands = range(grid.shape[1])
    drops = np.full(grid.shape, np.nan)

    def of_segment(scored: _Scored) -> tuple[range, NDArray[np.float64]]:
        columns = grid.columns(scored.segment.start, scored.end)
        times = [(grid.times[column], grid.times[column + 1]) for column in columns]
        cells = [Region(start, end, band, band) for start, end in times for band in bands]
        return columns, scorer.drops(scored, cells, grid.bands_hz).reshape(len(columns), -1)

    with ThreadPoolExecutor(max_workers=_THREADS) as pool:
        for columns, found in pool.map(of_segment, clip.kept):
            part = drops[columns.start : columns.stop]
            part[:] = np.nan_to_num(part) + found / clip.number
    return drops


def _span(region: Region, kept: Sequence[_Scored], scorer: _LabelScorer, grid: Grid, start_s: float) -> Span:
    """The region with the label's probability before and after it is attenuated as a whole."""
    touched = [each for each in kept if each.segment.start < region.end and each.end > region.start]
    drops = [float(scorer.drops(each, [region], grid.bands_hz)[0]) for each in touched]
    before = sum(1.0 - each.complement for each in touched) / len(touched)
    rate = grid.bands_hz[-1] * 2
    return Span(
        start_s=start_s + region.start / rate,
        end_s=start_s + region.end / rate,
        low_hz=grid.bands_hz[region.first],
        high_hz=grid.bands_hz[region.last + 1],
        before=before,
        after=before - sum(drops) / len(touched),
        segments=len(touched),
    )
