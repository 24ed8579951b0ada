"""A call of an operator with the values of its inputs; the registry of rules; broadcasting."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from onnx import TensorProto

from audiocnn_cli.shapes.onnxfile.free import Dim, Dims, Free, unnamed
from audiocnn_cli.shapes.onnxfile.network import Op
from audiocnn_cli.shapes.onnxfile.order import larger
from audiocnn_cli.shapes.onnxfile.values import Value

MICROSOFT = "com.microsoft"  # the domain of ONNX Runtime's own operators
NOTHING = Value()


class InconsistentError(Exception):
    """An operator can't be applied to the sizes of its inputs, whatever the free ones are."""


class EmptyWindowError(Exception):
    """A window does not fit into its input: `axis` counts the spatial axes from 0."""

    def __init__(self, reason: str, axis: int) -> None:
        super().__init__(reason)
        self.reason, self.axis = reason, axis


@dataclass(slots=True)
class Call:
    """An operator and the values of its inputs, None for those that are left out."""

    op: Op
    values: Sequence[Value | None]

    def value(self, index: int) -> Value:
        """An input; one of which nothing is known where it is left out."""
        return (self.values[index] if index < len(self.values) else None) or NOTHING

    def has(self, index: int) -> bool:
        """Whether an input is given."""
        return index < len(self.values) and self.values[index] is not None

    def dims(self, index: int) -> Dims | None:
        """The sizes of an input."""
        return self.value(index).dims

    @property
    def shapes(self) -> list[Dims | None]:
        """The sizes of all inputs that are given."""
        return [value.dims for value in self.values if value is not None]

    def attribute(self, name: str, default: Any = None) -> Any:
        """An attribute."""
        return self.op.attributes.get(name, default)

    def axes(self, rank: int, index: int = 1, name: str = "axes") -> list[int] | None:
        """Axes given by an attribute or an input, from 0; [] for none, None where they are unknown."""
        given = self.attribute(name)
        if given is None and self.has(index):
            given = self.value(index).ints
            if given is None:
                return None
        given = (given,) if isinstance(given, int) else given
        return [self.axis(rank, axis) for axis in given or ()]

    def axis(self, rank: int, axis: int) -> int:
        """`axis`, counted from 0.

        Raises:
            InconsistentError: there is no such axis.
        """
        if not -rank <= axis < max(rank, 1):
            raise InconsistentError(f"there is no axis {axis} in {rank} axes")
        return axis % max(rank, 1)

    def like(self, dims: Dims | None, index: int = 0) -> list[Value]:
        """One output with these sizes and the type of an input."""
        return [Value(dims, self.value(index).type)]


Rule: TypeAlias = Callable[[Call], "list[Value] | None"]
# By domain and name; a rule that returns None leaves the operator to ONNX' own shape inference.
RULES: dict[tuple[str, str], Rule] = {}


def rule(*names: str, domain: str = "") -> Callable[[Rule], Rule]:
    """Register a rule for operators of these names."""

    def register(function: Rule) -> Rule:
        RULES.update(dict.fromkeys(((domain, name) for name in names), function))
        return function

    return register


def broadcast(shapes: Iterable[Dims | None]) -> Dims | None:
    """The common shape of several, aligned at the last axis.

    Raises:
        InconsistentError: two sizes differ, and neither is 1.
    """
    known: list[Dims] = []
    for shape in shapes:
        if shape is None:
            return None
        known.append(shape)
    if not known:
        return None
    first = known[0]
    if all(shape == first for shape in known):
        return first
    rank = max(map(len, known))
    padded = [(1,) * (rank - len(shape)) + shape for shape in known]
    return tuple(_common(sizes) for sizes in zip(*padded, strict=True))


def _common(sizes: tuple[Dim, ...]) -> Dim:
    found: Dim = 1
    for size in sizes:
        found = common(found, size)
    return found


def common(first: Dim, second: Dim) -> Dim:
    """The size of two axes that are broadcast."""
    if second in {first, 1}:
        return first
    if first == 1:
        return second
    if isinstance(first, Free) and isinstance(second, Free):
        return larger(first, second)
    if isinstance(first, Free) or isinstance(second, Free):
        return second if isinstance(first, Free) else first
    raise InconsistentError(f"sizes {first} and {second} can't be broadcast")


def same(first: Dim, second: Dim, what: str) -> Dim:
    """The size of two axes that must agree: the known one.

    Raises:
        InconsistentError: both are known and differ.
    """
    if isinstance(first, Free):
        return second if isinstance(second, int) or first.is_unnamed else first
    if isinstance(second, int) and first != second:
        raise InconsistentError(f"{what} is {first} and {second}")
    return first


def unnamed_dims(rank: int) -> Dims:
    """Axes of unknown sizes."""
    return tuple(unnamed() for _ in range(rank))


_BOOLEAN = frozenset({
    "And", "Or", "Xor", "Not", "Equal", "Greater", "Less", "GreaterOrEqual", "LessOrEqual", "IsNaN", "IsInf",
})  # fmt: skip


