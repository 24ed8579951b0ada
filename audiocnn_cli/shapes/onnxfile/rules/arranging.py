"""Operators that reshape, repeat, pad, join or create tensors."""

import math
from fractions import Fraction

import numpy as np

from audiocnn_cli.shapes.onnxfile.free import Dim, Dims, Free, product_of, unnamed
from audiocnn_cli.shapes.onnxfile.rules.call import (
    MICROSOFT,
    Call,
    InconsistentError,
    broadcast,
    rule,
    same,
    unnamed_dims,
)
from audiocnn_cli.shapes.onnxfile.values import Value


@rule("Reshape")
def _reshape(call: Call) -> list[Value]:
    target = call.value(1).sizes if call.has(1) else list(call.attribute("shape", ()))
    if target is None:
        rank = call.dims(1)
        known = rank is not None and len(rank) == 1 and isinstance(rank[0], int) and rank[0] <= 64
        return call.like(unnamed_dims(rank[0]) if known else None)  # type: ignore[index, arg-type] # it is known
    return call.like(reshaped(call.dims(0), target, zeros=bool(call.attribute("allowzero", 0))))


def reshaped(dims: Dims | None, target: list[Dim], *, zeros: bool) -> Dims:
    """The shape that a reshape to `target` gives; 0 keeps a size unless `zeros`, -1 is what remains.

    Raises:
        InconsistentError: the number of elements differs.
    """
    sizes: list[Dim] = []
    for index, size in enumerate(target):
        if size == 0 and not zeros:
            sizes.append(dims[index] if dims is not None and index < len(dims) else unnamed())
        else:
            sizes.append(size)
    rest = product_of(size for size in sizes if size != -1)
    hole = next((index for index, size in enumerate(sizes) if size == -1), None)
    if dims is None:
        return tuple(unnamed() if size == -1 else size for size in sizes)
    total = product_of(dims)
    if isinstance(total, int) and isinstance(rest, int):
        fits = total == rest if hole is None else rest and total % rest == 0
        if not fits and not (hole is not None and total == rest == 0):
            raise InconsistentError(f"{total} elements can't be reshaped to {_listed(target)}")
    if hole is not None:
        sizes[hole] = total // rest
    return tuple(sizes)


def _listed(sizes: list[Dim]) -> str:
    return "x".join(map(str, sizes))


@rule("Flatten")
def _flatten(call: Call) -> list[Value] | None:
    dims = call.dims(0)
    if dims is None:
        return None
    axis = call.attribute("axis", 1)
    axis = axis + len(dims) if axis < 0 else axis
    return call.like((product_of(dims[:axis]), product_of(dims[axis:])))


@rule("Transpose")
def _transpose(call: Call) -> list[Value] | None:
    dims = call.dims(0)
    if dims is None:
        return None
    order = call.attribute("perm") or tuple(reversed(range(len(dims))))
    if sorted(order) != list(range(len(dims))):
        raise InconsistentError(f"{order} is not an order of {len(dims)} axes")
    return call.like(tuple(dims[axis] for axis in order))


@rule("Squeeze")
def _squeeze(call: Call) -> list[Value] | None:
    dims = call.dims(0)
    if dims is None:
        return None
    axes = call.axes(len(dims))
    if axes is None:
        return None
    if not call.has(1) and call.attribute("axes") is None:
        return call.like(tuple(size for size in dims if size != 1))
    if wrong := [dims[axis] for axis in axes if isinstance(dims[axis], int) and dims[axis] != 1]:
        raise InconsistentError(f"an axis of size {wrong[0]} can't be removed")
    return call.like(tuple(size for axis, size in enumerate(dims) if axis not in axes))


@rule("Unsqueeze")
def _unsqueeze(call: Call) -> list[Value] | None:
    dims, given = call.dims(0), call.attribute("axes")
    number = given if given is not None else call.value(1).ints
    if dims is None or number is None:
        return None
    axes = call.axes(len(dims) + len(number))
    rest = iter(dims)
    return call.like(
        tuple(1 if axis in (axes or ()) else next(rest) for axis in range(len(dims) + len(number)))
    )


@rule("Concat")
def _concat(call: Call) -> list[Value] | None:
    return _joined(call, call.shapes)


@rule("QLinearConcat", domain=MICROSOFT)
def _quantised_concat(call: Call) -> list[Value] | None:
    found = _joined(call, [call.dims(index) for index in range(2, len(call.values), 3)])
    return found and [Value(found[0].dims, call.value(2).type)]


