"""Constants that a graph computes from constants, as exporters leave them: pads, targets of a reshape."""

from math import prod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto

# Operators that make small tensors of small ones; none can ask for more memory than its inputs have,
# but for ConstantOfShape, which is checked.
_FOLDABLE = frozenset({
    "Add", "Cast", "Concat", "ConstantOfShape", "Div", "Gather", "Identity", "Mul", "Reshape", "Slice",
    "Squeeze", "Sub", "Transpose", "Unsqueeze",
})  # fmt: skip
_SMALL = 4096


def fold_constants(model: "ModelProto") -> None:
    """Replace nodes whose result is already known by that result."""
    graph = model.graph
    known = {tensor.name: tensor for tensor in graph.initializer if _is_small(tensor)}
    for node in list(graph.node):
        if node.op_type == "Constant" and not node.domain:
            value = _constant(node)
        elif node.op_type in _FOLDABLE and not node.domain and _inputs_known(node, known):
            value = _evaluate(node, known, model)
        else:
            continue
        if value is None:
            continue
        value.name = node.output[0]
        if _is_small(value):
            known[value.name] = value
        graph.initializer.append(value)
        graph.node.remove(node)


def _is_small(tensor: "TensorProto") -> bool:
    return prod(tensor.dims) <= _SMALL and not tensor.external_data


def _inputs_known(node: "NodeProto", known: dict[str, "TensorProto"]) -> bool:
    return any(node.input) and all(not name or name in known for name in node.input)


def _constant(node: "NodeProto") -> "TensorProto | None":
    """The value of a Constant node; None where it is given in a way that is rare."""
    from onnx import AttributeProto, TensorProto, helper

    (attribute,) = node.attribute if len(node.attribute) == 1 else (AttributeProto(),)
    if attribute.HasField("t"):
        copy = TensorProto()
        copy.CopyFrom(attribute.t)
        return copy
    if attribute.name == "value_ints":
        return helper.make_tensor("", TensorProto.INT64, [len(attribute.ints)], attribute.ints)
    if attribute.name == "value_int":
        return helper.make_tensor("", TensorProto.INT64, [], [attribute.i])
    if attribute.name == "value_float":
        return helper.make_tensor("", TensorProto.FLOAT, [], [attribute.f])
    return None


def _evaluate(
    node: "NodeProto", known: dict[str, "TensorProto"], model: "ModelProto"
) -> "TensorProto | None":
    """What `node` makes of constants, by ONNX' reference implementation; None where it can't."""
    from onnx import helper, numpy_helper
    from onnx.reference import ReferenceEvaluator

    inputs = {name: numpy_helper.to_array(known[name]) for name in node.input if name}
    if node.op_type == "ConstantOfShape" and prod(next(iter(inputs.values())).tolist()) > _SMALL:
        return None
    values = [helper.make_tensor_value_info(name, 0, None) for name in inputs]
    output = [helper.make_tensor_value_info(node.output[0], 0, None)]
    graph = helper.make_graph([node], "constant", values, output)
    single = helper.make_model(graph, opset_imports=model.opset_import)
    try:
        (result,) = ReferenceEvaluator(single).run(None, inputs)
        return numpy_helper.from_array(result)
    except Exception:  # a constant that can't be folded is only one that is not known
        return None
