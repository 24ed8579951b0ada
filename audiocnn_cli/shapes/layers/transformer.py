"""The parts of a transformer, for images or spectrograms cut into patches (arXiv:2010.11929)."""

from math import prod
from typing import ClassVar

from msgspec.structs import replace

from audiocnn_cli.shapes import receptive_field as fields
from audiocnn_cli.shapes.layers.convolution import Conv
from audiocnn_cli.shapes.sizes import Sizes
from audiocnn_cli.shapes.step import Given, Layer, MisfitError, Step, Tensor


class Patches(Layer, frozen=True):
    """Cuts the input into patches of `kernel` and embeds each in `filters` numbers: (patches, filters)."""

    type: ClassVar[str] = "patches"
    filters: int = 1
    kernel: Sizes = (16,)
    bias: bool = True

    def apply(self, given: Given) -> Step:
        """A convolution that moves by its own size, with its positions in a row."""
        conv = Conv(filters=self.filters, kernel=self.kernel, stride=self.kernel, bias=self.bias)
        step = conv.apply(given)
        grid = tuple(int(size) for size in step.output[:-1])
        return replace(
            step,
            type=self.type,
            output=(prod(grid), self.filters),
            field=fields.unaligned(step.field, grid),
            formula=(*step.formula, f"{'*'.join(map(str, grid))} = {prod(grid)} patches"),
        )


class Token(Layer, frozen=True):
    """Puts one trained vector before the sequence, from which the class will be read."""

    type: ClassVar[str] = "token"

    def apply(self, given: Given) -> Step:
        """One more position."""
        length, channels = sequence(given.tensor)
        return Step(
            type=self.type,
            input=given.tensor.shape,
            output=(length + 1, channels),
            field=given.tensor.field,
            params=channels,
            formula=(f"{length} + 1 = {length + 1}", f"{channels} parameters"),
        )


class Position(Layer, frozen=True):
    """Adds a trained vector to each position, so that the network knows where it is."""

    type: ClassVar[str] = "position"

    def apply(self, given: Given) -> Step:
        """The shape stays."""
        length, channels = sequence(given.tensor)
        return Step(
            type=self.type,
            input=given.tensor.shape,
            output=given.tensor.shape,
            field=given.tensor.field,
            params=length * channels,
            formula=(f"{length}*{channels} = {length * channels} parameters",),
        )


class Attention(Layer, frozen=True):
    """Multi-head self-attention over a sequence (Vaswani et al., arXiv:1706.03762).

    Four projections of channels x channels (query, key, value, output), shared out among the heads.
    """

    type: ClassVar[str] = "attention"
    heads: int = 1
    bias: bool = True

    def apply(self, given: Given) -> Step:
        """Every position sees every position."""
        length, channels = sequence(given.tensor)
        if channels % self.heads:
            raise MisfitError(f"{self.heads} heads do not divide the {channels} channels")
        weights = 4 * channels * channels
        params = weights + 4 * channels * self.bias
        bias = f" + {channels}" if self.bias else ""
        return Step(
            type=self.type,
            input=given.tensor.shape,
            output=given.tensor.shape,
            field=fields.whole(given.tensor.field, given.tensor.spatial),
            heads=self.heads,
            params=params,
            macs=length * weights + 2 * length * length * channels,
            formula=(
                f"{self.heads} heads of {channels // self.heads}, {length}*{length} weights each",
                f"4*({channels}*{channels}{bias}) = {params} parameters",
            ),
        )


class Select(Layer, frozen=True):
    """Keeps one position of a sequence, counted from 0."""

    type: ClassVar[str] = "select"
    index: int = 0

    def apply(self, given: Given) -> Step:
        """The vector at `index`."""
        length, channels = sequence(given.tensor)
        if self.index >= length:
            raise MisfitError(f"there is no position {self.index} among {length}", axis=0)
        return Step(
            type=self.type,
            input=given.tensor.shape,
            output=(channels,),
            field=fields.unaligned(given.tensor.field, (1,)),
        )


def sequence(tensor: Tensor) -> tuple[int, int]:
    """The length and the channels of a sequence.

    Raises:
        MisfitError: the tensor has not two axes.
    """
    if len(tensor.shape) != 2:
        shape = "x".join(map(str, tensor.shape))
        flat = f"{prod(tensor.spatial)}x{tensor.channels}"
        raise MisfitError(
            f"takes a sequence (positions, channels), and the tensor before it is {shape}",
            hints=(f"reshape:{flat}",),
        )
    length, channels = tensor.shape
    return length, channels
