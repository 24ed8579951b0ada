"""The windows that frames are weighted with.

Source: Harris, On the use of windows for harmonic analysis with the DFT (Proc. IEEE 66, 1978); `povey` is
Kaldi's (src/feat/feature-window.cc).
"""

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Window(StrEnum):
    """The shape of a window; the names are SciPy's, and Kaldi's for povey."""

    HANN = "hann"
    HAMMING = "hamming"
    BLACKMAN = "blackman"
    BLACKMANHARRIS = "blackmanharris"
    BOXCAR = "boxcar"
    POVEY = "povey"


# Weights of the cosines of 0, 1, 2 ... periods in the window, with alternating signs.
_COSINE_TERMS = {
    Window.HANN: (0.5, 0.5),
    Window.HAMMING: (0.54, 0.46),
    Window.BLACKMAN: (0.42, 0.5, 0.08),
    Window.BLACKMANHARRIS: (0.35875, 0.48829, 0.14128, 0.01168),
    Window.BOXCAR: (1.0,),
    Window.POVEY: (0.5, 0.5),
}
_POVEY_EXPONENT = 0.85


def periodic_window(window: Window, length: int) -> "NDArray[np.float64]":
    """The window of `length` samples as one period, shape (length,): `scipy.signal.get_window`."""
    return _cosine_sum(window, length, period=length)


def symmetric_window(window: Window, length: int) -> "NDArray[np.float64]":
    """The window of `length` samples, the last as the first, shape (length,): as Kaldi has it."""
    return _cosine_sum(window, length, period=max(1, length - 1))


def _cosine_sum(window: Window, length: int, *, period: int) -> "NDArray[np.float64]":
    import numpy as np

    phase = 2.0 * np.pi * np.arange(length) / period
    weights = np.zeros(length)
    for k, term in enumerate(_COSINE_TERMS[window]):
        weights += (-1) ** k * term * np.cos(k * phase)
    if window is Window.POVEY:
        return np.maximum(weights, 0.0) ** _POVEY_EXPONENT
    return weights
