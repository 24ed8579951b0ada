"""Find the batch: the axis of the inputs along which a network computes every example by itself.

Each axis of the first inputs is followed through the network, through transpositions and reshapes. An axis that an
operator sums over, slides along, normalises over or cuts is not the batch. Of the others it is the one that
convolutions, recurrent layers or its name have as the batch, else the first.
"""

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from audiocnn_cli.shapes.onnxfile.free import Dim, Dims, Free, divided, of_one, product_of
from audiocnn_cli.shapes.onnxfile.infer import Inferred
from audiocnn_cli.shapes.onnxfile.layout import CHANNELS_FIRST, IN_PLACE
from audiocnn_cli.shapes.onnxfile.network import MISSING, Block, Op
from audiocnn_cli.shapes.onnxfile.rules.products import einsum_terms

_MOST_INPUTS = 8
_NAME = re.compile(r"(batch.*|.*batch|n|b|bs|bsz)", re.IGNORECASE)
_RECURRENT = frozenset({"LSTM", "GRU", "RNN", "DynamicQuantizeLSTM"})
_OVER_AXIS = frozenset(
    {"Softmax", "LogSoftmax", "Hardmax", "CumSum", "TopK", "LpNormalization", "Split", "ArgMax", "ArgMin"}
)


class Place(NamedTuple):
    """Where an axis of an input is in a tensor: in `axis`, behind `before` others that were merged into it."""

    axis: int
    before: Dim = 1


Tag = tuple[int, int]  # an input, and one of its axes
Places = dict[Tag, Place]


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
    follow = _Follow(inferred)
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


def _choose(inferred: Inferred, follow: "_Follow") -> list[Tag]:
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


