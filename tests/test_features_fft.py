"""The transform is SciPy's, to the last bit, with and without importing `scipy.fft`."""

import subprocess
import sys

import numpy as np
import pytest
import scipy.fft

from audiocnn_cli.features import fft


@pytest.mark.parametrize(("length", "n"), [(1, 1), (7, 7), (400, 512), (1000, 1000), (2048, 2048)])
def test_equals_scipy(length: int, n: int) -> None:
    frames = np.random.default_rng(n).standard_normal((2, 5, length)).astype(np.float32)
    expected = scipy.fft.rfft(frames, n=n, axis=-1)
    for transform in (fft.rfft(frames, n=n), fft._public(frames, n)):
        assert transform.dtype == np.complex64
        np.testing.assert_array_equal(transform, expected)


def test_scipy_fft_is_not_imported_and_may_be_afterwards() -> None:
    code = (
        "import sys, numpy as np\n"
        "from audiocnn_cli.features.config import FeatureConfig\n"
        "from audiocnn_cli.features.extract import extract\n"
        "extract(np.ones(5000, dtype=np.float32), FeatureConfig())\n"
        "assert 'scipy' not in sys.modules, 'scipy is imported'\n"
        "import scipy.fft, librosa\n"
        "print(len(scipy.fft.rfft(np.ones(8))), librosa.stft(np.ones(4096)).shape)\n"
    )
    finished = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout == "5 (1025, 9)\n"


def test_without_the_compiled_module_scipy_fft_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fft, "EXTENSION_SUFFIXES", [".none"])
    assert fft._load() is fft._public
