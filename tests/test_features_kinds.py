"""Every feature equals its reference, for any framing, and however the signal is cut into blocks."""

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from unittest import mock

import librosa
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from audiocnn_cli.errors import SignalError, UsageError
from audiocnn_cli.features.config import DctNorm, Feature, FeatureConfig
from audiocnn_cli.features.extract import ALONE, extract, extract_blocks, tuned
from audiocnn_cli.features.frames import Framer
from audiocnn_cli.features.framing import PadMode
from tests.numerics import EPS, assert_close, mfcc_scale
from tests.signals import in_blocks, tones_and_noise

Array = NDArray[Any]
MFCC = 20 * EPS  # see test_features_mfcc
pytestmark = pytest.mark.filterwarnings("ignore:n_fft=", "ignore:Empty filters", "ignore:Trying to")


def chroma(y: Array, n: int, hop: int) -> Array:
    return np.asarray(librosa.feature.chroma_stft(y=y, n_fft=n, hop_length=hop))


Reference = Callable[[Array, int, int], Array]
# What librosa gives, the size of its numbers (None: their largest), and how close ours have to be as a share
# of it: librosa transforms in float64, and what is far below the largest bin errs by more EPS of itself.
REFERENCES: dict[Feature, tuple[Reference, float | None, float]] = {
    Feature.STFT: (lambda y, n, hop: np.abs(librosa.stft(y, n_fft=n, hop_length=hop)), None, 10 * EPS),
    Feature.MEL: (
        lambda y, n, hop: librosa.feature.melspectrogram(y=y, n_fft=n, hop_length=hop),
        None,
        10 * EPS,
    ),
    Feature.CHROMA: (chroma, 1.0, 100 * EPS),
    Feature.TONNETZ: (lambda y, n, hop: librosa.feature.tonnetz(chroma=chroma(y, n, hop)), 1.0, 100 * EPS),
    Feature.CONTRAST: (
        lambda y, n, hop: librosa.feature.spectral_contrast(y=y, n_fft=n, hop_length=hop),
        100.0,
        20 * EPS,
    ),
    Feature.ZCR: (
        lambda y, n, hop: librosa.feature.zero_crossing_rate(y, frame_length=n, hop_length=hop),
        1.0,
        EPS,
    ),
    Feature.RMS: (lambda y, n, hop: librosa.feature.rms(y=y, frame_length=n, hop_length=hop), None, 10 * EPS),
    Feature.CENTROID: (
        lambda y, n, hop: librosa.feature.spectral_centroid(y=y, n_fft=n, hop_length=hop),
        11025.0,
        10 * EPS,
    ),
    Feature.BANDWIDTH: (
        lambda y, n, hop: librosa.feature.spectral_bandwidth(y=y, n_fft=n, hop_length=hop),
        11025.0,
        10 * EPS,
    ),
    Feature.ROLLOFF: (
        lambda y, n, hop: librosa.feature.spectral_rolloff(y=y, n_fft=n, hop_length=hop),
        11025.0,
        EPS,
    ),
    Feature.FLATNESS: (
        lambda y, n, hop: librosa.feature.spectral_flatness(y=y, n_fft=n, hop_length=hop),
        1.0,
        20 * EPS,
    ),
}
ROUNDING = {
    *((feature, "dc") for feature in (Feature.ROLLOFF, Feature.BANDWIDTH, Feature.CENTROID)),
    (Feature.CONTRAST, "dc"),
    (Feature.ROLLOFF, "denormals"),
}
SIGNALS = {
    "tones": tones_and_noise(40_000),
    "short": tones_and_noise(1500, seed=1),
    "silence": np.zeros(5000, dtype=np.float32),
    "dc": np.full(5000, 0.5, dtype=np.float32),
    "square": np.sign(np.sin(np.arange(9000))).astype(np.float32),
    "denormals": np.full(5000, 1e-42, dtype=np.float32),
}


@pytest.mark.parametrize(("n_fft", "hop"), [(2048, 512), (1000, 300), (1024, 2000)])
@pytest.mark.parametrize("signal", SIGNALS)
@pytest.mark.parametrize("feature", REFERENCES)
def test_equals_librosa(feature: Feature, signal: str, n_fft: int, hop: int) -> None:
    if (feature, signal) in ROUNDING:
        pytest.skip("rounding decides: all but one bin are empty, or there are but a few bits")
    reference, scale, relative = REFERENCES[feature]
    y = SIGNALS[signal]
    data = extract(y, FeatureConfig(feature=feature, n_fft=n_fft, hop_length=hop))
    expected = reference(y, n_fft, hop).T
    assert data.dtype == np.float32
    assert data.shape == expected.shape
    assert_close(data, expected, relative=relative, scale=scale)


