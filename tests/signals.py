"""Signals for the tests, made on the spot."""

import numpy as np
from numpy.typing import NDArray


def tones_and_noise(samples: int, seed: int = 0) -> NDArray[np.float32]:
    """Noise that decays over 100 dB under a few tones, so that `top_db` has something to clip."""
    rng = np.random.default_rng(seed)
    t = np.arange(samples)
    tones = np.sin(np.outer(rng.uniform(0.001, 3.0, size=4), t)).sum(axis=0)
    envelope = np.exp(-t * (10.0 / max(1, samples)))
    noise = 0.1 * rng.standard_normal(samples)
    return np.asarray((0.1 * tones + noise) * envelope, dtype=np.float32)


def in_blocks(samples: NDArray[np.float32], size: int) -> list[NDArray[np.float32]]:
    """`samples` cut into blocks of `size`."""
    return [samples[start : start + size] for start in range(0, len(samples), size)]
