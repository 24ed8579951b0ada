"""Multiply-accumulates of an operator: the product of the output's sizes and of the contracted ones."""

from collections.abc import Callable

from audiocnn_cli.shapes.onnxfile.free import Dim, Dims, product_of
from audiocnn_cli.shapes.onnxfile.infer import Inferred
from audiocnn_cli.shapes.onnxfile.network import Block, Op
from audiocnn_cli.shapes.onnxfile.order import larger
from audiocnn_cli.shapes.onnxfile.rules.call import MICROSOFT, Call, InconsistentError
from audiocnn_cli.shapes.onnxfile.rules.products import GATES, SECOND_AT, einsum_sizes, hidden_size
from audiocnn_cli.shapes.onnxfile.rules.windows import WEIGHTS_AT

_PRODUCTS = frozenset({
    "MatMul", "MatMulInteger", "QLinearMatMul", "FusedMatMul", "DynamicQuantizeMatMul",
    "MatMulIntegerToFloat",
    "MatMulNBits", "Gemm", "FusedGemm", "QGemm",
})  # fmt: skip
# Operators whose work has no formula here; so have those of domains that are not known.
_UNKNOWN = frozenset(
    {"STFT", "DFT", "GridSample", "RoiAlign", "MaxRoiPool", "NonMaxSuppression", "Det", "AffineGrid"}
)
_DOMAINS = frozenset({"", "ai.onnx.ml", MICROSOFT})


def has_formula(op: Op) -> bool:
    """Whether the work of `op` is known to be counted; operators that compute no products have none."""
    return op.domain in _DOMAINS and op.type not in _UNKNOWN


def work_of(op: Op, inferred: Inferred) -> Dim | None:
    """The multiply-accumulates of `op` for the whole batch, 0 without products; None if unknown."""
    if op.bodies:
        return _of_bodies(op, inferred)
    call = inferred.call(op)
    if op.first_output >= 0 and inferred.constant[op.first_output]:
        return 0  # computed once, when a model is loaded
    formula = _FORMULAS.get(op.type)
    try:
        return 0 if formula is None else formula(call, inferred.dims(op.first_output))
    except (IndexError, TypeError, InconsistentError):  # inputs of another number of axes
        return None


def _of_convolution(call: Call, output: Dims | None) -> Dim | None:
    weights = call.dims(WEIGHTS_AT[call.op.type])
    positions = call.dims(0) if call.op.type == "ConvTranspose" else output
    return None if weights is None or positions is None else product_of((*positions, *weights[1:]))


def _of_product(call: Call, output: Dims | None) -> Dim | None:
    if output is None:
        return None
    if call.op.type == "MatMulNBits":
        return product_of((*output, int(call.attribute("K"))))
    first = call.dims(0)
    if not first:
        return None
    turned = bool(call.attribute("transA", 0)) and len(first) > 1
    second = call.dims(SECOND_AT.get(call.op.type, 1))
    inner = first[-2] if turned else first[-1]
    if not isinstance(inner, int) and second and not call.attribute("transB", 0):
        inner = second[-2] if len(second) > 1 else second[0]
    return product_of([*output, inner])


def _of_recurrent(call: Call, _output: Dims | None) -> Dim | None:
    dims, units = call.dims(0), hidden_size(call)
    if dims is None or units is None or len(dims) != 3:
        return None
    directions = 2 if call.attribute("direction", "forward") == "bidirectional" else 1
    gates = directions * GATES[call.op.type]
    return product_of((dims[0], dims[1], units, gates)) * (dims[2] + units)


def _of_einsum(call: Call, _output: Dims | None) -> Dim | None:
    shapes = [call.dims(index) for index in range(len(call.values))]
    if len(shapes) == 1:
        return 0
    if len(shapes) > 2 or any(shape is None for shape in shapes):
        return None
    found = einsum_sizes(call.attribute("equation", ""), [shape or () for shape in shapes])
    return None if found is None else product_of(found[0].values())


def _of_attention(call: Call, _output: Dims | None) -> Dim | None:
    """The two products of attention; None where there is a past, or another layout."""
    query, keys, values = (call.dims(index) for index in range(3))
    if query is None or keys is None or values is None or call.has(4):
        return None
    if len(query) == 4:
        batch, heads, rows, depth = query
        return product_of((batch, heads, rows, keys[2])) * (depth + values[3])
    heads, groups = call.attribute("q_num_heads"), call.attribute("kv_num_heads")
    if len(query) != 3 or not heads or not groups:
        return None
    width = query[2] + values[2] // int(groups) * int(heads)
    return product_of((query[0], query[1], keys[1])) * width


def _of_packed_attention(call: Call, _output: Dims | None) -> Dim | None:
    """The projections and the two products of ONNX Runtime's attention."""
    query, weights = call.dims(0), call.dims(1)
    has_past = call.has(4 if call.op.type == "Attention" else 8)
    if query is None or weights is None or len(query) != 3 or call.attribute("qkv_hidden_sizes") or has_past:
        return None
    batch, length, _ = query
    products = product_of((2, batch, length, length, weights[1] // 3))
    return product_of((batch, length, *weights)) + products


def _of_heads(call: Call, _output: Dims | None) -> Dim | None:
    """The two products of ONNX Runtime's attention of several heads, whose projections are outside of it."""
    query, keys, values = (call.dims(index) for index in range(3))
    if query is None or keys is None or values is None or not len(query) == len(keys) == len(values) == 3:
        return None
    if call.has(6):  # past keys
        return None
    return product_of((query[0], query[1], keys[1])) * (query[2] + values[2])


def _of_any_attention(call: Call, output: Dims | None) -> Dim | None:
    return (_of_packed_attention if call.op.domain == MICROSOFT else _of_attention)(call, output)


_FORMULAS: dict[str, Callable[[Call, Dims | None], Dim | None]] = {
    **dict.fromkeys(WEIGHTS_AT, _of_convolution),
    **dict.fromkeys(_PRODUCTS, _of_product),
    **dict.fromkeys(GATES, _of_recurrent),
    "Einsum": _of_einsum,
    "Attention": _of_any_attention,
    "QAttention": _of_packed_attention,
    "MultiHeadAttention": _of_heads,
    "GroupQueryAttention": lambda _call, _output: None,
}


def work_of_block(block: Block, inferred: Inferred) -> Dim | None:
    """The work of all operators in `block`; None where that of one is unknown."""
    total: Dim = 0
    for op in block.ops:
        work = work_of(op, inferred)
        if work is None:
            return None
        total = total + work
    return total


def _of_bodies(op: Op, inferred: Inferred) -> Dim | None:
    """The costlier branch of an If, a body times its runs."""
    if op in inferred.taken:
        return work_of_block(op.bodies[inferred.taken[op]], inferred)
    each = [work_of_block(body, inferred) for body in op.bodies.values()]
    if any(work is None for work in each):
        return None
    known = [work for work in each if work is not None]
    if op.has("If") and len(known) == 2:
        return larger(*known)
    if not any(known):
        return 0
    trips = inferred.trips.get(op)
    return None if trips is None or len(known) != 1 else known[0] * trips
