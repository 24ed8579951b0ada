"""Operators that take parts of a tensor, or reduce its axes."""

from typing import Any

from onnx import TensorProto

from audiocnn_cli.shapes.onnxfile.free import Dim, Dims, Free, unnamed
from audiocnn_cli.shapes.onnxfile.order import is_at_least, smaller
from audiocnn_cli.shapes.onnxfile.rules.call import Call, InconsistentError, rule, unnamed_dims
from audiocnn_cli.shapes.onnxfile.values import Value

_FAR = 1 << 30  # ends beyond this stand for the end of the axis


@rule("Slice")
def _slice(call: Call) -> list[Value] | None:
    dims = call.dims(0)
    if dims is None:
        return None
    starts, ends, steps, axes = slice_of(call, len(dims))
    output = list(dims)
    if axes is None:
        return call.like(unnamed_dims(len(dims)))
    for index, axis in enumerate(axes):
        start, end, step = (each[index] if each is not None else None for each in (starts, ends, steps))
        output[axis] = sliced(dims[axis], start, end, step)
    return call.like(tuple(output))


def slice_of(call: Call, rank: int) -> tuple[Any, Any, Any, list[int] | None]:
    """The starts, ends and steps of a Slice, each None where it is unknown, and its axes."""
    if call.op.version < 10:
        starts, ends = call.attribute("starts"), call.attribute("ends")
        axes = call.attribute("axes") or range(len(starts))
        return starts, ends, [1] * len(starts), [call.axis(rank, axis) for axis in axes]
    starts, ends = call.value(1).sizes, call.value(2).sizes
    number = next((len(each) for each in (starts, ends) if each is not None), None)
    axes = call.axes(rank, 3) if call.has(3) else None
    if not call.has(3):
        known = number if number is not None else next(iter(call.dims(1) or ()), None)
        axes = list(range(known)) if isinstance(known, int) and known <= rank else None
    steps = call.value(4).ints if call.has(4) else ([1] * len(axes) if axes is not None else None)
    return starts, ends, steps, axes


def sliced(size: Dim, start: Dim | None, end: Dim | None, step: int | None) -> Dim:
    """The size of an axis after a slice, where it is not empty."""
    if start is None or end is None or not step:
        return unnamed()
    if isinstance(size, int) and isinstance(start, int) and isinstance(end, int):
        return len(range(*slice(start, end, step).indices(size)))
    if step < 0:
        whole = start in {-1, _FAR} or (isinstance(start, int) and start > _FAR)
        return (size + (-step - 1)) // -step if whole and isinstance(end, int) and end < -_FAR else unnamed()
    to_end = isinstance(end, int) and end > _FAR
    first, last = _place(size, start), size if to_end else _place(size, end)
    if first is None or last is None:
        return unnamed()
    if isinstance(start, int) and start < 0:
        # The last elements: as many as there are, at most.
        first = size - smaller(-start, size)
    if not to_end and not (isinstance(end, int) and end < 0):
        last = smaller(last, size)
    length = last - first
    if isinstance(length, int) and length < 0:
        return 0
    return (length + (step - 1)) // step


def _place(size: Dim, position: Dim) -> Dim | None:
    """A position counted from 0; None where its sign is not known."""
    if is_at_least(position, 0):
        return position
    return size + position if is_at_least(-1, position) else None


@rule("Gather")
def _gather(call: Call) -> list[Value] | None:
    dims, indices = call.dims(0), call.dims(1)
    if dims is None or indices is None:
        return None
    axis = call.axis(len(dims), call.attribute("axis", 0))
    return call.like((*dims[:axis], *indices, *dims[axis + 1 :]))


@rule("GatherElements")
def _gather_elements(call: Call) -> list[Value]:
    return call.like(call.dims(1))


