"""Classify one clip with an ensemble: a recording, or a stream while it arrives."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from audiocnn_cli.audio.decode import AudioReader, open_audio
from audiocnn_cli.audio.load import mix_down, mono_blocks
from audiocnn_cli.audio.sources import Source
from audiocnn_cli.classify import gate
from audiocnn_cli.classify.ensemble import Ensemble, mean_scores, mean_signature
from audiocnn_cli.classify.options import DEFAULTS, ClassifyOptions
from audiocnn_cli.classify.prediction import Prediction, SoundType, TimelineEntry
from audiocnn_cli.classify.timeline import DecisionRule, events, timeline
from audiocnn_cli.errors import FailureKind, InputError
from audiocnn_cli.models.inference import StreamingInference
from audiocnn_cli.models.scores import ClipScores, smooth
from audiocnn_cli.models.signature import Signature

_log = logging.getLogger("audiocnn")


@dataclass(frozen=True, slots=True)
class ScoredClip:
    """Scores of a source by each stream of an ensemble, in the order of `Ensemble.streams`.

    The clip starts at `offset_s` of a recording of `recording_s` seconds (0 if that is not known).
    """

    source: Source
    scores: tuple[ClipScores, ...]
    offset_s: float = 0.0
    recording_s: float = 0.0


def classify(source: Source, ensemble: Ensemble, options: ClassifyOptions = DEFAULTS) -> Prediction:
    """Label `source` by the mean probabilities of its segments; of equal ones the first label is taken.

    Raises:
        SignalError: the source can't be read, or is too short.
    """
    with open_audio(source) as reader:
        info = reader.info
        offset_s = options.excerpt.span(info)[0] / info.sample_rate
        inference = StreamingInference(ensemble.streams(options), source_rate=info.sample_rate)
        for block in mono_blocks(reader, sample_rate=info.sample_rate, excerpt=options.excerpt):
            inference.push(block)
    clip = ScoredClip(source, inference.finish(), offset_s, info.duration_s)
    return predict(clip, ensemble, options)


def classify_live(
    reader: AudioReader, ensemble: Ensemble, options: ClassifyOptions, *, ends_by_hand: bool = False
) -> Iterator[TimelineEntry | Prediction]:
    """Yield each segment of a stream when its last sample has arrived, then the prediction for the whole.

    Segments are those of the first model, not smoothed. A truncated stream ends where it is truncated, and
    with `ends_by_hand` a stream ends at Ctrl-C.

    Raises:
        SignalError: the stream can't be read, or is too short.
    """
    from audiocnn_cli.audio.streams import live_blocks

    info = reader.info
    start, frames = options.excerpt.span(info)
    inference = StreamingInference(ensemble.streams(options), source_rate=info.sample_rate, batch=1)
    segments = _LiveSegments(inference, ensemble, options, start / info.sample_rate)
    try:
        for block in live_blocks(reader, start=start, frames=frames):
            inference.push(mix_down(block))
            yield from segments.new()
    except KeyboardInterrupt:
        if not ends_by_hand:
            raise
    except InputError as error:
        if error.kind is not FailureKind.CORRUPT:
            raise
        _log.warning("%s; the part before it is classified", error)
    scores = inference.finish()
    yield from segments.new()
    clip = ScoredClip(Source(info.path), scores, start / info.sample_rate)
    yield predict(clip, ensemble, options)


class _LiveSegments:
    """The timeline of a stream, a few segments at a time."""

    def __init__(
        self, inference: StreamingInference, ensemble: Ensemble, options: ClassifyOptions, offset_s: float
    ) -> None:
        self._inference = inference
        self._ensemble = ensemble
        self._rule = DecisionRule.of(ensemble.models[0].signature, options.thresholds)
        self._offset_s = offset_s
        self._done = 0

    def new(self) -> Iterator[TimelineEntry]:
        """The segments since the last call."""
        done, self._done = self._done, self._inference.count(0)
        if self._done > done:
            scores = self._inference.scores(0, done)
            mismatches = self._mismatches(scores)
            yield from timeline(scores, self._rule, mismatches, offset_s=self._offset_s)

    def _mismatches(self, scores: ClipScores) -> list[str | None]:
        model, stream = self._ensemble.gate, len(self._ensemble.models)
        if model is None or not self._inference.count(stream):
            return [None] * len(scores)
        # The last two segments of the gate cover the new ones of the model.
        recent = self._inference.scores(stream, -2)
        return gate.mismatches(recent, self._rule.signature.sound_type, model, scores)


def predict(clip: ScoredClip, ensemble: Ensemble, options: ClassifyOptions) -> Prediction:
    """The prediction for a clip that all models of `ensemble` have scored."""
    signatures: list[Signature] = [model.signature for model in ensemble.models]
    scores = clip.scores[: len(signatures)]
    if ensemble.gate is None:
        mean = mean_scores(signatures, scores)
        return _prediction(clip, mean_signature(signatures), mean, options)
    by_gate = clip.scores[-1]
    sound = gate.sound_type(by_gate, ensemble.gate)
    if ensemble.auto:
        sure = gate.is_sure(sound, ensemble.gate)
        selected = [i for i, each in enumerate(signatures) if each.sound_type == sound.name]
        if not (sure and selected):
            reason = f"this is {sound.name}, for which auto has no model" if sure else gate.UNCLEAR
            gated = (sound, reason, [reason] * len(by_gate))
            return _prediction(clip, ensemble.gate.signature, by_gate, options, gated)
        signatures, scores = [signatures[selected[0]]], (scores[selected[0]],)
    signature, mean = mean_signature(signatures), mean_scores(signatures, scores)
    expected = signature.sound_type
    mismatch = gate.mismatch(sound, expected, ensemble.gate)
    mismatches = gate.mismatches(by_gate, expected, ensemble.gate, mean)
    return _prediction(clip, signature, mean, options, (sound, mismatch, mismatches))


def _prediction(
    clip: ScoredClip,
    signature: Signature,
    scores: ClipScores,
    options: ClassifyOptions,
    gated: tuple[SoundType, str | None, Sequence[str | None]] | None = None,
) -> Prediction:
    """`gated` is the type of sound, and why no label applies to the clip and to each segment, or None."""
    sound, mismatch, mismatches = gated or (None, None, [None] * len(scores))
    rule = DecisionRule.of(signature, options.thresholds)
    labels, reason = rule.decide(scores.mean, silent=scores.is_silent, mismatch=mismatch)
    ranked = sorted(rule.candidates(scores.mean), key=lambda candidate: -candidate.probability)
    smoothed = smooth(scores, options.smooth_s)
    entries = timeline(smoothed, rule, mismatches, offset_s=clip.offset_s)
    duration_s = scores.n_samples / scores.sample_rate
    return Prediction(
        path=clip.source.path,
        name=clip.source.name,
        model=signature.name,
        labels=labels,
        reason=reason,
        top=tuple(ranked[: options.top]),
        timeline=entries,
        events=events(smoothed, entries, offset_s=clip.offset_s, shortest_s=options.min_event_s),
        duration_s=duration_s,
        recording_s=max(clip.recording_s, clip.offset_s + duration_s),
        rest=scores.tail,
        rest_s=scores.tail_samples / scores.sample_rate,
        highest_hz=signature.features.effective_fmax,
        sound_type=sound,
    )
