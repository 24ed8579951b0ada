"""How an evaluation looks as a table, as JSON and as CSV."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from audiocnn_cli.batch.outcome import failure_document
from audiocnn_cli.evaluation.coverage import THRESHOLDS, Coverage
from audiocnn_cli.evaluation.evaluate import Evaluation
from audiocnn_cli.evaluation.metrics import Scores
from audiocnn_cli.output.results import Row
from audiocnn_cli.output.terminal.console import display

# A loss that a table shows in red: the bound for 8 kHz copies.
_NOTABLE = 0.03


class EvaluationView:
    """The view of `audiocnn evaluate`."""

    def document(self, result: Evaluation) -> dict[str, Any]:
        """Figures over clips; those over segments have their own keys."""
        clips = result.clips
        return {
            "model": result.model,
            "clips": clips.n,
            "segments": result.segments.n,
            "accuracy": clips.accuracy,
            "balanced_accuracy": clips.balanced_accuracy,
            "interval_95": list(clips.interval_95),
            "segment_accuracy": result.segments.accuracy,
            "segment_interval_95": list(result.segments.interval_95),
            "held_out_clips": result.held_out,
            "training_clips_left_out": result.left_out,
            "kept_apart": None
            if result.kept_apart is None
            else {
                "clips": result.kept_apart.n,
                "accuracy": result.kept_apart.accuracy,
                "interval_95": list(result.kept_apart.interval_95),
            },
            "per_class": {
                label: {"precision": s.precision, "recall": s.recall, "n": s.n}
                for label, s in clips.per_class.items()
            },
            "confusion": {
                "labels": list(clips.labels),
                "matrix": [list(row) for row in clips.confusion],
            },
            "calibration": {
                "ece": result.calibration.ece,
                "brier": result.brier,
                "bins": [asdict(each) for each in result.calibration.bins],
            },
            "threshold": result.threshold,
            "coverage": [_coverage_document(row) for row in _coverage(result)],
            "robustness": [
                {
                    "degradation": row.degradation.name,
                    "accuracy": row.clips.accuracy,
                    "interval_95": list(row.clips.interval_95),
                    "difference": row.clips.accuracy - clips.accuracy,
                }
                for row in result.robustness
            ],
            "failures": [failure_document(failure) for failure in result.failures],
        }

    def rows(self, result: Evaluation) -> Iterator[Row]:
        """One row a class."""
        for label, scores in result.clips.per_class.items():
            yield {
                "model": result.model,
                "label": label,
                "n": scores.n,
                "precision": "" if scores.precision is None else round(scores.precision, 6),
                "recall": "" if scores.recall is None else round(scores.recall, 6),
            }

    def table(self, results: Sequence[Evaluation]) -> Any:
        """The figures, then the confusion matrix."""
        from rich.console import Group

        return Group(*(part for result in results for part in _parts(result)))


def _parts(result: Evaluation) -> Iterator[Any]:
    from rich.text import Text

    yield Text(f"{display(result.model)}", style="bold")
    for name, scores in (("clips", result.clips), ("segments", result.segments)):
        low, high = scores.interval_95
        yield Text(
            f"  accuracy over {scores.n} {name}: {scores.accuracy:.3f}"
            f"  (95 % interval {low:.3f} to {high:.3f})"
        )
    yield Text(f"  balanced accuracy over clips: {result.clips.balanced_accuracy:.3f}")
    if result.held_out:
        yield Text(
            f"  {result.held_out} clips are training data: each asked of a member that never saw it"
        )
    if result.kept_apart is not None:
        low, high = result.kept_apart.interval_95
        yield Text(
            f"  not among them: {result.kept_apart.n} clips that no member was trained on, asked of all"
            f" together: {result.kept_apart.accuracy:.3f}  (95 % interval {low:.3f} to {high:.3f})"
        )
    if result.left_out:
        yield Text(f"  left out: {result.left_out} clips that the model was trained on or tuned by")
    yield confusion_table(result.clips)
    yield Text(
        f"  calibration: expected error {result.calibration.ece:.3f} in {len(result.calibration.bins)} bins,"
        f" Brier score {result.brier:.3f}"
    )
    yield _coverage_table(result)
    if result.robustness:
        yield _robustness_table(result)


def _coverage(result: Evaluation) -> tuple[Coverage, ...]:
    """At the usual thresholds and at the model's own."""
    return result.coverage((*THRESHOLDS, result.threshold))


def _coverage_document(row: Coverage) -> dict[str, Any]:
    return {
        "threshold": row.threshold,
        "coverage": row.coverage,
        "answered": row.answered,
        "accuracy": row.accuracy,
        "interval_95": None if row.interval_95 is None else list(row.interval_95),
    }


def _coverage_table(result: Evaluation) -> Any:
    """A Rich table: what is answered, and how well, when the model abstains below a threshold."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, title="abstaining below a threshold")
    for column in ("threshold", "answered", "coverage", "accuracy", "95 % interval"):
        table.add_column(column, justify="right")
    table.add_column("")
    for row in _coverage(result):
        own = row.threshold == result.threshold
        table.add_row(
            f"{row.threshold:.2f}",
            str(row.answered),
            f"{row.coverage:.3f}",
            "" if row.accuracy is None else f"{row.accuracy:.3f}",
            _interval(row.interval_95),
            "the model's own" if own else "",
            style="bold" if own else None,
        )
    return table


def _robustness_table(result: Evaluation) -> Any:
    """A Rich table: the same clips after each degradation."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, title="the same clips, degraded")
    table.add_column("")
    for column in ("accuracy", "95 % interval", "difference"):
        table.add_column(column, justify="right")
    table.add_row(
        "as they are", f"{result.clips.accuracy:.3f}", _interval(result.clips.interval_95), ""
    )
    for row in result.robustness:
        difference = row.clips.accuracy - result.clips.accuracy
        table.add_row(
            row.degradation.title,
            f"{row.clips.accuracy:.3f}",
            _interval(row.clips.interval_95),
            Text(f"{difference:+.3f}", style="red" if difference < -_NOTABLE else "green"),
        )
    return table


def _interval(interval: tuple[float, float] | None) -> str:
    return "" if interval is None else f"{interval[0]:.3f} to {interval[1]:.3f}"


def confusion_table(scores: Scores) -> Any:
    """A Rich table: a row a true class, a column a label said, then recall and the number of clips."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, title="true class (rows), label said (columns)")
    table.add_column("")
    for label in scores.labels:
        table.add_column(display(label), justify="right")
    table.add_column("recall", justify="right")
    table.add_column("n", justify="right")
    for i, (label, row) in enumerate(zip(scores.labels, scores.confusion, strict=True)):
        cells = [
            Text(str(n) if n else ".", style="bold green" if i == j else "red" if n else "dim")
            for j, n in enumerate(row)
        ]
        recall = scores.per_class[label].recall
        table.add_row(
            display(label), *cells, "" if recall is None else f"{recall:.2f}", str(sum(row))
        )
    return table
