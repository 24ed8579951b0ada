"""Onset strength equals librosa's, in blocks, channels and segments, and peaks where sounds begin."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import librosa
import numpy as np
import pytest
import scipy.signal
from numpy.typing import NDArray

import audiocnn_cli as audiocnn
from audiocnn_cli.audio.load import WHOLE
from audiocnn_cli.audio.segments import SegmentConfig
from audiocnn_cli.audio.sources import Source
from audiocnn_cli.errors import UsageError
from audiocnn_cli.features.config import Aggregate, Feature, FeatureConfig
from audiocnn_cli.features.extract import extract, extract_blocks
from audiocnn_cli.inspection.stages import Pipeline
from tests.numerics import EPS, assert_close
from tests.signals import in_blocks, tones_and_noise

Array = NDArray[Any]
RATE = 22050
# Of levels of up to 100 dB, whose differences are averaged.
RELATIVE, SCALE = 20 * EPS, 100.0
pytestmark = pytest.mark.filterwarnings("ignore:n_fft=", "ignore:Empty filters")


def clicks(samples: int = 60_000, *, every: int = 11_025) -> Array:
    y = 0.01 * tones_and_noise(samples)
    for start in range(every, samples, every):
        y[start : start + 2000] += np.exp(-np.arange(len(y[start : start + 2000])) / 400) * 0.8
    return np.asarray(y, dtype=np.float32)


def onset(y: Array, **parameters: Any) -> Array:
    return extract(y, FeatureConfig(feature=Feature.ONSET, **parameters))[:, 0]


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"lag": 3},
        {"lag": 200},
        {"max_size": 3},
        {"max_size": 4, "lag": 2},
        {"detrend": True},
        {"aggregate": "median"},
        {"hop_length": 300},
        {"n_fft": 1000, "hop_length": 1500, "n_mels": 30},
    ],
    ids=str,
)
@pytest.mark.parametrize("samples", [1, 3000, 60_000])
def test_equals_librosa(parameters: dict[str, Any], samples: int) -> None:
    y = clicks(samples)
    theirs, ours = dict(parameters), dict(parameters)
    if "aggregate" in parameters:
        theirs["aggregate"], ours["aggregate"] = np.median, Aggregate.MEDIAN
    expected = librosa.onset.onset_strength(y=y, sr=RATE, **theirs)
    assert_close(onset(y, **ours), expected, relative=RELATIVE, scale=SCALE)


def test_frames_that_are_not_centred_are_not_delayed() -> None:
    y = clicks()
    mel = librosa.feature.melspectrogram(y=y, sr=RATE, center=False)
    expected = librosa.onset.onset_strength(S=librosa.power_to_db(mel), sr=RATE, center=False)
    assert_close(onset(y, center=False), expected, relative=RELATIVE, scale=SCALE)


@pytest.mark.parametrize("top_db", [None, 20.0])
def test_the_floor_is_that_of_the_levels(top_db: float | None) -> None:
    y = clicks()
    levels = librosa.power_to_db(librosa.feature.melspectrogram(y=y, sr=RATE), top_db=top_db)
    expected = librosa.onset.onset_strength(S=levels, sr=RATE)
    assert_close(onset(y, top_db=top_db), expected, relative=RELATIVE, scale=SCALE)


@pytest.mark.parametrize("top_db", [None, 80.0])
@pytest.mark.parametrize("lag", [1, 5])
def test_state_is_carried_across_chunks(top_db: float | None, lag: int) -> None:
    y = clicks()
    config = FeatureConfig(feature=Feature.ONSET, top_db=top_db, lag=lag, detrend=True)
    whole = extract(y, config)
    for block in (777, 30_000):
        np.testing.assert_array_equal(extract_blocks(in_blocks(y, block), [config]), whole)
    with mock.patch("audiocnn_cli.features.framing._CHUNK_SAMPLES", 3 * 2048):
        assert_close(extract(y, config), whole, relative=RELATIVE, scale=SCALE)


def test_channels_and_segments() -> None:
    y = np.stack([clicks(), clicks(every=7000)], axis=1)
    both = extract(y, FeatureConfig(feature=Feature.ONSET, top_db=None))
    for channel in range(2):
        assert_close(both[:, 0, channel], onset(y[:, channel], top_db=None), relative=RELATIVE, scale=SCALE)
    parts = audiocnn.features(y[:, 0], sample_rate=RATE, feature="onset", segments=3)
    for part, segment in zip(np.split(y[:, 0], 3), parts.data, strict=True):
        expected = librosa.onset.onset_strength(y=np.ascontiguousarray(part), sr=RATE)
        assert_close(segment[:, 0], expected, relative=RELATIVE, scale=SCALE)


def test_it_peaks_where_sounds_begin() -> None:
    tensor = audiocnn.features(clicks(), sample_rate=RATE, feature="onset", hop_length=256)
    assert tensor.columns == ["onset"]
    strength = tensor.data[:, 0]
    peaks, _ = scipy.signal.find_peaks(strength, height=0.5 * strength.max(), distance=10)
    np.testing.assert_allclose(tensor.times_s[peaks], [0.5, 1.0, 1.5, 2.0, 2.5], atol=0.025)


def test_silence_has_none() -> None:
    assert not onset(np.zeros(9000, dtype=np.float32)).any()


def test_a_trace_has_its_stages_and_its_numbers(make_wav: Callable[..., Path]) -> None:
    source = Source(str(make_wav(samples=clicks(), rate=RATE, subtype="FLOAT")))
    config = FeatureConfig(feature=Feature.ONSET, max_size=3)
    pipeline = Pipeline(source, config, SegmentConfig(length=20_000, hop=20_000), WHOLE)
    for segment, tensor in pipeline.tensors():
        assert_close(tensor, extract(segment.samples, config), relative=RELATIVE, scale=SCALE)
    stages = pipeline.stages()
    assert [each.stage.name for each in stages][-4:] == ["stft", "mel", "log", "onset"]
    assert all(each.agrees for each in stages)


@pytest.mark.parametrize("lag", [0, -1, 5000])
def test_a_lag_out_of_range_is_refused(lag: int) -> None:
    with pytest.raises(UsageError, match="`lag` must be at"):
        FeatureConfig(lag=lag)
