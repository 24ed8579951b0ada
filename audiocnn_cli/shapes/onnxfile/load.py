"""Load and check an ONNX file, fold its constants and infer its shapes; weights are not read.

Refused are files that are no ONNX, tensors outside the model's folder, tensors with less data than their
shape requires, and graphs with a cycle.
"""

from graphlib import CycleError, TopologicalSorter
from math import prod
from pathlib import Path, PurePosixPath, PureWindowsPath

import numpy as np
import onnx
import onnx.inliner
from google.protobuf.message import DecodeError
from onnx import ModelProto, NodeProto, TensorProto, checker, helper, numpy_helper, shape_inference

from audiocnn_cli.errors import ModelRefusedError, UsageError
from audiocnn_cli.shapes.sizes import LARGEST, shorten

_LARGEST_FILE = 2**31 - 1  # protobuf's limit
_MOST_NODES = 100_000
# Shape inference reads the values of small tensors (the target of a reshape), of others only the dims.
_SMALL = 4096
# Operators with small outputs for small inputs; the size of a ConstantOfShape is checked.
_FOLDABLE = frozenset({
    "Add", "Cast", "Concat", "ConstantOfShape", "Div", "Gather", "Identity", "Mul", "Reshape", "Slice",
    "Squeeze", "Sub", "Transpose", "Unsqueeze",
})  # fmt: skip


def load_graph(path: Path) -> ModelProto:
    """Load the model at `path` without its weights, its nodes in topological order.

    Raises:
        UsageError: there is no such file, or it can't be read.
        ModelRefusedError: it is not an ONNX model, or one that is unsafe or inconsistent.
    """
    try:
        model = onnx.load_model_from_string(_read(path))
    except (DecodeError, ValueError) as error:
        raise ModelRefusedError("is not an ONNX model, or a damaged one") from error
    if not model.graph.node:
        raise ModelRefusedError("is not an ONNX model: it holds no graph with nodes")
    if len(model.graph.node) > _MOST_NODES:
        raise ModelRefusedError(f"has more than {_MOST_NODES:,} nodes")
    for tensor in model.graph.initializer:
        _check_names(tensor.name, *(entry.value for entry in tensor.external_data))
        _check_tensor(tensor)
    _check_nodes(model)
    if model.functions:
        model = onnx.inliner.inline_local_functions(model)
    _sort_nodes(model)
    # Of large tensors only the dims are kept, since shape inference copies the whole model.
    for tensor in model.graph.initializer:
        if prod(tensor.dims) > _SMALL:
            for field in ("raw_data", *_DATA):
                tensor.ClearField(field)
    return model


def _check_names(*names: object) -> None:
    """Refuse names that are not UTF-8, which protobuf returns as bytes."""
    if not all(isinstance(name, str) for name in names):
        raise ModelRefusedError("is not an ONNX model, or a damaged one: a name in it is not UTF-8")


def _read(path: Path) -> bytes:
    try:
        if not path.is_file():
            raise UsageError(f"{path}: no such file")
        if (size := path.stat().st_size) > _LARGEST_FILE:
            raise ModelRefusedError(f"is {size:,} bytes; the limit of an ONNX file is 2 GiB")
        return path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"{path}: can't be read ({reason})") from error


def _check_tensor(tensor: TensorProto) -> None:
    """Refuse a tensor outside the model's folder, or with less data than its shape requires."""
    name = shorten(tensor.name or "a constant")
    if any(size < 0 or size > LARGEST for size in tensor.dims) or prod(tensor.dims) > LARGEST:
        raise ModelRefusedError(f"tensor {name!r} has impossible sizes")
    if tensor.data_location == TensorProto.EXTERNAL:
        _check_location(tensor, name)
        return
    count = prod(tensor.dims)
    if tensor.HasField("raw_data"):
        try:
            width = helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
        except (KeyError, TypeError, ValueError):
            return  # a data type of a later onnx: only the dims are used
        # Types of half a byte are packed in pairs.
        if len(tensor.raw_data) * 2 < count * width // (1 if width > 1 else 2):
            raise ModelRefusedError(
                f"tensor {name!r} has {count:,} elements and {len(tensor.raw_data):,} bytes of data"
            )
    elif count and not any(getattr(tensor, field) for field in _DATA):
        raise ModelRefusedError(f"tensor {name!r} has {count:,} elements and no data")


_DATA = ("float_data", "int32_data", "int64_data", "double_data", "uint64_data", "string_data")
# Attributes that must be at least 1.
_COUNTS = frozenset({"strides", "dilations", "kernel_shape", "group", "hidden_size"})


