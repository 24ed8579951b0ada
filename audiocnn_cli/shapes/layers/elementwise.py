"""Elementwise layers: activations, normalisation, dropout, and merges of several tensors."""

from functools import reduce
from itertools import islice
from math import prod
from typing import Any

from audiocnn_cli.shapes.choices import Framework
from audiocnn_cli.shapes.receptive_field import join, join_gate
from audiocnn_cli.shapes.sizes import Sizes, show_shape
from audiocnn_cli.shapes.step import Layer, LayerInput, MisfitError

ACTIVATIONS = (
    "relu", "relu6", "leakyrelu", "elu", "selu", "gelu", "silu", "hardswish", "hardsigmoid", "sigmoid",
    "tanh", "softplus", "mish", "softmax", "logsoftmax", "linear",
)  # fmt: skip


class Pointwise(Layer, frozen=True):
    """A layer that maps each element to one at the same position."""


class Activation(Pointwise, frozen=True):
    """An activation function as a layer."""

    activation: str = "relu"

    @property
    def type(self) -> str:
        """The name of the function."""
        return self.activation


# How many slopes a parametric ReLU has.
SLOPES = ("one", "channel", "element")


class PReLU(Pointwise, frozen=True):
    """A ReLU whose slope for negative values is trained (He et al., arXiv:1502.01852).

    By default Keras has a slope for each element, and PyTorch one for all.
    """

    slopes: str | None = None

    def _step(self, given: LayerInput) -> dict[str, Any]:
        shape = given.tensor.shape
        default = "element" if given.framework is Framework.KERAS else "one"
        counted = {"one": (1,), "channel": shape[-1:], "element": shape}[self.slopes or default]
        factors = "*".join(map(str, counted))
        return {"params": prod(counted), "formula": (f"{factors} = {prod(counted)} slopes",)}


