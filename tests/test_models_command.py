"""`audiocnn models`: what is bundled keeps its promises."""

import csv
import io
from collections.abc import Callable
from pathlib import Path

import pytest

from audiocnn_cli.models.registry import bundled_models
from tests.conftest import Finished
from tests.onnx_models import write_good_model, write_model

Run = Callable[..., Finished]
NAMES = [model.name for model in bundled_models()]


def test_something_is_bundled() -> None:
    assert "genre-cnn" in NAMES


@pytest.mark.parametrize("name", NAMES)
def test_every_bundled_model_passes(name: str, run: Run) -> None:
    finished = run("models", "verify", name, "--json")
    assert finished.exit_code == 0
    assert finished.document["passed"] is True


@pytest.mark.parametrize("name", NAMES)
def test_every_bundled_model_has_a_card_that_agrees(name: str, run: Run) -> None:
    contract = run("models", "show", name, "--json").document
    card = run("models", "show", name).stdout
    assert contract["name"] == name
    assert contract["data"]["licence"] in card
    assert contract["command"] in card
    for figure in contract["figures"]:
        low, high = figure["interval_95"]
        assert f"**{figure['value']:.3f}** | {low:.3f} to {high:.3f} | {figure['n']} |" in card


def test_list_names_them_all(run: Run) -> None:
    models = run("models", "list", "--json").document["models"]
    assert [model["name"] for model in models] == NAMES
    for model in models:
        assert model["size_bytes"] == Path(model["path"]).stat().st_size
    rows = list(csv.DictReader(io.StringIO(run("models", "list", "--csv").stdout)))
    assert [row["name"] for row in rows] == NAMES
    assert "genre-cnn" in run("models", "list").stdout


def test_path_is_the_file(run: Run) -> None:
    path = Path(run("models", "path", "genre-cnn").stdout.strip())
    assert path.name == "genre-cnn.onnx"
    assert path.is_file()


def test_a_golden_example_that_differs_is_refused(run: Run, tmp_path: Path) -> None:
    wrong = write_model(tmp_path / "wrong.onnx")
    finished = run("models", "verify", wrong, "--json")
    assert finished.exit_code == 4
    assert finished.document["passed"] is False
    assert finished.document["difference"] > finished.document["tolerance"]
    assert "golden" in finished.stderr


def test_a_file_by_its_path(run: Run, tmp_path: Path) -> None:
    model = write_good_model(tmp_path / "mine.onnx")
    assert run("models", "verify", model).exit_code == 0
    shown = run("models", "show", model)
    assert "hum, hiss, silence" in shown.stdout
    assert "41 x 7 x 1" in shown.stdout


@pytest.mark.parametrize("command", ["show", "verify", "path"])
def test_unknown_names(command: str, run: Run) -> None:
    finished = run("models", command, "nope")
    assert finished.exit_code == 4
    assert finished.stderr.count("\n") == 1
