"""The input and the output of a model: features, segments, labels, the order of the axes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from audiocnn_cli.audio.segments import SegmentConfig
from audiocnn_cli.features.config import Feature, FeatureConfig

# The shortest waveform that is labelled, 20 ms: as long as a usual frame.
_WAVEFORM_FRAMES_PER_S = 50


class Kind(StrEnum):
    """What a model computes of a segment: a probability for each label, an embedding, or a value."""

    CLASSIFICATION = "classification"
    EMBEDDING = "embedding"
    REGRESSION = "regression"


class Activation(StrEnum):
    """The function that turns outputs into probabilities: over all labels, or for each label alone.

    `none` is the identity, for outputs that are probabilities already.
    """

    SOFTMAX = "softmax"
    SIGMOID = "sigmoid"
    NONE = "none"


class Pooling(StrEnum):
    """How the probabilities of the segments are combined into those of the clip."""

    MEAN = "mean"


class Layout(StrEnum):
    """The order of a graph's input axes.

    N: segments, T: frames (or samples), F: bins, 1: an axis of size 1. Layouts without F take a waveform,
    those without N one segment at a time.
    """

    NTF = "NxTxF"
    NFT = "NxFxT"
    N1TF = "Nx1xTxF"
    N1FT = "Nx1xFxT"
    NTF1 = "NxTxFx1"
    NFT1 = "NxFxTx1"
    TF = "TxF"
    FT = "FxT"
    NT = "NxT"
    N1T = "Nx1xT"
    NT1 = "NxTx1"
    T = "T"

    @property
    def axes(self) -> list[str]:
        """One letter for each axis."""
        return self.split("x")

    @property
    def of_waveform(self) -> bool:
        """Whether the input is samples instead of features."""
        return "F" not in self.axes

    @property
    def batched(self) -> bool:
        """Whether there is an axis of segments."""
        return "N" in self.axes

    def shape(self, frames: int | None, bins: int) -> list[int | str | None]:
        """The shape of the input, with `N` for the segments and None for frames not known yet."""
        sizes: dict[str, int | str | None] = {"N": "N", "T": frames, "F": bins, "1": 1}
        return [sizes[axis] for axis in self.axes]

    def fits(self, graph: Sequence[int | str | None], *, frames: int | None, bins: int) -> bool:
        """Whether a graph's input takes that shape; a named or unnamed axis takes any size, N also 1."""
        if len(graph) != len(self.axes):
            return False
        return all(
            not isinstance(size, int) or own is None or size == (1 if own == "N" else own)
            for size, own in zip(graph, self.shape(frames, bins), strict=True)
        )

    def fixed_axes(self, graph: Sequence[int | str | None]) -> int:
        """How many of the axes F and 1 have a fixed size in a graph's input."""
        return sum(
            isinstance(size, int) for size, axis in zip(graph, self.axes, strict=True) if axis in ("F", "1")
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """What inference requires of a model.

    A model of the kind `embedding` has no labels, one of the kind `regression` has one, the name of its
    value. `threshold` is the probability of a clip below which it gets no label (0: it always gets one),
    `thresholds` those of labels that have their own. With the activation `sigmoid` the labels are
    independent. `sound_type` is the type of sound that the labels apply to, as the gate names it.
    """

    name: str
    features: FeatureConfig
    segment: SegmentConfig
    labels: tuple[str, ...] = ()
    kind: Kind = Kind.CLASSIFICATION
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
        """Whether the labels are independent of each other."""
        return self.activation is Activation.SIGMOID

    @property
    def fewest_samples(self) -> int:
        """A clip with fewer samples is too short to label: one frame, or 20 ms of waveform."""
        if self.features.feature is Feature.WAVEFORM:
            return self.features.sample_rate // _WAVEFORM_FRAMES_PER_S
        return self.features.n_fft

    @property
    def tensor_shape(self) -> tuple[int, int]:
        """Frames and bins of the tensor of one segment."""
        return self.features.n_frames(self.segment.length), self.features.n_bins
