"""Layers that rearrange, repeat or pad elements and compute nothing."""

from math import prod
from typing import ClassVar

from msgspec.structs import replace

from audiocnn_cli.shapes import receptive_field as fields
from audiocnn_cli.shapes.sizes import Sizes, type_sizes
from audiocnn_cli.shapes.step import Layer, LayerInput, MisfitError, Step
from audiocnn_cli.shapes.window import Padding, axes_of, per_axis

_ONE_ROUND = Padding("explicit", (1,))


class Flatten(Layer, frozen=True):
    """All axes become one."""

    type: ClassVar[str] = "flatten"

    def apply(self, given: LayerInput) -> Step:
        """Multiply the sizes."""
        tensor = given.tensor
        count = prod(tensor.shape)
        return replace(
            super().apply(given),
            output=(count,),
            field=fields.unaligned(tensor.field, tensor.spatial),
            formula=(f"{_product(tensor.shape)} = {count}",),
        )


class Reshape(Layer, frozen=True):
    """The same elements in another shape; one size may be -1, for what remains."""

    type: ClassVar[str] = "reshape"
    shape: Sizes = (-1,)

    def apply(self, given: LayerInput) -> Step:
        """Check that the product of the sizes stays the same."""
        tensor = given.tensor
        count = prod(tensor.shape)
        known = prod(size for size in self.shape if size != -1)
        fits = count % known == 0 if -1 in self.shape else count == known
        if not fits or self.shape.count(-1) > 1:
            raise MisfitError(
                f"{type_sizes(self.shape)} can't hold the {count} elements of {type_sizes(tensor.shape)}",
                hints=(f"reshape:{count}",),
            )
        shape = tuple(count // known if size == -1 else size for size in self.shape)
        return replace(
            super().apply(given),
            output=shape,
            field=fields.unaligned(tensor.field, tensor.spatial),
            formula=(f"{_product(tensor.shape)} = {_product(shape)} = {count}",),
        )


class Permute(Layer, frozen=True):
    """The axes in another order, counted from 1 without the batch, as in Keras."""

    type: ClassVar[str] = "permute"
    order: Sizes = (1,)

    def apply(self, given: LayerInput) -> Step:
        """Reorder the sizes."""
        tensor = given.tensor
        natural = tuple(range(1, len(tensor.shape) + 1))
        if tuple(sorted(self.order)) != natural:
            raise MisfitError(f"{type_sizes(self.order)} is not an order of {len(natural)} axes")
        step = replace(super().apply(given), output=tuple(tensor.shape[axis - 1] for axis in self.order))
        if self.order == natural:
            return step
        return replace(step, field=fields.unaligned(tensor.field, tensor.spatial))


class Upsample(Layer, frozen=True):
    """Repeats every element `size` times along each axis."""

    type: ClassVar[str] = "upsample"
    size: Sizes = (2,)

    def apply(self, given: LayerInput) -> Step:
        """Multiply the sizes."""
        tensor = given.tensor
        factors = per_axis(self.size, axes_of(tensor.spatial, None), "size")
        pairs = list(zip(tensor.spatial, factors, strict=True))
        return replace(
            super().apply(given),
            output=(*(n * factor for n, factor in pairs), tensor.channels),
            field=fields.scale(tensor.field, factors),
            formula=tuple(f"{n}*{factor} = {n * factor}" for n, factor in pairs),
        )


class ZeroPad(Layer, frozen=True):
    """Adds zeros around every channel: N on all sides, or top,bottom,left,right."""

    type: ClassVar[str] = "zeropad"
    padding: Padding = _ONE_ROUND

    def apply(self, given: LayerInput) -> Step:
        """Add the padding to the sizes."""
        tensor = given.tensor
        rank = axes_of(tensor.spatial, None)
        pad = tuple(
            self.padding.resolve(axis, rank, size=n, effective_kernel=1, stride=1)
            for axis, n in enumerate(tensor.spatial)
        )
        sizes = list(zip(tensor.spatial, pad, strict=True))
        return replace(
            super().apply(given),
            output=(*(n + before + after for n, (before, after) in sizes), tensor.channels),
            field=fields.shift(tensor.field, pad),
            padding=str(self.padding),
            pad=pad,
            formula=tuple(f"{b} + {n} + {a} = {b + n + a}" for n, (b, a) in sizes),
        )


def _product(sizes: Sizes) -> str:
    return "*".join(map(str, sizes))
