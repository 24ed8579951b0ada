"""Chroma and the tonal centroids: what librosa alone defines is asked of librosa, loaded then.

Sources: Ellis, Chroma feature analysis and synthesis (2007); Harte, Sandler and Gasser, Detecting harmonic
change in musical audio (2006).
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING

from audiocnn_cli.features.config import FeatureConfig
from audiocnn_cli.features.spool import Spool

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from audiocnn_cli.features.spectrum import Chunk

_TUNING_STEP = 0.01


def chroma(chunk: "Chunk") -> "NDArray[np.float32]":
    """The energy of each pitch class, the largest of a frame being 1: (channels, frames, n_chroma)."""
    import numpy as np

    energy = chunk.power @ _filters(chunk.config)
    largest = energy.max(axis=-1, keepdims=True)
    heard = largest >= np.finfo(np.float32).tiny
    classes: NDArray[np.float32] = np.divide(
        energy, np.where(heard, largest, 1.0), dtype=np.float32
    )
    return classes


def tonnetz(chunk: "Chunk") -> "NDArray[np.float32]":
    """Chroma projected on the circles of fifths, minor and major thirds: (channels, frames, 6)."""
    import numpy as np

    classes = chroma(chunk)
    total = classes.sum(axis=-1, keepdims=True)
    shares = np.divide(classes, np.where(total > 0, total, 1.0), dtype=np.float32)
    centroids: NDArray[np.float32] = np.matmul(shares, _circles(chunk.config.n_chroma))
    return centroids


@lru_cache(maxsize=8)
def _filters(config: FeatureConfig) -> "NDArray[np.float32]":
    import librosa
    import numpy as np

    filters = librosa.filters.chroma(
        sr=config.sample_rate,
        n_fft=config.n_fft,
        n_chroma=config.n_chroma,
        tuning=config.tuning or 0.0,
    )
    return np.ascontiguousarray(filters.T, dtype=np.float32)


@lru_cache(maxsize=8)
def _circles(n_chroma: int) -> "NDArray[np.float32]":
    """Sine and cosine of each pitch class on the three circles, the thirds' radius of major ones halved."""
    import numpy as np

    pitches = np.linspace(0.0, 12.0, num=n_chroma, endpoint=False)
    columns = []
    for turn, radius in ((7 / 6, 1.0), (3 / 2, 1.0), (2 / 3, 0.5)):
        columns += [
            radius * np.sin(np.pi * turn * pitches),
            radius * np.cos(np.pi * turn * pitches),
        ]
    return np.stack(columns, axis=-1).astype(np.float32)


def estimate_tuning(chunks: Iterable["Chunk"], config: FeatureConfig) -> float:
    """How far the recording is off A440, in fractions of a chroma bin, -0.5 to 0.5.

    The most frequent deviation of the stronger half of all spectral peaks: `librosa.estimate_tuning` of the
    whole recording, with the peaks kept on disk when there are many.
    """
    import librosa
    import numpy as np

    found = Spool()
    for chunk in chunks:
        # librosa stacks channels before frequencies before frames.
        pitches, magnitudes = librosa.piptrack(
            S=chunk.power.swapaxes(-1, -2), sr=config.sample_rate
        )
        heard = pitches > 0
        found.append(np.stack([pitches[heard], magnitudes[heard]], axis=-1).astype(np.float32))
    peaks = found.array()
    if not len(peaks):
        return 0.0
    threshold = _median(peaks[:, 1])
    edges = np.linspace(-0.5, 0.5, round(1 / _TUNING_STEP) + 1)
    counts = np.zeros(len(edges) - 1, dtype=np.int64)
    for rows in found.blocks():
        octaves = librosa.hz_to_octs(rows[rows[:, 1] >= threshold, 0])
        deviation = np.mod(config.n_chroma * octaves, 1.0)
        deviation[deviation >= 0.5] -= 1.0
        counts += np.histogram(deviation, edges)[0]
    return float(edges[counts.argmax()])


def _median(values: "NDArray[np.float32]") -> float:
    """The median of non-negative values in two passes of counting, so that it needs no copy of them."""
    import numpy as np

    lower, upper = (_ranked(values, rank) for rank in ((len(values) - 1) // 2, len(values) // 2))
    return float(np.float32(0.5) * (np.float32(lower) + np.float32(upper)))


def _ranked(values: "NDArray[np.float32]", rank: int) -> float:
    """The value of that rank, by the upper and then the lower half of its bits (those order as it does)."""
    import numpy as np

    step = 1 << 20
    blocks = range(0, len(values), step)
    upper_counts = np.zeros(1 << 16, dtype=np.int64)
    for start in blocks:
        bits = np.ascontiguousarray(values[start : start + step]).view(np.uint32)
        upper_counts += np.bincount(bits >> 16, minlength=1 << 16)
    upper = int(np.searchsorted(np.cumsum(upper_counts), rank, side="right"))
    rank -= int(upper_counts[:upper].sum())
    lower_counts = np.zeros(1 << 16, dtype=np.int64)
    for start in blocks:
        bits = np.ascontiguousarray(values[start : start + step]).view(np.uint32)
        lower_counts += np.bincount(bits[bits >> 16 == upper] & 0xFFFF, minlength=1 << 16)
    lower = int(np.searchsorted(np.cumsum(lower_counts), rank, side="right"))
    return float(np.array([upper << 16 | lower], dtype=np.uint32).view(np.float32)[0])
