"""Per-channel energy normalisation equals librosa's, value by value, in blocks, channels and segments."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import librosa
import numpy as np
import pytest
import scipy.ndimage
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import audiocnn_cli as audiocnn
from audiocnn_cli.audio.load import WHOLE
from audiocnn_cli.audio.segments import SegmentConfig
from audiocnn_cli.audio.sources import Source
from audiocnn_cli.errors import SignalError, UsageError
from audiocnn_cli.features.config import Feature, FeatureConfig
from audiocnn_cli.features.extract import extract, extract_blocks
from audiocnn_cli.features.over_time import Smoother, maximum_over_bands
from audiocnn_cli.inspection.stages import Pipeline
from tests.conftest import Finished
from tests.onnx_models import random_matrix, write_linear
from tests.signals import in_blocks, tones_and_noise

Array = NDArray[Any]
pytestmark = pytest.mark.filterwarnings("ignore:n_fft=")
RATE = 22050
# Of each number, however small: pcen divides a quiet band by its own level.
RELATIVE = 1e-5


def reference(
    y: Array, *, hop: int = 512, of_power: int = 1, scale: float = 2.0**31, **parameters: Any
) -> Array:
    mel = librosa.feature.melspectrogram(y=y, sr=RATE, hop_length=hop, power=of_power)
    return np.asarray(librosa.pcen(mel * scale, sr=RATE, hop_length=hop, max_axis=0, **parameters).T)


def pcen(y: Array, **parameters: Any) -> Array:
    return extract(y.astype(np.float32), FeatureConfig(feature=Feature.PCEN, **parameters))


def quiet_and_loud() -> Array:
    """A loud low tone beside upper bands that are 100 dB below it."""
    y = 1e-5 * tones_and_noise(60_000)
    y[20_000:50_000] += np.sin(0.02 * np.arange(30_000))
    return np.asarray(y, dtype=np.float32)


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"gain": 0.5, "bias": 10.0, "power": 0.25},
        {"power": 0},
        {"bias": 0.0},
        {"gain": 0.0},
        {"time_constant": 0.02},
        {"time_constant": 1e-3},
        {"time_constant": 20.0},
        {"eps": 1e3},
        {"max_size": 3},
        {"max_size": 4},
    ],
    ids=str,
)
def test_equals_librosa(parameters: dict[str, Any]) -> None:
    y = quiet_and_loud()
    ours = {name if name == "max_size" else f"pcen_{name}": value for name, value in parameters.items()}
    np.testing.assert_allclose(pcen(y, **ours), reference(y, **parameters), rtol=RELATIVE)


@pytest.mark.parametrize(("hop", "power", "scale"), [(300, 1, 2.0**31), (1024, 2, 1.0), (512, 2, 2.0**15)])
def test_equals_librosa_for_other_spectra(hop: int, power: int, scale: float) -> None:
    y = tones_and_noise(40_000)
    ours = pcen(y, hop_length=hop, power=power, pcen_scale=scale)
    np.testing.assert_allclose(ours, reference(y, hop=hop, of_power=power, scale=scale), rtol=RELATIVE)


@pytest.mark.parametrize("samples", [1, 600, 5000])
def test_short_signals_and_silence(samples: int) -> None:
    for y in (tones_and_noise(samples), np.zeros(samples, dtype=np.float32)):
        np.testing.assert_allclose(pcen(y), reference(y), rtol=RELATIVE)


def test_the_state_is_carried_across_blocks() -> None:
    y = quiet_and_loud()
    config = FeatureConfig(feature=Feature.PCEN)
    with mock.patch("audiocnn_cli.features.framing._CHUNK_SAMPLES", 7 * 2048):
        for block in (777, 30_000):
            data = extract_blocks(in_blocks(y, block), [config])
            np.testing.assert_allclose(data, reference(y), rtol=RELATIVE)


def test_each_segment_is_a_signal_of_its_own() -> None:
    y = quiet_and_loud()
    data = audiocnn.features(y, sample_rate=RATE, feature="pcen", segments=3).data
    for part, segment in zip(np.split(y, 3), data, strict=True):
        np.testing.assert_allclose(segment, reference(part), rtol=RELATIVE)


def test_each_channel_has_its_own_level() -> None:
    y = np.stack([quiet_and_loud(), tones_and_noise(60_000)], axis=1)
    data = extract(y, FeatureConfig(feature=Feature.PCEN))
    for channel in range(2):
        np.testing.assert_allclose(data[..., channel], reference(y[:, channel]), rtol=RELATIVE)


def test_a_trace_has_its_stages_and_its_numbers(make_wav: Callable[..., Path]) -> None:
    y = quiet_and_loud()
    source = Source(str(make_wav(samples=y, rate=RATE, subtype="FLOAT")))
    config = FeatureConfig(feature=Feature.PCEN, n_fft=1000, max_size=3)
    pipeline = Pipeline(source, config, SegmentConfig(length=20_000, hop=20_000), WHOLE)
    for segment, tensor in pipeline.tensors():
        np.testing.assert_allclose(tensor, extract(segment.samples, config), rtol=RELATIVE)
    stages = pipeline.stages()
    assert [each.stage.name for each in stages][-3:] == ["stft", "mel", "pcen"]
    assert all(each.agrees for each in stages)


def test_beside_other_features_it_is_what_it_is_alone() -> None:
    y = quiet_and_loud()
    names = [Feature.LOGMEL, Feature.PCEN, Feature.FLATNESS, Feature.MEL]
    together = extract_blocks([y], [FeatureConfig(feature=name, top_db=None) for name in names])
    np.testing.assert_array_equal(together[:, 128:256], pcen(y))


@settings(max_examples=50, deadline=None)
@given(b=st.floats(1e-4, 1.0), sizes=st.lists(st.integers(1, 200), min_size=1, max_size=4))
def test_the_filter_is_the_recursion(b: float, sizes: list[int]) -> None:
    rows = np.abs(np.random.default_rng(0).standard_normal((sum(sizes), 2)))
    smoother = Smoother(b)
    parts = [smoother.push(part) for part in np.split(rows, np.cumsum(sizes)[:-1])]
    state, expected = np.ones(2), []
    for row in rows:
        state = (1.0 - b) * state + b * row
        expected.append(state)
    np.testing.assert_allclose(np.concatenate(parts), expected, rtol=1e-12)


@settings(max_examples=100, deadline=None)
@given(bands=st.integers(1, 20), size=st.integers(1, 20))
def test_the_maximum_over_bands_equals_scipy(bands: int, size: int) -> None:
    rows = np.random.default_rng(bands).standard_normal((3, bands)).astype(np.float32)
    expected = scipy.ndimage.maximum_filter1d(rows, size, axis=-1)
    np.testing.assert_array_equal(maximum_over_bands(rows, size), expected)


@pytest.mark.parametrize(
    "parameters",
    [
        {"pcen_gain": -0.1},
        {"pcen_bias": float("nan")},
        {"pcen_power": -1.0},
        {"pcen_time_constant": 0.0},
        {"pcen_eps": 0.0},
        {"pcen_scale": float("inf")},
        {"max_size": 0},
    ],
    ids=str,
)
def test_what_is_out_of_range_is_refused(parameters: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=f"`{next(iter(parameters))}` must be"):
        FeatureConfig(**parameters)


def test_numbers_beyond_float32_are_refused() -> None:
    silence_then_noise = np.concatenate([np.zeros(90_000, dtype=np.float32), tones_and_noise(9000)])
    with pytest.raises(SignalError, match="pcen is not finite: lower `pcen_gain` or `pcen_power`"):
        pcen(
            silence_then_noise,
            pcen_scale=1e-9, pcen_gain=4.0, pcen_eps=1e-30, pcen_power=4.0, pcen_time_constant=0.1,
        )  # fmt: skip


def test_a_model_takes_it(
    run: Callable[..., Finished], make_wav: Callable[..., Path], tmp_path: Path
) -> None:
    """Its scores are those of the network for the tensor that `features` gives of each segment."""
    model, named = tmp_path / "pcen.onnx", tmp_path / "labels.txt"
    write_linear(model, ("n", 32, 40), last=None)
    named.write_text("one\ntwo\nthree\n")
    settings = ["--feature", "pcen", "--sr", "8000", "--n-mels", "40", "--n-fft", "512", "--hop", "250"]
    added = tmp_path / "added.onnx"
    options = ["--labels", named, *settings, "--pcen-gain", "0.8", "--segment", "0.98", "-o", added]
    finished = run("models", "add", model, *options)
    assert finished.exit_code == 0, finished.stderr
    path = make_wav(samples=quiet_and_loud()[:16_000], rate=8000, subtype="FLOAT")
    answers = run("classify", path, "--model", added, "--timeline", "--trace", "--json").document["results"]
    segments = audiocnn.features(
        path, sample_rate=8000, feature="pcen", n_mels=40, n_fft=512, hop_length=250, pcen_gain=0.8,
        segment=0.98,
    ).data  # fmt: skip
    scores = segments.reshape(len(segments), -1) @ random_matrix(32 * 40)
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    expected = powers / powers.sum(axis=1, keepdims=True)
    found = [list(span["probabilities"].values()) for span in answers[0]["timeline"]]
    np.testing.assert_allclose(found[: len(expected)], expected, rtol=1e-4)
    assert answers[0]["trace"]["agrees"] is True
