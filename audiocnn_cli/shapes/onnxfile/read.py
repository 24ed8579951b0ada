"""Read a network from its inputs to its outputs: one step for each operator that is a layer.

Pads, activations, biases and scales that are nodes of their own become part of the layer after or before them.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace

from audiocnn_cli.shapes.grammar import show_layer
from audiocnn_cli.shapes.layers.convolution import Conv, ConvTranspose, Depthwise
from audiocnn_cli.shapes.layers.dense import Dense
from audiocnn_cli.shapes.layers.elementwise import BatchNorm, Merge
from audiocnn_cli.shapes.onnxfile.batch import Batch
from audiocnn_cli.shapes.onnxfile.free import Free
from audiocnn_cli.shapes.onnxfile.infer import GraphError
from audiocnn_cli.shapes.onnxfile.layers import ACTIVATION_OF, View, layer_of, pad_of
from audiocnn_cli.shapes.onnxfile.network import MISSING, Block, Op
from audiocnn_cli.shapes.onnxfile.steps import as_shape, shown_dims, step_of, work_of_one
from audiocnn_cli.shapes.onnxfile.weights import Books
from audiocnn_cli.shapes.onnxfile.work import has_formula
from audiocnn_cli.shapes.receptive_field import ReceptiveField, input_field
from audiocnn_cli.shapes.step import Layer, MisfitError, ShapeError, Step, Tensor
from audiocnn_cli.shapes.trace import INPUT
from audiocnn_cli.shapes.window import VALID, Padding, Windowed

# Operators without work, which are not listed as uncounted.
_FREE_OPERATORS = frozenset({"Constant", "Identity", "Shape", "Size", "Cast", "CastLike"})
# Those whose output is the layer's before them, for a bias or an activation behind them.
_TRANSPARENT = frozenset({"Cast", "Identity", "QuantizeLinear", "DequantizeLinear", "Dropout"})
_NAMES = {
    "Gather": "embedding", "InstanceNormalization": "instancenorm", "GroupNormalization": "groupnorm",
    "SkipLayerNormalization": "layernorm", "SimplifiedLayerNormalization": "rmsnorm", "RMSNormalization": "rmsnorm",
    "LpPool": "lppool",
}  # fmt: skip
# Operators of several tensors, which their text names.
_OF_SEVERAL = frozenset(
    {"MatMul", "FusedMatMul", "Gemm", "Einsum", "Attention", "MultiHeadAttention", "QLinearMatMul"}
)
# Operators with weights that are rows of their own; the weights of others are in the total only.
_ROWS = frozenset({*_NAMES, "PRelu", "Einsum", "EmbedLayerNormalization"})


@dataclass(frozen=True)
class Made:
    """What a step was made of: the operator, its layer (None: no layer of ours) and the tensors it is applied to."""

    op: Op
    layer: Layer | None
    numbers: tuple[int, ...]


@dataclass(eq=False)
class Walk:
    """The steps so far, and for every tensor the row that it comes from and its receptive field.

    `rows` has the number of the row that a tensor comes from (0: the input), `made` that of the row whose output it
    is. `parts` has the number of the row that an operator is, or is a part of, by its first output.
    """

    view: View
    batch: Batch
    books: Books
    steps: list[Step] = field(default_factory=list)
    sources: list[Made] = field(default_factory=list)
    pads: dict[int, tuple[Padding, int, Op]] = field(default_factory=dict)
    uncounted: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)
    parts: dict[int, int] = field(default_factory=dict)
    rows: dict[int, int] = field(default_factory=dict)
    made: dict[int, int] = field(default_factory=dict)
    fields: dict[int, ReceptiveField] = field(default_factory=dict)
    names: set[str] = field(default_factory=lambda: {INPUT})
    depth: int = 0
    block: str = ""

    def field_of(self, number: int) -> ReceptiveField:
        """The receptive field of a tensor; that of the input where no layer is before it."""
        if self.rows.get(number, 0):
            return self.fields.get(number, ())
        dims = shown_dims(number, self.view, self.batch)
        return () if dims is None else input_field(dims)  # type: ignore[arg-type] # free sizes are not computed with

    def name_of(self, row: int) -> str:
        """The name of a row."""
        return self.steps[row - 1].name if row else INPUT


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
    elif not view.data_inputs(op) or not _is_absorbed(op, walk):
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
    return _append(Made(op, layer, numbers), walk)


def _append(made: Made, walk: Walk) -> bool:
    number = len(walk.steps) + 1
    name = made.op.name or f"{made.layer.type if made.layer else made.op.type.lower()}_{number}"
    name = name if name not in walk.names else f"{name}_{number}"
    step = _step(made, number, name, walk)
    if step is None:
        return False
    walk.names.add(name)
    walk.steps.append(step)
    walk.sources.append(made)
    _come_from(made.op, number, walk)
    return True


def _come_from(op: Op, number: int, walk: Walk) -> None:
    """Record that the outputs of `op` are those of a row."""
    for output in op.outputs:
        walk.rows[output] = walk.made[output] = number
        walk.fields[output] = walk.steps[number - 1].field
    walk.parts[op.first_output] = number


def _step(made: Made, number: int, name: str, walk: Walk) -> Step | None:
    """The step of a row, with the weights that the file has for it."""
    op, rows = made.op, [walk.rows.get(each, 0) for each in made.numbers]
    if made.layer is None:
        step = _plain(op, walk)
    else:
        fields = [walk.field_of(each) for each in made.numbers]
        found = step_of(op, made.layer, made.numbers, fields, walk.view, walk.batch)
        step = found or replace(_plain(op, walk), type=made.layer.type)
        if found is None and not step.macs and step.macs is not None and op not in walk.books.by_op:
            return None
    source = None if rows[0] == number - 1 else str(rows[0] or INPUT)
    others = tuple(str(row or INPUT) for row in rows[1:])
    if isinstance(made.layer, Merge):
        text = show_layer(replace(made.layer, source=source, inputs=others))
    elif made.layer is not None:
        text = show_layer(replace(made.layer, source=source))
    else:
        second = "+".join(others) if op.type in _OF_SEVERAL else ""
        text = ":".join(filter(None, (step.type, second)))
        text += f",from={source}" if source and not op.bodies else ""
    return replace(
        _booked(step, op, walk),
        number=number,
        name=name,
        text=text,
        sources=tuple(walk.name_of(row) for row in rows),
        depth=walk.depth,
        block=walk.block,
    )


def _booked(step: Step, op: Op, walk: Walk) -> Step:
    """`step` with the parameters of the file, and a formula of them only where it agrees."""
    params, statistics = walk.books.by_op.get(op, 0), walk.books.statistics_by_op.get(op, 0)
    formula = step.formula
    if params != step.params or any(f"= {params} " not in line for line in formula if "parameters" in line):
        formula = tuple(
            line for line in formula if "parameters" not in line or f"= {params} parameters" in line
        )
        if op in walk.books.shared and not params:
            formula += ("its weights are counted in a layer before it",)
        elif params and len(formula) == len([line for line in formula if "parameters" not in line]):
            formula += (f"{params} parameters",)
    return replace(step, params=params, non_trainable_params=statistics, formula=formula)


def _plain(op: Op, walk: Walk) -> Step:
    """The step of an operator that has no layer of ours."""
    data = walk.view.data_inputs(op)
    given = as_shape(shown_dims(data[0], walk.view, walk.batch)) if data else None
    output = as_shape(shown_dims(op.first_output, walk.view, walk.batch))
    kind = _NAMES.get(op.type, op.type.lower())
    same = bool(data) and walk.view.inferred.dims(data[0]) == walk.view.inferred.dims(op.first_output)
    pointwise = same and op.type in {"PRelu", "InstanceNormalization", "GroupNormalization"}
    return Step(
        type=kind,
        input=given or ("?",),
        output=output or ("?",),
        field=walk.field_of(data[0]) if pointwise else (),
        macs=work_of_one(op, walk.view, walk.batch),
    )


def _other(op: Op, walk: Walk) -> None:
    """A row for an operator with work or weights; any other passes its input on."""
    data, work = walk.view.data_inputs(op), work_of_one(op, walk.view, walk.batch)
    weights = walk.books.by_op.get(op, 0)
    if data and (work != 0 or (weights and (op.type in _ROWS or not has_formula(op)))):
        _append(Made(op, None, tuple(data)), walk)
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
    # A product with one number, as a temperature between a layer and its softmax, or with the scale of integers.
    counts = [walk.view.inferred.values[number].count for number in op.inputs if number != MISSING]
    scalar = op.type in {"Mul", "Div"} and counts.count(1) >= len(counts) - 1
    if (scalar or op.type in _TRANSPARENT or _is_rescaled(op, walk)) and first in walk.made:
        walk.made[op.first_output] = walk.made[first]


def _is_rescaled(op: Op, walk: Walk) -> bool:
    """Whether `op` multiplies the result of an integer product by its scale."""
    row = next((walk.made[number] for number in op.inputs if number in walk.made), None)
    return (
        op.type == "Mul"
        and row is not None
        and walk.sources[row - 1].op.type in {"MatMulInteger", "ConvInteger"}
    )


def _is_absorbed(op: Op, walk: Walk) -> bool:
    """Absorb a pad, an activation, a bias or a scale into the layer after or before it; False for other nodes."""
    if op.has("Pad"):
        return _keep_for_window(op, walk)
    if op.type == "Mul" and _is_rescaled(op, walk):
        _pass_through(op, walk.view.data_inputs(op), walk)
        walk.uncounted["Mul"] -= 1
        return True
    numbers = walk.view.data_inputs(op)
    row = walk.made.get(numbers[0])
    if len(numbers) != 1 or row is None or walk.view.only_consumer(numbers[0]) is None:
        return False
    made, step = walk.sources[row - 1], walk.steps[row - 1]
    if step.depth != walk.depth or made.layer is None:
        return False
    layer = _activated(op, made.layer) if op.type in ACTIVATION_OF else _with_constant(op, made, step, walk)
    if layer is None:
        return False
    walk.books.move(op, made.op)
    changed = Made(made.op, layer, made.numbers)
    rebuilt = _rebuilt(changed, step, walk)
    if rebuilt is None:
        return False
    walk.sources[row - 1], walk.steps[row - 1] = changed, rebuilt
    _come_from(op, row, walk)
    return True


def _rebuilt(made: Made, step: Step, walk: Walk) -> Step | None:
    found = _step(made, step.number, step.name, walk)
    return found and replace(found, text=_keeping_source(found.text, step.text))


def _keeping_source(text: str, before: str) -> str:
    """`text`; a rebuilt step has the row before it where the first one had."""
    return text if ",from=" in text or ",from=" not in before else text


def _keep_for_window(op: Op, walk: Walk) -> bool:
    """Record a Pad whose only consumer is a window without padding."""
    consumer = walk.view.only_consumer(op.first_output)
    padding = pad_of(op, walk.view)
    own = layer_of(consumer, walk.view) if consumer and not consumer.bodies else None
    if padding is None or not isinstance(own, Windowed) or own.padding != VALID or consumer is None:
        return False
    if consumer.input(0) != op.first_output:
        return False
    walk.pads[op.first_output] = (padding, op.input(0), op)
    return True


def _activated(op: Op, layer: Layer) -> Layer | None:
    """`layer` with the activation that `op` is; None where it can't have one."""
    if not isinstance(layer, Conv | Depthwise | ConvTranspose | Dense | BatchNorm) or layer.activation:
        return None
    return replace(layer, activation=ACTIVATION_OF[op.type])


