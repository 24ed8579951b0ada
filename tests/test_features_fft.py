"""The transform is SciPy's, with and without importing `scipy.fft`."""

import subprocess
import sys

import numpy as np
import pytest
import scipy.fft

from audiocnn_cli.features import fft
from audiocnn_cli.features.config import Feature, FeatureConfig
from audiocnn_cli.features.extract import extract, extract_blocks


@pytest.mark.parametrize(("length", "n"), [(1, 1), (7, 7), (400, 512), (1000, 1000), (2048, 2048)])
def test_equals_scipy(length: int, n: int) -> None:
    frames = np.random.default_rng(n).standard_normal((2, 5, length)).astype(np.float32)
    expected = scipy.fft.rfft(frames, n=n, axis=-1)
    plain = np.empty(expected.shape, dtype=np.complex64)
    turned = np.empty((expected.shape[2], 2, 5), dtype=np.complex64).transpose(1, 2, 0)
    for out in (plain, turned):
        fft.rfft(frames, n=n, out=out)
        np.testing.assert_array_equal(out, expected)
        out[...] = 0
        fft._public(np.pad(frames, ((0, 0), (0, 0), (0, n - length))), out)
        np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("n", [1, 2, 7, 400, 2400])
def test_the_inverse_equals_scipy(n: int) -> None:
    spectrum = scipy.fft.rfft(np.random.default_rng(n).standard_normal((3, n)))
    expected = scipy.fft.irfft(spectrum, n=n)
    np.testing.assert_array_equal(fft.irfft(spectrum, n=n), expected)
    found = np.empty((3, n))
    fft._PUBLIC.inverse(spectrum, found)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("n", [1, 7, 11, 2388, 2401])
def test_good_sizes_have_small_factors(n: int) -> None:
    assert n <= fft.good_size(n) <= 1.1 * n + 1
    assert fft.good_size(fft.good_size(n)) == fft.good_size(n)
    assert 30**20 % fft.good_size(n) == 0


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
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout == "5 (1025, 9)\n"


def test_without_the_compiled_modules_the_packages_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    assert fft._load() is not fft._PUBLIC
    monkeypatch.setattr(fft, "_COMPILED", "scipy.none")
    assert fft._load() is fft._PUBLIC


def test_what_is_kept_of_a_chunk_outlives_the_next() -> None:
    samples = np.random.default_rng(3).standard_normal(300_000, dtype=np.float32)
    configs = [
        FeatureConfig(feature=feature)
        for feature in (Feature.STFT, Feature.ZCR, Feature.FLATNESS, Feature.MFCC)
    ]
    together = extract_blocks([samples], configs)
    apart = [extract(samples, config) for config in configs]
    np.testing.assert_array_equal(together, np.concatenate(apart, axis=1))
