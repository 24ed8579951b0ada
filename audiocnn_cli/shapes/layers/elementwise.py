"""Elementwise layers: activations, normalisation, dropout, and merges of several tensors."""

from functools import reduce
from typing import Any

from audiocnn_cli.shapes.receptive_field import join
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


class Dropout(Pointwise, frozen=True):
    """Sets each element to zero with probability `rate` in training; inference passes all."""

    rate: float = 0.5


class BatchNorm(Pointwise, frozen=True):
    """Batch normalisation of each channel, with a scale and a shift (Ioffe, Szegedy, arXiv:1502.03167)."""

    activation: str | None = None

    def _step(self, given: LayerInput) -> dict[str, Any]:
        channels = given.tensor.channels
        return {
            "params": 2 * channels,
            "non_trainable_params": 2 * channels,
            "formula": (f"2*{channels} = {2 * channels} parameters, and as many running statistics",),
        }


class LayerNorm(Pointwise, frozen=True):
    """Layer normalisation over the channels, with a scale and a shift each (Ba et al., arXiv:1607.06450)."""

    def _step(self, given: LayerInput) -> dict[str, Any]:
        channels = given.tensor.channels
        formula = f"2*{channels} = {2 * channels} parameters"
        return {"params": 2 * channels, "formula": (formula,)}


class Merge(Layer, frozen=True):
    """A layer of several tensors: the output before it, and those of the layers named in `inputs`."""

    inputs: tuple[str, ...] = ()

    def _step(self, given: LayerInput) -> dict[str, Any]:
        return {"field": reduce(join, (other.field for other in given.others), given.tensor.field)}


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
