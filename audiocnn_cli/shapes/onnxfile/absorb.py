"""Nodes that become part of the layer before or after them: pads, activations, biases."""

from typing import TYPE_CHECKING

from msgspec.structs import replace

from audiocnn_cli.shapes.grammar import show_layer
from audiocnn_cli.shapes.layers.convolution import Conv, Depthwise
from audiocnn_cli.shapes.layers.dense import Dense
from audiocnn_cli.shapes.layers.pooling import Pool
from audiocnn_cli.shapes.onnxfile.layers import ACTIVATION_OF, layer_of, pad_of
from audiocnn_cli.shapes.onnxfile.walk import Walk, apply
from audiocnn_cli.shapes.step import Step, Tensor
from audiocnn_cli.shapes.window import VALID

if TYPE_CHECKING:
    from onnx import NodeProto

# Layers that take an activation as one of their options.
_WITH_ACTIVATION = frozenset({"conv", "depthwise", "convtranspose", "dense", "batchnorm"})


def is_absorbed(node: "NodeProto", walk: Walk) -> bool:
    """Whether `node` became part of another layer."""
    if node.op_type == "Pad":
        return _keep_for_window(node, walk)
    step = _step_before(node, walk)
    if step is None:
        return False
    if node.op_type in ACTIVATION_OF:
        return _activate(node, step, walk)
    return node.op_type == "Add" and _add_bias(node, step, walk)


def _keep_for_window(node: "NodeProto", walk: Walk) -> bool:
    """Remember a Pad whose only taker is a window that can pad for itself."""
    taker = walk.graph.only_consumer(node.output[0])
    padding = pad_of(node, walk.graph)
    if taker is None or padding is None:
        return False
    own = layer_of(taker, walk.graph)
    if not isinstance(own, Conv | Depthwise | Pool) or own.padding != VALID:
        return False
    walk.pads[node.output[0]] = (padding, node.input[0])
    return True


def _step_before(node: "NodeProto", walk: Walk) -> Step | None:
    """The last step, where `node` is the only taker of its very output and has no other input."""
    names = walk.graph.data_inputs(node)
    if len(names) != 1 or not walk.steps or walk.graph.only_consumer(names[0]) is None:
        return None
    step = walk.steps[-1]
    is_its = walk.origin(names[0]) == step.name and walk.made.get(names[0]) == step.number
    return step if is_its else None


def _activate(node: "NodeProto", step: Step, walk: Walk) -> bool:
    """Make an activation an option of the layer before it."""
    if step.type not in _WITH_ACTIVATION or step.activation:
        return False
    kind = ACTIVATION_OF[node.op_type]
    walk.steps[-1] = replace(step, activation=kind, text=f"{step.text},{kind}")
    walk.come_from(node, step)
    walk.parts[node.output[0]] = step.number
    return True


def _add_bias(node: "NodeProto", step: Step, walk: Walk) -> bool:
    """A matrix product plus a vector is a dense layer with its bias."""
    (bias,) = (name for name in node.input if name in walk.graph.constants)
    if step.type != "dense" or step.units is None or walk.graph.dims(bias) != (step.units,):
        return False
    if isinstance(step.input[-1], str):
        return False
    layer = Dense(units=step.units)
    with_bias = apply(layer, (Tensor((step.input[-1],), ()),))
    if step.params != with_bias.params - step.units:
        return False  # it has a bias already
    walk.counted.add(bias)
    walk.steps[-1] = replace(
        step, params=with_bias.params, formula=with_bias.formula, text=show_layer(layer)
    )
    walk.come_from(node, walk.steps[-1])
    walk.made[node.output[0]] = step.number
    walk.parts[node.output[0]] = step.number
    return True
