"""Label a stream while it arrives: each segment when its last sample is there, then the whole."""

import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from audiocnn_cli.audio.decode import AudioReader
from audiocnn_cli.audio.load import mix_down
from audiocnn_cli.audio.sources import Source
from audiocnn_cli.audio.streams import live_blocks
from audiocnn_cli.classify import gate
from audiocnn_cli.classify.auto import labelled_as, predict_auto
from audiocnn_cli.classify.clip import predict
from audiocnn_cli.classify.ensemble import AutoModels, Ensemble
from audiocnn_cli.classify.options import ClassifyOptions
from audiocnn_cli.classify.prediction import Prediction, TimelineEntry
from audiocnn_cli.classify.scored import Clip
from audiocnn_cli.classify.timeline import DecisionRule, timeline
from audiocnn_cli.errors import FailureKind, InputError
from audiocnn_cli.models.inference import StreamingInference

_log = logging.getLogger("audiocnn")


class LiveSegment(NamedTuple):
    """A segment that has just been labelled, and the name of the model."""

    model: str
    entry: TimelineEntry


def classify_live(
    reader: AudioReader,
    models: Ensemble | AutoModels,
    options: ClassifyOptions,
    *,
    ends_by_hand: bool = False,
) -> Iterator[LiveSegment | Prediction]:
    """Yield each segment of a stream when its last sample has arrived, then the prediction for the whole.

    Segments are not smoothed. Those of an ensemble are those of its first model. With `AutoModels` all models
    run, and each segment of sound is yielded by the model for its type. A truncated stream ends where it is
    truncated, and with `ends_by_hand` a stream ends at Ctrl-C.

    Raises:
        SignalError: the stream can't be read, or is too short.
    """
    info = reader.info
    start, frames = options.excerpt.span(info)
    clip = Clip(Source(info.path), start / info.sample_rate)
    inference = StreamingInference(models.streams(options), source_rate=info.sample_rate, batch=1)
    segments: _EnsembleSegments | _AutoSegments
    if isinstance(models, Ensemble):
        segments = _EnsembleSegments(models, options, inference, clip.offset_s)
    else:
        segments = _AutoSegments(models, options, inference, clip.offset_s)
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
    yield from segments.rest()
    if isinstance(models, Ensemble):
        yield predict(clip, scores, models, options)
    else:
        wanted = models.types.index(labelled_as(scores[-1], models, options))
        yield predict_auto(clip, scores[-1], scores[wanted], models, options)


class _EnsembleSegments:
    """The new segments of a stream, labelled by the first model of an ensemble."""

    def __init__(
        self, models: Ensemble, options: ClassifyOptions, inference: StreamingInference, offset_s: float
    ) -> None:
        self._gate, self._by_gate = models.gate, len(models.models)
        self._inference, self._offset_s = inference, offset_s
        self._rule = DecisionRule(models.models[0].signature, options.thresholds)
        self._done = 0

    def new(self) -> Iterator[LiveSegment]:
        """Those whose last sample has arrived since the last call."""
        first, self._done = self._done, self._inference.count(0)
        if self._done == first:
            return
        scores, signature = self._inference.scores(0, first), self._rule.signature
        reasons: list[str | None] = [None] * len(scores)
        if self._gate is not None and self._inference.count(self._by_gate):
            # The last two segments of the gate cover the new ones of the model.
            recent = self._inference.scores(self._by_gate, -2)
            reasons = gate.mismatches(recent, signature.sound_type, self._gate, scores)
        for entry in timeline(scores, self._rule, reasons, offset_s=self._offset_s):
            yield LiveSegment(signature.name, entry)

    rest = new


@dataclass(slots=True)
class _Track:
    """The segments of the model for one type of sound, or None: those from `done` on are new.

    `reach` is the number of the gate's last segments that cover a new one.
    """

    stream: int
    sound: str | None
    rule: DecisionRule
    reach: int
    done: int = 0


class _AutoSegments:
    """The new segments of a stream, each labelled by the model for its type of sound."""

    def __init__(
        self, models: AutoModels, options: ClassifyOptions, inference: StreamingInference, offset_s: float
    ) -> None:
        self._models, self._inference, self._offset_s = models, inference, offset_s
        own = models.gate.signature
        hop_s = own.segment.hop / own.features.sample_rate
        self._tracks = []
        for stream, sound in enumerate(models.types):
            signature = models.signature(sound)
            rule = DecisionRule(signature, options.thresholds.known_to(signature))
            self._tracks.append(_Track(stream, sound, rule, 2 + math.ceil(signature.segment_s / hop_s)))

    def new(self) -> list[LiveSegment]:
        """Those whose last sample has arrived and whose type is known, in the order of their ends."""
        return self._of_all_tracks(ended=False)

    def rest(self) -> list[LiveSegment]:
        """Those that are left when the stream has ended."""
        return self._of_all_tracks(ended=True)

    def _of_all_tracks(self, *, ended: bool) -> list[LiveSegment]:
        if not self._inference.count(len(self._tracks)):
            return []
        found = [segment for track in self._tracks for segment in self._of(track, ended=ended)]
        return sorted(found, key=lambda segment: segment.entry.end_s)

    def _of(self, track: _Track, *, ended: bool) -> Iterator[LiveSegment]:
        if self._inference.count(track.stream) == track.done:
            return
        scores = self._inference.scores(track.stream, track.done)
        by_gate = self._inference.scores(len(self._tracks), -track.reach)
        types = gate.types_of(by_gate, self._models.gate, scores)
        doubts = [gate.doubt(sound, self._models.gate) if track.sound else None for sound in types]
        entries = timeline(scores, track.rule, doubts, offset_s=self._offset_s)
        known_s = self._offset_s + float(by_gate.ends_s[-1])
        for sound, entry in zip(types, entries, strict=True):
            if not ended and (entry.start_s + entry.end_s) / 2 > known_s:
                return
            track.done += 1
            if self._models.type_with_model(sound.name) == track.sound:
                yield LiveSegment(track.rule.signature.name, entry)