def _joined(call: Call, shapes: list[Dims | None]) -> list[Value] | None:
    known = [shape for shape in shapes if shape is not None]
    if not known:
        return None
    rank = len(known[0])
    axis = call.axis(rank, call.attribute("axis", 1))
    sizes: list[Dim] = list(known[0])
    for shape in known[1:]:
        if len(shape) != rank:
            raise InconsistentError(f"tensors of {rank} and {len(shape)} axes can't be joined")
        for i in range(rank):
            sizes[i] = sizes[i] + shape[i] if i == axis else same(sizes[i], shape[i], f"the size of axis {i}")
    if len(known) < len(shapes):
        sizes[axis] = unnamed()
    return call.like(tuple(sizes))


@rule("Expand")
def _expand(call: Call) -> list[Value] | None:
    target, dims = call.value(1).sizes, call.dims(0)
    if target is None or dims is None:
        return None
    return call.like(broadcast((dims, tuple(target))))


@rule("Tile")
def _tile(call: Call) -> list[Value] | None:
    dims, repeats = call.dims(0), call.value(1).sizes
    if dims is None:
        return None
    if call.op.version < 6:
        return None
    if repeats is None:
        return call.like(unnamed_dims(len(dims)))
    if len(repeats) != len(dims):
        raise InconsistentError(f"{len(repeats)} repeats for {len(dims)} axes")
    return call.like(tuple(size * number for size, number in zip(dims, repeats, strict=True)))


@rule("Pad")
def _pad(call: Call) -> list[Value] | None:
    dims = call.dims(0)
    if dims is None:
        return None
    sides = pads_of(call, len(dims))
    if sides is None:
        return call.like(unnamed_dims(len(dims)))
    sizes = tuple(size + before + after for size, (before, after) in zip(dims, sides, strict=True))
    if any(isinstance(size, int) and size < 0 for size in sizes):
        raise InconsistentError("its pads remove more than there is")
    return call.like(sizes)


def pads_of(call: Call, rank: int) -> list[tuple[Dim, Dim]] | None:
    """The padding before and after each axis of a Pad; None where it is unknown.

    Raises:
        InconsistentError: there is another number of them.
    """
    flat = call.attribute("pads", call.attribute("paddings")) or call.value(1).sizes
    axes = call.axes(rank, 3) if call.has(3) else list(range(rank))
    if flat is None or axes is None:
        return None
    if len(flat) != 2 * len(axes):
        raise InconsistentError(f"{len(flat)} pads for {len(axes)} axes")
    sides: list[tuple[Dim, Dim]] = [(0, 0)] * rank
    for index, axis in enumerate(axes):
        sides[axis] = flat[index], flat[index + len(axes)]
    return sides


@rule("Resize", "Upsample")
def _resize(call: Call) -> list[Value] | None:
    dims = call.dims(0)
    if dims is None:
        return None
    axes = list(call.attribute("axes") or range(len(dims)))
    axes = [call.axis(len(dims), axis) for axis in axes]
    output = list(dims)
    if call.has(3):
        sizes = call.value(3).sizes
        if sizes is None:
            for axis in axes:
                output[axis] = unnamed()
            return call.like(tuple(output))
        if sizes:
            if call.attribute("keep_aspect_ratio_policy", "stretch") != "stretch":
                return None
            for axis, size in zip(axes, sizes, strict=True):
                output[axis] = size
            return call.like(tuple(output))
    scales = call.attribute("scales") or call.value(1 if call.op.version < 11 else 2).elements
    if call.attribute("coordinate_transformation_mode") == "tf_crop_and_resize":
        return None
    for index, axis in enumerate(axes):
        known = scales is not None and index < len(scales) and not isinstance(scales[index], Free)
        output[axis] = scaled(dims[axis], scales[index]) if known else unnamed()  # type: ignore[index]
    return call.like(tuple(output))


def scaled(size: Dim, scale: float) -> Dim:
    """floor(size * scale), in float32 as ONNX Runtime has it."""
    if isinstance(size, int):
        return math.floor(np.float32(size) * np.float32(scale))
    ratio = Fraction(float(scale))
    if ratio.denominator > 64:
        return unnamed()
    return (size * ratio.numerator) // ratio.denominator


@rule("DepthToSpace", "SpaceToDepth")
def _blocks(call: Call) -> list[Value] | None:
    dims, block = call.dims(0), call.attribute("blocksize", 1)
    if dims is None or len(dims) != 4:
        return None
    batch, channels, height, width = dims
    if call.op.type == "DepthToSpace":
        return call.like((batch, channels // (block * block), height * block, width * block))
    return call.like((batch, channels * (block * block), height // block, width // block))


@rule("CenterCropPad")
def _center_crop(call: Call) -> list[Value] | None:
    dims, target = call.dims(0), call.value(1).sizes
    if dims is None or target is None:
        return None
    output = list(dims)
    for axis, size in zip(call.attribute("axes") or range(len(dims)), target, strict=True):
        output[axis] = size
    return call.like(tuple(output))
