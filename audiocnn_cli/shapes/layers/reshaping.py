"""Layers that move elements around and compute nothing."""

from dataclasses import dataclass
from math import prod
from typing import ClassVar

from audiocnn_cli.shapes import field as fields
from audiocnn_cli.shapes.sizes import Sizes
from audiocnn_cli.shapes.step import Given, Layer, MisfitError, Step


@dataclass(frozen=True, kw_only=True)
class Flatten(Layer):
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


@dataclass(frozen=True, kw_only=True)
class Reshape(Layer):
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
