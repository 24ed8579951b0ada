"""Probabilities over time as arrays: smoothed, brought onto another model's segments, merged into runs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from audiocnn_cli.models.inference import ClipProbabilities

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Grid:
    """The segments of a clip: first and last sample (exclusive), shape (segments,), at `rate` Hz.

    `probabilities` has the shape (segments, labels); `silent` (segments,) says which hold no sound.
    """

    starts: "NDArray[np.int64]"
    ends: "NDArray[np.int64]"
    probabilities: "NDArray[np.float32]"
    silent: "NDArray[np.bool_]"
    rate: int


def grid_of(clip: ClipProbabilities, rate: int) -> Grid:
    """The answers of one model at its sample rate."""
    import numpy as np

    segments = clip.segments
    starts = np.array([segment.start for segment in segments], dtype=np.int64)
    lengths = np.array([segment.valid for segment in segments], dtype=np.int64)
    return Grid(
        starts=starts,
        ends=starts + lengths,
        probabilities=np.stack([segment.probabilities for segment in segments]),
        silent=np.array([segment.silent for segment in segments]),
        rate=rate,
    )


def smoothed(grid: Grid, seconds: float) -> Grid:
    """Each segment's probabilities as the mean of those that sound and have their middle near its own.

    Half of the seconds lie before a segment's own middle, half behind; a silent one stays as it is.
    """
    import numpy as np

    if not seconds:
        return grid
    middles = (grid.starts + grid.ends) / (2 * grid.rate)
    sounds = ~grid.silent
    sums = _running(grid.probabilities * sounds[:, None])
    counts = _running(sounds[:, None])
    first = np.searchsorted(middles, middles - seconds / 2 - 1e-9, side="left")
    last = np.searchsorted(middles, middles + seconds / 2 + 1e-9, side="right")
    means = (sums[last] - sums[first]) / np.maximum(counts[last] - counts[first], 1)
    found = np.where(sounds[:, None], means, grid.probabilities).astype(np.float32)
    return replace(grid, probabilities=found)


def _running(values: "NDArray[np.generic]") -> "NDArray[np.float64]":
    import numpy as np

    sums = np.zeros((len(values) + 1, values.shape[1]))
    np.cumsum(values, axis=0, dtype=np.float64, out=sums[1:])
    return sums


def brought_onto(grid: Grid, other: Grid) -> "NDArray[np.float32]":
    """The probabilities of `grid` for the segments of `other`, each weighted by the time that they share."""
    import numpy as np

    if grid.rate == other.rate and np.array_equal(grid.starts, other.starts):
        return grid.probabilities
    found = np.empty((len(other.starts), grid.probabilities.shape[1]), dtype=np.float32)
    begins, ends = grid.starts / grid.rate, grid.ends / grid.rate
    for i, (start, end) in enumerate(zip(other.starts, other.ends, strict=True)):
        begin, stop = start / other.rate, end / other.rate
        near = slice(
            np.searchsorted(ends, begin, side="right"), np.searchsorted(begins, stop, side="left")
        )
        shared = np.minimum(ends[near], stop) - np.maximum(begins[near], begin)
        if len(shared):
            found[i] = shared @ grid.probabilities[near] / shared.sum()
        else:  # what longer segments left out, or a sample passed over
            found[i] = grid.probabilities[np.abs(begins + ends - begin - stop).argmin()]
    return found


@dataclass(frozen=True, slots=True)
class Run:
    """Segments `first` to `last` (inclusive) in which a label holds, from sample `start` to `end`."""

    first: int
    last: int
    start: int
    end: int


def runs(grid: Grid, holds: Sequence[bool]) -> Iterator[Run]:
    """Where `holds` (segments,) is true in segments that touch or overlap, one run after the other."""
    starts, ends = _borders(grid)
    first: int | None = None
    for i, held in enumerate([*holds, False]):
        touches = first is not None and i < len(starts) and starts[i] <= ends[i - 1]
        if first is not None and not (held and touches):
            yield Run(first, i - 1, starts[first], ends[i - 1])
            first = None
        if held and first is None:
            first = i


def _borders(grid: Grid) -> tuple[list[int], list[int]]:
    """What each segment speaks for: to the middle of what it shares with its neighbours."""
    starts, ends = grid.starts.tolist(), grid.ends.tolist()
    for i in range(1, len(starts)):
        if starts[i] < ends[i - 1]:
            starts[i] = ends[i - 1] = (starts[i] + ends[i - 1]) // 2
    return starts, ends
