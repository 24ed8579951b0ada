"""Classify a recording by the model for its type of sound, opening only the models that are needed."""

from dataclasses import replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from audiocnn_cli.audio.sources import STDIN, Source
from audiocnn_cli.classify import gate
from audiocnn_cli.classify.ensemble import AutoModels
from audiocnn_cli.classify.options import ClassifyOptions
from audiocnn_cli.classify.prediction import Prediction
from audiocnn_cli.classify.scored import Clip, GateResult, Sink, prediction_of, push_all
from audiocnn_cli.models.inference import ModelStream, StreamingInference
from audiocnn_cli.models.scores import ClipScores

# By so many segments the gate decides which model is run while the rest is decoded: one batch.
_FIRST_SEGMENTS = 8


def classify_auto(source: Source, auto: AutoModels, options: ClassifyOptions) -> Prediction:
    """Label `source` by the model for its type of sound.

    The source is decoded once; a second time only if its first segments are of another type than the whole.
    Standard input, which can't be read twice, is scored by the models of all types.

    Raises:
        SignalError: the source can't be read, or is too short.
    """
    run_of = _AllTypes if source.path == STDIN else _LikelyType

    def begin(source_rate: int) -> _Run:
        return run_of(auto, options, source_rate)

    clip, run = push_all(source, options, begin)
    by_gate = run.finish()
    wanted = labelled_as(by_gate, auto, options)
    scores = run.scores(wanted)
    if scores is None:
        stream = auto.stream(wanted, options)
        _, again = push_all(source, options, lambda rate: StreamingInference([stream], source_rate=rate))
        (scores,) = again.finish()
    return predict_auto(clip, by_gate, scores, auto, options)


def labelled_as(by_gate: ClipScores, auto: AutoModels, options: ClassifyOptions) -> str | None:
    """The type of sound whose model labels a clip; None if that is the gate itself, as for silence."""
    silent = by_gate.is_silent and not options.thresholds.never_abstains
    return None if silent else auto.type_with_model(gate.sound_type(by_gate, auto.gate).name)


def predict_auto(
    clip: Clip, by_gate: ClipScores, scores: ClipScores, auto: AutoModels, options: ClassifyOptions
) -> Prediction:
    """The prediction for a clip from the scores of the gate, and of the model that labels the clip.

    Where the gate is not sure of the type, the labels of the most probable type's model are uncertain too.
    """
    sound = gate.sound_type(by_gate, auto.gate)
    wanted = labelled_as(by_gate, auto, options)
    signature = auto.signature(wanted)
    gated = GateResult(sound, None, [None] * len(scores))
    if wanted is not None:
        doubt = gate.doubt(sound, auto.gate)
        types = gate.types_of(by_gate, auto.gate, scores)
        reasons = [gate.reason_against(each, wanted, auto.gate, doubt) for each in types]
        gated = GateResult(sound, doubt, reasons)
    # Without thresholds of labels that only models of other types have.
    own = replace(options, thresholds=options.thresholds.known_to(signature))
    return prediction_of(clip, signature, scores, own, gated)


class _Run(Sink, Protocol):
    """The gate and models of some types, run over one clip."""

    def finish(self) -> ClipScores:
        """The scores of the gate."""

    def scores(self, wanted: str | None) -> ClipScores | None:
        """The scores of the model for that type; None if it was not run."""


class _LikelyType:
    """Runs the gate over a clip, and the model for the type that its first segments are of.

    Samples are kept until those segments have scores, then they are pushed to the model. The type is checked
    again after twice as many segments each time; once it is another one the model is given up.
    """

    def __init__(self, auto: AutoModels, options: ClassifyOptions, source_rate: int) -> None:
        self._auto, self._options, self._source_rate = auto, options, source_rate
        by_gate = ModelStream(auto.gate, sparse=not options.parts)
        self._gate = StreamingInference([by_gate], source_rate=source_rate)
        self._check_at = _FIRST_SEGMENTS
        self._kept: list[NDArray[np.float32]] | None = []
        self._type: str | None = None
        self._model: StreamingInference | None = None

    def push(self, block: NDArray[np.float32]) -> None:
        self._gate.push(block)
        if self._model is not None:
            self._model.push(block)
        elif self._kept is not None:
            self._kept.append(block)
        if self._gate.complete(0) >= self._check_at:
            self._check_at *= 2
            self._gate.settle()
            self._check(self._gate.scores(0))

    def finish(self) -> ClipScores:
        """The scores of the gate."""
        (by_gate,) = self._gate.finish()
        self._check(by_gate)
        return by_gate

    def scores(self, wanted: str | None) -> ClipScores | None:
        """The scores of the model for that type; None if another one was run."""
        if self._model is None or self._type != wanted:
            return None
        (scores,) = self._model.finish()
        return scores

    def _check(self, by_gate: ClipScores) -> None:
        """Begin with the model of the most probable type, or give up one of another type."""
        found = labelled_as(by_gate, self._auto, self._options)
        if self._kept is not None:
            self._begin(found, self._kept)
            self._kept = None
        elif found != self._type:
            self._model = None

    def _begin(self, found: str | None, kept: list[NDArray[np.float32]]) -> None:
        self._type = found
        stream = self._auto.stream(found, self._options)
        self._model = StreamingInference([stream], source_rate=self._source_rate)
        for block in kept:
            self._model.push(block)


class _AllTypes:
    """Runs the models of all types over a clip."""

    def __init__(self, auto: AutoModels, options: ClassifyOptions, source_rate: int) -> None:
        self._types = auto.types
        self._inference = StreamingInference(auto.streams(options), source_rate=source_rate)
        self._found: tuple[ClipScores, ...] = ()

    def push(self, block: NDArray[np.float32]) -> None:
        self._inference.push(block)

    def finish(self) -> ClipScores:
        """The scores of the gate."""
        self._found = self._inference.finish()
        return self._found[-1]

    def scores(self, wanted: str | None) -> ClipScores:
        """The scores of the model for that type."""
        return self._found[self._types.index(wanted)]
