"""Layers that make one tensor of several: residual sums, gates, concatenation, sampling."""

from typing import ClassVar

from audiocnn_cli.shapes.receptive_field import Field, join
from audiocnn_cli.shapes.sizes import Sizes, show_shape
from audiocnn_cli.shapes.step import Given, Layer, MisfitError, Step


class Merge(Layer, frozen=True):
    """Takes the output before it and those of the layers named in `inputs`."""

    inputs: tuple[str, ...] = ()

    @property
    def merged(self) -> tuple[str, ...]:
        """The further layers."""
        return self.inputs


class Elementwise(Merge, frozen=True):
    """Works element by element; axes of size 1 and missing leading axes are repeated."""

    def apply(self, given: Given) -> Step:
        """The shape that all tensors can be repeated to."""
        output = given.tensor.shape
        for other in given.others:
            output = broadcast(output, other.shape)
        return Step(type=self.type, input=given.tensor.shape, output=output, field=_joined(given))


class Add(Elementwise, frozen=True):
    """A sum, as in a residual connection (He et al., arXiv:1512.03385)."""

    type: ClassVar[str] = "add"


class Multiply(Elementwise, frozen=True):
    """A product, as in a gate."""

    type: ClassVar[str] = "multiply"


class Sample(Elementwise, frozen=True):
    """A normal sample from this mean and the named log variance (Kingma and Welling, arXiv:1312.6114)."""

    type: ClassVar[str] = "sample"


class Concat(Merge, frozen=True):
    """Tensors side by side along `axis`, counted from 1 without the batch; 0 is the channels."""

    type: ClassVar[str] = "concat"
    axis: int = 0

    def apply(self, given: Given) -> Step:
        """Add the sizes of the axis; all other sizes must agree."""
        shape = given.tensor.shape
        if self.axis > len(shape):
            raise MisfitError(f"has no axis {self.axis} to concatenate: {show_shape(shape)}")
        at = (self.axis or len(shape)) - 1
        sizes = [shape[at]]
        for other in given.others:
            theirs = other.shape
            if theirs[:at] + theirs[at + 1 :] != shape[:at] + shape[at + 1 :]:
                raise MisfitError(
                    f"{show_shape(shape)} and {show_shape(theirs)} differ on more than axis {at + 1}"
                )
            sizes.append(theirs[at])
        return Step(
            type=self.type,
            input=shape,
            output=(*shape[:at], sum(sizes), *shape[at + 1 :]),
            field=_joined(given),
            formula=(f"{' + '.join(map(str, sizes))} = {sum(sizes)}",),
        )


def broadcast(first: Sizes, second: Sizes) -> Sizes:
    """The shape that both can be repeated to, from the last axis on.

    Raises:
        MisfitError: two sizes differ and neither is 1.
    """
    rank = max(len(first), len(second))
    pairs = zip(
        (1,) * (rank - len(first)) + first, (1,) * (rank - len(second)) + second, strict=True
    )
    sizes = []
    for axis, (a, b) in enumerate(pairs):
        if a != b and 1 not in {a, b}:
            at = axis if axis < rank - 1 else None
            raise MisfitError(
                f"{show_shape(first)} and {show_shape(second)} have no common shape: {a} is not {b}",
                axis=at,
            )
        sizes.append(max(a, b))
    return tuple(sizes)


def _joined(given: Given) -> Field:
    field = given.tensor.field
    for other in given.others:
        field = join(field, other.field)
    return field
