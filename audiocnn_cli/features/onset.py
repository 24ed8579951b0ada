"""Onset strength: how much louder the bands of a log-mel spectrum have become.

Numbers equal those of `librosa.onset.onset_strength`. Sources: Boeck and Widmer, Maximum filter vibrato
suppression for onset detection, DAFx 2013; Ellis, Beat tracking by dynamic programming, Journal of New Music
Research 36(1), 2007.
"""

import numpy as np
from numpy.typing import NDArray

from audiocnn_cli.features.config import Aggregate, FeatureConfig
from audiocnn_cli.features.over_time import Smoother, maximum_over_bands

# The pole of the filter that removes the mean.
_DETREND_POLE = 0.99


def delay(config: FeatureConfig) -> int:
    """Frames that the strength is delayed by, so that it peaks where the middle of the window meets a sound.

    A centred frame contains samples of up to n_fft / 2 later.
    """
    return config.n_fft // (2 * config.hop_length) if config.center else 0


class SpectralFlux:
    """Rows of a log-mel spectrum to the increase of each band over `lag` frames, averaged over the bands.

    Frames without an earlier one have 0. With `max_size` above 1 the earlier level is the largest of that
    many neighbouring bands.
    """

    def __init__(self, config: FeatureConfig) -> None:
        self._config = config
        self._before: NDArray[np.float32] | None = None  # the last `lag` rows of levels, fewer at first
        self._delayed: NDArray[np.float32] | None = None  # strengths that belong to later frames
        self._mean = Smoother(1.0 - _DETREND_POLE, start=0.0)

    def push(self, rows: NDArray[np.float32], /) -> NDArray[np.float32]:
        """The strength at as many frames, (frames, channels, 1)."""
        frames, channels, _ = rows.shape
        if self._delayed is None:
            self._delayed = np.zeros((delay(self._config), channels), dtype=np.float32)
        strengths = np.concatenate([self._delayed, self._increases(rows)])
        self._delayed = strengths[frames:]
        strengths = strengths[:frames]
        if self._config.detrend:
            strengths = self._detrended(strengths)
        return strengths[..., None]

    def finish(self) -> None:
        """Nothing is held back: what is delayed lies behind the last frame."""

    def _increases(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """The mean increase of each row, not delayed: (frames, channels)."""
        config = self._config
        levels = rows if self._before is None else np.concatenate([self._before, rows])
        self._before = levels[-config.lag :].copy()
        earlier = levels[: -config.lag]
        if config.max_size > 1:
            earlier = maximum_over_bands(earlier, config.max_size)
        grown = levels[config.lag :] - earlier
        np.maximum(grown, 0.0, out=grown)
        found = np.median(grown, axis=-1) if config.aggregate is Aggregate.MEDIAN else grown.mean(axis=-1)
        # The first `lag` rows of a recording have none before them.
        return np.concatenate([np.zeros((len(rows) - len(found), rows.shape[1]), np.float32), found])

    def _detrended(self, strengths: NDArray[np.float32]) -> NDArray[np.float32]:
        """`strengths` less their mean so far, which forgets with `_DETREND_POLE`."""
        before = self._mean.state(strengths.shape[1])
        means = self._mean.push(strengths.astype(np.float64))
        return np.asarray(strengths - np.concatenate([before[None], means[:-1]]), dtype=np.float32)
