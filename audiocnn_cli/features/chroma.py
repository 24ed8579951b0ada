"""Chroma and tonal centroids; filters and peaks are librosa's, which is imported only for them.

Sources: Ellis, Chroma feature analysis and synthesis (2007); Harte, Sandler and Gasser, Detecting harmonic
change in musical audio (2006).
"""

from collections.abc import Iterable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from audiocnn_cli.features.config import FeatureConfig
from audiocnn_cli.features.spectrum import Chunk
from audiocnn_cli.features.spool import Spool

_TUNING_STEP = 0.01


def chroma(chunk: Chunk) -> NDArray[np.float32]:
    """The energy of each pitch class, the largest of a frame being 1: (channels, frames, n_chroma)."""
    energy = chunk.power @ _filters(chunk.config)
    largest = energy.max(axis=-1, keepdims=True)
    sounding = largest >= np.finfo(np.float32).tiny
    return np.asarray(energy / np.where(sounding, largest, 1.0), dtype=np.float32)


def tonnetz(chunk: Chunk) -> NDArray[np.float32]:
    """Chroma projected on the circles of fifths, minor and major thirds: (channels, frames, 6)."""
    classes = chroma(chunk)
    total = classes.sum(axis=-1, keepdims=True)
    shares = classes / np.where(total > 0, total, np.float32(1.0))
    return np.asarray(shares @ _circles(chunk.config.n_chroma), dtype=np.float32)


@lru_cache(maxsize=8)
def _filters(config: FeatureConfig) -> NDArray[np.float32]:
    import librosa

    filters = librosa.filters.chroma(
        sr=config.sample_rate, n_fft=config.n_fft, n_chroma=config.n_chroma, tuning=config.tuning or 0.0
    )
    return np.ascontiguousarray(filters.T, dtype=np.float32)


@lru_cache(maxsize=8)
def _circles(n_chroma: int) -> NDArray[np.float32]:
    """Sine and cosine of each pitch class on the three circles, the thirds' radius of major ones halved."""
    pitches = np.linspace(0.0, 12.0, num=n_chroma, endpoint=False)
    columns = []
    for turn, radius in ((7 / 6, 1.0), (3 / 2, 1.0), (2 / 3, 0.5)):
        columns += [radius * np.sin(np.pi * turn * pitches), radius * np.cos(np.pi * turn * pitches)]
    return np.stack(columns, axis=-1).astype(np.float32)


def estimate_tuning(chunks: Iterable[Chunk], config: FeatureConfig) -> float:
    """The deviation of the recording from A440, in fractions of a chroma bin, -0.5 to 0.5.

    The most frequent deviation of the stronger half of all spectral peaks, as `librosa.estimate_tuning` of
    the whole recording. Many peaks are kept in a temporary file.
    """
    import librosa

    found = Spool()
    for chunk in chunks:
        # librosa stacks channels before frequencies before frames.
        pitches, magnitudes = librosa.piptrack(S=chunk.power.swapaxes(-1, -2), sr=config.sample_rate)
        peaks_here = pitches > 0
        found.append(np.stack([pitches[peaks_here], magnitudes[peaks_here]], axis=-1).astype(np.float32))
    peaks = found.array()
    if not len(peaks):
        return 0.0
    threshold = float(np.median(peaks[:, 1]))
    edges = np.linspace(-0.5, 0.5, round(1 / _TUNING_STEP) + 1)
    counts = np.zeros(len(edges) - 1, dtype=np.int64)
    for rows in found.blocks():
        octaves = librosa.hz_to_octs(rows[rows[:, 1] >= threshold, 0])
        deviation = np.mod(config.n_chroma * octaves, 1.0)
        deviation[deviation >= 0.5] -= 1.0
        counts += np.histogram(deviation, edges)[0]
    return float(edges[counts.argmax()])
