"""Labels through the whole path, against librosa and plain numpy."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import pytest
from numpy.typing import NDArray

from audiocnn_cli.audio.segments import TailHandling
from audiocnn_cli.audio.sources import Source
from audiocnn_cli.classify import ClassifyOptions, Ensemble, Thresholds, classify
from audiocnn_cli.errors import FailureKind, SignalError
from audiocnn_cli.models.session import Model, open_model
from tests.onnx_models import LABELS, SEGMENT, weights, write_good_model

MakeWav = Callable[..., Path]


@pytest.fixture
def model(tmp_path: Path) -> Model:
    return open_model(write_good_model(tmp_path / "tiny.onnx"))


def noise(samples: int, *, channels: int = 1) -> NDArray[np.float64]:
    random = np.random.default_rng(1)
    swell = np.linspace(0.01, 0.3, samples)[:, None]
    return np.asarray(random.standard_normal((samples, channels)) * swell)


def by_hand(path: Path, starts: list[int]) -> NDArray[Any]:
    """Mean softmax over segments that start at these samples of the 8 kHz signal, with librosa."""
    signal, _ = librosa.load(path, sr=8000)
    answers = []
    for start in starts:
        segment = np.resize(signal[start : start + SEGMENT.length], SEGMENT.length)
        tensor = librosa.feature.mfcc(y=segment, sr=8000, n_fft=256, hop_length=100, n_mels=20, n_mfcc=7)
        logits = tensor.T.reshape(-1) @ weights()
        answers.append(np.exp(logits) / np.exp(logits).sum())
    return np.asarray(np.mean(answers, axis=0))


@pytest.mark.parametrize(
    ("samples", "rate", "channels", "starts", "rest"),
    [
        (8000, 8000, 1, [0, 4000], TailHandling.NONE),
        (11000, 8000, 3, [0, 4000, 7000], TailHandling.OVERLAPPED),
        (9000, 8000, 2, [0, 4000], TailHandling.DROPPED),
        (1500, 8000, 1, [0], TailHandling.REPEATED),
        (44100, 44100, 2, [0, 4000], TailHandling.NONE),
        (30000, 11025, 1, [0, 4000, 8000, 12000, 16000, 17769], TailHandling.DROPPED),
    ],
)
def test_equal_to_librosa_and_numpy(
    samples: int,
    rate: int,
    channels: int,
    starts: list[int],
    rest: TailHandling,
    model: Model,
    make_wav: MakeWav,
) -> None:
    path = make_wav("x.wav", noise(samples, channels=channels), rate=rate)
    if rest is TailHandling.DROPPED:
        starts = [start for start in starts if start % SEGMENT.hop == 0]
    result = classify(Source(str(path)), Ensemble(models=(model,)))
    assert result.rest is rest
    assert len(result.timeline) == len(starts)
    expected = by_hand(path, starts)
    said = {candidate.label: candidate.probability for candidate in result.top}
    np.testing.assert_allclose([said[label] for label in LABELS], expected, atol=1e-5)
    assert result.label == LABELS[int(np.argmax(expected))]
    assert result.duration_s == pytest.approx(samples / rate, abs=1 / 8000)


def test_times_are_right_to_the_sample(model: Model, make_wav: MakeWav) -> None:
    result = classify(Source(str(make_wav("x.wav", noise(11000), rate=8000))), Ensemble(models=(model,)))
    times = [(entry.start_s, entry.end_s) for entry in result.timeline]
    assert times == [(0.0, 0.5), (0.5, 1.0), (0.875, 1.375)]


def test_threshold_abstains_but_keeps_the_candidates(model: Model, make_wav: MakeWav) -> None:
    source = Source(str(make_wav("x.wav", noise(8000), rate=8000)))
    ensemble = Ensemble(models=(model,))
    unsure = classify(source, ensemble, ClassifyOptions(thresholds=Thresholds(1.0)))
    assert unsure.abstained
    assert unsure.label is None
    assert len(unsure.top) == 3
    sure = classify(source, ensemble, ClassifyOptions(thresholds=Thresholds(0.0)))
    assert sure.label == unsure.top[0].label


def test_less_than_a_frame_is_too_short(model: Model, make_wav: MakeWav) -> None:
    with pytest.raises(SignalError, match=r"0\.013 s") as error:
        classify(Source(str(make_wav("x.wav", noise(100), rate=8000))), Ensemble(models=(model,)))
    assert error.value.kind is FailureKind.TOO_SHORT
