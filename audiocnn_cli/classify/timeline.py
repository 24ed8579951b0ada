"""Where in the recording: the segments with their labels, and the events that they make."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from audiocnn_cli.classify.grid import Grid, runs
from audiocnn_cli.classify.options import Thresholds
from audiocnn_cli.classify.prediction import (
    BELOW_THRESHOLD,
    SILENCE,
    Candidate,
    Event,
    TimelineEntry,
)
from audiocnn_cli.models.signature import Signature

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Rules:
    """When a label is said: the threshold of each, and whether several may hold.

    `always` is for those who want a label whatever is heard.
    """

    signature: Signature
    limits: tuple[float, ...]
    always: bool = False

    @classmethod
    def of(cls, signature: Signature, thresholds: Thresholds) -> Self:
        """Those of a model, with the thresholds that the user gives."""
        return cls(signature, thresholds.of(signature), thresholds.always_answers)

    def candidates(self, probabilities: "NDArray[np.floating]") -> tuple[Candidate, ...]:
        """The labels in the model's order, each with its probability."""
        pairs = zip(self.signature.labels, probabilities.tolist(), strict=True)
        return tuple(Candidate(label, p) for label, p in pairs)

    def holding(self, probabilities: "NDArray[np.floating]") -> tuple[str, ...]:
        """The labels that hold, the most probable first; one at most unless they are independent."""
        order = (-probabilities).argsort(kind="stable")
        wanted = order if self.signature.multi_label else order[:1]
        return tuple(self.signature.labels[i] for i in wanted if probabilities[i] >= self.limits[i])

    def reason(self, labels: Sequence[str], *, silent: bool, objection: str | None) -> str | None:
        """Why none of `labels` is said, if so."""
        if silent:
            return SILENCE
        if objection is not None:
            return objection
        return None if labels else BELOW_THRESHOLD


@dataclass(frozen=True, slots=True)
class Clock:
    """Samples to seconds of the recording: at `rate` Hz, the first at `start_s`."""

    rate: int
    start_s: float

    def seconds(self, sample: int) -> float:
        """When that sample is."""
        return self.start_s + sample / self.rate


def timeline(
    grid: Grid, rules: Rules, clock: Clock, objections: Sequence[str | None]
) -> tuple[TimelineEntry, ...]:
    """The segments of `grid`, an objection of the gate to each or None."""
    return tuple(_entries(grid, rules, clock, objections))


def _entries(
    grid: Grid, rules: Rules, clock: Clock, objections: Sequence[str | None]
) -> Iterator[TimelineEntry]:
    for i, row in enumerate(grid.probabilities):
        labels = rules.holding(row)
        reason = rules.reason(labels, silent=bool(grid.silent[i]), objection=objections[i])
        yield TimelineEntry(
            start_s=clock.seconds(int(grid.starts[i])),
            end_s=clock.seconds(int(grid.ends[i])),
            candidates=rules.candidates(row),
            labels=labels if reason is None or rules.always else (),
            reason=reason,
        )


def events(
    grid: Grid, entries: Sequence[TimelineEntry], clock: Clock, *, shortest_s: float
) -> tuple[Event, ...]:
    """Neighbouring segments with the same label as one event, those of `shortest_s` or more, by time."""
    found = []
    for label in sorted({label for entry in entries for label in entry.labels}):
        place = [candidate.label for candidate in entries[0].candidates].index(label)
        for run in runs(grid, [label in entry.labels for entry in entries]):
            if (run.end - run.start) / clock.rate < shortest_s:
                continue
            mean = float(grid.probabilities[run.first : run.last + 1, place].mean())
            begin, end = clock.seconds(run.start), clock.seconds(run.end)
            found.append(Event(begin, end, label, mean))
    return tuple(sorted(found, key=lambda event: (event.start_s, event.label)))
