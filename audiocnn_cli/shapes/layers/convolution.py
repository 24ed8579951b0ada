"""Convolutions: grouped, depthwise, dilated, causal and transposed, along any number of axes."""

from math import prod
from typing import ClassVar

from msgspec.structs import replace

from audiocnn_cli.shapes.choices import Framework
from audiocnn_cli.shapes.receptive_field import is_aligned
from audiocnn_cli.shapes.sizes import Sizes
from audiocnn_cli.shapes.step import Layer, LayerInput, MisfitError, Step, Tensor
from audiocnn_cli.shapes.window import VALID, Padding, Slide, Sliding, axes_of, per_axis, windowed


class Conv(Layer, frozen=True):
    """A convolution (cross-correlation, as in all three frameworks) with `filters` kernels.

    Each of the `groups` reads its own share of the channels. `axes` is 1 for conv1d, 2 for conv2d and None
    for conv, which takes any number of spatial axes.
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
    def unsupported(self) -> dict[Framework, str]:
        """PyTorch has no `same` with a stride; only ONNX pads the larger half first."""
        return unsupported_padding(self.padding, strided=max(self.stride) > 1)

    def apply(self, given: LayerInput) -> Step:
        """Slide over all axes but the channels."""
        tensor = given.tensor
        slides = self.sliding.over(tensor.spatial)
        check_groups(tensor.channels, self.filters, self.groups)
        return _step(self, tensor, slides, tuple(slide.output for slide in slides))

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
    def unsupported(self) -> dict[Framework, str]:
        """As of a convolution."""
        return unsupported_padding(self.padding, strided=max(self.stride) > 1)

    def apply(self, given: LayerInput) -> Step:
        """Apply a convolution with as many groups as there are channels."""
        channels = given.tensor.channels
        conv = Conv(
            filters=channels * self.multiplier,
            kernel=self.kernel,
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            groups=channels,
            bias=self.bias,
            activation=self.activation,
        )
        return replace(conv.apply(given), type=self.type)


class ConvTranspose(Layer, frozen=True):
    """A transposed convolution: each input element adds a scaled kernel to the output, `stride` apart."""

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
    def unsupported(self) -> dict[Framework, str]:
        """PyTorch pads by number only, Keras never does."""
        if self.padding.amounts:
            return {Framework.KERAS: "has no padding by number: use valid and Cropping"}
        if self.padding.mode != "valid":
            return {Framework.TORCH: "has no same padding here: use padding and output_padding"}
        return {}

    def apply(self, given: LayerInput) -> Step:
        """Compute the output size of all axes but the channels."""
        tensor = given.tensor
        check_groups(tensor.channels, self.filters, self.groups)
        rank = axes_of(tensor.spatial, self.axes)
        sizes = zip(
            tensor.spatial,
            per_axis(self.kernel, rank, "kernel"),
            per_axis(self.stride, rank, "stride"),
            per_axis(self.dilation, rank, "dilation"),
            per_axis(self.output_padding, rank, "output padding"),
            strict=True,
        )
        slides = tuple(self._axis(axis, rank, given.framework, *each) for axis, each in enumerate(sizes))
        step = _step(self, tensor, slides, tensor.spatial)
        if not is_aligned(tensor.field, rank):
            return step
        spread = (
            axis.spread(kernel=s.kernel, stride=s.stride, dilation=s.dilation, before=s.before)
            for axis, s in zip(tensor.field, slides, strict=True)
        )
        return replace(step, field=tuple(spread))

    def _axis(
        self, axis: int, rank: int, framework: Framework, size: int, kernel: int, stride: int,
        dilation: int, extra: int,
    ) -> Slide:  # fmt: skip
        """One axis: the span of all kernels, less the padding, plus the output padding."""
        effective = dilation * (kernel - 1) + 1
        if extra >= max(stride, dilation):
            raise MisfitError(
                f"an output padding of {extra} must be less than the stride or the dilation", axis=axis
            )
        span = (size - 1) * stride + effective
        if self.padding.mode in {"same", "same-lower"}:
            if framework is Framework.KERAS and extra:
                cut = 2 * (effective // 2)
            else:
                cut = span + extra - size * stride
                if cut < 0 and framework is not Framework.ONNX:
                    extra -= cut  # a kernel shorter than its stride: Keras adds zeros
                cut = max(cut, 0)
            smaller, larger = cut // 2, cut - cut // 2
            lower = self.padding.mode == "same-lower"
            before, after = (larger, smaller) if lower else (smaller, larger)
        else:
            before, after = self.padding.resolve(
                axis, rank, size=size, effective_kernel=effective, stride=stride
            )
            if framework is Framework.KERAS and not self.padding.amounts and not extra:
                # Keras extends a valid output to a whole stride after the last kernel.
                extra = max(stride - effective, 0)
        output = span - before - after + extra
        formula = f"({size} - 1)*{stride} + {effective} - {before + after} + {extra} = {output}"
        if output < 1:
            raise MisfitError(f"the padding removes all of the output: {formula}, below 1", axis=axis)
        return Slide(size, kernel, stride, dilation, before, after, output, formula)


def _step(layer: Conv | ConvTranspose, tensor: Tensor, slides: tuple[Slide, ...], positions: Sizes) -> Step:
    """The step of `layer`, whose kernels are applied at `positions`."""
    step = windowed(layer, layer.padding, tensor, slides, layer.filters)
    factors = (*(slide.kernel for slide in slides), tensor.channels // layer.groups, layer.filters)
    biases = layer.filters * layer.bias
    return replace(
        step,
        groups=layer.groups,
        filters=layer.filters,
        activation=layer.activation,
        params=prod(factors) + biases,
        macs=prod(factors) * prod(positions),
        formula=(*step.formula, params_formula(factors, biases)),
    )


def unsupported_padding(padding: Padding, *, strided: bool) -> dict[Framework, str]:
    """The frameworks whose convolutions have no such padding, with the reason."""
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
    """Check that `groups` divides `channels` and `filters`.

    Raises:
        MisfitError: it does not; the hints are the largest numbers of groups that do.
    """
    for count, what in ((channels, "channels of its input"), (filters, "filters")):
        if count % groups:
            candidates = range(min(groups, channels, 1024), 0, -1)
            shared = [g for g in candidates if not channels % g and not filters % g]
            raise MisfitError(
                f"{groups} groups do not divide the {count} {what}",
                hints=tuple(f"groups={g}" for g in shared[:2]),
            )


def params_formula(factors: Sizes, biases: int) -> str:
    """The number of parameters, as the product of `factors` plus the biases: '3*3*1*32 + 32 = 320 ...'."""
    bias = f" + {biases}" if biases else ""
    return f"{'*'.join(map(str, factors))}{bias} = {prod(factors) + biases} parameters"
