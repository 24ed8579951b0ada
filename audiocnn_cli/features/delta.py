"""Differences of a feature over time, as further bins.

Sources: Savitzky and Golay, Analytical Chemistry 36, 1964 (`librosa.feature.delta`); the HTK Book 5.9 and
Kaldi's feature-functions.cc (regression over 5 frames, the ends repeated).
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiocnn_cli.errors import FailureKind, SignalError
from audiocnn_cli.features.config import Dialect, FeatureConfig
from audiocnn_cli.features.spool import Spool

_BLOCK_FRAMES = 1 << 14


def with_deltas(data: NDArray[np.float32], config: FeatureConfig) -> NDArray[np.float32]:
    """`data` of shape (frames, bins, ...) with the differences of first to `delta`-th order as further bins.

    Raises:
        SignalError: librosa's polynomials need more frames than there are.
    """
    width = config.delta_frames
    if config.like is Dialect.LIBROSA and len(data) < width:
        lengths = f"has {len(data)} frames, and differences over time are taken over {width}"
        raise SignalError(FailureKind.TOO_SHORT, f"{lengths}; lower `delta_width`")
    spool = Spool()
    for start in range(0, len(data), _BLOCK_FRAMES):
        frames = np.arange(start, min(start + _BLOCK_FRAMES, len(data)))
        orders = [_difference(data, frames, order, config) for order in range(1, config.delta + 1)]
        spool.append(np.concatenate([data[frames], *orders], axis=1, dtype=np.float32))
    return spool.array()


def _difference(
    data: NDArray[np.float32], frames: NDArray[np.int64], order: int, config: FeatureConfig
) -> NDArray[np.float64]:
    """The `order`-th difference of `data` at those frames."""
    kernel = _kernel(order, config)
    source: Callable[[Any], Any] = data.__getitem__
    if order == 2 and config.like is Dialect.TORCHAUDIO:  # the difference of the difference, ends and all
        kernel = _kernel(1, config)
        source = partial(_difference, data, order=1, config=config)
    result = np.zeros((len(frames), *data.shape[1:]))
    for offset, weight in enumerate(kernel, start=-(len(kernel) // 2)):
        # Beyond the ends, the first and the last frame are repeated.
        result += weight * source((frames + offset).clip(0, len(data) - 1))
    if config.like is Dialect.LIBROSA:  # at the ends, of the polynomial through the first (last) frames
        width = len(kernel)
        result[frames < width // 2] = np.tensordot(kernel, data[:width], axes=1)
        result[frames >= len(data) - width // 2] = np.tensordot(kernel, data[-width:], axes=1)
    return result


def _kernel(order: int, config: FeatureConfig) -> NDArray[np.float64]:
    """The weights of the frames around one."""
    offsets = np.arange(config.delta_frames) - config.delta_frames // 2
    if config.like is Dialect.LIBROSA:
        # The derivative of a polynomial of that order fitted to them: it is the same everywhere.
        fit = np.linalg.pinv(np.vander(offsets, order + 1, increasing=True))  # frames to coefficients
        return np.asarray(fit[order] * math.factorial(order))
    first = offsets / (offsets**2).sum()
    return first if order == 1 else np.convolve(first, first)
