"""Read a graph from its input to its output: one step for each node that is a layer.

Pads, activations and biases that are nodes of their own become part of the layer after or before them.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod

from msgspec.structs import replace
from onnx import NodeProto

from audiocnn_cli.shapes.choices import Framework
from audiocnn_cli.shapes.grammar import show_layer
from audiocnn_cli.shapes.layers.dense import Dense, Recurrent
from audiocnn_cli.shapes.layers.elementwise import Merge
from audiocnn_cli.shapes.layers.pooling import Pool
from audiocnn_cli.shapes.onnxfile.graph import Graph
from audiocnn_cli.shapes.onnxfile.layers import ACTIVATION_OF, layer_of, pad_of
from audiocnn_cli.shapes.receptive_field import ReceptiveField, input_field
from audiocnn_cli.shapes.sizes import Shape
from audiocnn_cli.shapes.step import Layer, LayerInput, MisfitError, ShapeError, Step, Tensor
from audiocnn_cli.shapes.trace import INPUT, Trace
from audiocnn_cli.shapes.window import VALID, Padding, Windowed

_FLOATS = frozenset({1, 10, 11, 16})  # TensorProto's FLOAT, FLOAT16, DOUBLE, BFLOAT16
# Layers with an activation as one of their options.
_WITH_ACTIVATION = frozenset({"conv", "depthwise", "convtranspose", "dense", "batchnorm"})
# Operators without work, which are not listed as uncounted.
_FREE_OPERATORS = frozenset({"Constant", "Identity", "Shape", "Cast"})
# Stands for a free size where the arithmetic of a layer needs a number.
_FREE_SIZE = 1_000_003


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


@dataclass
class Walk:
    """The steps so far, and for every tensor the step it comes from and its receptive field.

    `pads` are the Pad nodes that the next window absorbs, `counted` the constants that belong to a layer.
    `made` has the number of the step whose output a tensor is. `parts` has the number of the step that a
    node is, or is a part of, by the name of the node's first output.
    """

    graph: Graph
    steps: list[Step] = field(default_factory=list)
    pads: dict[str, tuple[Padding, str]] = field(default_factory=dict)
    uncounted: Counter[str] = field(default_factory=Counter)
    counted: set[str] = field(default_factory=set)
    made: dict[str, int] = field(default_factory=dict)
    parts: dict[str, int] = field(default_factory=dict)
    _origin: dict[str, str] = field(default_factory=dict)
    _fields: dict[str, ReceptiveField] = field(default_factory=dict)

    def origin(self, name: str) -> str:
        """The name of the step that a tensor comes from."""
        return self._origin.get(name, INPUT)

    def come_from(self, node: NodeProto, step: Step) -> None:
        """Record that the outputs of `node` come from `step`."""
        for output in filter(None, node.output):
            self._origin[output] = step.name
            self._fields[output] = step.field

    def pass_through(self, node: NodeProto) -> None:
        """Record that `node` is no layer: its outputs come from the step before it."""
        if node.op_type not in _FREE_OPERATORS:
            self.uncounted[node.op_type] += 1
        names = self.graph.data_inputs(node)
        if not names:
            return
        # The result of arithmetic on the input counts as the input.
        fresh = all(self.origin(name) == INPUT for name in names)
        for output in filter(None, node.output):
            if not fresh:
                same = self.graph.shape(names[0]) == self.graph.shape(output)
                self._origin[output] = self.origin(names[0])
                self._fields[output] = self._fields.get(names[0], ()) if same else ()
        factors = [prod(t.dims) for name in node.input if (t := self.graph.constants.get(name))]
        # A product with one number, as a temperature between a layer and its softmax.
        if node.op_type in {"Mul", "Div"} and set(factors) <= {1} and names[0] in self.made:
            self.made[node.output[0]] = self.made[names[0]]

    def given(self, name: str, shape: Shape) -> Tensor:
        """A tensor with its receptive field, as the input of a layer."""
        sizes = tuple(size if isinstance(size, int) else _FREE_SIZE for size in shape)
        is_input = self.origin(name) == INPUT
        return Tensor(sizes, input_field(sizes) if is_input else self._fields.get(name, ()))

    def input_shape(self, node: NodeProto, name: str) -> Shape | None:
        """The input shape of a layer; that of a recurrent node has its batch on the second axis."""
        shape = self.graph.shapes.get(name)
        if node.op_type in {"LSTM", "GRU", "RNN"} and shape is not None and len(shape) == 3:
            return shape[0], shape[2]
        return self.graph.shape(name)


def _apply(layer: Layer, tensors: tuple[Tensor, ...]) -> Step:
    """Apply `layer` by ONNX' rules, as `Layer.apply` does."""
    first, *others = tensors
    return layer.apply(LayerInput(first, tuple(others), Framework.ONNX))


