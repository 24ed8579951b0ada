"""One number a frame: crossings, loudness, and where in the spectrum the sound is.

Numbers equal those of `librosa.feature`. Sources: Peeters, A large set of audio features (2004); Klapuri and
Davy, Signal processing methods for music transcription, ch. 5 (2006); Dubnov, Generalization of spectral
flatness measure (2004). All functions give (channels, frames, 1).
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from audiocnn_cli.errors import UsageError
from audiocnn_cli.features.cepstrum import floored
from audiocnn_cli.features.config import FeatureConfig
from audiocnn_cli.features.mel import bin_frequencies
from audiocnn_cli.features.spectrum import Chunk

# Smaller samples count as zero, and zero as positive.
_CROSSING_THRESHOLD = 1e-10
_FLATNESS_FLOOR = 1e-10
_FIRST_OCTAVE_HZ = 200.0
_QUANTILE = 0.02
_CONTRAST_FLOOR = 1e-10


def zero_crossing_rate(chunk: Chunk) -> NDArray[np.float32]:
    """The fraction of neighbouring samples in a frame whose signs differ, 0 to 1."""
    negative = chunk.span < -_CROSSING_THRESHOLD
    crossings = np.cumsum(negative[:, 1:] != negative[:, :-1], axis=-1, dtype=np.int64)
    counted = np.pad(crossings, ((0, 0), (1, 0)))
    starts = np.arange(chunk.frames.shape[1]) * chunk.config.hop_length
    counts = counted[:, starts + chunk.config.frame_length - 1] - counted[:, starts]
    return np.asarray((counts / chunk.config.frame_length)[..., None], dtype=np.float32)


def root_mean_square(chunk: Chunk) -> NDArray[np.float32]:
    """The root of the mean of the squared samples of a frame, not weighted by the window."""
    energy = np.einsum("cfs,cfs->cf", chunk.frames, chunk.frames)
    return np.asarray(np.sqrt(energy / np.float32(chunk.config.frame_length))[..., None], dtype=np.float32)


def spectral_centroid(chunk: Chunk) -> NDArray[np.float32]:
    """The mean frequency of a frame, weighted by magnitude, in Hz; 0 for silence."""
    return np.asarray(_shares(chunk) @ bin_frequencies(chunk.config)[:, None], dtype=np.float32)


def spectral_bandwidth(chunk: Chunk) -> NDArray[np.float32]:
    """The standard deviation of the frequencies of a frame, weighted by magnitude, in Hz."""
    shares = _shares(chunk)
    frequencies = bin_frequencies(chunk.config)
    centroid = shares @ frequencies[:, None]
    variance = (shares * (frequencies - centroid) ** 2).sum(axis=-1, keepdims=True)
    return np.asarray(np.sqrt(variance), dtype=np.float32)


def spectral_rolloff(chunk: Chunk) -> NDArray[np.float32]:
    """The frequency in Hz below which `roll_percent` of a frame's magnitude lies."""
    total = np.cumsum(chunk.magnitude, axis=-1)
    reached = total >= np.float32(chunk.config.roll_percent) * total[..., -1:]
    frequencies = bin_frequencies(chunk.config)[reached.argmax(axis=-1)]
    return np.asarray(frequencies[..., None], dtype=np.float32)


def spectral_flatness(chunk: Chunk) -> NDArray[np.float32]:
    """The geometric over the arithmetic mean of a frame's power: 1 for noise, 0 for a tone."""
    power = np.maximum(chunk.power, np.float32(_FLATNESS_FLOOR))
    geometric = np.exp(np.log(power).mean(axis=-1, keepdims=True, dtype=np.float64))
    arithmetic = power.mean(axis=-1, keepdims=True, dtype=np.float64)
    return np.asarray(geometric / arithmetic, dtype=np.float32)


def _shares(chunk: Chunk) -> NDArray[np.float64]:
    """Each bin's part of the frame's magnitude; all 0 for silence."""
    magnitude = chunk.magnitude.astype(np.float64)
    total = magnitude.sum(axis=-1, keepdims=True)
    return magnitude / np.where(total < np.finfo(np.float32).tiny, 1.0, total)


def valleys_and_peaks(chunk: Chunk) -> NDArray[np.float32]:
    """The mean of the weakest and of the strongest bins of each octave, in dB: (..., 2 * (n_bands + 1)).

    Raises:
        UsageError: an octave starts above half the sample rate, or holds no bin.
    """
    valleys, peaks = [], []
    for bins, count in _octaves(chunk.config):
        ordered = np.sort(chunk.magnitude[..., bins], axis=-1)
        valleys.append(ordered[..., :count].mean(axis=-1, dtype=np.float64))
        peaks.append(ordered[..., -count:].mean(axis=-1, dtype=np.float64))
    means = np.maximum(np.stack(valleys + peaks, axis=-1), _CONTRAST_FLOOR)
    return np.asarray(10.0 * np.log10(means), dtype=np.float32)


def contrast(
    levels: NDArray[np.float32], maxima: NDArray[np.float32], config: FeatureConfig
) -> NDArray[np.float32]:
    """Peaks less valleys in dB, both floored at `top_db` below their maximum: (..., n_bands + 1)."""
    middle = config.n_bands + 1
    valleys = floored(levels[..., :middle], maxima[..., :middle], config)
    peaks = floored(levels[..., middle:], maxima[..., middle:], config)
    return peaks - valleys


@lru_cache(maxsize=8)
def _octaves(config: FeatureConfig) -> tuple[tuple[slice, int], ...]:
    """The bins of each octave from 0 Hz up, and how many of them a valley or a peak is the mean of."""
    edges = [0.0] + [_FIRST_OCTAVE_HZ * 2.0**k for k in range(config.n_bands + 1)]
    if edges[-2] >= config.sample_rate / 2:
        rule = f"`n_bands` must be smaller than {config.n_bands} at {config.sample_rate} Hz"
        raise UsageError(f"{rule}: the last octave starts at {edges[-2]:g} Hz")
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
            rule = f"`n_fft` must be larger than {config.n_fft} for contrast"
            raise UsageError(f"{rule}: no two bins lie between {edges[k]:g} and {edges[k + 1]:g} Hz")
        bands.append((slice(int(first), int(end)), max(1, int(np.rint(_QUANTILE * taken)))))
    return tuple(bands)
