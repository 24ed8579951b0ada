"""Trace of a clip from the file to the label: every tensor, its values, and the time of each stage."""

from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiocnn_cli.audio.load import WHOLE, Excerpt
from audiocnn_cli.audio.sources import Source
from audiocnn_cli.errors import FailureKind, SignalError
from audiocnn_cli.features.explain import Stage
from audiocnn_cli.inspection.layers import TracedGraph, trace_layers
from audiocnn_cli.inspection.meter import Meter
from audiocnn_cli.inspection.stages import Pipeline, TracedStage
from audiocnn_cli.models.inference import ModelStream, is_silent
from audiocnn_cli.models.scores import mean_over_segments

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
        return all(stage.agrees for stage in self.stages) and all(layer.agrees for layer in self.graph.layers)


def trace(source: Source, stream: ModelStream, excerpt: Excerpt = WHOLE) -> Trace:
    """Measure every stage of running a model on `source`.

    Raises:
        SignalError: the source can't be read, or is empty.
        ModelRefusedError: the layers can't be run one by one.
    """
    model = stream.model
    pipeline = Pipeline(source, model.signature.features, stream.segment, excerpt)
    scoring, pooling = Meter(), Meter()
    feeds: dict[str, NDArray[Any]] = {}
    rows, silent = [], []
    segments = pipeline.tensors()
    while batch := list(islice(segments, _BATCH)):
        tensors = np.stack([tensor for _, tensor in batch])
        feeds = feeds or model.feeds(tensors[:1])
        rows.append(scoring.measure(partial(model.scores, tensors, member=stream.member)))
        silent += [is_silent(segment) for segment, _ in batch]
    if not rows:
        raise SignalError(FailureKind.EMPTY, "holds no samples")
    pooling.measure(partial(mean_over_segments, np.concatenate(rows), np.array(silent)))
    graph = trace_layers(model.path, feeds)
    used = len(silent) if all(silent) else silent.count(False)
    labels = len(model.signature.labels)
    stages = (
        *pipeline.stages(),
        _stage("model", f"{len(graph.layers)} layers in ONNX Runtime", (len(silent), labels), scoring),
        _stage("mean", f"over the {used} of {len(silent)} segments that are not silent", (labels,), pooling),
    )
    return Trace(model.signature.name, stages, graph)


def _stage(name: str, detail: str, shape: tuple[int, ...], meter: Meter) -> TracedStage:
    stage = Stage(name, detail, shape, "probability")
    real = (meter.length, *meter.rest)
    return TracedStage(stage, real, meter.values, 1000 * meter.seconds)
