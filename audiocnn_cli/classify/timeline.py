"""From scores to labels: the decision rule, the segments of a timeline, and the events in it."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from audiocnn_cli.classify.options import Thresholds
from audiocnn_cli.classify.prediction import (
    BELOW_THRESHOLD,
    SILENCE,
    Candidate,
    Event,
    TimelineEntry,
    Unlabelled,
    is_doubt,
)
from audiocnn_cli.models.scores import ClipScores
from audiocnn_cli.models.signature import Kind, Signature


class DecisionRule:
    """When a label of a model applies, with the thresholds that the user gives."""

    def __init__(self, signature: Signature, thresholds: Thresholds) -> None:
        self.signature = signature
        self._thresholds = thresholds.of(signature)
        self._never_abstains = thresholds.never_abstains
        self.gives_value = signature.kind is Kind.REGRESSION

    def candidates(self, probabilities: NDArray[np.floating]) -> tuple[Candidate, ...]:
        """The labels in the model's order, each with its probability."""
        pairs = zip(self.signature.labels, probabilities.tolist(), strict=True)
        return tuple(Candidate(label, p) for label, p in pairs)

    def decide(
        self, probabilities: NDArray[np.floating], *, silent: bool, mismatch: str | None
    ) -> tuple[tuple[str, ...], str | None]:
        """The labels that apply, the most probable first, and why there is none.

        `mismatch` is the reason why no label applies at all (see `gate.mismatch`), or None. Of a regression
        model there is no label, and a reason only where its value does not apply.
        """
        if self.gives_value:
            return (), None if self._never_abstains else SILENCE if silent else mismatch
        order = (-probabilities).argsort(kind="stable")
        considered = order if self.signature.multi_label else order[:1]
        names = self.signature.labels
        labels = tuple(names[i] for i in considered if probabilities[i] >= self._thresholds[i])
        reason = SILENCE if silent else mismatch
        if reason is None and not labels:
            reason = BELOW_THRESHOLD
        return (labels if reason is None or self._never_abstains else ()), reason


def timeline(
    scores: ClipScores, rule: DecisionRule, mismatches: Sequence[str | None], *, offset_s: float
) -> tuple[TimelineEntry, ...]:
    """The segments with their labels, in seconds of a recording in which the clip starts at `offset_s`."""
    starts, ends = (offset_s + scores.starts_s).tolist(), (offset_s + scores.ends_s).tolist()
    entries = []
    for i, row in enumerate(scores.probabilities):
        labels, reason = rule.decide(row, silent=bool(scores.silent[i]), mismatch=mismatches[i])
        entry = TimelineEntry(starts[i], ends[i], rule.candidates(row), labels, reason)
        if rule.gives_value:
            value = float(row[0]) if reason is None else None
            entry = replace(entry, quantity=rule.signature.labels[0], value=value)
        entries.append(entry)
    return tuple(entries)


def events(
    scores: ClipScores, entries: Sequence[TimelineEntry], *, offset_s: float, shortest_s: float
) -> tuple[Event, ...]:
    """Neighbouring segments with the same label as one event, those of `shortest_s` or more, by time."""
    rate = scores.sample_rate
    found = []
    for label in sorted({label for entry in entries for label in entry.labels}):
        column = [candidate.label for candidate in entries[0].candidates].index(label)
        for run in runs(scores, [label in entry.labels for entry in entries]):
            if (run.end - run.start) / rate < shortest_s:
                continue
            mean = float(scores.probabilities[run.first : run.last + 1, column].mean())
            begin, end = offset_s + run.start / rate, offset_s + run.end / rate
            found.append(Event(begin, end, label, mean))
    return tuple(sorted(found, key=lambda event: (event.start_s, event.label)))


def unlabelled(
    scores: ClipScores,
    entries: Sequence[TimelineEntry],
    *,
    offset_s: float,
    shortest_s: float,
    multi_label: bool,
) -> tuple[Unlabelled, ...]:
    """Neighbouring segments without a label for the same reason, those of `shortest_s` or more, by time.

    In a doubt they have the same best candidate too. That a multi-label model finds nothing is no doubt, so
    with `multi_label` such segments are left out.
    """
    rate = scores.sample_rate
    keys = [_reason_and_candidate(entry, multi_label=multi_label) for entry in entries]
    found = []
    for key in dict.fromkeys(key for key in keys if key is not None):
        for run in runs(scores, [each == key for each in keys]):
            if (run.end - run.start) / rate < shortest_s:
                continue
            means = scores.probabilities[run.first : run.last + 1].mean(axis=0, dtype=np.float64)
            column = int(means.argmax())
            if key[1] is not None:
                column = [candidate.label for candidate in entries[run.first].candidates].index(key[1])
            label = entries[run.first].candidates[column].label
            begin, end = offset_s + run.start / rate, offset_s + run.end / rate
            found.append(Unlabelled(begin, end, key[0], label, float(means[column])))
    return tuple(sorted(found, key=lambda each: each.start_s))


def _reason_and_candidate(entry: TimelineEntry, *, multi_label: bool) -> tuple[str, str | None] | None:
    """What unlabelled neighbours have in common; None for a segment with a label, or with nothing in it."""
    if entry.labels or entry.reason is None or (multi_label and entry.reason == BELOW_THRESHOLD):
        return None
    return entry.reason, entry.best.label if is_doubt(entry.reason) else None


class Run(NamedTuple):
    """Segments `first` to `last` (inclusive), from sample `start` to `end` (exclusive)."""

    first: int
    last: int
    start: int
    end: int


def runs(scores: ClipScores, applies: Sequence[bool]) -> Iterator[Run]:
    """The runs of segments that touch or overlap and for which `applies` (segments,) is true."""
    starts, ends = _borders(scores)
    first: int | None = None
    for i, applied in enumerate([*applies, False]):
        touches = first is not None and i < len(starts) and starts[i] <= ends[i - 1]
        if first is not None and not (applied and touches):
            yield Run(first, i - 1, starts[first], ends[i - 1])
            first = None
        if applied and first is None:
            first = i


def _borders(scores: ClipScores) -> tuple[list[int], list[int]]:
    """Starts and ends of the segments in samples, moved to the middle of each overlap."""
    starts, ends = scores.starts.tolist(), scores.ends.tolist()
    for i in range(1, len(starts)):
        if starts[i] < ends[i - 1]:
            starts[i] = ends[i - 1] = (starts[i] + ends[i - 1]) // 2
    return starts, ends
