"""The real discrete Fourier transform of SciPy, without the rest of `scipy.fft`.

Importing `scipy.fft` takes longer than reading, transforming and writing a 30 s recording, for its support of
other array libraries and of special functions. The transform itself is one compiled module inside it
(pocketfft), which is loaded by itself here; where a SciPy has it elsewhere, `scipy.fft` is imported.
"""

import importlib.util
from collections.abc import Callable
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Transform = Callable[[NDArray[np.float32], int], NDArray[np.complex64]]

_MODULE = "scipy.fft._pocketfft.pypocketfft"


def _load() -> Transform:
    try:
        pocketfft: Any = _extension()

        def transform(frames: NDArray[np.float32], n: int) -> NDArray[np.complex64]:
            missing = n - frames.shape[-1]
            if missing:
                frames = np.pad(frames, [(0, 0)] * (frames.ndim - 1) + [(0, missing)])
            spectrum: NDArray[np.complex64] = pocketfft.r2c(
                frames, (frames.ndim - 1,), True, 0, None, 1
            )
            return spectrum

        ramp = np.arange(6, dtype=np.float32)
        if np.allclose(transform(ramp[None], 8)[0], np.fft.rfft(ramp, 8), atol=1e-5):
            return transform
    except (ImportError, AttributeError, TypeError, ValueError):
        pass
    return _public


def _extension() -> Any:
    """Pocketfft's module, found beside SciPy's own without importing that."""
    package = importlib.util.find_spec("scipy")
    if package is None or package.origin is None:
        raise ImportError("scipy is not installed")
    folder = Path(package.origin).parent.joinpath(*_MODULE.split(".")[1:-1])
    for suffix in EXTENSION_SUFFIXES:
        file = folder / (_MODULE.rpartition(".")[2] + suffix)
        spec = importlib.util.spec_from_file_location(_MODULE, file) if file.is_file() else None
        if spec is not None and spec.loader is not None:
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            return module
    raise ImportError(f"no {_MODULE}")


def _public(frames: NDArray[np.float32], n: int) -> NDArray[np.complex64]:
    import scipy.fft

    spectrum: NDArray[np.complex64] = scipy.fft.rfft(frames, n=n, axis=-1)
    return spectrum


_transform = _load()


def rfft(frames: NDArray[np.float32], *, n: int) -> NDArray[np.complex64]:
    """The one-sided DFT of `frames` (..., length) padded with zeros to `n`: (..., 1 + n // 2)."""
    return _transform(frames, n)