@rule("GatherND")
def _gather_nd(call: Call) -> list[Value] | None:
    dims, indices = call.dims(0), call.dims(1)
    if dims is None or not indices or not isinstance(indices[-1], int):
        return None
    batch = call.attribute("batch_dims", 0)
    return call.like((*indices[:-1], *dims[batch + indices[-1] :]))


@rule("Split")
def _split(call: Call) -> list[Value] | None:
    dims = call.dims(0)
    if dims is None:
        return None
    axis = call.axis(len(dims), call.attribute("axis", 0))
    number = len(call.op.outputs)
    given = call.attribute("split") or (call.value(1).sizes if call.has(1) else None)
    parts: list[Dim]
    if given:
        if len(given) != number:
            raise InconsistentError(f"{len(given)} sizes for {number} parts")
        if (
            isinstance(dims[axis], int)
            and all(isinstance(size, int) for size in given)
            and sum(given) != dims[axis]
        ):
            raise InconsistentError(f"the sizes {given} are not those of an axis of {dims[axis]}")
        parts = list(given)
    elif call.has(1):
        parts = [unnamed() for _ in range(number)]
    else:
        ceil = call.op.version >= 18  # before, all parts have the same size
        each = (dims[axis] + (number - 1 if ceil else 0)) // number
        parts = [each] * (number - 1)
        parts.append(dims[axis] - each * (number - 1) if ceil else each)
    return [Value((*dims[:axis], part, *dims[axis + 1 :]), call.value(0).type) for part in parts]


@rule(*(f"Reduce{name}" for name in (
    "L1", "L2", "LogSum", "LogSumExp", "Max", "Mean", "Min", "Prod", "Sum", "SumSquare",
)))  # fmt: skip
def _reduce(call: Call) -> list[Value] | None:
    dims, keep = call.dims(0), call.attribute("keepdims", 1)
    if dims is None:
        return None
    axes = call.axes(len(dims))
    if axes is None:
        return call.like(unnamed_dims(len(dims)) if keep else None)
    if not axes:
        if call.attribute("noop_with_empty_axes", 0):
            return call.like(dims)
        axes = list(range(len(dims)))
    return call.like(reduced(dims, axes, keep=bool(keep)))


def reduced(dims: Dims, axes: list[int], *, keep: bool) -> Dims:
    """`dims` with `axes` of size 1, or without them."""
    if keep:
        return tuple(1 if axis in axes else size for axis, size in enumerate(dims))
    return tuple(size for axis, size in enumerate(dims) if axis not in axes)


@rule("ArgMax", "ArgMin")
def _arg(call: Call) -> list[Value] | None:
    dims = call.dims(0)
    if dims is None:
        return None
    axis = call.axis(len(dims), call.attribute("axis", 0))
    return [Value(reduced(dims, [axis], keep=bool(call.attribute("keepdims", 1))), TensorProto.INT64)]


@rule("TopK")
def _top(call: Call) -> list[Value] | None:
    dims = call.dims(0)
    if dims is None:
        return None
    axis = call.axis(len(dims), call.attribute("axis", -1))
    number: Dim = unnamed()
    if (k := call.attribute("k")) is not None:
        number = k
    elif sizes := call.value(1).sizes:
        number = sizes[0]
    output = (*dims[:axis], number, *dims[axis + 1 :])
    return [Value(output, call.value(0).type), Value(output, TensorProto.INT64)]


@rule("OneHot")
def _one_hot(call: Call) -> list[Value] | None:
    dims, depth = call.dims(0), call.value(1).elements
    if dims is None:
        return None
    axis = call.axis(len(dims) + 1, call.attribute("axis", -1))
    known = depth and not isinstance(depth[0], Free)
    size: Dim = int(depth[0]) if known and depth else unnamed()
    return call.like((*dims[:axis], size, *dims[axis:]), 2)


@rule("NonZero")
def _nonzero(call: Call) -> list[Value] | None:
    dims = call.dims(0)
    return None if dims is None else [Value((max(1, len(dims)), unnamed()), TensorProto.INT64)]
