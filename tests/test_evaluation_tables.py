"""The tables of `audiocnn evaluate` at the usual widths: no line is longer, no label or number is broken."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from audiocnn_cli.audio.sources import Source
from audiocnn_cli.evaluation.degrade import DEGRADATIONS
from audiocnn_cli.evaluation.evaluate import Evaluation, summarise
from audiocnn_cli.evaluation.figures import CardCheck, FigureCheck
from audiocnn_cli.evaluation.labelled import LabelledClip
from audiocnn_cli.evaluation.scoring import ClipPrediction, Predictions
from audiocnn_cli.models.contract import Figure
from audiocnn_cli.output.views.evaluation import CardCheckView, EvaluationView
from tests.onnx_models import CONTRACT

WIDTHS = (80, 100, 120)
GENRES = (
    "blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock",
)  # fmt: skip
MANY = tuple(f"class number {i}" for i in range(50))


def evaluation_of(labels: tuple[str, ...], clips: int) -> Evaluation:
    """`clips` clips a class, a third of them predicted as the class after their own."""
    random = np.random.default_rng(3)
    predictions = []
    for i, label in enumerate(labels):
        for n in range(clips):
            predicted = labels[(i + (n % 3 == 0)) % len(labels)]
            probabilities = random.dirichlet([1.0] * len(labels))
            predictions.append(
                ClipPrediction(
                    clip=LabelledClip(Source(f"{label}/{n}.wav"), label, "0"),
                    probabilities=tuple(probabilities.tolist()),
                    label=predicted,
                    segment_labels=(predicted,),
                    member=0 if n % 2 else None,
                    degraded_labels=(label,) * len(DEGRADATIONS),
                )
            )
    contract = replace(CONTRACT, labels=labels, threshold=0.755)
    found = Predictions(clips=tuple(predictions), left_out=3, failures=())
    return summarise(contract, found, degradations=DEGRADATIONS)


def printed(renderable: object, width: int) -> list[str]:
    stream = io.StringIO()
    Console(file=stream, width=width, markup=False, emoji=False, highlight=False).print(renderable)
    return stream.getvalue().splitlines()


@pytest.mark.parametrize("width", WIDTHS)
def test_a_matrix_of_ten_classes_is_one_table(width: int) -> None:
    result = evaluation_of(GENRES, 250)
    lines = printed(EvaluationView().table([result]), width)
    assert max(map(len, lines)) <= width
    (header,) = [line.split() for line in lines if line.split()[:2] == ["true", "class"]]
    assert header[2:] == [str(i) for i in range(1, 11)]
    for i, (label, row) in enumerate(zip(GENRES, result.clips.counts, strict=True), start=1):
        matrix, scores = [line.split() for line in lines if line.split()[:2] == [str(i), label]]
        assert matrix[2:] == [str(n) if n else "." for n in row]
        score = result.clips.per_class[label]
        values = [f"{value:.3f}" for value in (score.precision, score.recall, score.f1)]
        assert scores[2:] == [*values, str(score.n)]
    means = {words[0]: words[2:] for line in lines if (words := line.split())[1:2] == ["mean"]}
    for name, mean in (("macro", result.clips.macro), ("weighted", result.clips.weighted)):
        values = [f"{value:.3f}" for value in (mean.precision, mean.recall, mean.f1)]
        assert means[name] == [*values, str(result.clips.n)]


@pytest.mark.parametrize("width", WIDTHS)
def test_a_matrix_of_fifty_classes_is_divided(width: int) -> None:
    result = evaluation_of(MANY, 4)
    lines = printed(EvaluationView().table([result]), width)
    assert max(map(len, lines)) <= width
    headers = [line.split()[2:] for line in lines if line.split()[:2] == ["true", "class"]]
    assert [number for header in headers for number in header] == [str(i) for i in range(1, 51)]
    for i, label in enumerate(MANY, start=1):
        assert sum(f"{i} {label}" in line for line in lines) >= len(headers) + 1


@pytest.mark.parametrize("width", WIDTHS)
def test_a_table_of_checked_figures_breaks_no_word(width: int) -> None:
    card = Figure(
        name="accuracy over clips, white noise at 20 dB SNR",
        value=0.9,
        interval_95=(0.8, 1.0),
        n=2258,
        protocol="",
    )
    problem = "measured on 12, not 2258: other data than the card's"
    checks = (
        FigureCheck("environment", card, card),
        FigureCheck("music-speech", card, replace(card, n=12), problem),
    )
    lines = printed(CardCheckView().table([CardCheck(checks, ())]), width)
    assert max(map(len, lines)) <= width
    words = {word for line in lines for word in line.split()}
    for text in (card.name, problem, "environment", "music-speech", "0.900", "2258", "yes", "NO"):
        assert set(text.split()) <= words


def test_a_long_label_is_shortened_where_it_can_not_fit() -> None:
    lines = printed(EvaluationView().table([evaluation_of(("x" * 200, "y"), 2)]), 80)
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize("arguments", [("--quiet",), ("--quiet", "--json"), ("-o", "figures.txt")])
def test_silence(
    arguments: tuple[str, ...], run: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    finished = run("evaluate", "--all", "empty", *arguments)  # type: ignore[operator]  # a fixture
    assert (finished.stdout == "") is ("--json" not in arguments)
    assert (tmp_path / "figures.txt").exists() is ("-o" in arguments)
