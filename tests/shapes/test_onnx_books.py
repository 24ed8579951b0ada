"""Weights counted once, with their bits; work by the output and the contracted sizes; memory."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from audiocnn_cli.shapes.report import Report
from tests.shapes.graphs import integers, model, network, read, weights

node = helper.make_node


def integer_weights(name: str, *dims: int, dtype: type = np.int8) -> Any:
    return numpy_helper.from_array(np.ones(dims, dtype), name)


def number(name: str, value: float = 0.1, dtype: type = np.float32) -> Any:
    return numpy_helper.from_array(np.array(value, dtype), name)


def report(
    nodes: Sequence[Any], shape: Sequence[int | str], constants: Sequence[Any], folder: Path
) -> Report:
    made = model(list(nodes), shape, list(constants))
    made.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    return read(made, folder)


def totals(found: Report) -> tuple[int, int, list[str]]:
    trace = found.trace
    assert sum(step.params for step in trace.steps) + found.uncounted_params == trace.params
    assert sum(step.macs or 0 for step in trace.steps if not step.depth) == trace.macs
    return trace.params, trace.macs, [step.text for step in trace.steps]


def test_shared_weights_are_counted_once(tmp_path: Path) -> None:
    nodes = [node("MatMul", ["x", "w"], ["a"]), node("Relu", ["a"], ["b"]), node("MatMul", ["b", "w"], ["y"])]
    found = report(nodes, ["N", 8], [weights("w", 8, 8)], tmp_path)
    assert totals(found)[:2] == (64, 128)
    assert [step.params for step in found.trace.steps] == [64, 0]
    assert found.trace.steps[1].formula == ("its weights are counted in a layer before it",)


def test_parts_of_one_constant_are_counted_with_their_layers(tmp_path: Path) -> None:
    """Query, key and value cut from one matrix, as PyTorch packs them, and a table read in part."""
    nodes = [node("Split", ["w"], ["q", "k", "v"], axis=1, num_outputs=3)]
    nodes += [node("MatMul", ["x", name], [f"{name}x"]) for name in "qkv"]
    nodes += [
        node("Slice", ["table", "zero", "five", "zero"], ["part"]), node("Add", ["qx", "kx"], ["s"]),
        node("Add", ["s", "vx"], ["t"]), node("Add", ["t", "part"], ["y"]),
    ]  # fmt: skip
    constants = [weights("w", 8, 24), weights("table", 9, 8), integers("zero", 0), integers("five", 5)]
    found = report(nodes, ["N", 5, 8], constants, tmp_path)
    assert totals(found)[0] == 192 + 72
    assert [step.params for step in found.trace.steps if step.type == "dense"] == [64, 64, 64]


def test_constants_that_are_computed_are_counted_as_what_they_come_from(tmp_path: Path) -> None:
    half = numpy_helper.from_array(np.ones((8, 6), np.float16), "half")
    nodes = [
        node("Cast", ["half"], ["whole"], to=1), node("Transpose", ["whole"], ["t"]),
        node("Concat", ["t", "t"], ["w"], axis=1),
        node("Identity", ["w"], ["w2"]), node("MatMul", ["x", "w2"], ["y"]),
    ]  # fmt: skip
    found = report(nodes, ["N", 6], [half], tmp_path)
    assert totals(found)[:2] == (48, 6 * 16)
    assert found.trace.graph is not None
    assert found.trace.graph.weight_bytes == 2 * 48


def test_a_constant_that_is_added_to_each_channel_is_a_bias(tmp_path: Path) -> None:
    nodes = [node("Conv", ["x", "w"], ["a"]), node("Add", ["a", "b"], ["c"]), node("Relu", ["c"], ["y"])]
    found = report(nodes, [1, 2, 8, 8], [weights("w", 4, 2, 3, 3), weights("b", 4, 1, 1)], tmp_path)
    assert totals(found) == (76, 36 * 72, ["conv:4@3x3,relu"])
    other = report(nodes, [1, 2, 8, 8], [weights("w", 4, 2, 3, 3), weights("b", 1, 6, 6)], tmp_path)
    assert totals(other)[::2] == (72 + 36, ["conv:4@3x3,nobias", "relu"])


def test_the_scale_of_caffe_is_that_of_the_norm_before_it(tmp_path: Path) -> None:
    nodes = [
        node("BatchNormalization", ["x", "s", "o", "m", "v"], ["a"]), node("Mul", ["a", "scale"], ["b"]),
        node("Add", ["b", "shift"], ["c"]), node("Relu", ["c"], ["y"]),
    ]  # fmt: skip
    constants = [*(weights(name, 6) for name in "somv"), weights("scale", 6, 1, 1), weights("shift", 6, 1, 1)]
    found = report(nodes, [1, 6, 5, 5], constants, tmp_path)
    assert totals(found) == (12, 0, ["batchnorm,relu"])
    assert found.trace.non_trainable_params == 24


def test_single_numbers_are_no_weights_but_parameters_are(tmp_path: Path) -> None:
    nodes = [
        node("Mul", ["x", "half"], ["a"]), node("MatMul", ["a", "w"], ["b"]),
        node("Add", ["b", "bias"], ["c"]),
        node("PRelu", ["c", "slope"], ["y"]),
    ]  # fmt: skip
    constants = [weights("half"), weights("w", 8, 1), weights("bias", 1), weights("slope", 1)]
    assert totals(report(nodes, ["N", 8], constants, tmp_path))[0] == 8 + 1 + 1


def test_states_of_zeros_are_no_weights(tmp_path: Path) -> None:
    zeros = numpy_helper.from_array(np.zeros((1, 1, 4), np.float32), "zeros")
    nodes = [node("LSTM", ["x", "w", "r", "", "", "zeros", "learned"], ["", "y"], hidden_size=4)]
    constants = [weights("w", 1, 16, 3), weights("r", 1, 16, 4), zeros, weights("learned", 1, 1, 4)]
    found = report(nodes, [10, 1, 3], constants, tmp_path)
    assert totals(found)[:2] == (16 * 7 + 4, 10 * 16 * 7)


def test_weights_of_8_bits_in_integer_operators(tmp_path: Path) -> None:
    nodes = [
        node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        node("QLinearConv", ["q", "s", "z", "w", "ws", "wz", "s", "z", "b"], ["c"]),
        node("DequantizeLinear", ["c", "s", "z"], ["d"]), node("Relu", ["d"], ["r"]),
        node("GlobalAveragePool", ["r"], ["g"]), node("Flatten", ["g"], ["f"]),
        node("DynamicQuantizeLinear", ["f"], ["fq", "fs", "fz"]),
        node("MatMulInteger", ["fq", "m", "fz"], ["i"]),
        node("Cast", ["i"], ["k"], to=1), node("Mul", ["fs", "ms"], ["scale"]),
        node("Mul", ["k", "scale"], ["l"]),
        node("Add", ["l", "bias"], ["y"]),
    ]  # fmt: skip
    constants = [
        number("s"), number("z", 0, np.uint8), integer_weights("w", 4, 1, 3, 3), weights("ws", 4),
        integer_weights("wz", 4),
        integer_weights("b", 4, dtype=np.int32), integer_weights("m", 4, 3), weights("ms", 3),
        weights("bias", 3),
    ]  # fmt: skip
    found = report(nodes, ["N", 1, 8, 8], constants, tmp_path)
    params, macs, texts = totals(found)
    assert params == 36 + 4 + 12 + 3
    assert macs == 36 * 36 + 12
    assert texts == ["conv:4@3x3,relu", "globalavgpool,keepdims", "flatten", "dense:3"]
    assert found.trace.graph is not None
    assert found.trace.graph.weight_bytes == 36 + 16 + 4 + 4 * 4 + 12 + 2 * 12 + 4 + 1


def test_weights_of_8_bits_that_are_dequantised_first(tmp_path: Path) -> None:
    nodes = [
        node("DequantizeLinear", ["w8", "ws"], ["w"], axis=0), node("DequantizeLinear", ["b32", "bs"], ["b"]),
        node("Conv", ["x", "w", "b"], ["y"]),
    ]  # fmt: skip
    constants = [
        integer_weights("w8", 4, 2, 3, 3), weights("ws", 4), integer_weights("b32", 4, dtype=np.int32),
        number("bs"),
    ]  # fmt: skip
    assert totals(report(nodes, [1, 2, 8, 8], constants, tmp_path)) == (76, 36 * 72, ["conv:4@3x3"])


def test_weights_of_8_bits_that_are_cast_and_scaled(tmp_path: Path) -> None:
    nodes = [
        node("Cast", ["w8"], ["f"], to=1), node("Mul", ["f", "scale"], ["w"]),
        node("MatMul", ["x", "w"], ["y"]),
    ]  # fmt: skip
    found = report(nodes, ["N", 8], [integer_weights("w8", 8, 4), weights("scale", 4)], tmp_path)
    assert totals(found)[:2] == (32, 32)


def test_operators_of_onnx_runtime(tmp_path: Path) -> None:
    nodes = [
        node("DynamicQuantizeLSTM", ["x", "w", "r", "b", *[""] * 4, "s", "z", "s", "z"], ["h"],
             domain="com.microsoft", hidden_size=5),
        node("Squeeze", ["h", "one"], ["t"]),
        node("MatMulNBits", ["t", "p", "ps"], ["n"], domain="com.microsoft", K=5, N=6, bits=4, block_size=16),
        node("FusedMatMul", ["n", "m"], ["y"], domain="com.microsoft", transB=1),
    ]  # fmt: skip
    constants = [
        integer_weights("w", 1, 3, 20), integer_weights("r", 1, 5, 20), weights("b", 1, 40),
        weights("s", 1), integer_weights("z", 1),
        integers("one", 1), integer_weights("p", 6, 1, 8, dtype=np.uint8), weights("ps", 6),
        weights("m", 2, 6),
    ]  # fmt: skip
    params, macs, _ = totals(report(nodes, [7, 1, 3], constants, tmp_path))
    assert params == 60 + 100 + 40 + 30 + 12
    assert macs == 7 * (160 + 30 + 12)


@pytest.mark.parametrize(
    ("equation", "shapes", "output", "macs"),
    [
        ("bhqd,bhkd->bhqk", [(1, 2, 5, 8), (1, 2, 7, 8)], (2, 5, 7), 2 * 5 * 7 * 8),
        ("...ij,...jk->...ik", [(1, 3, 5, 4), (1, 3, 4, 6)], (3, 5, 6), 3 * 5 * 4 * 6),
        ("bij->bji", [(1, 5, 4)], (4, 5), 0),
    ],
)
def test_einsum(
    equation: str, shapes: list[tuple[int, ...]], output: tuple[int, ...], macs: int, tmp_path: Path
) -> None:
    names = [f"x{i}" for i in range(len(shapes))]
    made = network(
        [node("Einsum", names, ["y"], equation=equation)], dict(zip(names, shapes, strict=True)), ["y"]
    )
    trace = read(made, tmp_path).trace
    assert (trace.output, trace.macs) == (output, macs)


def test_the_attention_operator(tmp_path: Path) -> None:
    made = network(
        [node("Attention", ["q", "k", "v"], ["y"])],
        {"q": [1, 2, 5, 8], "k": [1, 2, 7, 8], "v": [1, 2, 7, 6]},
        ["y"],
    )
    made.opset_import[0].version = 23
    made.ir_version = 10
    trace = read(made, tmp_path).trace
    assert (trace.output, trace.macs) == ((2, 5, 6), 2 * 5 * 7 * (8 + 6))


def test_an_embedding_is_a_layer(tmp_path: Path) -> None:
    made = network([node("Gather", ["table", "x"], ["e"]), node("MatMul", ["e", "t"], ["y"])], {}, ["y"],
                   [weights("table", 50, 8), weights("t", 8, 3)])  # fmt: skip
    made.graph.input.append(helper.make_tensor_value_info("x", TensorProto.INT64, ["N", 12]))
    trace = read(made, tmp_path).trace
    assert [(s.type, s.output, s.params, s.macs) for s in trace.steps] == [
        ("embedding", (12, 8), 400, 0), ("dense", (12, 3), 24, 288),
    ]  # fmt: skip


def test_the_memory_of_activations(tmp_path: Path) -> None:
    """At the sum the input, both branches and the result are alive; half as much in 16 bits."""
    nodes = [node("Conv", ["x", "w"], ["a"]), node("Relu", ["a"], ["b"]), node("Add", ["b", "a"], ["y"])]
    found = report(nodes, ["N", 2, 8, 8], [weights("w", 4, 2, 3, 3)], tmp_path)
    assert found.trace.graph is not None
    assert found.trace.graph.peak_bytes == 4 * 3 * 4 * 36
    nodes = [  # the reshape takes no memory: at most the input, the first result and the maximum are alive
        node("Reshape", ["x", "flat"], ["f"]), node("Relu", ["f"], ["a"]),
        node("ReduceMax", ["x", "axes"], ["m"], keepdims=0), node("Add", ["a", "m"], ["y"]),
    ]  # fmt: skip
    sizes = [integers("flat", 1, -1), integers("axes", 1, 2)]
    flat = report(nodes, [1, 4, 6], sizes, tmp_path).trace.graph
    assert flat is not None
    assert flat.peak_bytes == 4 * (2 * 24 + 1)
    free = read(network([node("Relu", ["x"], ["y"])], {"x": ["N", "T"]}, ["y"]), tmp_path).trace.graph
    assert free is not None
    assert free.peak_bytes is None


def light(name: str) -> Path:
    return Path(onnx.__file__).parent / "backend" / "test" / "data" / "light" / f"light_{name}.onnx"


@pytest.mark.parametrize(
    ("name", "params", "macs", "output"),
    [
        ("densenet121", 7_978_856, 2_834_161_664, (1, 1, 1000)),  # torchvision's densenet121 has as many
        ("resnet50", 25_557_032, None, (1000,)),
        ("vgg19", 143_667_240, None, (1000,)),
        ("squeezenet", 1_235_496, None, (1000,)),  # version 1.1
    ],
)
def test_known_networks_of_the_onnx_package(
    name: str, params: int, macs: int | None, output: tuple[int, ...], tmp_path: Path
) -> None:
    path = light(name)
    if not path.exists():
        pytest.skip("this onnx has no light models")
    found = read(onnx.load(path), tmp_path)
    assert found.trace.params == params
    assert macs in {None, found.trace.macs}
    assert [size for size in found.trace.output if size != 1] == [size for size in output if size != 1]
