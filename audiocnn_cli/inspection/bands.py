"""A sound in bands of frequency, and parts of it turned down: what occlusion does to it."""

import math
from dataclasses import dataclass
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
    samples: "NDArray[np.float32]", edges: tuple[float, ...], *, sample_rate: int
) -> "NDArray[np.float32]":
    """`samples` (n,) as bands (len(edges) - 1, n) whose sum they are, float32.

    The bands are those of the Fourier transform of the whole, with ramps of a twelfth of an octave at each side
    of an edge.
    """
    import numpy as np

    spectrum = np.fft.rfft(samples)
    octaves = np.log2(np.maximum(np.fft.rfftfreq(len(samples), 1 / sample_rate), 1e-3))
    below = [np.ones(len(octaves))]  # the share of each bin above each edge but the last
    for edge in edges[1:-1]:
        at = math.log2(edge)
        below.append(np.interp(octaves, [at - _RAMP_OCTAVES, at + _RAMP_OCTAVES], [0.0, 1.0]))
    above = np.array([*below, np.zeros(len(octaves))])
    shares = (above[:-1] - above[1:]).astype(np.float32)
    return np.asarray(np.fft.irfft(spectrum * shares, n=len(samples)), dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Part:
    """Samples `start` to `end` of a clip, in the bands `first` to `last` (the last one counts too)."""

    start: int
    end: int
    first: int
    last: int


def turned_down(
    samples: "NDArray[np.float32]",
    bands: "NDArray[np.float32]",
    part: Part,
    *,
    at: "NDArray[np.int64]",
    decibels: float,
    sample_rate: int,
) -> "NDArray[np.float32]":
    """`samples` with `part` turned down by `decibels`; `at` says where in the clip each sample is from.

    It fades in and out within 10 ms around the part's ends.
    """
    import numpy as np

    fade = max(1.0, _FADE_S * sample_rate / 2)
    corners = [part.start - fade, part.start + fade, part.end - fade, part.end + fade]
    inside = np.minimum(
        np.interp(at, corners[:2], [0.0, 1.0]), np.interp(at, corners[2:], [1.0, 0.0])
    ).astype(np.float32)
    lost = np.float32(1 - 10 ** (-decibels / 20))
    sound = bands[part.first : part.last + 1].sum(axis=0)
    quieter: NDArray[np.float32] = samples - lost * inside * sound
    return quieter
