"""The report of an evaluation, and the checked figures of model cards, as tables, JSON and CSV."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any

from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.text import Text

from audiocnn_cli.batch.outcome import failure_document
from audiocnn_cli.evaluation.evaluate import Evaluation
from audiocnn_cli.evaluation.figures import CardCheck
from audiocnn_cli.evaluation.metrics import THRESHOLDS, ConfusionMatrix, Coverage
from audiocnn_cli.output.results import Row
from audiocnn_cli.output.terminal.console import display
from audiocnn_cli.output.terminal.layout import FittedTable, table_of_rows
from audiocnn_cli.output.views import pick
from audiocnn_cli.output.views.evaluated_clips import ClipView, clip_document, error_parts

# A loss of accuracy from here on is printed in red.
_NOTABLE = 0.03
_COVERAGE = ("threshold", "coverage", "covered", "accuracy", "interval_95")


class EvaluationView:
    """The view of `audiocnn evaluate`."""

    def document(self, result: Evaluation) -> dict[str, Any]:
        """Metrics over clips; those over segments have keys of their own."""
        clips, apart, calibration = result.clips, result.kept_apart, result.calibration
        bins = [asdict(each) for each in calibration.bins]
        return {
            "model": result.model,
            "clips": clips.n,
            "segments": result.segments.n,
            **pick(clips, "accuracy", "balanced_accuracy", "interval_95"),
            "segment_accuracy": result.segments.accuracy,
            "segment_interval_95": list(result.segments.interval_95),
            "held_out_clips": result.held_out,
            "training_clips_left_out": result.left_out,
            "kept_apart": apart and {"clips": apart.n, **pick(apart, "accuracy", "interval_95")},
            "per_class": {label: asdict(score) for label, score in clips.per_class.items()},
            "macro": asdict(clips.macro),
            "weighted": asdict(clips.weighted),
            "ece": calibration.ece,
            "confusion": {"labels": list(clips.labels), "matrix": [list(row) for row in clips.counts]},
            "calibration": {"ece": calibration.ece, "brier": result.brier, "bins": bins},
            "threshold": result.threshold,
            "coverage": [pick(row, *_COVERAGE) for row in _coverage(result)],
            "robustness": [
                {"degradation": row.degradation.name, **pick(row.clips, "accuracy", "interval_95")}
                | {"difference": row.clips.accuracy - clips.accuracy}
                for row in result.robustness
            ],
            "predictions": [clip_document(each) for each in result.all_predictions],
            "failures": [failure_document(failure) for failure in result.failures],
        }

    def rows(self, result: Evaluation) -> Iterator[Row]:
        """One row a clip."""
        view = ClipView(result.clips.labels)
        for each in result.all_predictions:
            yield from view.rows(each)

    def table(self, results: Sequence[Evaluation]) -> Any:
        """The metrics, then the confusion matrix, coverage and robustness."""
        return Group(*(part for result in results for part in _parts(result)))


def summary(result: Evaluation) -> str:
    """The accuracy in one line, for the log beside rows of clips."""
    return f"accuracy over {result.clips.n} clips: {_with_interval(result.clips)}"


class CardCheckView:
    """The view of `audiocnn evaluate --all`."""

    def document(self, result: CardCheck) -> dict[str, Any]:
        """Every figure of every card beside the measured one."""
        return {
            "figures": [
                {"model": each.model, "figure": each.card.name, "card": each.card.value}
                | {"card_interval_95": list(each.card.interval_95)}
                | {"measured": each.measured and each.measured.value, "n": each.measured and each.measured.n}
                | pick(each, "agrees", "problem")
                for each in result.figures
            ],
            "failures": [failure_document(failure) for failure in result.failures],
        }

    def rows(self, result: CardCheck) -> Iterator[Row]:
        """One row a figure."""
        for document in self.document(result)["figures"]:
            low, high = document.pop("card_interval_95")
            yield document | {"card_low": low, "card_high": high}

    def table(self, results: Sequence[CardCheck]) -> FittedTable:
        """One row a figure below the name of its model; a problem is printed below its figure."""
        rows: list[tuple[str | Text, ...]] = []
        figures = [figure for result in results for figure in result.figures]
        for model, of_model in groupby(figures, key=lambda figure: figure.model):
            rows.append((Text(display(model), style="bold"), "", "", "", ""))
            for each in of_model:
                name = display(each.card.name) + (f"\n{display(each.problem)}" if each.problem else "")
                found = each.measured
                measured = ("", "") if found is None else (f"{found.value:.3f}", str(found.n))
                agrees = Text("yes", style="green") if each.agrees else Text("NO", style="bold red")
                rows.append((name, f"{each.card.value:.3f}", *measured, agrees))
        head = "model and figure"
        names = (head, "card", "measured", "n", "agrees")
        return table_of_rows(names, rows, left={head, "agrees"}, wrap={head})


def _parts(result: Evaluation) -> Iterator[Any]:
    yield Text(display(result.model), style="bold")
    for name, scored in (("clips", result.clips), ("segments", result.segments)):
        yield Text(f"  accuracy over {scored.n} {name}: {_with_interval(scored)}")
    yield Text(f"  balanced accuracy over clips: {result.clips.balanced_accuracy:.3f}")
    yield Text(
        f"  ECE: {result.calibration.ece:.3f} in {len(result.calibration.bins)} bins;"
        f" Brier score: {result.brier:.3f}"
    )
    if result.held_out:
        yield Text(f"  training data: {result.held_out} clips, each scored by a member not trained on it")
    if result.kept_apart is not None:
        yield Text(f"  accuracy over {result.kept_apart.n} clips that no member was trained on,")
        yield Text(f"  scored by the whole model: {_with_interval(result.kept_apart)}")
    if result.left_out:
        yield Text(f"  left out: {result.left_out} clips that the model was trained or tuned on")
    yield _PerClass(result.clips)
    yield _coverage_table(result)
    if result.robustness:
        yield _robustness_table(result)
    yield from error_parts(result.predictions)


@dataclass(frozen=True)
class _PerClass:
    """The confusion matrix, precision and recall: numbered columns, in as many tables as the width needs."""

    clips: ConfusionMatrix

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        labels = self.clips.labels
        numbers = [str(i) for i in range(1, len(labels) + 1)]
        names = [f"{i:>{len(numbers[-1])}} {display(n)}" for i, n in zip(numbers, labels, strict=True)]
        columns = zip(numbers, *(map(str, row) for row in self.clips.counts), strict=True)
        widths = [max(map(len, column)) + 3 for column in columns]
        longest = max(len("true class"), *map(len, names))
        head = min(longest, options.max_width // 2) + 4
        yield Text("\n  confusion matrix: true classes in rows, predicted labels in columns")
        first = 0
        while first < len(labels):
            room, last = options.max_width - head, first
            while last < len(labels) and widths[last] <= room:
                room -= widths[last]
                last += 1
            last = max(last, first + 1)
            rows = [
                [name, *(_count(row[j], right=i == j) for j in range(first, last))]
                for i, (name, row) in enumerate(zip(names, self.clips.counts, strict=True))
            ]
            yield table_of_rows(("true class", *numbers[first:last]), rows, left={"true class"})
            first = last
        scores = [
            (name, _decimal(score.precision), _decimal(score.recall), _decimal(score.f1), str(score.n))
            for name, score in zip(names, self.clips.per_class.values(), strict=True)
        ]
        for name, mean in (("macro mean", self.clips.macro), ("weighted mean", self.clips.weighted)):
            values = (_decimal(mean.precision), _decimal(mean.recall), _decimal(mean.f1), str(self.clips.n))
            scores.append((name, *values))
        yield table_of_rows(("class", "precision", "recall", "F1", "support"), scores, left={"class"})


def _count(n: int, *, right: bool) -> Text:
    return Text(str(n or "."), "bold green" if right else "red" if n else "dim")


def _coverage(result: Evaluation) -> tuple[Coverage, ...]:
    """At the usual thresholds and at the model's own."""
    return result.coverage((*THRESHOLDS, result.threshold))


