"""Per-channel energy normalisation of a mel spectrum.

Numbers equal those of `librosa.pcen`. Sources: Wang, Getreuer, Hughes, Lyon and Saurous, Trainable frontend
for robust and far-field keyword spotting, ICASSP 2017; Lostanlen et al., Per-channel energy normalization:
why and how, IEEE Signal Processing Letters 26(1), 2019.
"""

import math

import numpy as np
from numpy.typing import NDArray

from audiocnn_cli.errors import FailureKind, SignalError
from audiocnn_cli.features.config import FeatureConfig
from audiocnn_cli.features.over_time import Smoother, maximum_over_bands
from audiocnn_cli.features.spectrum import Chunk


def scaled_mel(chunk: Chunk) -> NDArray[np.float32]:
    """The mel spectrum of a chunk times `pcen_scale`: (channels, frames, n_mels)."""
    return np.asarray(chunk.pcen_mel * np.float32(chunk.config.pcen_scale), dtype=np.float32)


def smoothing(config: FeatureConfig) -> float:
    """The weight b of a new frame in the smoothed spectrum, 0 to 1, as `librosa.pcen` takes it."""
    frames = config.pcen_time_constant * config.sample_rate / config.hop_length
    # (sqrt(1 + 4 t^2) - 1) / (2 t^2) without the difference of two numbers that are almost equal.
    return 2.0 / (math.sqrt(1.0 + 4.0 * frames**2) + 1.0)


class Normalised:
    """Rows of `scaled_mel` divided by their smoothed past, and compressed.

    With s the smoothed spectrum: (x / (eps + s)^gain + bias)^power - bias^power. The filter begins with 1 in
    every band, which is what `librosa.pcen` does without `zi`.
    """

    def __init__(self, config: FeatureConfig) -> None:
        self._config = config
        self._smoother = Smoother(smoothing(config))

    def push(self, rows: NDArray[np.float32], /) -> NDArray[np.float32]:
        """The normalised rows, (frames, channels, n_mels).

        Raises:
            SignalError: numbers beyond what float32 holds.
        """
        config = self._config
        reference = maximum_over_bands(rows, config.max_size) if config.max_size > 1 else rows
        smooth = self._smoother.push(reference.reshape(len(rows), -1).astype(np.float64))
        smooth += config.pcen_eps
        np.log(smooth, out=smooth)
        smooth *= -config.pcen_gain
        np.exp(smooth, out=smooth)
        smooth *= rows.reshape(len(rows), -1)
        with np.errstate(over="ignore", invalid="ignore"):
            normalised = _compressed(smooth, config).astype(np.float32)
        if not np.isfinite(normalised).all():
            raise SignalError(FailureKind.NON_FINITE, "pcen is not finite: lower `pcen_gain` or `pcen_power`")
        return normalised.reshape(rows.shape)

    def finish(self) -> None:
        """Nothing is held back."""


def _compressed(values: NDArray[np.float64], config: FeatureConfig) -> NDArray[np.float64]:
    """`values` plus the bias to the power, less the bias to the power; without cancellation; (...)."""
    power, bias = config.pcen_power, config.pcen_bias
    if power == 0:
        return np.log1p(values)
    if bias == 0:
        return np.asarray(values**power)
    return np.asarray(bias**power * np.expm1(power * np.log1p(values / bias)))
