"""Samples to a feature tensor of shape (frames, bins)."""

from functools import lru_cache
from typing import TYPE_CHECKING

from audiocnn_cli.errors import FailureKind, SignalError
from audiocnn_cli.features.config import Feature, FeatureConfig
from audiocnn_cli.features.mel import mel_filters
from audiocnn_cli.features.spectrum import power_spectrum

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Powers below this are silence: -100 dB (librosa.power_to_db).
_AMIN = 1e-10


def extract(samples: "NDArray[np.float32]", config: FeatureConfig) -> "NDArray[np.float32]":
    """The feature tensor of mono `samples` (n,) at `config.sample_rate`, shape (frames, bins), float32.

    Raises:
        SignalError: there are too few samples for one frame, or numbers beyond what float32 holds.
    """
    import numpy as np

    if config.n_frames(len(samples)) < 1 or not len(samples):
        raise SignalError(
            FailureKind.TOO_SHORT,
            f"{len(samples)} samples are less than one frame of {config.n_fft}; use centred frames or a"
            " smaller n_fft",
        )
    compute = {Feature.MFCC: mfcc, Feature.LOGMEL: log_mel_spectrum, Feature.MEL: mel_spectrum}
    with np.errstate(over="ignore", invalid="ignore"):
        data = compute[config.feature](samples, config)
    if not np.isfinite(data).all():
        raise SignalError(
            FailureKind.NON_FINITE,
            f"{config.feature} is not finite: samples of up to {np.abs(samples).max():g} are too large, or"
            " hold NaN; scale them to [-1, 1]",
        )
    return data


def mel_spectrum(samples: "NDArray[np.float32]", config: FeatureConfig) -> "NDArray[np.float32]":
    """The power spectrum through the mel filter bank, shape (frames, n_mels)."""
    import numpy as np

    filters = mel_filters(config)
    return np.concatenate([power @ filters for power in power_spectrum(samples, config)])


def log_mel_spectrum(
    samples: "NDArray[np.float32]", config: FeatureConfig
) -> "NDArray[np.float32]":
    """The mel spectrum in dB (10 log10), floored at `top_db` below its maximum, shape (frames, n_mels)."""
    import numpy as np

    decibels = np.multiply(
        10.0, np.log10(np.maximum(mel_spectrum(samples, config), _AMIN)), dtype=np.float32
    )
    if config.top_db is not None:
        np.maximum(decibels, decibels.max() - np.float32(config.top_db), out=decibels)
    return decibels


def mfcc(samples: "NDArray[np.float32]", config: FeatureConfig) -> "NDArray[np.float32]":
    """Mel-frequency cepstral coefficients, shape (frames, n_mfcc): equal to `librosa.feature.mfcc(...).T`.

    Source: Davis and Mermelstein, IEEE Trans. ASSP 28(4), 1980; DCT-II with orthonormal scaling.
    """
    import numpy as np

    # In float64: 128 values of -100 dB summed in float32 are off by more than 1e-3.
    decibels = log_mel_spectrum(samples, config).astype(np.float64)
    return (decibels @ dct_matrix(config)).astype(np.float32)


@lru_cache(maxsize=8)
def dct_matrix(config: FeatureConfig) -> "NDArray[np.float64]":
    """The first n_mfcc vectors of the orthonormal DCT-II, shape (n_mels, n_mfcc)."""
    import numpy as np

    n_mels = config.n_mels
    angles = np.pi / n_mels * np.outer(np.arange(n_mels) + 0.5, np.arange(config.n_mfcc))
    matrix: NDArray[np.float64] = np.sqrt(2.0 / n_mels) * np.cos(angles)
    matrix[:, 0] /= np.sqrt(2.0)
    return matrix
