"""Operators that create a tensor from sizes and numbers."""

import math

import numpy as np
from onnx import TensorProto

from audiocnn_cli.shapes.onnxfile.free import Free, product_of, unnamed
from audiocnn_cli.shapes.onnxfile.rules.call import Call, rule, unnamed_dims
from audiocnn_cli.shapes.onnxfile.values import Value


@rule("Shape")
def _shape(call: Call) -> list[Value]:
    dims = call.dims(0)
    if dims is None:
        return [Value((unnamed(),), TensorProto.INT64)]
    start, end = call.attribute("start", 0), call.attribute("end", len(dims))
    kept = dims[start:end]
    data = np.empty(len(kept), dtype=object)
    data[:] = kept
    return [Value((len(kept),), TensorProto.INT64, data)]


@rule("Size")
def _size(call: Call) -> list[Value]:
    dims = call.dims(0)
    data = np.empty((), dtype=object)
    data[()] = unnamed() if dims is None else product_of(dims)
    return [Value((), TensorProto.INT64, data)]


@rule("ConstantOfShape")
def _constant_of_shape(call: Call) -> list[Value]:
    sizes, filled = call.value(0).sizes, call.attribute("value")
    kind = TensorProto.FLOAT if filled is None else filled.data_type
    if sizes is None:
        rank = call.dims(0)
        known = rank is not None and len(rank) == 1 and isinstance(rank[0], int) and rank[0] <= 64
        return [Value(unnamed_dims(rank[0]) if known else None, kind)]  # type: ignore[index, arg-type]
    return [Value(tuple(sizes), kind)]


@rule("Range")
def _range(call: Call) -> list[Value]:
    start, limit, delta = (call.value(index).elements for index in range(3))
    kind = call.value(0).type
    if not (start and limit and delta) or isinstance(delta[0], Free) or not delta[0]:
        return [Value((unnamed(),), kind)]
    span = limit[0] - start[0]
    if isinstance(span, Free):
        known = isinstance(delta[0], int) and delta[0] > 0
        return [Value(((span + (delta[0] - 1)) // delta[0] if known else unnamed(),), kind)]
    if not math.isfinite(span / delta[0]):
        return [Value((unnamed(),), kind)]
    return [Value((max(0, math.ceil(span / delta[0])),), kind)]


@rule("EyeLike")
def _eye(call: Call) -> list[Value]:
    return [Value(call.dims(0), call.attribute("dtype") or call.value(0).type)]
