"""The gate: a model of the type of sound, so that no genre is predicted for speech.

It is the bundled model `sound-type` with the labels music, speech and environment. The labels of a model
whose contract has a `sound_type` apply only to that type.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from audiocnn_cli.classify.prediction import UNCLEAR, SoundType
from audiocnn_cli.models.inference import sample_weights
from audiocnn_cli.models.registry import ModelFile, bundled_models
from audiocnn_cli.models.scores import ClipScores, align
from audiocnn_cli.models.session import Model
from audiocnn_cli.models.signature import Signature

GATE_MODEL = "sound-type"
# The gate decides from this probability on, or from its own threshold if that is higher.
_SURE = 0.7


def find_gate() -> ModelFile | None:
    """The bundled gate, if this installation has it."""
    return next((model for model in bundled_models() if model.name == GATE_MODEL), None)


def sound_type(scores: ClipScores, gate: Model) -> SoundType:
    """Type of the whole clip: the same from all segments as from those that `is_sampled` selects."""
    weights = sample_weights(scores.indices)
    sounding = np.where(scores.silent, 0.0, weights)
    if sounding.any():
        weights = sounding
    return most_probable(weights @ scores.probabilities / weights.sum(), gate)


def certainty(gate: Model) -> float:
    """The probability from which on the gate decides."""
    return max(_SURE, gate.signature.threshold)


def is_sure(sound: SoundType, gate: Model) -> bool:
    """Whether the type is probable enough to decide by it."""
    return sound.probability >= certainty(gate)


def as_labels(gate: Model) -> Signature:
    """The signature of the gate where its types are the labels themselves: from its certainty on."""
    return replace(gate.signature, threshold=certainty(gate))


def mismatch(sound: SoundType, expected: str | None, gate: Model) -> str | None:
    """Why labels for the type `expected` do not apply; None if they do, or if the gate is not sure."""
    if expected is None or sound.name == expected or not is_sure(sound, gate):
        return None
    return f"this is {sound.name}, not {expected}"


def mismatches(
    scores: ClipScores, expected: str | None, gate: Model, segments: ClipScores
) -> list[str | None]:
    """`mismatch` for each segment of `segments`, from the gate's `scores`."""
    return [mismatch(sound, expected, gate) for sound in types_of(scores, gate, segments)]


def reason_against(sound: SoundType, expected: str, gate: Model, doubt: str | None) -> str | None:
    """Why labels for the type `expected` do not apply to a segment of the type `sound`.

    It is that of `mismatch`, or `doubt` about the whole clip unless the gate is sure of the segment.
    """
    if sound.name == expected and is_sure(sound, gate):
        return None
    return mismatch(sound, expected, gate) or doubt


def types_of(scores: ClipScores, gate: Model, segments: ClipScores) -> list[SoundType]:
    """The type of each segment of `segments`, from the gate's `scores`."""
    return [most_probable(row, gate) for row in align(scores, segments)]


def doubt(sound: SoundType, gate: Model) -> str | None:
    """Why labels of the model for the type `sound` are uncertain; None if the gate is sure of it."""
    return None if is_sure(sound, gate) else UNCLEAR


def most_probable(row: NDArray[np.floating], gate: Model) -> SoundType:
    """The most probable type of a row of probabilities, shape (labels,)."""
    best = int(row.argmax())
    return SoundType(gate.signature.labels[best], float(row[best]))
