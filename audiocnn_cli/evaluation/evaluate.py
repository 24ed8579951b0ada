"""A model's answers on a labelled folder, and the figures that they give."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from audiocnn_cli.batch.outcome import Failure
from audiocnn_cli.classify.work import ModelChoice
from audiocnn_cli.errors import AudiocnnError, UsageError
from audiocnn_cli.evaluation.calibration import Calibration, brier, calibrate
from audiocnn_cli.evaluation.coverage import Coverage, cover
from audiocnn_cli.evaluation.degrade import Degradation
from audiocnn_cli.evaluation.labelled import class_names
from audiocnn_cli.evaluation.metrics import Scores, score
from audiocnn_cli.evaluation.robustness import Robustness
from audiocnn_cli.evaluation.scoring import Asker, ClipAnswer, Question, Replies, ask
from audiocnn_cli.models.session import Model


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


def evaluate(
    folder: Path,
    model: Model,
    *,
    include_training: bool = False,
    degradations: Sequence[Degradation] = (),
    ask: Asker = ask,
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
    question = Question(
        folder=folder,
        model=ModelChoice(model.path),
        include_training=include_training,
        degradations=tuple(degradations),
    )
    replies = ask(question)
    if not replies.answers:
        raise AudiocnnError(_nothing_left(folder, replies))
    return summarise(model, replies, degradations=degradations)


def summarise(
    model: Model,
    replies: Replies,
    *,
    degradations: Sequence[Degradation] = (),
) -> Evaluation:
    """The figures of these replies."""
    labels = model.contract.labels
    answers = replies.answers
    held_out = tuple(answer for answer in answers if answer.member is not None)
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
        answers=answers,
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
        left_out=replies.left_out,
        failures=replies.failures,
    )


def _nothing_left(folder: Path, replies: Replies) -> str:
    failures = replies.failures
    bad = f"; {len(failures)} more can't be read, the first {failures[0].path}" if failures else ""
    if replies.left_out:
        return (
            f"{folder}: the model was trained on all {replies.left_out} clips{bad}; evaluate it on others, or"
            " add --include-training for a figure that flatters"
        )
    first = f": {failures[0].path}: {failures[0].message}" if failures else ""
    return f"{folder}: no clip could be evaluated{first}"
