"""The fundamental frequency by YIN: f0 in Hz, and how periodic each frame is.

Estimates equal those of `librosa.yin`. Source: de Cheveigne and Kawahara, YIN, a fundamental frequency
estimator for speech and music, Journal of the Acoustical Society of America 111(4), 2002.
"""

import logging
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from audiocnn_cli.features.config import FeatureConfig, Unvoiced
from audiocnn_cli.features.f0_path import OCTAVE_COST, LeastCost
from audiocnn_cli.features.fft import good_size, irfft, rfft
from audiocnn_cli.features.over_time import OverTime
from audiocnn_cli.features.spectrum import Chunk

_log = logging.getLogger("audiocnn")

# Candidates of a frame for the path of least cost.
CANDIDATES = 6
# Frames that are transformed at once: their spectra in float64 stay in the processor's cache.
_BLOCK = 32
# Of the energy of a frame, in float64.
_ROUNDING = 1e-10


@dataclass(frozen=True, slots=True)
class Lags:
    """The periods that are compared, in samples, and the size of the transform that holds their products."""

    shortest: int
    longest: int
    size: int


@lru_cache(maxsize=8)
def lags_of(config: FeatureConfig) -> Lags:
    """The lags of `config`; a warning where less than two periods of the lowest f0 fit into a frame."""
    fmin, fmax = config.f0_range
    rate, length = config.sample_rate, config.frame_length
    if rate / fmin >= length // 2:
        message = "less than two periods of %g Hz fit into a frame of %d samples: raise `n_fft` or `fmin`"
        _log.warning(message, fmin, length)
    longest = min(int(np.ceil(rate / fmin)), length - 1)
    # Products of samples that wrap around the end are kept out of the lags that are looked at.
    return Lags(int(np.floor(rate / fmax)), longest, good_size(length + longest))


def estimates(chunk: Chunk) -> NDArray[np.float32]:
    """f0 in Hz and aperiodicity of each frame, by turns: (channels, frames, 2), or 2 for each candidate.

    Without `f0_track` there is one, that of YIN: the first trough of the normalised difference below
    `trough_threshold`, or else the lowest value. With it there are up to `CANDIDATES`, those of least cost;
    missing ones have 0 Hz. Aperiodicity is 0 for a periodic frame, about 1 for noise.
    """
    config = chunk.config
    lags = lags_of(config)
    channels, count, _ = chunk.frames.shape
    wanted = CANDIDATES if config.f0_track else 1
    found = np.empty((channels, count, 2 * wanted), dtype=np.float32)
    for channel in range(channels):
        for start in range(0, count, _BLOCK):
            frames = chunk.frames[channel, start : start + _BLOCK]
            difference = _normalised_difference(frames, lags, exact=config.f0_track)
            chosen = (
                _cheapest(difference, lags, config) if config.f0_track else _yin_choice(difference, config)
            )
            f0, aperiodicity = _refined(difference, chosen, lags, config)
            part = found[channel, start : start + _BLOCK]
            part[:, 0::2], part[:, 1::2] = f0, aperiodicity
    return found


