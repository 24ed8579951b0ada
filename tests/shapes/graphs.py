"""ONNX graphs made on the spot, and what ONNX Runtime really gives for them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.inliner
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from audiocnn_cli.shapes.report import Report
from audiocnn_cli.shapes.work_out import StackRequest, report_of

OPSET = 20


def weights(name: str, *dims: int) -> Any:
    """A small constant tensor of ones."""
    return numpy_helper.from_array(np.full(dims, 0.01, dtype=np.float32), name)


def integers(name: str, *values: int) -> Any:
    return numpy_helper.from_array(np.array(values, dtype=np.int64), name)


def model(
    nodes: Sequence[Any], shape: Sequence[int | str], constants: Sequence[Any] = (), *, output: str = "y"
) -> Any:
    """A model with one input x and one output."""
    graph = helper.make_graph(
        list(nodes),
        "test",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, list(shape))],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)],
        list(constants),
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
    made.ir_version = 9
    return made


def save(made: Any, path: Path) -> Path:
    onnx.save(made, path)
    return path


def real_shapes(made: Any, shape: Sequence[int]) -> dict[str, tuple[int, ...]]:
    """The shape of every tensor that a node makes, when ONNX Runtime runs the model on zeros."""
    copy = onnx.ModelProto()
    copy.CopyFrom(made)
    names = [name for node in copy.graph.node for name in node.output if name]
    inferred = onnx.shape_inference.infer_shapes(copy).graph
    types = {
        value.name: value.type.tensor_type.elem_type for value in (*inferred.value_info, *inferred.output)
    }
    del copy.graph.output[:]
    copy.graph.output.extend(
        helper.make_tensor_value_info(name, types.get(name, TensorProto.FLOAT), None) for name in names
    )
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        copy.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    given = session.get_inputs()[0].name
    results = session.run(names, {given: np.zeros(shape, dtype=np.float32)})
    return {name: tuple(result.shape) for name, result in zip(names, results, strict=True)}


def channels_last(shape: Sequence[int]) -> list[int]:
    """(N, C, H, W) as we write it."""
    return [*shape[2:], shape[1]]


def genre_cnn(frames: int | str = 130) -> Any:
    """The genre CNN as an exporter writes it: normalisation, a channel axis, pads before the poolings."""
    nodes = [
        helper.make_node("Sub", ["x", "mean"], ["centred"]),
        helper.make_node("Mul", ["centred", "scale"], ["normal"]),
        helper.make_node("Unsqueeze", ["normal", "one"], ["image"]),
        helper.make_node("Conv", ["image", "w1", "b1"], ["c1"], name="conv1"),
        helper.make_node("Relu", ["c1"], ["r1"]),
        helper.make_node("Pad", ["r1", "pads1"], ["p1"]),
        helper.make_node("MaxPool", ["p1"], ["m1"], kernel_shape=[3, 3], strides=[2, 2]),
        helper.make_node("Conv", ["m1", "w2", "b2"], ["c2"]),
        helper.make_node("Relu", ["c2"], ["r2"]),
        helper.make_node("Pad", ["r2", "pads2"], ["p2"]),
        helper.make_node("MaxPool", ["p2"], ["m2"], kernel_shape=[3, 3], strides=[2, 2]),
        helper.make_node("Conv", ["m2", "w3", "b3"], ["c3"]),
        helper.make_node("Relu", ["c3"], ["r3"]),
        helper.make_node("Transpose", ["r3"], ["last"], perm=[0, 2, 3, 1]),
        helper.make_node("Flatten", ["last"], ["flat"]),
        helper.make_node("Gemm", ["flat", "w4", "b4"], ["d1"], transB=1),
        helper.make_node("Relu", ["d1"], ["r4"]),
        helper.make_node("Gemm", ["r4", "w5", "b5"], ["d2"], transB=1),
        helper.make_node("Div", ["d2", "temperature"], ["d3"]),
        helper.make_node("Softmax", ["d3"], ["y"], axis=-1),
    ]
    constants = [
        weights("mean", 13), weights("scale", 13), integers("one", 1),
        integers("pads1", 0, 0, 0, 1, 0, 0, 1, 1), integers("pads2", 0, 0, 0, 0, 0, 0, 1, 1),
        weights("w1", 32, 1, 3, 3), weights("b1", 32), weights("w2", 64, 32, 3, 3), weights("b2", 64),
        weights("w3", 128, 64, 2, 2), weights("b3", 128), weights("w4", 64, 3840), weights("b4", 64),
        weights("w5", 10, 64), weights("b5", 10), weights("temperature"),
    ]  # fmt: skip
    return model(nodes, ["N", frames, 13], constants)


def every_shape(made: Any, *inputs: Any) -> dict[str, tuple[int, ...]]:
    """The shape of every tensor outside of bodies, when ONNX Runtime runs the model on these inputs."""
    copy = onnx.ModelProto()
    copy.CopyFrom(made)
    if copy.functions:
        copy = onnx.inliner.inline_local_functions(copy)
    names = [name for node in copy.graph.node for name in node.output if name]
    outputs = {value.name for value in copy.graph.output}
    copy.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names if name not in outputs)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        copy.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    feeds = {each.name: value for each, value in zip(session.get_inputs(), inputs, strict=True)}
    results = session.run(names, feeds)
    shapes = ((name, getattr(result, "shape", None)) for name, result in zip(names, results, strict=True))
    return {name: tuple(shape) for name, shape in shapes if shape is not None}


def network(
    nodes: Sequence[Any],
    inputs: dict[str, Sequence[int | str]],
    outputs: Sequence[str],
    constants: Sequence[Any] = (),
) -> Any:
    """A model with several inputs and outputs, all of floating point."""
    value = helper.make_tensor_value_info
    given = [value(name, TensorProto.FLOAT, list(dims)) for name, dims in inputs.items()]
    results = [value(name, TensorProto.FLOAT, None) for name in outputs]
    graph = helper.make_graph(list(nodes), "test", given, results, list(constants))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)


def read(made: Any, folder: Path, *sizes: str) -> Report:
    path = folder / "made.onnx"
    path.write_bytes(made.SerializeToString())
    return report_of(StackRequest(layers=(str(path),), input_shape=";".join(sizes) or None))
