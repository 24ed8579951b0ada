"""Label sound while it arrives: a segment as soon as its last sample is there, then the whole."""

import logging
from collections.abc import Iterator

from audiocnn_cli.audio.decode import AudioReader
from audiocnn_cli.audio.load import mix_down
from audiocnn_cli.audio.segments import TailHandling
from audiocnn_cli.audio.sources import Source
from audiocnn_cli.audio.streams import live_blocks
from audiocnn_cli.classify import gate
from audiocnn_cli.classify.clip import Heard, predict
from audiocnn_cli.classify.ensemble import Ensemble
from audiocnn_cli.classify.grid import Grid, grid_of
from audiocnn_cli.classify.options import ClassifyOptions
from audiocnn_cli.classify.prediction import Prediction, TimelineEntry
from audiocnn_cli.classify.timeline import Clock, Rules, timeline
from audiocnn_cli.errors import FailureKind, InputError
from audiocnn_cli.models.inference import (
    ClipProbabilities,
    SegmentProbabilities,
    StreamingInference,
)

_log = logging.getLogger("audiocnn")


def classify_live(
    reader: AudioReader, ensemble: Ensemble, options: ClassifyOptions, *, ends_by_hand: bool = False
) -> Iterator[TimelineEntry | Prediction]:
    """Yield the segments of a stream as they are heard, and at its end what `classify` would say of it.

    Segments come from the first model of the ensemble, not smoothed. A stream that breaks off ends there,
    and so does one that `ends_by_hand` at Ctrl-C.

    Raises:
        SignalError: the stream can't be used, or was too short.
    """
    start, frames = options.excerpt.span(reader.info)
    clock = Clock(
        ensemble.models[0].signature.features.sample_rate, start / reader.info.sample_rate
    )
    hearing = StreamingInference(
        ensemble.listeners(options), source_rate=reader.info.sample_rate, batch=1
    )
    segments = _Segments(hearing, ensemble, options, clock)
    try:
        for block in live_blocks(reader, start=start, frames=frames):
            hearing.push(mix_down(block))
            yield from segments.new()
    except KeyboardInterrupt:
        if not ends_by_hand:
            raise
    except InputError as error:
        if error.kind is not FailureKind.CORRUPT:
            raise
        _log.warning("%s; what was heard before is labelled", error)
    clips = hearing.finish()
    yield from segments.new()
    source = Source(reader.info.path)
    yield predict(Heard(source, clips, clock.start_s), ensemble, options)


class _Segments:
    """The segments that were answered since they were last asked for."""

    def __init__(
        self,
        hearing: StreamingInference,
        ensemble: Ensemble,
        options: ClassifyOptions,
        clock: Clock,
    ) -> None:
        self._hearing = hearing
        self._gate = ensemble.gate
        self._place_of_gate = len(ensemble.models)
        self._signature = ensemble.models[0].signature
        self._rules = Rules.of(self._signature, options.thresholds)
        self._clock = clock
        self._given = 0

    def new(self) -> Iterator[TimelineEntry]:
        answers = self._hearing.answers(0)
        fresh, self._given = answers[self._given :], len(answers)
        if fresh:
            grid = grid_of(_clip(fresh), self._clock.rate)
            yield from timeline(grid, self._rules, self._clock, self._objections(grid))

    def _objections(self, grid: Grid) -> list[str | None]:
        said = self._hearing.answers(self._place_of_gate) if self._gate else []
        if self._gate is None or not said:
            return [None] * len(grid.starts)
        # The last two segments of the gate lie around the new ones of the model.
        heard = _clip(said[-2:])
        return gate.objections(heard, self._signature.sound_type, self._gate, grid)


def _clip(segments: list[SegmentProbabilities]) -> ClipProbabilities:
    end = segments[-1].start + segments[-1].valid
    return ClipProbabilities(end, tuple(segments), TailHandling.NONE, 0)
