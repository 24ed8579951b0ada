"""Evaluate a model on a labelled folder."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from audiocnn_cli.batch.outcome import Failure
from audiocnn_cli.errors import AudiocnnError, UsageError
from audiocnn_cli.evaluation import metrics
from audiocnn_cli.evaluation.degrade import Degradation
from audiocnn_cli.evaluation.labelled import class_names
from audiocnn_cli.evaluation.scoring import ClipPrediction, Predictions, Runner, Scoring, run_scoring
from audiocnn_cli.models.contract import ModelContract
from audiocnn_cli.models.session import Model
from audiocnn_cli.models.signature import Kind


@dataclass(frozen=True, slots=True)
class Robustness:
    """The confusion matrix of the same clips after one degradation."""

    degradation: Degradation
    clips: metrics.ConfusionMatrix


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """The predictions for a labelled folder, and the metrics over clips and over segments.

    `clips` counts every clip by its most probable label, whether or not the model would abstain on it.
    `left_out` clips were not scored because every member was trained or tuned on them. Where some clips are
    scored by a single member, `clips` counts only these: the clips that the whole model scores are counted
    in `kept_apart`, since the mean of the members is more accurate than each of them; their predictions are
    `predictions_apart`. `threshold` is where the model abstains; `robustness` has the same clips after each
    requested degradation.
    """

    model: str
    threshold: float
    predictions: tuple[ClipPrediction, ...]
    clips: metrics.ConfusionMatrix
    segments: metrics.ConfusionMatrix
    robustness: tuple[Robustness, ...]
    kept_apart: metrics.ConfusionMatrix | None
    left_out: int
    failures: tuple[Failure, ...]
    predictions_apart: tuple[ClipPrediction, ...] = ()

    @property
    def all_predictions(self) -> tuple[ClipPrediction, ...]:
        """Those counted in `clips`, then those in `kept_apart`."""
        return self.predictions + self.predictions_apart

    @property
    def held_out(self) -> int:
        """The number of clips of the training data, each scored by a network not trained on it."""
        return sum(each.member is not None for each in self.predictions)

    @property
    def calibration(self) -> metrics.Calibration:
        """The reliability of the probabilities of the predicted labels."""
        return metrics.calibrate(*self.confidences)

    @property
    def brier(self) -> float:
        """The Brier score over all labels."""
        truth = [self.clips.labels.index(each.clip.label) for each in self.predictions]
        return metrics.brier([each.probabilities for each in self.predictions], truth)

    def coverage(self, thresholds: Iterable[float]) -> tuple[metrics.Coverage, ...]:
        """Coverage and accuracy when the model abstains below each of `thresholds`."""
        return metrics.cover(*self.confidences, thresholds)

    @property
    def confidences(self) -> tuple[list[float], list[bool]]:
        """Of each clip in `clips`, the probability of the predicted label and whether it is correct."""
        return [p.confidence for p in self.predictions], [p.correct for p in self.predictions]


def evaluate(
    folder: Path,
    model: Model,
    *,
    include_training: bool = False,
    degradations: Sequence[Degradation] = (),
    run: Runner = run_scoring,
) -> Evaluation:
    """Classify the clips below `folder` (one sub-folder a class) and compare with the folders' names.

    With `include_training` the whole model scores every clip, also those it was trained on. Each clip is
    classified once more after each of `degradations`.

    Raises:
        UsageError: the folder has no classes, or classes that are no labels of the model, or the model gives
            no labels.
        AudiocnnError: no clip is left to evaluate.
    """
    require_kind(model, Kind.CLASSIFICATION)
    labels = model.contract.labels
    unknown = [name for name in class_names(folder) if name not in labels]
    if unknown:
        raise UsageError(
            f"{folder}: {model.contract.name} has no label {', '.join(unknown)}; its labels are"
            f" {', '.join(labels)}"
        )
    scoring = Scoring(
        folder=folder, model=model.path, include_training=include_training, degradations=tuple(degradations)
    )
    predictions = run(scoring)
    if not predictions.clips:
        raise AudiocnnError(_nothing_left(folder, predictions))
    return summarise(model.contract, predictions, degradations=degradations)


def require_kind(model: Model, kind: Kind) -> None:
    """Refuse a model of another kind.

    Raises:
        UsageError: it is of another kind; the message is how that one is evaluated.
    """
    name, own = model.contract.name, model.contract.kind
    if own is Kind.EMBEDDING:
        raise UsageError(
            f"{name} gives embeddings, no labels or values: `audiocnn train` fits a head on them"
        )
    if own is not kind:
        raise UsageError(
            f"{name} gives values, no labels: add `targets=FILE.csv` with the true ones"
            if own is Kind.REGRESSION
            else f"{name} gives labels, no values: leave out `targets`, and sort the clips into classes"
        )


def summarise(
    contract: ModelContract, predictions: Predictions, *, degradations: Sequence[Degradation] = ()
) -> Evaluation:
    """The metrics of the `predictions` of the model with `contract`."""
    count = partial(metrics.confusion_matrix, labels=contract.labels)
    held_out = tuple(each for each in predictions.clips if each.member is not None)
    apart = tuple(each for each in predictions.clips if each.member is None) if held_out else ()
    counted = held_out or predictions.clips
    truth = [each.clip.label for each in counted]
    segments = [(each.clip.label, label) for each in counted for label in each.segment_labels]
    return Evaluation(
        model=contract.name,
        threshold=contract.threshold,
        predictions=counted,
        clips=count(truth, [each.label for each in counted]),
        segments=count([true for true, _ in segments], [found for _, found in segments]),
        robustness=tuple(
            Robustness(degradation, count(truth, [each.degraded_labels[i] for each in counted]))
            for i, degradation in enumerate(degradations)
        ),
        kept_apart=count([p.clip.label for p in apart], [p.label for p in apart]) if apart else None,
        left_out=predictions.left_out,
        failures=predictions.failures,
        predictions_apart=apart,
    )


def _nothing_left(folder: Path, predictions: Predictions) -> str:
    failures = predictions.failures
    bad = f"; {len(failures)} more can't be read, the first {failures[0].path}" if failures else ""
    if predictions.left_out:
        return (
            f"{folder}: the model was trained on all {predictions.left_out} clips{bad}; evaluate it on"
            " others, or add `include_training=True` for an optimistic figure"
        )
    first = f": {failures[0].path}: {failures[0].message}" if failures else ""
    return f"{folder}: no clip could be evaluated{first}"
