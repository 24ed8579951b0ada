"""How a clip is to be classified: everything but the models and the clip, in one value that travels."""

from dataclasses import dataclass, field

from audiocnn_cli.audio.load import WHOLE, Excerpt
from audiocnn_cli.errors import UsageError
from audiocnn_cli.models.signature import Signature


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Probabilities below which a label is not said: for all labels, and for some of their own.

    What is not given is the model's. 0 for all: a label is always said, also of silence or of another type
    of sound.

    Raises:
        UsageError: one is not 0 to 1.
    """

    for_all: float | None = None
    by_label: tuple[tuple[str, float], ...] = ()

    def __post_init__(self) -> None:
        for value in (self.for_all, *(value for _, value in self.by_label)):
            if value is not None and not 0 <= value <= 1:
                raise UsageError(f"a threshold must be 0 to 1, not {value:g}")

    @property
    def always_answers(self) -> bool:
        """Whether a label is said whatever is heard."""
        return self.for_all == 0 and not self.by_label

    def of(self, signature: Signature) -> tuple[float, ...]:
        """The threshold of each label of a model.

        Raises:
            UsageError: a label is none of the model's.
        """
        own = dict(self.by_label)
        for label in own:
            if label not in signature.labels:
                raise UsageError(
                    f"--threshold {label}=...: {signature.name} has no such label; it knows"
                    f" {', '.join(signature.labels)}"
                )
        if self.for_all is not None:
            return tuple(own.get(label, self.for_all) for label in signature.labels)
        model = dict.fromkeys(signature.labels, signature.threshold) | signature.thresholds
        return tuple((model | own)[label] for label in signature.labels)


OWN_THRESHOLDS = Thresholds()


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassifyOptions:
    """Options of one classification; it can be pickled.

    Args:
        top: how many candidates to keep.
        thresholds: below which a label is not said.
        excerpt: the part of the recording to label.
        overlap: the share of a segment that the next repeats, 0 or more and below 1; None: the model's.
        smooth_s: the timeline's probabilities are means over so many seconds; 0: as they are.
        min_event_s: shorter events are left out.
        parts: whether timeline and events are wanted; without them the gate hears a sample of a long clip.

    Raises:
        UsageError: a value is out of its range.
    """

    top: int = 3
    thresholds: Thresholds = OWN_THRESHOLDS
    excerpt: Excerpt = field(default=WHOLE)
    overlap: float | None = None
    smooth_s: float = 0.0
    min_event_s: float = 0.0
    parts: bool = True

    def __post_init__(self) -> None:
        if self.top < 1:
            raise UsageError(f"top must be at least 1, not {self.top}")
        if self.overlap is not None and not 0 <= self.overlap < 1:
            raise UsageError(f"overlap must be 0 or more and below 1, not {self.overlap:g}")
        for name, value in (("smooth", self.smooth_s), ("min-event", self.min_event_s)):
            if not 0 <= value < float("inf"):
                raise UsageError(f"{name} must be 0 s or more, not {value:g}")

    def hop(self, signature: Signature) -> int | None:
        """Samples between the segments of a model; None for its own."""
        if self.overlap is None:
            return None
        return max(1, round(signature.segment.length * (1 - self.overlap)))


DEFAULTS = ClassifyOptions()
