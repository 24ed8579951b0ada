"""`audiocnn shapes model.onnx`: what is refused, in one sentence, and how large a graph may be."""

import json
import random
from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from audiocnn_cli.errors import AudiocnnError
from audiocnn_cli.models.registry import ModelFile, bundled_models
from audiocnn_cli.models.session import open_model
from audiocnn_cli.shapes.work_out import StackRequest, report_of
from tests.conftest import Finished
from tests.shapes.graphs import genre_cnn, integers, model, save, weights

Run = Callable[..., Finished]


def refused(run: Run, path: Path, *options: str) -> str:
    """The one sentence that a bad file ends in."""
    finished = run("shapes", path, *options)
    assert finished.exit_code in {1, 2, 4}
    assert finished.stderr.count("\n") == 1
    assert "Traceback" not in finished.stderr
    assert finished.stdout == ""
    return finished.stderr


@pytest.mark.parametrize("content", [b"", b"not onnx at all", b"\x08\x07" * 40, bytes(range(256))])
def test_other_files_are_refused(content: bytes, run: Run, tmp_path: Path) -> None:
    path = tmp_path / "bad.onnx"
    path.write_bytes(content)
    assert "is not an ONNX model" in refused(run, path)


def test_a_truncated_file_is_refused(run: Run, tmp_path: Path) -> None:
    whole = genre_cnn().SerializeToString()
    path = tmp_path / "short.onnx"
    for length in range(1, len(whole), len(whole) // 40):
        path.write_bytes(whole[:length])
        finished = run("shapes", path)
        assert finished.exit_code in {0, 4}, length  # a cut between two fields leaves a valid model
        assert "Traceback" not in finished.stderr


def test_a_missing_file_and_a_folder(run: Run, tmp_path: Path) -> None:
    assert "no such file" in refused(run, tmp_path / "no.onnx")
    (tmp_path / "folder.onnx").mkdir()
    assert "no such file" in refused(run, tmp_path / "folder.onnx")


@pytest.mark.parametrize("location", ["../../etc/passwd", "/etc/passwd", "a/../../b", "C:\\x", ""])
def test_data_outside_the_folder_is_refused(location: str, run: Run, tmp_path: Path) -> None:
    made = one_conv(weights("w", 2, 1, 3, 3))
    tensor = made.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    assert "outside the model's folder" in refused(run, save_raw(made, tmp_path))


def test_data_beside_the_model_is_not_opened(run: Run, tmp_path: Path) -> None:
    made = one_conv(weights("w", 2, 1, 3, 3))
    tensor = made.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="weights.bin")  # there is no such file
    assert run("shapes", save_raw(made, tmp_path)).exit_code == 0


def test_tensors_with_too_little_data_are_refused(run: Run, tmp_path: Path) -> None:
    made = one_conv(weights("w", 2, 1, 3, 3))
    made.graph.initializer[0].dims[:] = [2, 1, 2**14, 2**14]
    assert "has 536,870,912 elements" in refused(run, save_raw(made, tmp_path))
    made.graph.initializer[0].ClearField("raw_data")
    assert "no data" in refused(run, save_raw(made, tmp_path))
    made.graph.initializer[0].dims[:] = [2**62, 2**62]
    assert "impossible sizes" in refused(run, save_raw(made, tmp_path))
    made.graph.initializer[0].dims[:] = [-1, 3]
    assert "impossible sizes" in refused(run, save_raw(made, tmp_path))


def test_a_shape_computed_to_be_huge_takes_no_memory(run: Run, tmp_path: Path) -> None:
    nodes = [
        helper.make_node("ConstantOfShape", ["huge"], ["big"]),
        helper.make_node("Add", ["x", "big"], ["y"]),
    ]
    made = model(nodes, [1, 4], [integers("huge", 2**30, 2**30)])
    finished = run("shapes", save_raw(made, tmp_path))
    assert finished.exit_code in {0, 1, 4}


def test_a_cycle_is_refused(run: Run, tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Add", ["x", "b"], ["a"], name="first"),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Relu", ["b"], ["y"]),
    ]
    assert "has a cycle" in refused(run, save_raw(model(nodes, [1, 4]), tmp_path))


