"""The layer that a node is, with the sizes from its attributes and the shapes of its weights."""

from collections.abc import Callable
from math import prod
from typing import Any

from onnx import NodeProto

from audiocnn_cli.shapes.layers import convolution, dense, elementwise, pooling, reshaping
from audiocnn_cli.shapes.onnxfile.graph import Graph
from audiocnn_cli.shapes.sizes import Sizes
from audiocnn_cli.shapes.step import Layer
from audiocnn_cli.shapes.window import VALID, Padding

ACTIVATION_OF = {
    "Relu": "relu", "LeakyRelu": "leakyrelu", "Elu": "elu", "Selu": "selu", "Gelu": "gelu", "Swish": "silu",
    "HardSwish": "hardswish", "HardSigmoid": "hardsigmoid", "Sigmoid": "sigmoid", "Tanh": "tanh",
    "Softplus": "softplus", "Mish": "mish", "Softmax": "softmax", "LogSoftmax": "logsoftmax",
}  # fmt: skip


def layer_of(node: NodeProto, graph: Graph) -> Layer | None:
    """The layer that `node` is; None where its operator has no layer here."""
    if node.op_type in ACTIVATION_OF:
        return elementwise.Activation(activation=ACTIVATION_OF[node.op_type])
    reader = _READERS.get(node.op_type)
    return reader(node, graph) if reader else None


def attributes(node: NodeProto) -> dict[str, Any]:
    """The node's numbers, tuples of integers and strings; other attributes are left out."""
    found: dict[str, Any] = {}
    for attribute in node.attribute:
        if attribute.ints:
            found[attribute.name] = tuple(attribute.ints)
        elif attribute.HasField("s"):
            found[attribute.name] = attribute.s.decode(errors="replace")
        elif field := next((field for field in "if" if attribute.HasField(field)), None):
            found[attribute.name] = getattr(attribute, field)
    return found


def _even(sizes: Sizes) -> Sizes:
    """One number where all axes have the same."""
    return sizes[:1] if len(set(sizes)) == 1 else sizes


def _read_pads(given: dict[str, Any], rank: int) -> Padding:
    """The padding of a node: a mode, or the amounts before all axes and then those after them."""
    mode = given.get("auto_pad", "NOTSET")
    if mode in {"SAME_UPPER", "SAME_LOWER"}:
        return Padding("same" if mode == "SAME_UPPER" else "same-lower")
    flat = given.get("pads", (0,) * (2 * rank))
    if mode == "VALID" or not any(flat):
        return VALID
    return Padding("explicit", tuple(flat[axis + side * rank] for axis in range(rank) for side in (0, 1)))


def _window(given: dict[str, Any], kernel: Sizes) -> dict[str, Any]:
    """The options of a layer with a window."""
    return {
        "kernel": kernel,
        "stride": _even(given.get("strides", (1,))),
        "padding": _read_pads(given, len(kernel)),
        "dilation": _even(given.get("dilations", (1,))),
    }


def _input(node: NodeProto, index: int) -> str:
    """The name of an optional input; "" where there is none."""
    return node.input[index] if len(node.input) > index else ""


