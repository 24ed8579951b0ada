"""The real discrete Fourier transform of SciPy (pocketfft), without the rest of `scipy.fft`.

Where a SciPy has the compiled transform elsewhere, or it means something else there, `scipy.fft` is imported.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiocnn_cli.features.compiled import scipy_extension

Transform = Callable[[NDArray[np.float32], NDArray[np.complex64]], None]


def _load() -> Transform:
    try:
        pocketfft: Any = scipy_extension("scipy.fft._pocketfft.pypocketfft")

        def transform(frames: NDArray[np.float32], out: NDArray[np.complex64]) -> None:
            pocketfft.r2c(frames, (frames.ndim - 1,), True, 0, out, 1)

        ramp = np.arange(8, dtype=np.float32)[None]
        found = np.empty((5, 1), dtype=np.complex64).T
        transform(ramp, found)
        if np.allclose(found, np.fft.rfft(ramp), atol=1e-5):
            return transform
    except (ImportError, AttributeError, TypeError, ValueError):
        pass
    return _public


def _public(frames: NDArray[np.float32], out: NDArray[np.complex64]) -> None:
    import scipy.fft

    out[...] = scipy.fft.rfft(frames, axis=-1)


_transform = _load()


def rfft(frames: NDArray[np.float32], *, n: int, out: NDArray[np.complex64]) -> None:
    """Write the one-sided DFT of `frames` (..., length) padded with zeros to `n` to `out` (..., 1 + n // 2).

    `out` may be a view with its axes in any order.
    """
    missing = n - frames.shape[-1]
    if missing:
        frames = np.pad(frames, [(0, 0)] * (frames.ndim - 1) + [(0, missing)])
    _transform(frames, out)