def test_two_producers_of_one_tensor_are_refused(run: Run, tmp_path: Path) -> None:
    nodes = [helper.make_node("Relu", ["x"], ["y"]), helper.make_node("Tanh", ["x"], ["y"])]
    assert "two nodes have the output 'y'" in refused(run, save_raw(model(nodes, [1, 4]), tmp_path))


def test_an_inconsistent_graph_is_refused(run: Run, tmp_path: Path) -> None:
    nodes = [helper.make_node("Gemm", ["x", "w"], ["y"])]
    made = model(nodes, [1, 5], [weights("w", 4, 3)])
    assert "is inconsistent" in refused(run, save_raw(made, tmp_path))


def test_a_name_that_is_no_text_is_refused(run: Run, tmp_path: Path) -> None:
    content = one_conv(weights("weight", 2, 1, 3, 3)).SerializeToString()
    path = tmp_path / "made.onnx"
    path.write_bytes(content.replace(b"weight", b"\xff\xfeight"))
    assert "not UTF-8" in refused(run, path)


def test_a_graph_without_an_input_is_constant(run: Run, tmp_path: Path) -> None:
    made = model([helper.make_node("Relu", ["w"], ["y"])], [1], [weights("w", 3)])
    del made.graph.input[:]
    document = run("shapes", save_raw(made, tmp_path), "--json").document
    assert (document["inputs"], document["layers"], document["output"]) == ([], [], [3])


def test_a_strange_node_without_outputs_passes(run: Run, tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Conv", ["x"], [], domain="org.example"),
        helper.make_node("Relu", ["x"], ["y"]),
    ]
    made = model(nodes, [1, 1, 4, 4])
    made.opset_import.append(helper.make_opsetid("org.example", 1))
    document = run("shapes", save_raw(made, tmp_path), "--json").document
    assert [layer["type"] for layer in document["layers"]] == ["relu"]
    assert document["uncounted"] == [{"op": "Conv", "count": 1}]


def test_a_stride_of_zero_is_refused(run: Run, tmp_path: Path) -> None:
    node = helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=[2, 2], strides=[0, 1])
    assert "strides below 1" in refused(run, save_raw(model([node], [1, 1, 4, 4]), tmp_path))


def test_nodes_out_of_order_are_sorted(run: Run, tmp_path: Path) -> None:
    nodes = [helper.make_node("Relu", ["a"], ["y"]), helper.make_node("Conv", ["x", "w"], ["a"])]
    made = model(nodes, [1, 1, 8, 8], [weights("w", 2, 1, 3, 3)])
    (layer,) = run("shapes", save_raw(made, tmp_path), "--json").document["layers"]
    assert (layer["type"], layer["activation"]) == ("conv", "relu")


def test_networks_side_by_side_are_read_one_after_the_other(run: Run, tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Conv", ["x", "v"], ["a"]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Conv", ["x", "w"], ["c"]),
        helper.make_node("Relu", ["c"], ["d"]),
        helper.make_node("Add", ["b", "d"], ["y"]),
    ]
    made = model(nodes, [1, 1, 8, 8], [weights("v", 2, 1, 3, 3), weights("w", 2, 1, 3, 3)])
    layers = run("shapes", save_raw(made, tmp_path), "--json").document["layers"]
    assert [(layer["type"], layer.get("activation")) for layer in layers] == [
        ("conv", "relu"), ("conv", "relu"), ("add", None),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--input", "130x14"], "13 is fixed"),
        (["--input", "130x13x1x1"], "is T x 13"),
        (["--input", "130x0"], "too small"),
        (["--framework", "keras"], "ONNX' rules"),
        (["--arch", "cnn"], "leave out"),
    ],
)
def test_options_that_do_not_fit_the_file(options: list[str], message: str, run: Run, tmp_path: Path) -> None:
    path = save_raw(genre_cnn("T"), tmp_path)
    assert message in refused(run, path, *options)


