"""From a recording to the scores of a clip, and from scores to its prediction."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from audiocnn_cli.audio.load import mono_blocks
from audiocnn_cli.audio.sources import Source
from audiocnn_cli.audio.streams import open_once
from audiocnn_cli.classify.options import ClassifyOptions
from audiocnn_cli.classify.prediction import Prediction, SoundType, TimelineEntry, Unlabelled
from audiocnn_cli.classify.timeline import DecisionRule, events, timeline, unlabelled
from audiocnn_cli.models.scores import ClipScores, smooth
from audiocnn_cli.models.signature import Signature


@dataclass(frozen=True, slots=True)
class Clip:
    """A clip that starts at `offset_s` of a recording of `recording_s` seconds (0 if that is not known)."""

    source: Source
    offset_s: float = 0.0
    recording_s: float = 0.0


@dataclass(frozen=True, slots=True)
class GateResult:
    """The type of sound of a clip, and why no label applies to the clip and to each segment, or None."""

    sound: SoundType
    reason: str | None
    reasons: Sequence[str | None]


class Sink(Protocol):
    """Takes a recording block by block."""

    def push(self, block: NDArray[np.float32]) -> None:
        """Take the next samples, shape (n,)."""


S = TypeVar("S", bound=Sink)


def push_all(source: Source, options: ClassifyOptions, sink: Callable[[int], S]) -> tuple[Clip, S]:
    """Decode the excerpt of `source` that the options name into `sink(sample rate)`.

    Raises:
        InputError: the source can't be read.
    """
    with open_once(source) as reader:
        info = reader.info
        offset_s = options.excerpt.span(info)[0] / info.sample_rate
        pushed = sink(info.sample_rate)
        for block in mono_blocks(reader, sample_rate=info.sample_rate, excerpt=options.excerpt):
            pushed.push(block)
    return Clip(source, offset_s, info.duration_s), pushed


def prediction_of(
    clip: Clip,
    signature: Signature,
    scores: ClipScores,
    options: ClassifyOptions,
    gated: GateResult | None = None,
) -> Prediction:
    """The prediction for a clip from the scores of one model, and the gate's result if it was run."""
    rule = DecisionRule(signature, options.thresholds)
    reason = gated.reason if gated else None
    reasons: Sequence[str | None] = gated.reasons if gated else [None] * len(scores)
    labels, reason = rule.decide(scores.mean, silent=scores.is_silent, mismatch=reason)
    ranked = sorted(rule.candidates(scores.mean), key=lambda candidate: -candidate.probability)
    smoothed = smooth(scores, options.smooth_s)
    entries = timeline(smoothed, rule, reasons, offset_s=clip.offset_s)
    found = events(smoothed, entries, offset_s=clip.offset_s, shortest_s=options.min_event_s)
    others = unlabelled(
        smoothed,
        entries,
        offset_s=clip.offset_s,
        shortest_s=options.min_event_s,
        multi_label=signature.multi_label,
    )
    if signature.multi_label and reason is not None and not any(entry.labels for entry in entries):
        others = others or (_whole(entries, reason, ranked[0].label, ranked[0].probability),)
    duration_s = scores.n_samples / scores.sample_rate
    return Prediction(
        path=clip.source.path,
        name=clip.source.name,
        model=signature.name,
        labels=labels,
        reason=reason,
        top=tuple(ranked[: options.top]),
        timeline=entries,
        events=found,
        duration_s=duration_s,
        recording_s=max(clip.recording_s, clip.offset_s + duration_s),
        rest=scores.tail,
        rest_s=scores.tail_samples / scores.sample_rate,
        highest_hz=signature.features.effective_fmax,
        sound_type=gated.sound if gated else None,
        unlabelled=() if rule.gives_value else others,
        quantity=signature.labels[0] if rule.gives_value else None,
        value=float(scores.mean[0]) if rule.gives_value and reason is None else None,
    )


def _whole(entries: Sequence[TimelineEntry], reason: str, label: str, probability: float) -> Unlabelled:
    return Unlabelled(entries[0].start_s, entries[-1].end_s, reason, label, probability)
