"""Regression models: figures against scikit-learn, intervals against SciPy and by simulation, the command."""

import csv
import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import scipy.stats
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from sklearn import metrics

from audiocnn_cli.errors import UsageError
from audiocnn_cli.evaluation.labelled import content_hash
from audiocnn_cli.evaluation.regression import regression_scores
from audiocnn_cli.evaluation.targets import read_targets
from audiocnn_cli.models.contract import METADATA_KEY, Golden, ModelContract, encode
from audiocnn_cli.models.session import open_model
from audiocnn_cli.models.signature import Activation, Kind
from audiocnn_cli.output.report.diagrams import scatter
from tests.conftest import Finished
from tests.onnx_models import CONTRACT, FRAMES, write_good_model

Run = Callable[..., Finished]
REGRESSOR = replace(
    CONTRACT,
    name="loudness",
    kind=Kind.REGRESSION,
    labels=("level",),
    activation=Activation.NONE,
    golden=Golden(duration_s=1.0, values=(0.0,)),
    figures=(),
)
numbers = st.floats(-1e6, 1e6)


def write_regressor(path: Path, contract: ModelContract = REGRESSOR) -> Path:
    """The mean of the first MFCC over the frames; member i gives it plus 1000 * i, the model their mean."""
    value = helper.make_tensor_value_info
    matrix = np.zeros((FRAMES, 7, 1), dtype=np.float32)
    matrix[:, 0, :] = 1 / FRAMES
    members = contract.members
    shifts = 1000 * np.arange(members, dtype=np.float32).reshape(1, members, 1)
    constants = {"w": matrix.reshape(-1, 1), "axis": np.array([1]), "shifts": shifts}
    nodes = [
        helper.make_node("Flatten", ["features"], ["flat"], axis=1),
        helper.make_node("MatMul", ["flat", "w"], ["one"]),
        helper.make_node("Unsqueeze", ["one", "axis"], ["many"]),
        helper.make_node("Add", ["many", "shifts"], ["member_values"]),
        helper.make_node("ReduceMean", ["member_values"], ["values"], axes=[1], keepdims=0),
    ]
    outputs = [value("values", TensorProto.FLOAT, ["n", 1])]
    if members > 1:
        outputs.append(value("member_values", TensorProto.FLOAT, ["n", members, 1]))
    graph = helper.make_graph(
        nodes,
        "level",
        [value("features", TensorProto.FLOAT, ["n", FRAMES, 7, 1])],
        outputs,
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    helper.set_model_props(model, {METADATA_KEY: encode(contract)})
    onnx.save(model, path)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve clips of 1.2 s of noise, each louder than the one before."""
    random = np.random.default_rng(4)
    for i in range(12):
        path = tmp_path / "data" / ("a" if i < 6 else "b") / f"{i:02}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, 0.01 * (1 + i) * random.standard_normal(19200), 16000)
    return tmp_path / "data"


@pytest.fixture
def targets(folder: Path) -> Path:
    """The targets of all clips, in a CSV file with another column."""
    path = folder.parent / "targets.csv"
    rows = (f"{each.relative_to(folder).as_posix()},{10 * i},x" for i, each in enumerate(clips_of(folder)))
    path.write_text("\ufeffpath,value,note\n" + "\n".join(rows) + "\n", encoding="utf-8")
    return path


def clips_of(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.wav"))


@given(st.lists(st.tuples(numbers, numbers), min_size=1, max_size=40))
def test_figures_equal_scikit_learn(pairs: list[tuple[float, float]]) -> None:
    true, found = [t for t, _ in pairs], [f for _, f in pairs]
    scores = regression_scores(true, found)
    assert scores.n == len(pairs)
    assert scores.mae.value == pytest.approx(metrics.mean_absolute_error(true, found))
    assert scores.rmse.value == pytest.approx(metrics.root_mean_squared_error(true, found))
    assert scores.median_absolute_error.value == pytest.approx(metrics.median_absolute_error(true, found))
    if len(set(true)) > 1 and np.ptp(true) > 1e-3:
        assert scores.r2.value == pytest.approx(metrics.r2_score(true, found), rel=1e-6)
    elif len(set(true)) == 1:
        assert scores.r2 == replace(scores.r2, value=None, interval_95=None)
    for each in (scores.mae, scores.rmse, scores.median_absolute_error):
        assert each.interval_95 is not None
        assert each.interval_95[0] <= each.interval_95[1]


def test_targets_that_hardly_vary_have_no_r2() -> None:
    assert regression_scores([0.0, 6.7e-152], [637.0, 0.0]).r2.value is None


def test_intervals_are_those_of_scipy() -> None:
    random = np.random.default_rng(3)
    true = random.normal(100, 20, 80)
    found = true + random.normal(0, 5, 80)
    scores = regression_scores(true.tolist(), found.tolist())
    expected = scipy.stats.bootstrap(
        (true, found),
        lambda t, f, axis: np.abs(t - f).mean(axis=axis),
        paired=True,
        vectorized=True,
        n_resamples=20000,
        method="percentile",
        rng=np.random.default_rng(5),
    ).confidence_interval
    assert scores.mae.interval_95 == pytest.approx(tuple(expected), abs=0.06)


def test_intervals_contain_the_true_figure_in_95_of_100_cases() -> None:
    random = np.random.default_rng(8)
    exact = np.sqrt(2 / np.pi)  # the mean absolute value of a standard normal variable
    inside = 0
    for _ in range(300):
        errors = random.standard_normal(60)
        low, high = regression_scores([0.0] * 60, errors.tolist()).mae.interval_95 or (0, 0)
        inside += low <= exact <= high
    assert 0.90 <= inside / 300 <= 0.99


def test_the_command_compares_values_with_targets(
    run: Run, folder: Path, targets: Path, tmp_path: Path
) -> None:
    model = write_regressor(tmp_path / "m.onnx")
    finished = run("evaluate", folder, "--targets", targets, "--model", model, "--json")
    assert finished.exit_code == 0, finished.stderr
    document = finished.document
    true = [each["true"] for each in document["predictions"]]
    found = [each["predicted"] for each in document["predictions"]]
    assert true == [10.0 * i for i in range(12)]
    assert found == sorted(found)  # louder and louder
    assert document["quantity"] == "level"
    assert document["mae"] == pytest.approx(metrics.mean_absolute_error(true, found))
    assert document["rmse"] == pytest.approx(metrics.root_mean_squared_error(true, found))
    assert document["r2"] == pytest.approx(metrics.r2_score(true, found))
    low, high = document["mae_interval_95"]
    assert low < document["mae"] < high
    table = run("evaluate", folder, "--targets", targets, "--model", model).stdout
    for word in ("MAE", "RMSE", "R2", "median absolute error", "largest errors: 10 of 12"):
        assert word in table


def test_lines_and_rows_are_clips(run: Run, folder: Path, targets: Path, tmp_path: Path) -> None:
    arguments = ("evaluate", folder, "--targets", targets, "--model", write_regressor(tmp_path / "m.onnx"))
    document = run(*arguments, "--json").document
    lines = [json.loads(line) for line in run(*arguments, "--jsonl").stdout.splitlines()]
    assert sorted(lines, key=lambda line: line["path"]) == document["predictions"]
    finished = run(*arguments, "--csv")
    rows = list(csv.DictReader(io.StringIO(finished.stdout)))
    assert [float(row["predicted"]) for row in rows] == [
        each["predicted"] for each in document["predictions"]
    ]
    assert "MAE over 12 clips" in finished.stderr
    assert run(*arguments, "--csv", "--rows", "classes").exit_code == 2


def test_robustness_is_that_of_the_values(run: Run, folder: Path, targets: Path, tmp_path: Path) -> None:
    model = write_regressor(tmp_path / "m.onnx")
    arguments = ("evaluate", folder, "--targets", targets, "--model", model, "--robustness", "--json")
    rows = {row["degradation"]: row for row in run(*arguments).document["robustness"]}
    assert rows["gain_-20db"]["mae"] > rows["stereo"]["mae"]


def test_training_clips_are_scored_by_the_member_not_trained_on_them(
    run: Run, folder: Path, targets: Path, tmp_path: Path
) -> None:
    clips = clips_of(folder)
    members = {content_hash(str(clip)): i % 3 for i, clip in enumerate(clips[:9])}
    members[content_hash(str(clips[9]))] = -1
    contract = replace(REGRESSOR, members=3, training_clips=members)
    model = write_regressor(tmp_path / "m.onnx", contract)
    arguments = ("evaluate", folder, "--targets", targets, "--model", model, "--json")
    document = run(*arguments).document
    assert (document["clips"], document["held_out_clips"], document["training_clips_left_out"]) == (9, 9, 1)
    assert document["kept_apart"]["clips"] == 2
    alone = write_regressor(tmp_path / "one.onnx")
    plain = run("evaluate", folder, "--targets", targets, "--model", alone, "--json").document
    base = {each["path"]: each["predicted"] for each in plain["predictions"]}
    for i, each in enumerate(document["predictions"]):
        shift = 1000 * (i % 3) if i < 9 else 1000  # the mean of 0, 1000 and 2000
        assert each["predicted"] == pytest.approx(base[each["path"]] + shift, rel=1e-4)
        assert each["member"] == (i % 3 if i < 9 else None)
    everything = run(*arguments, "--include-training").document
    assert (everything["clips"], everything["held_out_clips"]) == (12, 0)
    seen = replace(contract, training_clips=dict.fromkeys((content_hash(str(clip)) for clip in clips), -1))
    finished = run(*arguments[:4], "--model", write_regressor(tmp_path / "m.onnx", seen))
    assert finished.exit_code == 3
    assert "trained on all 12 clips" in finished.stderr


def test_a_recording_that_is_not_there_is_a_failure(
    run: Run, folder: Path, targets: Path, tmp_path: Path
) -> None:
    clips_of(folder)[0].unlink()
    model = write_regressor(tmp_path / "m.onnx")
    finished = run("evaluate", folder, "--targets", targets, "--model", model, "--json")
    assert finished.exit_code == 1
    assert [each["kind"] for each in finished.document["failures"]] == ["not_found"]
    assert finished.document["clips"] == 11


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has the columns none; its first line must name a column path and one value"),
        ("path,tempo,key\na.wav,1,c\n", "has the columns path, tempo, key"),
        ("file,value\na.wav,1\n", "must name a column path"),
        ("path,value\n", "has no rows"),
        ("path,value\na.wav,fast\n", "line 2: the value 'fast' is no finite number"),
        ("path,value\na.wav,1\nb.wav,nan\n", "line 3: the value 'nan'"),
        ("path,value\na.wav,inf\n", "no finite number"),
        ("path,value\na.wav\n", "line 2: the value ''"),
        ("path,value\na.wav,1\na.wav,2\n", "line 3: a.wav has a row already"),
    ],
)
def test_targets_that_can_not_be_used(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(UsageError, match=message):
        read_targets(tmp_path / "t.csv", tmp_path)


@pytest.mark.parametrize(
    "header", ["path,value", "value , path", "path,tempo", "key,tempo,path", "tempo,value,path"]
)
def test_the_column_of_values(header: str, tmp_path: Path) -> None:
    cells = {"path": "a.wav", "value": "7", "tempo": "90", "key": "c"}
    names = [name.strip() for name in header.split(",")]
    (tmp_path / "t.csv").write_text(f"{header}\n{','.join(cells[name] for name in names)}\n")
    (target,) = read_targets(tmp_path / "t.csv", tmp_path, quantity="tempo")
    assert (target.source.path, target.value) == (str(tmp_path / "a.wav"), 90 if "tempo" in names else 7)


def test_targets_that_can_not_be_read(run: Run, folder: Path, tmp_path: Path) -> None:
    model = write_regressor(tmp_path / "m.onnx")
    (tmp_path / "binary.csv").write_bytes(b"path,value\n\xff\xfe,1\n")
    for name in ("gone.csv", "binary.csv"):
        finished = run("evaluate", folder, "--targets", tmp_path / name, "--model", model)
        assert (finished.exit_code, finished.stderr.count("\n")) == (2, 1)
        assert name in finished.stderr


def test_each_kind_names_what_it_needs(run: Run, folder: Path, targets: Path, tmp_path: Path) -> None:
    regressor = write_regressor(tmp_path / "r.onnx")
    finished = run("evaluate", folder, "--model", regressor)
    assert (finished.exit_code, finished.stderr.count("\n")) == (2, 1)
    assert "loudness gives values, no labels: add --targets" in finished.stderr
    classifier = write_good_model(tmp_path / "c.onnx")
    finished = run("evaluate", folder, "--model", classifier, "--targets", targets)
    assert (finished.exit_code, finished.stderr.count("\n")) == (2, 1)
    assert "tiny gives labels, no values: leave out --targets" in finished.stderr
    embedding = replace(REGRESSOR, kind=Kind.EMBEDDING, labels=(), dimensions=1, name="backbone")
    bare = onnx.load(write_regressor(tmp_path / "e.onnx"))
    bare.graph.node[-1].output[0] = bare.graph.output[0].name = "embedding"
    helper.set_model_props(bare, {METADATA_KEY: encode(embedding)})
    onnx.save(bare, tmp_path / "e.onnx")
    assert open_model(tmp_path / "e.onnx").contract.kind is Kind.EMBEDDING
    finished = run("evaluate", folder, "--model", tmp_path / "e.onnx")
    assert finished.exit_code == 2
    assert "backbone gives embeddings" in finished.stderr


def test_constant_targets_have_no_r2(run: Run, folder: Path, tmp_path: Path) -> None:
    names = [each.relative_to(folder).as_posix() for each in clips_of(folder)]
    (tmp_path / "t.csv").write_text("path,value\n" + "".join(f"{name},3\n" for name in names))
    arguments = ("evaluate", folder, "--targets", tmp_path / "t.csv")
    model = write_regressor(tmp_path / "m.onnx")
    document = run(*arguments, "--model", model, "--json").document
    assert (document["r2"], document["r2_interval_95"]) == (None, None)
    assert "undefined" in run(*arguments, "--model", model).stdout


@pytest.mark.parametrize("ending", ["png", "svg"])
def test_the_plot(ending: str, run: Run, folder: Path, targets: Path, tmp_path: Path) -> None:
    picture = tmp_path / f"values.{ending}"
    model = write_regressor(tmp_path / "m.onnx")
    finished = run("evaluate", folder, "--targets", targets, "--model", model, "--plot", picture)
    assert finished.exit_code == 0, finished.stderr
    content = picture.read_bytes()
    assert content.startswith({"png": b"\x89PNG", "svg": b"<?xml"}[ending])
    assert ending == "png" or b"predicted level" in content


@given(st.lists(st.tuples(numbers, numbers), min_size=1, max_size=20))
def test_points_lie_inside_the_axes(pairs: list[tuple[float, float]]) -> None:
    true, found = [t for t, _ in pairs], [f for _, f in pairs]
    plot = scatter(true, found)
    for (x, y), t, f in zip(plot.points, true, found, strict=True):
        assert 0 <= x <= 100
        assert 0 <= y <= 100
        if t == f:
            assert x == pytest.approx(100 - y, abs=0.02)
    assert 2 <= len(plot.ticks) <= 8
    assert (plot.ticks[0][0], plot.ticks[-1][0]) == (0, 100)
