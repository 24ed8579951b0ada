"""Receptive fields: which part of the network's input one element of a tensor sees.

Positions are those of the network's input, before any padding. Source: Araujo, Norris and Sim, Computing
Receptive Fields of Convolutional Neural Networks, Distill (2019).
"""

import math
from fractions import Fraction
from typing import TypeAlias

from msgspec import Struct
from msgspec.structs import replace


class AxisField(Struct, frozen=True):
    """What the elements of a tensor see along one axis of the network's input.

    Element i sees the `size` positions from `start + i * jump` on; some of them may lie in the padding.
    A `jump` of None: elements no longer lie along this axis (after flatten), each sees `size` positions,
    and all of them together see `covered`.
    """

    length: int
    start: Fraction = Fraction(0)
    size: int = 1
    jump: Fraction | None = Fraction(1)
    covered: int = 0

    def slide(self, *, effective_kernel: int, stride: int, before: int) -> "AxisField":
        """After a window of `effective_kernel` moved by `stride` over `before` zeros and the tensor."""
        jump = self.aligned_jump
        return replace(
            self,
            start=self.start - before * jump,
            size=math.ceil(self.size + (effective_kernel - 1) * jump),
            jump=jump * stride,
        )

    def spread(self, *, kernel: int, stride: int, dilation: int, before: int) -> "AxisField":
        """After a transposed window: an element sees at most ceil(kernel / stride) neighbours."""
        jump = self.aligned_jump
        reach = dilation * (kernel - 1)
        neighbours = -(-kernel // stride) if dilation == 1 else reach // stride + 1
        return replace(
            self,
            start=self.start + jump * Fraction(before - reach, stride),
            size=math.ceil(self.size + (neighbours - 1) * jump),
            jump=jump / stride,
        )

    @property
    def aligned_jump(self) -> Fraction:
        """The jump of a tensor whose axes are the input's."""
        if self.jump is None:
            raise ValueError("elements that lie along no axis have no neighbours to slide over")
        return self.jump

    def unaligned(self, positions: int) -> "AxisField":
        """After a flatten of `positions` elements: each sees what it saw, none has a place any more."""
        if self.jump is None:
            return self
        first = max(0, math.ceil(self.start))
        last = min(self.length, math.floor(self.start + (positions - 1) * self.jump) + self.size)
        return replace(self, jump=None, covered=max(0, last - first))

    def whole(self, positions: int) -> "AxisField":
        """After a layer whose every element sees all `positions` elements before it."""
        gathered = self.unaligned(positions)
        return replace(gathered, size=gathered.covered)

    def join(self, other: "AxisField") -> "AxisField":
        """What an element sees that was made of one element of each of two tensors."""
        if self.jump is None or other.jump is None or self.jump != other.jump:
            placed = self if self.jump is not None else other
            covered = max(self.covered, other.covered)
            return replace(placed, size=max(self.size, other.size, covered), covered=covered)
        start = min(self.start, other.start)
        end = max(self.start + self.size, other.start + other.size)
        return replace(self, start=start, size=math.ceil(end - start))


Field: TypeAlias = tuple[AxisField, ...]


def input_field(shape: tuple[int, ...]) -> Field:
    """The field of the network's input itself: each element sees its own position on each axis."""
    return tuple(AxisField(length=size) for size in shape[:-1])


def unaligned(field: Field, positions: tuple[int, ...]) -> Field:
    """`field` after the axes were taken apart; `positions` were the sizes of the tensor's own axes."""
    return tuple(
        axis.unaligned(count) for axis, count in zip(field, _padded(positions, field), strict=True)
    )


def whole(field: Field, positions: tuple[int, ...]) -> Field:
    """`field` after every element was made of all elements."""
    return tuple(
        axis.whole(count) for axis, count in zip(field, _padded(positions, field), strict=True)
    )


def join(first: Field, second: Field) -> Field:
    """`field` after two tensors of one network became one; not known (empty) where one is not."""
    if len(first) != len(second):
        return ()
    return tuple(a.join(b) for a, b in zip(first, second, strict=True))


def scale(field: Field, factors: tuple[int, ...]) -> Field:
    """`field` after every element was repeated so many times on each axis."""
    if not is_aligned(field, len(factors)):
        return field
    return tuple(
        replace(axis, jump=axis.aligned_jump / factor)
        for axis, factor in zip(field, factors, strict=True)
    )


def shift(field: Field, pad: tuple[tuple[int, int], ...]) -> Field:
    """`field` after so much was added before and after each axis."""
    if not is_aligned(field, len(pad)):
        return field
    return tuple(
        replace(axis, start=axis.start - before * axis.aligned_jump)
        for axis, (before, _) in zip(field, pad, strict=True)
    )


def is_aligned(field: Field, rank: int) -> bool:
    """Whether the `rank` axes of a tensor still are the input's."""
    return len(field) == rank and all(axis.jump is not None for axis in field)


def _padded(positions: tuple[int, ...], field: Field) -> tuple[int, ...]:
    return (positions + (1,) * len(field))[: len(field)]
