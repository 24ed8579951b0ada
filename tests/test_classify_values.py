"""`classify` with a regression model: values in place of labels, and what is refused."""

import csv
import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

import audiocnn_cli as audiocnn
from audiocnn_cli.audio.load import load
from audiocnn_cli.audio.sources import Source
from audiocnn_cli.models.inference import infer
from audiocnn_cli.models.session import open_model
from tests.conftest import Finished
from tests.onnx_models import write_good_model
from tests.test_evaluation_regression import REGRESSOR, write_regressor

Run = Callable[..., Finished]
RATE = 8000


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_regressor(tmp_path / "level.onnx")


@pytest.fixture
def clips(tmp_path: Path) -> list[Path]:
    """Noise that becomes louder from clip to clip and within each clip, and silence."""
    random = np.random.default_rng(4)
    paths = []
    for i in range(3):
        samples = 0.01 * (1 + i) * np.linspace(0.5, 1.5, 2 * RATE) * random.standard_normal(2 * RATE)
        paths.append(tmp_path / f"{i}.wav")
        soundfile.write(paths[-1], samples, RATE)
    paths.append(tmp_path / "silent.wav")
    soundfile.write(paths[-1], np.zeros(2 * RATE), RATE)
    return paths


def test_a_clip_has_the_mean_of_its_segments(run: Run, model: Path, clips: list[Path]) -> None:
    finished = run("classify", *clips, "--model", model, "--json", "--timeline")
    assert finished.exit_code == 0, finished.stderr
    *results, silent = finished.document["results"]
    opened = open_model(model)
    for path, each in zip(clips, results, strict=False):
        scores = infer(iter([load(Source(str(path))).samples]), opened)
        assert each["value"] == pytest.approx(scores.mean[0])
        of_segments = [entry["value"] for entry in each["timeline"]]
        assert of_segments == pytest.approx(scores.probabilities[:, 0].tolist())
        assert (each["quantity"], each["model"], each["reason"]) == ("level", "loudness", None)
        assert each["segments"] == 4
        assert not {"label", "probability", "top", "events"} & set(each)
    assert [each["value"] for each in results] == sorted(each["value"] for each in results)
    assert (silent["value"], silent["reason"]) == (None, "silence")
    assert {entry["value"] for entry in silent["timeline"]} == {None}
    forced = run("classify", clips[3], "--model", model, "--json", "--threshold", "0").document["results"]
    assert isinstance(forced[0]["value"], float)


def test_every_format_has_the_values(run: Run, model: Path, clips: list[Path], tmp_path: Path) -> None:
    arguments = ("classify", *clips, "--model", model)
    values = [each["value"] for each in run(*arguments, "--json").document["results"]]
    lines = [json.loads(line) for line in run(*arguments, "--jsonl").stdout.splitlines()]
    assert {line["path"]: line["value"] for line in lines} == dict(zip(map(str, clips), values, strict=True))
    rows = list(csv.DictReader(io.StringIO(run(*arguments, "--csv").stdout)))
    assert [row["path"] for row in rows] == list(map(str, clips))
    assert [row["value"] for row in rows[:3]] == [str(round(value, 6)) for value in values[:3]]
    assert (rows[3]["value"], rows[3]["reason"]) == ("", "silence")
    segments = list(csv.DictReader(io.StringIO(run(*arguments, "--csv", "--timeline").stdout)))
    assert len(segments) == 16
    assert {float(each["end_s"]) - float(each["start_s"]) for each in segments} == {0.5}
    table = run(*arguments).stdout
    assert "level" in table.splitlines()[1]
    assert all(f"{value:.2f}" in table for value in values[:3])  # hundreds: five digits
    assert "silence" in table
    assert "?" not in table
    assert "0.50 s" in run(*arguments, "--timeline").stdout


def test_a_parquet_file_has_the_columns_of_csv(
    run: Run, model: Path, clips: list[Path], tmp_path: Path
) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    output = tmp_path / "values.parquet"
    assert run("classify", *clips, "--model", model, "-o", output).exit_code == 0
    found = parquet.read_table(output)
    assert found.column("value").null_count == 1
    assert found.column_names[:3] == ["path", "model", "value"]


def test_a_stream_gives_each_value_as_it_arrives(run: Run, model: Path, clips: list[Path]) -> None:
    sound = clips[1].read_bytes()
    finished = run("classify", "-", "--model", model, "--jsonl", stdin=sound)
    *segments, whole = [json.loads(line) for line in finished.stdout.splitlines()]
    assert len(segments) == 4
    assert np.mean([each["value"] for each in segments]) == pytest.approx(whole["value"])
    shown = run("classify", "-", "--model", model, stdin=sound).stdout
    assert f"0.50 s  {segments[0]['value']:.5g}" in shown


def test_the_python_result_has_the_value(run: Run, model: Path, clips: list[Path]) -> None:
    expected = run("classify", clips[0], "--model", model, "--json").document["results"][0]["value"]
    found = audiocnn.classify(clips[0], model=model)
    assert (found.quantity, found.value) == ("level", expected)
    assert (found.label, found.top, found.labels) == (None, (), ())
    assert np.isnan(found.probability)
    assert repr(found) == f"<Classification by loudness: level {expected:.5g}>"
    assert found.to_dict()["value"] == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--events",), "loudness gives a value, no labels or events"),
        (("--format", "audacity"), "loudness gives a value, no labels or events"),
        (("--threshold", "0.5"), "--threshold: loudness gives a value, no probability"),
        (("--why",), "inspect a label: loudness gives a value"),
        (("--report", "r.html"), "inspect a label: loudness gives a value"),
    ],
)
def test_what_is_for_labels_is_refused(
    options: tuple[str, ...],
    message: str,
    run: Run,
    model: Path,
    clips: list[Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    finished = run("classify", clips[0], "--model", model, *options)
    assert finished.exit_code == 2
    assert message in finished.stderr
    assert not (tmp_path / "r.html").exists()


def test_a_regression_model_is_used_alone(run: Run, model: Path, clips: list[Path], tmp_path: Path) -> None:
    other = write_regressor(tmp_path / "other.onnx", replace(REGRESSOR, name="other"))
    labels = write_good_model(tmp_path / "labels.onnx")
    for one in (other, labels):
        finished = run("classify", clips[0], "--ensemble", f"{one},{model}")
        assert finished.exit_code == 2
        assert "gives a value, no labels; use it alone" in finished.stderr
