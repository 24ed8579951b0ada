"""Small ONNX models made on the spot, with and without the contract."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from audiocnn_cli.audio.segments import SegmentConfig
from audiocnn_cli.features.config import FeatureConfig
from audiocnn_cli.models.contract import METADATA_KEY, DataStatement, Figure, Golden, ModelContract, encode
from audiocnn_cli.models.golden import golden_output
from audiocnn_cli.models.session import open_model
from audiocnn_cli.models.signature import Activation, Kind

LABELS = ("hum", "hiss", "silence")
FEATURES = FeatureConfig(sample_rate=8000, n_fft=256, hop_length=100, n_mels=20, n_mfcc=7)
SEGMENT = SegmentConfig(length=4000, hop=4000)
FRAMES = 41

CONTRACT = ModelContract(
    name="tiny",
    task="test signals",
    labels=LABELS,
    features=FEATURES,
    segment=SEGMENT,
    input_shape=(FRAMES, 7, 1),
    data=DataStatement(name="noise", licence="CC0"),
    golden=Golden(duration_s=1.3, probabilities=(0.2, 0.3, 0.5)),
    architecture="cnn",
    command="audiocnn train",
    figures=(
        Figure(name="accuracy over clips", value=0.5, interval_95=(0.2, 0.8), n=10, protocol="by file"),
    ),
)


SHAPE = (FRAMES, 7, 1)


def weights(classes: int = len(LABELS), *, inputs: int = FRAMES * 7) -> NDArray[np.float32]:
    """The matrix of the linear layer, shape (frames * bins, classes)."""
    random = np.random.default_rng(5)
    return (random.standard_normal((inputs, classes)) * 1e-3).astype(np.float32)


def write_graph(
    path: Path,
    metadata: dict[str, str] | None = None,
    *,
    classes: int = 3,
    members: int = 1,
    shape: tuple[int, ...] = SHAPE,
    last: str = "Softmax",
    matrix: NDArray[np.float32] | None = None,
) -> Path:
    """softmax(flatten(x) @ weights) for x of shape (n, *shape), or another operator than softmax.

    With several members each multiplies its logits by 1, 2, 3...; the model is their mean.
    """
    value = helper.make_tensor_value_info
    outputs = [value("probabilities", TensorProto.FLOAT, ["n", classes])]
    if matrix is None:
        matrix = weights(classes, inputs=math.prod(shape))
    constants = [numpy_helper.from_array(matrix, "w")]
    nodes = [
        helper.make_node("Flatten", ["features"], ["flat"], axis=1),
        helper.make_node("MatMul", ["flat", "w"], ["logits"]),
    ]
    if members == 1:
        options = {"axis": -1} if last == "Softmax" else {}
        nodes.append(helper.make_node(last, ["logits"], ["probabilities"], **options))
    else:
        scale = np.arange(1, members + 1, dtype=np.float32)[None, :, None]
        constants += [numpy_helper.from_array(scale, "scale"), numpy_helper.from_array(np.array([1]), "axis")]
        nodes += [
            helper.make_node("Unsqueeze", ["logits", "axis"], ["one"]),
            helper.make_node("Mul", ["one", "scale"], ["each"]),
            helper.make_node("Softmax", ["each"], ["member_probabilities"], axis=-1),
            helper.make_node("ReduceMean", ["member_probabilities"], ["probabilities"], axes=[1], keepdims=0),
        ]
        outputs.append(value("member_probabilities", TensorProto.FLOAT, ["n", members, classes]))
    inputs = [value("features", TensorProto.FLOAT, ["n", *shape])]
    graph = helper.make_graph(nodes, "tiny", inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    helper.set_model_props(model, metadata or {})
    onnx.save(model, path)
    return path


def write_model(
    path: Path,
    contract: ModelContract = CONTRACT,
    *,
    shape: tuple[int, ...] = SHAPE,
    matrix: NDArray[np.float32] | None = None,
) -> Path:
    """The graph with `contract` as it stands in its metadata."""
    return write_graph(
        path,
        {METADATA_KEY: encode(contract)},
        classes=len(LABELS) if matrix is None else matrix.shape[1],
        members=contract.members,
        shape=shape,
        matrix=matrix,
    )


def by_slope(*signs: float) -> NDArray[np.float32]:
    """Weights whose logits are the spectral slope (the second MFCC) times `signs`.

    A low tone has a slope above 0, a high one below.
    """
    matrix = np.zeros((FRAMES, 7, len(signs)), dtype=np.float32)
    matrix[:, 1, :] = np.array(signs) / FRAMES
    return matrix.reshape(FRAMES * 7, len(signs))


def write_good_model(
    path: Path, contract: ModelContract = CONTRACT, *, shape: tuple[int, ...] = SHAPE
) -> Path:
    """The graph with `contract` and the golden example that it really gives."""
    model = open_model(write_model(path, contract, shape=shape))
    golden = golden_output(model, duration_s=contract.golden.duration_s)
    checked = replace(contract, golden=replace(contract.golden, probabilities=golden))
    return write_model(path, checked, shape=shape)


def write_nodes(
    path: Path,
    nodes: list[Any],
    *,
    inputs: Sequence[Any],
    outputs: Sequence[Any],
    constants: Sequence[Any] = (),
) -> Path:
    """An ONNX file of these nodes, without a contract."""
    graph = helper.make_graph(nodes, "g", inputs, outputs, list(constants))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    path.write_bytes(model.SerializeToString())
    return path


def write_linear(
    path: Path, shape: Sequence[int | str], *, last: str | None = "Softmax", flat: bool = True
) -> Path:
    """Weights times the flattened input; `shape` has the batch axis."""
    sizes = [size for size in shape[1:] if isinstance(size, int)]
    constants = [numpy_helper.from_array(random_matrix(math.prod(sizes)), "w")]
    nodes = [helper.make_node("Flatten", ["x"], ["f"], axis=1 if flat else 0)]
    nodes.append(helper.make_node("MatMul", ["f", "w"], ["y" if last is None else "z"]))
    if last is not None:
        nodes.append(helper.make_node(last, ["z"], ["y"]))
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, [shape[0] if flat else 1, 3])
    return write_nodes(
        path,
        nodes,
        inputs=[helper.make_tensor_value_info("x", TensorProto.FLOAT, list(shape))],
        outputs=[out],
        constants=constants,
    )


def random_matrix(inputs: int) -> NDArray[np.float32]:
    """Weights of shape (inputs, 3)."""
    return (np.random.default_rng(1).standard_normal((inputs, 3)) / inputs).astype(np.float32)


def write_with_lengths(path: Path, type_: int, shape: Sequence[str]) -> Path:
    """softmax((sum over frames / lengths) @ weights) for (n, t, 64) and lengths of that type and shape."""
    value = helper.make_tensor_value_info
    column = [-1, 1] if shape else [1]
    nodes = [
        helper.make_node("ReduceSum", ["x", "frame_axis"], ["sum"], keepdims=0),
        helper.make_node("Cast", ["frames"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Reshape", ["float", "column"], ["count"]),
        helper.make_node("Div", ["sum", "count"], ["mean"]),
        helper.make_node("MatMul", ["mean", "w"], ["z"]),
        helper.make_node("Softmax", ["z"], ["y"]),
    ]
    return write_nodes(
        path,
        nodes,
        inputs=[value("x", TensorProto.FLOAT, ["n", "t", 64]), value("frames", type_, shape)],
        outputs=[value("y", TensorProto.FLOAT, ["n", 3])],
        constants=[
            numpy_helper.from_array(np.array([1]), "frame_axis"),
            numpy_helper.from_array(np.array(column), "column"),
            numpy_helper.from_array(random_matrix(64), "w"),
        ],
    )


def embedding_matrix(contract: ModelContract, *, dimensions: int, seed: int) -> NDArray[np.float32]:
    """The matrix of `write_embedding`, shape (frames * bins, dimensions)."""
    size = math.prod(contract.input_shape)
    matrix = np.random.default_rng(seed).standard_normal((size, dimensions)) / size
    return matrix.astype(np.float32)


def write_embedding(
    path: Path, contract: ModelContract = CONTRACT, *, dimensions: int = 4, seed: int = 2
) -> Path:
    """flatten(x) @ weights: a backbone with the name of `contract`, and the golden example that it gives."""
    matrix = embedding_matrix(contract, dimensions=dimensions, seed=seed)
    backbone = replace(
        contract,
        kind=Kind.EMBEDDING,
        labels=(),
        activation=Activation.NONE,
        dimensions=dimensions,
        figures=(),
        golden=Golden(duration_s=contract.golden.duration_s, values=(0.0,) * dimensions),
    )

    def write(stated: ModelContract) -> Path:
        value = helper.make_tensor_value_info
        write_nodes(
            path,
            [
                helper.make_node("Flatten", ["features"], ["flat"], axis=1),
                helper.make_node("MatMul", ["flat", "w"], ["embedding"]),
            ],
            inputs=[value("features", TensorProto.FLOAT, ["n", *stated.input_shape])],
            outputs=[value("embedding", TensorProto.FLOAT, ["n", dimensions])],
            constants=[numpy_helper.from_array(matrix, "w")],
        )
        model = onnx.load(path)
        helper.set_model_props(model, {METADATA_KEY: encode(stated)})
        onnx.save(model, path)
        return path

    values = golden_output(open_model(write(backbone)), duration_s=contract.golden.duration_s)
    return write(replace(backbone, golden=replace(backbone.golden, values=values)))
