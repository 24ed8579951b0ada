"""Metrics against scikit-learn, grouping, and evaluations that leave training clips out."""

import csv
import io
import json
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from audiocnn_cli.audio.sources import Source
from audiocnn_cli.classify import Ensemble, classify
from audiocnn_cli.commands.options import complete_name, completes
from audiocnn_cli.errors import UsageError
from audiocnn_cli.evaluation.evaluate import evaluate
from audiocnn_cli.evaluation.labelled import Grouping, content_hash
from audiocnn_cli.evaluation.metrics import confusion_matrix, wilson_interval
from audiocnn_cli.models.contract import METADATA_KEY, encode
from audiocnn_cli.models.session import open_model
from audiocnn_cli.models.signature import Activation
from audiocnn_cli.training.recipes import ARCHITECTURES
from tests.conftest import Finished
from tests.onnx_models import CONTRACT, LABELS, weights, write_good_model, write_graph

Run = Callable[..., Finished]
Pairs = list[tuple[str, str]]


@given(st.lists(st.tuples(st.sampled_from(LABELS), st.sampled_from(LABELS)), min_size=1))
def test_figures_equal_scikit_learn(pairs: Pairs) -> None:
    truth, predicted = [t for t, _ in pairs], [p for _, p in pairs]
    found = confusion_matrix(truth, predicted, labels=LABELS)
    assert np.array_equal(found.counts, metrics.confusion_matrix(truth, predicted, labels=LABELS))
    assert found.accuracy == pytest.approx(metrics.accuracy_score(truth, predicted))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # labels that are predicted but have no clips, and single classes
        balanced = metrics.balanced_accuracy_score(truth, predicted)
        report = metrics.classification_report(
            truth, predicted, labels=LABELS, output_dict=True, zero_division=np.nan
        )
    assert found.balanced_accuracy == pytest.approx(balanced)
    means = {"macro avg": found.macro, "weighted avg": found.weighted}
    for name, score in (found.per_class | means).items():
        expected = report[name]
        for own, key in ((score.precision, "precision"), (score.recall, "recall"), (score.f1, "f1-score")):
            value = np.nan if own is None else own
            assert value == pytest.approx(expected[key], nan_ok=True), (name, key)
    assert [score.n for score in found.per_class.values()] == [report[label]["support"] for label in LABELS]


@given(
    st.lists(st.tuples(st.sampled_from(LABELS), st.sampled_from(LABELS)), min_size=1),
    st.sampled_from(["macro", "weighted"]),
)
def test_means_are_those_of_zero_division_nan(pairs: Pairs, average: str) -> None:
    truth, predicted = [t for t, _ in pairs], [p for _, p in pairs]
    found = getattr(confusion_matrix(truth, predicted, labels=LABELS), average)
    expected = metrics.precision_recall_fscore_support(
        truth, predicted, labels=LABELS, average=average, zero_division=np.nan
    )
    assert [found.precision, found.recall, found.f1] == [pytest.approx(value) for value in expected[:3]]


def test_undefined_figures_are_none_and_take_no_part_in_means() -> None:
    hum, hiss, silence = LABELS
    found = confusion_matrix([hum, hum, hiss], [hum, hum, hum], labels=LABELS)
    scores = found.per_class
    assert (scores[hiss].precision, scores[hiss].recall, scores[hiss].f1) == (None, 0.0, 0.0)
    assert (scores[silence].precision, scores[silence].recall, scores[silence].f1) == (None, None, None)
    assert found.macro.precision == pytest.approx(2 / 3)  # of hum alone
    assert found.macro.recall == pytest.approx(1 / 2)  # of hum and hiss
    assert found.macro.f1 == pytest.approx((4 / 5 + 0) / 2)


def test_wilson_interval_of_a_published_case() -> None:
    # Newcombe, Statistics in Medicine 17 (1998), table I: 81 of 263 and 0 of 20, method 3.
    assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson_interval(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)


