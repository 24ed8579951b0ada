"""An ONNX file becomes a checked graph with its shapes inferred; its weights are never looked at.

What is refused, in one sentence each: files that are no ONNX, tensors kept outside the model's folder,
tensors that claim more than they hold, graphs that go in circles.
"""

from collections.abc import Iterable
from math import prod
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any

from audiocnn_cli.errors import ModelRefusedError, UsageError
from audiocnn_cli.shapes.sizes import LARGEST, shorten

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto

_LARGEST_FILE = 2**31 - 1  # what protobuf can hold
_MOST_NODES = 100_000
# Shape inference reads the values of small tensors (a reshape's target); of large ones only the dims.
_SMALL = 4096


def load_graph(path: Path) -> "ModelProto":
    """The model in the file at `path`, without its weights, its nodes in the order they run.

    Raises:
        UsageError: there is no such file, or it can't be read.
        ModelRefusedError: it holds no ONNX model, or one that is not safe or not consistent.
    """
    content = _read(path)
    import onnx
    import onnx.inliner
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load_model_from_string(content)
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
    _drop_weights(model.graph.initializer)
    return model


def _check_names(*names: object) -> None:
    """Refuse text that is not UTF-8, which protobuf hands over as bytes."""
    if not all(isinstance(name, str) for name in names):
        raise ModelRefusedError("is not an ONNX model, or a damaged one: a name in it is not UTF-8")


def _read(path: Path) -> bytes:
    try:
        if not path.is_file():
            raise UsageError(f"{path}: no such file")
        if (size := path.stat().st_size) > _LARGEST_FILE:
            raise ModelRefusedError(f"is {size:,} bytes; an ONNX file ends at 2 GiB")
        return path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"{path}: can't be read ({reason})") from error


def _check_tensor(tensor: "TensorProto") -> None:
    """Refuse a tensor that lies outside the model's folder, or claims more than it holds."""
    from onnx import TensorProto, helper

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
            return  # a type this onnx does not know: the dims are all that is used
        # Types of half a byte are packed two by two.
        if len(tensor.raw_data) * 2 < count * width // (1 if width > 1 else 2):
            raise ModelRefusedError(
                f"tensor {name!r} claims {count:,} numbers and holds {len(tensor.raw_data):,} bytes"
            )
    elif count and not _values(tensor):
        raise ModelRefusedError(f"tensor {name!r} claims {count:,} numbers and holds none")


# Attributes that count something, so that nothing below 1 makes sense.
_COUNTS = frozenset({"strides", "dilations", "kernel_shape", "group", "hidden_size"})


def _check_nodes(model: "ModelProto") -> None:
    """Refuse nodes that are not what ONNX says their operator is; those of other makers pass."""
    from onnx import checker

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


def _check_location(tensor: "TensorProto", name: str) -> None:
    """The file that holds the tensor is never opened; a path out of the folder is still a bad sign."""
    location = next((e.value for e in tensor.external_data if e.key == "location"), "")
    for kind in (PurePosixPath, PureWindowsPath):
        where = kind(location)
        if not location or where.is_absolute() or where.drive or ".." in where.parts:
            raise ModelRefusedError(
                f"tensor {name!r} wants its data from {shorten(location)!r}, outside the"
                " model's folder"
            )


def _values(tensor: "TensorProto") -> bool:
    fields = ("float_data", "int32_data", "int64_data", "double_data", "uint64_data", "string_data")
    return any(len(getattr(tensor, field)) for field in fields)


def _drop_weights(tensors: Iterable["TensorProto"]) -> None:
    """Keep the dims of large tensors and forget their numbers: inference copies the whole model."""
    for tensor in tensors:
        if prod(tensor.dims) > _SMALL:
            for field in ("raw_data", "float_data", "int32_data", "int64_data", "double_data"):
                tensor.ClearField(field)


def _sort_nodes(model: "ModelProto") -> None:
    """Put the nodes in an order in which each comes after what it needs."""
    graph = model.graph
    producer: dict[str, int] = {}
    for index, node in enumerate(graph.node):
        for output in filter(None, node.output):
            if output in producer:
                raise ModelRefusedError(f"two nodes make {shorten(output)!r}")
            producer[output] = index
    needs = [{producer[name] for name in node.input if name in producer} for node in graph.node]
    waiting = [len(need) for need in needs]
    feeds: list[list[int]] = [[] for _ in needs]
    for index, need in enumerate(needs):
        for earlier in need:
            feeds[earlier].append(index)
    ready = [index for index, count in enumerate(waiting) if not count]
    order: list[int] = []
    for index in ready:  # grows while it is walked
        order.append(index)
        for later in feeds[index]:
            waiting[later] -= 1
            if not waiting[later]:
                ready.append(later)
    if len(order) < len(needs):
        stuck = graph.node[next(i for i, count in enumerate(waiting) if count)]
        raise ModelRefusedError(f"the graph goes in a circle through {_called(stuck)}")
    if order != sorted(order):
        nodes = [graph.node[index] for index in order]
        copies: list[Any] = []
        for node in nodes:
            copy = type(node)()
            copy.CopyFrom(node)
            copies.append(copy)
        del graph.node[:]
        graph.node.extend(copies)


def _called(node: "NodeProto") -> str:
    return repr(shorten(node.name or node.op_type))


def infer(model: "ModelProto") -> "tuple[ModelProto, str]":
    """`model` with the shape of every tensor that ONNX can tell, and what it complains about, if anything."""
    from onnx import shape_inference

    try:
        return shape_inference.infer_shapes(model, strict_mode=True, data_prop=True), ""
    except Exception as error:  # the native library raises its own types
        complaint = " ".join(str(error).split()).rpartition("[ShapeInferenceError] ")[2]
    try:
        return shape_inference.infer_shapes(model, data_prop=True), complaint
    except Exception:
        return model, complaint