def test_complex_is_the_stft_with_two_channels() -> None:
    y = SIGNALS["tones"]
    data = extract(y, FeatureConfig(feature=Feature.COMPLEX))
    expected = librosa.stft(y).T
    assert data.shape == (*expected.shape, 2)
    assert_close(data[..., 0] + 1j * data[..., 1], expected)


def test_waveform_is_the_samples() -> None:
    y = SIGNALS["tones"]
    np.testing.assert_array_equal(extract(y, FeatureConfig(feature=Feature.WAVEFORM))[:, 0], y)


def test_power_and_magnitude() -> None:
    y = SIGNALS["tones"]
    for power in (1, 2):
        stft = extract(y, FeatureConfig(feature=Feature.STFT, power=power))
        assert_close(stft, np.abs(librosa.stft(y)).T ** power)
        mel = extract(y, FeatureConfig(feature=Feature.MEL, power=power))
        expected = librosa.feature.melspectrogram(y=y, power=power).T
        assert_close(mel, expected)


def test_a_given_tuning_is_used() -> None:
    y = np.sin(2 * np.pi * 452.0 * np.arange(30_000) / 22050).astype(np.float32)
    for tuning in (None, 0.0, 0.25):
        data = extract(y, FeatureConfig(feature=Feature.CHROMA, tuning=tuning, n_chroma=24))
        expected = librosa.feature.chroma_stft(y=y, tuning=tuning, n_chroma=24).T
        assert_close(data, expected, scale=1)


@pytest.mark.parametrize("delta", [1, 2])
@pytest.mark.parametrize("width", [None, 3, 15])
def test_differences_over_time_equal_librosa(delta: int, width: int | None) -> None:
    y = SIGNALS["tones"]
    data = extract(y, FeatureConfig(delta=delta, delta_width=width))
    mfcc = librosa.feature.mfcc(y=y, n_mfcc=13)
    for order in range(1, delta + 1):
        part = data[:, 13 * order : 13 * (order + 1)]
        expected = librosa.feature.delta(mfcc, width=width or 9, order=order).T
        assert_close(part, expected, relative=MFCC, scale=mfcc_scale())


def test_too_few_frames_for_differences_are_refused() -> None:
    with pytest.raises(SignalError, match="has 2 frames, and differences over time are taken over 9"):
        extract(SIGNALS["short"][:600], FeatureConfig(delta=1))


@pytest.mark.parametrize("lifter", [0, 12, 22])
@pytest.mark.parametrize("norm", ["ortho", "none"])
def test_lifter_and_dct_norm_equal_librosa(lifter: int, norm: str) -> None:
    y = SIGNALS["tones"]
    data = extract(y, FeatureConfig(lifter=lifter, dct_norm=DctNorm(norm)))
    expected = librosa.feature.mfcc(y=y, n_mfcc=13, lifter=lifter, norm=None if norm == "none" else norm)
    assert_close(data, expected.T, relative=MFCC)


@pytest.mark.parametrize("feature", [Feature.MFCC, Feature.LOGMEL, Feature.RMS, Feature.COMPLEX])
def test_channels_come_last(feature: Feature) -> None:
    y = np.stack([SIGNALS["tones"], 0.01 * SIGNALS["tones"][::-1]], axis=1)
    config = FeatureConfig(feature=feature)
    data = extract(y, config)
    if feature is Feature.COMPLEX:
        each = [extract(y[:, channel], config) for channel in range(2)]
        np.testing.assert_array_equal(data, np.concatenate(each, axis=-1))
        return
    assert data.shape == (*extract(y[:, 0], config).shape, 2)
    if feature is Feature.MFCC:  # the floor is 80 dB below the loudest value of all channels
        expected = librosa.feature.mfcc(y=y.T, n_mfcc=13)
        assert_close(data, expected.transpose(2, 1, 0), relative=MFCC, scale=mfcc_scale())


