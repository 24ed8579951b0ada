"""Matrix products, recurrent layers, attention and Fourier transforms."""

from onnx import TensorProto

from audiocnn_cli.shapes.onnxfile.free import Dim, Dims
from audiocnn_cli.shapes.onnxfile.rules.call import (
    MICROSOFT,
    Call,
    InconsistentError,
    broadcast,
    common,
    rule,
    same,
)
from audiocnn_cli.shapes.onnxfile.values import Value

# The input that holds the second factor, by operator.
SECOND_AT = {"QLinearMatMul": 3, "QGemm": 3}
_INTEGER = {"MatMulInteger": TensorProto.INT32}


@rule("MatMul", "MatMulInteger", "QLinearMatMul")
@rule("DynamicQuantizeMatMul", "MatMulIntegerToFloat", "MatMulInteger16", domain=MICROSOFT)
def _matmul(call: Call) -> list[Value] | None:
    second = call.dims(SECOND_AT.get(call.op.type, 1))
    kind = _INTEGER.get(call.op.type, call.value(0).type)
    if call.op.type in {"DynamicQuantizeMatMul", "MatMulIntegerToFloat"}:
        kind = TensorProto.FLOAT
    return [Value(product_dims(call.dims(0), second), kind)]


@rule("FusedMatMul", domain=MICROSOFT)
def _fused_matmul(call: Call) -> list[Value] | None:
    if call.attribute("transBatchA", 0) or call.attribute("transBatchB", 0):
        return None
    factors = [call.dims(0), call.dims(1)]
    for index, name in enumerate(("transA", "transB")):
        dims = factors[index]
        if call.attribute(name, 0) and dims is not None and len(dims) > 1:
            factors[index] = (*dims[:-2], dims[-1], dims[-2])
    return call.like(product_dims(*factors))


@rule("MatMulNBits", domain=MICROSOFT)
def _matmul_nbits(call: Call) -> list[Value] | None:
    dims = call.dims(0)
    return None if dims is None else call.like((*dims[:-1], call.attribute("N")))


def product_dims(first: Dims | None, second: Dims | None) -> Dims | None:
    """The shape of a matrix product, with leading axes broadcast.

    Raises:
        InconsistentError: the contracted sizes differ.
    """
    if first is None or second is None:
        return None
    if not first or not second:
        raise InconsistentError("a factor is a single number")
    left = first if len(first) > 1 else (1, *first)
    right = second if len(second) > 1 else (*second, 1)
    same(left[-1], right[-2], "the contracted size")
    leading = broadcast((left[:-2], right[:-2])) or ()
    rows = (left[-2],) if len(first) > 1 else ()
    columns = (right[-1],) if len(second) > 1 else ()
    return (*leading, *rows, *columns)


@rule("Gemm")
@rule("FusedGemm", "QGemm", domain=MICROSOFT)
def _gemm(call: Call) -> list[Value] | None:
    first, second = call.dims(0), call.dims(SECOND_AT.get(call.op.type, 1))
    if first is None or second is None:
        return None
    if len(first) != 2 and call.op.version < 7 and len(first) > 2:
        return None
    if len(first) != 2 or len(second) != 2:
        raise InconsistentError(f"its factors have {len(first)} and {len(second)} axes, not 2")
    rows, inner = reversed(first) if call.attribute("transA", 0) else first
    inner2, columns = reversed(second) if call.attribute("transB", 0) else second
    same(inner, inner2, "the contracted size")
    return call.like((rows, columns))


@rule("Einsum")
def _einsum(call: Call) -> list[Value] | None:
    shapes = [call.dims(index) for index in range(len(call.values))]
    if any(shape is None for shape in shapes):
        return None
    found = einsum_sizes(call.attribute("equation", ""), [shape or () for shape in shapes])
    if found is None:
        return None
    sizes, output = found
    return call.like(tuple(sizes[letter] for letter in output))


def einsum_terms(equation: str, ranks: list[int]) -> tuple[list[str], str] | None:
    """The indices of each factor and of the output; digits stand for the axes of an ellipsis."""
    left, arrow, output = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(ranks):
        return None
    widest = ""
    for i, (term, rank) in enumerate(zip(terms, ranks, strict=True)):
        number = rank - len(term.replace("...", ""))
        if not 0 <= number <= 9 or (number and "..." not in term):
            return None
        dots = "".join(str(n) for n in reversed(range(number)))
        widest = max(widest, dots, key=len)
        terms[i] = term.replace("...", dots)
    if arrow:
        return terms, output.replace("...", widest)
    every = "".join(terms)
    return terms, widest + "".join(sorted(c for c in set(every) if c.isalpha() and every.count(c) == 1))


