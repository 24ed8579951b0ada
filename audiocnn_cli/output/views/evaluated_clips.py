"""The clips of an evaluation, each with its truth and its prediction, and the scores of its classes."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.text import Text

from audiocnn_cli.evaluation.evaluate import Evaluation
from audiocnn_cli.evaluation.metrics import ClassScore
from audiocnn_cli.evaluation.scoring import ClipPrediction
from audiocnn_cli.output.results import Row
from audiocnn_cli.output.terminal.console import display
from audiocnn_cli.output.terminal.layout import Column, FittedTable

_MOST_ERRORS = 10
_BETWEEN = "|"
ALL_CLIPS = "  all clips: `audiocnn evaluate --csv`; to play them: `--report errors.html`"


def clip_document(clip: ClipPrediction) -> dict[str, Any]:
    """One clip: `predicted` is the most probable label also where the model abstains; `reason` is why."""
    return {
        "path": clip.clip.source.path,
        "true": clip.clip.label,
        "predicted": clip.label,
        "probability": clip.confidence,
        "abstained": clip.abstained,
        "correct": clip.correct,
        "reason": clip.reason,
        "labels": list(clip.labels),
        "member": clip.member,
    }


@dataclass(frozen=True, slots=True)
class ClipView:
    """The lines of `--jsonl` and the rows of `--csv`: one a clip, by a model with `labels`."""

    labels: tuple[str, ...]

    def document(self, result: ClipPrediction) -> dict[str, Any]:
        """The clip, with the probability of each label."""
        return clip_document(result) | {
            "probabilities": dict(zip(self.labels, result.probabilities, strict=True))
        }

    def rows(self, result: ClipPrediction) -> Iterator[Row]:
        """One row, with the probability of the true label beside that of the predicted one."""
        document = clip_document(result)
        true = result.probabilities[self.labels.index(result.clip.label)]
        yield {
            **{name: document[name] for name in ("path", "true", "predicted")},
            "probability": round(result.confidence, 6),
            "true_probability": round(true, 6),
            **{name: str(document[name]).lower() for name in ("abstained", "correct")},
            "reason": result.reason or "",
            "labels": _BETWEEN.join(result.labels),
            "member": "" if result.member is None else result.member,
        }

    def table(self, results: Sequence[ClipPrediction]) -> FittedTable:
        """The clips in a table; of the wrong ones that of the highest probability first."""
        return clip_table(results)


@dataclass(frozen=True, slots=True)
class ClassResult:
    """The score of one class, by the model of that name."""

    model: str
    label: str
    score: ClassScore


def class_results(evaluation: Evaluation) -> list[ClassResult]:
    """The scores of all classes."""
    scores = evaluation.clips.per_class
    return [ClassResult(evaluation.model, label, score) for label, score in scores.items()]


class ClassView:
    """The lines of `--jsonl` and the rows of `--csv` with `--rows classes`: one a class."""

    def document(self, result: ClassResult) -> dict[str, Any]:
        """The score with its class; undefined values are null."""
        return {"model": result.model, "label": result.label, **asdict(result.score)}

    def rows(self, result: ClassResult) -> Iterator[Row]:
        """One row; undefined values are empty."""
        cells = {"model": result.model, "label": result.label, "n": result.score.n}
        for name in ("precision", "recall", "f1"):
            value = getattr(result.score, name)
            cells[name] = "" if value is None else round(value, 6)
        yield cells

    def table(self, results: Sequence[ClassResult]) -> FittedTable:
        """The classes in a table."""
        rows = [row for result in results for row in self.rows(result)]
        names = ("label", "precision", "recall", "f1", "n")
        return FittedTable([Column(name=name, cells=[str(row[name]) for row in rows]) for name in names])


def errors_of(clips: Sequence[ClipPrediction]) -> list[ClipPrediction]:
    """The clips whose predicted label is wrong, that of the highest probability first."""
    return sorted((each for each in clips if not each.correct), key=lambda each: -each.confidence)


def clip_table(clips: Sequence[ClipPrediction]) -> FittedTable:
    """Path, truth and prediction of some clips, in their order."""
    return FittedTable(
        [
            Column(name="clip", cells=[_below_folder(each) for each in clips], path=True, least=16),
            Column(name="true", cells=[display(each.clip.label) for each in clips]),
            Column(name="predicted", cells=[display(each.label) for each in clips]),
            Column(name="p", cells=[f"{each.confidence:.2f}" for each in clips], justify="right"),
        ]
    )


def _below_folder(clip: ClipPrediction) -> str:
    """The path of a clip below the folder of the classes."""
    return display(f"{clip.clip.label}/{clip.clip.source.name}")


def error_parts(clips: Sequence[ClipPrediction]) -> Iterator[Any]:
    """The wrong clips of the highest probability, and how the others are seen; nothing without errors."""
    errors = errors_of(clips)
    if not errors:
        return
    few = errors[:_MOST_ERRORS]
    shown = "" if len(few) == len(errors) else f"; the {len(few)} of the highest probability"
    yield Text(f"\n  wrong: {len(errors)} of {len(clips)} clips{shown}")
    yield clip_table(few)
    yield Text(ALL_CLIPS)
