"""A graph with its shapes: who makes a tensor, who takes it, and where its channels are."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from audiocnn_cli.errors import UsageError
from audiocnn_cli.shapes.sizes import Shape, Sizes, show_shape
from audiocnn_cli.shapes.step import Layer

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto, TypeProto

WINDOWED = frozenset({
    "Conv", "ConvTranspose", "MaxPool", "AveragePool", "LpPool", "GlobalAveragePool", "GlobalMaxPool",
    "BatchNormalization", "InstanceNormalization", "GroupNormalization",
})  # fmt: skip
# Operators that leave every element at its place, so channels stay where they are.
IN_PLACE = frozenset({
    "Abs", "Add", "Cast", "Ceil", "Celu", "Clip", "Concat", "Div", "Dropout", "Elu", "Erf", "Exp", "Floor",
    "Gelu", "HardSigmoid", "HardSwish", "Identity", "LeakyRelu", "Log", "LogSoftmax", "Max", "Min", "Mish",
    "Mul", "Neg", "Pad", "Pow", "PRelu", "QuantizeLinear", "DequantizeLinear", "Relu", "Resize", "Selu",
    "Sigmoid", "Softmax", "Softplus", "Sqrt", "Sub", "Sum", "Swish", "Tanh", "ThresholdedRelu", "Upsample",
})  # fmt: skip


@dataclass(frozen=True)
class Graph:
    """An inferred model, indexed by the names of its tensors.

    `overrides` are layers whose nodes were rewritten for the inference, by the tensor they make.
    """

    nodes: "tuple[NodeProto, ...]"
    inputs: tuple[str, ...]
    shapes: dict[str, Shape]
    constants: "dict[str, TensorProto]"
    producers: "dict[str, NodeProto]"
    consumers: "dict[str, list[NodeProto]]"
    channels_first: frozenset[str]
    overrides: dict[str, Layer]

    def shape(self, name: str) -> Shape | None:
        """The shape of a tensor as we write it: channels last, without the batch; None if not known."""
        shape = self.shapes.get(name)
        if shape is None:
            return None
        if name in self.channels_first and len(shape) > 2:
            return (*shape[2:], shape[1])
        return shape[1:]

    def value(self, name: str) -> list[Any] | None:
        """The numbers of a constant, flat; None where it is none or too large."""
        from onnx import numpy_helper

        tensor = self.constants.get(name)
        if tensor is None or not (tensor.raw_data or _typed(tensor)):
            return None
        values: list[Any] = numpy_helper.to_array(tensor).reshape(-1).tolist()
        return values

    def dims(self, name: str) -> Sizes | None:
        """The sizes of a constant."""
        tensor = self.constants.get(name)
        return None if tensor is None else tuple(tensor.dims)

    def origins(self, names: Iterable[str]) -> set[str]:
        """Those of the tensors that are constants, and the constants that they are computed of."""
        found: set[str] = set()
        waiting = [name for name in names if name in self.constants]
        while waiting:
            name = waiting.pop()
            found.add(name)
            maker = self.producers.get(name)
            inputs = [] if maker is None else maker.input
            waiting += [each for each in inputs if each in self.constants and each not in found]
        return found

    def data_inputs(self, node: "NodeProto") -> list[str]:
        """The inputs of `node` that are no constants."""
        return [name for name in node.input if name and name not in self.constants]

    def only_consumer(self, name: str) -> "NodeProto | None":
        """The one node that takes the tensor; None if there are more, or it is an output."""
        takers = self.consumers.get(name, [])
        return takers[0] if len(takers) == 1 else None


def _typed(tensor: "TensorProto") -> bool:
    return any((tensor.int64_data, tensor.int32_data, tensor.float_data, tensor.double_data))


def index(model: "ModelProto", overrides: dict[str, Layer] | None = None) -> Graph:
    """The graph of an inferred model."""
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
    for output in graph.output:  # an output is used by whoever asked for it
        consumers.setdefault(output.name, []).extend([graph.node[0]] * 2)
    inputs = tuple(value.name for value in graph.input if value.name not in constants)
    nodes = tuple(graph.node)
    constants |= _computed(nodes, constants, shapes)
    first = _channels_first(nodes, constants)
    return Graph(nodes, inputs, shapes, constants, producers, consumers, first, overrides or {})


def _computed(
    nodes: "Iterable[NodeProto]", constants: "dict[str, TensorProto]", shapes: dict[str, Shape]
) -> "dict[str, TensorProto]":
    """What the graph computes of its constants and of shapes alone, without the numbers: no data flows there.

    Their elements belong to what they are computed from, so they have no type of their own.
    """
    from onnx import TensorProto

    known = dict(constants)
    for node in nodes:
        inputs = [name for name in node.input if name]
        fixed = bool(inputs) and all(name in known for name in inputs)
        if fixed or node.op_type in {"Shape", "Size"}:
            for name in filter(None, node.output):
                dims = [size if isinstance(size, int) else 0 for size in shapes.get(name, ())]
                known[name] = TensorProto(name=name, dims=dims)
    return {name: tensor for name, tensor in known.items() if name not in constants}


def shape_of(type_: "TypeProto") -> Shape | None:
    """The dims of a tensor type: numbers, and names for those that are free."""
    if not type_.HasField("tensor_type") or not type_.tensor_type.HasField("shape"):
        return None
    return tuple(
        dim.dim_value if dim.HasField("dim_value") else (dim.dim_param or "?")
        for dim in type_.tensor_type.shape.dim
    )


def _channels_first(nodes: "Iterable[NodeProto]", constants: dict[str, Any]) -> frozenset[str]:
    """The tensors whose channels are axis 1: what windows take and give, and what stays in place of it."""
    nodes = tuple(nodes)
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


def set_input(model: "ModelProto", graph: Graph, wanted: Sizes) -> None:
    """Fix the free sizes of the model's first input to `wanted`, channels last, without the batch.

    Raises:
        UsageError: the number of axes differs, or the model fixes another size.
    """
    name = graph.inputs[0]
    value = next(value for value in model.graph.input if value.name == name)
    shape = graph.shape(name)
    fitted = None if shape is None else _fit(wanted, len(shape))
    if shape is None or fitted is None:
        expected = "an unknown shape" if shape is None else show_shape(shape)
        raise UsageError(f"--input {show_shape(wanted)}: the model takes {expected}")
    wanted = fitted
    for have, want in zip(shape, wanted, strict=True):
        if isinstance(have, int) and have != want:
            raise UsageError(
                f"--input {show_shape(wanted)}: the model takes {show_shape(shape)}, and {have} is fixed"
            )
    dims = value.type.tensor_type.shape.dim
    first = name in graph.channels_first and len(dims) > 2
    order = (wanted[-1], *wanted[:-1]) if first else wanted
    for dim, size in zip(dims[1:], order, strict=True):
        dim.dim_value = size


def _fit(wanted: Sizes, rank: int) -> Sizes | None:
    """`wanted` with `rank` axes: a channel axis of 1 may be left out, or be one too many."""
    if len(wanted) == rank - 1:
        return (*wanted, 1)
    if len(wanted) == rank + 1 and wanted[-1] == 1:
        return wanted[:-1]
    return wanted if len(wanted) == rank else None
