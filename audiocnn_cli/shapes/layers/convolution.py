"""Convolutions: dense, grouped, depthwise, dilated, causal and transposed, along any number of axes."""

from math import prod
from typing import ClassVar

from msgspec.structs import replace

from audiocnn_cli.shapes.framework import Framework
from audiocnn_cli.shapes.sizes import Sizes
from audiocnn_cli.shapes.step import Given, Layer, MisfitError, Step
from audiocnn_cli.shapes.window import (
    VALID,
    Padding,
    Slide,
    Sliding,
    axes_of,
    pads,
    per_axis,
    slide_field,
    spread_field,
)


class Conv(Layer, frozen=True):
    """A convolution (cross-correlation, as in all three frameworks) of `filters` kernels.

    Each of the `groups` sees its own share of the channels. `axes` is 1 or 2 where the user wrote conv1d
    or conv2d, else None: as many as the input has beside the channels.
    """

    type: ClassVar[str] = "conv"
    filters: int = 1
    kernel: Sizes = (3,)
    stride: Sizes = (1,)
    padding: Padding = VALID
    dilation: Sizes = (1,)
    groups: int = 1
    bias: bool = True
    activation: str | None = None
    axes: int | None = None

    @property
    def lacking(self) -> dict[Framework, str]:
        """PyTorch has no `same` with a stride; nobody but ONNX pads the larger half first."""
        return padding_lacking(self.padding, strided=max(self.stride) > 1)

    def apply(self, given: Given) -> Step:
        """Slide over all axes but the channels."""
        tensor = given.tensor
        slides = self.sliding.over(tensor.spatial)
        check_groups(tensor.channels, self.filters, self.groups)
        kernel = tuple(slide.kernel for slide in slides)
        depth = tensor.channels // self.groups
        weights = prod(kernel) * depth * self.filters
        spatial = tuple(slide.output for slide in slides)
        return Step(
            type=self.type,
            input=tensor.shape,
            output=(*spatial, self.filters),
            field=slide_field(tensor.field, slides),
            kernel=kernel,
            stride=tuple(slide.stride for slide in slides),
            padding=str(self.padding),
            pad=pads(slides),
            dilation=tuple(slide.dilation for slide in slides),
            groups=self.groups,
            filters=self.filters,
            activation=self.activation,
            params=weights + self.filters * self.bias,
            macs=weights * prod(spatial),
            formula=(
                *(s.formula for s in slides),
                weights_formula(kernel, depth, self.filters, self.bias),
            ),
        )

    @property
    def sliding(self) -> Sliding:
        """Its window."""
        return Sliding(self.kernel, self.stride, self.dilation, self.padding, axes=self.axes)


class Depthwise(Layer, frozen=True):
    """A convolution of each channel by itself, with `multiplier` kernels for each."""

    type: ClassVar[str] = "depthwise"
    multiplier: int = 1
    kernel: Sizes = (3,)
    stride: Sizes = (1,)
    padding: Padding = VALID
    dilation: Sizes = (1,)
    bias: bool = True
    activation: str | None = None

    @property
    def lacking(self) -> dict[Framework, str]:
        """As a convolution."""
        return padding_lacking(self.padding, strided=max(self.stride) > 1)

    def apply(self, given: Given) -> Step:
        """A convolution in as many groups as there are channels."""
        tensor = given.tensor
        step = self._conv(tensor.channels).apply(given)
        return replace(step, type=self.type)

    def _conv(self, channels: int) -> Conv:
        return Conv(
            filters=channels * self.multiplier,
            kernel=self.kernel,
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            groups=channels,
            bias=self.bias,
            activation=self.activation,
        )


