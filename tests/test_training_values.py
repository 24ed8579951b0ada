"""`audiocnn train --targets`: regressors on signals made here, against scikit-learn."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from audiocnn_cli.evaluation.labelled import Grouping
from audiocnn_cli.models.session import open_model
from audiocnn_cli.models.signature import Kind
from audiocnn_cli.training.clips import read_values
from audiocnn_cli.training.heads.fit import STRENGTHS, Side, fit_heads
from tests.conftest import Finished
from tests.test_training_heads import RATE, write_backbone

Run = Callable[..., Finished]
CLIPS = 24


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_backbone(tmp_path_factory.mktemp("backbone") / "tiny.onnx")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Noise below a cut-off whose height is the value, in a flat folder with its table."""
    root = tmp_path_factory.mktemp("data") / "noises"
    root.mkdir()
    random = np.random.default_rng(3)
    rows = ["path,value"]
    for i in range(CLIPS):
        value = 200 + 120 * i
        noise = np.fft.rfft(random.standard_normal(RATE))
        noise[value:] *= 0.01
        soundfile.write(root / f"{i:02}.wav", 0.1 * np.fft.irfft(noise, RATE), RATE)
        rows.append(f"{i:02}.wav,{value}")
    (root / "cutoff.csv").write_text("\n".join(rows))
    return root


def train(run: Run, folder: Path, table: Path, output: Path, *options: str | Path) -> Finished:
    return run(
        "train", folder, "--targets", table, "-o", output, "--cache", output.parent / "cache", *options
    )


def test_what_is_trained_can_be_used(run: Run, folder: Path, backbone: Path, tmp_path: Path) -> None:
    output, table = tmp_path / "cutoff.onnx", folder / "cutoff.csv"
    trained = train(run, folder, table, output, "--backbone", backbone, "--json")
    assert trained.exit_code == 0, trained.stderr
    assert trained.document["r2"] > 0.8
    assert trained.document["held_out_clips"] == CLIPS
    assert run("models", "verify", output).exit_code == 0
    again = run("evaluate", folder, "--targets", table, "--model", output, "--json").document
    assert again == trained.document | {"robustness": []}
    contract = open_model(output).contract
    assert (contract.kind, contract.labels, contract.members) == (Kind.REGRESSION, ("value",), 5)
    figures = {figure.name: figure.value for figure in contract.figures}
    assert figures["mean absolute error (MAE)"] == pytest.approx(trained.document["mae"])
    card = output.with_suffix(".md").read_text()
    assert "| values of the clips | 200 to 2960, median 1580 |" in card
    assert f"| R2 | **{trained.document['r2']:.3f}**" in card


@pytest.mark.parametrize("count", [12, 100])
def test_a_head_is_ridge_regression(count: int, folder: Path) -> None:
    random = np.random.default_rng(count)
    rows = random.standard_normal((count, 30)) * random.uniform(0.1, 10, 30) + 3
    values = rows[:, 0] * 7 + random.standard_normal(count) + 1000
    weights = random.uniform(0.2, 1, count)
    found = read_values(folder / "cutoff.csv", folder, grouping=Grouping())
    clip_set = type(found)(
        folder=folder,
        labels=("value",),
        clips=tuple(found.clips[:1] * count),
        groups=tuple(map(str, range(count))),
        values=tuple(values),
    )
    heads = fit_heads(Side(rows, np.arange(count), weights), clip_set, STRENGTHS)
    for head, strength in zip(heads, STRENGTHS, strict=True):
        pipeline = make_pipeline(StandardScaler(), Ridge(alpha=1 / strength))
        named = {"standardscaler__sample_weight": weights, "ridge__sample_weight": weights}
        pipeline.fit(rows, values, **named)
        np.testing.assert_allclose(head(rows)[:, 0], pipeline.predict(rows), rtol=1e-6)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("path,value\n00.wav,1\n01.wav,1\n02.wav,1\n", "all 3 clips the value 1; a constant can't be learnt"),
        ("path,value\n00.wav,1\n01.wav,2\n", "has 2 clips with a value to fit and to test; give 3 or more"),
        ("path,value\n00.wav,1\nnone.wav,2\n", "1 of its 2 paths are no file below"),
        ("path,value\n00.wav,1\n01.wav,nan\n", "no finite number"),
        ("path,value\n00.wav,1\n00.wav,2\n", "has a row already"),
        ("path,value\n", "has no rows"),
        ("file,size\n00.wav,1\n", "must name a column path"),
    ],
)
def test_a_bad_table_ends_in_a_sentence(
    rows: str, message: str, run: Run, folder: Path, backbone: Path, tmp_path: Path
) -> None:
    table = tmp_path / "t.csv"
    table.write_text(rows)
    finished = train(run, folder, table, tmp_path / "m.onnx", "--backbone", backbone, "--quiet")
    assert finished.exit_code == 2
    assert message in finished.stderr
    assert finished.stderr.count("\n") == 1
    assert not list(tmp_path.glob("m.*"))


def test_a_threshold_is_for_classes(run: Run, folder: Path, tmp_path: Path) -> None:
    finished = train(run, folder, folder / "cutoff.csv", tmp_path / "m.onnx", "--threshold", "0.5")
    assert finished.exit_code == 2
    assert "`threshold`" not in finished.stderr
    assert "--threshold is for classes" in finished.stderr
