"""The result of classifying one clip: its label or the reason why it has none, a timeline, and events."""

from dataclasses import dataclass

from audiocnn_cli.audio.segments import TailHandling

# Reasons for abstaining; `gate.mismatch` gives further ones.
SILENCE = "silence"
BELOW_THRESHOLD = "below the threshold"
UNCLEAR = "the type of sound is not clear"


def is_doubt(reason: str | None) -> bool:
    """Whether the best candidate may still be right: its probability, or that of the type, is too low.

    With the other reasons, silence and another type of sound, the candidates do not apply at all.
    """
    return reason in (BELOW_THRESHOLD, UNCLEAR)


@dataclass(frozen=True)
class Candidate:
    """A label and its probability, 0 to 1."""

    label: str
    probability: float


@dataclass(frozen=True)
class TimelineEntry:
    """One segment: its probabilities in the order of the model's labels, and the labels that apply.

    Times are in seconds from the beginning of the recording, also for an excerpt. `labels` are those at or
    above their threshold, the most probable first, at most one unless the model is multi-label. They are
    empty for a silent segment, for another type of sound, or below the threshold; `reason` is which of these.

    A regression model has no labels: `quantity` is the name of what it gives, and `value` its number, None
    where there is a `reason`.
    """

    start_s: float
    end_s: float
    candidates: tuple[Candidate, ...]
    labels: tuple[str, ...]
    reason: str | None = None
    quantity: str | None = None
    value: float | None = None

    @property
    def best(self) -> Candidate:
        """The most probable label of the segment."""
        return max(self.candidates, key=lambda candidate: candidate.probability)

    @property
    def label(self) -> str | None:
        """The most probable of `labels`; None if there is none."""
        return self.labels[0] if self.labels else None


@dataclass(frozen=True)
class Event:
    """A label that applies to neighbouring segments, from `start_s` to `end_s` seconds of the recording.

    `probability` is the mean over the segments. Where segments overlap, the border is the middle of the
    overlap.
    """

    start_s: float
    end_s: float
    label: str
    probability: float


@dataclass(frozen=True)
class Unlabelled:
    """Neighbouring segments without a label, for the same `reason`, from `start_s` to `end_s` seconds.

    `candidate` is the most probable label, which in a doubt is the same in all of the segments, and
    `probability` its mean over them.
    """

    start_s: float
    end_s: float
    reason: str
    candidate: str
    probability: float


@dataclass(frozen=True)
class SoundType:
    """The most probable type of sound (music, speech, environment) by the gate, and its probability."""

    name: str
    probability: float


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """The labels of one clip.

    Args:
        path: of the recording.
        name: of the recording below the folder that was searched.
        model: name of the model, or names joined with `+`.
        labels: those that apply, the most probable first; several only from a multi-label model.
        reason: why `labels` is empty; None if it isn't.
        top: the most probable candidates, also when `labels` is empty.
        timeline: the segments.
        events: neighbouring segments with the same label.
        unlabelled: the rest: neighbouring segments without a label for the same reason. Segments in which a
            multi-label model finds nothing are in it only if there is no event at all.
        duration_s: seconds that were classified, of the `recording_s` of the whole recording.
        recording_s: duration of the recording.
        rest: how the samples after the last whole segment were handled (see `audio.segments`).
        rest_s: how many seconds they are.
        highest_hz: upper limit of the frequencies that the model's features cover.
        sound_type: by the gate; None without a gate.
        quantity: name of what a regression model gives instead of labels; None for other models.
        value: its number, the mean over the segments; None where there is a `reason`.
    """

    path: str
    name: str
    model: str
    labels: tuple[str, ...]
    reason: str | None
    top: tuple[Candidate, ...]
    timeline: tuple[TimelineEntry, ...]
    events: tuple[Event, ...]
    duration_s: float
    recording_s: float
    rest: TailHandling
    rest_s: float
    highest_hz: float
    sound_type: SoundType | None = None
    unlabelled: tuple[Unlabelled, ...] = ()
    quantity: str | None = None
    value: float | None = None

    @property
    def label(self) -> str | None:
        """The most probable of `labels`; None if the model abstains."""
        return self.labels[0] if self.labels else None

    @property
    def probability(self) -> float:
        """Probability of the best candidate, also if the model abstains."""
        return self.top[0].probability

    @property
    def abstained(self) -> bool:
        """Whether no label applies, or there is no value."""
        return not self.labels and self.value is None
