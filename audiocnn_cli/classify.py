"""Audio to segments to probabilities to a `Prediction`."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from audiocnn_cli.audio.decode import open_audio
from audiocnn_cli.audio.load import mono_blocks
from audiocnn_cli.audio.sources import Source
from audiocnn_cli.features.extract import DECODE_AND_EXTRACT
from audiocnn_cli.models.inference import ClipProbabilities, infer
from audiocnn_cli.models.segments import Rest
from audiocnn_cli.models.session import Model, open_model


@dataclass(frozen=True, slots=True)
class Candidate:
    """A label and its probability, 0 to 1."""

    label: str
    probability: float


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """The probabilities of one segment, in the order of the model's labels; times in seconds."""

    start_s: float
    end_s: float
    candidates: tuple[Candidate, ...]

    @property
    def best(self) -> Candidate:
        """The most probable label of the segment."""
        return max(self.candidates, key=lambda candidate: candidate.probability)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What a model says of one clip.

    `label` is None when the model abstains: no label reaches the threshold. `probability` is that of the
    most probable label all the same. `rest` says what became of the `rest_s` seconds after the last whole
    segment (see `models.segments`).
    """

    path: str
    model: str
    label: str | None
    probability: float
    top: tuple[Candidate, ...]
    timeline: tuple[TimelineEntry, ...]
    duration_s: float
    rest: Rest
    rest_s: float

    @property
    def abstained(self) -> bool:
        """Whether the model gives no label."""
        return self.label is None


def classify(
    source: Source,
    model: Model,
    *,
    top: int = 3,
    threshold: float | None = None,
    member: int | None = None,
) -> Prediction:
    """Label `source`: the mean of its segments' probabilities, ties in the order of the labels.

    Args:
        source: what to label.
        model: an opened model; its contract says how to feed it.
        top: how many candidates to keep.
        threshold: the probability below which to abstain; None for the model's own, 0 never.
        member: ask only this one of the networks whose mean the model is.

    Raises:
        SignalError: the source can't be used.
    """
    rate = model.contract.features.sample_rate
    with open_audio(source) as reader:
        clip = infer(mono_blocks(reader, sample_rate=rate), model, member=member)
    labels = model.contract.labels
    ranked = sorted(
        (Candidate(label, float(p)) for label, p in zip(labels, clip.mean, strict=True)),
        key=lambda candidate: -candidate.probability,
    )
    best = ranked[0]
    limit = model.contract.threshold if threshold is None else threshold
    return Prediction(
        path=source.path,
        model=model.contract.name,
        label=best.label if best.probability >= limit else None,
        probability=best.probability,
        top=tuple(ranked[:top]),
        timeline=_timeline(clip, labels, rate),
        duration_s=clip.samples / rate,
        rest=clip.rest,
        rest_s=clip.rest_samples / rate,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Classify:
    """The batch's task: `classify` with the model file at `model`, opened once for each worker."""

    model: Path
    top: int = 3
    threshold: float | None = None
    modules: ClassVar[tuple[str, ...]] = DECODE_AND_EXTRACT

    def prepare(self) -> Callable[[Source], Prediction]:
        """Open the model.

        Raises:
            ModelRefusedError: it does not hold what its contract says.
        """
        model = open_model(self.model)
        return lambda source: classify(source, model, top=self.top, threshold=self.threshold)


def _timeline(
    clip: ClipProbabilities, labels: tuple[str, ...], rate: int
) -> tuple[TimelineEntry, ...]:
    return tuple(
        TimelineEntry(
            start_s=segment.start / rate,
            end_s=(segment.start + segment.valid) / rate,
            candidates=tuple(
                Candidate(label, float(p))
                for label, p in zip(labels, segment.probabilities, strict=True)
            ),
        )
        for segment in clip.segments
    )
