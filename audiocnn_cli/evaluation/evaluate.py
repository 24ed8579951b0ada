"""A model's answers on a labelled folder, honest by construction: nobody is asked for what he learnt."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from audiocnn_cli.audio.sources import Source
from audiocnn_cli.batch.executor import Workers
from audiocnn_cli.batch.outcome import Failure
from audiocnn_cli.batch.run import run_batch
from audiocnn_cli.classify import ClassifyOptions, Panel, Thresholds, classify
from audiocnn_cli.errors import AudiocnnError, UsageError
from audiocnn_cli.evaluation.calibration import Calibration, brier, calibrate
from audiocnn_cli.evaluation.coverage import Coverage, cover
from audiocnn_cli.evaluation.degrade import Degradation
from audiocnn_cli.evaluation.labelled import LabelledClip, class_names, labelled, recordings
from audiocnn_cli.evaluation.metrics import Scores, score
from audiocnn_cli.evaluation.robustness import Robustness, labels_after
from audiocnn_cli.features.extract import DECODE_AND_EXTRACT
from audiocnn_cli.models.contract import SEEN_BY_ALL
from audiocnn_cli.models.session import Model, open_model


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipAnswer:
    """What was said of one clip: its probabilities in the order of the model's labels.

    `member` is the network that was asked because it had not been trained on the clip; None: the mean of
    all of them. `segment_labels` is the most probable label of each segment, `degraded_labels` that of the
    clip after each degradation that was asked for.
    """

    clip: LabelledClip
    probabilities: tuple[float, ...]
    label: str
    segment_labels: tuple[str, ...]
    member: int | None
    degraded_labels: tuple[str, ...] = ()

    @property
    def confidence(self) -> float:
        """The probability of the label said."""
        return max(self.probabilities)

    @property
    def right(self) -> bool:
        """Whether the label said is the true one."""
        return self.label == self.clip.label


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """Figures over clips and over their segments, and on whose answers they stand.

    `clips` counts every clip by the most probable label, whether or not the model would abstain on it.
    `held_out` of them were answered by a member that was not trained on them; `left_out` more were not
    counted, because the whole model was trained on or tuned by them. Beside clips that only a member
    answers, those that the whole model answers are counted apart (`kept_apart`): it is better than each of
    its members. `threshold` is where the model abstains; `robustness` are the same clips after each
    degradation that was asked for.
    """

    model: str
    threshold: float
    answers: tuple[ClipAnswer, ...]
    clips: Scores
    segments: Scores
    robustness: tuple[Robustness, ...]
    kept_apart: Scores | None
    left_out: int
    failures: tuple[Failure, ...]

    @property
    def held_out(self) -> int:
        """Clips of the training data, each answered by a network that never saw it."""
        return sum(answer.member is not None for answer in self.answers)

    @property
    def calibration(self) -> Calibration:
        """Whether the probabilities of the labels said are what they say."""
        return calibrate([a.confidence for a in self.answers], [a.right for a in self.answers])

    @property
    def brier(self) -> float:
        """The mean squared distance of all probabilities from the truth."""
        index = {label: i for i, label in enumerate(self.clips.labels)}
        truth = [index[answer.clip.label] for answer in self.answers]
        return brier([answer.probabilities for answer in self.answers], truth)

    def coverage(self, thresholds: Iterable[float]) -> tuple[Coverage, ...]:
        """What is answered, and how well, when the model abstains below each of `thresholds`."""
        return cover(
            [a.confidence for a in self.answers], [a.right for a in self.answers], thresholds
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """The batch's task: what the model at `model` says of a clip below `folder`; None for one it learnt."""

    folder: Path
    model: Path
    include_training: bool
    degradations: tuple[Degradation, ...]
    modules: ClassVar[tuple[str, ...]] = DECODE_AND_EXTRACT

    def prepare(self) -> Callable[[Source], ClipAnswer | None]:
        """Open the model.

        Raises:
            ModelRefusedError: it does not hold what its contract says.
        """
        model = open_model(self.model)
        return lambda source: self._answer(source, model)

    def _answer(self, source: Source, model: Model) -> ClipAnswer | None:
        clip = labelled(source, self.folder)
        seen = {} if self.include_training else model.contract.training_clips
        member = seen.get(clip.content)
        if member == SEEN_BY_ALL:
            return None
        return _answer(clip, model, member, self.degradations)


