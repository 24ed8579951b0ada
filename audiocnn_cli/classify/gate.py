"""What type of sound a clip is, so that no genre is said of a voice.

One model listens for it, the bundled `sound-type` with the labels music, speech and environment. A model
whose contract names a `sound_type` answers only for that type.
"""

from dataclasses import replace
from typing import TYPE_CHECKING

from audiocnn_cli.classify.grid import Grid, brought_onto, grid_of
from audiocnn_cli.classify.prediction import SoundType
from audiocnn_cli.models.inference import ClipProbabilities, is_sampled
from audiocnn_cli.models.registry import ModelFile, bundled_models
from audiocnn_cli.models.session import Model

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

GATE_MODEL = "sound-type"
# The gate speaks up when it is this sure, or as sure as its own threshold asks for.
_SURE = 0.7
UNCLEAR = "the type of sound is not clear"


def find_gate() -> ModelFile | None:
    """The bundled gate, if this installation has it."""
    return next((model for model in bundled_models() if model.name == GATE_MODEL), None)


def sound_type(clip: ClipProbabilities, gate: Model) -> SoundType:
    """What the whole clip sounds like, by a sample of its segments, whether or not all were heard."""
    sample = tuple(segment for segment in clip.segments if is_sampled(segment.index))
    return _type_of(replace(clip, segments=sample).mean, gate)


def is_sure(heard: SoundType, gate: Model) -> bool:
    """Whether the gate is sure enough to be believed."""
    return heard.probability >= max(_SURE, gate.signature.threshold)


def objection(heard: SoundType, wanted: str | None, gate: Model) -> str | None:
    """Why labels for the type `wanted` don't fit what is heard; None if they do, or may."""
    if wanted is None or heard.name == wanted or not is_sure(heard, gate):
        return None
    return f"this is {heard.name}, not {wanted}"


def objections(
    clip: ClipProbabilities, wanted: str | None, gate: Model, grid: Grid
) -> list[str | None]:
    """The objection to each segment of `grid`."""
    said = brought_onto(grid_of(clip, gate.signature.features.sample_rate), grid)
    return [objection(_type_of(row, gate), wanted, gate) for row in said]


def _type_of(row: "NDArray[np.floating]", gate: Model) -> SoundType:
    best = int(row.argmax())
    return SoundType(gate.signature.labels[best], float(row[best]))
