"""Read a graph from its input to its output: one step for each node that is a layer.

Pads, activations and biases that are nodes of their own become part of the layer after or before them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

from msgspec.structs import replace
from onnx import NodeProto

from audiocnn_cli.shapes.choices import Framework
from audiocnn_cli.shapes.grammar import show_layer
from audiocnn_cli.shapes.layers.dense import Dense
from audiocnn_cli.shapes.layers.elementwise import Merge
from audiocnn_cli.shapes.layers.pooling import Pool
from audiocnn_cli.shapes.onnxfile.graph import Graph
from audiocnn_cli.shapes.onnxfile.layers import ACTIVATION_OF, layer_of, pad_of
from audiocnn_cli.shapes.onnxfile.walk import Walk, apply, as_inferred
from audiocnn_cli.shapes.sizes import Shape
from audiocnn_cli.shapes.step import Layer, MisfitError, ShapeError, Step, Tensor
from audiocnn_cli.shapes.trace import Trace
from audiocnn_cli.shapes.window import VALID, Windowed

_FLOATS = frozenset({1, 10, 11, 16})  # TensorProto's FLOAT, FLOAT16, DOUBLE, BFLOAT16
# Layers with an activation as one of their options.
_WITH_ACTIVATION = frozenset({"conv", "depthwise", "convtranspose", "dense", "batchnorm"})


@dataclass(frozen=True)
class Read:
    """The trace of a graph, its operators that are no layers with their counts, and the weights in them.

    `parts` has the number of the step that a node is, or is a part of, by the name of the node's first
    output and in execution order, so that the last one of a step has the step's output. `channels_first`
    are the tensors whose channels are axis 1 in the file, and last in the trace.
    """

    trace: Trace
    uncounted: tuple[tuple[str, int], ...]
    uncounted_params: int
    parts: Mapping[str, int]
    channels_first: frozenset[str]


class CeilMismatchError(Exception):
    """The inferred size of a pooling includes a window that starts in the padding.

    ONNX Runtime, like PyTorch, drops that window. `pads` give the right size without ceil mode.
    """

    def __init__(self, layer: Pool, output: str, pads: tuple[int, ...]) -> None:
        super().__init__(output)
        self.layer = layer
        self.output = output
        self.pads = pads


def read_graph(graph: Graph, title: str) -> Read:
    """Read the layers of `graph`.

    Raises:
        ShapeError: a layer does not fit its input; the error holds the steps before it.
        CeilMismatchError: the inferred size of a pooling differs from that at run time.
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


def _visit(node: NodeProto, walk: Walk) -> None:
    graph = walk.graph
    standard = node.domain in {"", "ai.onnx"} and graph.data_inputs(node)
    if not standard or graph.shape(_first_output(node)) is None:
        walk.pass_through(node)
    elif not _is_absorbed(node, walk):
        layer = graph.overrides.get(node.output[0]) or layer_of(node, graph)
        if layer is None or not _add_step(node, layer, walk):
            walk.pass_through(node)


def _add_step(node: NodeProto, layer: Layer, walk: Walk) -> bool:
    """Add the step of a node that is a layer; False where its input shape is unknown."""
    graph = walk.graph
    names = graph.data_inputs(node) if isinstance(layer, Merge) else [node.input[0]]
    if names[0] in walk.pads and isinstance(layer, Windowed):
        padding, source = walk.pads[names[0]]
        layer, names = replace(layer, padding=padding), [source]
    shapes = [shape for name in names if (shape := walk.input_shape(node, name)) is not None]
    if len(shapes) < len(names):
        return False
    number = len(walk.steps) + 1
    name = node.name or f"{layer.type}_{number}"
    sources = tuple(walk.origin(source) for source in names)
    tensors = tuple(map(walk.given, names, shapes))
    try:
        step = apply(layer, tensors)
    except MisfitError as misfit:
        steps = tuple(walk.steps)
        raise ShapeError(
            layer, number=number, name=name, misfit=misfit, tensor=tensors[0], steps=steps
        ) from misfit
    inferred = graph.shape(_first_output(node))
    if isinstance(layer, Pool) and layer.ceil and inferred != step.output:
        _raise_mismatch(node, layer, step, inferred)
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
    walk.parts[_first_output(node)] = number
    walk.come_from(node, step)
    walk.made.update(dict.fromkeys(node.output, number))
    return True


