"""A model's answers on a labelled folder, honest by construction: what it was trained on is left out."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from audiocnn_cli.audio.sources import Source
from audiocnn_cli.batch.outcome import Failure
from audiocnn_cli.batch.run import run_batch
from audiocnn_cli.classify import Prediction, classify
from audiocnn_cli.errors import AudiocnnError, InputError, UsageError
from audiocnn_cli.evaluation.labelled import LabelledClip, class_names, labelled_clips
from audiocnn_cli.evaluation.metrics import Scores, score
from audiocnn_cli.models.session import Model


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """Figures over clips and over their segments, and what was left out.

    `clips` counts every clip by the most probable label, whether or not the model would abstain on it;
    `training_clips` were left out because the model was trained on or tuned by them.
    """

    model: str
    clips: Scores
    segments: Scores
    training_clips: int
    failures: tuple[Failure, ...]


@dataclass(slots=True)
class _Answers:
    """What was said, collected clip by clip."""

    truth: list[str]
    said: list[str]

    def add(self, truth: str, said: str) -> None:
        self.truth.append(truth)
        self.said.append(said)


def evaluate(
    folder: Path, model: Model, *, include_training: bool = False, jobs: int | None = None
) -> Evaluation:
    """Classify the clips below `folder` (one sub-folder a class) and compare with the folders' names.

    Raises:
        UsageError: the folder has no classes, or classes that the model does not know.
        AudiocnnError: nothing is left to evaluate.
    """
    labels = model.contract.labels
    unknown = [name for name in class_names(folder) if name not in labels]
    if unknown:
        raise UsageError(
            f"{folder}: {model.contract.name} does not know the class {', '.join(unknown)}; it knows"
            f" {', '.join(labels)}"
        )
    selection = _Selection(
        folder, frozenset(() if include_training else model.contract.training_clips)
    )
    clips, segments = _Answers([], []), _Answers([], [])
    failures: list[Failure] = []

    def work(source: Source) -> Prediction:
        return classify(source, model, top=1, threshold=0.0)

    for outcome in run_batch(selection.inputs(), work, jobs=jobs):
        if isinstance(outcome, Failure):
            failures.append(outcome)
            continue
        truth = selection.labels.pop(outcome.path)
        clips.add(truth, outcome.top[0].label)
        for entry in outcome.timeline:
            segments.add(truth, entry.best.label)
    if not clips.truth:
        raise AudiocnnError(_nothing_left(folder, selection, failures))
    return Evaluation(
        model=model.contract.name,
        clips=score(clips.truth, clips.said, labels=labels),
        segments=score(segments.truth, segments.said, labels=labels),
        training_clips=selection.left_out,
        failures=tuple(failures),
    )


class _Selection:
    """The clips to evaluate, their true labels, and how many were left out as training clips."""

    def __init__(self, folder: Path, training_clips: frozenset[str]) -> None:
        self._folder = folder
        self._training_clips = training_clips
        self.labels: dict[str, str] = {}
        self.left_out = 0

    def inputs(self) -> Iterator[Source | InputError]:
        for clip in labelled_clips(self._folder):
            if isinstance(clip, LabelledClip):
                if clip.content in self._training_clips:
                    self.left_out += 1
                    continue
                self.labels[clip.source.path] = clip.label
                yield clip.source
            else:
                yield clip


def _nothing_left(folder: Path, selection: _Selection, failures: list[Failure]) -> str:
    if selection.left_out and not failures:
        return (
            f"{folder}: the model was trained on all {selection.left_out} clips; evaluate it on others, or"
            " add --include-training for a figure that flatters"
        )
    first = f", first {failures[0].path}: {failures[0].message}" if failures else ""
    return f"{folder}: no clip could be evaluated ({len(failures)} failures{first})"
