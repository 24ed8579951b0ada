"""`audiocnn models`: the bundled models, and files by their path."""

import csv
import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from audiocnn_cli.commands.options import complete_model
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


@pytest.mark.parametrize("width", [60, 80, 100, 120])
def test_the_list_breaks_no_word(width: int, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    table = run("models", "list").stdout
    lines = [line.rstrip() for line in table.splitlines() if line.strip()]
    assert max(map(len, lines)) <= width
    assert len(lines) == 2 + len(NAMES)
    for name in NAMES:
        task = run("models", "show", name, "--json").document["task"]
        assert any(line.split()[: 1 + len(task.split())] == [name, *task.split()] for line in lines)


def test_names_and_files_are_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("genuine.onnx", "genuine.md"):
        (tmp_path / name).touch()
    (tmp_path / "gear").mkdir()
    (tmp_path / "gear" / "b.onnx").touch()
    assert list(complete_model("ge")) == [
        *(name for name in NAMES if name.startswith("ge")),
        *("gear/", "genuine.onnx"),
    ]
    assert list(complete_model("gear/")) == ["gear/b.onnx"]
    assert list(complete_model(f"{tmp_path}/gear/")) == [f"{tmp_path}/gear/b.onnx"]


def test_a_shell_completes_the_names() -> None:
    line = {"_TYPER_COMPLETE_ARGS": "audiocnn models show genre-", "COMP_WORDS": ""}
    environment = os.environ | line | {"_AUDIOCNN_COMPLETE": "complete_zsh"}
    program = "import sys; sys.argv = ['audiocnn']; from audiocnn_cli.commands.main import main; main()"
    found = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False
    )
    assert "genre-cnn" in found.stdout


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


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--model", "auto", "--no-gate"), "leave out --no-gate"),
        (("--model", "a.onnx", "--ensemble", "a,b"), "either --model or --ensemble"),
        (("--ensemble", "genre-cnn"), "two models"),
        (("--threshold", "x"), "a probability"),
        (("--threshold", "0.1", "--threshold", "0.2"), "another for all"),
        (("--threshold", "rock=2"), "0 to 1"),
        (("--threshold", "polka=0.2"), "no such label"),
        (("--provider", "cuda"), "--provider cuda: this ONNX Runtime was built without"),
        (("--provider", "abacus"), "--provider abacus: there is no such provider; installed: "),
        (("--sr", "8000"), "--raw"),
    ],
)
def test_options_of_classify_that_contradict_each_other(
    arguments: tuple[str, ...], message: str, run: Run, make_wav: Callable[..., Path]
) -> None:
    finished = run("classify", make_wav(), *arguments)
    assert finished.exit_code == 2
    assert message in finished.stderr
    assert finished.stderr.count("\n") == 1


def test_a_card_is_written_to_a_file(run: Run, tmp_path: Path) -> None:
    shown = run("models", "show", "genre-cnn")
    written = run("models", "show", "genre-cnn", "-o", tmp_path / "card.txt")
    assert (written.exit_code, written.stdout) == (0, "")
    assert (tmp_path / "card.txt").read_text(encoding="utf-8") == shown.stdout
    assert run("models", "show", "genre-cnn", "-q").stdout == ""