def _as_inferred(step: Step, layer: Layer, given: Shape, inferred: Shape | None) -> Step:
    """`step` with the shapes that ONNX inferred, and without the values that depend on a free size."""
    output = step.output if isinstance(layer, Recurrent) or inferred is None else inferred
    if _is_known(given) and (_is_known(output) or isinstance(layer, Merge)):
        return replace(step, output=output)
    return replace(
        step,
        input=given,
        output=output,
        macs=step.macs if step.macs == 0 else None,
        formula=tuple(line for line in step.formula if str(_FREE_SIZE) not in line),
        field=step.field if step.cumulative_stride else (),
    )


def _is_known(shape: Shape) -> bool:
    return all(isinstance(size, int) for size in shape)


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
        step = _apply(layer, tensors)
    except MisfitError as misfit:
        raise ShapeError(misfit, layer, number, name, tensors[0], walk.steps) from misfit
    inferred = graph.shape(_first_output(node))
    if isinstance(layer, Pool) and layer.ceil and inferred != step.output:
        _raise_mismatch(node, layer, step, inferred)
    typed = replace(layer, inputs=sources[1:]) if isinstance(layer, Merge) else layer
    step = _as_inferred(step, layer, shapes[0], inferred)
    step = replace(step, number=number, name=name, text=show_layer(typed), sources=sources)
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
    if (step := _step_before(node, walk)) is None:
        return False
    absorbed = _activated(node, step) if node.op_type in ACTIVATION_OF else _with_bias(node, step, walk)
    if absorbed is None:
        return False
    walk.steps[-1] = absorbed
    walk.come_from(node, absorbed)
    walk.parts[node.output[0]] = step.number
    if node.op_type == "Add":
        walk.made[node.output[0]] = step.number
    return True


def _keep_for_window(node: NodeProto, walk: Walk) -> bool:
    """Record a Pad whose only consumer is a window without padding."""
    consumer = walk.graph.only_consumer(node.output[0])
    padding = pad_of(node, walk.graph)
    own = layer_of(consumer, walk.graph) if consumer else None
    if padding is None or not isinstance(own, Windowed) or own.padding != VALID:
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


def _activated(node: NodeProto, step: Step) -> Step | None:
    """`step` with the activation that `node` is; None where it can't have one."""
    if step.type not in _WITH_ACTIVATION or step.activation:
        return None
    kind = ACTIVATION_OF[node.op_type]
    return replace(step, activation=kind, text=f"{step.text},{kind}")


def _with_bias(node: NodeProto, step: Step, walk: Walk) -> Step | None:
    """A matrix product with the vector that `node` adds as its bias; None for other nodes and steps."""
    biases = [name for name in node.input if name in walk.graph.constants]
    channels = step.input[-1]
    if node.op_type != "Add" or step.type != "dense" or step.units is None or isinstance(channels, str):
        return None
    layer = Dense(units=step.units)
    biased = _apply(layer, (Tensor((channels,), ()),))
    has_bias = step.params != biased.params - step.units
    if has_bias or walk.graph.dims(biases[0]) != (step.units,):
        return None
    walk.counted.update(biases)
    return replace(step, params=biased.params, formula=biased.formula, text=show_layer(layer))
