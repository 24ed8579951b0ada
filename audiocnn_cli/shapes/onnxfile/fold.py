"""Compute the elements of small tensors: shapes, axes and factors, with free sizes among them.

Tensors of more than 4096 elements are never computed, so memory does not depend on what a graph states.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from audiocnn_cli.shapes.onnxfile.elements import (
    Part,
    UnknownError,
    integer,
    integer_quotient,
    number,
    power,
    quotient,
    reduced,
    times,
    whole,
)
from audiocnn_cli.shapes.onnxfile.free import Free, product_of
from audiocnn_cli.shapes.onnxfile.order import is_at_least, larger, smaller
from audiocnn_cli.shapes.onnxfile.rules.call import Call
from audiocnn_cli.shapes.onnxfile.rules.selecting import slice_of
from audiocnn_cli.shapes.onnxfile.values import FLOATS, MOST_ELEMENTS, Value, is_known, known_sizes

Array = NDArray[Any]
_LIMIT = 1 << 63


def fold(call: Call, outputs: list[Value]) -> None:
    """Add the elements of the outputs where they follow from those of the inputs."""
    op = call.op
    if op.domain or not outputs or outputs[0].other is not None:
        return
    function = _FUNCTIONS.get(op.type)
    by_reference = op.type in _BY_REFERENCE
    if (function is None and not by_reference) or any(v is not None and v.data is None for v in call.values):
        return
    if not call.values or not all(_is_small(output) for output in outputs if op.type not in _SIZED_BY_VALUES):
        return
    try:
        found = function(call, outputs) if function else _reference(call)
    except (UnknownError, ArithmeticError, ValueError, IndexError, TypeError, OverflowError):
        return
    for output, data in zip(outputs, found if isinstance(found, list) else [found], strict=False):
        if data.size <= MOST_ELEMENTS and not any(_is_too_large(each) for each in data.flat):
            output.data = data
            output.dims = tuple(data.shape)


def _is_too_large(value: Any) -> bool:
    """Whether a number is beyond 64 bits: ONNX' integers overflow, and ours would grow without limit."""
    return isinstance(value, int) and not -_LIMIT <= value < _LIMIT


def _is_small(value: Value) -> bool:
    return is_known(value.dims) and (value.count or 0) <= MOST_ELEMENTS


def _objects(value: Value) -> Array:
    data = value.data
    assert data is not None  # noqa: S101 (`fold` has checked it)
    return data if data.dtype == object else data.astype(object)


def _each(call: Call, function: Callable[..., Any]) -> Array:
    """`function` of the corresponding elements."""
    arrays = [_objects(value) for value in call.values if value is not None]
    result = np.frompyfunc(function, len(arrays), 1)(*arrays)
    return np.asarray(result, dtype=object)


def _arithmetic(call: Call, _outputs: list[Value]) -> Array:
    is_float = call.value(0).type in FLOATS
    function = {
        "Add": lambda a, b: whole(a) + whole(b),
        "Sub": lambda a, b: whole(a) - whole(b),
        "Mul": times,
        "Div": quotient if is_float else integer_quotient,
        "Mod": lambda a, b: math.fmod(a, b) if call.attribute("fmod", 0) else whole(a) % whole(b),
        "Max": lambda *each: reduced(larger, max, each),
        "Min": lambda *each: reduced(smaller, min, each),
        "Pow": power,
    }[call.op.type]
    return _each(call, function)


def _rounding(call: Call, _outputs: list[Value]) -> Array:
    function: dict[str, Callable[[Any], Any]] = {
        "Floor": lambda a: _rounded(a, up=False),
        "Ceil": lambda a: _rounded(a, up=True),
        "Neg": lambda a: 0 - a,
        "Abs": lambda a: a if isinstance(a, Free) and is_at_least(a, 0) else abs(number(a)),
        "Sqrt": lambda a: math.sqrt(number(a)),
        "Not": lambda a: not number(a),
        "Identity": lambda a: a,
    }  # fmt: skip
    return _each(call, function[call.op.type])


def _rounded(value: Any, *, up: bool) -> Any:
    if isinstance(value, Part):
        return value.rounded(up=up)
    return value if isinstance(value, Free) else float(math.ceil(value) if up else math.floor(value))


