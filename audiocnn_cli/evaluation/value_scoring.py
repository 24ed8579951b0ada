"""Run a regression model over recordings, each by a member that was not trained on it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from audiocnn_cli.audio.decode import open_audio
from audiocnn_cli.audio.load import mono_blocks
from audiocnn_cli.audio.sources import Source
from audiocnn_cli.batch.outcome import Counts, Failure
from audiocnn_cli.evaluation.labelled import content_of
from audiocnn_cli.evaluation.scoring import ScoringTask, degraded_scores
from audiocnn_cli.models.contract import SEEN_BY_ALL
from audiocnn_cli.models.inference import infer
from audiocnn_cli.models.session import Model, open_model


@dataclass(frozen=True, kw_only=True)
class ValuePrediction:
    """The value of one clip: the mean over its segments.

    `member` is the index of the one head or network that was run, because it was not trained on the clip;
    None: the whole model. `degraded_values` are those of the clip after each requested degradation.
    `evidence_s` is the start and end in seconds of the segment whose value is nearest to that of the clip.
    """

    source: Source
    value: float
    member: int | None
    degraded_values: tuple[float, ...] = ()
    evidence_s: tuple[float, float] | None = None


@dataclass(frozen=True)
class ValueResult:
    """The result for a clip of `audio_s` seconds; no prediction if every member was trained on it."""

    prediction: ValuePrediction | None = None
    audio_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueScoring(ScoringTask[ValueResult]):
    """The batch's task: the value of each recording by the regression model at `model`."""

    def prepare(self) -> Callable[[Source], ValueResult]:
        """Open the model, and return the function that scores one recording.

        Raises:
            ModelRefusedError: the model does not match its contract.
        """
        model = open_model(self.model)
        return lambda source: self._score(source, model)

    def _score(self, source: Source, model: Model) -> ValueResult:
        content = content_of(source)
        member = self.member_for(content, model.contract)
        if member == SEEN_BY_ALL:
            return ValueResult()
        rate = model.contract.features.sample_rate
        with open_audio(source) as reader:
            scores = infer(mono_blocks(reader, sample_rate=rate), model, member=member)
        value = float(scores.mean[0])
        nearest = int(np.abs(scores.probabilities[:, 0] - value).argmin())
        degraded = degraded_scores(source, content, model, member, self.degradations)
        prediction = ValuePrediction(
            source=source,
            value=value,
            member=member,
            degraded_values=tuple(float(each.mean[0]) for each in degraded),
            evidence_s=(float(scores.starts_s[nearest]), float(scores.ends_s[nearest])),
        )
        return ValueResult(prediction, scores.n_samples / scores.sample_rate)


@dataclass(frozen=True, slots=True, kw_only=True)
class ValuePredictions:
    """The values of some recordings, how many clips were left out, and the recordings that failed."""

    clips: tuple[ValuePrediction, ...]
    left_out: int
    failures: tuple[Failure, ...]

    @classmethod
    def of(cls, outcomes: Iterable[ValueResult | Failure]) -> "ValuePredictions":
        """Collect the outcomes of the batch."""
        collected = list(outcomes)
        failures = tuple(each for each in collected if isinstance(each, Failure))
        values = (each.prediction for each in collected if isinstance(each, ValueResult))
        clips = tuple(each for each in values if each is not None)
        return cls(clips=clips, left_out=len(collected) - len(failures) - len(clips), failures=failures)

    @property
    def counts(self) -> Counts:
        """How many recordings could be used, and how many failed."""
        return Counts(done=len(self.clips) + self.left_out, failed=len(self.failures))