def _conv(node: NodeProto, graph: Graph) -> Layer | None:
    weights = graph.dims(node.input[1]) or graph.shapes.get(node.input[1])
    if not weights or len(weights) < 3 or any(isinstance(size, str) for size in weights):
        return None
    filters, depth, *kernel = (int(size) for size in weights)
    given = attributes(node)
    groups = given.get("group", 1)
    shared = _window(given, tuple(kernel)) | {"bias": bool(_input(node, 2))}
    if node.op_type == "ConvTranspose":
        # The weights of a transposed convolution are (inputs, filters / groups, kernel).
        extra = _even(given.get("output_padding", (0,)))
        return convolution.ConvTranspose(
            filters=depth * groups, groups=groups, output_padding=extra, **shared
        )
    if depth == 1 and groups > 1 and filters % groups == 0:
        return convolution.Depthwise(multiplier=filters // groups, **shared)
    return convolution.Conv(filters=filters, groups=groups, **shared)


def _pool(node: NodeProto, _graph: Graph) -> Layer | None:
    given = attributes(node)
    kernel = given.get("kernel_shape")
    if not kernel:
        return None
    kind = pooling.MaxPool if node.op_type == "MaxPool" else pooling.AvgPool
    return kind(ceil=bool(given.get("ceil_mode", 0)), **_window(given, kernel))


def _dense(node: NodeProto, graph: Graph) -> Layer | None:
    weights = graph.dims(node.input[1])
    if weights is None or len(weights) != 2:
        return None
    units = weights[0] if attributes(node).get("transB", 0) else weights[1]
    return dense.Dense(units=units, bias=bool(_input(node, 2)))


def _recurrent(node: NodeProto, graph: Graph) -> Layer | None:
    weights = graph.dims(node.input[2])
    if weights is None or len(weights) != 3:
        return None
    kinds: dict[str, type[dense.Recurrent]] = {"LSTM": dense.LSTM, "GRU": dense.GRU, "RNN": dense.RNN}
    kind = kinds[node.op_type]
    every = any(name in graph.consumers for name in node.output[:1])
    return kind(
        units=weights[2],
        return_sequences=every,
        bidirectional=attributes(node).get("direction") == "bidirectional",
        bias=bool(_input(node, 3)),
    )


def _merge(node: NodeProto, graph: Graph) -> Layer | None:
    """A merge of several tensors; an operation with a constant is not counted."""
    if len(graph.data_inputs(node)) < 2:
        return None
    return elementwise.Multiply() if node.op_type == "Mul" else elementwise.Add()


def _concat(node: NodeProto, graph: Graph) -> Layer | None:
    names = graph.data_inputs(node)
    shape = graph.shapes.get(names[0]) if names else None
    if len(names) < 2 or shape is None:
        return None
    axis = attributes(node).get("axis", 1) % max(1, len(shape))
    if names[0] in graph.channels_first and len(shape) > 2:
        return elementwise.Concat(axis=0 if axis == 1 else axis - 1)
    return elementwise.Concat(axis=axis)


def _reshape(node: NodeProto, graph: Graph) -> Layer | None:
    """A reshape to (batch, features) is a flatten; others are no layers."""
    before, after = graph.shapes.get(node.input[0]), graph.shapes.get(node.output[0])
    if before is None or after is None or len(after) != 2 or len(before) < 3:
        return None
    sizes = [size for size in before[1:] if isinstance(size, int)]
    known = len(sizes) == len(before) - 1
    return None if known and after[1] != prod(sizes) else reshaping.Flatten()


def _mean(node: NodeProto, graph: Graph) -> Layer | None:
    """A mean over all axes but the batch and the channels is a global pooling."""
    name = node.input[0]
    shape = graph.shapes.get(name)
    given = attributes(node)
    axes = given.get("axes") or graph.value(_input(node, 1))
    if shape is None or not axes or name not in graph.channels_first:
        return None
    if sorted(axis % len(shape) for axis in axes) != list(range(2, len(shape))):
        return None
    return pooling.GlobalAvgPool(keepdims=bool(given.get("keepdims", 1)))


def _dropout(node: NodeProto, graph: Graph) -> Layer:
    ratio = graph.value(_input(node, 1))
    return elementwise.Dropout(rate=ratio[0] if ratio else attributes(node).get("ratio", 0.5))


def _resize(node: NodeProto, graph: Graph) -> Layer | None:
    before, after = graph.shape(node.input[0]), graph.shape(node.output[0])
    if before is None or after is None or len(before) != len(after):
        return None
    factors = []
    for a, b in zip(before[:-1], after[:-1], strict=True):
        if isinstance(a, str) or isinstance(b, str) or not a or b % a:
            return None
        factors.append(b // a)
    return reshaping.Upsample(size=tuple(factors)) if factors else None


def pad_of(node: NodeProto, graph: Graph) -> Padding | None:
    """The padding of a Pad node; None where it is unknown, or also on the batch or the channels."""
    shape = graph.shapes.get(node.input[0])
    flat = attributes(node).get("pads") or graph.value(_input(node, 1))
    if shape is None or not flat or len(flat) != 2 * len(shape) or min(flat) < 0:
        return None
    rank = len(shape)
    sides = [(int(flat[axis]), int(flat[axis + rank])) for axis in range(rank)]
    if node.input[0] in graph.channels_first:
        spatial, others = sides[2:], sides[:2]
    else:
        spatial, others = sides[1:-1], [sides[0], sides[-1]]
    if any(before or after for before, after in others) or not spatial:
        return None
    return Padding("explicit", tuple(side for axis in spatial for side in axis))


def _pad(node: NodeProto, graph: Graph) -> Layer | None:
    padding = pad_of(node, graph)
    return None if padding is None else reshaping.ZeroPad(padding=padding)


_READERS: dict[str, Callable[[NodeProto, Graph], Layer | None]] = {
    **dict.fromkeys(("Conv", "ConvTranspose"), _conv),
    **dict.fromkeys(("MaxPool", "AveragePool"), _pool),
    "GlobalAveragePool": lambda _node, _graph: pooling.GlobalAvgPool(keepdims=True),
    "GlobalMaxPool": lambda _node, _graph: pooling.GlobalMaxPool(keepdims=True),
    "ReduceMean": _mean,
    **dict.fromkeys(("Gemm", "MatMul"), _dense),
    **dict.fromkeys(("LSTM", "GRU", "RNN"), _recurrent),
    "BatchNormalization": lambda _node, _graph: elementwise.BatchNorm(),
    "LayerNormalization": lambda _node, _graph: elementwise.LayerNorm(),
    **dict.fromkeys(("Flatten", "Reshape"), _reshape),
    "Dropout": _dropout,
    **dict.fromkeys(("Add", "Sum", "Mul"), _merge),
    "Concat": _concat,
    **dict.fromkeys(("Resize", "Upsample"), _resize),
    "Pad": _pad,
}
