"""Receptive fields: the part of the network's input that an element of a tensor depends on.

Positions are those of the network's input, before any padding. Source: Araujo, Norris and Sim, Computing
Receptive Fields of Convolutional Neural Networks, Distill (2019).
"""

import math
from collections.abc import Sequence
from fractions import Fraction
from itertools import chain, repeat
from typing import TypeAlias

from msgspec import Struct
from msgspec.structs import replace

Rational: TypeAlias = int | Fraction
Move: TypeAlias = tuple[Rational, Rational, Rational]  # the arguments of AxisField.move


class AxisField(Struct, frozen=True):
    """The receptive fields of a tensor's elements on one axis of the network's input.

    `length` is the size of the input axis. Element i depends on the `size` positions from
    `start + i * cumulative_stride` on; some may lie in the padding. A `cumulative_stride` of None: the
    elements are no longer ordered along this axis (after a flatten), each depends on `size` positions, and
    together they depend on `covered`. `gate` is the number of positions that each depends on through a gate,
    which multiplies it by what depends on them; 0 without one. `size` leaves them out.
    """

    length: int
    start: Fraction = Fraction(0)
    size: int = 1
    cumulative_stride: Fraction | None = Fraction(1)
    covered: int = 0
    gate: int = 0

    def move(self, offset: Rational, reach: Rational, factor: Rational) -> "AxisField":
        """After a layer that adds `offset` to the start and `reach` to the size, in elements before it.

        Neighbours after it are `factor` elements apart.
        """
        step = self.cumulative_stride
        if step is None:
            return self
        size = math.ceil(self.size + reach * step)
        return replace(self, start=self.start + offset * step, size=size, cumulative_stride=step * factor)

    def unaligned(self, positions: int) -> "AxisField":
        """After a flatten of `positions` elements: the sizes stay, the order along the axis is lost."""
        if self.cumulative_stride is None:
            return self
        first = max(0, math.ceil(self.start))
        end = math.floor(self.start + (positions - 1) * self.cumulative_stride) + self.size
        covered = max(0, min(self.length, end) - first)
        return replace(self, cumulative_stride=None, covered=covered)

    def join(self, other: "AxisField") -> "AxisField":
        """After an operation on pairs of elements, one of each tensor."""
        stride, gate = self.cumulative_stride, max(self.gate, other.gate)
        if stride is None or stride != other.cumulative_stride:
            placed = self if stride is not None else other
            covered = max(self.covered, other.covered)
            return replace(placed, size=max(self.size, other.size, covered), covered=covered, gate=gate)
        start = min(self.start, other.start)
        end = max(self.start + self.size, other.start + other.size)
        return replace(self, start=start, size=math.ceil(end - start), gate=gate)

    def join_gate(self, other: "AxisField") -> "AxisField":
        """After a product with a tensor of one element for all positions, or of such a one with this."""
        if (self.cumulative_stride is None) is (other.cumulative_stride is None):
            return self.join(other)
        placed, gate = (other, self) if self.cumulative_stride is None else (self, other)
        return replace(placed, gate=max(placed.gate, gate.size, gate.covered, gate.gate))


# One entry for each axis of the network's input without the channels; empty where it is not known.
ReceptiveField: TypeAlias = tuple[AxisField, ...]


def input_field(shape: tuple[int, ...]) -> ReceptiveField:
    """The receptive field of the network's input: each element is its own position."""
    return tuple(AxisField(length=size) for size in shape[:-1])


def unaligned(field: ReceptiveField, positions: tuple[int, ...]) -> ReceptiveField:
    """`field` after the axes were rearranged; `positions` are the tensor's sizes without the channels."""
    sizes = chain(positions, repeat(1))  # 1 where the tensor has fewer axes
    return tuple(map(AxisField.unaligned, field, sizes))


def whole(field: ReceptiveField, positions: tuple[int, ...]) -> ReceptiveField:
    """`field` after a layer whose elements depend on all elements before it."""
    return tuple(
        replace(axis, size=max(axis.covered, axis.gate), gate=0) for axis in unaligned(field, positions)
    )


def join(first: ReceptiveField, second: ReceptiveField) -> ReceptiveField:
    """The receptive field of the merge of two tensors; empty where one of them is unknown."""
    if len(first) != len(second):
        return ()
    return tuple(a.join(b) for a, b in zip(first, second, strict=True))


def join_gate(first: ReceptiveField, second: ReceptiveField) -> ReceptiveField:
    """The receptive field of a product, as in squeeze-and-excitation; empty where one of them is unknown."""
    if len(first) != len(second):
        return ()
    return tuple(a.join_gate(b) for a, b in zip(first, second, strict=True))


def move(field: ReceptiveField, moves: Sequence[Move]) -> ReceptiveField:
    """`field` after `AxisField.move` on each axis; unchanged where the axes are not the input's."""
    if not is_aligned(field, len(moves)):
        return field
    return tuple(axis.move(*each) for axis, each in zip(field, moves, strict=True))


def is_aligned(field: ReceptiveField, rank: int) -> bool:
    """Whether the `rank` axes of a tensor are still those of the input."""
    return len(field) == rank and all(axis.cumulative_stride is not None for axis in field)
