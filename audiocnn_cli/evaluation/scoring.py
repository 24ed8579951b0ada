"""Score the clips of a labelled folder, each by a network that was not trained on it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Generic, Self, TypeVar

from audiocnn_cli.audio.load import load
from audiocnn_cli.audio.resample import resample_blocks
from audiocnn_cli.audio.sources import Source
from audiocnn_cli.batch.outcome import Counts, Failure
from audiocnn_cli.batch.run import Workers, run_batch
from audiocnn_cli.classify import ClassifyOptions, Ensemble, classify
from audiocnn_cli.evaluation.degrade import Degradation
from audiocnn_cli.evaluation.labelled import LabelledClip, labelled, recordings
from audiocnn_cli.features.extract import DECODE_AND_EXTRACT
from audiocnn_cli.models.contract import SEEN_BY_ALL, ModelContract
from audiocnn_cli.models.inference import infer
from audiocnn_cli.models.scores import ClipScores
from audiocnn_cli.models.session import Model, open_model

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class ClipPrediction:
    """The prediction for one clip: its probabilities in the order of the model's labels.

    `member` is the index of the one network that was run, because it was not trained on the clip; None: the
    mean of all. `segment_labels` is the most probable label of each segment, `degraded_labels` that of the
    clip after each requested degradation. `labels` are those that reach the model's thresholds, `reason` is
    why the model abstains (None: it does not). `evidence_s` is the start and end in seconds of the segment
    with the highest probability of `label`.
    """

    clip: LabelledClip
    probabilities: tuple[float, ...]
    label: str
    segment_labels: tuple[str, ...]
    member: int | None
    degraded_labels: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    reason: str | None = None
    evidence_s: tuple[float, float] | None = None

    @property
    def abstained(self) -> bool:
        """Whether the model gives no label at its own thresholds."""
        return self.reason is not None

    @property
    def confidence(self) -> float:
        """The probability of the predicted label."""
        return max(self.probabilities)

    @property
    def correct(self) -> bool:
        """Whether the predicted label is the true one."""
        return self.label == self.clip.label


@dataclass(frozen=True)
class ClipResult:
    """The result for a clip of `audio_s` seconds; no prediction if every member was trained on it."""

    prediction: ClipPrediction | None = None
    audio_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoringTask(Generic[T]):
    """A batch's task: run the model at `model` on recordings below `folder`, which gives a `T` for each."""

    folder: Path
    model: Path
    include_training: bool
    degradations: tuple[Degradation, ...]
    modules: ClassVar[tuple[str, ...]] = DECODE_AND_EXTRACT

    @property
    def files(self) -> tuple[Path, ...]:
        """The model file."""
        return (self.model,)

    def with_files(self, moved: Mapping[Path, Path]) -> Self:
        """The same task with the model read from another path."""
        return replace(self, model=moved[self.model])

    def prepare(self) -> Callable[[Source], T]:
        """Open the model, and return the function that scores one recording."""
        raise NotImplementedError

    def member_for(self, content: str, contract: ModelContract) -> int | None:
        """The member that was not trained on a recording; `SEEN_BY_ALL`: all were; None: none was."""
        return None if self.include_training else contract.training_clips.get(content)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scoring(ScoringTask[ClipResult]):
    """The batch's task: the label of each of the recordings below `folder` by a classifier."""

    def prepare(self) -> Callable[[Source], ClipResult]:
        """Open the model, and return the function that scores one recording.

        Raises:
            ModelRefusedError: the model does not match its contract.
        """
        model = open_model(self.model)
        return lambda source: self._score(source, model)

    def _score(self, source: Source, model: Model) -> ClipResult:
        clip = labelled(source, self.folder)
        member = self.member_for(clip.content, model.contract)
        if member == SEEN_BY_ALL:
            return ClipResult()
        labels = model.contract.labels
        options = ClassifyOptions(top=len(labels))
        result = classify(source, Ensemble(models=(model,), member=member), options)
        by_label = {candidate.label: candidate.probability for candidate in result.top}
        label = result.top[0].label
        index = labels.index(label)
        evidence = max(result.timeline, key=lambda entry: entry.candidates[index].probability)
        degraded = degraded_scores(source, clip.content, model, member, self.degradations)
        prediction = ClipPrediction(
            clip=clip,
            probabilities=tuple(by_label[each] for each in labels),
            label=label,
            segment_labels=tuple(entry.best.label for entry in result.timeline),
            member=member,
            degraded_labels=tuple(labels[each.mean.argmax()] for each in degraded),
            labels=result.labels,
            reason=result.reason,
            evidence_s=(evidence.start_s, evidence.end_s),
        )
        return ClipResult(prediction, result.duration_s)


def degraded_scores(
    source: Source, content: str, model: Model, member: int | None, degradations: Sequence[Degradation]
) -> list[ClipScores]:
    """The scores of a clip after each degradation, applied to the mono clip at its own rate.

    Noise is seeded by the clip's `content`, so that it does not depend on the order or number of clips.

    Raises:
        SignalError: the clip can't be used.
    """
    if not degradations:
        return []
    signal = load(source)
    rate = model.contract.features.sample_rate
    found = []
    for degradation in degradations:
        samples = degradation.apply(signal.samples, signal.sample_rate, int(content, 16))
        blocks = resample_blocks(iter([samples]), source_rate=signal.sample_rate, sample_rate=rate)
        found.append(infer(blocks, model, member=member))
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Predictions:
    """The predictions for a folder, how many clips were left out, and the recordings that failed."""

    clips: tuple[ClipPrediction, ...]
    left_out: int
    failures: tuple[Failure, ...]

    @classmethod
    def of(cls, outcomes: Iterable[ClipResult | Failure]) -> "Predictions":
        """Collect the outcomes of the batch, in the order of the recordings."""
        collected = list(outcomes)
        failures = tuple(each for each in collected if isinstance(each, Failure))
        predictions = (each.prediction for each in collected if isinstance(each, ClipResult))
        clips = tuple(each for each in predictions if each is not None)
        return cls(clips=clips, left_out=len(collected) - len(failures) - len(clips), failures=failures)

    @property
    def counts(self) -> Counts:
        """How many recordings could be used, and how many failed."""
        return Counts(done=len(self.clips) + self.left_out, failed=len(self.failures))


# Runs the scoring: in plain worker processes, or with a journal, progress and a cluster.
Runner = Callable[[Scoring], Predictions]


def run_scoring(scoring: Scoring) -> Predictions:
    """Run the scoring in one worker process a core."""
    return Predictions.of(run_batch(recordings(scoring.folder), scoring, workers=Workers()))