@pytest.mark.parametrize(
    ("grouping", "name", "group"),
    [
        (Grouping(), "rock/a.wav", "rock/a.wav"),
        (Grouping(r"([a-z]+)_\d+"), "3/george_07.wav", "george"),
        (Grouping(r"\d-"), "rain/4-17-B.ogg", "4-"),
        (Grouping(r"\.(\d+)\.", 5), "rock/rock.00009.flac", "1"),
        (Grouping(r"\.(\d+)\.", 5), "jazz/jazz.00010.flac", "2"),
    ],
)
def test_groups(grouping: Grouping, name: str, group: str) -> None:
    assert grouping.group(Path("data") / name, folder=Path("data")) == group


@pytest.mark.parametrize(
    ("pattern", "block", "message"),
    [("(", None, "regular expression"), (None, 5, "needs `group_by`"), ("(z+)", None, "matches")],
)
def test_groupings_that_make_no_sense(pattern: str | None, block: int | None, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Grouping(pattern, block).group(Path("data/rock/a.wav"), folder=Path("data"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three classes of three clips of 1.2 s at 16 kHz, each clip another noise."""
    random = np.random.default_rng(2)
    for label in LABELS:
        for i in range(3):
            path = tmp_path / "data" / label / f"{i}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, 0.1 * random.standard_normal(19200), 16000)
    return tmp_path / "data"


def test_document_counts_clips_and_segments(run: Run, folder: Path, tmp_path: Path) -> None:
    model = write_good_model(tmp_path / "tiny.onnx")
    (folder / "hum" / "bad.wav").write_text("no audio")
    finished = run("evaluate", folder, "--model", model, "--json")
    assert finished.exit_code == 1
    document = finished.document
    assert (document["clips"], document["segments"]) == (9, 18)
    matrix = np.array(document["confusion"]["matrix"])
    assert matrix.sum(axis=1).tolist() == [3, 3, 3]
    assert document["accuracy"] == pytest.approx(np.trace(matrix) / 9)
    low, high = document["interval_95"]
    assert low < document["accuracy"] < high
    assert [f["kind"] for f in document["failures"]] == ["not_audio"]


def test_every_clip_is_listed_with_its_truth(run: Run, folder: Path, tmp_path: Path) -> None:
    model = write_good_model(tmp_path / "tiny.onnx", replace(CONTRACT, threshold=0.5))
    arguments = ("evaluate", folder, "--model", model)
    soundfile.write(folder / "hum" / "silent.wav", np.zeros(19200), 16000)
    document = run(*arguments, "--json").document
    listed = document["predictions"]
    assert [each["path"] for each in listed] == [str(path) for path in sorted_clips(folder)]
    for each in listed:
        assert each["true"] == Path(each["path"]).parent.name
        assert each["correct"] is (each["true"] == each["predicted"])
        below = each["probability"] < 0.5
        assert each["abstained"] is (below or "silent" in each["path"])
        assert each["labels"] == ([] if each["abstained"] else [each["predicted"]])
    assert {each["reason"] for each in listed} >= {"silence"}
    truth, predicted = zip(*((each["true"], each["predicted"]) for each in listed), strict=True)
    expected = metrics.confusion_matrix(truth, predicted, labels=document["confusion"]["labels"])
    assert document["confusion"]["matrix"] == expected.tolist()
    report = metrics.classification_report(truth, predicted, output_dict=True, zero_division=np.nan)
    assert document["macro"]["f1"] == pytest.approx(report["macro avg"]["f1-score"])
    assert document["weighted"]["precision"] == pytest.approx(report["weighted avg"]["precision"])
    assert document["ece"] == document["calibration"]["ece"]

    lines = [json.loads(line) for line in run(*arguments, "--jsonl").stdout.splitlines()]
    probabilities = [line.pop("probabilities") for line in sorted(lines, key=lambda line: str(line["path"]))]
    assert sorted(lines, key=lambda line: str(line["path"])) == sorted(listed, key=lambda each: each["path"])
    for values in probabilities:
        assert list(values) == list(LABELS)
        assert sum(values.values()) == pytest.approx(1, abs=1e-5)

    finished = run(*arguments, "--csv")
    rows = list(csv.DictReader(io.StringIO(finished.stdout)))
    assert [row["path"] for row in rows] == [each["path"] for each in listed]
    assert [row["abstained"] for row in rows] == [str(each["abstained"]).lower() for each in listed]
    assert all(float(row["true_probability"]) <= float(row["probability"]) for row in rows)
    assert f"accuracy over {len(listed)} clips" in finished.stderr
    assert "accuracy" not in run(*arguments, "--csv", "--quiet").stderr


def sorted_clips(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.wav"))


def test_a_failure_is_a_line_among_the_clips(run: Run, folder: Path, tmp_path: Path) -> None:
    (folder / "hum" / "bad.wav").write_text("no audio")
    model = write_good_model(tmp_path / "tiny.onnx")
    finished = run("evaluate", folder, "--model", model, "--jsonl", "-o", tmp_path / "clips.jsonl")
    assert finished.exit_code == 1
    lines = [json.loads(line) for line in (tmp_path / "clips.jsonl").read_text().splitlines()]
    assert len(lines) == 10
    assert [line["error"]["kind"] for line in lines if "error" in line] == ["not_audio"]


def test_rows_of_classes(run: Run, folder: Path, tmp_path: Path) -> None:
    arguments = ("evaluate", folder, "--model", write_good_model(tmp_path / "tiny.onnx"))
    per_class = run(*arguments, "--json").document["per_class"]
    lines = [json.loads(line) for line in run(*arguments, "--jsonl", "--rows", "classes").stdout.splitlines()]
    assert [line.pop("model") for line in lines] == ["tiny"] * 3
    assert {line.pop("label"): line for line in lines} == per_class
    rows = list(csv.DictReader(io.StringIO(run(*arguments, "--csv", "--rows", "classes").stdout)))
    assert [row["label"] for row in rows] == list(LABELS)
    for row in rows:
        for name in ("precision", "recall", "f1", "n"):
            expected = per_class[row["label"]][name]
            found = float(row[name]) if row[name] else None
            assert found == (None if expected is None else pytest.approx(expected, abs=1e-6))


def test_the_evidence_is_the_segment_of_the_highest_probability(folder: Path, tmp_path: Path) -> None:
    model = open_model(write_good_model(tmp_path / "tiny.onnx"))
    for each in evaluate(folder, model).predictions:
        entries = classify(each.clip.source, Ensemble(models=(model,))).timeline
        of_label = [entry.candidates[LABELS.index(each.label)].probability for entry in entries]
        best = entries[int(np.argmax(of_label))]
        assert each.evidence_s == (best.start_s, best.end_s)


def test_a_multi_label_model_has_every_label_that_applies(run: Run, folder: Path, tmp_path: Path) -> None:
    contract = replace(CONTRACT, activation=Activation.SIGMOID, threshold=0.2)
    path = write_graph(
        tmp_path / "multi.onnx", {METADATA_KEY: encode(contract)}, last="Sigmoid", matrix=weights()
    )
    listed = run("evaluate", folder, "--model", path, "--json").document["predictions"]
    assert any(len(each["labels"]) > 1 for each in listed)
    for each in listed:
        assert each["abstained"] is not bool(each["labels"])
        assert not each["labels"] or each["labels"][0] == each["predicted"]


def test_training_clips_are_left_out(run: Run, folder: Path, tmp_path: Path) -> None:
    seen = tuple(content_hash(str(folder / label / "0.wav")) for label in LABELS)
    model = write_good_model(
        tmp_path / "tiny.onnx", replace(CONTRACT, training_clips=dict.fromkeys(seen, -1))
    )
    document = run("evaluate", folder, "--model", model, "--json").document
    assert (document["clips"], document["training_clips_left_out"]) == (6, 3)
    everything = run("evaluate", folder, "--model", model, "--include-training", "--json").document
    assert (everything["clips"], everything["training_clips_left_out"]) == (9, 0)


def test_a_folder_of_training_clips_only_is_an_error(run: Run, folder: Path, tmp_path: Path) -> None:
    seen = tuple(content_hash(str(path)) for path in folder.rglob("*.wav"))
    model = write_good_model(
        tmp_path / "tiny.onnx", replace(CONTRACT, training_clips=dict.fromkeys(seen, -1))
    )
    (folder / "hum" / "bad.wav").write_text("no audio")
    finished = run("evaluate", folder, "--model", model)
    assert finished.exit_code == 3
    assert "trained on all 9 clips; 1 more can't be read" in finished.stderr


def test_classes_that_the_model_lacks(run: Run, folder: Path, tmp_path: Path) -> None:
    (folder / "whistle").mkdir()
    finished = run("evaluate", folder, "--model", write_good_model(tmp_path / "tiny.onnx"))
    assert finished.exit_code == 2
    assert "whistle" in finished.stderr


@pytest.mark.parametrize("name", ["missing", "empty"])
def test_folders_without_classes(name: str, run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    model = write_good_model(tmp_path / "tiny.onnx")
    assert run("evaluate", tmp_path / name, "--model", model).exit_code == 2


def test_classes_that_differ_in_case_only_are_refused(run: Run, tmp_path: Path) -> None:
    for name in ("Rain", "dog", "rain"):
        (tmp_path / "set" / name).mkdir(parents=True)
    finished = run("evaluate", tmp_path / "set")
    assert finished.exit_code == 2
    assert "Rain and rain" in finished.stderr


def test_table_shows_the_interval(run: Run, folder: Path, tmp_path: Path) -> None:
    shown = run("evaluate", folder, "--model", write_good_model(tmp_path / "tiny.onnx"))
    assert "accuracy over 9 clips: " in shown.stdout
    assert "95 % interval" in shown.stdout


def test_a_training_clip_is_scored_by_the_member_not_trained_on_it(
    run: Run, folder: Path, tmp_path: Path
) -> None:
    clips = sorted(folder.rglob("*.wav"))
    unseen = {content_hash(str(clip)): i % 3 for i, clip in enumerate(clips[:6])}
    unseen[content_hash(str(clips[6]))] = -1
    contract = replace(CONTRACT, members=3, training_clips=unseen)
    model = open_model(write_good_model(tmp_path / "three.onnx", contract))
    evaluation = evaluate(folder, model)
    assert (evaluation.clips.n, evaluation.held_out, evaluation.left_out) == (6, 6, 1)
    # The two that are no training data are scored by all members together, and counted apart.
    assert evaluation.kept_apart is not None
    assert evaluation.kept_apart.n == 2
    together = [classify(Source(str(clip)), Ensemble(models=(model,))).top[0].label for clip in clips[7:]]
    right = sum(label == clip.parent.name for label, clip in zip(together, clips[7:], strict=True))
    assert evaluation.kept_apart.correct == right
    for prediction in evaluation.predictions:
        member = unseen[prediction.clip.content]
        assert prediction.member == member
        alone = classify(prediction.clip.source, Ensemble(models=(model,), member=member))
        expected = {candidate.label: candidate.probability for candidate in alone.top}
        assert prediction.probabilities == tuple(expected[label] for label in LABELS)
    sharper = [max(prediction.probabilities) for prediction in evaluation.predictions[:3]]
    assert sharper == sorted(sharper)  # member 0, 1, 2: logits times 1, 2, 3


def test_names_of_models_and_networks_complete() -> None:
    assert list(complete_name("genre-l")) == ["genre-lstm"]
    assert completes(*ARCHITECTURES)("l") == ["logmel-cnn", "lstm"]
