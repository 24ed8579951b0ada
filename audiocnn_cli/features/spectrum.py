"""Frames of a signal and their power spectrum, a few hundred frames at a time."""

from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

from audiocnn_cli.features.config import FeatureConfig
from audiocnn_cli.features.fft import rfft
from audiocnn_cli.features.windows import periodic_window

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# So many samples, 128 frames of 2048, stay in a core's second-level cache.
_CHUNK_SAMPLES = 1 << 18


@lru_cache(maxsize=8)
def window(config: FeatureConfig) -> "NDArray[np.float32]":
    """The periodic window of `win_length` samples, centred in n_fft samples; shape (n_fft,)."""
    import numpy as np

    length = config.effective_win_length
    before = (config.n_fft - length) // 2
    weights = periodic_window(config.window, length)
    return np.pad(weights, (before, config.n_fft - length - before)).astype(np.float32)


def frames(samples: "NDArray[np.float32]", config: FeatureConfig) -> "NDArray[np.float32]":
    """A view of shape (n_frames, n_fft): frame i starts at i * hop_length, less n_fft // 2 if centred."""
    import numpy as np

    if config.center:
        samples = np.pad(samples, config.n_fft // 2, mode=config.pad_mode.value)
    windows = np.lib.stride_tricks.sliding_window_view(samples, config.n_fft)
    return windows[:: config.hop_length]


def power_spectrum(
    samples: "NDArray[np.float32]", config: FeatureConfig
) -> Iterator["NDArray[np.float32]"]:
    """Yield |STFT|^2 in chunks of shape (n, n_frequencies), frames in order."""
    framed = frames(samples, config)
    weights = window(config)
    step = max(1, _CHUNK_SAMPLES // config.n_fft)
    for start in range(0, len(framed), step):
        spectrum = rfft(framed[start : start + step] * weights)
        yield spectrum.real**2 + spectrum.imag**2
