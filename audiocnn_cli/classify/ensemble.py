"""The models that run over a clip: one, several whose scores are averaged, or one that the gate selects."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

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
        models: their scores are averaged, or with `auto` the gate selects one of them.
        gate: model of the type of sound; None: none is used.
        auto: use the one of `models` that is for the type of sound.
        member: run only this one of the networks whose mean each model is.
    """

    models: tuple[Model, ...]
    gate: Model | None = None
    auto: bool = False
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
