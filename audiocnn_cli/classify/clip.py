"""Classify one clip with an ensemble: a recording, or a stream while it arrives."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from audiocnn_cli.audio.decode import AudioReader
from audiocnn_cli.audio.load import mix_down, mono_blocks
from audiocnn_cli.audio.sources import Source
from audiocnn_cli.audio.streams import live_blocks, open_once
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
class _ScoredClip:
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
    with open_once(source) as reader:
        info = reader.info
        offset_s = options.excerpt.span(info)[0] / info.sample_rate
        inference = StreamingInference(ensemble.streams(options), source_rate=info.sample_rate)
        for block in mono_blocks(reader, sample_rate=info.sample_rate, excerpt=options.excerpt):
            inference.push(block)
    return _predict(_ScoredClip(source, inference.finish(), offset_s, info.duration_s), ensemble, options)


def classify_live(
    reader: AudioReader, ensemble: Ensemble, options: ClassifyOptions, *, ends_by_hand: bool = False
) -> Iterator[TimelineEntry | Prediction]:
    """Yield each segment of a stream when its last sample has arrived, then the prediction for the whole.

    Segments are those of the first model, not smoothed. A truncated stream ends where it is truncated, and
    with `ends_by_hand` a stream ends at Ctrl-C.

    Raises:
        SignalError: the stream can't be read, or is too short.
    """
    info = reader.info
    start, frames = options.excerpt.span(info)
    offset_s = start / info.sample_rate
    inference = StreamingInference(ensemble.streams(options), source_rate=info.sample_rate, batch=1)
    rule = DecisionRule(ensemble.models[0].signature, options.thresholds)
    by_gate = len(ensemble.models)
    done = 0

    def new_segments() -> Iterator[TimelineEntry]:
        nonlocal done
        first, done = done, inference.count(0)
        if done == first:
            return
        scores = inference.scores(0, first)
        mismatches: list[str | None] = [None] * len(scores)
        if ensemble.gate is not None and inference.count(by_gate):
            # The last two segments of the gate cover the new ones of the model.
            recent = inference.scores(by_gate, -2)
            mismatches = gate.mismatches(recent, rule.signature.sound_type, ensemble.gate, scores)
        yield from timeline(scores, rule, mismatches, offset_s=offset_s)

    try:
        for block in live_blocks(reader, start=start, frames=frames):
            inference.push(mix_down(block))
            yield from new_segments()
    except KeyboardInterrupt:
        if not ends_by_hand:
            raise
    except InputError as error:
        if error.kind is not FailureKind.CORRUPT:
            raise
        _log.warning("%s; the part before it is classified", error)
    scores = inference.finish()
    yield from new_segments()
    yield _predict(_ScoredClip(Source(info.path), scores, offset_s), ensemble, options)


def _predict(clip: _ScoredClip, ensemble: Ensemble, options: ClassifyOptions) -> Prediction:
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
    clip: _ScoredClip,
    signature: Signature,
    scores: ClipScores,
    options: ClassifyOptions,
    gated: tuple[SoundType, str | None, Sequence[str | None]] | None = None,
) -> Prediction:
    """`gated` is the type of sound, and why no label applies to the clip and to each segment, or None."""
    sound, mismatch, mismatches = gated or (None, None, [None] * len(scores))
    rule = DecisionRule(signature, options.thresholds)
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
