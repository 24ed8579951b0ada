"""The evaluation of a regression model: figures and clips as a table, JSON and CSV."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import Any

from rich.console import Group
from rich.text import Text

from audiocnn_cli.batch.outcome import failure_document
from audiocnn_cli.evaluation.regression import Estimate, RegressionEvaluation, RegressionScores, ValueClip
from audiocnn_cli.output.results import Row
from audiocnn_cli.output.terminal.console import display
from audiocnn_cli.output.terminal.layout import Column, FittedTable, table_of_rows
from audiocnn_cli.output.views.evaluated_clips import ALL_CLIPS

_MOST_ERRORS = 10
_TITLES = {"mae": "MAE", "rmse": "RMSE", "r2": "R2", "median_absolute_error": "median absolute error"}


def value_document(clip: ValueClip) -> dict[str, Any]:
    """One clip: `true` is its target, `error` what the model gave minus the target."""
    return {
        "path": clip.prediction.source.path,
        "true": clip.target.value,
        "predicted": clip.prediction.value,
        "error": clip.error,
        "member": clip.prediction.member,
    }


class ValueView:
    """The lines of `--jsonl` and the rows of `--csv`: one a clip."""

    def document(self, result: ValueClip) -> dict[str, Any]:
        """The clip."""
        return value_document(result)

    def rows(self, result: ValueClip) -> Iterator[Row]:
        """One row."""
        document = value_document(result)
        yield document | {"member": "" if document["member"] is None else document["member"]}

    def table(self, results: Sequence[ValueClip]) -> FittedTable:
        """The clips in a table."""
        return value_table(results)


class RegressionView:
    """The view of `audiocnn evaluate` of a regression model."""

    def document(self, result: RegressionEvaluation) -> dict[str, Any]:
        """The figures, each with its interval; undefined ones are null."""
        return {
            "model": result.model,
            "quantity": result.quantity,
            "clips": result.scores.n,
            **_scores_document(result.scores),
            "held_out_clips": result.held_out,
            "training_clips_left_out": result.left_out,
            "kept_apart": result.kept_apart
            and {"clips": result.kept_apart.n, **_scores_document(result.kept_apart)},
            "robustness": [
                {"degradation": degradation.name, **_scores_document(scores)}
                for degradation, scores in result.robustness
            ],
            "predictions": [value_document(each) for each in result.all_clips],
            "failures": [failure_document(failure) for failure in result.failures],
        }

    def rows(self, result: RegressionEvaluation) -> Iterator[Row]:
        """One row a clip."""
        view = ValueView()
        for each in result.all_clips:
            yield from view.rows(each)

    def table(self, results: Sequence[RegressionEvaluation]) -> Any:
        """The figures, then the clips with the largest errors."""
        return Group(*(part for result in results for part in _parts(result)))


def estimates(scores: RegressionScores) -> Iterator[tuple[str, Estimate]]:
    """The key of each figure and its estimate."""
    for field in fields(scores):
        if field.name != "n":
            yield field.name, getattr(scores, field.name)


def title_of(key: str) -> str:
    """The name of a figure."""
    return _TITLES[key]


def number(value: float | None) -> str:
    """A figure in five significant digits, in the unit of the target."""
    return "undefined" if value is None else f"{value:.5g}"


def interval(estimate: Estimate) -> str:
    """The 95 % interval in words; empty where there is none."""
    return "" if estimate.interval_95 is None else "{} to {}".format(*map(number, estimate.interval_95))


def summary(result: RegressionEvaluation) -> str:
    """The mean absolute error in one line, for the log beside rows of clips."""
    scores = result.scores
    return (
        f"MAE over {scores.n} clips: {number(scores.mae.value)} (95 % interval {interval(scores.mae)}); R2:"
        f" {number(scores.r2.value)}"
    )


def decimals(clips: Sequence[ValueClip]) -> int:
    """How many decimals show the mean absolute error of the clips in three digits, 0 to 6."""
    mean = sum(abs(each.error) for each in clips) / len(clips)
    return min(6, max(0, 2 - math.floor(math.log10(mean)))) if mean else 6


def value_table(clips: Sequence[ValueClip]) -> FittedTable:
    """Path, target and value of some clips, in their order."""
    places = decimals(clips)
    rows = [
        (
            f"{each.target.value:.{places}f}",
            f"{each.prediction.value:.{places}f}",
            f"{each.error:+.{places}f}",
        )
        for each in clips
    ]
    names = [display(each.target.source.name) for each in clips]
    columns = zip(("true", "predicted", "error"), zip(*rows, strict=True), strict=True)
    return FittedTable(
        [
            Column(name="clip", cells=names, path=True, least=16),
            *(Column(name=name, cells=cells, justify="right") for name, cells in columns),
        ]
    )


def _scores_document(scores: RegressionScores) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for key, estimate in estimates(scores):
        document[key] = estimate.value
        document[f"{key}_interval_95"] = estimate.interval_95 and list(estimate.interval_95)
    return document


def _parts(result: RegressionEvaluation) -> Iterator[Any]:
    yield Text(f"{display(result.model)}: {display(result.quantity)} of {result.scores.n} clips", "bold")
    yield _scores_table(result.scores)
    if result.held_out:
        yield Text(f"  training data: {result.held_out} clips, each scored by a member not trained on it")
    if result.kept_apart is not None:
        yield Text(
            f"  {result.kept_apart.n} clips that no member was trained on, by the whole model:"
            f" MAE {number(result.kept_apart.mae.value)}"
        )
    if result.left_out:
        yield Text(f"  left out: {result.left_out} clips that the model was trained or tuned on")
    if result.robustness:
        rows = [
            (degradation.title, number(scores.mae.value), interval(scores.mae), number(scores.r2.value))
            for degradation, scores in result.robustness
        ]
        yield table_of_rows(("degradation", "MAE", "95 % interval", "R2"), rows, left={"degradation"})
    clips = sorted(result.clips, key=lambda each: -abs(each.error))
    few = clips[:_MOST_ERRORS]
    yield Text(f"\n  largest errors: {len(few)} of {len(clips)} clips")
    yield value_table(few)
    yield Text(ALL_CLIPS)


def _scores_table(scores: RegressionScores) -> FittedTable:
    rows = [
        (title_of(key), number(estimate.value), interval(estimate)) for key, estimate in estimates(scores)
    ]
    return table_of_rows(("figure", "value", "95 % interval"), rows, left={"figure"})
