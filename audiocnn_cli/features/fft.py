"""The real discrete Fourier transform of SciPy (pocketfft), without the rest of `scipy.fft`.

Importing `scipy.fft` takes longer than reading, transforming and writing a 30 s recording, for its support of
other array libraries. Its one compiled module is loaded from its file instead. Where a SciPy has it
elsewhere, or with another signature, `scipy.fft` is imported.
"""

import importlib.util
from collections.abc import Callable
from importlib.machinery import PathFinder
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

_COMPILED = "scipy.fft._pocketfft.pypocketfft"
Real = NDArray[np.float32] | NDArray[np.float64]
Complex = NDArray[np.complex64] | NDArray[np.complex128]


def rfft(frames: Real, *, n: int, out: Complex) -> None:
    """Write the one-sided DFT of `frames` (..., length) padded with zeros to `n` to `out` (..., 1 + n // 2).

    `out` has the precision of `frames`, and may be a view with its axes in any order.
    """
    padded: Any = frames
    missing = n - frames.shape[-1]
    if missing:
        padded = np.pad(padded, [(0, 0)] * (frames.ndim - 1) + [(0, missing)])
    _transforms.forward(padded, out)


def irfft(spectrum: NDArray[np.complex128], *, n: int) -> NDArray[np.float64]:
    """The inverse of `rfft`: (..., 1 + n // 2) to (..., n), in float64."""
    signal = np.empty((*spectrum.shape[:-1], n))
    _transforms.inverse(spectrum, signal)
    return signal


def good_size(n: int) -> int:
    """The next size from `n` that is transformed fast: a product of small primes."""
    size = n
    while not _smooth(size):
        size += 1
    return size


def _smooth(size: int) -> bool:
    for prime in (2, 3, 5):
        while size % prime == 0:
            size //= prime
    return size == 1


class _Transforms(NamedTuple):
    forward: Callable[[Real, Complex], None]
    inverse: Callable[[NDArray[np.complex128], NDArray[np.float64]], None]


def _load() -> _Transforms:
    try:
        pocketfft = _pypocketfft()

        def forward(frames: Real, out: Complex) -> None:
            pocketfft.r2c(frames, (frames.ndim - 1,), True, 0, out, 1)

        def inverse(spectrum: NDArray[np.complex128], out: NDArray[np.float64]) -> None:
            pocketfft.c2r(spectrum, (out.ndim - 1,), out.shape[-1], False, 2, out, 1)

        steps = np.array([[1, 2, 4, 8]], dtype=np.float32)
        found = np.empty((3, 1), dtype=np.complex64).T
        forward(steps, found)
        back = np.empty((1, 4))
        inverse(found.astype(np.complex128), back)
        if found.tolist() == [[15, -3 + 6j, -5]] and back.tolist() == steps.tolist():
            return _Transforms(forward, inverse)
    except (ImportError, AttributeError, TypeError, ValueError):
        pass
    return _PUBLIC


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


def _public_inverse(spectrum: NDArray[np.complex128], out: NDArray[np.float64]) -> None:
    import scipy.fft  # as above

    out[...] = scipy.fft.irfft(spectrum, n=out.shape[-1], axis=-1)


_PUBLIC = _Transforms(_public, _public_inverse)
_transforms = _load()
