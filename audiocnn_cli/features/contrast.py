"""Spectral contrast: how far the peaks of each octave stand above its valleys.

Source: Jiang, Lu, Zhang, Tao and Cai, Music type classification by spectral contrast feature (ICME 2002);
numbers equal `librosa.feature.spectral_contrast`.
"""

from functools import lru_cache
from typing import TYPE_CHECKING

from audiocnn_cli.errors import UsageError
from audiocnn_cli.features.cepstrum import floored
from audiocnn_cli.features.config import FeatureConfig
from audiocnn_cli.features.mel import bin_frequencies

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from audiocnn_cli.features.spectrum import Chunk

_FIRST_OCTAVE_HZ = 200.0
_QUANTILE = 0.02
_FLOOR = 1e-10


def valleys_and_peaks(chunk: "Chunk") -> "NDArray[np.float32]":
    """The mean of the weakest and of the strongest bins of each octave, in dB: (..., 2 * (n_bands + 1))."""
    import numpy as np

    valleys, peaks = [], []
    for bins, count in octaves(chunk.config):
        ordered = np.sort(chunk.magnitude[..., bins], axis=-1)
        valleys.append(ordered[..., :count].mean(axis=-1, dtype=np.float64))
        peaks.append(ordered[..., -count:].mean(axis=-1, dtype=np.float64))
    means = np.maximum(np.stack(valleys + peaks, axis=-1), _FLOOR)
    levels: NDArray[np.float32] = (10.0 * np.log10(means)).astype(np.float32)
    return levels


def contrast(
    levels: "NDArray[np.float32]", maxima: "NDArray[np.float32]", config: FeatureConfig
) -> "NDArray[np.float32]":
    """Peaks less valleys in dB, both floored at `top_db` below their maximum: (..., n_bands + 1)."""
    middle = config.n_bands + 1
    valleys = floored(levels[..., :middle], maxima[..., :middle], config)
    peaks = floored(levels[..., middle:], maxima[..., middle:], config)
    return peaks - valleys


@lru_cache(maxsize=8)
def octaves(config: FeatureConfig) -> tuple[tuple[slice, int], ...]:
    """The bins of each octave from 0 Hz up, and how many of them a valley or a peak is the mean of.

    Raises:
        UsageError: an octave starts above half the sample rate, or holds no bin.
    """
    import numpy as np

    edges = [0.0] + [_FIRST_OCTAVE_HZ * 2.0**k for k in range(config.n_bands + 1)]
    if edges[-2] >= config.sample_rate / 2:
        raise UsageError(
            f"n_bands must be smaller than {config.n_bands} at {config.sample_rate} Hz: the last octave"
            f" starts at {edges[-2]:g} Hz"
        )
    frequencies = bin_frequencies(config)
    bands = []
    for k in range(config.n_bands + 1):
        inside = np.flatnonzero((frequencies >= edges[k]) & (frequencies <= edges[k + 1]))
        last = k == config.n_bands
        # Each octave takes one bin from the one below and leaves its own last one to the one above.
        first = inside[0] - (k > 0) if inside.size else 0
        end = config.n_frequencies if last else (inside[-1] if inside.size else 0)
        taken = end - first + (not last)
        if end <= first:
            raise UsageError(
                f"n_fft must be larger than {config.n_fft} for contrast: no two bins lie between"
                f" {edges[k]:g} and {edges[k + 1]:g} Hz"
            )
        bands.append((slice(int(first), int(end)), max(1, int(np.rint(_QUANTILE * taken)))))
    return tuple(bands)
