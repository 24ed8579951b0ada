"""What a model says of a clip after it got worse on the way."""

from collections.abc import Sequence
from dataclasses import dataclass

from audiocnn_cli.audio.load import load
from audiocnn_cli.audio.resample import resample_blocks
from audiocnn_cli.evaluation.degrade import Degradation
from audiocnn_cli.evaluation.labelled import LabelledClip
from audiocnn_cli.evaluation.metrics import Scores
from audiocnn_cli.models.inference import infer
from audiocnn_cli.models.session import Model


@dataclass(frozen=True, slots=True)
class Robustness:
    """The figures of the same clips after one degradation."""

    degradation: Degradation
    clips: Scores


def labels_after(
    clip: LabelledClip, model: Model, member: int | None, degradations: Sequence[Degradation]
) -> tuple[str, ...]:
    """The label said after each of `degradations`, which work on the mono clip at its own rate.

    Noise is drawn by the clip's content: the same for one job or ten, alone or among others.

    Raises:
        SignalError: the clip can't be used.
    """
    if not degradations:
        return ()
    signal = load(clip.source)
    rate = model.contract.features.sample_rate
    said = []
    for degradation in degradations:
        samples = degradation.apply(signal.samples, signal.sample_rate, int(clip.content, 16))
        blocks = resample_blocks(iter([samples]), source_rate=signal.sample_rate, sample_rate=rate)
        said.append(model.contract.labels[infer(blocks, model, member=member).mean.argmax()])
    return tuple(said)
