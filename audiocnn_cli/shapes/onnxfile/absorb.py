"""Pads, activations, biases and scales that are nodes of their own become part of the layer beside them."""

from msgspec.structs import replace

from audiocnn_cli.shapes.layers.convolution import Conv, ConvTranspose, Depthwise
from audiocnn_cli.shapes.layers.dense import Dense
from audiocnn_cli.shapes.layers.elementwise import BatchNorm
from audiocnn_cli.shapes.onnxfile.free import Free
from audiocnn_cli.shapes.onnxfile.layers import ACTIVATION_OF, layer_of, pad_of
from audiocnn_cli.shapes.onnxfile.network import MISSING, Op
from audiocnn_cli.shapes.onnxfile.walk import Made, Walk, come_from, make_step
from audiocnn_cli.shapes.step import Layer
from audiocnn_cli.shapes.window import VALID, Windowed


def _rescaled_row(op: Op, walk: Walk) -> int | None:
    """The row whose integer product `op` multiplies by its scale; None for other nodes."""
    row = next((walk.made[number] for number in op.inputs if number in walk.made), None)
    if row is None or not op.has("Mul"):
        return None
    return row if walk.sources[row - 1].op.type in {"MatMulInteger", "ConvInteger"} else None


def is_absorbed(op: Op, walk: Walk) -> bool:
    """Absorb a pad, an activation, a bias or a scale into the layer after or before it; False for others."""
    if op.has("Pad"):
        return _keep_for_window(op, walk)
    if (scaled := _rescaled_row(op, walk)) is not None:
        come_from(op, scaled, walk)
        return True
    row = _row_before(op, walk)
    made = walk.sources[row - 1] if row else None
    if made is None or made.layer is None:
        return False
    layer = _activated(op, made.layer) if op.type in ACTIVATION_OF else _with_constant(op, made, walk)
    if layer is None:
        return False
    walk.books.move(op, made.op)
    before, changed = walk.steps[row - 1], Made(made.op, layer, made.numbers)
    step = make_step(changed, row, before.name, walk)
    walk.sources[row - 1], walk.steps[row - 1] = changed, step or before
    come_from(op, row, walk)
    return True


def _row_before(op: Op, walk: Walk) -> int:
    """The row whose output only `op` reads, beside constants; 0 for none."""
    numbers = walk.view.data_inputs(op)
    row = walk.made.get(numbers[0], 0)
    if len(numbers) != 1 or not row or walk.view.only_consumer(numbers[0]) is None:
        return 0
    return row if walk.steps[row - 1].depth == walk.depth else 0


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


def _with_constant(op: Op, made: Made, walk: Walk) -> Layer | None:
    """`made.layer` with the constant that `op` adds or multiplies by for each channel; None for others."""
    layer, inferred = made.layer, walk.view.inferred
    constant = next((n for n in op.inputs if n != MISSING and inferred.constant[n]), MISSING)
    dims, output = inferred.dims(constant), inferred.dims(op.first_output)
    if (
        not op.has("Add", "Mul")
        or dims is None
        or output is None
        or inferred.dims(made.op.first_output) != output
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
        # Caffe's scale and shift are nodes of their own; the norm's are 1 and 0, and no parameters.
        own, new = (walk.books.by_op.get(each, 0) for each in (made.op, op))
        if op.type == "Mul" and new == channels and own == 2 * channels:
            walk.books.not_trained(made.op)
        return layer if new in {0, channels} else None
    return None
