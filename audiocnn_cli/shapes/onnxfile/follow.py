"""Follow the axes of the inputs through a network, and find those that are mixed on the way."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from audiocnn_cli.shapes.onnxfile.free import Dim, Dims, divided, product_of
from audiocnn_cli.shapes.onnxfile.infer import Inferred
from audiocnn_cli.shapes.onnxfile.layout import CHANNELS_FIRST, IN_PLACE
from audiocnn_cli.shapes.onnxfile.network import Block, Op
from audiocnn_cli.shapes.onnxfile.rules.call import Call
from audiocnn_cli.shapes.onnxfile.rules.products import SECOND_AT, einsum_terms

_RECURRENT = frozenset({"LSTM", "GRU", "RNN", "DynamicQuantizeLSTM"})
_OVER_AXIS = frozenset(
    {"Softmax", "LogSoftmax", "Hardmax", "CumSum", "TopK", "LpNormalization", "Split", "ArgMax", "ArgMin"}
)


_PRODUCTS = frozenset({
    "MatMul", "Gemm", "MatMulInteger", "QLinearMatMul", "FusedMatMul", "DynamicQuantizeMatMul",
    "MatMulIntegerToFloat", "MatMulNBits", "FusedGemm", "QGemm",
})  # fmt: skip


class Place(NamedTuple):
    """Where an axis of an input is in a tensor: in `axis`, behind `before` that were merged into it."""

    axis: int
    before: Dim = 1


Tag = tuple[int, int]  # an input, and one of its axes
Places = dict[Tag, Place]


@dataclass(frozen=True, slots=True)
class Step:
    """An axis of an input on its way from the input `index` of an operator, of sizes `dims`, to an output."""

    op: Op
    index: int
    output: int
    tag: Tag
    place: Place
    dims: Dims
    result: Dims


class Follow:
    """Follows the axes of the inputs through a network.

    `places` are theirs in each tensor. `mixed` are those that an operator sums over, slides along,
    normalises over or cuts, and `votes` counts the operators that have an axis as the batch.
    """

    def __init__(self, inferred: Inferred) -> None:
        self.inferred = inferred
        self.places: dict[int, Places] = {}
        self.mixed: set[Tag] = set()
        self.votes: Counter[Tag] = Counter()
        self._rules: dict[str, Callable[[Step], Place | None]] = {
            **dict.fromkeys(_OVER_AXIS, self._over_axes),
            **dict.fromkeys(_PRODUCTS, self._product),
            **dict.fromkeys((*CHANNELS_FIRST, "Attention", "MultiHeadAttention"), self._batch_first),
            **dict.fromkeys(_RECURRENT, self._recurrent),
            "Transpose": self._transposed,
            **dict.fromkeys(("Reshape", "Flatten"), self._reshaped),
            **dict.fromkeys(("Squeeze", "Unsqueeze"), self._squeezed),
            "Gather": self._gathered,
            "Einsum": self._einsum,
        }

    def block(self, block: Block) -> None:
        """Follow the axes through the operators of `block`."""
        for op in block.ops:
            if op.bodies:
                self._control(op)
            else:
                self._op(op)

    def _control(self, op: Op) -> None:
        skip = {"Loop": 2}.get(op.type, 0)
        for body in op.bodies.values():
            self._copy(zip(op.inputs[skip:], body.inputs[skip:], strict=False))
            self.block(body)
            outputs = body.outputs[1:] if op.type == "Loop" else body.outputs
            self._copy(zip(outputs, op.outputs, strict=False))

    def _copy(self, pairs: Iterable[tuple[int, int]]) -> None:
        """Give the second tensor of each pair the places of the first, where it has the same sizes."""
        for before, after in pairs:
            if before in self.places and self.inferred.dims(before) == self.inferred.dims(after):
                self.places.setdefault(after, self.places[before])

    def _op(self, op: Op) -> None:
        rule = self._rules.get(op.type, self._over_axes if _is_over_axes(op) else self._kept)
        outputs = [(n, dims) for n in op.outputs if (dims := self.inferred.dims(n)) is not None]
        for index, number in enumerate(op.inputs):
            dims = self.inferred.dims(number)
            if number not in self.places or dims is None:
                continue
            for tag, place in self.places[number].items():
                for output, result in outputs:
                    if place.axis >= len(dims):
                        continue
                    after = rule(Step(op, index, output, tag, place, dims, result))
                    if after is not None:
                        self.places.setdefault(output, {}).setdefault(tag, after)

    def _batch_first(self, step: Step) -> Place | None:
        return None if step.index else self._voted(step, at=0)

    def _voted(self, step: Step, *, at: int) -> Place | None:
        """Count an operator that has the batch on the axis `at`; on any other axis it mixes."""
        if step.place.axis != at:
            self.mixed.add(step.tag)
            return None
        self.votes[step.tag] += step.place.before == 1
        return step.place

    def _recurrent(self, step: Step) -> Place | None:
        batch_first = step.op.attributes.get("layout", 0)
        if step.index or self._voted(step, at=0 if batch_first else 1) is None:
            return None
        every = step.output == step.op.outputs[0]
        return Place(0 if batch_first else 2 if every else 1, step.place.before)

    def _product(self, step: Step) -> Place | None:
        second = step.index == SECOND_AT.get(step.op.type, 1)
        rank, axis, before = len(step.dims), step.place.axis, step.place.before
        if step.index and not second:
            return None
        contracted = rank - (2 if second and rank > 1 else 1)
        if rank > 1 and step.op.attributes.get("transB" if second else "transA", 0):
            contracted = 2 * rank - 3 - contracted
        if axis == contracted:
            self.mixed.add(step.tag)
            return None
        if axis < rank - 2:
            return Place(axis + len(step.result) - rank, before)
        # Rows of the first factor, or columns of the second.
        other = self.inferred.dims(step.op.input(1))
        has_columns = not step.op.has("MatMul", "MatMulInteger") or other is None or len(other) > 1
        return Place(len(step.result) - (2 if has_columns and not second else 1), before)

    def _transposed(self, step: Step) -> Place | None:
        order = step.op.attributes.get("perm") or tuple(reversed(range(len(step.dims))))
        return Place(order.index(step.place.axis), step.place.before)

    def _reshaped(self, step: Step) -> Place | None:
        size = (self.inferred.dims(step.tag[0]) or ())[step.tag[1]]
        return None if step.index else _reshaped(step.place, size, step.dims, step.result)

    def _squeezed(self, step: Step) -> Place | None:
        call = self.inferred.call(step.op)
        squeezes = step.op.type == "Squeeze"
        rank = len(step.dims if squeezes else step.result)
        given = call.axes(rank)
        if step.index or given is None:
            return None
        if not given and squeezes:
            given = [axis for axis, size in enumerate(step.dims) if size == 1]
        kept = [axis for axis in range(rank) if axis not in given]
        if not squeezes:
            return Place(kept[step.place.axis], step.place.before)
        return Place(kept.index(step.place.axis), step.place.before) if step.place.axis in kept else None

    def _gathered(self, step: Step) -> Place | None:
        data, indices = (self.inferred.dims(step.op.input(index)) for index in (0, 1))
        if data is None or indices is None:
            return None
        axis = step.op.attributes.get("axis", 0) % max(1, len(data))
        if step.index == 1:
            return Place(step.place.axis + axis, step.place.before)
        if step.place.axis == axis:
            self.mixed.add(step.tag)
            return None
        more = 0 if step.place.axis < axis else len(indices) - 1
        return Place(step.place.axis + more, step.place.before)

    def _einsum(self, step: Step) -> Place | None:
        ranks = [len(self.inferred.dims(number) or ()) for number in step.op.inputs]
        found = einsum_terms(step.op.attributes.get("equation", ""), ranks)
        if found is None:
            return None
        letter = found[0][step.index][step.place.axis]
        if letter not in found[1]:
            self.mixed.add(step.tag)
            return None
        return Place(found[1].index(letter), step.place.before)

    def _over_axes(self, step: Step) -> Place | None:
        """Operators that compute over some axes, which they keep, reduce or remove."""
        if step.index:
            return None
        rank, axis = len(step.dims), step.place.axis
        axes = _axes(self.inferred.call(step.op), rank)
        if axes is None or axis in axes:
            if axes is None or len(axes) < rank:  # else it is a level over all examples, such as a maximum
                self.mixed.add(step.tag)
            return None
        if len(step.result) == rank:
            return step.place
        return Place(axis - sum(each < axis for each in axes), step.place.before)

    def _kept(self, step: Step) -> Place | None:
        """Elementwise and other operators: axes are aligned at the last one."""
        axis = step.place.axis + len(step.result) - len(step.dims)
        if axis < 0 or (step.op.type not in IN_PLACE and len(step.result) != len(step.dims)):
            return None
        joins = (
            step.op.type == "Concat" and step.op.attributes.get("axis", 1) % len(step.dims) == step.place.axis
        )
        same = step.dims[step.place.axis] == step.result[axis]
        if joins or (not same and step.op.type in {"Slice", "Pad", "Resize", "Upsample"}):
            self.mixed.add(step.tag)
        return Place(axis, step.place.before) if same and not joins else None


def _is_over_axes(op: Op) -> bool:
    return op.type.startswith("Reduce") or "Normalization" in op.type


def _axes(call: Call, rank: int) -> list[int] | None:
    """The axes that an operator computes over; None where they are unknown."""
    kind = call.op.type
    if kind.startswith("Reduce"):
        axes = call.axes(rank)
        every = axes == [] and not call.attribute("noop_with_empty_axes", 0)
        return list(range(rank)) if every else axes
    from_one = kind in {"Softmax", "LogSoftmax", "Hardmax"} and call.op.version < 13
    if from_one or ("Normalization" in kind and kind != "LpNormalization"):
        return list(range(call.attribute("axis", 1 if from_one else -1) % max(1, rank), rank))
    default = 0 if kind in {"Split", "ArgMax", "ArgMin"} else -1
    given = call.value(1).ints if kind == "CumSum" else None
    return [(given[0] if given else call.attribute("axis", default)) % max(1, rank)]


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
