"""What a model says of the clips of a labelled folder: nobody is asked for what he learnt."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Self

from audiocnn_cli.audio.sources import Source
from audiocnn_cli.batch.executor import Workers
from audiocnn_cli.batch.outcome import Counts, Failure
from audiocnn_cli.batch.run import run_batch
from audiocnn_cli.classify import ClassifyOptions, Ensemble, Thresholds, classify
from audiocnn_cli.classify.work import ModelChoice
from audiocnn_cli.evaluation.degrade import Degradation
from audiocnn_cli.evaluation.labelled import LabelledClip, labelled, recordings
from audiocnn_cli.evaluation.robustness import labels_after
from audiocnn_cli.features.extract import DECODE_AND_EXTRACT
from audiocnn_cli.models.contract import SEEN_BY_ALL
from audiocnn_cli.models.session import Model, open_model


@dataclass(frozen=True, kw_only=True)
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


@dataclass(frozen=True)
class Reply:
    """What became of a clip of `audio_s` seconds; no answer, and none, if the whole model learnt it."""

    answer: ClipAnswer | None = None
    audio_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """The batch's task: what `model` says of each of the recordings below `folder`."""

    folder: Path
    model: ModelChoice
    include_training: bool
    degradations: tuple[Degradation, ...]
    modules: ClassVar[tuple[str, ...]] = DECODE_AND_EXTRACT

    @property
    def files(self) -> tuple[Path, ...]:
        """The model file."""
        return (self.model.path,)

    def with_files(self, moved: Mapping[Path, Path]) -> Self:
        """The same task with the model read from another path."""
        return replace(self, model=replace(self.model, path=moved[self.model.path]))

    def prepare(self) -> Callable[[Source], Reply]:
        """Open the model.

        Raises:
            ModelRefusedError: it does not hold what its contract says.
        """
        model = open_model(self.model.path)
        return lambda source: self._reply(source, model)

    def _reply(self, source: Source, model: Model) -> Reply:
        clip = labelled(source, self.folder)
        seen = {} if self.include_training else model.contract.training_clips
        member = seen.get(clip.content)
        if member == SEEN_BY_ALL:
            return Reply()
        return _reply(clip, model, member, self.degradations)


@dataclass(frozen=True, slots=True, kw_only=True)
class Replies:
    """What came of all clips: the answers, how many were left out, and what can't be read."""

    answers: tuple[ClipAnswer, ...]
    left_out: int
    failures: tuple[Failure, ...]

    @classmethod
    def of(cls, outcomes: Iterable[Reply | Failure]) -> "Replies":
        """The outcomes of the batch, in the order of the recordings."""
        answers: list[ClipAnswer] = []
        failures: list[Failure] = []
        left_out = 0
        for outcome in outcomes:
            if isinstance(outcome, Failure):
                failures.append(outcome)
            elif outcome.answer is None:
                left_out += 1
            else:
                answers.append(outcome.answer)
        return cls(answers=tuple(answers), left_out=left_out, failures=tuple(failures))

    @property
    def tally(self) -> Counts:
        """How many recordings could be used, and how many not."""
        return Counts(done=len(self.answers) + self.left_out, failed=len(self.failures))


# Who asks: here and now, or watched, with a journal, on other machines.
Asker = Callable[[Question], Replies]


def ask(question: Question) -> Replies:
    """Ask in processes of this machine, one a core."""
    return Replies.of(run_batch(recordings(question.folder), question, workers=Workers()))


def _reply(
    clip: LabelledClip, model: Model, member: int | None, degradations: Sequence[Degradation]
) -> Reply:
    labels = model.contract.labels
    options = ClassifyOptions(top=len(labels), thresholds=Thresholds(0.0))
    result = classify(clip.source, Ensemble(models=(model,), member=member), options)
    by_label = {candidate.label: candidate.probability for candidate in result.top}
    answer = ClipAnswer(
        clip=clip,
        probabilities=tuple(by_label[label] for label in labels),
        label=result.top[0].label,
        segment_labels=tuple(entry.best.label for entry in result.timeline),
        member=member,
        degraded_labels=labels_after(clip, model, member, degradations),
    )
    return Reply(answer, result.duration_s)
