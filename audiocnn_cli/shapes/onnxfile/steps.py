"""The step of a layer in a network: its shapes and work for one example, its formulas."""

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from audiocnn_cli.shapes.choices import Framework
from audiocnn_cli.shapes.layers.convolution import ConvTranspose, params_formula
from audiocnn_cli.shapes.layers.dense import Dense, Recurrent
from audiocnn_cli.shapes.layers.elementwise import Concat, Merge, Pointwise
from audiocnn_cli.shapes.layers.pooling import GlobalPool
from audiocnn_cli.shapes.layers.reshaping import Flatten
from audiocnn_cli.shapes.onnxfile.batch import Batch
from audiocnn_cli.shapes.onnxfile.free import Dim, Dims, Free, shown
from audiocnn_cli.shapes.onnxfile.layers import View, padding_of, shape_of_layer, windows_at
from audiocnn_cli.shapes.onnxfile.network import Op
from audiocnn_cli.shapes.onnxfile.rules.windows import Windows
from audiocnn_cli.shapes.onnxfile.values import is_known
from audiocnn_cli.shapes.onnxfile.work import work_of
from audiocnn_cli.shapes.receptive_field import ReceptiveField, is_aligned, join, move
from audiocnn_cli.shapes.sizes import Shape
from audiocnn_cli.shapes.step import Layer, LayerInput, MisfitError, Step, Tensor
from audiocnn_cli.shapes.window import Windowed

_OPTIONS = (
    "filters", "groups", "units", "heads", "rate", "activation", "return_sequences", "bidirectional",
)  # fmt: skip


def shown_dims(number: int, view: View, batch: Batch) -> Dims | None:
    """The sizes of a tensor for one example, channels last; None where it is unknown."""
    dims = view.inferred.dims(number)
    if dims is None:
        return None
    if number not in view.first or len(dims) < 3:
        return batch.without(dims, number)
    place = batch.places.get(number)
    if place is not None and place.axis > 1:
        return batch.without(dims, number)
    one = batch.without(dims, number)
    if len(one) == len(dims):  # the batch is merged with other axes, or there is none
        channels = one[1]
        rest = (*one[:1], *one[2:])
        return (*(rest[1:] if rest[0] == 1 else rest), channels)
    return (*one[1:], one[0]) if place is None or place.axis == 0 else one


def recurrent_dims(op: Op, view: View, layer: Recurrent) -> tuple[Dims, Dims] | None:
    """The sizes of a recurrent layer's input and output for one example, its directions side by side."""
    dims = view.inferred.dims(op.input(0))
    if dims is None or len(dims) != 3:
        return None
    time, channels = dims[1 if op.attributes.get("layout", 0) else 0], dims[2]
    width = layer.units * (2 if layer.bidirectional else 1)
    return (time, channels), (time, width) if layer.return_sequences else (width,)


def work_of_one(op: Op, view: View, batch: Batch) -> int | None:
    """The multiply-accumulates of an operator for one example; None where a free size decides them."""
    work = work_of(op, view.inferred)
    if work is None:
        return None
    work = batch.of_one(work)
    if isinstance(work, Free):
        return None
    has_batch = any(number in batch.places for number in (*op.inputs, *op.outputs))
    return work // batch.size if isinstance(batch.size, int) and has_batch and batch.size else work


def step_of(
    op: Op, layer: Layer, numbers: Sequence[int], fields: Sequence[ReceptiveField], view: View, batch: Batch
) -> Step | None:
    """The step of `layer`, which `op` is, applied to the tensors `numbers`; None where a shape is unknown.

    Its parameters are those of the layer; the caller replaces them by those of the file.
    """
    given = [view.inferred.dims(number) for number in numbers]
    output = shown_dims(op.first_output, view, batch)
    known = [dims for dims in given if dims is not None]
    if len(known) < len(given) or output is None:
        return None
    display = shown_dims(numbers[0], view, batch) or ()
    if isinstance(layer, Recurrent):
        ends = recurrent_dims(op, view, layer)
        if ends is None:
            return None
        (display, output), applied = ends, [ends[0]]
    elif isinstance(layer, Merge | Pointwise | Dense | Flatten):
        applied = [shown_dims(number, view, batch) or () for number in numbers]
    else:
        applied = [shape_of_layer(dims, number, view) for dims, number in zip(known, numbers, strict=True)]
    lengths = [axis.length for field in fields for axis in field]
    step = None
    if all(map(is_known, applied)) and all(isinstance(length, int) for length in lengths):
        step = _applied(layer, applied, fields)
        if step is not None and isinstance(layer, Flatten) and step.output != output:
            step = None
    if step is None:
        step = _free(op, layer, applied[0], fields, output, view)
    return replace(step, input=shown(display), output=shown(output), macs=work_of_one(op, view, batch))