class GLU(Layer, frozen=True):
    """A gated linear unit: half of the channels times the sigmoid of the others (arXiv:1612.08083)."""

    def _step(self, given: LayerInput) -> dict[str, Any]:
        channels = given.tensor.channels
        if channels % 2:
            raise MisfitError(f"halves the channels, and its input has {channels}, an odd number")
        output = (*given.tensor.spatial, channels // 2)
        return {"output": output, "formula": (f"{channels}/2 = {channels // 2}",)}


class Dropout(Pointwise, frozen=True):
    """Sets each element to zero with probability `rate` in training; inference passes all."""

    rate: float = 0.5


class BatchNorm(Pointwise, frozen=True):
    """Batch normalisation of each channel, with a scale and a shift (Ioffe, Szegedy, arXiv:1502.03167).

    `scale` and `center` can be left out. `frozen`: nothing is trained, as in detection networks. `axis` is
    the axis of the channels, counted from 1 without the batch; 0 stands for the last.
    """

    activation: str | None = None
    scale: bool = True
    center: bool = True
    frozen: bool = False
    axis: int = 0

    @property
    def unsupported(self) -> dict[Framework, str]:
        """PyTorch trains both or none; only Keras normalises another axis than that of the channels."""
        found = {}
        if self.scale is not self.center:
            found[Framework.TORCH] = "has batch norms with both scale and shift, or neither"
        if self.axis:
            reason = "normalises only the channels: permute before it"
            found = dict.fromkeys((Framework.TORCH, Framework.ONNX), reason)
        return found

    def _step(self, given: LayerInput) -> dict[str, Any]:
        shape = given.tensor.shape
        if self.axis > len(shape):
            raise MisfitError(f"there is no axis {self.axis} in {show_shape(shape)}")
        channels = shape[self.axis - 1]
        count = (self.scale + self.center) * channels
        factors = f"{self.scale + self.center}*{channels} = {count}"
        if self.frozen:
            formula = f"{factors} weights and {2 * channels} statistics, none trained"
        elif count == 2 * channels:
            formula = f"{factors} parameters, and as many running statistics"
        else:
            formula = f"{factors} parameters, and 2*{channels} = {2 * channels} running statistics"
        return {
            "params": 0 if self.frozen else count,
            "non_trainable_params": 2 * channels + count * self.frozen,
            "formula": (formula,),
        }


class LayerNorm(Pointwise, frozen=True):
    """Layer normalisation over the channels, with a scale and a shift each (Ba et al., arXiv:1607.06450)."""

    def _step(self, given: LayerInput) -> dict[str, Any]:
        channels = given.tensor.channels
        formula = f"2*{channels} = {2 * channels} parameters"
        return {"params": 2 * channels, "formula": (formula,)}


class GroupNorm(Pointwise, frozen=True):
    """Normalisation of `groups` groups of channels, with a scale and a shift (arXiv:1803.08494)."""

    groups: int = 32
    activation: str | None = None

    def _step(self, given: LayerInput) -> dict[str, Any]:
        channels = given.tensor.channels
        if channels % self.groups:
            fitting = (g for g in range(min(self.groups, channels), 0, -1) if not channels % g)
            raise MisfitError(
                f"{self.groups} groups do not divide the {channels} channels of its input",
                hints=tuple(f"groups={g}" for g in islice(fitting, 1)),
            )
        return {"params": 2 * channels, "formula": (f"2*{channels} = {2 * channels} parameters",)}


class L2Norm(Pointwise, frozen=True):
    """Division by the L2 norm over the channels, with a scale for each (Liu et al., arXiv:1506.04579)."""

    def _step(self, given: LayerInput) -> dict[str, Any]:
        channels = given.tensor.channels
        return {"params": channels, "formula": (f"{channels} parameters",)}


class Merge(Layer, frozen=True):
    """A layer of several tensors: the output before it, and those of the layers named in `inputs`."""

    inputs: tuple[str, ...] = ()

    def _step(self, given: LayerInput) -> dict[str, Any]:
        combine = join_gate if isinstance(self, Multiply) else join
        return {"field": reduce(combine, (other.field for other in given.others), given.tensor.field)}


class Elementwise(Merge, frozen=True):
    """An operation on corresponding elements; axes of size 1 and missing leading axes are broadcast."""

    def _step(self, given: LayerInput) -> dict[str, Any]:
        output = reduce(_broadcast, (other.shape for other in given.others), given.tensor.shape)
        return super()._step(given) | {"output": output}


class Add(Elementwise, frozen=True):
    """A sum, as in a residual connection (He et al., arXiv:1512.03385)."""


class Multiply(Elementwise, frozen=True):
    """A product, as in a gate."""


class Sample(Elementwise, frozen=True):
    """A normal sample from a mean and the named log variance (Kingma and Welling, arXiv:1312.6114)."""


class Concat(Merge, frozen=True):
    """Concatenation along `axis`, counted from 1 without the batch; 0 stands for the channels."""

    axis: int = 0

    def _step(self, given: LayerInput) -> dict[str, Any]:
        shape = given.tensor.shape
        if self.axis > len(shape):
            raise MisfitError(f"there is no axis {self.axis} in {show_shape(shape)}")
        at = (self.axis or len(shape)) - 1
        sizes = [shape[at]]
        for other in given.others:
            theirs = other.shape
            if theirs[:at] + theirs[at + 1 :] != shape[:at] + shape[at + 1 :]:
                raise MisfitError(
                    f"{show_shape(shape)} and {show_shape(theirs)} differ on more than axis {at + 1}"
                )
            sizes.append(theirs[at])
        return super()._step(given) | {
            "output": (*shape[:at], sum(sizes), *shape[at + 1 :]),
            "formula": (f"{' + '.join(map(str, sizes))} = {sum(sizes)}",),
        }


def _broadcast(first: Sizes, second: Sizes) -> Sizes:
    """The common shape of two tensors, aligned at the last axis, as NumPy broadcasts them."""
    rank = max(len(first), len(second))
    padded = ((1,) * (rank - len(shape)) + shape for shape in (first, second))
    sizes = []
    for axis, (a, b) in enumerate(zip(*padded, strict=True)):
        if a != b and 1 not in {a, b}:
            raise MisfitError(
                f"{show_shape(first)} and {show_shape(second)} can't be broadcast: {a} is not {b}",
                axis=axis if axis < rank - 1 else None,
            )
        sizes.append(max(a, b))
    return tuple(sizes)
