"""Walk a graph from its input to its output, one step for each node that is a layer."""

from collections import Counter
from dataclasses import dataclass, field, replace
from math import prod
from typing import TYPE_CHECKING

from audiocnn_cli.shapes.field import Field, input_field
from audiocnn_cli.shapes.framework import Framework
from audiocnn_cli.shapes.grammar import show_layer
from audiocnn_cli.shapes.layers.convolution import Conv, Depthwise
from audiocnn_cli.shapes.layers.dense import Dense, Recurrent
from audiocnn_cli.shapes.layers.merging import Merge
from audiocnn_cli.shapes.layers.pointwise import Activation
from audiocnn_cli.shapes.layers.pooling import Pool
from audiocnn_cli.shapes.onnxfile.graph import Graph
from audiocnn_cli.shapes.onnxfile.layers import ACTIVATION_OF, layer_of, pad_of
from audiocnn_cli.shapes.sizes import Shape, Sizes
from audiocnn_cli.shapes.step import Given, Layer, MisfitError, ShapeError, Step, Tensor
from audiocnn_cli.shapes.trace import INPUT, Trace
from audiocnn_cli.shapes.window import VALID, Padding

if TYPE_CHECKING:
    from onnx import NodeProto

# Layers that take an activation as one of their options.
_WITH_ACTIVATION = {"conv", "depthwise", "convtranspose", "dense", "batchnorm"}
# Operators that only say what is known already.
_SILENT = {"Constant", "Identity", "Shape", "Cast"}
# Stands for a size that is free, where the arithmetic of a layer needs a number.
_FREE = 1_000_003


@dataclass
class _Walk:
    """What is known on the way: for every tensor the step it comes from, and what it sees."""

    graph: Graph
    steps: list[Step] = field(default_factory=list)
    origin: dict[str, str] = field(default_factory=dict)
    fields: dict[str, Field | None] = field(default_factory=dict)
    pads: dict[str, tuple[Padding, str]] = field(default_factory=dict)
    uncounted: Counter[str] = field(default_factory=Counter)
    counted: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Read:
    """The trace of a graph, the operators that are no layers with how often, and the weights in them."""

    trace: Trace
    uncounted: tuple[tuple[str, int], ...]
    uncounted_params: int


def read_graph(graph: Graph, title: str) -> Read:
    """What `graph` holds.

    Raises:
        ShapeError: a layer does not fit its input; it carries the steps before it.
    """
    walk = _Walk(graph)
    for name in graph.inputs:
        walk.origin[name] = INPUT
        walk.fields[name] = None
    for node in graph.nodes:
        _visit(node, walk)
    shape = (graph.shape(graph.inputs[0]) if graph.inputs else None) or ()
    trace = Trace(shape, tuple(walk.steps), Framework.ONNX, title)
    left = sum(
        prod(tensor.dims)
        for name, tensor in graph.constants.items()
        if name not in walk.counted and tensor.data_type in _FLOATS
    )
    return Read(trace, tuple(walk.uncounted.most_common()), left)


_FLOATS = {1, 10, 11, 16}  # TensorProto's FLOAT, FLOAT16, DOUBLE, BFLOAT16


def _visit(node: "NodeProto", walk: _Walk) -> None:
    graph = walk.graph
    if not node.output or not node.output[0] or not graph.data_inputs(node):
        walk.uncounted.update([node.op_type] if node.op_type not in _SILENT else [])
        return
    if node.op_type == "Pad" and _keep_for_window(node, walk):
        return
    layer = layer_of(node, graph) if not node.domain or node.domain == "ai.onnx" else None
    if layer is None or graph.shape(node.output[0]) is None:
        _pass(node, walk)
    elif not _fold(node, layer, walk):
        _take(node, layer, walk)


def _keep_for_window(node: "NodeProto", walk: _Walk) -> bool:
    """Remember a Pad whose only taker is a window that can pad for itself."""
    taker = walk.graph.only_consumer(node.output[0])
    padding = pad_of(node, walk.graph)
    if taker is None or padding is None or taker.op_type not in {"Conv", "MaxPool", "AveragePool"}:
        return False
    own = layer_of(taker, walk.graph)
    if not isinstance(own, Conv | Depthwise | Pool) or own.padding != VALID:
        return False
    walk.pads[node.output[0]] = (padding, node.input[0])
    return True


def _pass(node: "NodeProto", walk: _Walk) -> None:
    """A node that is no layer: what comes out still comes from the step before it."""
    names = walk.graph.data_inputs(node)
    if node.op_type not in _SILENT:
        walk.uncounted[node.op_type] += 1
    for output in node.output:
        walk.origin[output] = _origin(names[0], walk)
        # What comes from the input by plain arithmetic is as good as the input.
        fresh = all(_origin(name, walk) == INPUT for name in names)
        same = walk.graph.shape(names[0]) == walk.graph.shape(output)
        walk.fields[output] = walk.fields.get(names[0]) if same and not fresh else None


def _fold(node: "NodeProto", layer: Layer, walk: _Walk) -> bool:
    """Whether the node became part of the layer before it."""
    if isinstance(layer, Activation):
        return _fold_activation(node, layer, walk)
    return node.op_type == "Add" and _fold_bias(node, walk)


