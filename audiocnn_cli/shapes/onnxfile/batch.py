"""Find the batch: the axis of the inputs along which a network computes every example by itself.

Each axis of the first inputs is followed through the network, through transpositions and reshapes. An axis
that an operator sums over, slides along, normalises over or cuts is not the batch. Of the others it is the
one that convolutions, recurrent layers or its name have as the batch, else the first.
"""

import re
from dataclasses import dataclass, field

from audiocnn_cli.shapes.onnxfile.follow import Follow, Place, Tag
from audiocnn_cli.shapes.onnxfile.free import Dim, Dims, Free, divided
from audiocnn_cli.shapes.onnxfile.infer import Inferred
from audiocnn_cli.shapes.onnxfile.order import of_one

_MOST_INPUTS = 8
_NAME = re.compile(r"(batch.*|.*batch|n|b|bs|bsz)", re.IGNORECASE)


@dataclass(frozen=True)
class Batch:
    """The batch of a network: its `size`, and its place in each tensor that has it."""

    size: Dim = 1
    places: dict[int, Place] = field(default_factory=dict)

    def without(self, dims: Dims, number: int) -> Dims:
        """`dims` of a tensor for one example."""
        place = self.places.get(number)
        if place is None and isinstance(self.size, Free) and self.size in dims:
            place = Place(dims.index(self.size))
        if place is None or place.axis >= len(dims):
            return tuple(self.of_one(size) for size in dims)
        axis = place.axis
        rest = () if dims[axis] == self.size else (divided(dims[axis], self.size),)
        return tuple(self.of_one(size) for size in (*dims[:axis], *rest, *dims[axis + 1 :]))

    def of_one(self, size: Dim) -> Dim:
        """A size or an amount of work for one example, where the batch is free."""
        if isinstance(size, Free) and isinstance(self.size, Free):
            ((name,),) = self.size.terms
            return of_one(size, str(name))
        return size


def find_batch(inferred: Inferred) -> Batch:
    """The batch of a network; one without places where it has none."""
    follow = Follow(inferred)
    for number in inferred.network.block.inputs[:_MOST_INPUTS]:
        dims = inferred.dims(number) or ()
        follow.places[number] = {(number, axis): Place(axis) for axis in range(len(dims))}
    follow.block(inferred.network.block)
    chosen = _choose(inferred, follow)
    if not chosen:
        return Batch()
    number, axis = chosen[0]
    size = (inferred.dims(number) or ())[axis]
    if isinstance(size, Free) and not _is_symbol(size):
        size = 1
    places: dict[int, Place] = {}
    for tensor, found in follow.places.items():
        place = next((found[tag] for tag in chosen if tag in found), None)
        if place is not None:
            places[tensor] = place
    return Batch(size, places)


def _is_symbol(size: Free) -> bool:
    return len(size.terms) == 1 and all(len(p) == 1 and isinstance(p[0], str) for p in size.terms)


def _choose(inferred: Inferred, follow: "Follow") -> list[Tag]:
    """The batch axis of each followed input that has one, that of the first such input first."""
    chosen: list[Tag] = []
    size: Dim | None = None
    for number in inferred.network.block.inputs[:_MOST_INPUTS]:
        dims = inferred.dims(number) or ()
        best, most = None, 0
        for axis, each in enumerate(dims):
            tag = (number, axis)
            if tag in follow.mixed or (size is not None and each != size):
                continue
            score = 4 * (follow.votes[tag] > 0) + 2 * _is_named(each) + (axis == 0)
            score += size is not None and isinstance(each, Free) and each == size
            # The middle axis of (time, batch, channels), where both others are mixed.
            score += axis == 1 and len(dims) == 3 and all((number, other) in follow.mixed for other in (0, 2))
            if score > most:
                best, most = tag, score
        if best is not None:
            size = dims[best[1]] if size is None else size
            chosen.append(best)
    return chosen


def _is_named(size: Dim) -> bool:
    return isinstance(size, Free) and not size.is_unnamed and _NAME.fullmatch(str(size)) is not None
