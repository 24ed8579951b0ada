"""The architectures to train, and the input of each: features, segment, and where a segment may start."""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from audiocnn_cli.audio.segments import SegmentConfig
from audiocnn_cli.errors import UsageError
from audiocnn_cli.features.config import Feature, FeatureConfig

if TYPE_CHECKING:
    from audiocnn_cli.shapes.stackfile import Architecture

LOGMEL = "logmel-cnn"
ARCHITECTURES = (LOGMEL, "cnn", "mlp", "lstm")
_FRAME_S = 0.047


class Optimizer(StrEnum):
    """The optimizers of a fit: AdamW, or SGD with momentum 0.9."""

    ADAM = "adam"
    SGD = "sgd"


@dataclass(frozen=True, slots=True)
class Recipe:
    """An architecture and the features of its segments.

    With `anywhere` the features of a segment equal those frames of the whole clip (frames that are not
    centred, no floor relative to the clip's maximum), so that training may cut a segment at any frame.
    """

    architecture: "Architecture"
    features: FeatureConfig
    segment: SegmentConfig
    anywhere: bool

    @property
    def window(self) -> int:
        """The number of frames of a segment."""
        return self.features.n_frames(self.segment.length)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of one segment, channels last, with as many axes as the architecture's input."""
        return (self.window, self.features.n_bins, 1)[: len(self.architecture.input_shape)]


def recipe_for(
    name: str,
    *,
    sample_rate: int = 22050,
    segment_s: float = 3.0,
    hop_length: int | None = None,
    n_mels: int | None = None,
) -> Recipe:
    """The recipe of the architecture called `name`.

    The course networks have MFCCs as input; the log-mel network has frames of about 47 ms that overlap by
    half, unless `hop_length` is given.

    Raises:
        UsageError: no such architecture to train, or features that contradict each other.
    """
    from audiocnn_cli.shapes.stackfile import architecture  # imports msgspec

    if name not in ARCHITECTURES:
        raise UsageError(f"`arch={name}`: no such network to train; use one of {', '.join(ARCHITECTURES)}")
    if not segment_s > 0:
        raise UsageError(f"`segment` must be above 0 seconds, not {segment_s}")
    length = round(segment_s * sample_rate)
    if name == LOGMEL:
        n_fft = 1 << (int(_FRAME_S * sample_rate).bit_length() - 1)
        features = FeatureConfig(
            feature=Feature.LOGMEL,
            sample_rate=sample_rate,
            n_fft=n_fft,
            hop_length=hop_length or n_fft // 2,
            n_mels=n_mels or 64,
            center=False,
            top_db=None,
        )
    else:
        usual = FeatureConfig(sample_rate=sample_rate)
        features = replace(usual, hop_length=hop_length or usual.hop_length, n_mels=n_mels or usual.n_mels)
    recipe = Recipe(architecture(name), features, SegmentConfig(length=length, hop=length), name == LOGMEL)
    if recipe.window < 1:
        raise UsageError(f"`segment={segment_s}` is shorter than one frame of {features.n_fft} samples")
    return recipe
