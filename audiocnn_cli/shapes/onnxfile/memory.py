"""The largest memory that activations take at once, for one example in the order of the file."""

from audiocnn_cli.shapes.onnxfile.batch import Batch
from audiocnn_cli.shapes.onnxfile.free import product_of
from audiocnn_cli.shapes.onnxfile.infer import Inferred
from audiocnn_cli.shapes.onnxfile.network import MISSING, Block, Op
from audiocnn_cli.shapes.onnxfile.values import bytes_of

# The result of these is the input itself, seen with other axes.
_ALIASES = frozenset({"Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity", "Dropout"})


def peak_bytes(inferred: Inferred, batch: Batch) -> int | None:
    """The bytes of all tensors that are alive at the same time, at most; None where a size is unknown.

    A tensor is alive from the operator that makes it to the last one that reads it. Constants are not
    counted, and no operator is taken to write over its input.
    """
    return _peak(inferred.network.block, inferred, batch)


def _peak(block: Block, inferred: Inferred, batch: Batch) -> int | None:
    sizes: dict[int, int] = {}
    for number in (*block.inputs, *(output for op in block.ops for output in op.outputs)):
        if number == MISSING or inferred.constant[number]:
            continue
        size = _bytes(inferred, batch, number)
        if size is None:
            return None
        sizes[number] = size
    roots: dict[int, int] = {}
    for op in block.ops:
        if op.type in _ALIASES and op.first_output in sizes and op.input(0) in sizes:
            roots[op.first_output] = roots.get(op.input(0), op.input(0))
    last: dict[int, int] = {}
    for index, op in enumerate(block.ops):
        for number in _reads(op):
            last[roots.get(number, number)] = index
    for number in block.outputs:
        last[roots.get(number, number)] = len(block.ops)
    ends: dict[int, list[int]] = {}
    for number, index in last.items():
        ends.setdefault(index, []).append(number)
    alive = most = sum(sizes.get(number, 0) for number in block.inputs)
    for index, op in enumerate(block.ops):
        alive += sum(sizes.get(n, 0) for n in op.outputs if n not in roots)
        inside = [_peak(body, inferred, batch) for body in op.bodies.values()]
        if any(size is None for size in inside):
            return None
        most = max(most, alive + max((size or 0 for size in inside), default=0))
        made = [n for n in op.outputs if n in sizes and n not in roots and n not in last]
        alive -= sum(sizes.get(n, 0) for n in (*ends.get(index, ()), *made))
    return most


def _bytes(inferred: Inferred, batch: Batch, number: int) -> int | None:
    value = inferred.values[number]
    if value.dims is None:
        return None
    count = product_of(batch.without(value.dims, number))
    return bytes_of(count, value.type) if isinstance(count, int) else None


def _reads(op: Op) -> set[int]:
    """The tensors that an operator reads, those that its bodies capture included."""
    found = {number for number in op.inputs if number != MISSING}
    for body in op.bodies.values():
        for inner in body.ops:
            found |= _reads(inner)
        found.update(body.outputs)
    return found
