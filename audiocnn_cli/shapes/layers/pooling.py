"""Pooling: with a sliding window, adaptive and global."""

from fractions import Fraction
from typing import Any

from msgspec.structs import replace

from audiocnn_cli.shapes import receptive_field as fields
from audiocnn_cli.shapes.choices import Framework
from audiocnn_cli.shapes.layers.elementwise import Merge
from audiocnn_cli.shapes.sizes import Sizes, type_sizes
from audiocnn_cli.shapes.step import Layer, LayerInput, MisfitError
from audiocnn_cli.shapes.window import Slide, Sliding, Windowed, axes_of, each_axis, per_axis, windowed


class Pool(Windowed, frozen=True):
    """A sliding window reduced to one number."""

    kernel: Sizes = (2,)
    ceil: bool = False

    @property
    def unsupported(self) -> dict[Framework, str]:
        """Keras pads by mode and never rounds up; PyTorch pads by number, both sides alike."""
        found = {}
        if self.padding.amounts:
            found[Framework.KERAS] = "has no padding by number: use ZeroPadding"
            if not self.padding.is_symmetric:
                found[Framework.TORCH] = "pads both sides alike in pooling: pad with F.pad"
        elif self.padding.mode != "valid":
            found[Framework.TORCH] = "has no same padding in pooling: pad with F.pad"
        if self.ceil:
            found[Framework.KERAS] = "has no ceil mode"
        if max(self.dilation) > 1:
            found[Framework.KERAS] = "has no dilated pooling"
        return found

    def _step(self, given: LayerInput) -> dict[str, Any]:
        tensor = given.tensor
        slides = self.sliding.over(tensor.spatial)
        if given.framework is Framework.TORCH and self.padding.amounts:
            for slide in slides:
                _check_half(slide)
        step = windowed(self.padding, tensor, slides, tensor.channels)
        return step | {"ceil": self.ceil or None}

    @property
    def sliding(self) -> Sliding:
        """Its window, with its rounding."""
        return replace(super().sliding, ceil=self.ceil)


def _check_half(slide: Slide) -> None:
    """Check that the padding is at most half the window, without its dilation, as PyTorch does."""
    most, pad = slide.kernel // 2, max(slide.before, slide.after)
    if pad > most:
        raise MisfitError(
            f"PyTorch refuses a padding of {pad} here: at most half the window of {slide.kernel},"
            f" which is {most}",
            hints=(f"padding={most}",),
        )


class MaxPool(Pool, frozen=True):
    """The maximum of each window."""


class AvgPool(Pool, frozen=True):
    """The mean of each window."""


class AdaptivePool(Layer, frozen=True):
    """Pooling to a given output size, as PyTorch's AdaptiveAvgPool.

    Window i covers floor(i * n / out) to ceil((i + 1) * n / out).
    """

    size: Sizes = (1,)
    axes: int | None = None

    @property
    def unsupported(self) -> dict[Framework, str]:
        """ONNX has only windows of one size."""
        return {Framework.ONNX: "has no adaptive pooling operator"}

    def _step(self, given: LayerInput) -> dict[str, Any]:
        tensor = given.tensor
        pairs = [(n, out) for _, n, out in each_axis(tensor.spatial, self.axes, size=self.size)]
        moves = [(0, _widest(n, out) - 1, Fraction(n, out)) for n, out in pairs]
        return {
            "output": (*(out for _, out in pairs), tensor.channels),
            "field": fields.move(tensor.field, moves),
            "formula": tuple(
                f"windows from floor(i*{n}/{out}) to ceil((i + 1)*{n}/{out}), i < {out}: {out}"
                for n, out in pairs
            ),
        }


def _widest(size: int, output: int) -> int:
    """The size of the widest of `output` windows over `size` positions."""
    if size % output == 0:
        return size // output
    starts = range(min(output, size, 4096))
    return max(-(-(i + 1) * size // output) - i * size // output for i in starts)


class AdaptiveAvgPool(AdaptivePool, frozen=True):
    """Means over adaptive windows."""


class AdaptiveMaxPool(AdaptivePool, frozen=True):
    """Maxima over adaptive windows."""


class GlobalPool(Layer, frozen=True):
    """One number for each channel; with `keepdims` the axes stay, with size 1."""

    keepdims: bool = False
    axes: int | None = None

    def _step(self, given: LayerInput) -> dict[str, Any]:
        tensor = given.tensor
        rank = axes_of(tensor.spatial, self.axes)
        sizes = " and ".join(map(str, tensor.spatial))
        return {
            "output": (*(1,) * rank * self.keepdims, tensor.channels),
            "field": fields.whole(tensor.field, tensor.spatial),
            "formula": (f"{sizes} positions become 1 for each channel",),
        }


class GlobalAvgPool(GlobalPool, frozen=True):
    """The mean of each channel."""


class GlobalMaxPool(GlobalPool, frozen=True):
    """The maximum of each channel."""


class RoIAlign(Merge, frozen=True):
    """The features of one region of an image, sampled at `size` positions (He et al., arXiv:1703.06870).

    Its inputs are the levels of a feature pyramid, of which the region's size picks one. The layers after it
    are applied to each region.
    """

    size: Sizes = (7,)

    @property
    def unsupported(self) -> dict[Framework, str]:
        """Only torchvision and ONNX have it, and both take the boxes as a second input."""
        return {Framework.KERAS: "has no such layer"}

    def _step(self, given: LayerInput) -> dict[str, Any]:
        tensor = given.tensor
        if any(other.channels != tensor.channels for other in given.others):
            raise MisfitError("needs the same number of channels in every input")
        sizes = per_axis(self.size, axes_of(tensor.spatial, 2), "size")
        return {
            "output": (*sizes, tensor.channels),
            "field": (),
            "formula": (f"{type_sizes(sizes)} samples of each region",),
        }
