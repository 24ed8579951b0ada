"""The real discrete Fourier transform of SciPy (pocketfft), without the rest of `scipy.fft`.

Importing `scipy.fft` takes longer than reading, transforming and writing a 30 s recording, for its support of
other array libraries. Its one compiled module is loaded from its file instead. Where a SciPy has it
elsewhere, or with another signature, `scipy.fft` is imported.
"""

import importlib.util
from collections.abc import Callable
from importlib.machinery import PathFinder
from typing import Any

import numpy as np
from numpy.typing import NDArray

_COMPILED = "scipy.fft._pocketfft.pypocketfft"
Real = NDArray[np.float32] | NDArray[np.float64]
Complex = NDArray[np.complex64] | NDArray[np.complex128]
Transform = Callable[[Real, Complex], None]


def rfft(frames: Real, *, n: int, out: Complex) -> None:
    """Write the one-sided DFT of `frames` (..., length) padded with zeros to `n` to `out` (..., 1 + n // 2).

    `out` has the precision of `frames`, and may be a view with its axes in any order.
    """
    padded: Any = frames
    missing = n - frames.shape[-1]
    if missing:
        padded = np.pad(padded, [(0, 0)] * (frames.ndim - 1) + [(0, missing)])
    _transform(padded, out)


def _load() -> Transform:
    try:
        pocketfft = _pypocketfft()

        def transform(frames: Real, out: Complex) -> None:
            pocketfft.r2c(frames, (frames.ndim - 1,), True, 0, out, 1)

        steps = np.array([[1, 2, 4, 8]], dtype=np.float32)
        found = np.empty((3, 1), dtype=np.complex64).T
        transform(steps, found)
        if found.tolist() == [[15, -3 + 6j, -5]]:
            return transform
    except (ImportError, AttributeError, TypeError, ValueError):
        pass
    return _public


def _pypocketfft() -> Any:
    package = importlib.util.find_spec("scipy")
    roots = package.submodule_search_locations if package else None
    spec = PathFinder.find_spec(_COMPILED, [f"{root}/fft/_pocketfft" for root in roots or ()])
    if spec is None or spec.loader is None:
        raise ImportError(_COMPILED)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _public(frames: Real, out: Complex) -> None:
    import scipy.fft  # 0.3 s, so only where its compiled module can't be loaded

    out[...] = scipy.fft.rfft(frames, axis=-1)


_transform = _load()
