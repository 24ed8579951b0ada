"""`audiocnn evaluate --all`: a card whose figures differ from the recordings' is detected."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiocnn_cli.evaluation.cards import card
from audiocnn_cli.evaluation.degrade import DEGRADATIONS
from audiocnn_cli.evaluation.evaluate import evaluate
from audiocnn_cli.evaluation.figures import Protocol, measured_figures
from audiocnn_cli.evaluation.metrics import ConfusionMatrix
from audiocnn_cli.models.contract import DataStatement
from audiocnn_cli.models.registry import ModelFile, bundled_models
from audiocnn_cli.models.session import open_model
from audiocnn_cli.models.signature import Kind
from audiocnn_cli.training.backbones.build import card_of_backbone
from tests.conftest import Finished
from tests.onnx_models import CONTRACT, LABELS, write_good_model

Run = Callable[..., Finished]
DATA = DataStatement(name="noise", licence="CC0", folder="noises")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder of data sets with one in it: three classes of four clips."""
    random = np.random.default_rng(6)
    for label in LABELS:
        for i in range(4):
            path = tmp_path / "sets" / "noises" / label / f"{i}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, random.uniform(0, 0.3) * random.standard_normal(9000), 8000)
    return tmp_path / "sets"


@pytest.fixture
def honest(root: Path, tmp_path: Path) -> Path:
    """A model whose card has the figures that it has on the data."""
    contract = replace(CONTRACT, data=DATA, figures=(), threshold=0.5)
    path = write_good_model(tmp_path / "honest.onnx", contract)
    evaluation = evaluate(root / "noises", open_model(path), degradations=DEGRADATIONS[2:4])
    figures = measured_figures(evaluation, protocol=Protocol("all clips"))
    return write_good_model(path, replace(contract, figures=figures))


def test_a_set_that_was_put_together_is_put_together_again(run: Run, root: Path, honest: Path) -> None:
    one, two, three = LABELS
    noises = root / "noises"
    (root / "other").mkdir()
    (noises / three).rename(root / "other" / "here")
    parts = {one: f"noises/{one}", f"{two}/deep": f"noises/{two}/*.wav", three: "other/here"}
    contract = replace(open_model(honest).contract, data=replace(DATA, folder=None, parts=parts))
    write_good_model(honest, contract)
    finished = run("evaluate", "--all", root, "--model", honest, "--json")
    assert finished.exit_code == 0, finished.stdout
    assert all(figure["agrees"] for figure in finished.document["figures"])
    for place, pattern in ((three, "gone/*"), ("../x", "other"), (three, "/etc"), (three, "../x")):
        outside = replace(contract.data, parts=parts | {place: pattern})
        write_good_model(honest, replace(contract, data=outside))
        finished = run("evaluate", "--all", root, "--model", honest, "--json")
        assert finished.exit_code in (1, 3)
        assert pattern in str(finished.document) or place in str(finished.document)


def with_figure(path: Path, **changes: object) -> Path:
    """The model with its first figure changed."""
    contract = open_model(path).contract
    first = replace(contract.figures[0], **changes)  # type: ignore[arg-type]  # what a test gives
    return write_good_model(path, replace(contract, figures=(first, *contract.figures[1:])))


def test_an_honest_card_is_confirmed(run: Run, root: Path, honest: Path) -> None:
    finished = run("evaluate", "--all", root, "--model", honest, "--json")
    assert finished.exit_code == 0, finished.stdout
    figures = finished.document["figures"]
    assert [figure["figure"] for figure in figures] == [
        "accuracy over clips",
        "accuracy over segments",
        "coverage at threshold 0.5",
        "accuracy over covered clips",
        "accuracy over clips, -20 dB gain",
        "accuracy over clips, white noise at 20 dB SNR",
        "expected calibration error (ECE)",
    ]
    assert all(figure["agrees"] and figure["measured"] == figure["card"] for figure in figures)
    assert [figure["n"] for figure in figures] == [12, 24, 12, 2, 12, 12, 12]
    table = run("evaluate", "--all", root, "--model", honest).stdout
    assert table.count("yes") == 7
    assert run("evaluate", "--all", root, "--model", honest, "--csv").stdout.count("\n") == 8