@rule(
    "Add", "Sub", "Mul", "Div", "Pow", "Mod", "Max", "Min", "Sum", "Mean", "And", "Or", "Xor", "Equal",
    "Greater", "Less", "GreaterOrEqual", "LessOrEqual", "BitShift", "BitwiseAnd", "BitwiseOr", "BitwiseXor",
)  # fmt: skip
def _elementwise(call: Call) -> list[Value]:
    shapes = call.shapes
    axis = call.attribute("axis")
    if call.op.version < 7 and axis is not None and len(shapes) == 2 and None not in shapes:
        # Before opset 7 the second input may start at an axis of the first.
        first, second = shapes
        trailing = len(first or ()) - axis - len(second or ())
        shapes[1] = (*(second or ()), *(1,) * trailing)
    dims = broadcast(shapes)
    kind = TensorProto.BOOL if call.op.type in _BOOLEAN else call.value(0).type
    return [Value(dims, kind)]


@rule("PRelu")
def _prelu(call: Call) -> list[Value]:
    return call.like(call.dims(0))


@rule("Where")
def _where(call: Call) -> list[Value]:
    return [Value(broadcast(call.shapes), call.value(1).type)]


@rule(
    "Abs", "Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "BitwiseNot", "Ceil", "Celu", "Clip", "Cos",
    "Cosh", "CumSum", "CumProd", "Elu", "Erf", "Exp", "Floor", "Gelu", "GroupNormalization", "HardSigmoid",
    "HardSwish", "Hardmax", "Identity", "InstanceNormalization", "IsInf", "IsNaN", "LRN", "LeakyRelu", "Log",
    "LogSoftmax", "LpNormalization", "MeanVarianceNormalization", "Mish", "Neg", "Not", "Reciprocal", "Relu",
    "RMSNormalization", "Round", "ScatterElements", "ScatterND", "Scatter", "Selu", "Shrink", "Sigmoid",
    "Sign", "SimplifiedLayerNormalization", "Sin", "Sinh", "Softmax", "Softplus", "Softsign", "Sqrt", "Swish",
    "Tan", "Tanh", "ThresholdedRelu", "Trilu", "ReverseSequence", "RotaryEmbedding",
)  # fmt: skip
def _same(call: Call) -> list[Value] | None:
    value = call.value(0)
    if value.other is not None:
        return None
    kind = TensorProto.BOOL if call.op.type in _BOOLEAN else value.type
    return [Value(value.dims, kind)]


@rule("Cast")
def _cast(call: Call) -> list[Value]:
    return [Value(call.dims(0), call.attribute("to", 0))]


@rule("CastLike")
def _cast_like(call: Call) -> list[Value]:
    return [Value(call.dims(0), call.value(1).type)]


@rule("BatchNormalization")
def _batch_norm(call: Call) -> list[Value]:
    first = call.value(0)
    if first.rank is not None and first.rank >= 2 and call.dims(1):
        same(first.dims[1], call.dims(1)[0], "the number of channels")  # type: ignore[index] # both are known
    statistics = [Value(call.dims(3), call.value(3).type) for _ in call.op.outputs[1:]]
    return [Value(first.dims, first.type), *statistics]


@rule("Dropout")
def _dropout(call: Call) -> list[Value]:
    kind = TensorProto.BOOL if call.op.version >= 10 else call.value(0).type
    return [Value(call.dims(0), call.value(0).type), Value(call.dims(0), kind)]


@rule("QuantizeLinear")
@rule("QuantizeLinear", domain=MICROSOFT)
def _quantize(call: Call) -> list[Value]:
    kind = call.attribute("output_dtype") or call.value(2).type or TensorProto.UINT8
    return [Value(call.dims(0), kind)]


@rule("DequantizeLinear")
@rule("DequantizeLinear", domain=MICROSOFT)
def _dequantize(call: Call) -> list[Value]:
    return [Value(call.dims(0), call.attribute("output_dtype") or call.value(1).type)]


@rule("DynamicQuantizeLinear")
def _dynamic_quantize(call: Call) -> list[Value]:
    kinds = ((call.dims(0), TensorProto.UINT8), ((), TensorProto.FLOAT), ((), TensorProto.UINT8))
    return [Value(dims, kind) for dims, kind in kinds]


@rule(
    "Gelu", "FastGelu", "BiasGelu", "QuickGelu", "FusedElementwise", "SkipLayerNormalization", "Trilu",
    "SkipSimplifiedLayerNormalization", "QLinearSigmoid", "QLinearLeakyRelu", "QLinearSoftmax", "Inverse",
    "GroupNorm", "SkipGroupNorm", "Rfft", "BiasSplitGelu", "BiasAdd", "RotaryEmbedding", "Attention",
    domain=MICROSOFT,
)  # fmt: skip
def _microsoft_same(call: Call) -> list[Value] | None:
    if call.op.type in {"Rfft", "Attention"} or len([o for o in call.op.outputs if o >= 0]) > 1:
        return None
    return call.like(call.dims(0))


@rule("QLinearAdd", "QLinearMul", domain=MICROSOFT)
def _quantised_elementwise(call: Call) -> list[Value]:
    return [Value(broadcast((call.dims(0), call.dims(3))), call.value(0).type)]
