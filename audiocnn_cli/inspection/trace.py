"""Trace of a clip from the file to the label: every tensor, its values, and the time of each stage."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from audiocnn_cli.audio.load import WHOLE, Excerpt
from audiocnn_cli.audio.segments import Segment
from audiocnn_cli.audio.sources import Source
from audiocnn_cli.errors import FailureKind, SignalError
from audiocnn_cli.features.explain import Stage
from audiocnn_cli.inspection.layers import TracedGraph, trace_layers
from audiocnn_cli.inspection.meter import Meter
from audiocnn_cli.inspection.stages import Pipeline, TracedStage
from audiocnn_cli.models.inference import ModelStream, is_silent
from audiocnn_cli.models.session import Model

_BATCH = 32


@dataclass(frozen=True, slots=True)
class Trace:
    """The stages from the file to the label, and the layers for the first segment.

    The times of layers are for one segment without ONNX Runtime's graph optimisations; the stage `model` has
    the time of the optimised graph for all segments.
    """

    model: str
    stages: tuple[TracedStage, ...]
    graph: TracedGraph

    @property
    def agrees(self) -> bool:
        """Whether every tensor has the predicted shape."""
        return all(stage.agrees for stage in self.stages) and all(
            layer.agrees for layer in self.graph.layers
        )


def trace(source: Source, stream: ModelStream, excerpt: Excerpt = WHOLE) -> Trace:
    """Measure every stage of running a model on `source`.

    Raises:
        SignalError: the source can't be read, or is empty.
        ModelRefusedError: the layers can't be run one by one.
    """
    model = stream.model
    pipeline = Pipeline(source, model.signature.features, stream.segment, excerpt)
    scoring = _Scoring(stream)
    tensors = pipeline.tensors()
    while batch := list(islice(tensors, _BATCH)):
        scoring.add(batch)
    if scoring.feeds is None:
        raise SignalError(FailureKind.EMPTY, "holds no samples")
    graph = trace_layers(model.path, scoring.feeds)
    stages = (*pipeline.stages(), *scoring.stages(len(graph.layers)))
    return Trace(model.signature.name, stages, graph)


class _Scoring:
    """The last two stages: probabilities of the segments, and their mean.

    `feeds` are the inputs of the graph for the first segment, by name.
    """

    def __init__(self, stream: ModelStream) -> None:
        self._stream = stream
        self._meter = Meter()
        self._sounding: list[NDArray[np.float32]] = []
        self._silent: list[NDArray[np.float32]] = []
        self.feeds: dict[str, NDArray[np.float32]] | None = None

    def add(self, batch: Sequence[tuple[Segment, NDArray[np.float32]]]) -> None:
        """Run the model on some segments, each with its tensor of shape (frames, bins)."""
        model = self._stream.model
        tensors = np.stack([tensor for _, tensor in batch])
        if self.feeds is None:
            self.feeds = _feeds(model, tensors[:1])
        run = partial(model.probabilities, tensors, member=self._stream.member)
        rows = self._meter.time(run)
        self._meter.add(rows)
        for (segment, _), row in zip(batch, rows, strict=True):
            (self._silent if is_silent(segment) else self._sounding).append(row)

    def stages(self, layers: int) -> list[TracedStage]:
        """The probabilities of each segment, and their mean."""
        labels = len(self._stream.model.signature.labels)
        count = len(self._sounding) + len(self._silent)
        used = self._sounding or self._silent
        mean = Meter()
        mean.add(mean.time(lambda: np.mean(used, axis=0, dtype=np.float64)))
        model = Stage("model", f"{layers} layers in ONNX Runtime", (count, labels), "probability")
        detail = f"over the {len(used)} of {count} segments that are not silent"
        pooling = Stage("mean", detail, (labels,), "probability")
        return [
            TracedStage(stage, (meter.length, *meter.rest), meter.values, 1000 * meter.seconds)
            for stage, meter in ((model, self._meter), (pooling, mean))
        ]


def _feeds(model: Model, tensors: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    """The graph's input for tensors (segments, frames, bins), by its name."""
    name = model.session.get_inputs()[0].name
    return {name: tensors.reshape(len(tensors), *model.contract.input_shape)}
