"""Log-mel spectra and cepstral coefficients.

Sources: Davis and Mermelstein, IEEE Trans. ASSP 28(4), 1980 (MFCC); the HTK Book 5.4-5.6 (liftering, energy).
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from audiocnn_cli.features.config import DctNorm, Dialect, Feature, FeatureConfig, Log
from audiocnn_cli.features.spectrum import Chunk

# The smallest power: -100 dB (librosa, torchaudio), or the smallest step of float32 at 1 (Kaldi).
_FLOORS = {Log.DB: 1e-10, Log.LN: 2.0**-23}
# A depth that no level reaches, and that float32 holds.
_DEEPEST = 1e30
_DB_PER_NEPER = 4.342944819032518  # 10 / ln(10), for powers


def log_mel(chunk: Chunk) -> NDArray[np.float32]:
    """The mel spectrum in dB or nepers, not yet floored at `top_db`: (channels, frames, n_mels)."""
    return _log(chunk.mel, chunk.config.log)


def floored(
    levels: NDArray[np.float32], maxima: NDArray[np.float32], config: FeatureConfig
) -> NDArray[np.float32]:
    """`levels` raised to at least `top_db` below the largest of `maxima`."""
    if config.top_db is None:
        return levels
    # Contrast is in dB whatever `log` is, so that only mel levels are ever in nepers.
    nepers = config.log is Log.LN and config.feature is not Feature.CONTRAST
    depth = config.top_db / _DB_PER_NEPER if nepers else config.top_db
    floor = maxima.max() - np.float32(min(depth, _DEEPEST))
    return np.asarray(np.maximum(levels, floor), dtype=np.float32)


def log_mel_and_energy(chunk: Chunk) -> NDArray[np.float32]:
    """`log_mel`, and with `use_energy` the log energy of the frame as one more column."""
    levels = log_mel(chunk)
    if not chunk.config.use_energy:
        return levels
    frames = chunk.centred_frames
    energy = np.einsum("cfs,cfs->cf", frames, frames)[..., None]
    return np.concatenate([levels, _log(energy, chunk.config.log)], axis=-1)


def cepstrum(
    levels: NDArray[np.float32], maxima: NDArray[np.float32], config: FeatureConfig
) -> NDArray[np.float32]:
    """Cepstral coefficients of the output of `log_mel_and_energy`: (..., n_mfcc).

    Equal to `librosa.feature.mfcc` of the same samples, transposed.
    """
    mel = floored(levels[..., : config.n_mels], maxima[..., : config.n_mels], config)
    # In float64: 128 values of -100 dB summed in float32 are off by more than 1e-3.
    # One matrix, as matmul would take the channels of each frame as a matrix of their own.
    rows = mel.reshape(-1, config.n_mels).astype(np.float64)
    products = (rows @ cepstral_basis(config)).astype(np.float32)
    coefficients = products.reshape(*levels.shape[:-1], config.n_mfcc)
    if config.use_energy:
        coefficients[..., 0] = levels[..., -1]
    return coefficients


@lru_cache(maxsize=8)
def cepstral_basis(config: FeatureConfig) -> NDArray[np.float64]:
    """The first n_mfcc vectors of the DCT-II, each with its lifter weight: (n_mels, n_mfcc)."""
    n_mels = config.n_mels
    orders = np.arange(config.n_mfcc)
    basis = np.cos(np.pi / n_mels * np.outer(np.arange(n_mels) + 0.5, orders))
    if config.dct_norm is DctNorm.ORTHO:
        basis *= np.where(orders == 0, np.sqrt(1.0 / n_mels), np.sqrt(2.0 / n_mels))
    else:
        basis *= 2.0
    if config.lifter:
        # HTK and Kaldi count orders from 0, librosa from 1.
        first = 0 if config.like is Dialect.KALDI else 1
        phase = np.pi * (orders + first) / config.lifter
        basis *= 1.0 + config.lifter / 2.0 * np.sin(phase)
    return np.asarray(basis, dtype=np.float64)


def _log(powers: NDArray[np.float32], log: Log) -> NDArray[np.float32]:
    # The natural logarithm in float32 is three times as fast as the decadic.
    levels = np.log(np.maximum(powers, np.float32(_FLOORS[log])))
    if log is Log.DB:
        levels *= np.float32(_DB_PER_NEPER)
    return levels
