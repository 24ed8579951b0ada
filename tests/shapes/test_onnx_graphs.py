"""Graphs as exporters write them: control flow, the batch, the layout, the ends, and what is not known."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper

from tests.conftest import Finished
from tests.shapes.graphs import every_shape, integers, model, network, read, save, weights

Run = Callable[..., Finished]
node, value = helper.make_node, helper.make_tensor_value_info
FLOAT = TensorProto.FLOAT


# The batch


def test_a_recurrent_network_whose_time_is_first(tmp_path: Path) -> None:
    lstm = [
        weights("w", 1, 28, 5),
        weights("r", 1, 28, 7),
        weights("b", 1, 56),
        weights("m", 7, 4),
        integers("one", 1),
    ]
    nodes = [
        node("LSTM", ["x", "w", "r", "b"], ["ys"], hidden_size=7),
        node("Squeeze", ["ys", "one"], ["s"]),
        node("MatMul", ["s", "m"], ["y"]),
    ]
    for batch in (1, 4, "N"):
        made = network(nodes, {"x": [20, batch, 5]}, ["y"], lstm)
        trace = read(made, tmp_path).trace
        assert trace.macs == 20 * (28 * 5 + 28 * 7) + 20 * 28, batch
        assert (trace.input, trace.output) == ((20, 5), (20, 4)), batch
        assert trace.steps[-1].output == (20, 4)


def transformer(time: int | str) -> Any:
    """One head of attention over (batch, time, 8), written out, and a residual connection."""
    nodes = [
        node("MatMul", ["x", "wq"], ["q"]), node("MatMul", ["x", "wk"], ["k"]),
        node("MatMul", ["x", "wv"], ["v"]),
        node("Transpose", ["k"], ["kt"], perm=[0, 2, 1]), node("MatMul", ["q", "kt"], ["a"]),
        node("Softmax", ["a"], ["p"]),
        node("MatMul", ["p", "v"], ["o"]), node("Add", ["o", "x"], ["y"]),
    ]  # fmt: skip
    constants = [weights(f"w{name}", 8, 8) for name in "qkv"]
    return network(nodes, {"x": ["N", time, 8]}, ["y"], constants)


def test_attention_is_counted_and_its_free_time_is_not_guessed(run: Run, tmp_path: Path) -> None:
    fixed = read(transformer(30), tmp_path).trace
    assert fixed.macs == 3 * 30 * 64 + 2 * 30 * 30 * 8
    path = save(transformer("T"), tmp_path / "free.onnx")
    document = run("shapes", path, "--json").document
    assert (document["macs"], document["params"], document["output"]) == (None, 192, ["T", 8])
    assert run("shapes", path, "--json", "--input", "T=30").document["macs"] == fixed.macs
    assert run("shapes", path, "--json", "--input", "30x8").document["macs"] == fixed.macs
    texts = {layer["name"]: layer["text"] for layer in document["layers"]}
    assert texts["matmul_4"] == "matmul:2,from=1"  # rows are named by their numbers
    assert texts["matmul_6"] == "matmul:3"


def test_merged_and_moved_batches_are_followed(tmp_path: Path) -> None:
    # A dense layer at every frame of every example, as time-distributed layers are exported.
    nodes = [
        node("Reshape", ["x", "frames"], ["f"]), node("MatMul", ["f", "w"], ["d"]),
        node("Reshape", ["d", "back"], ["r"]),
        node("Transpose", ["r"], ["y"], perm=[1, 0, 2]),
    ]  # fmt: skip
    constants = [weights("w", 6, 4), integers("frames", -1, 6), integers("back", 3, 10, 4)]
    trace = read(network(nodes, {"x": [3, 10, 6]}, ["y"], constants), tmp_path).trace
    assert (trace.macs, trace.output) == (10 * 24, (10, 4))


def test_a_network_of_one_example_has_no_batch(tmp_path: Path) -> None:
    nodes = [node("Unsqueeze", ["x", "zero"], ["b"]), node("Conv", ["b", "w"], ["y"])]
    made = network(nodes, {"x": [2, 50]}, ["y"], [integers("zero", 0), weights("w", 3, 2, 5)])
    trace = read(made, tmp_path).trace
    assert (trace.macs, trace.input) == (46 * 30, (2, 50))
    assert trace.output == (46, 3)


# The layout


def test_squeeze_and_excite_does_not_collapse(tmp_path: Path) -> None:
    nodes = [
        node("Conv", ["x", "c"], ["a"]), node("ReduceMean", ["a", "axes"], ["m"], keepdims=0),
        node("MatMul", ["m", "s"], ["b"]), node("Relu", ["b"], ["r"]), node("MatMul", ["r", "e"], ["d"]),
        node("Sigmoid", ["d"], ["g"]), node("Unsqueeze", ["g", "axes"], ["u"]),
        node("Mul", ["a", "u"], ["y"]),
    ]  # fmt: skip
    constants = [weights("c", 8, 1, 3, 3), integers("axes", 2, 3), weights("s", 8, 2), weights("e", 2, 8)]
    made = network(nodes, {"x": ["N", 1, 20, 12]}, ["y"], constants)
    trace = read(made, tmp_path).trace
    assert trace.output == (18, 10, 8)
    assert trace.params == 72 + 32
    assert [s.output for s in trace.steps if s.type == "dense"] == [(2,), (8,)]
    assert every_shape(made, np.zeros((1, 1, 20, 12), np.float32))["y"] == (1, 8, 18, 10)


def test_channels_are_followed_through_a_transposition_and_back(tmp_path: Path) -> None:
    nodes = [
        node("Conv", ["x", "c"], ["a"], pads=[1, 1, 1, 1]),
        node("Transpose", ["a"], ["t"], perm=[0, 2, 3, 1]),
        node("LayerNormalization", ["t", "g", "b"], ["n"]), node("MatMul", ["n", "w"], ["d"]),
        node("Transpose", ["d"], ["back"], perm=[0, 3, 1, 2]), node("Mul", ["back", "scale"], ["m"]),
        node("Add", ["m", "a"], ["y"]),
    ]  # fmt: skip
    constants = [
        weights("c", 8, 8, 3, 3),
        weights("g", 8),
        weights("b", 8),
        weights("w", 8, 8),
        weights("scale", 8, 1, 1),
    ]
    made = network(nodes, {"x": ["N", 8, 6, 4]}, ["y"], constants)
    report = read(made, tmp_path)
    assert [s.output for s in report.trace.steps] == [(6, 4, 8)] * 4
    assert report.trace.params == 576 + 16 + 64 + 8
    assert report.uncounted_params == 8


def test_rows_are_named_by_number_also_where_the_names_are_odd(run: Run, tmp_path: Path) -> None:
    nodes = [
        node("Conv", ["x", "w"], ["a"], name="same"), node("Conv", ["x", "w"], ["b"], name="same"),
        node("Add", ["a", "b"], ["s"]), node("Add", ["s", "a"], ["y"]),
    ]  # fmt: skip
    path = save(network(nodes, {"x": [1, 1, 8, 8]}, ["y"], [weights("w", 2, 1, 3, 3)]), tmp_path / "odd.onnx")
    layers = run("shapes", path, "--json").document["layers"]
    assert [layer["text"] for layer in layers[1:]] == [
        "conv:2@3x3,from=input,nobias",
        "add:2,from=1",
        "add:1",
    ]
    assert len({layer["name"] for layer in layers}) == 4


def test_a_valid_order_of_nodes_is_kept(tmp_path: Path) -> None:
    nodes = [
        node("Conv", ["x", "v"], ["b"], name="second"), node("Conv", ["x", "w"], ["a"], name="first"),
        node("Add", ["a", "b"], ["y"], name="sum"),
    ]  # fmt: skip
    made = network(nodes, {"x": [1, 1, 8, 8]}, ["y"], [weights("w", 2, 1, 3, 3), weights("v", 2, 1, 3, 3)])
    assert [s.name for s in read(made, tmp_path).trace.steps] == ["second", "first", "sum"]


def test_all_ends_are_listed(run: Run, tmp_path: Path) -> None:
    nodes = [
        node("MatMul", ["x", "w"], ["m"]),
        node("Add", ["m", "state"], ["y"]),
        node("Relu", ["y"], ["z"]),
    ]
    made = network(nodes, {"x": ["N", 4], "state": ["N", 3]}, ["z", "y"], [weights("w", 4, 3)])
    path = save(made, tmp_path / "ends.onnx")
    document = run("shapes", path, "--json").document
    assert document["inputs"] == [{"name": "x", "shape": ["N", 4]}, {"name": "state", "shape": ["N", 3]}]
    assert document["outputs"] == [{"name": "z", "shape": ["N", 3]}, {"name": "y", "shape": ["N", 3]}]
    assert document["output"] == [3]
    shown = run("shapes", path, "--markdown").stdout
    assert "input state" in shown
    assert "output y" in shown


def test_an_input_of_another_name_is_refused(run: Run, tmp_path: Path) -> None:
    path = save(transformer("T"), tmp_path / "free.onnx")
    finished = run("shapes", path, "--input", "time=30")
    assert (finished.exit_code, finished.stdout) == (2, "")
    assert "--input time=30: the model has N, T, x" in finished.stderr


def test_several_inputs_are_given_by_name(run: Run, tmp_path: Path) -> None:
    nodes = [node("MatMul", ["x", "w"], ["m"]), node("Concat", ["m", "state"], ["y"], axis=1)]
    made = network(nodes, {"x": ["N", "T", 4], "state": ["N", "S", 3]}, ["y"], [weights("w", 4, 3)])
    path = save(made, tmp_path / "two.onnx")
    free = run("shapes", path, "--json").document
    assert free["outputs"][0]["shape"] == ["N", "T+S", 3]
    fixed = run("shapes", path, "--input", "x=20x4", "--input", "state=5x3", "--json").document
    assert fixed["outputs"][0]["shape"] == ["N", 25, 3]
    assert run("shapes", path, "--input", "T=20,S=5", "--json").document["outputs"] == fixed["outputs"]


def test_old_files_lose_nothing(tmp_path: Path) -> None:
    """In files of IR 3 every constant is an input too; their shapes are constants all the same."""
    nodes = [node("Reshape", ["x", "shape"], ["r"]), node("MatMul", ["r", "w"], ["y"])]
    constants = [integers("shape", -1, 12), weights("w", 12, 3)]
    made = network(nodes, {"x": [2, 3, 4]}, ["y"], constants)
    made.ir_version = 3
    for constant in constants:
        made.graph.input.append(value(constant.name, constant.data_type, list(constant.dims)))
    made.opset_import[0].version = 9
    trace = read(made, tmp_path).trace
    assert trace.graph is not None
    assert [end.name for end in trace.graph.inputs] == ["x"]
    assert (trace.params, trace.macs, trace.output) == (36, 36, (3,))


def test_external_functions_are_read_like_the_nodes_they_hold(tmp_path: Path) -> None:
    made = model([node("Double", ["x"], ["y"], domain="own")], ["N", 6])
    body = [node("MatMul", ["a", "a"], ["p"]), node("Add", ["a", "a"], ["b"])]
    made.functions.append(
        helper.make_function("own", "Double", ["a"], ["b"], body[1:], [helper.make_opsetid("", 20)])
    )
    made.opset_import.append(helper.make_opsetid("own", 1))
    assert read(made, tmp_path).trace.output == (6,)


def test_a_size_that_two_inputs_share_is_given_once(tmp_path: Path) -> None:
    nodes = [node("Concat", ["x", "z"], ["y"], axis=2)]
    made = network(nodes, {"x": ["N", "T", 4], "z": ["N", "T", 3]}, ["y"])
    for sizes in (("20x4",), ("z=20x3",), ("T=20",), ("20x4", "20x3")):
        trace = read(made, tmp_path, *sizes).trace
        assert trace.graph is not None
        assert [end.shape for end in trace.graph.inputs] == [("N", 20, 4), ("N", 20, 3)], sizes
        assert trace.output == (20, 7)