def _applied(layer: Layer, shapes: Sequence[Dims], fields: Sequence[ReceptiveField]) -> Step | None:
    """The step by the layer's own arithmetic; None where it can't be applied in our layout."""
    known = [tuple(int(size) for size in dims) for dims in shapes]  # type: ignore[arg-type] # all are ints
    first, *others = (Tensor(dims, field) for dims, field in zip(known, fields, strict=True))
    try:
        return layer.apply(LayerInput(first, tuple(others), Framework.ONNX))
    except (MisfitError, IndexError, ValueError, ArithmeticError):
        return None


def _free(
    op: Op, layer: Layer, given: Dims, fields: Sequence[ReceptiveField], output: Dims, view: View
) -> Step:
    """The step of a layer whose input has a free size."""
    options: dict[str, Any] = {name: getattr(layer, name) for name in _OPTIONS if hasattr(layer, name)}
    field = fields[0]
    if isinstance(layer, Windowed | ConvTranspose) and (windows := windows_at(op, view)) is not None:
        options |= _windowed(layer, windows, given, output, field)
    elif isinstance(layer, Merge) and not isinstance(layer, Concat):
        joined = field
        for other in fields[1:]:
            joined = join(joined, other) if _same_axes(joined, other) else ()
        options["field"] = joined
    elif isinstance(layer, Pointwise) or (isinstance(layer, Dense) and len(output) > 1):
        options["field"] = field
    if isinstance(layer, Dense) and isinstance(given[-1], int):
        options["formula"] = (params_formula((given[-1], layer.units), layer.units * layer.bias),)
    if isinstance(layer, GlobalPool):
        options["formula"] = (f"{' and '.join(map(str, given[:-1]))} positions become 1 for each channel",)
    if options.get("bidirectional") is False:
        options["bidirectional"] = None
    return Step(type=layer.type, input=shown(given), output=shown(output), **options)


def _same_axes(first: ReceptiveField, second: ReceptiveField) -> bool:
    pairs = zip(first, second, strict=False)
    return len(first) == len(second) and all(
        a.cumulative_stride is not None and a.cumulative_stride == b.cumulative_stride for a, b in pairs
    )


def _windowed(
    layer: Windowed | ConvTranspose, windows: Windows, given: Dims, output: Dims, field: ReceptiveField
) -> dict[str, Any]:
    """The numbers of a layer with windows, and its formulas with the names of free sizes."""
    rank = len(windows.kernel)
    sizes = given[-rank - 1 : -1]
    found: dict[str, Any] = {
        "kernel": windows.kernel,
        "stride": windows.strides,
        "dilation": windows.dilations,
        "padding": str(padding_of(windows)),
    }
    lines: list[str] = []
    if len(sizes) == rank and not isinstance(layer, ConvTranspose):
        sides = [_sides(windows, axis, size) for axis, size in enumerate(sizes)]
        if all(side is not None for side in sides):
            pads = [side for side in sides if side is not None]
            found["pad"] = tuple(pads)
            if is_aligned(field, rank):
                moves = [
                    (-pads[axis][0], windows.span(axis) - 1, windows.strides[axis]) for axis in range(rank)
                ]
                found["field"] = move(field, moves)
        results = output[-rank - 1 : -1]
        lines = [_formula(windows, axis, sizes[axis], results[axis]) for axis in range(rank)]
    channels = given[-1]
    filters = getattr(layer, "filters", None) or (channels if hasattr(layer, "multiplier") else None)
    if isinstance(channels, int) and isinstance(filters, int):
        groups = channels if hasattr(layer, "multiplier") else getattr(layer, "groups", 1)
        filters = filters * getattr(layer, "multiplier", 1)
        factors = (*windows.kernel, channels // groups, filters)
        found |= {"filters": filters, "groups": groups}
        lines.append(params_formula(factors, filters * getattr(layer, "bias", False)))
    return found | {"formula": tuple(lines)}


def _sides(windows: Windows, axis: int, size: Dim) -> tuple[int, int] | None:
    """The padding before and after an axis; None where a free size decides it."""
    if not windows.mode:
        return windows.sides(axis)
    span, stride = windows.span(axis), windows.strides[axis]
    if isinstance(size, int):
        total = max((-(-size // stride) - 1) * stride + span - size, 0)
    elif stride == 1:
        total = span - 1
    else:
        return None
    half = total // 2
    return (half, total - half) if windows.mode == "SAME_UPPER" else (total - half, half)


def _formula(windows: Windows, axis: int, size: Dim, output: Dim) -> str:
    stride, span = windows.strides[axis], windows.span(axis)
    if windows.mode:
        return f"ceil({size}/{stride}) = {output}"
    rounding = "ceil" if windows.ceil else "floor"
    return f"{rounding}(({size} - {span} + {sum(windows.sides(axis))})/{stride}) + 1 = {output}"


def as_shape(dims: Dims | None) -> Shape | None:
    """Sizes as results have them."""
    return None if dims is None else shown(dims)
