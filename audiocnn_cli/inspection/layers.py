"""The layers of a model as ONNX Runtime runs them, beside the shapes that `audiocnn shapes` predicts.

The graph runs with every layer's tensor as an output and without ONNX Runtime's graph optimisations, which
would merge layers; so each time is that of a single layer.
"""

import json
import tempfile
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
import onnx.inliner
from numpy.typing import NDArray

from audiocnn_cli.errors import ModelRefusedError
from audiocnn_cli.inspection.meter import Meter, Values
from audiocnn_cli.models.runtime import first_line, session_options
from audiocnn_cli.shapes.onnxfile.report import read_file
from audiocnn_cli.shapes.sizes import Shape, Sizes
from audiocnn_cli.shapes.step import ShapeError, Step

_RUNS = 5
_RECURRENT = frozenset({"lstm", "gru", "rnn"})


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedLayer:
    """One layer for one segment.

    `predicted` is the shape that `audiocnn shapes` computes, channels last and without the batch; `shape` is
    that of the tensor in ONNX Runtime in the same order, `runtime_shape` in the order of the graph. `ms` is
    the mean time of a run in milliseconds. `values` is None for anything but a tensor of real numbers.
    """

    name: str
    text: str
    predicted: Shape
    shape: Sizes
    runtime_shape: Sizes
    values: Values | None
    ms: float

    @property
    def agrees(self) -> bool:
        """Whether the tensor has the predicted shape; a free size agrees with any."""
        pairs = zip(self.predicted, self.shape, strict=False)
        return len(self.predicted) == len(self.shape) and all(a == b or isinstance(a, str) for a, b in pairs)


@dataclass(frozen=True, slots=True)
class TracedGraph:
    """The layers in the order in which they run; `other_ms` is the time of the other operators."""

    layers: tuple[TracedLayer, ...]
    other_ms: float


def trace_layers(path: Path, feeds: Mapping[str, NDArray[Any]]) -> TracedGraph:
    """Run the ONNX file at `path` on `feeds`, its inputs by name, that of the features first.

    Raises:
        ModelRefusedError: the file can't be read, or its layers have no predicted shape or can't be run.
    """
    try:
        read = read_file(path, next(iter(feeds.values())).shape)
    except ShapeError as error:
        raise ModelRefusedError(
            f"{path}: its shapes can't be predicted: layer {error.number} ({error.name}): {error}"
        ) from error
    tensors = {number: name for name, number in read.parts.items()}  # the last node of each step
    arrays, times = _run(path, feeds, tuple(tensors.values()))
    spent: dict[int, float] = defaultdict(float)
    for name, ms in times.items():
        spent[read.parts.get(name, 0)] += ms
    layers = []
    for step in read.trace.steps:
        name = tensors[step.number]
        shape: Sizes = tuple(getattr(arrays[name], "shape", ()))
        meter = Meter()
        meter.add(arrays[name])
        layer = TracedLayer(
            name=step.name,
            text=step.text,
            predicted=step.output,
            shape=_channels_last(shape, step, channels_first=name in read.channels_first),
            runtime_shape=shape,
            values=meter.values,
            ms=spent[step.number],
        )
        layers.append(layer)
    return TracedGraph(tuple(layers), spent[0])


def _channels_last(shape: Sizes, step: Step, *, channels_first: bool) -> Sizes:
    """A shape of ONNX Runtime in our order: channels last, without the batch."""
    if step.type in _RECURRENT and len(shape) in {3, 4}:  # ([time,] directions, batch, units)
        *time, directions, _, units = shape
        return (*(time if step.return_sequences else ()), directions * units)
    # An axis of the batch into which an operator puts others stays: for one segment it holds these alone.
    merged = shape[:1] if len(step.output) == len(shape) else ()
    if channels_first and len(shape) > 2:
        return (*merged, *shape[2:], shape[1])
    return (*merged, *shape[1:])


def _run(
    path: Path, feeds: Mapping[str, NDArray[Any]], names: tuple[str, ...]
) -> tuple[dict[str, Any], dict[str, float]]:
    """The named tensors, and the milliseconds of each node under the name of its first output."""
    import onnxruntime

    model, nodes = _with_outputs(path, names)
    options = session_options()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.enable_profiling = True
    with tempfile.TemporaryDirectory(prefix="audiocnn-trace-") as folder:
        options.profile_file_prefix = str(Path(folder) / "profile")
        try:
            content = model.SerializeToString()
            session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
            for _ in range(_RUNS):
                arrays = session.run(list(names), dict(feeds))
            profile = json.loads(Path(session.end_profiling()).read_text())
        except Exception as error:  # neither library's exceptions share a root
            reason = first_line(error)
            raise ModelRefusedError(f"{path}: its layers can't be run one by one ({reason})") from error
    # For an empty list of names ONNX Runtime returns all outputs.
    return dict(zip(names, arrays, strict=False)), _times(profile, nodes)


def _with_outputs(path: Path, names: tuple[str, ...]) -> tuple[onnx.ModelProto, dict[str, str]]:
    """The model with the named tensors as outputs, and for the name of each node its first output."""
    try:
        model = onnx.load(path)
    except Exception as error:  # missing or wrong files of external weights
        raise ModelRefusedError(f"{path}: can't be read ({first_line(error)})") from error
    if model.functions:
        model = onnx.inliner.inline_local_functions(model)
    nodes: dict[str, str] = {}
    for number, node in enumerate(model.graph.node):
        node.name = f"n{number}"
        nodes[node.name] = next(filter(None, node.output), "")
    outputs = {output.name for output in model.graph.output}
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names if name not in outputs)
    return model, nodes


def _times(profile: list[dict[str, Any]], nodes: dict[str, str]) -> dict[str, float]:
    """Mean milliseconds of each node, without the first run, which also allocates memory."""
    durations: dict[str, list[int]] = defaultdict(list)
    for event in profile:
        name = str(event.get("name", "")).removesuffix("_kernel_time")
        if event.get("cat") == "Node" and name in nodes and str(event["name"]) != name:
            durations[nodes[name]].append(int(event["dur"]))
    return {name: sum(each[1:]) / 1000 / max(1, len(each) - 1) for name, each in durations.items()}
