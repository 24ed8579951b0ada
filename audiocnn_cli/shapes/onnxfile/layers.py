"""The layer that an operator is, with the sizes from its attributes and the shapes of its weights."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from audiocnn_cli.shapes.layers import convolution, dense, elementwise, pooling, reshaping
from audiocnn_cli.shapes.onnxfile.free import Dims
from audiocnn_cli.shapes.onnxfile.infer import Inferred
from audiocnn_cli.shapes.onnxfile.network import MISSING, Op
from audiocnn_cli.shapes.onnxfile.rules.arranging import pads_of
from audiocnn_cli.shapes.onnxfile.rules.call import InconsistentError
from audiocnn_cli.shapes.onnxfile.rules.products import SECOND_AT, hidden_size
from audiocnn_cli.shapes.onnxfile.rules.windows import WEIGHTS_AT, Windows, kernel_of, windows_of
from audiocnn_cli.shapes.onnxfile.values import is_known
from audiocnn_cli.shapes.sizes import Sizes
from audiocnn_cli.shapes.step import Layer
from audiocnn_cli.shapes.window import VALID, Padding

ACTIVATION_OF = {
    "Relu": "relu", "LeakyRelu": "leakyrelu", "Elu": "elu", "Selu": "selu", "Gelu": "gelu", "Swish": "silu",
    "HardSwish": "hardswish", "HardSigmoid": "hardsigmoid", "Sigmoid": "sigmoid", "Tanh": "tanh",
    "Softplus": "softplus", "Mish": "mish", "Softmax": "softmax", "LogSoftmax": "logsoftmax",
    "FastGelu": "gelu",
}  # fmt: skip


@dataclass(eq=False)
class View:
    """An inferred network with what is needed to read its layers.

    `consumers` has the operators that read a tensor, twice the last one where it is an output of its block.
    """

    inferred: Inferred
    first: frozenset[int]
    consumers: dict[int, list[Op]] = field(default_factory=dict)

    def only_consumer(self, number: int) -> Op | None:
        """The operator that reads a tensor; None where there are several, or it is an output."""
        found = self.consumers.get(number, [])
        return found[0] if len(found) == 1 else None

    def data_inputs(self, op: Op) -> list[int]:
        """The inputs of `op` that are no constants."""
        return [n for n in op.inputs if n != MISSING and not self.inferred.constant[n]]


def layer_of(op: Op, view: View) -> Layer | None:
    """The layer that `op` is; None where it has none here."""
    if op.type in ACTIVATION_OF:
        return elementwise.Activation(activation=ACTIVATION_OF[op.type])
    reader = _READERS.get(op.type)
    return reader(op, view) if reader else None


def _even(sizes: Sizes) -> Sizes:
    """One number where all axes have the same."""
    return sizes[:1] if len(set(sizes)) == 1 else sizes


def padding_of(windows: Windows) -> Padding:
    """The padding of windows, as the layer grammar has it."""
    if windows.mode:
        return Padding("same" if windows.mode == "SAME_UPPER" else "same-lower")
    if not any(windows.pads):
        return VALID
    return Padding(
        "explicit", tuple(side for axis in range(len(windows.kernel)) for side in windows.sides(axis))
    )


def windows_at(op: Op, view: View) -> Windows | None:
    """The windows of a convolution or a pooling; None where its kernel is unknown."""
    call = view.inferred.call(op)
    kernel = kernel_of(call, call.dims(WEIGHTS_AT[op.type]) if op.type in WEIGHTS_AT else None)
    try:
        return None if kernel is None or call.attribute("channels_last") else windows_of(call, kernel)
    except InconsistentError:
        return None


def _conv(op: Op, view: View) -> Layer | None:
    call, windows = view.inferred.call(op), windows_at(op, view)
    weights = call.dims(WEIGHTS_AT[op.type])
    if windows is None or weights is None or len(weights) < 3 or not is_known(weights):
        return None
    filters, depth = (int(size) for size in weights[:2])  # type: ignore[arg-type] # all are ints
    groups = call.attribute("group", 1)
    bias_at = {"QLinearConv": 8, "ConvInteger": 99, "DeformConv": 3}.get(op.type, 2)
    shared: dict[str, Any] = {
        "kernel": windows.kernel,
        "stride": _even(windows.strides),
        "padding": padding_of(windows),
        "dilation": _even(windows.dilations),
        "bias": call.has(bias_at),
    }
    if op.type == "ConvTranspose":
        if call.attribute("output_shape"):
            return None
        # The weights of a transposed convolution are (inputs, filters / groups, kernel).
        extra = _even(call.attribute("output_padding") or (0,))
        return convolution.ConvTranspose(
            filters=depth * groups, groups=groups, output_padding=extra, **shared
        )
    if depth == 1 and groups > 1 and filters % groups == 0:
        return convolution.Depthwise(multiplier=filters // groups, **shared)
    return convolution.Conv(filters=filters, groups=groups, **shared)


def _pool(op: Op, view: View) -> Layer | None:
    windows = windows_at(op, view)
    if windows is None:
        return None
    kind = pooling.MaxPool if op.type == "MaxPool" else pooling.AvgPool
    return kind(
        kernel=windows.kernel,
        stride=_even(windows.strides),
        padding=padding_of(windows),
        dilation=_even(windows.dilations),
        ceil=windows.ceil,
    )


def _dense(op: Op, view: View) -> Layer | None:
    call, at = view.inferred.call(op), SECOND_AT.get(op.type, 1)
    weights = call.dims(at)
    if weights is None or len(weights) != 2 or not view.inferred.constant[op.input(at)]:
        return None
    units = weights[0] if call.attribute("transB", 0) else weights[1]
    if op.type == "MatMulNBits":
        units = call.attribute("N")
    bias_at = {"Gemm": 2, "FusedGemm": 2, "QGemm": 6, "DynamicQuantizeMatMul": 4, "MatMulIntegerToFloat": 6}
    bias = op.type in bias_at and call.has(bias_at[op.type])
    return dense.Dense(units=units, bias=bias) if isinstance(units, int) else None


def _nbits(op: Op, _view: View) -> Layer | None:
    return (
        dense.Dense(units=op.attributes["N"], bias=op.input(5) != MISSING) if "N" in op.attributes else None
    )


def _recurrent(op: Op, view: View) -> Layer | None:
    call = view.inferred.call(op)
    units = hidden_size(call)
    if not isinstance(units, int):
        return None
    kinds: dict[str, type[dense.Recurrent]] = {"GRU": dense.GRU, "RNN": dense.RNN}
    kind = kinds.get(op.type, dense.LSTM)
    return kind(
        units=units,
        return_sequences=bool(op.outputs and op.outputs[0] in view.consumers),
        bidirectional=call.attribute("direction") == "bidirectional",
        bias=call.has(3),
    )


def _merge(op: Op, view: View) -> Layer | None:
    """A merge of several tensors; an operation with a constant is not a layer."""
    if len(view.data_inputs(op)) < 2:
        return None
    return elementwise.Multiply() if op.type in {"Mul", "QLinearMul"} else elementwise.Add()


def _concat(op: Op, view: View) -> Layer | None:
    numbers = view.data_inputs(op)
    dims = view.inferred.dims(numbers[0]) if numbers else None
    if len(numbers) < 2 or dims is None:
        return None
    axis = op.attributes.get("axis", 1) % max(1, len(dims))
    if numbers[0] in view.first:
        return elementwise.Concat(axis=0 if axis == 1 else max(axis - 1, 0))
    return elementwise.Concat(axis=axis)


def _flatten(op: Op, view: View) -> Layer | None:
    """A reshape to (batch, features) is a flatten; others are no layers."""
    before, after = view.inferred.dims(op.input(0)), view.inferred.dims(op.first_output)
    if before is None or after is None or len(after) != 2 or len(before) < 3:
        return None
    return reshaping.Flatten() if before[0] == after[0] else None


def _mean(op: Op, view: View) -> Layer | None:
    """A mean over all axes but the batch and the channels is a global pooling."""
    dims = view.inferred.dims(op.input(0))
    if dims is None or op.input(0) not in view.first:
        return None
    call = view.inferred.call(op)
    if sorted(call.axes(len(dims)) or ()) != list(range(2, len(dims))):
        return None
    kind = pooling.GlobalMaxPool if op.type == "ReduceMax" else pooling.GlobalAvgPool
    return kind(keepdims=bool(call.attribute("keepdims", 1)))


def _dropout(op: Op, view: View) -> Layer:
    ratio = view.inferred.call(op).value(1).elements
    rate = ratio[0] if ratio else op.attributes.get("ratio", 0.5)
    return elementwise.Dropout(rate=rate if isinstance(rate, float) else 0.5)


def _resize(op: Op, view: View) -> Layer | None:
    before, after = view.inferred.dims(op.input(0)), view.inferred.dims(op.first_output)
    if before is None or after is None or len(before) != len(after) or op.input(0) not in view.first:
        return None
    factors = [_factor(a, b) for a, b in zip(before[2:], after[2:], strict=True)]
    known = [factor for factor in factors if factor is not None]
    return reshaping.Upsample(size=tuple(known)) if factors and len(known) == len(factors) else None


def _factor(before: object, after: object) -> int | None:
    whole = isinstance(before, int) and isinstance(after, int) and before and after % before == 0
    return after // before if whole else None  # type: ignore[operator] # both are ints


def pad_of(op: Op, view: View) -> Padding | None:
    """The padding of a Pad; None where it is unknown, or also on the batch or the channels."""
    dims = view.inferred.dims(op.input(0))
    try:
        sides = None if dims is None else pads_of(view.inferred.call(op), len(dims))
    except InconsistentError:
        return None
    if sides is None or any(not isinstance(side, int) or side < 0 for pair in sides for side in pair):
        return None
    first = op.input(0) in view.first
    spatial, others = (sides[2:], sides[:2]) if first else (sides[1:-1], [sides[0], sides[-1]])
    if any(before or after for before, after in others) or not spatial:
        return None
    return Padding("explicit", tuple(int(side) for pair in spatial for side in pair))  # type: ignore[arg-type]


def _pad(op: Op, view: View) -> Layer | None:
    padding = pad_of(op, view)
    return None if padding is None else reshaping.ZeroPad(padding=padding)


def shape_of_layer(dims: Dims, number: int, view: View) -> Dims:
    """The sizes that a layer is applied to: without the first axis, channels last."""
    return (*dims[2:], dims[1]) if number in view.first and len(dims) > 2 else dims[1:]


_CONVOLUTIONS = ("Conv", "ConvTranspose", "ConvInteger", "QLinearConv", "FusedConv", "DeformConv")
_PRODUCTS = (
    "Gemm", "MatMul", "MatMulInteger", "QLinearMatMul", "FusedMatMul", "FusedGemm", "QGemm",
    "DynamicQuantizeMatMul",
    "MatMulIntegerToFloat",
)  # fmt: skip
_READERS: dict[str, Callable[[Op, View], Layer | None]] = {
    **dict.fromkeys(_CONVOLUTIONS, _conv),
    **dict.fromkeys(("MaxPool", "AveragePool", "QLinearAveragePool"), _pool),
    **dict.fromkeys(
        ("GlobalAveragePool", "QLinearGlobalAveragePool"),
        lambda _op, _view: pooling.GlobalAvgPool(keepdims=True),
    ),
    "GlobalMaxPool": lambda _op, _view: pooling.GlobalMaxPool(keepdims=True),
    **dict.fromkeys(("ReduceMean", "ReduceMax"), _mean),
    **dict.fromkeys(_PRODUCTS, _dense),
    "MatMulNBits": _nbits,
    **dict.fromkeys(("LSTM", "GRU", "RNN", "DynamicQuantizeLSTM"), _recurrent),
    "BatchNormalization": lambda _op, _view: elementwise.BatchNorm(),
    "LayerNormalization": lambda _op, _view: elementwise.LayerNorm(),
    **dict.fromkeys(("Flatten", "Reshape"), _flatten),
    "Dropout": _dropout,
    **dict.fromkeys(("Add", "Sum", "Mul", "QLinearAdd", "QLinearMul"), _merge),
    **dict.fromkeys(("Concat", "QLinearConcat"), _concat),
    **dict.fromkeys(("Resize", "Upsample"), _resize),
    "Pad": _pad,
}
