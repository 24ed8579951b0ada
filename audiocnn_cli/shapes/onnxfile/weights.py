"""The books of a file's weights: each counted once, with the operator that uses it first.

Weights are the constants of floating point and the quantised ones that operators compute with. What a
constant is computed from is counted, not the result. Single numbers are weights only where an operator has
its parameters.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import prod

from onnx import TensorProto, numpy_helper

from audiocnn_cli.shapes.onnxfile.infer import Inferred
from audiocnn_cli.shapes.onnxfile.network import MISSING, Op
from audiocnn_cli.shapes.onnxfile.values import FLOATS, MOST_ELEMENTS, NARROW

# The inputs that are parameters whatever their size, by operator.
_PARAMETERS = {
    "Conv": (1, 2), "ConvTranspose": (1, 2), "FusedConv": (1, 2), "ConvInteger": (1,), "QLinearConv": (3, 8),
    "DeformConv": (1, 3), "Gemm": (1, 2), "FusedGemm": (1, 2), "QGemm": (3, 6), "MatMul": (0, 1),
    "FusedMatMul": (0, 1), "MatMulInteger": (0, 1), "QLinearMatMul": (0, 3), "DynamicQuantizeMatMul": (1, 4),
    "MatMulIntegerToFloat": (0, 1, 6), "MatMulNBits": (1, 5), "LSTM": (1, 2, 3, 7), "GRU": (1, 2, 3),
    "RNN": (1, 2, 3), "DynamicQuantizeLSTM": (1, 2, 3, 7), "BatchNormalization": (1, 2),
    "InstanceNormalization": (1, 2), "GroupNormalization": (1, 2), "LayerNormalization": (1, 2),
    "RMSNormalization": (1,), "SimplifiedLayerNormalization": (1,), "SkipLayerNormalization": (2, 3, 4),
    "PRelu": (1,), "QAttention": (1, 2), "EmbedLayerNormalization": (2, 3, 4, 5, 6), "BiasGelu": (1,),
}  # fmt: skip
_STATISTICS = {"BatchNormalization": (3, 4)}
# The inputs that steer an operator: scales and zero points, sizes, limits.
_STEERING: dict[str, tuple[int, ...]] = {
    "QuantizeLinear": (1, 2), "DequantizeLinear": (1, 2), "QLinearConv": (1, 2, 4, 5, 6, 7),
    "QLinearMatMul": (1, 2, 4, 5, 6, 7), "MatMulInteger": (2, 3), "ConvInteger": (2, 3),
    "QLinearAdd": (1, 2, 4, 5, 6, 7), "QLinearMul": (1, 2, 4, 5, 6, 7), "DynamicQuantizeMatMul": (2, 3),
    "MatMulIntegerToFloat": (2, 3, 4, 5), "DynamicQuantizeLSTM": (4, 8, 9, 10, 11),
    "QGemm": (1, 2, 4, 5, 7, 8),
    "QAttention": (3, 4, 5, 6, 7), "MatMulNBits": (2, 3, 4), "Resize": (1, 2, 3), "Upsample": (1,),
    "Clip": (1, 2),
    "Pad": (1, 2, 3), "Range": (0, 1, 2), "OneHot": (1, 2), "Dropout": (1, 2),
    "NonMaxSuppression": (1, 2, 3, 4),
    "LSTM": (4,), "GRU": (4,), "RNN": (4,), "QLinearLeakyRelu": (1, 2, 3, 4), "QLinearSigmoid": (1, 2, 3, 4),
    "QLinearGlobalAveragePool": (1, 2, 3, 4), "QLinearAveragePool": (1, 2, 3, 4),
    "QLinearSoftmax": (1, 2, 3, 4),
    "GroupQueryAttention": (5, 6, 7, 8),
}  # fmt: skip
# Operators whose result has the elements of their first input; the others steer them.
_OF_FIRST = frozenset({
    "DequantizeLinear", "QuantizeLinear", "DynamicQuantizeLinear", "Reshape", "Expand", "Slice", "Gather",
    "Tile", "Transpose", "Unsqueeze", "Squeeze", "Pad", "Split", "Cast",
})  # fmt: skip
_STATES = {"LSTM": (5, 6), "GRU": (5,), "RNN": (5,), "DynamicQuantizeLSTM": (5, 6)}


@dataclass(eq=False)
class Books:
    """The weights of each operator, and what of each constant is not counted yet.

    `trainable` and `statistics` are totals over the network; a constant is in one of them, once.
    """

    inferred: Inferred
    producers: dict[int, Op] = field(default_factory=dict)
    rest: dict[int, int] = field(default_factory=dict)
    by_op: dict[Op, int] = field(default_factory=dict)
    statistics_by_op: dict[Op, int] = field(default_factory=dict)
    shared: set[Op] = field(default_factory=set)
    trainable: int = 0
    statistics: int = 0

    def move(self, op: Op, owner: Op) -> None:
        """Count what `op` has with `owner`."""
        self.by_op[owner] = self.by_op.get(owner, 0) + self.by_op.pop(op, 0)
        self.statistics_by_op[owner] = self.statistics_by_op.get(owner, 0) + self.statistics_by_op.pop(op, 0)

    def not_trained(self, op: Op) -> None:
        """Count the weights of `op` as non-trainable."""
        number = self.by_op.pop(op, 0)
        self.statistics_by_op[op] = self.statistics_by_op.get(op, 0) + number
        self.trainable -= number
        self.statistics += number


def count_weights(inferred: Inferred) -> Books:
    """Count the weights of `inferred`."""
    books = Books(inferred)
    ops = list(inferred.network.block.everywhere())
    for op in ops:
        books.producers.update(dict.fromkeys(op.outputs, op))
    for op in ops:
        if op.bodies or op.first_output == MISSING or inferred.constant[op.first_output]:
            continue
        for index, number in enumerate(op.inputs):
            if number != MISSING and inferred.constant[number]:
                _count(books, op, index, number)
    return books


def _count(books: Books, op: Op, index: int, number: int) -> None:
    if index in _STEERING.get(op.type, ()) or _is_quantisation(books, op, number):
        return
    if index in _STATES.get(op.type, ()) and _is_zero(books, number):
        return
    parameter = index in _PARAMETERS.get(op.type, ()) or index in _STATISTICS.get(op.type, ())
    parameter = parameter or _is_single_bias(books, op, number)
    leaves = list(dict.fromkeys(_leaves(books, number, made=parameter)))
    kinds = {leaf: books.inferred.values[leaf].type for leaf in leaves}
    narrow = [leaf for leaf in leaves if kinds[leaf] in NARROW and _size(books, op, leaf) > 1]
    wanted = narrow or [
        leaf for leaf in leaves if kinds[leaf] in FLOATS or _is_bias(op, index, number, books)
    ]
    sizes = {leaf: _size(books, op, leaf) for leaf in wanted}
    sizes = {leaf: size for leaf, size in sizes.items() if parameter or size > 1}
    if not sizes:
        return
    fresh = sum(size for leaf, size in sizes.items() if leaf not in books.rest)
    statistics = index in _STATISTICS.get(op.type, ())
    if statistics:
        books.statistics += fresh
    else:
        books.trainable += fresh
    for leaf, size in sizes.items():
        books.rest.setdefault(leaf, size)
    left = sum(books.rest[leaf] for leaf in sizes)
    count = books.inferred.values[number].count
    used = left if count is None or op.type == "MatMulNBits" else min(count, left)
    if not used:
        books.shared.add(op)
    target = books.statistics_by_op if statistics else books.by_op
    target[op] = target.get(op, 0) + used
    for leaf in sizes:
        taken = min(used, books.rest[leaf])
        books.rest[leaf] -= taken
        used -= taken


def _is_single_bias(books: Books, op: Op, number: int) -> bool:
    """Whether a number is added to the only output channel of a layer with weights."""
    other = next((each for each in op.inputs if each != number), MISSING)
    producer = books.producers.get(other)
    for _ in range(4):  # integer products are cast and multiplied by their scale first
        if producer is not None and producer.type in {"Cast", "Mul", "DequantizeLinear", "QuantizeLinear"}:
            producer = books.producers.get(producer.input(0))
    dims = books.inferred.dims(number)
    if op.type != "Add" or producer is None or producer.type not in _PARAMETERS or not dims:
        return False
    output = books.inferred.dims(op.first_output) or ()
    return set(dims) == {1} and (output[-1:] == (1,) or output[1:2] == (1,))


def _is_bias(op: Op, index: int, number: int, books: Books) -> bool:
    """Whether whole numbers of 32 bits are a quantised bias."""
    if (op.type, index) in {("QLinearConv", 8), ("QGemm", 6)}:
        return True
    producer = books.producers.get(number)
    return producer is not None and producer.type == "DequantizeLinear"


def _size(books: Books, op: Op, leaf: int) -> int:
    if op.type == "MatMulNBits" and leaf == op.input(1):
        return int(op.attributes.get("K", 0) * op.attributes.get("N", 0))
    return books.inferred.values[leaf].count or 0


def _leaves(books: Books, number: int, *, made: bool) -> Iterator[int]:
    """What a constant is computed from; with `made` also tensors that a node fills with one value."""
    waiting, seen = [number], {number}
    while waiting:
        each = waiting.pop()
        producer = books.producers.get(each)
        if producer is None:
            if each in books.inferred.network.constants:
                yield each
            continue
        if producer.type == "ConstantOfShape":
            if made:
                yield each
            continue
        if producer.type in {"Shape", "Size", "Range"}:
            continue
        inputs = producer.inputs[:1] if producer.type in _OF_FIRST else producer.inputs
        if producer.type == "QLinearConcat":  # (tensor, scale, zero point) behind the scale of the result
            inputs = inputs[2::3]
        new = [each for each in inputs if each != MISSING and each not in seen]
        seen.update(new)
        waiting += reversed(new)


def _is_quantisation(books: Books, op: Op, number: int) -> bool:
    """Whether a constant is the scale of weights, multiplied with that of activations."""
    if op.type != "Mul":
        return False
    other = next((each for each in op.inputs if each != number), MISSING)
    producer = books.producers.get(other)
    return producer is not None and producer.type == "DynamicQuantizeLinear"


def _is_zero(books: Books, number: int) -> bool:
    """Whether a constant is an initial state of zeros, which is no weight."""
    for leaf in _leaves(books, number, made=False):
        tensor = books.inferred.network.constants[leaf]
        if tensor.data_type not in FLOATS or tensor.external_data or prod(tensor.dims) > MOST_ELEMENTS:
            continue
        if tensor.data_type == TensorProto.BFLOAT16 or numpy_helper.to_array(tensor).any():
            return False
    return True
