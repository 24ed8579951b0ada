"""f0 equals librosa's YIN, is that of signals whose f0 is known, and has no octave errors on a path."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import librosa
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import audiocnn_cli as audiocnn
from audiocnn_cli.audio.load import WHOLE
from audiocnn_cli.audio.segments import SegmentConfig
from audiocnn_cli.audio.sources import Source
from audiocnn_cli.errors import UsageError
from audiocnn_cli.features.config import Feature, FeatureConfig, Unvoiced
from audiocnn_cli.features.extract import extract, extract_blocks
from audiocnn_cli.features.f0_path import LeastCost
from audiocnn_cli.inspection.stages import Pipeline
from tests.conftest import Finished
from tests.signals import in_blocks, tones_and_noise

Array = NDArray[Any]
Run = Callable[..., Finished]
RATE = 22050
pytestmark = pytest.mark.filterwarnings("ignore:With fmin=")


def f0(y: Array, **parameters: Any) -> Array:
    return extract(np.asarray(y, dtype=np.float32), FeatureConfig(feature=Feature.F0, **parameters))


def voice(pitch_hz: Array, *, harmonics: int = 12) -> Array:
    """A tone with harmonics of falling level, whose f0 at each sample is given."""
    phase = 2 * np.pi * np.cumsum(pitch_hz) / RATE
    tones = (np.sin(k * phase + k) / k * (k * pitch_hz < RATE / 2) for k in range(1, harmonics + 1))
    return np.asarray(0.3 * sum(tones), dtype=np.float32)


def vibrato(seconds: float = 3.0, *, middle: float = 220.0) -> Array:
    times = np.arange(int(seconds * RATE)) / RATE
    return np.asarray(middle * 2.0 ** (0.5 / 12 * np.sin(2 * np.pi * 5 * times)))


SIGNALS = {
    "voice": voice(vibrato()),
    "high": voice(np.full(30_000, 1400.0), harmonics=1),
    "tones": tones_and_noise(40_000),
    "noise": np.random.default_rng(4).standard_normal(30_000).astype(np.float32),
    "short": voice(np.full(900, 300.0)),
    "offset": voice(vibrato(1.0)) + np.float32(0.7),
}


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"n_fft": 1024, "hop_length": 300},
        {"n_fft": 1001, "hop_length": 2000, "fmin": 100.0, "fmax": 900.0},
        {"center": False},
        {"trough_threshold": 0.6},
        {"n_fft": 512, "fmin": 50.0},
    ],
    ids=str,
)
@pytest.mark.parametrize("signal", SIGNALS)
def test_equals_librosa(signal: str, parameters: dict[str, Any]) -> None:
    y = SIGNALS[signal]
    if len(y) < 2048 and "center" in parameters:
        pytest.skip("shorter than one frame")
    theirs = {"fmin": 65.0, "fmax": 2093.0, "hop_length": 512, "sr": RATE} | parameters
    theirs["frame_length"] = theirs.pop("n_fft", 2048)
    # In float64, as ours: lags that are nearly equal are compared alike.
    expected = librosa.yin(y.astype(np.float64), **theirs)
    ours = f0(y, unvoiced=Unvoiced.ESTIMATE, **parameters)[:, 0]
    np.testing.assert_allclose(ours, expected, rtol=1e-5)


@pytest.mark.parametrize("track", [False, True])
@pytest.mark.parametrize(("middle", "harmonics"), [(80.0, 12), (220.0, 12), (700.0, 12), (1800.0, 2)])
def test_a_known_f0_is_found_within_20_cents(middle: float, harmonics: int, track: bool) -> None:
    pitch = vibrato(middle=middle)
    y = voice(pitch, harmonics=harmonics)
    data = f0(y, f0_track=track, n_fft=1024, hop_length=128, unvoiced=Unvoiced.ESTIMATE)
    cents = 1200 * np.log2(data[:, 0] / pitch[(np.arange(len(data)) * 128).clip(0, len(pitch) - 1)])
    assert np.mean(np.abs(cents) < 20) > 0.95
    assert np.mean(data[:, 1] > 0.5) > 0.98


def test_librosa_is_some_cents_high_and_the_path_is_not() -> None:
    y = voice(np.full(RATE, 70.0), harmonics=1)
    plain, tracked = (np.median(f0(y, f0_track=track, n_fft=1024)[8:-8, 0]) for track in (False, True))
    assert 1200 * np.log2(plain / 70.0) > 10
    assert abs(1200 * np.log2(tracked / 70.0)) < 3


def test_octave_errors_are_removed() -> None:
    """Every other pulse is weaker now and then, so that single frames seem to be an octave lower."""
    pulses = np.zeros(4 * RATE, dtype=np.float32)
    times = np.arange(0, len(pulses), 100)
    pulses[times] = 1.0
    pulses[times[1::2]] -= 0.55 * np.random.default_rng(0).random(len(times[1::2])) ** 4
    y = np.convolve(pulses, np.exp(-np.arange(60) / 12.0), mode="same")
    noisy = y + 0.02 * np.random.default_rng(1).standard_normal(len(y))
    found = {track: f0(noisy, f0_track=track, n_fft=1024, fmax=800.0) for track in (False, True)}
    leaps = {track: np.sum(np.abs(np.diff(np.log2(data[5:-5, 0]))) > 0.5) for track, data in found.items()}
    assert leaps[False] > 5
    assert leaps[True] == 0
    np.testing.assert_allclose(found[True][5:-5, 0], RATE / 100, rtol=0.01)


@pytest.mark.parametrize(
    "y",
    [np.zeros(30_000), np.random.default_rng(2).standard_normal(30_000), np.ones(1), np.sin(np.arange(20.0))],
    ids=["silence", "noise", "one sample", "less than a period"],
)
@pytest.mark.parametrize("track", [False, True])
def test_what_has_no_period_has_no_f0(y: Array, track: bool) -> None:
    data = f0(y, f0_track=track)
    assert np.isfinite(data).all()
    assert not data[:, 0].any()
    assert np.isnan(f0(y, f0_track=track, unvoiced=Unvoiced.NAN)[:, 0]).all()
    estimate = f0(y, f0_track=track, unvoiced=Unvoiced.ESTIMATE)
    assert (estimate[:, 0] > 0).all()
    np.testing.assert_array_equal(estimate[:, 1], data[:, 1])


@pytest.mark.parametrize("track", [False, True])
def test_blocks_chunks_and_channels(track: bool) -> None:
    y = np.concatenate([SIGNALS["voice"], SIGNALS["noise"], SIGNALS["high"]])
    config = FeatureConfig(feature=Feature.F0, f0_track=track)
    whole = extract(y, config)
    for block in (777, 30_000):
        np.testing.assert_array_equal(extract_blocks(in_blocks(y, block), [config]), whole)
    with mock.patch("audiocnn_cli.features.framing._CHUNK_SAMPLES", 5 * 2048):
        np.testing.assert_allclose(extract(y, config), whole, rtol=1e-5, atol=1e-6)
    both = extract(np.stack([y, y[::-1]], axis=1), config)
    np.testing.assert_array_equal(both[..., 0], whole)
    np.testing.assert_array_equal(both[..., 1], extract(np.ascontiguousarray(y[::-1]), config))


def test_segments_are_signals_of_their_own() -> None:
    y = SIGNALS["voice"]
    data = audiocnn.features(y, sample_rate=RATE, feature="f0", segments=3, f0_track=True).data
    parts = np.split(y[: len(y) // 3 * 3], 3)
    np.testing.assert_array_equal(data, [f0(part, f0_track=True) for part in parts])


def unchanged(rows: Array, _config: FeatureConfig) -> Array:
    return rows


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), sizes=st.lists(st.integers(1, 4), min_size=1, max_size=4))
def test_the_path_is_that_of_least_cost(seed: int, sizes: list[int]) -> None:
    """Compared with the cost of every path, for frames that come in parts."""
    rng = np.random.default_rng(seed)
    count = min(sum(sizes), 8)
    rows = np.empty((count, 1, 6), dtype=np.float32)
    rows[..., 0::2], rows[..., 1::2] = rng.uniform(70, 2000, (count, 1, 3)), rng.random((count, 1, 3))
    path = LeastCost(FeatureConfig(feature=Feature.F0, f0_track=True), unchanged)
    parts = [path.push(part) for part in np.split(rows, np.cumsum(sizes)[:-1])]
    chosen = np.concatenate([*parts, path.finish()])[:, 0]
    ways = np.stack(np.meshgrid(*[range(3)] * count, indexing="ij"), axis=-1).reshape(-1, count)
    frames = np.arange(count)
    pitches, noises = rows[frames, 0, 2 * ways], rows[frames, 0, 2 * ways + 1]
    own = np.maximum(noises, 0.1) + 0.04 * np.log2(2093 / pitches)
    leaps = np.abs(np.diff(np.log2(pitches), axis=1)) * (1 - noises[:, 1:]) * (1 - noises[:, :-1])
    costs = own.sum(axis=1) + 0.35 * 0.01 * RATE / 512 * leaps.sum(axis=1)
    np.testing.assert_array_equal(chosen[:, 0], pitches[costs.argmin()])


def test_what_is_held_back_is_bounded() -> None:
    """The paths of two candidates never meet, where no leap is worth its cost."""
    config = FeatureConfig(feature=Feature.F0, f0_track=True)
    rows = np.tile(np.array([100.0, 0.1, 141.0, 0.1], dtype=np.float32), (10_000, 1, 1))
    with mock.patch("audiocnn_cli.features.f0_path._LEAP_COST", 1e6):
        path = LeastCost(config, unchanged)
        given_back = sum(len(path.push(part)) for part in np.split(rows, 100))
    assert given_back == len(rows) - 4096
    rest = path.finish()
    assert rest is not None
    assert rest.shape == (4096, 1, 2)


def test_statistics_leave_out_what_is_not_voiced(run: Run, make_wav: Callable[..., Path]) -> None:
    y = np.concatenate([voice(np.full(RATE, 200.0)), np.zeros(RATE, dtype=np.float32)])
    path = make_wav(samples=y, rate=RATE, subtype="FLOAT")
    options = ["--feature", "f0", "--unvoiced", "nan", "--json"]
    (result,) = run("features", path, *options, "--summary", "mean,std,min,max,median").document["results"]
    data = audiocnn.features(path, feature="f0", unvoiced="nan").data[:, 0]
    expected = [f(data) for f in (np.nanmean, np.nanstd, np.nanmin, np.nanmax, np.nanmedian)]
    np.testing.assert_allclose([row[0] for row in result["data"]], expected, rtol=1e-5)
    assert result["mean"][0] == pytest.approx(expected[0], rel=1e-5)
    assert result["columns"] == ["f0_hz", "voicing"]


def test_nan_is_null_in_json(run: Run, make_wav: Callable[..., Path], tmp_path: Path) -> None:
    silence = make_wav(samples=np.zeros(4000, dtype=np.float32), rate=RATE)
    out = tmp_path / "out.json"
    finished = run("features", silence, "--feature", "f0", "--unvoiced", "nan", "-o", out)
    assert finished.exit_code == 0, finished.stderr
    (result,) = json.loads(out.read_text())["results"]
    assert result["mean"][0] is None
    assert [row[0] for row in result["data"]] == [None] * 8
    shown = run("features", silence, "--feature", "f0", "--unvoiced", "nan")
    assert shown.exit_code == 0
    assert "8 x 2" in shown.stdout


def test_a_trace_has_its_stages_and_its_numbers(make_wav: Callable[..., Path]) -> None:
    source = Source(str(make_wav(samples=SIGNALS["voice"], rate=RATE, subtype="FLOAT")))
    config = FeatureConfig(feature=Feature.F0, f0_track=True)
    pipeline = Pipeline(source, config, SegmentConfig(length=20_000, hop=20_000), WHOLE)
    for segment, tensor in pipeline.tensors():
        np.testing.assert_allclose(tensor, extract(segment.samples, config), rtol=1e-5)
    stages = pipeline.stages()
    assert [each.stage.name for each in stages][-2:] == ["window", "f0"]
    assert all(each.agrees for each in stages)


@pytest.mark.parametrize(
    ("parameters", "rule"),
    [
        ({"fmin": 500.0, "fmax": 400.0}, "`fmin` must be 0 or more and below `fmax` (400 Hz), not 500"),
        ({"fmin": 3000.0}, "`fmin` must be 0 or more and below `fmax` (2093 Hz), not 3000"),
        ({"fmin": 10.0}, "`fmin` must be above 10.77 Hz, or `n_fft` larger: a period has to fit, not 10"),
        ({"n_fft": 256}, "`fmin` must be above 86.47 Hz, or `n_fft` larger: a period has to fit, not 65.0"),
        ({"fmax": 12000.0}, "`fmax` must be above 0 and at most half the sample rate (11025 Hz), not 12000"),
        ({"voicing_threshold": 1.5}, "`voicing_threshold` must be 0 to 1, not 1.5"),
        ({"trough_threshold": 0.0}, "`trough_threshold` must be above 0 and at most 1, not 0"),
    ],
    ids=str,
)
def test_what_is_out_of_range_is_refused(parameters: dict[str, Any], rule: str) -> None:
    with pytest.raises(UsageError) as raised:
        FeatureConfig(feature=Feature.F0, **parameters)
    assert str(raised.value).startswith(rule)


def test_mel_features_beside_it_keep_their_range() -> None:
    y = SIGNALS["tones"]
    for fmin in (None, 100.0):
        configs = [FeatureConfig(feature=name, fmin=fmin) for name in (Feature.MEL, Feature.F0)]
        together = extract_blocks([y], configs)
        np.testing.assert_array_equal(together[:, :128], extract(y, configs[0]))
        np.testing.assert_array_equal(together[:, 128:], extract(y, configs[1]))


@pytest.mark.parametrize("unvoiced", list(Unvoiced))
def test_the_plot_has_a_line_and_no_warning(
    unvoiced: Unvoiced, run: Run, make_wav: Callable[..., Path], tmp_path: Path
) -> None:
    pytest.importorskip("matplotlib")
    y = np.concatenate([SIGNALS["voice"], np.zeros(RATE, dtype=np.float32)])
    picture = tmp_path / "f0.svg"
    options = ["--feature", "f0,rms", "--unvoiced", unvoiced.value, "--segment", "1.5", "--plot", picture]
    finished = run("features", make_wav(samples=y, rate=RATE), *options)
    assert finished.exit_code == 0
    assert finished.stderr == ""
    assert ">f0 (Hz)<" in picture.read_text()
    assert ">voicing<" in picture.read_text()