@pytest.mark.parametrize("clips_more", [-3, 3])
def test_a_card_that_flatters_is_found_out(clips_more: int, run: Run, root: Path, honest: Path) -> None:
    figure = open_model(honest).contract.figures[0]
    value = figure.value + clips_more / figure.n
    with_figure(honest, value=value, interval_95=(min(0.0, value), max(1.0, value)))
    finished = run("evaluate", "--all", root, "--model", honest, "--json")
    assert finished.exit_code == 1
    assert [figure["agrees"] for figure in finished.document["figures"]] == [False] + [True] * 6


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"n": 14}, "measured on 12, not 14"), ({"name": "accuracy on Mars"}, "no figure that")],
)
def test_figures_that_can_not_be_compared(
    changes: dict[str, object], message: str, run: Run, root: Path, honest: Path
) -> None:
    with_figure(honest, **changes)
    finished = run("evaluate", "--all", root, "--model", honest, "--json")
    assert finished.exit_code == 1
    assert message in finished.document["figures"][0]["problem"]


def test_a_recording_that_can_not_be_used_is_a_failure(run: Run, root: Path, honest: Path) -> None:
    (root / "noises" / "hum" / "bad.wav").write_text("no audio")
    finished = run("evaluate", "--all", root, "--model", honest, "--json")
    assert finished.exit_code == 1
    assert [failure["kind"] for failure in finished.document["failures"]] == ["not_audio"]


def test_without_the_data_nothing_is_done(run: Run, tmp_path: Path, honest: Path) -> None:
    finished = run("evaluate", "--all", tmp_path / "empty", "--model", honest, "--json")
    assert finished.exit_code == 3
    assert all("no such folder" in figure["problem"] for figure in finished.document["figures"])
    nowhere = write_good_model(honest)
    finished = run("evaluate", "--all", tmp_path, "--model", nowhere, "--json")
    assert finished.exit_code == 3
    assert "names no folder" in finished.document["figures"][0]["problem"]


def test_every_bundled_model_without_model(run: Run, tmp_path: Path) -> None:
    finished = run("evaluate", "--all", tmp_path, "--json")
    assert finished.exit_code == 3
    listed = run("models", "list", "--json").document["models"]
    measured = {model["name"] for model in listed if model["accuracy"] is not None}
    assert {figure["model"] for figure in finished.document["figures"]} == measured
    assert measured == {model["name"] for model in listed if model["kind"] == "classification"}


def test_what_does_not_go_with_all(run: Run, root: Path) -> None:
    for option in ("--robustness", "--include-training"):
        finished = run("evaluate", "--all", root, option)
        assert (finished.exit_code, finished.stderr.count("\n")) == (2, 1)


@pytest.mark.parametrize("file", bundled_models(), ids=lambda file: file.name)
def test_a_bundled_card_is_that_of_its_contract(file: ModelFile) -> None:
    contract = open_model(file.path).contract
    text = file.card.read_text()
    for notice in contract.notices:
        assert notice.licence in text
    if contract.kind is Kind.EMBEDDING:
        assert text == card_of_backbone(contract)
        return
    rows = [line.split("|") for line in text.splitlines() if line.startswith("| **")]
    counts = {cells[1].strip(" *"): tuple(map(int, cells[2:-2])) for cells in rows}
    clips = ConfusionMatrix(contract.labels, tuple(counts[label] for label in contract.labels))
    notes = re.search(r"## Thresholds\n.*?(?=## Limitations)", text, re.DOTALL)
    assert text == card(contract, clips, notes=notes[0] if notes else "")
    figures = {figure.name: figure for figure in contract.figures}
    accuracy = figures["accuracy over clips"]
    assert clips.n == accuracy.n
    assert clips.accuracy == pytest.approx(accuracy.value)
