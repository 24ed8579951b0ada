"""The models that run over a clip: one, several whose scores are averaged, or one for its type of sound."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from audiocnn_cli.classify import gate
from audiocnn_cli.classify.options import ClassifyOptions
from audiocnn_cli.errors import UsageError
from audiocnn_cli.models.inference import ModelStream
from audiocnn_cli.models.scores import ClipScores, align
from audiocnn_cli.models.session import Model
from audiocnn_cli.models.signature import Signature


@dataclass(frozen=True, slots=True, kw_only=True)
class Ensemble:
    """Opened models.

    Args:
        models: their scores are averaged.
        gate: model of the type of sound; None: none is used.
        member: run only this one of the networks whose mean each model is.
    """

    models: tuple[Model, ...]
    gate: Model | None = None
    member: int | None = None

    def streams(self, options: ClassifyOptions) -> list[ModelStream]:
        """A stream for each model in order, then one for the gate."""
        streams = [ModelStream(model, options.hop(model.signature), self.member) for model in self.models]
        return streams + ([ModelStream(self.gate, sparse=not options.parts)] if self.gate else [])

    @property
    def signature(self) -> Signature:
        """That of the mean of `models`.

        Raises:
            UsageError: their labels or activations differ.
        """
        return mean_signature([model.signature for model in self.models])


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoModels:
    """A gate, and a model for some of its types of sound; it is opened when the first clip of the type comes.

    A clip of another type has the name of the type as its label.
    """

    gate: Model
    by_type: Mapping[str, Callable[[], Model]]

    def model(self, sound: str | None) -> Model:
        """The model that labels sound of that type; for None it is the gate."""
        return self.gate if sound is None else self.by_type[sound]()

    def type_with_model(self, sound: str) -> str | None:
        """The type itself; None if it has no model, so that its name is the label."""
        return sound if sound in self.by_type else None

    def signature(self, sound: str | None) -> Signature:
        """That of `model(sound)`; the gate labels from its certainty on."""
        return gate.as_labels(self.gate) if sound is None else self.model(sound).signature

    @property
    def types(self) -> tuple[str | None, ...]:
        """The types of sound that have a model, then None for the others."""
        return (*self.by_type, None)

    def stream(self, sound: str | None, options: ClassifyOptions) -> ModelStream:
        """The stream of `model(sound)`."""
        model = self.model(sound)
        return ModelStream(model, options.hop(model.signature))

    def streams(self, options: ClassifyOptions) -> list[ModelStream]:
        """A stream for each of `types` in order, then one for the type of each segment."""
        return [*(self.stream(sound, options) for sound in self.types), ModelStream(self.gate)]


def mean_signature(signatures: Sequence[Signature]) -> Signature:
    """Signature of the mean of several models: segments of the first, mean of the thresholds.

    Raises:
        UsageError: labels differ, or only some are multi-label.
    """
    first = signatures[0]
    for other in signatures[1:]:
        if set(other.labels) != set(first.labels):
            differing = ", ".join(sorted(set(other.labels) ^ set(first.labels))[:5])
            raise UsageError(
                f"`ensemble`: {first.name} and {other.name} don't have the same labels (only one has"
                f" {differing})"
            )
        if other.multi_label != first.multi_label:
            raise UsageError(f"`ensemble`: of {first.name} and {other.name} only one is multi-label")
    if len(signatures) == 1:
        return first
    return Signature(
        name="+".join(signature.name for signature in signatures),
        labels=first.labels,
        features=first.features,
        segment=first.segment,
        activation=first.activation,
        threshold=sum(signature.threshold for signature in signatures) / len(signatures),
        sound_type=first.sound_type,
    )


def mean_scores(signatures: Sequence[Signature], scores: Sequence[ClipScores]) -> ClipScores:
    """Mean of several models' scores, on the segments and in the label order of the first."""
    first = scores[0]
    if len(scores) == 1:
        return first
    rows, means = [], []
    for signature, each in zip(signatures, scores, strict=True):
        order = [signature.labels.index(label) for label in signatures[0].labels]
        rows.append(align(each, first)[:, order])
        means.append(each.mean[order])
    return replace(first, probabilities=np.mean(rows, axis=0, dtype=np.float32), mean=np.mean(means, axis=0))
