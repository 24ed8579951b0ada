"""Calibration, coverage and robustness: against scikit-learn, and through the command."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss

from audiocnn_cli.audio.sources import Source
from audiocnn_cli.classify import Ensemble, classify
from audiocnn_cli.evaluation.degrade import DEGRADATIONS, Degradation
from audiocnn_cli.evaluation.evaluate import evaluate
from audiocnn_cli.evaluation.metrics import brier, calibrate, cover
from audiocnn_cli.models.registry import find_model
from audiocnn_cli.models.session import open_model
from tests.conftest import Finished
from tests.onnx_models import CONTRACT, LABELS, write_good_model

Run = Callable[..., Finished]
Clips = list[tuple[float, bool]]
clips = st.lists(
    st.tuples(st.floats(0, 1) | st.sampled_from([0.0, 1 / 3, 0.2, 0.8, 1.0]), st.booleans()), min_size=1
)


@given(clips, st.sampled_from([1, 5, 15]))
def test_bins_equal_scikit_learn(pairs: Clips, bins: int) -> None:
    confidences, right = [c for c, _ in pairs], [r for _, r in pairs]
    found = calibrate(confidences, right, bins=bins)
    filled = [b for b in found.bins if b.n]
    accuracy, confidence = calibration_curve(right, confidences, n_bins=bins, pos_label=True)
    assert [b.accuracy for b in filled] == pytest.approx(list(accuracy))
    assert [b.confidence for b in filled] == pytest.approx(list(confidence))
    weights = [b.n / len(pairs) for b in filled]
    assert sum(b.n for b in found.bins) == len(pairs)
    assert found.ece == pytest.approx(np.dot(weights, np.abs(accuracy - confidence)))


def test_calibration_of_known_cases() -> None:
    assert calibrate([0.8] * 10, [True] * 8 + [False] * 2).ece == pytest.approx(0, abs=1e-12)
    assert calibrate([1.0] * 10, [False] * 10).ece == 1
    assert calibrate([0.6, 0.6, 0.9, 0.9], [True, False, True, True]).ece == pytest.approx(0.1)


@given(
    st.lists(st.tuples(st.lists(st.floats(0.01, 1), min_size=4, max_size=4), st.integers(0, 3)), min_size=2)
)
def test_brier_equals_scikit_learn(clips: list[tuple[list[float], int]]) -> None:
    probabilities = np.array([p for p, _ in clips])
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    truth = [t for _, t in clips]
    expected = brier_score_loss(truth, probabilities, labels=range(4), scale_by_half=False)
    assert brier(probabilities.tolist(), truth) == pytest.approx(expected)


@given(clips, st.lists(st.floats(0, 1), min_size=1))
def test_coverage_falls_and_counts_covered_clips(pairs: Clips, thresholds: list[float]) -> None:
    confidence, right = np.array([c for c, _ in pairs]), np.array([r for _, r in pairs])
    rows = cover(confidence.tolist(), right.tolist(), thresholds)
    assert [row.threshold for row in rows] == sorted(set(thresholds))
    assert sorted((row.covered for row in rows), reverse=True) == [row.covered for row in rows]
    for row in rows:
        covered = right[confidence >= row.threshold]
        assert row.coverage == pytest.approx(len(covered) / len(right))
        if len(covered):
            assert row.accuracy == pytest.approx(covered.mean())
            assert row.interval_95 is not None
            assert row.interval_95[0] <= covered.mean() <= row.interval_95[1]
        else:
            assert (row.accuracy, row.interval_95) == (None, None)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three classes of three clips at 16 kHz: tones of all heights and loudnesses in a little noise."""
    random = np.random.default_rng(2)
    t = np.arange(19200) / 16000
    for label in LABELS:
        for j in range(3):
            path = tmp_path / "data" / label / f"{j}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            tone = np.sin(2 * np.pi * random.uniform(50, 3500) * t)
            noise = 10 ** random.uniform(-4, 0) * random.standard_normal(len(t))
            clip = 10 ** random.uniform(-3, -1) * (tone + noise)
            soundfile.write(path, clip, 16000, subtype="FLOAT")
    return tmp_path / "data"


