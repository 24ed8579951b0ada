"""Where to look for what a label rests on, how finely, and what to make of what is found."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from audiocnn_cli.inspection.bands import Part, band_edges

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# So many times is a model asked for one explanation at most.
MOST_ANSWERS = 640
# A cell is as long as it takes to fade in and out, and some more.
_SHORTEST_S = 0.05
# Cells a hop and bands an octave, finest first.
_LEVELS = ((16, 2), (8, 2), (4, 1), (2, 1), (1, 1))
# A part reaches as far as its neighbours are of half its peak's weight, and the next part must be as strong.
_SHARE_OF_PEAK = 0.5


@dataclass(frozen=True, slots=True)
class Grid:
    """The cells that are turned down: edges in samples of the clip, and in Hz."""

    times: tuple[int, ...]
    bands_hz: tuple[float, ...]

    @property
    def shape(self) -> tuple[int, int]:
        """How many cells there are along time and along frequency."""
        return len(self.times) - 1, len(self.bands_hz) - 1

    def columns(self, start: int, end: int) -> range:
        """The cells in time that samples `start` to `end` lie in."""
        return range(bisect_right(self.times, start) - 1, bisect_left(self.times, end))


def most_segments(sample_rate: int) -> int:
    """How many segments can be searched, if coarsely."""
    cells, per_octave = _LEVELS[-1]
    bands = len(band_edges(sample_rate, per_octave=per_octave)) - 1
    return max(1, MOST_ANSWERS // (cells * bands))


def choose_grid(segments: int, *, end: int, hop: int, sample_rate: int) -> Grid:
    """The finest grid over a clip of `end` samples whose cells can all be tried in its `segments`."""
    across = min(hop, end)  # a clip shorter than a segment is repeated in it
    most = max(1, int(across / (_SHORTEST_S * sample_rate)))
    for level, per_octave in _LEVELS:
        cells = min(level, most)
        bands = band_edges(sample_rate, per_octave=per_octave)
        if segments * cells * (len(bands) - 1) <= MOST_ANSWERS:
            break
    edges = {round(i * across / cells) for i in range(-(-end * cells // max(1, across)))}
    return Grid((*sorted(edge for edge in edges if edge < end), end), bands)


def strongest(drops: "NDArray[np.float64]", grid: Grid, *, most: int) -> Iterator[Part]:
    """The parts in which `drops` (times, bands) is largest, strongest first, none within another.

    Each is grown from a peak over its neighbours; those of less than half of the first peak are left out.
    """
    import numpy as np

    left = np.nan_to_num(drops)
    first = float(left.max(initial=0.0))
    for _ in range(most):
        column, band = np.unravel_index(int(left.argmax()), left.shape)
        peak = float(left[column, band])
        if peak <= 0 or peak < _SHARE_OF_PEAK * first:
            return
        times, bands = _grown(left, int(column), int(band), _SHARE_OF_PEAK * peak)
        left[times.start : times.stop, bands.start : bands.stop] = 0.0
        yield Part(grid.times[times.start], grid.times[times.stop], bands.start, bands.stop - 1)


def _grown(
    drops: "NDArray[np.float64]", column: int, band: int, enough: float
) -> tuple[range, range]:
    """The rectangle around a cell whose every added row and column is on average at least `enough`."""
    top, right = drops.shape[1], drops.shape[0]
    times, bands = range(column, column + 1), range(band, band + 1)
    while True:
        longer = [range(times.start - 1, times.stop), range(times.start, times.stop + 1)]
        wider = [range(bands.start - 1, bands.stop), range(bands.start, bands.stop + 1)]
        candidates = [
            (drops[edge, bands.start : bands.stop].mean(), each, bands)
            for each, edge in zip(longer, (times.start - 1, times.stop), strict=True)
            if 0 <= edge < right
        ] + [
            (drops[times.start : times.stop, edge].mean(), times, each)
            for each, edge in zip(wider, (bands.start - 1, bands.stop), strict=True)
            if 0 <= edge < top
        ]
        best = max(candidates, key=lambda candidate: candidate[0], default=None)
        if best is None or best[0] < enough:
            return times, bands
        _, times, bands = best
