"""A sound in bands of frequency, and parts of it turned down: what occlusion does to it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_LOWEST_HZ = 100.0
_FADE_S = 0.01
# How far a band reaches into its neighbours, in octaves each way.
_RAMP_OCTAVES = 1 / 12


def band_edges(sample_rate: int, *, per_octave: int) -> tuple[float, ...]:
    """Edges in Hz from 0 to half the rate: all below 100 Hz is one band, above it `per_octave` an octave."""
    nyquist = sample_rate / 2
    count = math.ceil(per_octave * math.log2(nyquist / _LOWEST_HZ)) if nyquist > _LOWEST_HZ else 0
    inner = [_LOWEST_HZ * 2 ** (i / per_octave) for i in range(max(0, count))]
    # A last band of less than half the width of the others is part of the one before it.
    if len(inner) > 1 and nyquist / inner[-1] < 2 ** (0.5 / per_octave):
        inner.pop()
    return (0.0, *inner, nyquist)


def split(
    samples: "NDArray[np.float32]",
    edges: tuple[float, ...],
    ranges: Sequence[tuple[int, int]],
    *,
    sample_rate: int,
) -> "NDArray[np.float32]":
    """What of `samples` (n,) is in each range of bands, first to last: (len(ranges), n), float32.

    The bands lie between `edges`, and all together are the samples. They are those of the Fourier transform
    of the whole, with ramps of a twelfth of an octave at each side of an edge.
    """
    import numpy as np

    bands = _shares(len(samples), edges, sample_rate)
    shares = np.stack([bands[first : last + 1].sum(axis=0) for first, last in ranges])
    parts = np.fft.rfft(samples) * shares
    return np.asarray(np.fft.irfft(parts, n=len(samples)), dtype=np.float32)


@lru_cache(maxsize=2)
def _shares(n: int, edges: tuple[float, ...], sample_rate: int) -> "NDArray[np.float32]":
    """How much of each bin of a transform of `n` samples belongs to each band: (bands, bins)."""
    import numpy as np

    octaves = np.log2(np.maximum(np.fft.rfftfreq(n, 1 / sample_rate), 1e-3))
    above = [np.ones(len(octaves))]  # each edge
    for edge in edges[1:-1]:
        at = math.log2(edge)
        above.append(np.interp(octaves, [at - _RAMP_OCTAVES, at + _RAMP_OCTAVES], [0.0, 1.0]))
    above.append(np.zeros(len(octaves)))
    return np.asarray(-np.diff(np.array(above), axis=0), dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Part:
    """Samples `start` to `end` of a clip, in the bands `first` to `last` (the last one counts too)."""

    start: int
    end: int
    first: int
    last: int


def inside(
    start: int, end: int, at: "NDArray[np.int64]", *, sample_rate: int
) -> "NDArray[np.float32]":
    """1 for the samples between `start` and `end` of the clip, 0 for others, fading within 10 ms at the ends.

    `at` says where in the clip each sample is from.
    """
    import numpy as np

    fade = max(1.0, _FADE_S * sample_rate / 2)
    risen = np.interp(at, [start - fade, start + fade], [0.0, 1.0])
    fallen = np.interp(at, [end - fade, end + fade], [0.0, 1.0])
    return np.asarray(risen - fallen, dtype=np.float32)
