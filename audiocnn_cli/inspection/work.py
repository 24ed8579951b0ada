"""Inspection as a batch task: classify a clip, then trace it and search for what its label rests on."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Self

from audiocnn_cli.audio.sources import STDIN, Source
from audiocnn_cli.classify.clip import classify
from audiocnn_cli.classify.ensemble import AutoModels, Ensemble
from audiocnn_cli.classify.options import ClassifyOptions
from audiocnn_cli.classify.prediction import Prediction
from audiocnn_cli.classify.work import Classification
from audiocnn_cli.errors import UsageError
from audiocnn_cli.features.extract import DECODE_AND_EXTRACT
from audiocnn_cli.inspection.occlusion import Why, explain_label
from audiocnn_cli.inspection.trace import Trace, trace
from audiocnn_cli.models.inference import ModelStream
from audiocnn_cli.models.signature import Kind


@dataclass(frozen=True, slots=True)
class Inspected:
    """The prediction for a clip, its trace and its occlusion map if they were requested."""

    prediction: Prediction
    trace: Trace | None = None
    why: Why | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """The batch task: classify each input, then trace it and search for what its label rests on."""

    classification: Classification
    trace: bool = False
    why: bool = False
    modules: ClassVar[tuple[str, ...]] = DECODE_AND_EXTRACT

    @property
    def files(self) -> tuple[Path, ...]:
        """Those of the classification."""
        return self.classification.files

    def with_files(self, moved: Mapping[Path, Path]) -> Self:
        """The same task with its files read from other paths."""
        return replace(self, classification=self.classification.with_files(moved))

    def prepare(self) -> Callable[[Source], Inspected]:
        """Open the models and return the function that inspects one input.

        Raises:
            ModelRefusedError, UsageError: as `Classification.opened`, or the mean of several models.
        """
        work = self.classification
        if len(work.models) > 1 and not work.auto:
            raise UsageError("`trace`, `why` and `report` inspect one model: leave out `ensemble`")
        models, excerpt = work.opened(), work.options.excerpt
        if isinstance(models, Ensemble) and models.signature.kind is Kind.REGRESSION:
            raise UsageError(
                f"`trace`, `why` and `report` inspect a label: {models.signature.name} gives a value; leave"
                " them out"
            )

        def inspect(source: Source) -> Inspected:
            require_seekable(streamed=source.path == STDIN)
            prediction = classify(source, models, work.options)
            stream = stream_of(prediction, models, work.options)
            traced = trace(source, stream, excerpt) if self.trace else None
            label = prediction.top[0].label
            return Inspected(
                prediction, traced, explain_label(source, stream, label, excerpt) if self.why else None
            )

        return inspect


def require_seekable(*, streamed: bool) -> None:
    """Refuse a stream: inspection reads the recording several times.

    Raises:
        UsageError: it is a stream.
    """
    if streamed:
        raise UsageError(
            "`trace`, `why` and `report` read a recording several times: write the stream to a file first"
        )


def stream_of(prediction: Prediction, models: Ensemble | AutoModels, options: ClassifyOptions) -> ModelStream:
    """The model that made the prediction, with its segments."""
    if isinstance(models, Ensemble):
        return models.streams(options)[0]
    sound = prediction.sound_type
    if sound is None or prediction.model == models.gate.signature.name:
        return models.stream(None, options)
    return models.stream(sound.name, options)
