"""What goes into a model and what comes out: all that inference needs to know of it."""

from dataclasses import dataclass, field
from enum import StrEnum

from audiocnn_cli.audio.segments import SegmentConfig
from audiocnn_cli.features.config import Feature, FeatureConfig

# A waveform has no frames; less than one usual frame of 20 ms tells as little as less than one of theirs.
_WAVEFORM_FRAMES_PER_S = 50


class Activation(StrEnum):
    """What makes probabilities of the network's numbers: one label of many, or each label by itself.

    `none` is for numbers that are probabilities as they come, of one label of many.
    """

    SOFTMAX = "softmax"
    SIGMOID = "sigmoid"
    NONE = "none"


class Pooling(StrEnum):
    """How the probabilities of the segments become those of the clip."""

    MEAN = "mean"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """What a model is fed and what it answers.

    `threshold` is the clip probability below which a label is not said (0: always said), `thresholds` those
    of labels that have their own. With the activation `sigmoid` several labels may hold at once.
    `sound_type` is the kind of sound that the labels are for, as the gate names it (see `classify.gate`).
    """

    name: str
    labels: tuple[str, ...]
    features: FeatureConfig
    segment: SegmentConfig
    activation: Activation = Activation.SOFTMAX
    pooling: Pooling = Pooling.MEAN
    threshold: float = 0.0
    thresholds: dict[str, float] = field(default_factory=dict)
    sound_type: str | None = None

    @property
    def segment_s(self) -> float:
        """Length of a segment in seconds."""
        return self.segment.length / self.features.sample_rate

    @property
    def multi_label(self) -> bool:
        """Whether each label holds or not by itself."""
        return self.activation is Activation.SIGMOID

    @property
    def fewest_samples(self) -> int:
        """A clip of fewer is too short to label: one frame, or 20 ms of waveform."""
        if self.features.feature is Feature.WAVEFORM:
            return self.features.sample_rate // _WAVEFORM_FRAMES_PER_S
        return self.features.n_fft

    @property
    def tensor_shape(self) -> tuple[int, int]:
        """Frames and bins of the tensor of one segment."""
        return self.features.n_frames(self.segment.length), self.features.n_bins
