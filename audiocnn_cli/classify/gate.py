"""The gate: a model of the type of sound, so that no genre is predicted for speech.

It is the bundled model `sound-type` with the labels music, speech and environment. The labels of a model
whose contract has a `sound_type` apply only to that type.
"""

import numpy as np
from numpy.typing import NDArray

from audiocnn_cli.classify.prediction import SoundType
from audiocnn_cli.models.inference import is_sampled
from audiocnn_cli.models.registry import ModelFile, bundled_models
from audiocnn_cli.models.scores import ClipScores, align, mean_over_segments
from audiocnn_cli.models.session import Model

GATE_MODEL = "sound-type"
# The gate decides from this probability on, or from its own threshold if that is higher.
_SURE = 0.7
UNCLEAR = "the type of sound is not clear"


def find_gate() -> ModelFile | None:
    """The bundled gate, if this installation has it."""
    return next((model for model in bundled_models() if model.name == GATE_MODEL), None)


def sound_type(scores: ClipScores, gate: Model) -> SoundType:
    """Type of the whole clip, from the segments that `is_sampled` selects, also if all have scores."""
    sampled = np.array([is_sampled(index) for index in scores.indices.tolist()])
    mean = mean_over_segments(scores.probabilities[sampled], scores.silent[sampled])
    return _most_probable(mean, gate)


def is_sure(sound: SoundType, gate: Model) -> bool:
    """Whether the type is probable enough to decide by it."""
    return sound.probability >= max(_SURE, gate.signature.threshold)


def mismatch(sound: SoundType, expected: str | None, gate: Model) -> str | None:
    """Why labels for the type `expected` do not apply; None if they do, or if the gate is not sure."""
    if expected is None or sound.name == expected or not is_sure(sound, gate):
        return None
    return f"this is {sound.name}, not {expected}"


def mismatches(
    scores: ClipScores, expected: str | None, gate: Model, segments: ClipScores
) -> list[str | None]:
    """`mismatch` for each segment of `segments`, from the gate's `scores`."""
    rows = align(scores, segments)
    return [mismatch(_most_probable(row, gate), expected, gate) for row in rows]


def _most_probable(row: NDArray[np.floating], gate: Model) -> SoundType:
    best = int(row.argmax())
    return SoundType(gate.signature.labels[best], float(row[best]))