def einsum_sizes(equation: str, shapes: list[Dims]) -> tuple[dict[str, Dim], str] | None:
    """The size of each index, and the indices of the output.

    Raises:
        InconsistentError: an index has two sizes.
    """
    found = einsum_terms(equation, list(map(len, shapes)))
    if found is None:
        return None
    sizes: dict[str, Dim] = {}
    for term, shape in zip(found[0], shapes, strict=True):
        for letter, size in zip(term, shape, strict=True):
            sizes[letter] = common(sizes.get(letter, 1), size)
    return sizes, found[1]


GATES = {"LSTM": 4, "GRU": 3, "RNN": 1, "DynamicQuantizeLSTM": 4}


def hidden_size(call: Call) -> Dim | None:
    """The units of a recurrent operator."""
    if (size := call.attribute("hidden_size")) is not None:
        return int(size)
    weights = call.dims(2)
    return weights[2] if weights is not None and len(weights) == 3 and call.op.type in GATES else None


@rule("LSTM", "GRU", "RNN")
@rule("DynamicQuantizeLSTM", domain=MICROSOFT)
def _recurrent(call: Call) -> list[Value] | None:
    dims, units = call.dims(0), hidden_size(call)
    if dims is None or units is None:
        return None
    if len(dims) != 3:
        raise InconsistentError(f"its input has {len(dims)} axes, not 3")
    directions = 2 if call.attribute("direction", "forward") == "bidirectional" else 1
    kind = call.value(0).type
    weights = call.dims(1)
    if weights is not None and call.op.type in {"LSTM", "GRU", "RNN"} and len(weights) == 3:
        same(dims[2], weights[2], "the number of channels")
    if call.attribute("layout", 0):
        batch, time, _ = dims
        return [Value((batch, time, directions, units), kind), *[Value((batch, directions, units), kind)] * 2]
    time, batch, _ = dims
    return [Value((time, directions, batch, units), kind), *[Value((directions, batch, units), kind)] * 2]


@rule("LayerNormalization")
def _layer_norm(call: Call) -> list[Value]:
    dims = call.dims(0)
    axis = call.attribute("axis", -1)
    reduced = None
    if dims is not None:
        axis = call.axis(len(dims), axis)
        reduced = (*dims[:axis], *(1,) * (len(dims) - axis))
    return [Value(dims, call.value(0).type), Value(reduced, 1), Value(reduced, 1)]


@rule("Attention", domain=MICROSOFT)
@rule("QAttention", domain=MICROSOFT)
def _packed_attention(call: Call) -> list[Value] | None:
    dims, weights = call.dims(0), call.dims(1)
    if dims is None or weights is None or len(dims) != 3 or call.attribute("qkv_hidden_sizes"):
        return None
    return call.like((*dims[:2], weights[-1] // 3), 0 if call.op.type == "Attention" else 3)


@rule("MultiHeadAttention", domain=MICROSOFT)
def _multi_head(call: Call) -> list[Value] | None:
    query, value = call.dims(0), call.dims(2)
    if query is None or value is None or len(query) != 3 or len(value) != 3:
        return None
    return call.like((*query[:2], value[2]))


@rule("STFT")
def _stft(call: Call) -> list[Value] | None:
    signal, step, length = call.dims(0), call.value(1).ints, call.value(3).ints
    window = call.dims(2)
    if signal is None or len(signal) < 2 or not step:
        return None
    size: Dim | None = length[0] if length else (window[0] if window else None)
    if not isinstance(size, int):
        return None
    frames = (signal[1] - size) // step[0] + 1
    bins = size // 2 + 1 if call.attribute("onesided", 1) else size
    return call.like((signal[0], frames, bins, 2))


@rule("DFT")
def _dft(call: Call) -> list[Value] | None:
    dims = call.dims(0)
    if dims is None:
        return None
    given = call.value(2).ints
    if call.has(2) and not given:
        return None
    default = -2 if call.op.version >= 20 else call.attribute("axis", 1)
    axis = call.axis(len(dims), given[0] if given else default)
    length: Dim = dims[axis]
    if call.has(1):
        sizes = call.value(1).sizes
        if not sizes:
            return None
        length = sizes[0]
    inverse, onesided = call.attribute("inverse", 0), call.attribute("onesided", 0)
    size = length // 2 + 1 if onesided and not inverse else length
    if onesided and inverse and not call.has(1):
        size = (length - 1) * 2
    output = list(dims)
    output[axis] = size
    output[-1] = 1 if onesided and inverse else 2
    return call.like(tuple(output))
