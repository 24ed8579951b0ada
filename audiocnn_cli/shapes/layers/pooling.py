"""Pooling: with a sliding window, adaptive and global."""

from fractions import Fraction
from typing import ClassVar

from msgspec.structs import replace

from audiocnn_cli.shapes import receptive_field as fields
from audiocnn_cli.shapes.choices import Framework
from audiocnn_cli.shapes.sizes import Sizes
from audiocnn_cli.shapes.step import Layer, LayerInput, Step
from audiocnn_cli.shapes.window import VALID, Padding, Sliding, axes_of, per_axis, windowed


class Pool(Layer, frozen=True):
    """A sliding window reduced to one number; without a stride it moves by its own size."""

    kernel: Sizes = (2,)
    stride: Sizes | None = None
    padding: Padding = VALID
    dilation: Sizes = (1,)
    ceil: bool = False
    axes: int | None = None

    @property
    def unsupported(self) -> dict[Framework, str]:
        """Keras pads by mode and never rounds up; PyTorch pads by number, at most half a window."""
        found = {}
        if self.padding.amounts:
            found[Framework.KERAS] = "has no padding by number: use ZeroPadding"
            if 2 * max(self.padding.amounts) > max(self.kernel):
                found[Framework.TORCH] = "refuses padding of more than half the window"
        elif self.padding.mode != "valid":
            found[Framework.TORCH] = "has no same padding in pooling: pad with F.pad"
        if self.ceil:
            found[Framework.KERAS] = "has no ceil mode"
        if max(self.dilation) > 1:
            found[Framework.KERAS] = "has no dilated pooling"
        return found

    def apply(self, given: LayerInput) -> Step:
        """Slide over all axes but the channels."""
        tensor = given.tensor
        slides = self.sliding.over(tensor.spatial)
        step = windowed(self, self.padding, tensor, slides, tensor.channels)
        return replace(step, ceil=self.ceil or None)

    @property
    def sliding(self) -> Sliding:
        """Its window."""
        stride = self.stride or self.kernel
        return Sliding(self.kernel, stride, self.dilation, self.padding, self.ceil, self.axes)


class MaxPool(Pool, frozen=True):
    """The maximum of each window."""

    type: ClassVar[str] = "maxpool"


class AvgPool(Pool, frozen=True):
    """The mean of each window."""

    type: ClassVar[str] = "avgpool"


class AdaptivePool(Layer, frozen=True):
    """Pooling to a given output size, as PyTorch's AdaptiveAvgPool."""

    size: Sizes = (1,)

    @property
    def unsupported(self) -> dict[Framework, str]:
        """ONNX has only windows of one size."""
        return {Framework.ONNX: "has no adaptive pooling operator"}

    def apply(self, given: LayerInput) -> Step:
        """Window i covers floor(i * n / out) to ceil((i + 1) * n / out)."""
        tensor = given.tensor
        spatial = tensor.spatial
        size = per_axis(self.size, axes_of(spatial, None), "size")
        field = tensor.field
        if fields.is_aligned(field, len(spatial)):
            field = tuple(
                replace(
                    axis.slide(effective_kernel=_widest(n, out), stride=1, before=0),
                    cumulative_stride=axis.aligned_stride * Fraction(n, out),
                )
                for axis, n, out in zip(field, spatial, size, strict=True)
            )
        return replace(
            super().apply(given),
            output=(*size, tensor.channels),
            field=field,
            formula=tuple(
                f"windows from floor(i*{n}/{out}) to ceil((i + 1)*{n}/{out}), i < {out}: {out}"
                for n, out in zip(spatial, size, strict=True)
            ),
        )


def _widest(size: int, output: int) -> int:
    """The size of the widest of `output` windows over `size` positions."""
    if size % output == 0:
        return size // output
    starts = range(min(output, size, 4096))
    return max(-(-(i + 1) * size // output) - i * size // output for i in starts)


class AdaptiveAvgPool(AdaptivePool, frozen=True):
    """Means over adaptive windows."""

    type: ClassVar[str] = "adaptiveavgpool"


class AdaptiveMaxPool(AdaptivePool, frozen=True):
    """Maxima over adaptive windows."""

    type: ClassVar[str] = "adaptivemaxpool"


class GlobalPool(Layer, frozen=True):
    """One number for each channel; with `keepdims` the axes stay, with size 1."""

    keepdims: bool = False

    def apply(self, given: LayerInput) -> Step:
        """Pool over all axes but the channels."""
        tensor = given.tensor
        rank = axes_of(tensor.spatial, None)
        sizes = " and ".join(map(str, tensor.spatial))
        return replace(
            super().apply(given),
            output=(*(1,) * rank * self.keepdims, tensor.channels),
            field=fields.whole(tensor.field, tensor.spatial),
            formula=(f"{sizes} positions become 1 for each channel",),
        )


class GlobalAvgPool(GlobalPool, frozen=True):
    """The mean of each channel."""

    type: ClassVar[str] = "globalavgpool"


class GlobalMaxPool(GlobalPool, frozen=True):
    """The maximum of each channel."""

    type: ClassVar[str] = "globalmaxpool"
