"""Our way to SciPy's FFT gives SciPy's numbers, by either door."""

import sys

import numpy as np
import pytest
import scipy.fft

from audiocnn_cli.features import fft


@pytest.mark.parametrize("n_fft", [1, 2, 331, 400, 1000, 2048])
@pytest.mark.parametrize("core", [True, False])
def test_equal_to_scipy_to_the_bit(n_fft: int, core: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not core:
        monkeypatch.setattr(fft, "_compiled_core", lambda: None)
    fft._implementation.cache_clear()
    frames = np.random.default_rng(n_fft).standard_normal((9, n_fft)).astype(np.float32)
    found = fft.rfft(frames, n_fft=n_fft)
    padded = fft.rfft(frames[None], n_fft=n_fft + 5)
    fft._implementation.cache_clear()
    assert found.dtype == np.complex64
    np.testing.assert_array_equal(found, scipy.fft.rfft(frames))
    np.testing.assert_array_equal(padded, scipy.fft.rfft(frames[None], n=n_fft + 5))


def test_the_core_is_where_this_scipy_keeps_it() -> None:
    assert fft._compiled_core() is not None, sys.version
