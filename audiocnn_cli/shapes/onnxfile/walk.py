"""The rows of a network so far, and the row of one operator."""

from collections import Counter
from dataclasses import dataclass, field

from msgspec.structs import replace

from audiocnn_cli.shapes.grammar import show_layer
from audiocnn_cli.shapes.layers.elementwise import Merge
from audiocnn_cli.shapes.onnxfile.batch import Batch
from audiocnn_cli.shapes.onnxfile.layers import View
from audiocnn_cli.shapes.onnxfile.network import Op
from audiocnn_cli.shapes.onnxfile.steps import as_shape, shown_dims, step_of, work_of_one
from audiocnn_cli.shapes.onnxfile.weights import Books
from audiocnn_cli.shapes.receptive_field import ReceptiveField, input_field
from audiocnn_cli.shapes.step import Layer, Step
from audiocnn_cli.shapes.trace import INPUT
from audiocnn_cli.shapes.window import Padding

NAMES = {
    "Gather": "embedding", "InstanceNormalization": "instancenorm", "GroupNormalization": "groupnorm",
    "SkipLayerNormalization": "layernorm", "SimplifiedLayerNormalization": "rmsnorm",
    "RMSNormalization": "rmsnorm",
    "LpPool": "lppool",
}  # fmt: skip
# Operators of several tensors, which their text names.
_OF_SEVERAL = frozenset(
    {"MatMul", "FusedMatMul", "Gemm", "Einsum", "Attention", "MultiHeadAttention", "QLinearMatMul"}
)


@dataclass(frozen=True)
class Made:
    """What a step was made of: the operator, its layer (None: none of ours), the tensors before it."""

    op: Op
    layer: Layer | None
    numbers: tuple[int, ...]


@dataclass(eq=False)
class Walk:
    """The steps so far, and for every tensor the row that it comes from and its receptive field.

    `rows` has the number of the row that a tensor comes from (0: the input), `made` that of the row whose
    output it is. `parts` has the number of the row that an operator is, or is a part of, by its first
    output.
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


def append(made: Made, walk: Walk) -> bool:
    """Add a row; False where a shape of it is unknown."""
    number = len(walk.steps) + 1
    name = made.op.name or f"{made.layer.type if made.layer else made.op.type.lower()}_{number}"
    name = name if name not in walk.names else f"{name}_{number}"
    step = make_step(made, number, name, walk)
    if step is None:
        return False
    walk.names.add(name)
    walk.steps.append(step)
    walk.sources.append(made)
    come_from(made.op, number, walk)
    return True


def come_from(op: Op, number: int, walk: Walk) -> None:
    """Record that the outputs of `op` are those of a row."""
    for output in op.outputs:
        walk.rows[output] = walk.made[output] = number
        walk.fields[output] = walk.steps[number - 1].field
    walk.parts[op.first_output] = number


def make_step(made: Made, number: int, name: str, walk: Walk) -> Step | None:
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
    kind = NAMES.get(op.type, op.type.lower())
    same = bool(data) and walk.view.inferred.dims(data[0]) == walk.view.inferred.dims(op.first_output)
    pointwise = same and op.type in {"PRelu", "InstanceNormalization", "GroupNormalization"}
    return Step(
        type=kind,
        input=("?",) if given is None else given,
        output=("?",) if output is None else output,
        field=walk.field_of(data[0]) if pointwise else (),
        macs=work_of_one(op, walk.view, walk.batch),
    )