def _normalised_difference(frames: NDArray[np.float32], lags: Lags, *, exact: bool) -> NDArray[np.float64]:
    """The cumulative mean normalised difference, (frames, lags from the shortest to the longest).

    In float64: near a period the difference is that of two numbers which are almost equal. If it is to be
    `exact`, only samples with a partner in the frame count. librosa also adds the energy of those without
    one, which makes f0 some cents too high where few periods fit into a frame.
    """
    count, length = frames.shape
    padded = np.zeros((count, lags.size))
    padded[:, :length] = frames
    spectrum = np.empty((count, lags.size // 2 + 1), dtype=np.complex128)
    rfft(padded, n=lags.size, out=spectrum)
    np.multiply(spectrum, spectrum.conj(), out=spectrum)
    products = irfft(spectrum, n=lags.size)[:, : lags.longest + 1]
    squares = padded[:, :length] ** 2
    alone = np.cumsum(squares[:, : lags.longest], axis=1)
    if exact:
        alone += np.cumsum(squares[:, : -lags.longest - 1 : -1], axis=1)
    else:
        alone[:, 0] = 0.0  # librosa 0.11 leaves the first sample out at a lag of 1
    difference = 2.0 * (products[:, :1] - products[:, 1:]) - alone
    np.maximum(difference, 0.0, out=difference)
    # Silence, and for `exact` a constant: what differs is rounding.
    constant = difference.mean(axis=1) <= _ROUNDING * products[:, 0]
    if exact:  # the mean of as many pairs as there are
        difference /= np.arange(length - 1, length - 1 - lags.longest, -1)
    means = np.cumsum(difference, axis=1)
    means /= np.arange(1, lags.longest + 1)
    tiny = np.finfo(np.float32).tiny
    first = lags.shortest - 1
    normalised: NDArray[np.float64] = difference[:, first:] / (means[:, first:] + tiny)
    normalised[constant] = 1.0
    return normalised


def _troughs(difference: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Where a value is below the one before it and not above the one after it."""
    troughs = np.empty(difference.shape, dtype=bool)
    falls = difference[:, 1:] < difference[:, :-1]
    troughs[:, 0] = difference[:, 0] < difference[:, 1]
    troughs[:, -1] = falls[:, -1]
    np.logical_and(falls[:, :-1], ~falls[:, 1:], out=troughs[:, 1:-1])
    return troughs


def _yin_choice(difference: NDArray[np.float64], config: FeatureConfig) -> NDArray[np.intp]:
    """The index of the lag of each frame, (frames, 1)."""
    below = _troughs(difference)
    below &= difference < config.trough_threshold
    first: NDArray[np.intp] = below.argmax(axis=1)
    none = ~below[np.arange(len(below)), first]
    first[none] = difference[none].argmin(axis=1)
    return first[:, None]


def _cheapest(difference: NDArray[np.float64], lags: Lags, config: FeatureConfig) -> NDArray[np.intp]:
    """The indices of the lags of the cheapest troughs, (frames, CANDIDATES); -1 where there are fewer."""
    # As on the path: of periods that fit alike the short ones, since all multiples of a period fit.
    octaves = np.log2(np.arange(lags.shortest, lags.longest + 1))
    costs = np.maximum(difference, config.trough_threshold) + OCTAVE_COST * octaves
    depths = np.where(_troughs(difference), costs, np.inf)
    if depths.shape[1] < CANDIDATES:
        depths = np.pad(depths, ((0, 0), (0, CANDIDATES - depths.shape[1])), constant_values=np.inf)
    chosen: NDArray[np.intp] = np.argpartition(depths, CANDIDATES - 1, axis=1)[:, :CANDIDATES]
    chosen[~np.isfinite(np.take_along_axis(depths, chosen, axis=1))] = -1
    without = (chosen < 0).all(axis=1)
    chosen[without, 0] = difference[without].argmin(axis=1)
    return chosen


def _refined(
    difference: NDArray[np.float64], chosen: NDArray[np.intp], lags: Lags, config: FeatureConfig
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """f0 and aperiodicity at the lowest point of the parabola through a value and its neighbours."""
    last = difference.shape[1] - 1
    inner = (chosen > 0) & (chosen < last)
    at = chosen.clip(0, last)
    before, value, after = (
        np.take_along_axis(difference, (at + step).clip(0, last), axis=1) for step in (-1, 0, 1)
    )
    bend = before + after - 2.0 * value
    slope = (after - before) / 2.0
    inner &= np.abs(slope) < np.abs(bend)  # else the lowest point is further away than a neighbour
    shift = np.where(inner, -slope / np.where(inner, bend, 1.0), 0.0)
    f0 = np.where(chosen < 0, 0.0, config.sample_rate / (lags.shortest + at + shift))
    return f0, np.clip(value + slope * shift / 2.0, 0.0, 1.0)


def over_time(config: FeatureConfig) -> OverTime:
    """What turns rows of `estimates` into f0 and voicing."""
    return LeastCost(config, _voiced) if config.f0_track else Pointwise(config)


class Pointwise:
    """Frame by frame, without regard to the others."""

    def __init__(self, config: FeatureConfig) -> None:
        self._config = config

    def push(self, rows: NDArray[np.float32], /) -> NDArray[np.float32]:
        """f0 in Hz and voicing, (frames, channels, 2)."""
        return _voiced(rows, self._config)

    def finish(self) -> None:
        """Nothing is held back."""


def _voiced(rows: NDArray[np.float32], config: FeatureConfig) -> NDArray[np.float32]:
    """Rows of f0 and aperiodicity to f0 and voicing, with `unvoiced` in place of f0 where voicing is low."""
    f0, voicing = rows[..., 0], 1.0 - rows[..., 1]
    if config.unvoiced is not Unvoiced.ESTIMATE:
        low = np.nan if config.unvoiced is Unvoiced.NAN else 0.0
        f0 = np.where(voicing < config.voicing_threshold, np.float32(low), f0)
    return np.stack([f0, voicing], axis=-1).astype(np.float32)
