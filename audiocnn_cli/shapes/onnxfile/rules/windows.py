"""Convolutions and poolings: windows that slide over the axes behind the batch and the channels."""

from collections.abc import Sequence
from dataclasses import dataclass

from onnx import TensorProto

from audiocnn_cli.shapes.onnxfile.free import Dim, Dims, Free
from audiocnn_cli.shapes.onnxfile.order import smaller
from audiocnn_cli.shapes.onnxfile.rules.call import (
    MICROSOFT,
    Call,
    EmptyWindowError,
    InconsistentError,
    rule,
    same,
)
from audiocnn_cli.shapes.onnxfile.values import Value


@dataclass(frozen=True, slots=True)
class Windows:
    """The windows of an operator, a number for each spatial axis; `pads` before all axes, then after.

    `mode` is SAME_UPPER, SAME_LOWER or "" (pads by number).
    """

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    pads: tuple[int, ...]
    mode: str
    ceil: bool

    def span(self, axis: int) -> int:
        """The positions that the dilated kernel covers."""
        return self.dilations[axis] * (self.kernel[axis] - 1) + 1

    def sides(self, axis: int) -> tuple[int, int]:
        """The padding before and after an axis, where it is given by number."""
        return self.pads[axis], self.pads[axis + len(self.kernel)]

    def over(self, sizes: Sequence[Dim]) -> Dims:
        """The sizes of the output.

        Raises:
            InconsistentError: the number of axes differs.
            EmptyWindowError: an axis has no room for the kernel.
        """
        if len(sizes) != len(self.kernel):
            raise InconsistentError(f"a kernel of {len(self.kernel)} axes, and {len(sizes)} in its input")
        return tuple(self._output(axis, size) for axis, size in enumerate(sizes))

    def _output(self, axis: int, size: Dim) -> Dim:
        stride = self.strides[axis]
        if self.mode:
            output = -(-size // stride) if isinstance(size, int) else (size + (stride - 1)) // stride
            return self._checked(axis, size, output)
        (before, after), span = self.sides(axis), self.span(axis)
        room = size + (before + after - span)
        if not self.ceil:
            return self._checked(axis, size, room // stride + 1)
        output = (room + (stride - 1)) // stride + 1
        # A last window that starts in the padding is left out.
        if span - after < stride:
            output = smaller(output, (size + (before + stride - 1)) // stride)
        return self._checked(axis, size, output)

    def _checked(self, axis: int, size: Dim, output: Dim) -> Dim:
        if isinstance(output, int) and output < 1:
            span, pads = self.span(axis), 0 if self.mode else sum(self.sides(axis))
            padded = f"{size} with {pads} of padding" if pads else f"{size}"
            rounding = "ceil" if self.ceil else "floor"
            formula = f"{rounding}(({size} - {span} + {pads})/{self.strides[axis]}) + 1 = {output}"
            raise EmptyWindowError(f"a window of {span} does not fit into {padded}: {formula}, below 1", axis)
        return output


def windows_of(call: Call, kernel: Sequence[int]) -> Windows:
    """The windows of `call` with this kernel.

    Raises:
        InconsistentError: an attribute has another number of axes, or a number that is too small.
    """
    rank = len(kernel)
    mode = call.attribute("auto_pad", "NOTSET")
    pads = call.attribute("pads") or (0,) * (2 * rank)
    found = Windows(
        kernel=tuple(kernel),
        strides=call.attribute("strides") or (1,) * rank,
        dilations=call.attribute("dilations") or (1,) * rank,
        pads=pads if mode not in {"VALID", "SAME_UPPER", "SAME_LOWER"} else (0,) * (2 * rank),
        mode=mode if mode.startswith("SAME") else "",
        ceil=bool(call.attribute("ceil_mode", 0)),
    )
    if not len(found.strides) == len(found.dilations) == rank or len(found.pads) != 2 * rank:
        raise InconsistentError(f"its kernel has {rank} axes, and its strides, dilations or pads have others")
    if min((*found.kernel, *found.strides, *found.dilations), default=1) < 1:
        raise InconsistentError("a kernel, stride or dilation is below 1")
    return found


def kernel_of(call: Call, weights: Dims | None) -> tuple[int, ...] | None:
    """The kernel, from the attribute or the weights' own shape."""
    sizes = call.attribute("kernel_shape") or (weights[2:] if weights else None)
    if sizes is None or any(isinstance(size, Free) for size in sizes):
        return None
    return tuple(sizes)


# The input that holds the weights, by operator.
WEIGHTS_AT = {
    "Conv": 1, "ConvTranspose": 1, "ConvInteger": 1, "FusedConv": 1, "DeformConv": 1, "QLinearConv": 3,
}  # fmt: skip


@rule("Conv", "ConvInteger", "QLinearConv", "DeformConv")
@rule("FusedConv", "QLinearConv", domain=MICROSOFT)
def _conv(call: Call) -> list[Value] | None:
    dims, weights = call.dims(0), call.dims(WEIGHTS_AT[call.op.type])
    if weights is None or call.attribute("channels_last"):
        return None
    kernel = kernel_of(call, weights)
    kind = TensorProto.INT32 if call.op.type == "ConvInteger" else call.value(0).type
    if kernel is None or dims is None:
        return None
    if len(weights) != len(dims) or len(dims) < 3:
        raise InconsistentError(f"weights of {len(weights)} axes, and {len(dims)} in its input")
    groups = call.attribute("group", 1)
    same(dims[1], weights[1] * groups, "the number of channels")
    if isinstance(weights[0], int) and weights[0] % groups:
        raise InconsistentError(f"{groups} groups do not divide its {weights[0]} filters")
    return [Value((dims[0], weights[0], *windows_of(call, kernel).over(dims[2:])), kind)]


@rule("ConvTranspose")
def _conv_transpose(call: Call) -> list[Value] | None:
    dims, weights = call.dims(0), call.dims(1)
    kernel = kernel_of(call, weights)
    if dims is None or weights is None or kernel is None:
        return None
    if len(weights) != len(dims):
        raise InconsistentError(f"weights of {len(weights)} axes, and {len(dims)} in its input")
    same(dims[1], weights[0], "the number of channels")
    windows = windows_of(call, kernel)
    sizes = transposed(windows, dims[2:], call.attribute("output_padding"), call.attribute("output_shape"))
    return call.like((dims[0], weights[1] * call.attribute("group", 1), *sizes))


def transposed(
    windows: Windows, sizes: Dims, extra: tuple[int, ...] | None, given: tuple[int, ...] | None
) -> Dims:
    """The output sizes of a transposed convolution.

    Raises:
        EmptyWindowError: the padding removes all of an axis.
    """
    if given:
        return tuple(given[-len(sizes) :])
    extra = extra or (0,) * len(sizes)
    output: list[Dim] = []
    for axis, size in enumerate(sizes):
        stride, span = windows.strides[axis], windows.span(axis)
        if windows.mode:
            output.append(size * stride + min(0, span - stride + extra[axis]))
        else:
            output.append((size - 1) * stride + (span + extra[axis] - sum(windows.sides(axis))))
        if isinstance(output[-1], int) and output[-1] < 1:
            raise EmptyWindowError("the padding removes all of the output", axis)
    return tuple(output)


@rule("MaxPool", "AveragePool", "LpPool")
@rule("QLinearAveragePool", domain=MICROSOFT)
def _pool(call: Call) -> list[Value] | None:
    dims, kernel = call.dims(0), call.attribute("kernel_shape")
    if dims is None or not kernel or call.attribute("channels_last"):
        return None
    sizes = (*dims[:2], *windows_of(call, kernel).over(dims[2:]))
    return [Value(sizes, call.value(0).type), Value(sizes, TensorProto.INT64)]


@rule("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool")
@rule("QLinearGlobalAveragePool", domain=MICROSOFT)
def _global_pool(call: Call) -> list[Value] | None:
    dims = call.dims(0)
    if dims is None or call.attribute("channels_last"):
        return None
    return call.like((*dims[:2], *(1,) * (len(dims) - 2)))


@rule("NhwcMaxPool", domain=MICROSOFT)
def _last_pool(call: Call) -> list[Value] | None:
    dims, kernel = call.dims(0), call.attribute("kernel_shape")
    if dims is None or not kernel:
        return None
    return call.like((dims[0], *windows_of(call, kernel).over(dims[1:-1]), dims[-1]))
