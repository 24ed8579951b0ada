"""Options of a classification, apart from the models and the clip."""

from dataclasses import dataclass

from audiocnn_cli.audio.load import WHOLE, Excerpt
from audiocnn_cli.errors import UsageError
from audiocnn_cli.models.signature import Signature


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Probabilities below which a label does not apply: one for all labels, and some for single labels.

    What is not given is the model's. With 0 for all labels and no others the best label always applies, also
    to silence and to another type of sound.

    Raises:
        UsageError: one is not 0 to 1.
    """

    for_all: float | None = None
    by_label: tuple[tuple[str, float], ...] = ()

    def __post_init__(self) -> None:
        for value in (self.for_all or 0, *(value for _, value in self.by_label)):
            if not 0 <= value <= 1:
                raise UsageError(f"a threshold must be 0 to 1, not {value:g}")

    @property
    def never_abstains(self) -> bool:
        """Whether the best label always applies."""
        return self.for_all == 0 and not self.by_label

    def known_to(self, signature: Signature) -> "Thresholds":
        """Those for all labels and for labels of that model."""
        return Thresholds(self.for_all, tuple(each for each in self.by_label if each[0] in signature.labels))

    def of(self, signature: Signature) -> tuple[float, ...]:
        """The threshold of each label of a model.

        Raises:
            UsageError: a label is none of the model's.
        """
        own = dict(self.by_label)
        for label in own:
            if label not in signature.labels:
                raise UsageError(
                    f"`threshold={label}=...`: {signature.name} has no such label; its labels are"
                    f" {', '.join(signature.labels)}"
                )
        usual = signature.threshold if self.for_all is None else self.for_all
        of_labels = (signature.thresholds if self.for_all is None else {}) | own
        return tuple(of_labels.get(label, usual) for label in signature.labels)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassifyOptions:
    """Options of one classification; they can be pickled.

    Args:
        top: number of candidates to keep.
        thresholds: probabilities below which labels do not apply.
        excerpt: part of the recording to classify.
        overlap: fraction of a segment that the next repeats, 0 or more and below 1; None: the model's.
        smooth_s: window of the moving average over the segments in seconds; 0: none.
        min_event_s: shorter events are left out.
        parts: whether timeline and events are used; without them the gate runs on a sample of the segments
            of a long clip.

    Raises:
        UsageError: a value is out of its range.
    """

    top: int = 3
    thresholds: Thresholds = Thresholds()
    excerpt: Excerpt = WHOLE
    overlap: float | None = None
    smooth_s: float = 0.0
    min_event_s: float = 0.0
    parts: bool = True

    def __post_init__(self) -> None:
        if self.top < 1:
            raise UsageError(f"`top` must be at least 1, not {self.top}")
        if self.overlap is not None and not 0 <= self.overlap < 1:
            raise UsageError(f"`overlap` must be 0 or more and below 1, not {self.overlap:g}")
        for name, value in (("smooth", self.smooth_s), ("min_event", self.min_event_s)):
            if not 0 <= value < float("inf"):
                raise UsageError(f"`{name}` must be 0 s or more, not {value:g}")

    def hop(self, signature: Signature) -> int | None:
        """Samples between the segments of a model; None for its own."""
        if self.overlap is None:
            return None
        return max(1, round(signature.segment.length * (1 - self.overlap)))


DEFAULTS = ClassifyOptions()