def _coverage_table(result: Evaluation) -> FittedTable:
    rows = []
    for row in _coverage(result):
        own = row.threshold == result.threshold
        texts = (
            f"{row.threshold:.2f}{' (model)' if own else ''}",
            f"{row.coverage:.3f}",
            str(row.covered),
            _decimal(row.accuracy),
            "" if row.interval_95 is None else "{:.3f} to {:.3f}".format(*row.interval_95),
        )
        rows.append([Text(text, "bold" if own else "") for text in texts])
    names = ("abstain below", "coverage", "clips", "accuracy", "95 % interval")
    return table_of_rows(names, rows, left={"abstain below"})


def _robustness_table(result: Evaluation) -> FittedTable:
    original = result.clips
    rows: list[tuple[str | Text, ...]] = [("none", *_accuracy(original), "")]
    for each in result.robustness:
        difference = each.clips.accuracy - original.accuracy
        shown = Text(f"{difference:+.3f}", "red" if difference < -_NOTABLE else "green")
        rows.append((each.degradation.title, *_accuracy(each.clips), shown))
    names = ("degradation", "accuracy", "95 % interval", "difference")
    return table_of_rows(names, rows, left={"degradation"})


def _accuracy(clips: ConfusionMatrix) -> tuple[str, str]:
    return _decimal(clips.accuracy), "{:.3f} to {:.3f}".format(*clips.interval_95)


def _with_interval(scored: ConfusionMatrix) -> str:
    low, high = scored.interval_95
    return f"{scored.accuracy:.3f} (95 % interval {low:.3f} to {high:.3f})"


def _decimal(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