def _check_nodes(model: ModelProto) -> None:
    """Refuse nodes that are invalid by the ONNX standard; those of other domains are not checked."""
    context = checker.C.CheckerContext()
    context.ir_version = model.ir_version
    context.opset_imports = {opset.domain: opset.version for opset in model.opset_import}
    for node in model.graph.node:
        _check_names(node.name, node.op_type, node.domain, *node.input, *node.output)
        for attribute in node.attribute:
            if attribute.HasField("t"):
                _check_tensor(attribute.t)
            if attribute.name in _COUNTS and min((*attribute.ints, attribute.i or 1)) < 1:
                raise ModelRefusedError(f"node {_called(node)} has {attribute.name} below 1")
        if node.domain in {"", "ai.onnx"}:
            try:
                checker.check_node(node, context)
            except (checker.ValidationError, RuntimeError, ValueError) as error:
                reason = shorten(" ".join(str(error).split()), limit=120)
                raise ModelRefusedError(f"node {_called(node)} is not valid: {reason}") from error


def _check_location(tensor: TensorProto, name: str) -> None:
    """Refuse external data outside the model's folder, although its file is not opened."""
    location = next((e.value for e in tensor.external_data if e.key == "location"), "")
    for kind in (PurePosixPath, PureWindowsPath):
        where = kind(location)
        if not location or where.is_absolute() or where.drive or ".." in where.parts:
            raise ModelRefusedError(
                f"the data of tensor {name!r} is in {shorten(location)!r}, outside the model's folder"
            )


def _sort_nodes(model: ModelProto) -> None:
    graph = model.graph
    producer: dict[str, int] = {}
    for index, node in enumerate(graph.node):
        for output in filter(None, node.output):
            if output in producer:
                raise ModelRefusedError(f"two nodes have the output {shorten(output)!r}")
            producer[output] = index
    needs = {i: {producer[name] for name in n.input if name in producer} for i, n in enumerate(graph.node)}
    if all(max(earlier, default=-1) < index for index, earlier in needs.items()):
        return
    try:
        order = list(TopologicalSorter(needs).static_order())
    except CycleError as error:
        through = graph.node[error.args[1][0]]
        raise ModelRefusedError(f"the graph has a cycle through {_called(through)}") from error
    nodes = [NodeProto.FromString(graph.node[index].SerializeToString()) for index in order]
    del graph.node[:]
    graph.node.extend(nodes)


def _called(node: NodeProto) -> str:
    return repr(shorten(node.name or node.op_type))


def infer(model: ModelProto) -> tuple[ModelProto, str]:
    """`model` with inferred shapes, and the error of ONNX' shape inference, "" where there is none."""
    try:
        return shape_inference.infer_shapes(model, strict_mode=True, data_prop=True), ""
    except Exception as error:  # the native library raises its own types
        message = " ".join(str(error).split()).rpartition("[ShapeInferenceError] ")[2]
    try:
        return shape_inference.infer_shapes(model, data_prop=True), message
    except Exception:
        return model, message


def fold_constants(model: ModelProto) -> None:
    """Replace nodes that compute constants from constants, as exporters leave them, by their results."""
    graph = model.graph
    known = {tensor.name: tensor for tensor in graph.initializer if _is_small(tensor)}
    for node in list(graph.node):
        inputs, value = list(filter(None, node.input)), None
        if node.op_type == "Constant" and not node.domain:
            value = _constant(node)
        elif node.op_type in _FOLDABLE and not node.domain and inputs and known.keys() >= set(inputs):
            value = _evaluate(node, known, model)
        if value is None:
            continue
        value.name = node.output[0]
        if _is_small(value):
            known[value.name] = value
        graph.initializer.append(value)
        graph.node.remove(node)


def _is_small(tensor: TensorProto) -> bool:
    return prod(tensor.dims) <= _SMALL and not tensor.external_data


def _constant(node: NodeProto) -> TensorProto | None:
    """The value of a Constant node; None where it is of a rare kind."""
    (attribute,) = node.attribute if len(node.attribute) == 1 else (onnx.AttributeProto(),)
    if attribute.HasField("t"):
        return TensorProto.FromString(attribute.t.SerializeToString())
    if attribute.name in {"value_int", "value_ints"}:
        return numpy_helper.from_array(np.array(helper.get_attribute_value(attribute), np.int64))
    is_float = attribute.name == "value_float"
    return numpy_helper.from_array(np.array(attribute.f, np.float32)) if is_float else None


def _evaluate(node: NodeProto, known: dict[str, TensorProto], model: ModelProto) -> TensorProto | None:
    """The output of `node` by ONNX' reference implementation; None where it fails."""
    # The reference implementation takes long to import, and few graphs have constants to fold.
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
    except Exception:  # the value stays unknown
        return None
