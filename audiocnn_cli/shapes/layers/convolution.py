"""Convolutions: grouped, depthwise, dilated, causal and transposed, along any number of axes."""

from collections.abc import Sequence
from fractions import Fraction
from math import prod
from typing import Any

from audiocnn_cli.shapes.choices import Framework
from audiocnn_cli.shapes.receptive_field import Move
from audiocnn_cli.shapes.sizes import Sizes
from audiocnn_cli.shapes.step import Layer, LayerInput, MisfitError
from audiocnn_cli.shapes.window import VALID, Padding, Slide, Sliding, Windowed, each_axis, windowed


class _Convolution(Windowed, frozen=True):
    stride: Sizes = (1,)

    @property
    def unsupported(self) -> dict[Framework, str]:
        """PyTorch has no `same` with a stride; only ONNX pads the larger half first."""
        found = {}
        if max(self.stride) > 1 and max(self.dilation) > 1:
            found[Framework.KERAS] = "has no stride together with a dilation"
        if self.padding.amounts:
            found[Framework.KERAS] = "has no padding by number: use ZeroPadding"
            if not self.padding.is_symmetric:
                found[Framework.TORCH] = "pads both sides alike: put a zeropad before it"
            return found
        return found | self._without_mode

    @property
    def _without_mode(self) -> dict[Framework, str]:
        """The frameworks that don't have the mode of padding."""
        mode = self.padding.mode
        if mode == "same" and max(self.stride) > 1:
            return {Framework.TORCH: "has no same padding with a stride: pad with F.pad"}
        if mode == "same-lower":
            return dict.fromkeys((Framework.KERAS, Framework.TORCH), f"has no {mode} padding: pad before it")
        if mode == "causal":
            return dict.fromkeys((Framework.TORCH, Framework.ONNX), "has no causal padding: pad the start")
        return {}


class Conv(_Convolution, frozen=True):
    """A convolution (cross-correlation, as in all three frameworks) with `filters` kernels.

    Each of the `groups` reads its own share of the channels. `axes` is 1 for conv1d, 2 for conv2d and None
    for conv, which takes any number of spatial axes.
    """

    filters: int = 1
    groups: int = 1
    bias: bool = True
    activation: str | None = None

    def _step(self, given: LayerInput) -> dict[str, Any]:
        return convolved(given, self.sliding, self.filters, self.groups, bias=self.bias)


class Depthwise(_Convolution, frozen=True):
    """A convolution of each channel by itself, with `multiplier` kernels for each."""

    multiplier: int = 1
    bias: bool = True
    activation: str | None = None

    def _step(self, given: LayerInput) -> dict[str, Any]:
        channels = given.tensor.channels
        return convolved(given, self.sliding, channels * self.multiplier, channels, bias=self.bias)


class Separable(_Convolution, frozen=True):
    """A depthwise convolution with `multiplier` kernels a channel, then a 1x1 convolution to `filters`.

    The bias is that of the second (Chollet, arXiv:1610.02357).
    """

    filters: int = 1
    multiplier: int = 1
    bias: bool = True
    activation: str | None = None

    @property
    def unsupported(self) -> dict[Framework, str]:
        """Keras has it as one layer, the others as two."""
        two = f"has no such layer: depthwise:{self.multiplier}, then conv:{self.filters}@1"
        return super().unsupported | dict.fromkeys((Framework.TORCH, Framework.ONNX), two)

    def _step(self, given: LayerInput) -> dict[str, Any]:
        channels = given.tensor.channels
        slides = self.sliding.over(given.tensor.spatial)
        step = windowed(self.padding, given.tensor, slides, self.filters)
        wide, taps, positions = channels * self.multiplier, prod(step["kernel"]), prod(step["output"][:-1])
        weights, biases = taps * wide + wide * self.filters, self.filters * self.bias
        factors = f"{'*'.join(map(str, step['kernel']))}*{channels}*{self.multiplier}"
        bias = f" + {biases}" if biases else ""
        total = f"{factors} + {wide}*{self.filters}{bias} = {weights + biases} parameters"
        return step | {
            "params": weights + biases,
            "macs": weights * positions,
            "formula": (*step["formula"], total),
        }


class ConvTranspose(Layer, frozen=True):
    """A transposed convolution: each input element adds a scaled kernel to the output, `stride` apart."""

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

    def _step(self, given: LayerInput) -> dict[str, Any]:
        tensor = given.tensor
        _check_groups(tensor.channels, self.filters, self.groups)
        numbers = each_axis(
            tensor.spatial,
            self.axes,
            kernel=self.kernel,
            stride=self.stride,
            dilation=self.dilation,
            output_padding=self.output_padding,
        )
        slides = [self._axis(len(numbers), given.framework, *each) for each in numbers]
        step = windowed(self.padding, tensor, slides, self.filters, [_spread(slide) for slide in slides])
        weights = _weights(tensor.channels, step, self.filters, self.groups, tensor.spatial, bias=self.bias)
        return step | weights

    def _axis(
        self, rank: int, framework: Framework, axis: int, size: int, kernel: int, stride: int,
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
            before, after = self.padding.halves(cut)
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


def _spread(slide: Slide) -> Move:
    """The effect of a transposed window: an element depends on at most ceil(kernel / stride) neighbours."""
    stride, reach = slide.stride, slide.effective_kernel - 1
    neighbours = -(-slide.kernel // stride) if slide.dilation == 1 else reach // stride + 1
    return Fraction(slide.before - reach, stride), neighbours - 1, Fraction(1, stride)


def convolved(
    given: LayerInput, sliding: Sliding, filters: int, groups: int = 1, *, bias: bool
) -> dict[str, Any]:
    """The step of a convolution.

    Raises:
        MisfitError: the window does not fit, or the channels can't be divided into `groups`.
    """
    channels = given.tensor.channels
    slides = sliding.over(given.tensor.spatial)
    _check_groups(channels, filters, groups)
    step = windowed(sliding.padding, given.tensor, slides, filters)
    return step | _weights(channels, step, filters, groups, step["output"][:-1], bias=bias)


def _weights(
    channels: int, step: dict[str, Any], filters: int, groups: int, positions: Sizes, *, bias: bool
) -> dict[str, Any]:
    """The parameters and the work of kernels that are applied at `positions`."""
    factors, biases = (*step["kernel"], channels // groups, filters), filters * bias
    return {
        "groups": groups,
        "filters": filters,
        "params": prod(factors) + biases,
        "macs": prod(factors) * prod(positions),
        "formula": (*step["formula"], params_formula(factors, biases)),
    }


def _check_groups(channels: int, filters: int, groups: int) -> None:
    """Check that `groups` divides both numbers; the hints are the largest numbers of groups that do."""
    for count, what in ((channels, "channels of its input"), (filters, "filters")):
        if count % groups:
            candidates = range(min(groups, channels, 1024), 0, -1)
            shared = [g for g in candidates if not channels % g and not filters % g]
            raise MisfitError(
                f"{groups} groups do not divide the {count} {what}",
                hints=tuple(f"groups={g}" for g in shared[:2]),
            )


def params_formula(factors: Sequence[int], biases: int) -> str:
    """The number of parameters, as the product of `factors` plus the biases: '3*3*1*32 + 32 = 320 ...'."""
    bias = f" + {biases}" if biases else ""
    return f"{'*'.join(map(str, factors))}{bias} = {prod(factors) + biases} parameters"
