"""Layers that move elements around and compute nothing."""

from math import prod
from typing import ClassVar

from audiocnn_cli.shapes import receptive_field as fields
from audiocnn_cli.shapes.receptive_field import scale, shift
from audiocnn_cli.shapes.sizes import Sizes
from audiocnn_cli.shapes.step import Given, Layer, MisfitError, Step
from audiocnn_cli.shapes.window import Padding, axes_of, per_axis

_ONE_ROUND = Padding("explicit", (1,))


class Flatten(Layer, frozen=True):
    """All axes become one."""

    type: ClassVar[str] = "flatten"

    def apply(self, given: Given) -> Step:
        """Multiply the sizes."""
        tensor = given.tensor
        count = prod(tensor.shape)
        return Step(
            type=self.type,
            input=tensor.shape,
            output=(count,),
            field=fields.unaligned(tensor.field, tensor.spatial),
            formula=(f"{'*'.join(map(str, tensor.shape))} = {count}",),
        )


class Reshape(Layer, frozen=True):
    """The same elements in another shape; one size may be -1, for what is left."""

    type: ClassVar[str] = "reshape"
    shape: Sizes = (-1,)

    def apply(self, given: Given) -> Step:
        """Check that the sizes' product stays."""
        tensor = given.tensor
        count = prod(tensor.shape)
        known = prod(size for size in self.shape if size != -1)
        fits = count % known == 0 if -1 in self.shape else count == known
        if not fits or self.shape.count(-1) > 1:
            raise MisfitError(
                f"{'x'.join(map(str, self.shape))} can't hold the {count} elements of"
                f" {'x'.join(map(str, tensor.shape))}",
                hints=(f"reshape:{count}",),
            )
        shape = tuple(count // known if size == -1 else size for size in self.shape)
        return Step(
            type=self.type,
            input=tensor.shape,
            output=shape,
            field=fields.unaligned(tensor.field, tensor.spatial),
            formula=(
                f"{'*'.join(map(str, tensor.shape))} = {'*'.join(map(str, shape))} = {count}",
            ),
        )


class Permute(Layer, frozen=True):
    """The axes in another order, counted from 1 without the batch, as in Keras."""

    type: ClassVar[str] = "permute"
    order: Sizes = (1,)

    def apply(self, given: Given) -> Step:
        """Reorder the sizes."""
        tensor = given.tensor
        if sorted(self.order) != list(range(1, len(tensor.shape) + 1)):
            raise MisfitError(
                f"{'x'.join(map(str, self.order))} is no order of {len(tensor.shape)} axes"
            )
        return Step(
            type=self.type,
            input=tensor.shape,
            output=tuple(tensor.shape[axis - 1] for axis in self.order),
            field=tensor.field
            if self.order == tuple(range(1, len(tensor.shape) + 1))
            else fields.unaligned(tensor.field, tensor.spatial),
        )


class Upsample(Layer, frozen=True):
    """Repeats every element `size` times along each axis."""

    type: ClassVar[str] = "upsample"
    size: Sizes = (2,)

    def apply(self, given: Given) -> Step:
        """Multiply the sizes."""
        tensor = given.tensor
        size = per_axis(self.size, axes_of(tensor.spatial, None), "size")
        spatial = tuple(n * factor for n, factor in zip(tensor.spatial, size, strict=True))
        return Step(
            type=self.type,
            input=tensor.shape,
            output=(*spatial, tensor.channels),
            field=scale(tensor.field, size),
            formula=tuple(
                f"{n}*{factor} = {n * factor}"
                for n, factor in zip(tensor.spatial, size, strict=True)
            ),
        )


class ZeroPad(Layer, frozen=True):
    """Zeros around every channel: N on all sides, or top,bottom,left,right."""

    type: ClassVar[str] = "zeropad"
    padding: Padding = _ONE_ROUND

    def apply(self, given: Given) -> Step:
        """Add to the sizes."""
        tensor = given.tensor
        rank = axes_of(tensor.spatial, None)
        pad = tuple(
            self.padding.resolve(axis, rank, size=n, effective_kernel=1, stride=1)
            for axis, n in enumerate(tensor.spatial)
        )
        sizes = list(zip(tensor.spatial, pad, strict=True))
        return Step(
            type=self.type,
            input=tensor.shape,
            output=(*(n + before + after for n, (before, after) in sizes), tensor.channels),
            field=shift(tensor.field, pad),
            padding=str(self.padding),
            pad=pad,
            formula=tuple(f"{b} + {n} + {a} = {b + n + a}" for n, (b, a) in sizes),
        )
