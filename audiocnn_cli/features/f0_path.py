"""Of several candidates for f0 in each frame, those on the path of least cost through the recording.

The cost of a candidate is its aperiodicity, alike for all below `trough_threshold` as in YIN, and a little
more the lower it is, as multiples of a period fit a periodic sound as well as the period. Each step costs the
size of the leap in octaves, weighted with how periodic both ends are. Source of the costs: Boersma, Accurate
short-term analysis of the fundamental frequency and the harmonics-to-noise ratio of a sampled sound, IFA
Proceedings 17, 1993; the cost of leaps is that of Praat.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from audiocnn_cli.features.config import FeatureConfig

# A candidate an octave lower, in each frame.
OCTAVE_COST = 0.04
# An octave from one frame to the next, where frames are `_STEP_S` apart.
_LEAP_COST = 0.35
_STEP_S = 0.01
# Frames that are held back at most; paths usually meet after a few.
_LONGEST = 4096

Finish = Callable[[NDArray[np.float32], FeatureConfig], NDArray[np.float32]]


class LeastCost:
    """Candidates go in, f0 and voicing come out once no later frame can change them.

    That is as soon as the paths of least cost to all candidates of the last frame have met, which makes the
    result that of the whole recording; frames more than `_LONGEST` before the last are decided anyway.
    """

    def __init__(self, config: FeatureConfig, finish: Finish) -> None:
        self._config = config
        self._finish = finish
        self._leap = _LEAP_COST * _STEP_S * config.sample_rate / config.hop_length
        self._paths: list[_Path] = []
        self._ready: list[list[NDArray[np.float32]]] = []

    def push(self, rows: NDArray[np.float32], /) -> NDArray[np.float32]:
        """Take candidates (frames, channels, 2 a candidate), give the decided rows (frames, channels, 2)."""
        channels = rows.shape[1]
        if not self._paths:
            self._paths = [_Path(self._config, self._leap) for _ in range(channels)]
        for channel, path in enumerate(self._paths):
            path.extend(rows[:, channel])
        # All channels give equally many frames.
        count = min(path.decided() for path in self._paths)
        return self._taken(count)

    def finish(self) -> NDArray[np.float32] | None:
        """The rows of the frames that were not decided before the end."""
        return self._taken(len(self._paths[0])) if self._paths else None

    def _taken(self, count: int) -> NDArray[np.float32]:
        rows = np.stack([path.take(count) for path in self._paths], axis=1)
        return self._finish(rows, self._config)


class _Path:
    """The least cost of reaching each candidate of the last frame of one channel, and by which ones."""

    def __init__(self, config: FeatureConfig, leap: float) -> None:
        self._top = np.log2(config.f0_range[1])
        self._threshold = config.trough_threshold
        self._weight = leap
        self._rows: list[NDArray[np.float32]] = []
        self._from: list[NDArray[np.intp]] = []
        self._cost = np.zeros(1)
        self._octave = np.zeros(1)
        self._voicing = np.zeros(1)  # of nothing before the first frame, to which every leap is free

    def __len__(self) -> int:
        return len(self._rows)

    def extend(self, rows: NDArray[np.float32]) -> None:
        """Take candidates, (frames, 2 a candidate)."""
        f0, aperiodicity = rows[:, 0::2].astype(np.float64), rows[:, 1::2].astype(np.float64)
        octaves = np.log2(np.where(f0 > 0, f0, 1.0))
        own = np.maximum(aperiodicity, self._threshold) + OCTAVE_COST * (self._top - octaves)
        own[f0 == 0] = np.inf
        for row, octave, cost, voicing in zip(rows, octaves, own, 1.0 - aperiodicity, strict=True):
            leaps = np.abs(octave[:, None] - self._octave)
            leaps *= self._weight * voicing[:, None] * self._voicing
            total = self._cost + leaps
            best = total.argmin(axis=1)
            reached = total[np.arange(len(best)), best] + cost
            self._cost = reached - reached.min()  # so that they do not grow
            self._octave, self._voicing = octave, voicing
            self._rows.append(row)
            self._from.append(best)

    def decided(self) -> int:
        """How many of the frames no later one can change, or are to be given anyway."""
        here = np.flatnonzero(np.isfinite(self._cost))
        for index in range(len(self._rows) - 1, 0, -1):
            if len(here) == 1:
                return max(index, len(self._rows) - _LONGEST)
            here = np.unique(self._from[index][here])
        return max(0, len(self._rows) - _LONGEST)

    def take(self, count: int) -> NDArray[np.float32]:
        """Remove the first `count` frames; f0 and aperiodicity on the path of least cost, (count, 2)."""
        at = int(self._cost.argmin())
        taken = np.empty((count, 2), dtype=np.float32)
        for index in range(len(self._rows) - 1, -1, -1):
            if index < count:
                taken[index] = self._rows[index][2 * at : 2 * at + 2]
            at = int(self._from[index][at])
        del self._rows[:count], self._from[:count]
        return taken