@pytest.mark.parametrize("feature", Feature)
@pytest.mark.parametrize("block", [1, 777, 4096])
def test_blocks_of_any_size_give_the_same_bits(feature: Feature, block: int) -> None:
    y = tones_and_noise(3000 if block == 1 else 150_000)
    config = FeatureConfig(feature=feature, tuning=0.1, delta=0)
    whole = extract(y, config)
    np.testing.assert_array_equal(extract_blocks(in_blocks(y, block), [config]), whole)


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_frames_and_blocks_hold_for_any_sizes(data: st.DataObject) -> None:
    n_fft, hop = data.draw(st.integers(1, 700)), data.draw(st.integers(1, 900))
    center = data.draw(st.booleans())
    config = FeatureConfig(
        feature=data.draw(st.sampled_from([Feature.STFT, Feature.RMS, Feature.ZCR])),
        n_fft=n_fft,
        hop_length=hop,
        center=center,
        pad_mode=data.draw(st.sampled_from(PadMode)),
        frames_exact=center and data.draw(st.booleans()),
    )
    samples = data.draw(st.integers(1, 3000))
    y = tones_and_noise(samples)
    frames = config.n_frames(samples)
    if config.frames_exact:
        assert frames == min(samples // hop, replace(config, frames_exact=False).n_frames(samples))
    elif n_fft % 2 == 0 and center:
        assert frames == 1 + samples // hop
    if frames < 1:
        with pytest.raises(SignalError):
            extract(y, config)
        return
    blocks = in_blocks(y, data.draw(st.integers(1, 1000)))
    # Small chunks, so that a signal of this length is several of them.
    with mock.patch("audiocnn_cli.features.framing._CHUNK_SAMPLES", data.draw(st.integers(1, 4000))):
        whole = extract(y, config)
        np.testing.assert_array_equal(extract_blocks(blocks, [config]), whole)
    assert whole.shape == (frames, config.n_bins)
    padding = n_fft // 2 if center else 0
    padded = np.pad(y, padding, mode="edge" if config.feature is Feature.ZCR else config.pad_mode.value)
    if config.feature is Feature.RMS:
        expected = [np.sqrt(np.mean(padded[i * hop :][:n_fft] ** 2)) for i in range(frames)]
        assert_close(whole[:, 0], expected)


@pytest.mark.parametrize("mode", PadMode)
def test_the_last_frame_mirrors_all_that_it_needs(mode: PadMode) -> None:
    y = tones_and_noise(900)
    config = FeatureConfig(feature=Feature.RMS, n_fft=100, hop_length=90, pad_mode=mode)
    padded = np.pad(y, 50, mode=mode.value)
    expected = [np.sqrt(np.mean(padded[start : start + 100] ** 2)) for start in range(0, 901, 90)]
    with mock.patch("audiocnn_cli.features.framing._CHUNK_SAMPLES", 100):
        for block in (10, 900):
            data = extract_blocks(in_blocks(y, block), [config])
            assert_close(data[:, 0], expected)


def test_small_blocks_do_not_pile_up() -> None:
    frames = FeatureConfig().framing
    framer, block = Framer(frames), np.zeros((1, 100), dtype=np.float32)
    span_samples = (frames.chunk_frames - 1) * 512 + 2048
    for _ in range(3000):
        assert all(span.shape == (1, span_samples) for span in framer.push(block))
        held = sum(block.shape[-1] for block in framer._blocks)
        assert held <= span_samples + 512 + 100


def test_features_side_by_side_are_those_alone() -> None:
    y = SIGNALS["tones"]
    features = [feature for feature in Feature if feature not in ALONE]
    configs = tuned([y], [FeatureConfig(feature=feature) for feature in features])
    together = extract_blocks(in_blocks(y, 999), configs)
    alone = np.concatenate([extract(y, config) for config in configs], axis=1)
    np.testing.assert_array_equal(together, alone)


@pytest.mark.parametrize("pair", ["waveform,mfcc", "complex,stft", "mfcc,mfcc"])
def test_what_has_axes_of_its_own_stands_alone(pair: str) -> None:
    configs = [FeatureConfig(feature=Feature(name)) for name in pair.split(",")]
    with pytest.raises(UsageError, match="can't stand beside other features"):
        extract_blocks([SIGNALS["tones"]], configs)


@pytest.mark.parametrize("feature", Feature)
@pytest.mark.parametrize("samples", [0, 1, 2, 2047, 2048])
@pytest.mark.parametrize("center", [True, False])
def test_the_shortest_signals(feature: Feature, samples: int, center: bool) -> None:
    config = FeatureConfig(feature=feature, center=center)
    y = tones_and_noise(samples)
    if config.n_frames(samples) < 1:
        with pytest.raises(SignalError, match="samples are less than one frame"):
            extract(y, config)
        return
    data = extract(y, config)
    assert np.isfinite(data).all()
    assert len(data) == config.n_frames(samples)
    assert data.shape[1] == config.n_bins


@pytest.mark.parametrize("feature", Feature)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_is_refused(feature: Feature, bad: float) -> None:
    y = SIGNALS["tones"].copy()
    y[20_000] = bad
    with pytest.raises(SignalError, match=r"sample 20000 \(at 0.907 s\) is NaN or infinite"):
        extract(y, FeatureConfig(feature=feature, tuning=0.0))


def test_contrast_needs_bins_in_every_octave() -> None:
    for config in (
        FeatureConfig(feature=Feature.CONTRAST, sample_rate=8000),
        FeatureConfig(feature=Feature.CONTRAST, n_fft=64),
    ):
        with pytest.raises(UsageError, match=r"`n_bands` must be smaller|`n_fft` must be larger"):
            extract(SIGNALS["tones"], config)


def test_empty_mel_filters_are_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("audiocnn").propagate = True
    extract(SIGNALS["tones"], FeatureConfig(n_fft=256, n_mels=121))
    assert "of 121 mel filters are empty (0, " in caplog.text
