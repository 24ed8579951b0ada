"""SciPy's real FFT without the rest of `scipy.fft`, whose import costs more than a minute of audio.

`import scipy.fft` takes 0.16 s, nearly all of it for things that are not the FFT (array API shims, special
functions); its compiled core alone takes 0.01 s. The core is loaded by its file; where SciPy keeps it
elsewhere, the public function is used, which gives the same numbers to the bit.
"""

from collections.abc import Callable
from functools import cache
from importlib import machinery, util
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_CORE = "pypocketfft"


def rfft(frames: "NDArray[np.float32]", *, n_fft: int) -> "NDArray[np.complex64]":
    """The one-sided spectrum of the last axis: (..., n <= n_fft) to (..., 1 + n_fft // 2).

    Shorter frames are filled up with zeros. Equal to `scipy.fft.rfft(frames, n=n_fft)`.
    """
    import numpy as np

    missing = n_fft - frames.shape[-1]
    if missing:
        frames = np.pad(frames, [(0, 0)] * (frames.ndim - 1) + [(0, missing)])
    return _implementation()(frames)


@cache
def _implementation() -> Callable[["NDArray[np.float32]"], "NDArray[np.complex64]"]:
    core = _compiled_core()
    if core is None:
        import scipy.fft

        return scipy.fft.rfft
    unscaled, one_thread = 0, 1
    return lambda frames: core.r2c(frames, (-1,), True, unscaled, None, one_thread)


def _compiled_core() -> Any:
    """The module `scipy.fft._pocketfft.pypocketfft`, or None where there is no such file."""
    scipy = util.find_spec("scipy")
    if scipy is None or scipy.origin is None:
        return None
    folder = Path(scipy.origin).parent / "fft" / "_pocketfft"
    for suffix in machinery.EXTENSION_SUFFIXES:
        path = folder / f"{_CORE}{suffix}"
        spec = util.spec_from_file_location(_CORE, path) if path.is_file() else None
        if spec is not None and spec.loader is not None:
            module = util.module_from_spec(spec)
            spec.loader.exec_module(module)
            return module if hasattr(module, "r2c") else None
    return None
