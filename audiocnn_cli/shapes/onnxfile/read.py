"""Walk a graph from its input to its output, one step for each node that is a layer."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

from msgspec.structs import replace

from audiocnn_cli.shapes.framework import Framework
from audiocnn_cli.shapes.grammar import show_layer
from audiocnn_cli.shapes.layers.convolution import Conv, Depthwise
from audiocnn_cli.shapes.layers.merging import Merge
from audiocnn_cli.shapes.layers.pooling import Pool
from audiocnn_cli.shapes.onnxfile.absorb import is_absorbed
from audiocnn_cli.shapes.onnxfile.graph import Graph
from audiocnn_cli.shapes.onnxfile.layers import layer_of
from audiocnn_cli.shapes.onnxfile.walk import Walk, apply, as_inferred
from audiocnn_cli.shapes.sizes import Shape
from audiocnn_cli.shapes.step import Layer, MisfitError, ShapeError, Step
from audiocnn_cli.shapes.trace import Trace

if TYPE_CHECKING:
    from onnx import NodeProto

_FLOATS = frozenset({1, 10, 11, 16})  # TensorProto's FLOAT, FLOAT16, DOUBLE, BFLOAT16


@dataclass(frozen=True)
class Read:
    """The trace of a graph, the operators that are no layers with how often, and the weights in them.

    `parts` says which step (by its number) a node is, or is a part of, by the name of the first tensor that
    it makes, in the order in which they run: the last of a step makes the step's output. `channels_first`
    are the tensors whose channels are axis 1 in the file, and last in the trace.
    """

    trace: Trace
    uncounted: tuple[tuple[str, int], ...]
    uncounted_params: int
    parts: Mapping[str, int]
    channels_first: frozenset[str]


class CeilMismatchError(Exception):
    """ONNX' inference counts a window that starts in the padding; ONNX Runtime, like PyTorch, does not."""

    def __init__(self, layer: Pool, output: str, pads: tuple[int, ...]) -> None:
        super().__init__(output)
        self.layer = layer
        self.output = output
        self.pads = pads


def read_graph(graph: Graph, title: str) -> Read:
    """What `graph` holds.

    Raises:
        ShapeError: a layer does not fit its input; it carries the steps before it.
        CeilMismatchError: a pooling's inferred size is not the one it has when it runs.
    """
    walk = Walk(graph)
    for node in graph.nodes:
        _visit(node, walk)
    shape = (graph.shape(graph.inputs[0]) if graph.inputs else None) or ()
    left = sum(
        prod(tensor.dims)
        for name, tensor in graph.constants.items()
        if name not in walk.counted and tensor.data_type in _FLOATS
    )
    trace = Trace(shape, tuple(walk.steps), Framework.ONNX, title)
    uncounted = tuple(walk.uncounted.most_common())
    return Read(trace, uncounted, left, walk.parts, graph.channels_first)


def _visit(node: "NodeProto", walk: Walk) -> None:
    graph = walk.graph
    ours = node.domain in {"", "ai.onnx"} and graph.data_inputs(node)
    if not ours or graph.shape(_made_by(node)) is None:
        walk.pass_through(node)
    elif not is_absorbed(node, walk):
        layer = graph.overrides.get(node.output[0]) or layer_of(node, graph)
        if layer is None or not _take(node, layer, walk):
            walk.pass_through(node)


def _take(node: "NodeProto", layer: Layer, walk: Walk) -> bool:
    """One step for a node that is a layer; False where the shape it is given is not known."""
    graph = walk.graph
    names = graph.data_inputs(node) if isinstance(layer, Merge) else [node.input[0]]
    if names[0] in walk.pads and isinstance(layer, Conv | Depthwise | Pool):
        padding, source = walk.pads[names[0]]
        layer, names = replace(layer, padding=padding), [source]
    shapes = [shape for name in names if (shape := walk.input_shape(node, name)) is not None]
    if len(shapes) < len(names):
        return False
    number = len(walk.steps) + 1
    name = node.name or f"{layer.kind}_{number}"
    sources = tuple(walk.origin(source) for source in names)
    tensors = tuple(map(walk.given, names, shapes))
    try:
        step = apply(layer, tensors)
    except MisfitError as misfit:
        raise ShapeError(
            layer,
            number=number,
            name=name,
            misfit=misfit,
            tensor=tensors[0],
            steps=tuple(walk.steps),
        ) from misfit
    inferred = graph.shape(_made_by(node))
    if isinstance(layer, Pool) and layer.ceil and inferred != step.output:
        _require_same(node, layer, step, inferred)
    typed = replace(layer, inputs=sources[1:]) if isinstance(layer, Merge) else layer
    step = replace(
        as_inferred(step, layer, shapes[0], inferred),
        number=number,
        name=name,
        text=show_layer(typed),
        sources=sources,
    )
    walk.counted |= graph.origins(node.input)
    walk.steps.append(step)
    if node.input[0] in walk.pads:
        walk.parts[node.input[0]] = number
    walk.parts[_made_by(node)] = number
    walk.come_from(node, step)
    walk.made.update(dict.fromkeys(node.output, number))
    return True


def _made_by(node: "NodeProto") -> str:
    """The first tensor that a node makes; a recurrent one may leave out that of all time steps."""
    return next(filter(None, node.output), "")


def _require_same(node: "NodeProto", layer: Pool, step: Step, inferred: Shape | None) -> None:
    """Raise CeilMismatchError with pads that give the right size without ceil mode."""
    if inferred is None or not all(isinstance(size, int) for size in inferred):
        return
    slides = layer.sliding.over(tuple(int(size) for size in step.input[:-1]))
    befores = tuple(slide.before for slide in slides)
    afters = tuple(
        max(0, (s.output - 1) * s.stride + s.effective_kernel - s.size - s.before) for s in slides
    )
    raise CeilMismatchError(layer, node.output[0], befores + afters)
