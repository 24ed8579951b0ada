"""The mel scale and its filter bank.

Source: Slaney, Auditory Toolbox (1998), and the HTK Book (5.4); numbers equal `librosa.filters.mel`.
"""

import logging
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from audiocnn_cli.features.config import Dialect, FeatureConfig, MelNorm

_log = logging.getLogger("audiocnn")

# Slaney's scale is linear below 1 kHz (200/3 Hz a mel) and logarithmic above (27 mels for a factor 6.4).
_HZ_PER_MEL = 200.0 / 3.0
_LOG_START_HZ = 1000.0
_LOG_START_MEL = _LOG_START_HZ / _HZ_PER_MEL
_LOG_STEP = np.log(6.4) / 27.0
# Filters that are multiplied at once.
_GROUP = 4


def hz_to_mel(hz: NDArray[np.float64], *, htk: bool) -> NDArray[np.float64]:
    """Frequencies in Hz to mels, element by element."""
    if htk:
        return 2595.0 * np.log10(1.0 + hz / 700.0)
    above = _LOG_START_MEL + np.log(np.maximum(hz, _LOG_START_HZ) / _LOG_START_HZ) / _LOG_STEP
    return np.where(hz >= _LOG_START_HZ, above, hz / _HZ_PER_MEL)


def mel_to_hz(mel: NDArray[np.float64], *, htk: bool) -> NDArray[np.float64]:
    """Mels to frequencies in Hz, the inverse of `hz_to_mel`."""
    if htk:
        return 700.0 * (10.0 ** (mel / 2595.0) - 1.0)
    above = _LOG_START_HZ * np.exp(_LOG_STEP * (np.maximum(mel, _LOG_START_MEL) - _LOG_START_MEL))
    return np.where(mel >= _LOG_START_MEL, above, mel * _HZ_PER_MEL)


def bin_frequencies(config: FeatureConfig) -> NDArray[np.float64]:
    """The frequency of each bin of the spectrum in Hz, shape (n_frequencies,)."""
    # As numpy.fft.rfftfreq, without importing numpy.fft.
    step: float = 1.0 / (config.n_fft * (1.0 / config.sample_rate))
    return np.arange(config.n_frequencies, dtype=np.float64) * step


def mel_edges(config: FeatureConfig) -> NDArray[np.float64]:
    """The n_mels + 2 frequencies in Hz between which the triangles stand; filter i peaks at edge i + 1."""
    ends = hz_to_mel(np.array([config.effective_fmin, config.effective_fmax]), htk=config.htk)
    return mel_to_hz(np.linspace(ends[0], ends[1], config.n_mels + 2), htk=config.htk)


@lru_cache(maxsize=8)
def mel_filters(config: FeatureConfig) -> NDArray[np.float32]:
    """The filter bank, shape (n_frequencies, n_mels): a power spectrum times it is a mel spectrum.

    The triangles are straight over Hz, for Kaldi over mels. Filters narrower than the spacing of
    the bins may be empty; a warning names them.
    """
    edges, points = mel_edges(config), bin_frequencies(config)
    corners = edges
    if config.like is Dialect.TORCHAUDIO:  # bins spread evenly up to sample_rate // 2, also for odd sizes
        points = np.linspace(0.0, config.sample_rate // 2, config.n_frequencies)
    elif config.like is Dialect.KALDI:
        corners, points = (hz_to_mel(hz, htk=config.htk) for hz in (edges, points))
    widths = np.diff(corners)
    slopes = corners[:, None] - points[None, :]
    filters = slopes[:-2] / -widths[:-1, None]
    falling = slopes[2:]  # in place: new pages cost more than the arithmetic
    falling /= widths[1:, None]
    np.minimum(filters, falling, out=filters)
    np.maximum(filters, 0.0, out=filters)
    empty = [str(i) for i in np.flatnonzero(~filters.any(axis=1))]
    if empty:
        shown = ", ".join(empty[:10]) + (", ..." if len(empty) > 10 else "")
        message = "%d of %d mel filters are empty (%s): raise `n_fft` or lower `n_mels`"
        _log.warning(message, len(empty), len(filters), shown)
    if config.mel_norm is MelNorm.SLANEY:
        filters *= (2.0 / (edges[2:] - edges[:-2]))[:, None]
    return np.ascontiguousarray(filters.T, dtype=np.float32)


def mel_product(rows: NDArray[np.float32], config: FeatureConfig) -> NDArray[np.float32]:
    """The filter bank times `rows` of shape (n_frequencies, n): (n_mels, n).

    A triangle covers few bins: the products of four filters at a time with the bins that they cover take a
    tenth of the time of the whole product.
    """
    mel = np.empty((config.n_mels, rows.shape[1]), dtype=np.float32)
    for filters, bins, weights in _groups(config):
        np.dot(weights, rows[bins], out=mel[filters])
    return mel


@lru_cache(maxsize=8)
def _groups(config: FeatureConfig) -> list[tuple[slice, slice, NDArray[np.float32]]]:
    """Groups of neighbouring filters: which they are, the bins that they cover, and their weights there."""
    groups = []
    for first in range(0, config.n_mels, _GROUP):
        weights = mel_filters(config)[:, first : first + _GROUP].T
        covered = np.flatnonzero(weights.any(axis=0))
        bins = slice(covered[0], covered[-1] + 1) if covered.size else slice(0, 0)
        filters = slice(first, first + len(weights))
        groups.append((filters, bins, np.ascontiguousarray(weights[:, bins])))
    return groups