def _fold_activation(node: "NodeProto", layer: Activation, walk: _Walk) -> bool:
    """Make the activation an option of the layer before it, where that is its only taker."""
    source = node.input[0]
    if not walk.steps or walk.graph.only_consumer(source) is None:
        return False
    step = walk.steps[-1]
    if (
        _origin(source, walk) != step.name
        or step.type not in _WITH_ACTIVATION
        or step.activation
        or walk.graph.producers[source].op_type in ACTIVATION_OF
        or walk.graph.shape(source) != step.output
    ):
        return False
    kind = layer.activation
    walk.steps[-1] = replace(step, activation=kind, text=f"{step.text},{kind}")
    _come_from(node, step, walk)
    return True


def _fold_bias(node: "NodeProto", walk: _Walk) -> bool:
    """A matrix product plus a vector is a dense layer with its bias."""
    source, *more = walk.graph.data_inputs(node)
    if more or not walk.steps or walk.graph.only_consumer(source) is None:
        return False
    step = walk.steps[-1]
    producer = walk.graph.producers.get(source)
    (bias,) = (name for name in node.input if name != source)
    if producer is None or producer.op_type != "MatMul" or _origin(source, walk) != step.name:
        return False
    if step.units is None or walk.graph.dims(bias) != (step.units,):
        return False
    walk.counted.add(bias)
    layer = Dense(units=step.units)
    taken = layer.apply(_given(step.input, step.field))
    walk.steps[-1] = replace(
        step, params=taken.params, formula=taken.formula, text=show_layer(layer)
    )
    _come_from(node, step, walk)
    return True


def _take(node: "NodeProto", layer: Layer, walk: _Walk) -> None:
    """One step for a node that is a layer."""
    graph = walk.graph
    names = graph.data_inputs(node) if isinstance(layer, Merge) else [node.input[0]]
    if names[0] in walk.pads and isinstance(layer, Conv | Depthwise | Pool):
        padding, source = walk.pads[names[0]]
        layer, names = replace(layer, padding=padding), [source]
    number = len(walk.steps) + 1
    name = node.name or f"{layer.kind}_{number}"
    inputs = [_input_of(node, source, walk) for source in names]
    shapes = [shape for shape in inputs if shape is not None]
    if len(shapes) < len(inputs):
        _pass(node, walk)
        return
    fields = [_field_of(source, shape, walk) for source, shape in zip(names, shapes, strict=True)]
    given = _given(shapes[0], fields[0])
    others = tuple(_given(s, f).tensor for s, f in zip(shapes[1:], fields[1:], strict=True))
    try:
        step = layer.apply(replace(given, others=others))
    except MisfitError as misfit:
        raise ShapeError(
            layer,
            number=number,
            name=name,
            misfit=misfit,
            tensor=given.tensor,
            steps=tuple(walk.steps),
        ) from misfit
    free = any(isinstance(size, str) for shape in shapes for size in shape)
    output = step.output if isinstance(layer, Recurrent) else graph.shape(node.output[0])
    step = _with_free_sizes(step, shapes[0], output or step.output) if free else step
    if not isinstance(layer, Recurrent) and output is not None:
        step = replace(step, output=output)
    if all(f is None for f in fields):
        step = replace(step, field=())
    step = replace(
        step,
        number=number,
        name=name,
        text=show_layer(_named(layer, names, walk)),
        sources=tuple(_origin(source, walk) for source in names),
    )
    walk.counted.update(set(node.input) & set(graph.constants))
    walk.steps.append(step)
    _come_from(node, step, walk)


def _named(layer: Layer, names: list[str], walk: _Walk) -> Layer:
    if not isinstance(layer, Merge):
        return layer
    return replace(layer, inputs=tuple(_origin(name, walk) for name in names[1:]))


def _come_from(node: "NodeProto", step: Step, walk: _Walk) -> None:
    for output in filter(None, node.output):
        walk.origin[output] = step.name
        walk.fields[output] = step.field or None


def _origin(name: str, walk: _Walk) -> str:
    return walk.origin.get(name, INPUT)


def _input_of(node: "NodeProto", name: str, walk: _Walk) -> Shape | None:
    """The shape a layer is given; a recurrent one has its batch on the second axis, not the first."""
    shape = walk.graph.shapes.get(name)
    if node.op_type in {"LSTM", "GRU", "RNN"} and shape is not None and len(shape) == 3:
        return shape[0], shape[2]
    return walk.graph.shape(name)


def _field_of(name: str, shape: Shape, walk: _Walk) -> Field | None:
    """What the elements of a tensor see; what is still the input sees itself."""
    found = walk.fields.get(name)
    if found is None and _origin(name, walk) == INPUT:
        return input_field(_numbers(shape))
    return found


def _given(shape: Shape, field: Field | None) -> Given:
    return Given(Tensor(_numbers(shape), field or ()), (), Framework.ONNX)


def _numbers(shape: Shape) -> Sizes:
    return tuple(size if isinstance(size, int) else _FREE for size in shape)


def _with_free_sizes(step: Step, given: Shape, output: Shape) -> Step:
    """`step` without the numbers that hang on a free size."""
    hangs = str(_FREE)
    formula = tuple(line for line in step.formula if hangs not in line)
    work = step.macs if step.macs == 0 else None
    seen = step.field if all(axis.jump is not None for axis in step.field) else ()
    return replace(step, input=given, output=output, macs=work, formula=formula, field=seen)
