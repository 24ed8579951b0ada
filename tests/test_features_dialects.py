"""`--like kaldi` and `--like torchaudio` give the numbers of those libraries."""

from typing import Any

import kaldi_native_fbank
import numpy as np
import pytest
from numpy.typing import NDArray

from audiocnn_cli.features.config import Dialect, Feature, FeatureConfig
from audiocnn_cli.features.dialects import config_like
from audiocnn_cli.features.extract import extract
from tests.numerics import EPS, assert_close, mfcc_scale
from tests.signals import tones_and_noise

RELATIVE = 20 * EPS


def kaldi(samples: NDArray[np.float32], config: FeatureConfig) -> NDArray[np.float32]:
    """Kaldi's own code, compiled; dither 0, everything else its defaults."""
    mfcc = config.feature is Feature.MFCC
    options = kaldi_native_fbank.MfccOptions() if mfcc else kaldi_native_fbank.FbankOptions()
    options.frame_opts.dither = 0
    options.frame_opts.samp_freq = config.sample_rate
    options.frame_opts.snip_edges = not config.center
    options.mel_opts.num_bins = config.n_mels
    make = kaldi_native_fbank.OnlineMfcc if mfcc else kaldi_native_fbank.OnlineFbank
    computer = make(options)
    computer.accept_waveform(config.sample_rate, (samples * 32768).tolist())
    computer.input_finished()
    return np.stack([computer.get_frame(i) for i in range(computer.num_frames_ready)])


@pytest.mark.parametrize("samples", [500, 4411, 20_000])
@pytest.mark.parametrize("sample_rate", [8000, 16000, 44100])
@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("n_mels", [23, 80])
@pytest.mark.parametrize("feature", [Feature.MFCC, Feature.LOGMEL])
def test_kaldi(feature: Feature, n_mels: int, center: bool, sample_rate: int, samples: int) -> None:
    given = {"feature": feature, "n_mels": n_mels, "center": center, "sample_rate": sample_rate}
    config = config_like(Dialect.KALDI, given)
    if config.n_frames(samples) < 1:
        pytest.skip("shorter than one frame")
    y = tones_and_noise(samples)
    expected = kaldi(y, config)
    data = extract(y, config)
    assert data.shape == expected.shape
    # Both transform in float32, which errs by a few EPS of the largest bin. Levels are up to 25 nepers; a
    # coefficient is the sum of n_mels of them, and its lifter weight is up to 12.
    if feature is Feature.MFCC:
        assert_close(data, expected, relative=RELATIVE, scale=25 * 12 * n_mels**0.5)
    else:
        assert_close(data, expected, relative=300 * EPS, scale=25)


def torchaudio_mel(y: NDArray[np.float32], rate: int, n_fft: int, n_mels: int) -> NDArray[Any]:
    """`torchaudio.transforms.MelSpectrogram` by its documentation, in float64: reflected ends, periodic
    Hann, power 2, HTK mels, triangles of unit height over linspace(0, rate // 2)."""
    padded = np.pad(y.astype(np.float64), n_fft // 2, mode="reflect")
    starts = range(0, len(padded) - n_fft + 1, n_fft // 2)
    hann = 0.5 * (1 - np.cos(2 * np.pi * np.arange(n_fft) / n_fft))
    power = np.abs(np.fft.rfft([padded[s : s + n_fft] * hann for s in starts])) ** 2
    frequencies = np.linspace(0, rate // 2, n_fft // 2 + 1)
    top = 2595 * np.log10(1 + (rate // 2) / 700)
    edges = 700 * (10 ** (np.linspace(0, top, n_mels + 2) / 2595) - 1)
    filters = [
        np.interp(frequencies, edges[i : i + 3], [0.0, 1.0, 0.0], left=0, right=0) for i in range(n_mels)
    ]
    return np.asarray(power @ np.transpose(filters))


@pytest.mark.parametrize(
    ("rate", "n_fft", "n_mels"), [(16000, 400, 64), (22050, 2048, 128), (11025, 401, 20)]
)
def test_torchaudio_as_documented(rate: int, n_fft: int, n_mels: int) -> None:
    y = tones_and_noise(30_000)
    given = {"sample_rate": rate, "n_fft": n_fft, "n_mels": n_mels}
    mel = torchaudio_mel(y, rate, n_fft, n_mels)
    config = config_like(Dialect.TORCHAUDIO, given | {"feature": Feature.MEL})
    assert_close(extract(y, config), mel)

    decibels = 10 * np.log10(np.maximum(mel, 1e-10))
    decibels = np.maximum(decibels, decibels.max() - 80)
    angles = np.outer(np.arange(n_mels) + 0.5, np.arange(13)) * np.pi / n_mels
    dct = np.cos(angles) * np.sqrt(2 / n_mels)
    dct[:, 0] /= np.sqrt(2)
    config = config_like(Dialect.TORCHAUDIO, given | {"n_mfcc": 13})
    assert_close(extract(y, config), decibels @ dct, relative=RELATIVE, scale=mfcc_scale(n_mels))


@pytest.mark.filterwarnings("ignore:At least one mel filterbank")
def test_torchaudio_itself() -> None:
    torchaudio = pytest.importorskip("torchaudio")
    torch = pytest.importorskip("torch")
    y = tones_and_noise(30_000)
    expected = torchaudio.transforms.MFCC()(torch.from_numpy(y))
    found = extract(y, config_like(Dialect.TORCHAUDIO, {}))
    assert_close(found, expected.numpy().T, relative=RELATIVE, scale=mfcc_scale())
    deltas = torchaudio.functional.compute_deltas(torchaudio.functional.compute_deltas(expected))
    data = extract(y, config_like(Dialect.TORCHAUDIO, {"delta": 2}))
    assert_close(data[:, 80:], deltas.numpy().T, relative=RELATIVE, scale=mfcc_scale())


@pytest.mark.parametrize("like", [Dialect.KALDI, Dialect.TORCHAUDIO])
def test_differences_are_a_regression_over_five_frames(like: Dialect) -> None:
    y = tones_and_noise(20_000)
    data = extract(y, config_like(like, {"delta": 2}))
    base, first, second = np.split(data.astype(np.float64), 3, axis=1)

    def regression(x: NDArray[np.float64]) -> NDArray[np.float64]:
        ends = np.pad(x, ((2, 2), (0, 0)), mode="edge")
        n = len(x)
        weighted = 2 * (ends[4:] - ends[:n]) + (ends[3 : n + 3] - ends[1 : n + 1])
        return np.asarray(weighted / 10)

    size = float(np.abs(base).max())
    assert_close(first, regression(base), scale=size)
    inside = slice(4, -4) if like is Dialect.KALDI else slice(None)
    assert_close(second[inside], regression(regression(base))[inside], scale=size)


def test_an_option_wins_over_the_dialect() -> None:
    config = config_like(Dialect.KALDI, {"sample_rate": 8000, "hop_length": 100})
    assert (config.effective_win_length, config.n_fft, config.hop_length) == (200, 256, 100)