def _first_output(node: NodeProto) -> str:
    """The first output of a node that is used; a recurrent one may lack that of all time steps."""
    return next(filter(None, node.output), "")


def _raise_mismatch(node: NodeProto, layer: Pool, step: Step, inferred: Shape | None) -> None:
    """Raise CeilMismatchError if `inferred` is a known shape."""
    if inferred is None or not all(isinstance(size, int) for size in inferred):
        return
    slides = layer.sliding.over(tuple(int(size) for size in step.input[:-1]))
    befores = tuple(slide.before for slide in slides)
    afters = tuple(max(0, (s.output - 1) * s.stride + s.effective_kernel - s.size - s.before) for s in slides)
    raise CeilMismatchError(layer, node.output[0], befores + afters)


def _is_absorbed(node: NodeProto, walk: Walk) -> bool:
    """Absorb a pad, an activation or a bias into the layer after or before it; False for other nodes."""
    if node.op_type == "Pad":
        return _keep_for_window(node, walk)
    step = _step_before(node, walk)
    if step is None:
        return False
    if node.op_type in ACTIVATION_OF:
        return _activate(node, step, walk)
    return node.op_type == "Add" and _add_bias(node, step, walk)


def _keep_for_window(node: NodeProto, walk: Walk) -> bool:
    """Record a Pad whose only consumer is a window without padding."""
    consumer = walk.graph.only_consumer(node.output[0])
    padding = pad_of(node, walk.graph)
    if consumer is None or padding is None:
        return False
    own = layer_of(consumer, walk.graph)
    if not isinstance(own, Windowed) or own.padding != VALID:
        return False
    walk.pads[node.output[0]] = (padding, node.input[0])
    return True


def _step_before(node: NodeProto, walk: Walk) -> Step | None:
    """The last step, where `node` is the only consumer of its output and has no other input."""
    names = walk.graph.data_inputs(node)
    if len(names) != 1 or not walk.steps or walk.graph.only_consumer(names[0]) is None:
        return None
    step = walk.steps[-1]
    is_output = walk.origin(names[0]) == step.name and walk.made.get(names[0]) == step.number
    return step if is_output else None


def _activate(node: NodeProto, step: Step, walk: Walk) -> bool:
    """Absorb an activation into the layer before it."""
    if step.type not in _WITH_ACTIVATION or step.activation:
        return False
    kind = ACTIVATION_OF[node.op_type]
    walk.steps[-1] = replace(step, activation=kind, text=f"{step.text},{kind}")
    walk.come_from(node, step)
    walk.parts[node.output[0]] = step.number
    return True


def _add_bias(node: NodeProto, step: Step, walk: Walk) -> bool:
    """Absorb the addition of a vector into the matrix product before it, as its bias."""
    (bias,) = (name for name in node.input if name in walk.graph.constants)
    if step.type != "dense" or step.units is None or walk.graph.dims(bias) != (step.units,):
        return False
    if isinstance(step.input[-1], str):
        return False
    layer = Dense(units=step.units)
    with_bias = apply(layer, (Tensor((step.input[-1],), ()),))
    if step.params != with_bias.params - step.units:
        return False  # it already has a bias
    walk.counted.add(bias)
    walk.steps[-1] = replace(step, params=with_bias.params, formula=with_bias.formula, text=show_layer(layer))
    walk.come_from(node, walk.steps[-1])
    walk.made[node.output[0]] = step.number
    walk.parts[node.output[0]] = step.number
    return True
