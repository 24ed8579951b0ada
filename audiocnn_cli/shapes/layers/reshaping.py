"""Layers that rearrange, repeat or pad elements and compute nothing."""

from fractions import Fraction
from math import prod
from typing import Any

from audiocnn_cli.shapes import receptive_field as fields
from audiocnn_cli.shapes.sizes import Sizes, type_sizes
from audiocnn_cli.shapes.step import Layer, LayerInput, MisfitError
from audiocnn_cli.shapes.window import Padding, axes_of, each_axis

_ONE_ROUND = Padding("explicit", (1,))


class Flatten(Layer, frozen=True):
    """All axes become one."""

    def _step(self, given: LayerInput) -> dict[str, Any]:
        tensor = given.tensor
        count = prod(tensor.shape)
        return {
            "output": (count,),
            "field": fields.unaligned(tensor.field, tensor.spatial),
            "formula": (f"{_product(tensor.shape)} = {count}",),
        }


class Reshape(Layer, frozen=True):
    """The same elements in another shape; one size may be -1, for what remains."""

    shape: Sizes = (-1,)

    def _step(self, given: LayerInput) -> dict[str, Any]:
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
        return {
            "output": shape,
            "field": fields.unaligned(tensor.field, tensor.spatial),
            "formula": (f"{_product(tensor.shape)} = {_product(shape)} = {count}",),
        }


class Permute(Layer, frozen=True):
    """The axes in another order, counted from 1 without the batch, as in Keras."""

    order: Sizes = (1,)

    def _step(self, given: LayerInput) -> dict[str, Any]:
        tensor = given.tensor
        natural = tuple(range(1, len(tensor.shape) + 1))
        if tuple(sorted(self.order)) != natural:
            raise MisfitError(f"{type_sizes(self.order)} is not an order of {len(natural)} axes")
        unaligned = fields.unaligned(tensor.field, tensor.spatial)
        return {
            "output": tuple(tensor.shape[axis - 1] for axis in self.order),
            "field": tensor.field if self.order == natural else unaligned,
        }


class Upsample(Layer, frozen=True):
    """Repeats every element `size` times along each axis."""

    size: Sizes = (2,)
    axes: int | None = None

    def _step(self, given: LayerInput) -> dict[str, Any]:
        tensor = given.tensor
        pairs = [(n, factor) for _, n, factor in each_axis(tensor.spatial, self.axes, size=self.size)]
        return {
            "output": (*(n * factor for n, factor in pairs), tensor.channels),
            "field": fields.move(tensor.field, [(0, 0, Fraction(1, factor)) for _, factor in pairs]),
            "formula": tuple(f"{n}*{factor} = {n * factor}" for n, factor in pairs),
        }


class ZeroPad(Layer, frozen=True):
    """Adds zeros around every channel: N on all sides, or top,bottom,left,right."""

    padding: Padding = _ONE_ROUND

    def _step(self, given: LayerInput) -> dict[str, Any]:
        tensor = given.tensor
        rank = axes_of(tensor.spatial, None)
        pad = tuple(
            self.padding.resolve(axis, rank, size=n, effective_kernel=1, stride=1)
            for axis, n in enumerate(tensor.spatial)
        )
        sizes = list(zip(tensor.spatial, pad, strict=True))
        return {
            "output": (*(n + before + after for n, (before, after) in sizes), tensor.channels),
            "field": fields.move(tensor.field, [(-before, 0, 1) for before, _ in pad]),
            "padding": str(self.padding),
            "pad": pad,
            "formula": tuple(f"{b} + {n} + {a} = {b + n + a}" for n, (b, a) in sizes),
        }


def _product(sizes: Sizes) -> str:
    return "*".join(map(str, sizes))