def evaluate(
    folder: Path,
    model: Model,
    *,
    include_training: bool = False,
    degradations: Sequence[Degradation] = (),
    workers: Workers = Workers(),  # noqa: B008 (frozen)
) -> Evaluation:
    """Classify the clips below `folder` (one sub-folder a class) and compare with the folders' names.

    With `include_training` the whole model answers for every clip, also for those it was trained on. Each
    clip is classified once more after each of `degradations`.

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
    task = Ask(
        folder=folder,
        model=model.path,
        include_training=include_training,
        degradations=tuple(degradations),
    )
    answers: list[ClipAnswer] = []
    failures: list[Failure] = []
    left_out = 0
    for outcome in run_batch(recordings(folder), task, workers=workers):
        if isinstance(outcome, Failure):
            failures.append(outcome)
        elif outcome is None:
            left_out += 1
        else:
            answers.append(outcome)
    if not answers:
        raise AudiocnnError(_nothing_left(folder, left_out, failures))
    return summarise(
        model, answers, degradations=degradations, left_out=left_out, failures=failures
    )


def summarise(
    model: Model,
    answers: Sequence[ClipAnswer],
    *,
    degradations: Sequence[Degradation] = (),
    left_out: int,
    failures: Sequence[Failure],
) -> Evaluation:
    """The figures of these answers."""
    labels = model.contract.labels
    held_out = [answer for answer in answers if answer.member is not None]
    apart = [answer for answer in answers if answer.member is None] if held_out else []
    answers = held_out or answers
    truth = [answer.clip.label for answer in answers]

    def labelled_as(answered: Sequence[ClipAnswer]) -> Scores:
        return score(
            [answer.clip.label for answer in answered],
            [answer.label for answer in answered],
            labels=labels,
        )

    pieces = [(answer.clip.label, said) for answer in answers for said in answer.segment_labels]
    return Evaluation(
        model=model.contract.name,
        threshold=model.contract.threshold,
        answers=tuple(answers),
        clips=labelled_as(answers),
        segments=score([t for t, _ in pieces], [s for _, s in pieces], labels=labels),
        robustness=tuple(
            Robustness(
                degradation,
                score(truth, [answer.degraded_labels[i] for answer in answers], labels=labels),
            )
            for i, degradation in enumerate(degradations)
        ),
        kept_apart=labelled_as(apart) if apart else None,
        left_out=left_out,
        failures=tuple(failures),
    )


def _answer(
    clip: LabelledClip, model: Model, member: int | None, degradations: Sequence[Degradation]
) -> ClipAnswer:
    labels = model.contract.labels
    options = ClassifyOptions(top=len(labels), thresholds=Thresholds(0.0))
    result = classify(clip.source, Panel(models=(model,), member=member), options)
    by_label = {candidate.label: candidate.probability for candidate in result.top}
    return ClipAnswer(
        clip=clip,
        probabilities=tuple(by_label[label] for label in labels),
        label=result.top[0].label,
        segment_labels=tuple(entry.best.label for entry in result.timeline),
        member=member,
        degraded_labels=labels_after(clip, model, member, degradations),
    )


def _nothing_left(folder: Path, left_out: int, failures: list[Failure]) -> str:
    bad = f"; {len(failures)} more can't be read, the first {failures[0].path}" if failures else ""
    if left_out:
        return (
            f"{folder}: the model was trained on all {left_out} clips{bad}; evaluate it on others, or add"
            " --include-training for a figure that flatters"
        )
    first = f": {failures[0].path}: {failures[0].message}" if failures else ""
    return f"{folder}: no clip could be evaluated{first}"