class ConvTranspose(Layer, frozen=True):
    """A transposed convolution: every input element spreads a kernel, `stride` apart, over the output."""

    type: ClassVar[str] = "convtranspose"
    filters: int = 1
    kernel: Sizes = (3,)
    stride: Sizes = (1,)
    padding: Padding = VALID
    output_padding: Sizes = (0,)
    dilation: Sizes = (1,)
    groups: int = 1
    bias: bool = True
    activation: str | None = None
    axes: int | None = None

    @property
    def lacking(self) -> dict[Framework, str]:
        """PyTorch pads by number only, Keras never."""
        if self.padding.amounts:
            return {Framework.KERAS: "has no padding by number: use valid and Cropping"}
        if self.padding.mode != "valid":
            return {Framework.TORCH: "has no same padding here: use padding and output_padding"}
        return {}

    def apply(self, given: Given) -> Step:
        """Spread over all axes but the channels."""
        tensor = given.tensor
        check_groups(tensor.channels, self.filters, self.groups)
        slides = self._spread(tensor.spatial, given.framework)
        kernel = tuple(slide.kernel for slide in slides)
        depth = tensor.channels // self.groups
        weights = prod(kernel) * depth * self.filters
        return Step(
            type=self.type,
            input=tensor.shape,
            output=(*(slide.output for slide in slides), self.filters),
            field=spread_field(tensor.field, slides),
            kernel=kernel,
            stride=tuple(slide.stride for slide in slides),
            padding=str(self.padding),
            pad=pads(slides),
            dilation=tuple(slide.dilation for slide in slides),
            groups=self.groups,
            filters=self.filters,
            activation=self.activation,
            params=weights + self.filters * self.bias,
            macs=weights * prod(tensor.spatial),
            formula=(
                *(s.formula for s in slides),
                weights_formula(kernel, depth, self.filters, self.bias),
            ),
        )

    def _spread(self, spatial: Sizes, framework: Framework) -> tuple[Slide, ...]:
        rank = axes_of(spatial, self.axes)
        numbers = (
            per_axis(sizes, rank, what)
            for sizes, what in (
                (self.kernel, "kernel"),
                (self.stride, "stride"),
                (self.dilation, "dilation"),
                (self.output_padding, "output padding"),
            )
        )
        return tuple(
            self._axis(axis, rank, framework, *sizes)
            for axis, sizes in enumerate(zip(spatial, *numbers, strict=True))
        )

    def _axis(
        self, axis: int, rank: int, framework: Framework, size: int, kernel: int, stride: int,
        dilation: int, extra: int,
    ) -> Slide:  # fmt: skip
        """One axis: all that is spread, less what the padding cuts off, plus the output padding."""
        effective = dilation * (kernel - 1) + 1
        if extra >= max(stride, dilation):
            raise MisfitError(
                f"an output padding of {extra} must be less than the stride or the dilation",
                axis=axis,
            )
        spread = (size - 1) * stride + effective
        if self.padding.mode in {"same", "same-lower"}:
            if framework is Framework.KERAS and extra:
                cut = 2 * (effective // 2)
            else:
                cut = spread + extra - size * stride
                if cut < 0 and framework is not Framework.ONNX:
                    extra -= cut  # a kernel shorter than its stride: Keras fills up with zeros
                cut = max(cut, 0)
            smaller, larger = cut // 2, cut - cut // 2
            lower = self.padding.mode == "same-lower"
            before, after = (larger, smaller) if lower else (smaller, larger)
        else:
            before, after = self.padding.resolve(
                axis, rank, size=size, effective_kernel=effective, stride=stride
            )
            if framework is Framework.KERAS and not self.padding.amounts and not extra:
                # Keras fills a valid output up to a whole stride after the last kernel.
                extra = max(stride - effective, 0)
        output = spread - before - after + extra
        formula = f"({size} - 1)*{stride} + {effective} - {before + after} + {extra} = {output}"
        if output < 1:
            raise MisfitError(f"the padding cuts everything off: {formula}, below 1", axis=axis)
        return Slide(size, kernel, stride, dilation, before, after, output, formula)


def padding_lacking(padding: Padding, *, strided: bool) -> dict[Framework, str]:
    """Which frameworks' convolutions can't pad like this."""
    if padding.amounts:
        return {Framework.KERAS: "has no padding by number: use ZeroPadding"}
    if padding.mode == "same" and strided:
        return {Framework.TORCH: "has no same padding with a stride: pad with F.pad"}
    if padding.mode == "same-lower":
        others = (Framework.KERAS, Framework.TORCH)
        return dict.fromkeys(others, "has no same-lower padding: pad before it")
    if padding.mode == "causal":
        others = (Framework.TORCH, Framework.ONNX)
        return dict.fromkeys(others, "has no causal padding: pad the start")
    return {}


def check_groups(channels: int, filters: int, groups: int) -> None:
    """Raise MisfitError where `groups` divides not both `channels` and `filters`."""
    for count, what in ((channels, "channels of its input"), (filters, "filters")):
        if count % groups:
            shared = [
                g
                for g in range(min(groups, channels, 1024), 0, -1)
                if not channels % g and not filters % g
            ]
            raise MisfitError(
                f"{groups} groups do not divide the {count} {what}",
                hints=tuple(f"groups={g}" for g in shared[:2]),
            )


def weights_formula(kernel: Sizes, depth: int, filters: int, bias: bool) -> str:
    """Where the parameters come from, with the numbers."""
    factors = "*".join(map(str, (*kernel, depth, filters)))
    total = prod(kernel) * depth * filters
    return (
        f"{factors} + {filters} = {total + filters} parameters"
        if bias
        else f"{factors} = {total} parameters"
    )
