"""Features with a logarithm equal librosa's on recordings that were resampled to a higher rate.

Above the old band such a recording holds 1e-6 of its loudest bin and less, and a transform in float32 errs by
as much. librosa transforms in float64.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import librosa
import numpy as np
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from audiocnn_cli.features.config import Dialect, Feature, FeatureConfig, Log
from audiocnn_cli.features.extract import extract
from audiocnn_cli.features.spectrum import needs_double
from tests.numerics import EPS, assert_close, mfcc_scale

Array = NDArray[Any]


def levels(y: Array, config: FeatureConfig) -> Array:
    mel = librosa.feature.melspectrogram(
        y=y, sr=config.sample_rate, n_fft=config.n_fft, hop_length=config.hop_length
    )
    return np.asarray(librosa.power_to_db(mel, top_db=config.top_db))


def contrast(y: Array, config: FeatureConfig) -> Array:
    return np.asarray(
        librosa.feature.spectral_contrast(
            y=y, sr=config.sample_rate, n_fft=config.n_fft, hop_length=config.hop_length
        )
    )


def flatness(y: Array, config: FeatureConfig) -> Array:
    return np.asarray(
        librosa.feature.spectral_flatness(y=y, n_fft=config.n_fft, hop_length=config.hop_length)
    )


def mfcc(y: Array, config: FeatureConfig) -> Array:
    return np.asarray(librosa.feature.mfcc(S=levels(y, config), n_mfcc=config.n_mfcc))


# What is compared, and the size of the numbers that it is made of. Levels reach -100 dB.
CASES: dict[str, tuple[dict[str, Any], Callable[[Array, FeatureConfig], Array], float]] = {
    "contrast": ({"feature": Feature.CONTRAST}, contrast, 100.0),
    "flatness in dB": ({"feature": Feature.FLATNESS}, flatness, 100.0),
    "logmel": ({"feature": Feature.LOGMEL}, levels, 100.0),
    "logmel without a floor": ({"feature": Feature.LOGMEL, "top_db": None}, levels, 100.0),
    "logmel with a low floor": ({"feature": Feature.LOGMEL, "top_db": 120.0}, levels, 100.0),
    "mfcc": ({}, mfcc, mfcc_scale()),
    "mfcc without a floor": ({"top_db": None}, mfcc, mfcc_scale()),
}
# The floor of 80 dB is 1e-4 of the loudest bin, and a bin errs by some EPS of that one in float32.
FLOORED = {"logmel", "mfcc"}


@pytest.mark.parametrize("case", CASES)
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_equals_librosa_above_the_band_of_a_recording(case: str, data: st.DataObject) -> None:
    given_fields, reference, scale = CASES[case]
    source_rate = data.draw(st.sampled_from([4000, 8000, 11025]))
    rate = data.draw(st.sampled_from([22050, 32000, 44100]))
    n_fft = data.draw(st.sampled_from([1024, 1500, 2048]))
    rng = np.random.default_rng(data.draw(st.integers(0, 1 << 30)))
    t = np.arange(source_rate) / source_rate
    gain, decay = data.draw(st.floats(0.01, 1.0)), data.draw(st.floats(0.0, 8.0))
    tone = np.sin(2 * np.pi * data.draw(st.floats(50.0, 1900.0)) * t)
    narrow = gain * np.exp(-decay * t) * (tone + 0.3 * rng.standard_normal(len(t)))
    y = soxr.resample(narrow.astype(np.float32), source_rate, rate)
    config = FeatureConfig(sample_rate=rate, n_fft=n_fft, **given_fields)
    actual, expected = extract(y, config), reference(y, config).T
    if config.feature is Feature.FLATNESS:  # a ratio, of 1e-6 and more
        actual, expected = 10 * np.log10(actual), 10 * np.log10(expected)
    tolerance = 100 * EPS if case in FLOORED else 20 * EPS
    assert_close(actual, expected, relative=tolerance, scale=scale)


@pytest.mark.parametrize("n_fft", [512, 1999])
def test_natural_logarithms_without_a_floor(n_fft: int) -> None:
    narrow = np.random.default_rng(3).standard_normal(8000).astype(np.float32)
    y = soxr.resample(narrow, 8000, 44100)
    config = FeatureConfig(
        feature=Feature.LOGMEL, sample_rate=44100, n_fft=n_fft, log=Log.LN, top_db=None, n_mels=40
    )
    mel = librosa.feature.melspectrogram(y=y, sr=44100, n_fft=n_fft, hop_length=512, n_mels=40)
    expected = np.log(np.maximum(mel, 2.0**-23)).T
    assert_close(extract(y, config), expected, relative=20 * EPS, scale=20.0)


def test_a_recording_that_is_loud_and_quiet_keeps_its_quiet_bins() -> None:
    """One frame has bins 140 dB apart: the quiet ones are exact where a feature needs them."""
    t = np.arange(22050) / 22050
    y = (np.sin(2 * np.pi * 200 * t) + 1e-7 * np.sin(2 * np.pi * 9000 * t)).astype(np.float32)
    config = FeatureConfig(feature=Feature.CONTRAST)
    assert_close(extract(y, config), contrast(y, config).T, relative=20 * EPS, scale=100.0)


def test_only_features_with_a_low_floor_are_computed_in_double_precision() -> None:
    """The default of MFCC and log-mel spectra keeps the speed of float32, as does Kaldi's recipe."""
    doubled = {feature for feature in Feature if needs_double(FeatureConfig(feature=feature))}
    assert doubled == {Feature.CONTRAST, Feature.FLATNESS, Feature.PCEN}
    assert needs_double(FeatureConfig(top_db=None))
    assert needs_double(FeatureConfig(feature=Feature.LOGMEL, top_db=80.5))
    kaldi = replace(FeatureConfig(top_db=None), like=Dialect.KALDI)
    assert not needs_double(kaldi)
