"""Frames of a signal and their power spectrum, a few hundred frames at a time."""

from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

from audiocnn_cli.features.config import FeatureConfig

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# So many frames of 2048 float32 samples stay in a core's second-level cache.
_CHUNK_FRAMES = 128


@lru_cache(maxsize=8)
def window(config: FeatureConfig) -> "NDArray[np.float32]":
    """The periodic window of `win_length` samples, centred in n_fft samples; shape (n_fft,)."""
    import numpy as np

    length = config.effective_win_length
    # Periodic Hann; Harris, On the use of windows for harmonic analysis with the DFT (1978).
    hann = 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(length) / length)
    before = (config.n_fft - length) // 2
    return np.pad(hann, (before, config.n_fft - length - before)).astype(np.float32)


def frames(samples: "NDArray[np.float32]", config: FeatureConfig) -> "NDArray[np.float32]":
    """A view of shape (n_frames, n_fft): frame i starts at i * hop_length, less n_fft // 2 if centred."""
    import numpy as np

    if config.center:
        samples = np.pad(samples, config.n_fft // 2)
    windows = np.lib.stride_tricks.sliding_window_view(samples, config.n_fft)
    return windows[:: config.hop_length]


def power_spectrum(
    samples: "NDArray[np.float32]", config: FeatureConfig
) -> Iterator["NDArray[np.float32]"]:
    """Yield |STFT|^2 in chunks of shape (n, n_frequencies), frames in order."""
    import scipy.fft

    framed = frames(samples, config)
    weights = window(config)
    for start in range(0, len(framed), _CHUNK_FRAMES):
        spectrum = scipy.fft.rfft(framed[start : start + _CHUNK_FRAMES] * weights, axis=-1)
        yield spectrum.real**2 + spectrum.imag**2