def test_damaged_bytes_never_crash_the_reader(tmp_path: Path) -> None:
    """Bytes of a good model, changed at random: a result or one error sentence."""
    whole = bytearray(genre_cnn().SerializeToString())
    keep = [i for i in range(len(whole)) if whole[i : i + 4] != whole[i + 4 : i + 8]]  # not the weights
    dice = random.Random(4)  # noqa: S311 (not for secrets)
    path = tmp_path / "damaged.onnx"
    for _ in range(150):
        damaged = bytearray(whole)
        for _ in range(dice.choice((1, 1, 2, 5))):
            damaged[dice.choice(keep)] = dice.randrange(256)
        path.write_bytes(damaged)
        try:
            report_of(StackRequest(layers=(str(path),)))
        except AudiocnnError as error:
            assert str(path) in str(error)


def test_a_thousand_layers(run: Run, tmp_path: Path) -> None:
    nodes, constants, before = [], [], "x"
    for i in range(500):
        nodes.append(helper.make_node("Conv", [before, f"w{i}"], [f"c{i}"], pads=[1, 1, 1, 1]))
        nodes.append(helper.make_node("BatchNormalization", [f"c{i}", *["s"] * 4], [f"b{i}"]))
        constants.append(weights(f"w{i}", 8, 8, 3, 3))
        before = f"b{i}"
    nodes.append(helper.make_node("Relu", [before], ["y"]))
    made = model(nodes, ["N", 8, 32, 32], [*constants, weights("s", 8)])
    document = run("shapes", save_raw(made, tmp_path), "--json").document
    assert len(document["layers"]) == 1000
    assert document["params"] == 500 * 8 * 8 * 9 + 8  # all norms share one vector
    assert document["output"] == [32, 32, 8]


@pytest.mark.parametrize("bundled", bundled_models(), ids=lambda each: each.name)
def test_every_bundled_model_is_read_with_all_its_weights(run: Run, bundled: ModelFile) -> None:
    document = run("shapes", bundled.path, "--json").document
    assert document["output"][-1] == open_model(bundled.path).width
    proto = onnx.load(bundled.path)
    held = sum(prod(t.dims) for t in proto.graph.initializer if t.data_type in (1, 3, 10))
    # Beside the weights of the layers a graph holds statistics, and the steps of weights in bytes.
    assert 0.98 * held - 1000 <= document["params"] <= held + 300


def test_weights_that_the_graph_computes_belong_to_their_layer(run: Run, tmp_path: Path) -> None:
    half = numpy_helper.from_array(np.zeros((300, 20), np.float16), "half")
    ends = {"zero": 0, "ten": 10, "twenty": 20, "last": 1}
    split = [integers(name, end) for name, end in ends.items()]
    nodes = [
        helper.make_node("Cast", ["half"], ["whole"], to=1),
        helper.make_node("Slice", ["whole", "zero", "ten", "last"], ["left"]),
        helper.make_node("Slice", ["whole", "ten", "twenty", "last"], ["right"]),
        helper.make_node("Concat", ["right", "left"], ["turned"], axis=1),
        helper.make_node("Shape", ["x"], ["sizes"]),
        helper.make_node("Reshape", ["x", "sizes"], ["same"]),
        helper.make_node("MatMul", ["same", "turned"], ["y"]),
    ]
    document = run("shapes", save_raw(model(nodes, ["N", 300], [half, *split]), tmp_path), "--json")
    (layer,) = document.document["layers"]
    assert (layer["type"], layer["units"], layer["params"]) == ("dense", 20, 6000)
    assert document.document["output"] == [20]


def test_an_onnx_file_next_to_a_named_architecture(run: Run, tmp_path: Path) -> None:
    path = save_raw(genre_cnn(), tmp_path)
    stacks = json.loads(run("shapes", "--diff", path, "cnn", "--json").stdout)["stacks"]
    assert [stack["params"] for stack in stacks] == [298_186 + 26, 298_186]  # the means and scales
    shown = run("shapes", "--diff", path, "cnn")
    assert "298,212 params" in shown.stdout
    assert "298,186 params" in shown.stdout


def one_conv(constant: Any) -> Any:
    return model([helper.make_node("Conv", ["x", "w"], ["y"])], [1, 1, 8, 8], [constant])


def save_raw(made: Any, folder: Path) -> Path:
    """Save without onnx' own checks, as an attacker would."""
    path = folder / "made.onnx"
    path.write_bytes(made.SerializeToString())
    assert isinstance(made, onnx.ModelProto)
    return save(made, path) if not made.graph.initializer else path