def _cast(call: Call, outputs: list[Value]) -> Array:
    kind = outputs[0].type

    def convert(value: Any) -> Any:
        if isinstance(value, Free | Part):
            if kind in {TensorProto.BOOL, TensorProto.STRING}:
                raise UnknownError
            return value if isinstance(value, Free) or kind in FLOATS else value.rounded()
        if kind == TensorProto.BOOL:
            return bool(value)
        return float(np.float32(value)) if kind in FLOATS else int(value)

    if kind in {TensorProto.STRING, *range(17, 27)}:
        raise UnknownError
    return np.asarray(np.frompyfunc(convert, 1, 1)(_objects(call.value(0))), dtype=object)


def _comparison(call: Call, _outputs: list[Value]) -> Array:
    name = call.op.type

    def compare(a: Any, b: Any) -> bool:
        if not isinstance(a, Free) and not isinstance(b, Free):
            a, b = number(a), number(b)
            return bool({
                "Equal": a == b, "Greater": a > b, "Less": a < b, "GreaterOrEqual": a >= b,
                "LessOrEqual": a <= b,
                "And": a and b, "Or": a or b,
            }[name])  # fmt: skip
        a, b = integer(a), integer(b)
        above, below = is_at_least(a, b + 1), is_at_least(b, a + 1)
        at_least, at_most = is_at_least(a, b), is_at_least(b, a)
        yes = {
            "Equal": a == b, "Greater": above, "Less": below, "GreaterOrEqual": at_least,
            "LessOrEqual": at_most,
        }  # fmt: skip
        no = {
            "Equal": above or below, "Greater": at_most, "Less": at_least, "GreaterOrEqual": below,
            "LessOrEqual": above,
        }  # fmt: skip
        if not yes.get(name) and not no.get(name):
            raise UnknownError
        return bool(yes[name])

    return _each(call, compare)


def _where(call: Call, _outputs: list[Value]) -> Array:
    return np.where(_objects(call.value(0)).astype(bool), _objects(call.value(1)), _objects(call.value(2)))


def _concat(call: Call, _outputs: list[Value]) -> Array:
    return np.concatenate([_objects(v) for v in call.values if v is not None], axis=call.attribute("axis", 0))


def _gather(call: Call, _outputs: list[Value]) -> Array:
    indices = np.array(call.value(1).ints, dtype=np.int64).reshape(_shape_of(call.value(1)))
    if call.value(1).ints is None:
        raise UnknownError
    return np.asarray(np.take(_objects(call.value(0)), indices, axis=call.attribute("axis", 0)), dtype=object)


def _shape_of(value: Value) -> tuple[int, ...]:
    assert value.data is not None  # noqa: S101 (`fold` has checked it)
    return value.data.shape


def _slice(call: Call, _outputs: list[Value]) -> Array:
    data = _objects(call.value(0))
    starts, ends, steps, axes = slice_of(call, data.ndim)
    if any(isinstance(each, Free) for part in (starts, ends) for each in part):
        raise UnknownError
    cut = [slice(None)] * data.ndim
    for axis, start, end, step in zip(axes or (), starts, ends, steps, strict=True):
        cut[axis] = slice(start, end if step > 0 or end >= -data.shape[axis] else None, step)
    return data[tuple(cut)]


def _reshaping(call: Call, outputs: list[Value]) -> Array:
    shape = known_sizes(outputs[0].dims) or ()
    data = _objects(call.value(0))
    if call.op.type == "Expand":
        return np.broadcast_to(data, shape)
    return data.reshape(shape)


def _transpose(call: Call, _outputs: list[Value]) -> Array:
    return np.transpose(_objects(call.value(0)), call.attribute("perm"))


def _tile(call: Call, _outputs: list[Value]) -> Array:
    return np.tile(_objects(call.value(0)), call.value(1).ints or ())


def _filled(call: Call, outputs: list[Value]) -> Array:
    tensor = call.attribute("value")
    value = 0.0 if tensor is None else numpy_helper.to_array(tensor).reshape(-1)[0].item()
    found: Array = np.empty(known_sizes(outputs[0].dims) or (), dtype=object)
    found[...] = value
    return found


