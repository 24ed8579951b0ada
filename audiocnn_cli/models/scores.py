"""The probabilities of a clip and its segments as arrays, from inference to timelines and events."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from audiocnn_cli.audio.segments import TailHandling


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipScores:
    """Probabilities of the segments of a clip, and of the clip as a whole.

    Args:
        starts: first sample of each segment, shape (segments,), int64, at `sample_rate`.
        ends: first sample behind each segment, shape (segments,), int64.
        probabilities: shape (segments, labels), float32, 0 to 1; for models of other kinds their numbers,
            (segments, dimensions) or (segments, 1).
        silent: whether the segment is silence, shape (segments,), bool.
        indices: number of each segment in the clip, shape (segments,); a sample of segments has gaps.
        mean: probabilities of the clip, shape (labels,), float64.
        sample_rate: in Hz.
        n_samples: length of the clip.
        tail: how the samples after the last whole segment were handled.
        tail_samples: how many they are.
    """

    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    silent: NDArray[np.bool_]
    indices: NDArray[np.int64]
    mean: NDArray[np.float64]
    sample_rate: int
    n_samples: int = 0
    tail: TailHandling = TailHandling.NONE
    tail_samples: int = 0

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def is_silent(self) -> bool:
        """Whether all segments are silence."""
        return bool(self.silent.all())

    @property
    def starts_s(self) -> NDArray[np.float64]:
        """Start of each segment in seconds of the clip, shape (segments,)."""
        return np.asarray(self.starts / self.sample_rate)

    @property
    def ends_s(self) -> NDArray[np.float64]:
        """End of each segment in seconds of the clip, shape (segments,)."""
        return np.asarray(self.ends / self.sample_rate)


def mean_over_segments(probabilities: NDArray[np.float32], silent: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Mean of (segments, labels) over the segments that are not silent, or over all if all are: (labels,)."""
    used = probabilities if silent.all() else probabilities[~silent]
    return np.asarray(np.mean(used, axis=0, dtype=np.float64))


def align(scores: ClipScores, other: ClipScores) -> NDArray[np.float32]:
    """Probabilities of `scores` on the segments of `other`, shape (segments of other, labels).

    Each is the mean of the segments that overlap in time, weighted by the duration that they share. A segment
    that overlaps none takes the probabilities of the one whose middle is nearest.
    """
    if scores.sample_rate == other.sample_rate and np.array_equal(scores.starts, other.starts):
        return scores.probabilities
    found = np.empty((len(other), scores.probabilities.shape[1]), dtype=np.float32)
    begins, ends = scores.starts_s, scores.ends_s
    for i, (start, end) in enumerate(zip(other.starts_s, other.ends_s, strict=True)):
        near = slice(np.searchsorted(ends, start, side="right"), np.searchsorted(begins, end, side="left"))
        shared = np.minimum(ends[near], end) - np.maximum(begins[near], start)
        if len(shared):
            found[i] = shared @ scores.probabilities[near] / shared.sum()
        else:
            found[i] = scores.probabilities[np.abs(begins + ends - start - end).argmin()]
    return found


def smooth(scores: ClipScores, seconds: float) -> ClipScores:
    """Moving average of the segments' probabilities over `seconds`; 0 returns `scores`.

    A segment becomes the mean of the segments that are not silent and whose middles lie within `seconds` / 2
    of its own. Silent segments and the probabilities of the clip stay as they are.
    """
    if not seconds:
        return scores
    middles = (scores.starts + scores.ends) / (2 * scores.sample_rate)
    sounding = ~scores.silent[:, None]
    sums = _cumulative(scores.probabilities * sounding)
    counts = _cumulative(sounding)
    first = np.searchsorted(middles, middles - seconds / 2 - 1e-9, side="left")
    last = np.searchsorted(middles, middles + seconds / 2 + 1e-9, side="right")
    means = (sums[last] - sums[first]) / np.maximum(counts[last] - counts[first], 1)
    smoothed = np.where(sounding, means, scores.probabilities).astype(np.float32)
    return replace(scores, probabilities=smoothed)


def _cumulative(values: NDArray[np.generic]) -> NDArray[np.float64]:
    """Sums of the first 0, 1, ... rows of (segments, labels): (segments + 1, labels)."""
    return np.pad(np.cumsum(values, axis=0, dtype=np.float64), ((1, 0), (0, 0)))