def _with_constant(op: Op, made: Made, step: Step, walk: Walk) -> Layer | None:
    """`made.layer` with the constant that `op` adds, or multiplies by, for each channel; None for other nodes."""
    layer, inferred = made.layer, walk.view.inferred
    constant = next((n for n in op.inputs if n != MISSING and inferred.constant[n]), MISSING)
    dims, output = inferred.dims(constant), inferred.dims(op.first_output)
    if (
        not op.has("Add", "Mul")
        or dims is None
        or output is None
        or inferred.dims(step_output(made)) != output
    ):
        return None
    behind = len(output) - 2 if op.first_output in walk.view.first else 0
    channels = output[1] if behind else output[-1]
    while len(dims) > behind + 1 and dims[0] == 1:
        dims = dims[1:]
    if isinstance(channels, Free) or dims != (channels, *(1,) * behind):
        return None
    if op.type == "Add" and isinstance(layer, Dense | Conv | ConvTranspose | Depthwise):
        return None if layer.bias or layer.activation else replace(layer, bias=True)
    if isinstance(layer, BatchNorm) and not layer.activation:
        # Caffe's scale and shift are nodes of their own; the norm's are 1 and 0 beside them, and no parameters.
        own, new = (walk.books.by_op.get(each, 0) for each in (made.op, op))
        if op.type == "Mul" and new == channels and own == 2 * channels:
            walk.books.not_trained(made.op)
        return layer if new in {0, channels} else None
    return None


def step_output(made: Made) -> int:
    """The tensor that a row's operator makes."""
    return made.op.first_output


def _control(op: Op, walk: Walk) -> None:
    """A row for an If, a Loop or a Scan, and below it the rows of its bodies."""
    data = walk.view.data_inputs(op)
    _append(Made(op, None, tuple(data) or (op.first_output,)), walk)
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
    """The number of the row that an operator outside of bodies is a part of, by the name of its first output."""
    names = walk.view.inferred.network.names
    top = {op.first_output for op in walk.view.inferred.network.block.ops}
    return {names[number]: row for number, row in walk.parts.items() if number in top and number != MISSING}
