"""Read a network from its inputs to its outputs: one step for each operator that is a layer.

Pads, activations, biases and scales that are nodes of their own become part of the layer after or before
them.
"""

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from audiocnn_cli.shapes.layers.elementwise import Merge
from audiocnn_cli.shapes.onnxfile.absorb import is_absorbed
from audiocnn_cli.shapes.onnxfile.batch import Batch
from audiocnn_cli.shapes.onnxfile.infer import GraphError
from audiocnn_cli.shapes.onnxfile.layers import View, layer_of
from audiocnn_cli.shapes.onnxfile.network import MISSING, Block, Op
from audiocnn_cli.shapes.onnxfile.steps import as_shape, shown_dims, work_of_one
from audiocnn_cli.shapes.onnxfile.walk import NAMES, Made, Walk, append
from audiocnn_cli.shapes.onnxfile.weights import Books
from audiocnn_cli.shapes.onnxfile.work import has_formula
from audiocnn_cli.shapes.step import Layer, MisfitError, ShapeError, Tensor
from audiocnn_cli.shapes.window import Windowed

# Operators without work, which are not listed as uncounted.
_FREE_OPERATORS = frozenset({"Constant", "Identity", "Shape", "Size", "Cast", "CastLike"})
# Those whose output is the layer's before them, for a bias or an activation behind them.
_TRANSPARENT = frozenset({"Cast", "Identity", "QuantizeLinear", "DequantizeLinear", "Dropout"})
# Operators with weights that are rows of their own; the weights of others are in the total only.
_ROWS = frozenset({*NAMES, "PRelu", "Einsum", "EmbedLayerNormalization"})


def read_network(view: View, batch: Batch, books: Books, failed: GraphError | None = None) -> Walk:
    """Read the layers of a network, up to the operator that `failed`.

    Raises:
        ShapeError: a window does not fit its input; the error holds the steps before it.
    """
    walk = Walk(view, batch, books)
    _read_block(view.inferred.network.block, walk, failed)
    return walk


def _read_block(block: Block, walk: Walk, failed: GraphError | None = None) -> None:
    for op in block.ops:
        if failed is not None and op is failed.op:
            raise _shape_error(failed, walk)
        _visit(op, walk)


def _shape_error(failed: GraphError, walk: Walk) -> Exception:
    op, view = failed.op, walk.view
    layer, dims = layer_of(op, view), view.inferred.dims(op.input(0))
    if failed.axis is None or layer is None or dims is None:
        return failed
    number = len(walk.steps) + 1
    tensor = Tensor(as_shape((*dims[2:], dims[1])) or (), ())  # type: ignore[arg-type] # free sizes are only shown
    name = op.name or f"{layer.type}_{number}"
    return ShapeError(MisfitError(failed.reason, axis=failed.axis), layer, number, name, tensor, walk.steps)


def _visit(op: Op, walk: Walk) -> None:
    view = walk.view
    if op.first_output == MISSING:
        walk.uncounted[op.type] += 1
        return
    if op.bodies:
        _control(op, walk)
    elif view.inferred.constant[op.first_output]:
        return
    elif not view.data_inputs(op) or not is_absorbed(op, walk):
        layer = layer_of(op, view) if view.data_inputs(op) and has_formula(op) else None
        if layer is None or not _add_layer(op, layer, walk):
            _other(op, walk)


def _add_layer(op: Op, layer: Layer, walk: Walk) -> bool:
    """Add the step of an operator that is a layer; False where a shape is unknown."""
    numbers = tuple(walk.view.data_inputs(op)) if isinstance(layer, Merge) else (op.input(0),)
    if numbers[0] in walk.pads and isinstance(layer, Windowed):
        padding, source, pad = walk.pads[numbers[0]]
        layer, numbers = replace(layer, padding=padding), (source,)
        walk.parts[pad.first_output] = len(walk.steps) + 1
    return append(Made(op, layer, numbers), walk)


def _other(op: Op, walk: Walk) -> None:
    """A row for an operator with work or weights; any other passes its input on."""
    data, work = walk.view.data_inputs(op), work_of_one(op, walk.view, walk.batch)
    weights = walk.books.by_op.get(op, 0)
    if data and (work != 0 or (weights and (op.type in _ROWS or not has_formula(op)))):
        append(Made(op, None, tuple(data)), walk)
        if not has_formula(op):
            walk.uncounted[op.type] += 1
        return
    _pass_through(op, data, walk)


def _pass_through(op: Op, data: Sequence[int], walk: Walk) -> None:
    """Record that `op` is no layer: its outputs come from the row before it."""
    if op.type not in _FREE_OPERATORS or op.domain:
        walk.uncounted[op.type] += 1
    if not data:
        return
    first = data[0]
    row = max(walk.rows.get(number, 0) for number in data)
    first = next((number for number in data if walk.rows.get(number, 0) == row), first)
    for output in op.outputs:
        if row and output != MISSING:
            walk.rows[output] = row
            ends = [shown_dims(number, walk.view, walk.batch) for number in (first, output)]
            walk.fields[output] = walk.fields.get(first, ()) if ends[0] == ends[1] else ()
    # A product with one number, as a temperature between a layer and its softmax.
    counts = [walk.view.inferred.values[number].count for number in op.inputs if number != MISSING]
    scalar = op.type in {"Mul", "Div"} and counts.count(1) >= len(counts) - 1
    if (scalar or op.type in _TRANSPARENT) and first in walk.made:
        walk.made[op.first_output] = walk.made[first]


def _control(op: Op, walk: Walk) -> None:
    """A row for an If, a Loop or a Scan, and below it the rows of its bodies."""
    data = walk.view.data_inputs(op)
    append(Made(op, None, tuple(data) or (op.first_output,)), walk)
    row = len(walk.steps)
    skip = {"Loop": 2}.get(op.type, 0)
    depth, block = walk.depth, walk.block
    for name, body in op.bodies.items():
        walk.depth, walk.block = depth + 1, name
        for inside, outside in zip(body.inputs[skip:], op.inputs[skip:], strict=False):
            walk.rows[inside] = walk.rows.get(outside, 0)
            walk.fields[inside] = ()
        _read_block(body, walk)
    walk.depth, walk.block = depth, block
    for output in op.outputs:
        walk.rows[output] = walk.made[output] = row


def named_parts(walk: Walk) -> Mapping[str, int]:
    """The row that an operator outside of bodies is a part of, by the name of its first output."""
    names = walk.view.inferred.network.names
    top = {op.first_output for op in walk.view.inferred.network.block.ops}
    return {names[number]: row for number, row in walk.parts.items() if number in top and number != MISSING}