def test_document_has_calibration_and_coverage(run: Run, folder: Path, tmp_path: Path) -> None:
    model = write_good_model(tmp_path / "m.onnx", CONTRACT)
    document = run("evaluate", folder, "--model", model, "--json").document
    assert sum(b["n"] for b in document["calibration"]["bins"]) == 9
    assert 0 <= document["calibration"]["ece"] <= 1
    everything, *_, surest = document["coverage"]
    assert (everything["threshold"], everything["covered"]) == (0, 9)
    assert everything["accuracy"] == document["accuracy"]
    assert surest["threshold"] == 0.99
    assert document["robustness"] == []


def test_robustness_rows_are_the_same_for_one_job_or_four(run: Run, folder: Path, tmp_path: Path) -> None:
    model = write_good_model(tmp_path / "m.onnx")
    arguments = ("evaluate", folder, "--model", model, "--robustness", "--json", "--jobs")
    one, four = run(*arguments, "1"), run(*arguments, "4")
    assert one.exit_code == 0, one.stderr
    assert one.document == four.document
    rows = one.document["robustness"]
    assert [row["degradation"] for row in rows] == [each.name for each in DEGRADATIONS]
    for row in rows:
        assert row["difference"] == pytest.approx(row["accuracy"] - one.document["accuracy"])
        low, high = row["interval_95"]
        assert low <= row["accuracy"] <= high
    assert "8 kHz copy" in run("evaluate", folder, "--model", model, "--robustness").stdout


def test_a_degraded_clip_is_what_a_degraded_file_would_be(folder: Path, tmp_path: Path) -> None:
    model = open_model(find_model("genre-cnn").path)
    for label, genre in zip(LABELS, ("blues", "jazz", "rock"), strict=True):
        (folder / label).rename(folder / genre)
    evaluation = evaluate(folder, model, degradations=DEGRADATIONS)
    changed = 0
    for prediction in evaluation.predictions:
        samples, rate = soundfile.read(prediction.clip.source.path, dtype="float32")
        for degradation, label in zip(DEGRADATIONS, prediction.degraded_labels, strict=True):
            worse = degradation.apply(samples, rate, int(prediction.clip.content, 16))
            soundfile.write(tmp_path / "worse.wav", worse, rate, subtype="FLOAT")
            expected = classify(Source(str(tmp_path / "worse.wav")), Ensemble(models=(model,)))
            assert label == expected.top[0].label
            changed += label != prediction.label
    assert changed > 2


def _note_seed(file: Path, samples: NDArray[np.float32], rate: int, seed: int) -> NDArray[np.float32]:
    """In a worker process, and so into a file."""
    with file.open("a") as stream:
        stream.write(f"{seed}\n")
    return samples


def test_each_clip_has_a_seed_of_its_own(folder: Path, tmp_path: Path) -> None:
    noted = tmp_path / "noted.txt"
    note = partial(_note_seed, noted)
    model = open_model(write_good_model(tmp_path / "m.onnx"))
    evaluation = evaluate(folder, model, degradations=[Degradation("none", "nothing", note)])
    assert len(set(noted.read_text().split())) == 9
    (row,) = evaluation.robustness
    assert row.clips == evaluation.clips


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_pictures(ending: str, run: Run, folder: Path, tmp_path: Path) -> None:
    model = write_good_model(tmp_path / "m.onnx")
    picture = tmp_path / f"figures.{ending}"
    first = run("evaluate", folder, "--model", model, "--plot", picture, "--json")
    assert first.exit_code == 0, first.stderr
    content = picture.read_bytes()
    assert content.startswith({"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[ending])
    if ending == "svg":
        assert all(f">{label}<".encode() in content for label in LABELS)
    assert run("evaluate", folder, "--model", model, "--plot", picture).exit_code == 3
    assert run("evaluate", folder, "--model", model, "--plot", picture, "--force").exit_code == 0
    assert picture.read_bytes() == content


def test_pictures_of_no_kind_and_without_the_extra(
    run: Run, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = write_good_model(tmp_path / "m.onnx")
    finished = run("evaluate", folder, "--model", model, "--plot", tmp_path / "x.txt")
    assert (finished.exit_code, finished.stderr.count("\n")) == (2, 1)
    monkeypatch.setattr("audiocnn_cli.extras.find_spec", lambda name: None)
    finished = run("evaluate", folder, "--model", model, "--plot", tmp_path / "x.png")
    assert (finished.exit_code, finished.stderr.count("\n")) == (3, 1)
    assert "[plot]'" in finished.stderr
