"""A graph with its shapes: the producer and the consumers of each tensor, and where its channels are."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from onnx import ModelProto, NodeProto, TensorProto, TypeProto, numpy_helper

from audiocnn_cli.errors import UsageError
from audiocnn_cli.shapes.sizes import Shape, Sizes, show_shape, type_sizes
from audiocnn_cli.shapes.step import Layer

WINDOWED = frozenset({
    "Conv", "ConvTranspose", "MaxPool", "AveragePool", "LpPool", "GlobalAveragePool", "GlobalMaxPool",
    "BatchNormalization", "InstanceNormalization", "GroupNormalization",
})  # fmt: skip
# Operators that keep every element at its position, so the channel axis stays the same.
IN_PLACE = frozenset({
    "Abs", "Add", "Cast", "Ceil", "Celu", "Clip", "Concat", "Div", "Dropout", "Elu", "Erf", "Exp", "Floor",
    "Gelu", "HardSigmoid", "HardSwish", "Identity", "LeakyRelu", "Log", "LogSoftmax", "Max", "Min", "Mish",
    "Mul", "Neg", "Pad", "Pow", "PRelu", "QuantizeLinear", "DequantizeLinear", "Relu", "Resize", "Selu",
    "Sigmoid", "Softmax", "Softplus", "Sqrt", "Sub", "Sum", "Swish", "Tanh", "ThresholdedRelu", "Upsample",
})  # fmt: skip


@dataclass(frozen=True)
class Graph:
    """A model with inferred shapes, indexed by the names of its tensors.

    `channels_first` are the tensors whose channels are axis 1. `overrides` are layers whose nodes were
    rewritten for the shape inference, by the name of their output.
    """

    nodes: tuple[NodeProto, ...]
    inputs: tuple[str, ...]
    shapes: dict[str, Shape]
    constants: dict[str, TensorProto]
    producers: dict[str, NodeProto]
    consumers: dict[str, list[NodeProto]]
    channels_first: frozenset[str]
    overrides: dict[str, Layer]

    def shape(self, name: str) -> Shape | None:
        """The shape of a tensor, channels last and without the batch; None where it is unknown."""
        shape = self.shapes.get(name)
        if shape is not None and name in self.channels_first and len(shape) > 2:
            return (*shape[2:], shape[1])
        return shape and shape[1:]

    def value(self, name: str) -> list[Any] | None:
        """The values of a constant, flat; None where it is no constant or its values were dropped."""
        tensor = self.constants.get(name)
        fields = ("raw_data", "int64_data", "int32_data", "float_data", "double_data")
        if tensor is None or not any(getattr(tensor, field) for field in fields):
            return None
        return list(numpy_helper.to_array(tensor).reshape(-1).tolist())

    def dims(self, name: str) -> Sizes | None:
        """The shape of a constant; None where it is no constant."""
        tensor = self.constants.get(name)
        return None if tensor is None else tuple(tensor.dims)

    def origins(self, names: Iterable[str]) -> set[str]:
        """The constants among `names`, and those that they are computed from."""
        found: set[str] = set()
        waiting = list(names)
        while waiting:
            name = waiting.pop()
            if name in self.constants and name not in found:
                found.add(name)
                waiting += self.producers[name].input if name in self.producers else []
        return found

    def data_inputs(self, node: NodeProto) -> list[str]:
        """The inputs of `node` that are not constants."""
        return [name for name in node.input if name and name not in self.constants]

    def only_consumer(self, name: str) -> NodeProto | None:
        """The consumer of a tensor; None where there are several, or it is an output of the graph."""
        consumers = self.consumers.get(name, [])
        return consumers[0] if len(consumers) == 1 else None


def index(model: ModelProto, overrides: dict[str, Layer] | None = None) -> Graph:
    """Index a model with inferred shapes."""
    graph = model.graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    shapes: dict[str, Shape] = {name: tuple(t.dims) for name, t in constants.items()}
    for value in (*graph.value_info, *graph.input, *graph.output):
        shape = shape_of(value.type)
        if shape is not None and value.name not in constants:
            shapes[value.name] = shape
    producers: dict[str, NodeProto] = {}
    consumers: dict[str, list[NodeProto]] = {}
    for node in graph.node:
        producers.update(dict.fromkeys(node.output, node))
        for name in filter(None, node.input):
            consumers.setdefault(name, []).append(node)
    for output in graph.output:  # counts as two consumers, so that no node absorbs it
        consumers.setdefault(output.name, []).extend([graph.node[0]] * 2)
    inputs = tuple(value.name for value in graph.input if value.name not in constants)
    nodes = tuple(graph.node)
    _add_computed(nodes, constants, shapes)
    first = _channels_first(nodes, constants)
    return Graph(nodes, inputs, shapes, constants, producers, consumers, first, overrides or {})


def _add_computed(
    nodes: Iterable[NodeProto], constants: dict[str, TensorProto], shapes: dict[str, Shape]
) -> None:
    """Add the tensors that are computed from constants and shapes alone, without their values.

    Their elements are those of the constants that they are computed from, so they have no data type.
    """
    for node in nodes:
        inputs = set(filter(None, node.input))
        if (inputs and inputs <= constants.keys()) or node.op_type in {"Shape", "Size"}:
            for name in {*filter(None, node.output)} - constants.keys():
                dims = [size if isinstance(size, int) else 0 for size in shapes.get(name, ())]
                constants[name] = TensorProto(name=name, dims=dims)


def shape_of(type_: TypeProto) -> Shape | None:
    """The dims of a tensor type: numbers, or the names of free dims; None where it has no shape."""
    if not type_.HasField("tensor_type") or not type_.tensor_type.HasField("shape"):
        return None
    return tuple(
        dim.dim_value if dim.HasField("dim_value") else (dim.dim_param or "?")
        for dim in type_.tensor_type.shape.dim
    )


def _channels_first(nodes: tuple[NodeProto, ...], constants: dict[str, Any]) -> frozenset[str]:
    """The tensors whose channels are axis 1: inputs and outputs of windows, and of operators in place."""
    found: set[str] = set()
    for node in reversed(nodes):
        if node.op_type in WINDOWED:
            found.update((*node.input[:1], *node.output[:1]))
        elif node.op_type in IN_PLACE and found.intersection(node.output):
            found.update(node.input)
    for node in nodes:
        if node.op_type in IN_PLACE and found.intersection(node.input):
            found.update(node.output)
    return frozenset(found - set(constants))


def set_input(model: ModelProto, graph: Graph, given: Sizes) -> None:
    """Set the free sizes of the model's first input to `given`, channels last and without the batch.

    Raises:
        UsageError: the number of axes differs, or the model has another fixed size.
    """
    name = graph.inputs[0]
    value = next(value for value in model.graph.input if value.name == name)
    shape = graph.shape(name)
    sizes = None if shape is None else _fit(given, len(shape))
    if shape is None or sizes is None:
        expected = "an unknown shape" if shape is None else show_shape(shape)
        raise UsageError(f"`input_shape={type_sizes(given)}`: the input of the model is {expected}")
    for have, size in zip(shape, sizes, strict=True):
        if isinstance(have, int) and have != size:
            what = f"the input of the model is {show_shape(shape)}, and {have} is fixed"
            raise UsageError(f"`input_shape={type_sizes(given)}`: {what}")
    dims = value.type.tensor_type.shape.dim
    first = name in graph.channels_first and len(dims) > 2
    order = (sizes[-1], *sizes[:-1]) if first else sizes
    for dim, size in zip(dims[1:], order, strict=True):
        dim.dim_value = size


def _fit(given: Sizes, rank: int) -> Sizes | None:
    """`given` with `rank` axes, with a channel axis of 1 added or removed; None where that is not enough."""
    if len(given) == rank - 1:
        return (*given, 1)
    if len(given) == rank + 1 and given[-1] == 1:
        return given[:-1]
    return given if len(given) == rank else None
