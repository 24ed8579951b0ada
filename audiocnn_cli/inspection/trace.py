"""From the file to the label: every tensor on the way, what is in it, and how long it took."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from audiocnn_cli.audio.load import WHOLE, Excerpt
from audiocnn_cli.audio.segments import Segment
from audiocnn_cli.audio.sources import Source
from audiocnn_cli.errors import FailureKind, SignalError
from audiocnn_cli.features.explain import Stage
from audiocnn_cli.inspection.batches import batches
from audiocnn_cli.inspection.layers import TracedGraph, trace_layers
from audiocnn_cli.inspection.meter import Meter
from audiocnn_cli.inspection.stages import Pipeline, TracedStage
from audiocnn_cli.models.inference import ModelStream, is_silent

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# As many as `models.inference` asks for at once.
_BATCH = 32


@dataclass(frozen=True, slots=True)
class Trace:
    """One clip's way: its stages from the file to the label, and the layers for its first segment.

    The layers' times are for one segment, with ONNX Runtime's rewriting of the graph off; the stage `model`
    has the time of the graph as it is used, for all segments.
    """

    model: str
    stages: tuple[TracedStage, ...]
    graph: TracedGraph

    @property
    def agrees(self) -> bool:
        """Whether every tensor has the shape that was predicted."""
        return all(stage.agrees for stage in self.stages) and all(
            layer.agrees for layer in self.graph.layers
        )


def trace(source: Source, listener: ModelStream, excerpt: Excerpt = WHOLE) -> Trace:
    """Follow `source` through a model.

    Raises:
        SignalError: the source can't be used.
        ModelRefusedError: the model's graph can't be looked into.
    """
    model = listener.model
    pipeline = Pipeline(source, model.signature.features, listener.segment, excerpt)
    answers = _Answers(listener)
    for batch in batches(pipeline.tensors(), _BATCH):
        answers.add(batch)
    if answers.first is None:
        raise SignalError(FailureKind.EMPTY, "holds no samples")
    tensor = answers.first[model.binding.input]
    graph = trace_layers(model.path, tensor, answers.first)
    return Trace(
        model.signature.name, (*pipeline.stages(), *answers.stages(len(graph.layers))), graph
    )


class _Answers:
    """What a model says of one segment after the other, and what it says of them all."""

    def __init__(self, listener: ModelStream) -> None:
        self._listener = listener
        self._meter = Meter()
        self._sounding: list[NDArray[np.float32]] = []
        self._silent: list[NDArray[np.float32]] = []
        self.first: dict[str, NDArray[Any]] | None = None

    def add(self, batch: "Sequence[tuple[Segment, NDArray[np.float32]]]") -> None:
        """Ask for some more segments, each with its tensor of shape (frames, bins)."""
        import numpy as np

        model = self._listener.model
        tensors = np.stack([tensor for _, tensor in batch])
        if self.first is None:
            self.first = model.feeds(tensors[:1])
        ask = partial(model.probabilities, tensors, member=self._listener.member)
        answer = self._meter.time(ask)
        self._meter.see(answer)
        for (segment, _), row in zip(batch, answer, strict=True):
            (self._silent if is_silent(segment) else self._sounding).append(row)

    def stages(self, layers: int) -> list[TracedStage]:
        """The answer for each segment, and their mean."""
        import numpy as np

        labels = len(self._listener.model.signature.labels)
        count = len(self._sounding) + len(self._silent)
        heard = self._sounding or self._silent
        mean = Meter()
        mean.see(mean.time(lambda: np.mean(heard, axis=0, dtype=np.float64)))
        asking = Stage("model", f"{layers} layers in ONNX Runtime", (count, labels), "probability")
        detail = f"over the {len(heard)} of {count} segments that sound"
        pooling = Stage("mean", detail, (labels,), "probability")
        return [
            TracedStage(stage, (meter.length, *meter.rest), meter.values, 1000 * meter.seconds)
            for stage, meter in ((asking, self._meter), (pooling, mean))
        ]