class _Follow:
    """Follows the axes of the inputs: their `places` in each tensor, which were `mixed`, and `votes` for the batch."""

    def __init__(self, inferred: Inferred) -> None:
        self.inferred = inferred
        self.places: dict[int, Places] = {}
        self.mixed: set[Tag] = set()
        self.votes: Counter[Tag] = Counter()

    def block(self, block: Block) -> None:
        for op in block.ops:
            if op.bodies:
                self._control(op)
            else:
                self._op(op)

    def _control(self, op: Op) -> None:
        skip = {"Loop": 2}.get(op.type, 0)
        for body in op.bodies.values():
            for inside, outside in zip(body.inputs[skip:], op.inputs[skip:], strict=False):
                if outside in self.places and self.inferred.dims(inside) == self.inferred.dims(outside):
                    self.places[inside] = self.places[outside]
            self.block(body)
            inner = body.outputs[1:] if op.type == "Loop" else body.outputs
            for inside, outside in zip(inner, op.outputs, strict=False):
                if inside in self.places and self.inferred.dims(inside) == self.inferred.dims(outside):
                    self.places.setdefault(outside, self.places[inside])

    def _op(self, op: Op) -> None:
        for index, number in enumerate(op.inputs):
            found = self.places.get(number)
            if not found:
                continue
            for tag, place in found.items():
                for output in op.outputs:
                    if (
                        output != MISSING
                        and (after := self._after(op, index, output, tag, place)) is not None
                    ):
                        self.places.setdefault(output, {}).setdefault(tag, after)

    def _mix(self, tag: Tag) -> None:
        self.mixed.add(tag)

    def _after(self, op: Op, index: int, output: int, tag: Tag, place: Place) -> Place | None:
        """The place of an axis in an output; None where it is no longer there."""
        dims, result = self.inferred.dims(op.inputs[index]), self.inferred.dims(output)
        if dims is None or result is None or place.axis >= len(dims):
            return None
        axis = place.axis
        if op.type in CHANNELS_FIRST or op.type in {"Attention", "MultiHeadAttention"}:
            return self._voted(tag, place, at=0) if index == 0 else None
        if op.type in _RECURRENT:
            return self._recurrent(op, index, output, tag, place)
        if op.type in {"MatMul", "Gemm", "MatMulInteger", "QLinearMatMul", "FusedMatMul", "DynamicQuantizeMatMul",
                       "MatMulIntegerToFloat", "MatMulNBits", "FusedGemm", "QGemm"}:  # fmt: skip
            return self._product(op, index, tag, place, dims, result)
        if op.type == "Transpose":
            order = op.attributes.get("perm") or tuple(reversed(range(len(dims))))
            return Place(order.index(axis), place.before)
        if op.type in {"Reshape", "Flatten"}:
            return _reshaped(place, self._size(tag), dims, result) if index == 0 else None
        if op.type in {"Squeeze", "Unsqueeze"}:
            return self._squeezed(op, place, dims, result) if index == 0 else None
        if op.type == "Gather":
            return self._gathered(op, index, tag, place, dims)
        if op.type == "Einsum":
            return self._einsum(op, index, tag, place)
        if op.type.startswith("Reduce") or op.type in _OVER_AXIS or "Normalization" in op.type:
            return self._over_axes(op, tag, place, dims, result)
        return self._kept(op, tag, place, dims, result)

    def _size(self, tag: Tag) -> Dim:
        return (self.inferred.dims(tag[0]) or ())[tag[1]]

    def _voted(self, tag: Tag, place: Place, *, at: int) -> Place | None:
        if place.axis != at:
            self._mix(tag)
            return None
        self.votes[tag] += place.before == 1
        return place

    def _recurrent(self, op: Op, index: int, output: int, tag: Tag, place: Place) -> Place | None:
        if index:
            return None
        layout = op.attributes.get("layout", 0)
        if self._voted(tag, place, at=0 if layout else 1) is None:
            return None
        first = output == op.outputs[0]
        return Place((0 if layout else 2) if first else (0 if layout else 1), place.before)

    def _product(self, op: Op, index: int, tag: Tag, place: Place, dims: Dims, result: Dims) -> Place | None:
        second = index == (3 if op.type in {"QLinearMatMul", "QGemm"} else 1)
        if index and not second:
            return None
        turned = op.attributes.get("transB" if second else "transA", 0)
        contracted = len(dims) - (2 if second and len(dims) > 1 else 1)
        if turned and len(dims) > 1:
            contracted = 2 * len(dims) - 3 - contracted
        if place.axis == contracted:
            self._mix(tag)
            return None
        if place.axis >= len(dims) - 2:  # rows of the first factor, columns of the second
            return Place(len(result) - (1 if second else 2 if self._has_columns(op) else 1), place.before)
        return Place(place.axis + len(result) - len(dims), place.before)

    def _has_columns(self, op: Op) -> bool:
        second = self.inferred.dims(op.input(1))
        return op.type not in {"MatMul", "MatMulInteger"} or second is None or len(second) > 1

    def _squeezed(self, op: Op, place: Place, dims: Dims, result: Dims) -> Place | None:
        call = self.inferred.call(op)
        rank = max(len(dims), len(result))
        given = call.attribute("axes") or call.value(1).ints
        if given is None and (op.type == "Unsqueeze" or call.has(1)):
            return None
        if given is None:
            removed = [axis for axis, size in enumerate(dims) if size == 1]
        else:
            given = (given,) if isinstance(given, int) else given
            removed = [axis % rank for axis in given]
        if op.type == "Squeeze":
            if place.axis in removed:
                return None
            return Place(place.axis - sum(axis < place.axis for axis in removed), place.before)
        kept = [axis for axis in range(rank) if axis not in removed]
        return Place(kept[place.axis], place.before)

    def _gathered(self, op: Op, index: int, tag: Tag, place: Place, dims: Dims) -> Place | None:
        data = self.inferred.dims(op.inputs[0])
        indices = self.inferred.dims(op.input(1))
        if data is None or indices is None:
            return None
        axis = op.attributes.get("axis", 0) % max(1, len(data))
        if index == 1:
            return Place(place.axis + axis, place.before)
        if place.axis == axis:
            self._mix(tag)
            return None
        return place if place.axis < axis else Place(place.axis + len(indices) - 1, place.before)

    def _einsum(self, op: Op, index: int, tag: Tag, place: Place) -> Place | None:
        ranks = [len(self.inferred.dims(number) or ()) for number in op.inputs]
        found = einsum_terms(op.attributes.get("equation", ""), ranks)
        if found is None:
            return None
        terms, output = found
        letter = terms[index][place.axis]
        if letter not in output:
            self._mix(tag)
            return None
        return Place(output.index(letter), place.before)

    def _over_axes(self, op: Op, tag: Tag, place: Place, dims: Dims, result: Dims) -> Place | None:
        call = self.inferred.call(op)
        rank = len(dims)
        axes: list[int] | None
        if op.type.startswith("Reduce"):
            axes = call.axes(rank)
            if not axes and not call.attribute("noop_with_empty_axes", 0):
                axes = list(range(rank)) if axes is not None else None
        elif "Normalization" in op.type and op.type != "LpNormalization":
            axes = list(range(call.attribute("axis", -1) % max(1, rank), rank))
        elif op.type in {"Softmax", "LogSoftmax", "Hardmax"} and op.version < 13:
            axes = list(range(call.attribute("axis", 1) % max(1, rank), rank))
        else:
            default = 0 if op.type in {"Split", "ArgMax", "ArgMin"} else -1
            given = call.value(1).ints if op.type == "CumSum" else None
            axes = [(given[0] if given else call.attribute("axis", default)) % max(1, rank)]
        if axes is None or place.axis in axes:
            if axes is None or len(axes) < rank:  # else it is a level over all examples, such as a maximum
                self._mix(tag)
            return None
        if len(result) == rank:
            return place
        return Place(place.axis - sum(axis < place.axis for axis in axes), place.before)

    def _kept(self, op: Op, tag: Tag, place: Place, dims: Dims, result: Dims) -> Place | None:
        """Elementwise and other operators: axes are aligned at the last one."""
        axis = place.axis + len(result) - len(dims)
        if op.type not in IN_PLACE and len(result) != len(dims):
            return None
        if not 0 <= axis < len(result):
            return None
        if op.type == "Concat" and op.attributes.get("axis", 1) % len(dims) == place.axis:
            self._mix(tag)
            return None
        if dims[place.axis] != result[axis]:
            if op.type in {"Slice", "Pad", "Resize", "Upsample"}:
                self._mix(tag)
            if dims[place.axis] != 1 or op.type not in IN_PLACE:
                return None
            return None
        return Place(axis, place.before)


def _reshaped(place: Place, size: Dim, dims: Dims, result: Dims) -> Place | None:
    """The place of `size` positions after a reshape: as many elements are before them as there were."""
    before = product_of(dims[: place.axis]) * place.before
    offset: Dim = 1
    merged: Place | None = None
    for axis, each in enumerate(result):
        if offset == before and each == size:
            return Place(axis)
        inner = divided(before, offset)
        if inner * offset == before and _divides(inner * size, each) and merged is None:
            merged = Place(axis, inner)
        offset = offset * each
    return merged


def _divides(part: Dim, size: Dim) -> bool:
    return divided(size, part) * part == size
