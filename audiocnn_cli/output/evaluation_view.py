"""How an evaluation looks as a table, as JSON and as CSV."""

from collections.abc import Iterator, Sequence
from typing import Any

from audiocnn_cli.evaluation.evaluate import Evaluation
from audiocnn_cli.evaluation.metrics import Scores
from audiocnn_cli.output.console import display
from audiocnn_cli.output.results import Row, failure_document


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
            "per_class": {
                label: {"precision": s.precision, "recall": s.recall, "n": s.n}
                for label, s in clips.per_class.items()
            },
            "confusion": {
                "labels": list(clips.labels),
                "matrix": [list(row) for row in clips.confusion],
            },
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
    if result.left_out:
        yield Text(f"  left out: {result.left_out} clips that the model was trained on or tuned by")
    yield confusion_table(result.clips)


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
