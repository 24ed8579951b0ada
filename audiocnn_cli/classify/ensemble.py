"""Which models hear a clip: one, several whose mean is the answer, or the one that the gate picks."""

from collections.abc import Sequence
from dataclasses import dataclass

from audiocnn_cli.classify.options import ClassifyOptions
from audiocnn_cli.errors import UsageError
from audiocnn_cli.models.inference import ModelStream
from audiocnn_cli.models.session import Model
from audiocnn_cli.models.signature import Signature


@dataclass(frozen=True, slots=True, kw_only=True)
class Ensemble:
    """The opened models: the mean of `models` is the answer, or with `auto` that of one of them.

    `gate` says what type of sound a clip is. `member` asks one of the networks that a model is the mean of.
    """

    models: tuple[Model, ...]
    gate: Model | None = None
    auto: bool = False
    member: int | None = None

    def listeners(self, options: ClassifyOptions) -> list[ModelStream]:
        """The models in their order, then the gate."""
        heard = [
            ModelStream(model, options.hop(model.signature), self.member) for model in self.models
        ]
        return heard + ([ModelStream(self.gate, sparse=not options.parts)] if self.gate else [])

    @property
    def signature(self) -> Signature:
        """What the ensemble answers, when it is not `auto`."""
        return joined([model.signature for model in self.models])


def joined(signatures: Sequence[Signature]) -> Signature:
    """That of the mean of several models: the segments of the first, the mean of their thresholds.

    Raises:
        UsageError: they don't have the same labels, or not the same kind of answer.
    """
    first = signatures[0]
    for other in signatures[1:]:
        if set(other.labels) != set(first.labels):
            odd = ", ".join(sorted(set(other.labels) ^ set(first.labels))[:5])
            raise UsageError(
                f"--ensemble: {first.name} and {other.name} don't have the same labels (only one has {odd})"
            )
        if other.multi_label != first.multi_label:
            raise UsageError(
                f"--ensemble: of {first.name} and {other.name} only one lets several labels hold at once"
            )
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
