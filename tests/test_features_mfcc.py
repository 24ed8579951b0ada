"""MFCC, log-mel and mel equal librosa's of the same samples, whatever the sizes."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import pytest
import soundfile
import soxr
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from audiocnn_cli.audio.decode import open_audio
from audiocnn_cli.audio.load import WHOLE, load
from audiocnn_cli.audio.segments import TailPolicy
from audiocnn_cli.audio.sources import Source
from audiocnn_cli.errors import SignalError
from audiocnn_cli.features.config import Feature, FeatureConfig, MelNorm, Window
from audiocnn_cli.features.extract import extract
from audiocnn_cli.features.framing import PadMode
from audiocnn_cli.features.plan import Plan
from audiocnn_cli.features.result import Tensor, compute, extract_source
from audiocnn_cli.features.settings import plan_from
from tests.numerics import EPS, assert_close, mfcc_scale
from tests.signals import tones_and_noise

# librosa transforms in float64. The float32 transform errs by a few EPS of the largest bin, which is more of
# a weak one; the sum over many levels in a coefficient evens most of it out.
MFCC = 20 * EPS
LEVEL = 100 * EPS


def librosa_arguments(config: FeatureConfig) -> dict[str, Any]:
    return {
        "sr": config.sample_rate,
        "n_fft": config.n_fft,
        "hop_length": config.hop_length,
        "win_length": config.win_length,
        "window": config.window.value,
        "center": config.center,
        "pad_mode": config.pad_mode.value,
        "n_mels": config.n_mels,
        "fmin": config.effective_fmin,
        "fmax": config.fmax,
        "htk": config.htk,
        "norm": None if config.mel_norm is MelNorm.NONE else "slaney",
    }


@st.composite
def configs(draw: st.DrawFn) -> FeatureConfig:
    sample_rate = draw(st.sampled_from([8000, 11025, 16000, 22050, 44100, 48000]))
    n_fft = draw(st.integers(16, 4096))
    n_mels = draw(st.integers(1, 160))
    fmin = draw(st.sampled_from([0.0, 20.0, 300.0]))
    return FeatureConfig(
        sample_rate=sample_rate,
        n_fft=n_fft,
        hop_length=draw(st.integers(1, 2048)),
        win_length=draw(st.none() | st.integers(4, n_fft)),
        window=draw(st.sampled_from([w for w in Window if w is not Window.POVEY])),
        center=draw(st.booleans()),
        pad_mode=draw(st.sampled_from(PadMode)),
        n_mels=n_mels,
        n_mfcc=draw(st.integers(1, n_mels)),
        fmin=fmin,
        fmax=draw(st.none() | st.floats(fmin + 100, sample_rate / 2)),
        htk=draw(st.booleans()),
        mel_norm=draw(st.sampled_from(MelNorm)),
        top_db=draw(st.sampled_from([80.0, 20.0, 0.0])),
    )


@pytest.mark.filterwarnings("ignore:Empty filters detected", "ignore:n_fft=")
@settings(max_examples=60, deadline=None)
@given(config=configs(), samples=st.integers(1, 30_000), seed=st.integers(0, 9))
def test_equals_librosa(config: FeatureConfig, samples: int, seed: int) -> None:
    if config.pad_mode is not PadMode.CONSTANT:
        # A few samples mirrored over and over are a line spectrum; between the lines there is only
        # rounding, and librosa's transform is in float64.
        samples += config.n_fft
        # librosa pads what is left behind the frames inside the signal: with as many samples as it pads, or
        # fewer, it reflects these alone.
        half, hop = config.n_fft // 2, config.hop_length
        inside = (samples + half - config.n_fft) // hop + 1
        assume(samples > inside * hop)
    y = tones_and_noise(samples, seed)
    if config.n_frames(samples) < 1:
        with pytest.raises(SignalError, match="less than one frame"):
            extract(y, config)
        return
    mfcc = extract(y, config)
    assert mfcc.shape == (config.n_frames(samples), config.n_bins)
    assert mfcc.dtype == np.float32
    mel = librosa.feature.melspectrogram(y=y, **librosa_arguments(config))
    decibels = librosa.power_to_db(mel, top_db=config.top_db)
    expected = librosa.feature.mfcc(S=decibels, n_mfcc=config.n_mfcc)
    assert_close(mfcc, expected.T, relative=MFCC, scale=mfcc_scale(config.n_mels))


@pytest.mark.filterwarnings("ignore:n_fft=")
@pytest.mark.parametrize("samples", [1, 2, 2047, 2048, 2049, 60_000])
def test_the_defaults_are_librosas(samples: int) -> None:
    y = tones_and_noise(samples)
    expected = librosa.feature.mfcc(y=y, sr=22050, n_mfcc=13).T
    assert_close(extract(y, FeatureConfig()), expected, relative=MFCC, scale=mfcc_scale())


def test_the_loudest_moment_may_come_last() -> None:
    y = tones_and_noise(200_000)[::-1].copy()
    expected = librosa.feature.mfcc(y=y, n_mfcc=13).T
    assert_close(extract(y, FeatureConfig()), expected, relative=MFCC, scale=mfcc_scale())


@pytest.mark.parametrize("feature", [Feature.MEL, Feature.LOGMEL])
def test_mel_kinds_equal_librosa(feature: Feature) -> None:
    y = tones_and_noise(40_000)
    data = extract(y, FeatureConfig(feature=feature, n_mels=64, sample_rate=16000))
    mel = librosa.feature.melspectrogram(y=y, sr=16000, n_mels=64)
    if feature is Feature.LOGMEL:
        assert_close(data, librosa.power_to_db(mel).T, relative=LEVEL)
    else:
        assert_close(data, mel.T)


def test_a_file_on_another_rate_equals_librosa(make_wav: Callable[..., Path]) -> None:
    path = make_wav(samples=tones_and_noise(100_000).reshape(-1, 2), rate=48000, subtype="FLOAT")
    ours = extract(load(Source(str(path)), sample_rate=22050).samples, FeatureConfig())
    theirs = librosa.feature.mfcc(y=librosa.load(path)[0], n_mfcc=13).T
    assert_close(ours, theirs, relative=MFCC, scale=mfcc_scale())


SILENCES = {
    "silence": np.zeros(5000),
    "dc": np.ones(5000),
    "square": np.sign(np.sin(np.arange(5000))),
    "denormals": np.full(5000, 1e-42),
}


@pytest.mark.parametrize("name", SILENCES)
def test_unusual_signals_are_finite_and_equal_librosa(name: str) -> None:
    y = SILENCES[name].astype(np.float32)
    expected = librosa.feature.mfcc(y=y, n_mfcc=13).T
    assert_close(extract(y, FeatureConfig()), expected, relative=MFCC, scale=mfcc_scale())


def whole_file(path: Path, plan: Plan) -> Tensor:
    """The tensor of a recording that is decoded, resampled and transformed in one piece."""
    with open_audio(Source(str(path))) as reader:
        info = reader.info
        start, wanted = plan.excerpt.span(info)
        block = reader.blocks(start=start, frames=wanted, block_samples=1 << 30)
        samples = np.concatenate(list(block))
    if not plan.keep_channels:
        samples = samples.mean(axis=1)
    rate = plan.config.sample_rate
    resampled = soxr.resample(samples, info.sample_rate, rate, quality="HQ")
    return compute(lambda: iter([resampled]), len(resampled), replace(plan, excerpt=WHOLE))


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"sample_rate": 16000},
        {"segments": 3, "rest": TailPolicy.KEEP},
        {"segment": 2.0, "overlap": 0.5, "rest": TailPolicy.OVERLAP},
        {"channels": True},
    ],
    ids=str,
)
def test_streaming_equals_the_whole_file(settings: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "x.flac"
    soundfile.write(path, tones_and_noise(400_000).reshape(-1, 2), 44100)
    plan = plan_from({"offset": 0.5, **settings})
    streamed, whole = extract_source(Source(str(path)), plan).tensor, whole_file(path, plan)
    # soxr's filter runs in another order on the whole signal.
    assert_close(streamed.data, whole.data, relative=MFCC, scale=mfcc_scale())
    assert (streamed.rest is None) == (whole.rest is None)
    if streamed.rest is not None:
        assert_close(streamed.rest, whole.rest, relative=MFCC, scale=mfcc_scale())