def _range(call: Call, outputs: list[Value]) -> Array:
    start, delta = (number((call.value(index).elements or [0])[0]) for index in (0, 2))
    (size,) = known_sizes(outputs[0].dims) or (0,)
    found: Array = np.empty(size, dtype=object)
    found[:] = [start + i * delta for i in range(size)]
    return found


def _reduction(call: Call, outputs: list[Value]) -> Array:
    data = _objects(call.value(0))
    axes = tuple(call.axes(data.ndim) or range(data.ndim))
    function: Any = {
        "ReduceProd": lambda *each: product_of(map(integer, each)),
        "ReduceSum": lambda *each: sum(map(whole, each)),
        "ReduceMax": lambda *each: reduced(larger, max, each),
        "ReduceMin": lambda *each: reduced(smaller, min, each),
    }[call.op.type]
    moved = np.moveaxis(data, axes, tuple(range(len(axes)))).reshape(-1, *_without(data.shape, axes))
    result = np.frompyfunc(function, len(moved), 1)(*moved)
    return np.asarray(result, dtype=object).reshape(known_sizes(outputs[0].dims) or ())


def _without(shape: tuple[int, ...], axes: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(size for axis, size in enumerate(shape) if axis not in axes)


def _split(call: Call, outputs: list[Value]) -> list[Array]:
    data, axis = _objects(call.value(0)), call.attribute("axis", 0)
    sizes = [known_sizes(output.dims) or () for output in outputs]
    ends = np.cumsum([each[axis] for each in sizes])[:-1]
    return list(np.split(data, ends.tolist(), axis=axis))


def _reference(call: Call) -> list[Array]:
    """The outputs by ONNX' reference implementation, where all elements are numbers."""
    # It takes long to import, and few graphs need it.
    from onnx.reference import ReferenceEvaluator

    node, names, feeds = helper.make_node(call.op.type, [], []), [], {}
    node.CopyFrom(call.op.node)
    for index, value in enumerate(call.values):
        if value is None or value.data is None:
            names.append("")
            continue
        names.append(f"i{index}")
        kind = helper.tensor_dtype_to_np_dtype(value.type)
        if any(isinstance(each, Free) for each in value.elements or ()):
            raise UnknownError
        feeds[names[-1]] = np.array(value.data.tolist(), dtype=kind)
    del node.input[:], node.output[:]
    node.input.extend(names)
    outputs = [f"o{index}" for index in range(len(call.op.outputs))]
    node.output.extend(outputs)
    values = [[helper.make_tensor_value_info(name, 0, None) for name in each] for each in (feeds, outputs)]
    graph = helper.make_graph([node], "constant", *values)
    opset = helper.make_opsetid("", call.op.version)
    try:
        return [
            np.asarray(each)
            for each in ReferenceEvaluator(helper.make_model(graph, opset_imports=[opset])).run(None, feeds)
        ]
    except Exception as error:  # of any kind: the elements stay unknown
        raise UnknownError from error


_SIZED_BY_VALUES = frozenset({"NonZero", "Unique", "Compress"})
_BY_REFERENCE = _SIZED_BY_VALUES | {
    "ArgMax", "ArgMin", "Clip", "CumSum", "GatherElements", "GatherND", "OneHot", "ReduceMean", "Round",
    "ScatterElements", "ScatterND", "Sign", "TopK", "Trilu",
}  # fmt: skip
_FUNCTIONS: dict[str, Callable[[Call, list[Value]], Any]] = {
    **dict.fromkeys(("Add", "Sub", "Mul", "Div", "Mod", "Max", "Min", "Pow"), _arithmetic),
    **dict.fromkeys(("Floor", "Ceil", "Neg", "Abs", "Sqrt", "Not", "Identity"), _rounding),
    **dict.fromkeys(("Equal", "Greater", "Less", "GreaterOrEqual", "LessOrEqual", "And", "Or"), _comparison),
    **dict.fromkeys(("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Expand"), _reshaping),
    **dict.fromkeys(("ReduceProd", "ReduceSum", "ReduceMax", "ReduceMin"), _reduction),
    "Cast": _cast, "Where": _where, "Concat": _concat, "Gather": _gather, "Slice": _slice,
    "Transpose": _transpose, "Tile": _tile, "ConstantOfShape": _filled, "Range": _range, "Split": _split,
}  # fmt: skip
