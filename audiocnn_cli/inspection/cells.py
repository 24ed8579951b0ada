"""Cells of time and frequency for occlusion: bands, the grid of cells, and regions with large drops."""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

# Most segments that the model is run on for one explanation.
MOST_RUNS = 640
_LOWEST_HZ = 100.0
_FADE_S = 0.01
# How far a band reaches into its neighbours, in octaves each way.
_RAMP_OCTAVES = 1 / 12
# Shortest cell: fade in, fade out, and a plateau.
_SHORTEST_S = 0.05
# Cells a hop and bands an octave, finest first.
_LEVELS = ((16, 2), (8, 2), (4, 1), (2, 1), (1, 1))
# A region extends over neighbours with at least this share of its peak; further regions need it of the first.
_SHARE_OF_PEAK = 0.5


@dataclass(frozen=True, slots=True)
class Region:
    """Samples `start` to `end` (exclusive) of a clip in the bands `first` to `last` (inclusive)."""

    start: int
    end: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Grid:
    """Edges of the cells: `times` in samples of the clip, `bands_hz` in Hz."""

    times: tuple[int, ...]
    bands_hz: tuple[float, ...]

    @property
    def shape(self) -> tuple[int, int]:
        """Number of cells along time and along frequency."""
        return len(self.times) - 1, len(self.bands_hz) - 1

    def columns(self, start: int, end: int) -> range:
        """The cells in time that overlap samples `start` to `end`."""
        return range(bisect_right(self.times, start) - 1, bisect_left(self.times, end))


def most_segments(sample_rate: int) -> int:
    """Number of segments that can be searched with the coarsest grid."""
    cells, per_octave = _LEVELS[-1]
    bands = len(band_edges(sample_rate, per_octave=per_octave)) - 1
    return max(1, MOST_RUNS // (cells * bands))


def choose_grid(segments: int, *, end: int, hop: int, sample_rate: int) -> Grid:
    """The finest grid over a clip of `end` samples that takes at most `MOST_RUNS` runs for its `segments`."""
    period = min(hop, end)  # a clip shorter than a segment is repeated in it
    most = max(1, int(period / (_SHORTEST_S * sample_rate)))
    for level, per_octave in _LEVELS:
        cells = min(level, most)
        bands = band_edges(sample_rate, per_octave=per_octave)
        if segments * cells * (len(bands) - 1) <= MOST_RUNS:
            break
    edges = {round(i * period / cells) for i in range(-(-end * cells // max(1, period)))}
    return Grid((*sorted(edge for edge in edges if edge < end), end), bands)


def band_edges(sample_rate: int, *, per_octave: int) -> tuple[float, ...]:
    """Band edges from 0 to half the rate, in Hz: one band below 100 Hz, above it `per_octave` an octave."""
    nyquist = sample_rate / 2
    count = math.ceil(per_octave * math.log2(nyquist / _LOWEST_HZ)) if nyquist > _LOWEST_HZ else 0
    inner = [_LOWEST_HZ * 2 ** (i / per_octave) for i in range(max(0, count))]
    # A last band narrower than half of the others is joined to the one before it.
    if len(inner) > 1 and nyquist / inner[-1] < 2 ** (0.5 / per_octave):
        inner.pop()
    return (0.0, *inner, nyquist)


def split(
    samples: NDArray[np.float32],
    edges: tuple[float, ...],
    ranges: Sequence[tuple[int, int]],
    *,
    sample_rate: int,
) -> NDArray[np.float32]:
    """Filter `samples` (n,) into ranges of bands, each first to last (inclusive): (len(ranges), n), float32.

    The filters multiply the Fourier transform of the whole, with ramps of a twelfth of an octave on each side
    of an edge. All bands between `edges` add up to the samples.
    """
    bands = _band_weights(len(samples), edges, sample_rate)
    weights = np.stack([bands[first : last + 1].sum(axis=0) for first, last in ranges])
    filtered = np.fft.rfft(samples) * weights
    return np.asarray(np.fft.irfft(filtered, n=len(samples)), dtype=np.float32)


@lru_cache(maxsize=2)
def _band_weights(n: int, edges: tuple[float, ...], sample_rate: int) -> NDArray[np.float32]:
    """Weight of each bin of a transform of `n` samples in each band: (bands, bins)."""
    octaves = np.log2(np.maximum(np.fft.rfftfreq(n, 1 / sample_rate), 1e-3))
    inner = np.log2(edges[1:-1])
    above = [np.interp(octaves, [at - _RAMP_OCTAVES, at + _RAMP_OCTAVES], [0.0, 1.0]) for at in inner]
    of_edges = [np.ones(len(octaves)), *above, np.zeros(len(octaves))]
    return np.asarray(-np.diff(of_edges, axis=0), dtype=np.float32)


def window(start: int, end: int, at: NDArray[np.int64], *, sample_rate: int) -> NDArray[np.float32]:
    """1 for the samples from `start` to `end` of the clip, else 0, with a fade of 10 ms at both ends.

    `at` is the position of each sample in the clip.
    """
    fade = max(1.0, _FADE_S * sample_rate / 2)
    risen = np.interp(at, [start - fade, start + fade], [0.0, 1.0])
    fallen = np.interp(at, [end - fade, end + fade], [0.0, 1.0])
    return np.asarray(risen - fallen, dtype=np.float32)


def strongest(drops: NDArray[np.float64], grid: Grid, *, most: int) -> Iterator[Region]:
    """The disjoint regions in which `drops` (times, bands) is largest, in descending order of their peaks.

    Each is grown from a peak over its neighbours. Peaks below half of the first are left out.
    """
    left = np.nan_to_num(drops)
    first = float(left.max(initial=0.0))
    for _ in range(most):
        column, band = np.unravel_index(int(left.argmax()), left.shape)
        peak = float(left[column, band])
        if peak <= 0 or peak < _SHARE_OF_PEAK * first:
            return
        times, bands = _grow(left, (int(column), int(band)), _SHARE_OF_PEAK * peak)
        left[times, bands] = 0.0
        yield Region(grid.times[times.start], grid.times[times.stop], bands.start, bands.stop - 1)


def _grow(drops: NDArray[np.float64], cell: tuple[int, int], enough: float) -> list[slice]:
    """The rectangle around a cell to which rows and columns with a mean of at least `enough` are added."""
    box = [slice(at, at + 1) for at in cell]
    while True:
        best, grown = -math.inf, box
        for axis, span in enumerate(box):
            for edge in (span.start - 1, span.stop):
                added, longer = box.copy(), box.copy()
                added[axis] = slice(edge, edge + 1)
                longer[axis] = slice(min(edge, span.start), max(edge + 1, span.stop))
                if 0 <= edge < drops.shape[axis] and (mean := drops[tuple(added)].mean()) > best:
                    best, grown = mean, longer
        if best < enough:
            return box
        box = grown
