"""What is known of a tensor before a model runs: sizes, type and, where they are few, elements."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, TypeProto, helper, numpy_helper

from audiocnn_cli.shapes.onnxfile.free import Dim, Dims, Free, symbol, unnamed

# Elements are followed in tensors of at most this many: shapes, axes, factors. Weights are not read.
MOST_ELEMENTS = 4096
FLOATS = frozenset({TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.BFLOAT16})
# Types of quantised weights, and the types of 8 bits for floating point.
NARROW = frozenset({
    TensorProto.INT8, TensorProto.UINT8, *range(17, 25),  # float8 and (u)int4, float4, (u)int2
})  # fmt: skip
_BITS = {
    TensorProto.FLOAT: 32, TensorProto.UINT8: 8, TensorProto.INT8: 8, TensorProto.UINT16: 16,
    TensorProto.INT16: 16, TensorProto.INT32: 32, TensorProto.INT64: 64, TensorProto.BOOL: 8,
    TensorProto.FLOAT16: 16, TensorProto.DOUBLE: 64, TensorProto.UINT32: 32, TensorProto.UINT64: 64,
    TensorProto.COMPLEX64: 64, TensorProto.COMPLEX128: 128, TensorProto.BFLOAT16: 16, 17: 8, 18: 8, 19: 8,
    20: 8, 21: 4, 22: 4, 23: 4, 24: 8, 25: 2, 26: 2,
}  # fmt: skip


@dataclass(slots=True, eq=False)
class Value:
    """A tensor: `dims` (None: not even the number of axes is known), `type` of its elements (0: unknown).

    `data` are its elements, ints and `Free` sizes among them as objects; None where they are not known.
    `other` is the type of what is no tensor, a sequence or an optional value.
    """

    dims: Dims | None = None
    type: int = 0
    data: NDArray[Any] | None = None
    other: TypeProto | None = None

    @property
    def elements(self) -> list[Any] | None:
        """Its elements as Python values."""
        return None if self.data is None else self.data.reshape(-1).tolist()

    @property
    def sizes(self) -> list[Dim] | None:
        """Its elements where all are whole numbers or free sizes."""
        found = self.elements
        if found is None or not all(isinstance(each, int | Free) for each in found):
            return None
        return [each if isinstance(each, Free) else int(each) for each in found]

    @property
    def ints(self) -> list[int] | None:
        """Its elements where all are whole numbers."""
        found = self.elements
        return found if found is not None and all(isinstance(each, int) for each in found) else None

    @property
    def rank(self) -> int | None:
        """The number of its axes."""
        return None if self.dims is None else len(self.dims)

    @property
    def count(self) -> int | None:
        """The number of its elements."""
        return prod(known) if (known := known_sizes(self.dims)) is not None else None


def is_known(dims: Sequence[Dim] | None) -> bool:
    """Whether all sizes are numbers."""
    return dims is not None and all(isinstance(size, int) for size in dims)


def known_sizes(dims: Sequence[Dim] | None) -> tuple[int, ...] | None:
    """`dims` where all are numbers."""
    known = tuple(size for size in dims or () if isinstance(size, int))
    return known if dims is not None and len(known) == len(dims) else None


def bits(type_: int) -> int | None:
    """The bits of an element of a TensorProto type; None for text and unknown types."""
    return _BITS.get(type_)


def bytes_of(count: int, type_: int) -> int | None:
    """The bytes of `count` elements."""
    width = bits(type_)
    return None if width is None else -(-count * width // 8)


def constant_value(tensor: TensorProto) -> Value:
    """The value of a constant; its elements where they are few and in the file."""
    dims = tuple(int(size) for size in tensor.dims)
    value = Value(dims, tensor.data_type)
    if prod(dims) > MOST_ELEMENTS or tensor.external_data or tensor.data_type == TensorProto.STRING:
        return value
    if not prod(dims):
        value.data = np.empty(dims, dtype=np.int64)
        return value
    try:
        value.data = numpy_helper.to_array(tensor)
    except Exception:  # a data type of a later onnx, or damaged data: the elements stay unknown
        return value
    if value.data.dtype.kind not in "biuf":
        value.data = None
    return value


def declared(type_: TypeProto) -> Value:
    """A value of the type that a file states."""
    if not type_.HasField("tensor_type"):
        return Value(other=type_ if type_.WhichOneof("value") else None)
    tensor = type_.tensor_type
    if not tensor.HasField("shape"):
        return Value(None, tensor.elem_type)
    return Value(tuple(map(_declared_size, tensor.shape.dim)), tensor.elem_type)


def _declared_size(dim: Any) -> Dim:
    if dim.HasField("dim_value"):
        return int(dim.dim_value) if dim.dim_value >= 0 else unnamed()
    name = dim.dim_param.strip()
    return symbol(name) if name and not name.startswith(("?", "#")) else unnamed()


class Labels:
    """Free sizes as names for ONNX' own shape inference, and back."""

    def __init__(self) -> None:
        self._sizes: dict[str, Free] = {}
        self._labels: dict[Free, str] = {}

    def type_of(self, value: Value) -> TypeProto:
        """The type of `value`."""
        if value.other is not None:
            return value.other
        dims = None if value.dims is None else [self._label(size) for size in value.dims]
        return helper.make_tensor_type_proto(value.type, dims)

    def _label(self, size: Dim) -> int | str:
        if isinstance(size, int):
            return size
        if size not in self._labels:
            label = f"#{len(self._labels)}"
            self._labels[size], self._sizes[label] = label, size
        return self._labels[size]

    def value_of(self, type_: TypeProto) -> Value:
        """The value of an inferred type; sizes that were not inferred are free."""
        value = declared(type_)
        if value.dims is None:
            return value
        dims = type_.tensor_type.shape.dim
        sizes = [self._sizes.get(d.dim_param, size) for d, size in zip(dims, value.dims, strict=True)]
        return Value(tuple(sizes), value.type)
