"""Load and check an ONNX file; weights are not read.

Refused are files that are no ONNX, tensors outside the model's folder, tensors with less data than their
shape requires, and graphs with a cycle.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path, PurePosixPath, PureWindowsPath

import onnx
import onnx.inliner
from google.protobuf.message import DecodeError
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, checker, shape_inference

from audiocnn_cli.errors import ModelRefusedError, UsageError
from audiocnn_cli.shapes.onnxfile.network import in_order
from audiocnn_cli.shapes.onnxfile.values import bytes_of
from audiocnn_cli.shapes.sizes import LARGEST, shorten

_LARGEST_FILE = 2**31 - 1  # protobuf's limit
_MOST_NODES = 200_000
# Shape inference reads the values of small tensors (the target of a reshape), of others only the dims.
_SMALL = 4096
_STANDARD = frozenset({"", "ai.onnx"})


@dataclass(frozen=True, slots=True)
class File:
    """A model without its weights, and the `weight_bytes` that they take, in the file or beside it."""

    model: ModelProto
    weight_bytes: int


def load_graph(path: Path) -> ModelProto:
    """Load the model at `path` without its weights, its nodes in an order in which they can run.

    Raises:
        UsageError: there is no such file, or it can't be read.
        ModelRefusedError: it is not an ONNX model, or one that is unsafe or inconsistent.
    """
    return load_file(path).model


def load_file(path: Path) -> File:
    """As `load_graph`, with the size of the weights."""
    return checked(_read(path))


def checked(content: bytes) -> File:
    """The model in the bytes of a file.

    Raises:
        ModelRefusedError: it is not an ONNX model, or one that is unsafe or inconsistent.
    """
    try:
        model = onnx.load_model_from_string(content)
    except (DecodeError, ValueError) as error:
        raise ModelRefusedError("is not an ONNX model, or a damaged one") from error
    if not model.graph.node and not model.graph.output:
        raise ModelRefusedError("is not an ONNX model: it holds no graph with nodes")
    graphs = list(_graphs(model.graph))
    if (number := sum(len(graph.node) for graph in graphs)) > _MOST_NODES:
        raise ModelRefusedError(f"has {number:,} nodes; at most {_MOST_NODES:,} are read")
    tensors = [tensor for graph in graphs for tensor in _tensors(graph)]
    for tensor in tensors:
        _check_names(tensor.name, *(entry.value for entry in tensor.external_data))
        _check_tensor(tensor)
    size = sum(bytes_of(prod(tensor.dims), tensor.data_type) or 0 for tensor in tensors)
    for function in model.functions:
        graphs += [graph for node in function.node for graph in _bodies(node)]
    _check_nodes(model, [*(graph.node for graph in graphs), *(function.node for function in model.functions)])
    # Of large tensors only the dims are kept.
    for tensor in tensors:
        if prod(tensor.dims) > _SMALL:
            for field in ("raw_data", *_DATA):
                tensor.ClearField(field)
    if model.functions:
        model = onnx.inliner.inline_local_functions(model)
    nodes = list(model.graph.node)
    order = in_order(nodes, {tensor.name for tensor in model.graph.initializer})
    if order is not nodes:
        copies = [NodeProto.FromString(node.SerializeToString()) for node in order]
        del model.graph.node[:]
        model.graph.node.extend(copies)
    return File(model, size)


def _graphs(graph: GraphProto) -> Iterator[GraphProto]:
    """A graph and those in its nodes."""
    yield graph
    for node in graph.node:
        for inner in _bodies(node):
            yield from _graphs(inner)


def _bodies(node: NodeProto) -> Iterator[GraphProto]:
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def _tensors(graph: GraphProto) -> Iterator[TensorProto]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield sparse.values
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t


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
        needed = bytes_of(count, tensor.data_type)
        if needed is not None and len(tensor.raw_data) < needed:
            raise ModelRefusedError(
                f"tensor {name!r} has {count:,} elements and {len(tensor.raw_data):,} bytes of data"
            )
    elif count and not any(getattr(tensor, field) for field in _DATA):
        raise ModelRefusedError(f"tensor {name!r} has {count:,} elements and no data")


_DATA = ("float_data", "int32_data", "int64_data", "double_data", "uint64_data", "string_data")
# Attributes that must be at least 1.
_COUNTS = frozenset({"strides", "dilations", "kernel_shape", "group", "hidden_size"})


def _check_nodes(model: ModelProto, blocks: list[list[NodeProto]]) -> None:
    """Refuse nodes that are invalid by the ONNX standard; those of other domains are not checked.

    A node with bodies is not checked itself, since the checker would not find what they read from around
    them; the nodes in its bodies are.
    """
    context = checker.C.CheckerContext()
    context.ir_version = model.ir_version
    context.opset_imports = {opset.domain: opset.version for opset in model.opset_import}
    own = {function.name for function in model.functions}
    for node in (node for nodes in blocks for node in nodes):
        _check_names(node.name, node.op_type, node.domain, *node.input, *node.output)
        for attribute in node.attribute:
            if attribute.name in _COUNTS and min((*attribute.ints, attribute.i or 1)) < 1:
                raise ModelRefusedError(f"node {_called(node)} has {attribute.name} below 1")
        if node.domain in _STANDARD and node.op_type not in own and not any(_bodies(node)):
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


def _called(node: NodeProto) -> str:
    return repr(shorten(node.name or node.op_type))


def infer(model: ModelProto) -> tuple[ModelProto, str]:
    """`model` with the shapes of ONNX' own inference, and its error, "" where there is none."""
    try:
        return shape_inference.infer_shapes(model, strict_mode=True, data_prop=True), ""
    except Exception as error:  # the native library raises its own types
        message = " ".join(str(error).split()).rpartition("[ShapeInferenceError] ")[2]
    try:
        return shape_inference.infer_shapes(model, data_prop=True), message
    except Exception:
        return model, message
