"""What is said of one clip: a label or the reason why there is none, and where in the clip."""

from dataclasses import dataclass

from audiocnn_cli.audio.segments import TailHandling

# The reasons for which no label is said, beside those that the gate words.
SILENCE = "silence"
BELOW_THRESHOLD = "below the threshold"


@dataclass(frozen=True)
class Candidate:
    """A label and its probability, 0 to 1."""

    label: str
    probability: float


@dataclass(frozen=True)
class TimelineEntry:
    """One segment: its probabilities, in the order of the model's labels; times in seconds.

    Times count from the beginning of the recording, also when only a part of it was read. `labels` are
    those that hold, the most probable first: none when the segment is silent, of another type of sound, or
    below the threshold, and `reason` says which. Several only for a model of independent labels.
    """

    start_s: float
    end_s: float
    candidates: tuple[Candidate, ...]
    labels: tuple[str, ...]
    reason: str | None = None

    @property
    def best(self) -> Candidate:
        """The most probable label of the segment."""
        return max(self.candidates, key=lambda candidate: candidate.probability)

    @property
    def label(self) -> str | None:
        """The most probable label that holds."""
        return self.labels[0] if self.labels else None


@dataclass(frozen=True)
class Event:
    """A label that holds from `start_s` to `end_s` seconds of the recording.

    `probability` is the mean over its segments. Where segments overlap, one ends in the middle of what it
    shares with the next.
    """

    start_s: float
    end_s: float
    label: str
    probability: float


@dataclass(frozen=True)
class SoundType:
    """What kind of sound the gate hears, and how sure it is."""

    name: str
    probability: float


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What is said of one clip.

    `label` is None when there is none to say, and `reason` says why: below the threshold, silence, or
    another type of sound than the model's labels are for. `labels` are all that hold, more than one only for
    a model of independent labels. `probability` is that of the most probable label all the same.
    `duration_s` of the recording's `recording_s` were heard. `rest` says what became of the `rest_s` seconds
    after the last whole segment (see `audio.segments`). `highest_hz` is the highest frequency that the model
    hears.
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

    @property
    def label(self) -> str | None:
        """The most probable label that holds."""
        return self.labels[0] if self.labels else None

    @property
    def probability(self) -> float:
        """That of the most probable label, whether or not it is said."""
        return self.top[0].probability

    @property
    def abstained(self) -> bool:
        """Whether no label is said."""
        return not self.labels
