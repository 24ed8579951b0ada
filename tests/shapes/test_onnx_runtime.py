"""ONNX Runtime is the oracle of `--framework onnx` and of the shapes read from a graph."""

import itertools
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import onnx
import onnxruntime
import pytest
from onnx import helper

from audiocnn_cli.shapes.choices import Framework
from audiocnn_cli.shapes.grammar import read_layer
from audiocnn_cli.shapes.report import Report
from audiocnn_cli.shapes.step import ShapeError
from audiocnn_cli.shapes.trace import trace
from audiocnn_cli.shapes.work_out import StackRequest, report_of
from tests.shapes.graphs import channels_last, genre_cnn, model, real_shapes, save, weights

MODES = {"same": "SAME_UPPER", "same-lower": "SAME_LOWER", "valid": "VALID"}


def cases() -> Iterator[tuple[str, Any, tuple[int, ...]]]:
    """Our text, ONNX' node, and the input (N, C, H, W)."""
    for size, kernel, stride, mode in itertools.product((5, 12), (2, 3), (1, 2, 3), MODES):
        shape = (1, 4, size, 9)
        options = {"strides": [stride] * 2, "auto_pad": MODES[mode]}
        window = {"kernel_shape": [kernel] * 2, **options}
        yield (
            f"conv:6@{kernel}/{stride},{mode}",
            helper.make_node("Conv", ["x", "conv"], ["y"], **window),
            shape,
        )
        if kernel >= stride:  # else ONNX Runtime stumbles over its own negative pads
            yield (
                f"maxpool:{kernel}/{stride},{mode}",
                helper.make_node("MaxPool", ["x"], ["y"], **window),
                shape,
            )
        yield (
            f"convtranspose:6@{kernel}/{stride},{mode}",
            helper.make_node("ConvTranspose", ["x", "transposed"], ["y"], **window),
            shape,
        )
    for size, kernel, stride, pad in itertools.product(range(3, 10), (2, 3), (2, 3), (0, 1)):
        for kind in ("Max", "Average"):
            node = helper.make_node(
                f"{kind}Pool", ["x"], ["y"], kernel_shape=[kernel] * 2, strides=[stride] * 2,
                pads=[pad] * 4, ceil_mode=1,
            )  # fmt: skip
            text = f"{kind[:3].lower().replace('ave', 'avg')}pool:{kernel}/{stride},pad={pad},ceil"
            yield text, node, (1, 4, size, 9)
    for size, stride, extra, dilation in itertools.product((4, 5), (2, 3), (0, 1), (1, 2)):
        node = helper.make_node(
            "ConvTranspose", ["x", "transposed"], ["y"], strides=[stride] * 2, pads=[1] * 4,
            output_padding=[extra] * 2, dilations=[dilation] * 2,
        )  # fmt: skip
        text = f"convtranspose:6@3/{stride},pad=1,output_padding={extra},dilation={dilation}"
        yield text, node, (1, 4, size, 9)


def constants_for(text: str) -> list[Any]:
    kernel = int(text.partition("@")[2][:1] or 3)
    if text.startswith("convtranspose"):
        return [weights("transposed", 4, 6, kernel, kernel)]
    return [weights("conv", 6, 4, kernel, kernel)] if text.startswith("conv") else []


@pytest.mark.parametrize(("text", "node", "shape"), [pytest.param(*c, id=c[0] + str(c[2])) for c in cases()])
def test_onnx_rules_are_onnx_runtimes(text: str, node: Any, shape: tuple[int, ...], tmp_path: Path) -> None:
    made = model([node], shape, constants_for(text))
    real = channels_last(real_shapes(made, shape)["y"])
    layer = read_layer(text)
    (step,) = trace([layer], (*shape[2:], shape[1]), framework=Framework.ONNX).steps
    assert list(step.output) == real
    (read,) = report(save(made, tmp_path / "one.onnx")).trace.steps
    assert list(read.output) == real
    assert read.params == step.params - 6 * text.startswith("conv")  # the nodes have no bias


def report(path: Path, **request: Any) -> Report:
    return report_of(StackRequest(layers=(str(path),), **request))


def test_the_exported_genre_cnn_is_the_named_one(tmp_path: Path) -> None:
    made = genre_cnn()
    path = save(made, tmp_path / "genre.onnx")
    read = report(path)
    named = report_of(StackRequest(arch="cnn")).trace
    kept = [step for step in named.steps if step.type != "dropout"]  # an export leaves it out
    assert [(s.type, s.output, s.params, s.macs, s.pad) for s in read.trace.steps] == [
        (s.type, s.output, s.params, s.macs, s.pad) for s in kept
    ]
    assert [s.receptive_field for s in read.trace.steps] == [s.receptive_field for s in kept]
    assert [s.activation for s in read.trace.steps] == [s.activation for s in kept]
    assert read.trace.params == 298_186 + 26  # the means and scales of its normalisation
    assert dict(read.uncounted) == dict.fromkeys(("Sub", "Mul", "Unsqueeze", "Transpose", "Div"), 1)
    assert read.uncounted_params == 26
    real = real_shapes(made, (2, 130, 13))
    for step, name in zip(read.trace.steps, ("c1", "m1", "c2", "m2", "c3"), strict=False):
        assert list(step.output) == channels_last(real[name])


def test_free_sizes_keep_their_names_until_an_input_fixes_them(tmp_path: Path) -> None:
    made = model(
        [
            helper.make_node("Conv", ["x", "w"], ["c"], pads=[1, 1, 1, 1]),
            helper.make_node("GlobalAveragePool", ["c"], ["y"]),
        ],
        ["N", 1, "T", 13],
        [weights("w", 8, 1, 3, 3)],
    )
    path = save(made, tmp_path / "free.onnx")
    free = report(path).trace
    assert free.input == ("T", 13, 1)
    assert free.steps[0].output[1:] == (13, 8)
    assert isinstance(free.steps[0].output[0], str)
    assert free.steps[0].macs is None
    assert free.params == 72
    fixed = report(path, input_shape="130x13").trace
    assert [step.output for step in fixed.steps] == [(130, 13, 8), (1, 1, 8)]
    assert fixed.steps[0].macs == 130 * 13 * 72


def test_branches_meet_in_an_addition(tmp_path: Path) -> None:
    made = model(
        [
            helper.make_node("Conv", ["x", "w"], ["a"], pads=[1, 1, 1, 1], name="left"),
            helper.make_node("Conv", ["x", "v"], ["b"], name="right"),
            helper.make_node("Add", ["a", "b"], ["s"], name="sum"),
            helper.make_node("Relu", ["s"], ["r"], name="bend"),
            helper.make_node("Concat", ["r", "a"], ["y"], axis=1, name="both"),
        ],
        [1, 2, 10, 12],
        [weights("w", 4, 2, 3, 3), weights("v", 4, 2, 1, 1)],
    )
    steps = report(save(made, tmp_path / "branches.onnx")).trace.steps
    assert [(s.name, s.type, s.sources) for s in steps] == [
        ("left", "conv", ("input",)),
        ("right", "conv", ("input",)),
        ("sum", "add", ("left", "right")),
        ("bend", "relu", ("sum",)),
        ("both", "concat", ("bend", "left")),
    ]
    assert steps[-1].output == (10, 12, 8)
    assert steps[2].receptive_field == (3, 3)


def test_recurrent_layers_and_matrix_products(tmp_path: Path) -> None:
    made = model(
        [
            helper.make_node("LSTM", ["x", "w", "r", "b"], ["ys", "h"], hidden_size=7),
            helper.make_node("Squeeze", ["h"], ["s"]),
            helper.make_node("MatMul", ["s", "m"], ["d"]),
            helper.make_node("Add", ["d", "bias"], ["y"]),
        ],
        [20, 3, 5],  # time, batch, channels
        [weights("w", 1, 28, 5), weights("r", 1, 28, 7), weights("b", 1, 56), weights("m", 7, 4),
         weights("bias", 4)],
    )  # fmt: skip
    lstm, dense = report(save(made, tmp_path / "lstm.onnx")).trace.steps
    assert (lstm.input, lstm.output) == ((20, 5), (7,))
    assert lstm.params == 28 * 5 + 28 * 7 + 56
    assert (dense.output, dense.params) == ((4,), 7 * 4 + 4)


def test_a_collapse_inside_a_graph_is_explained(tmp_path: Path) -> None:
    path = save(genre_cnn("T"), tmp_path / "genre.onnx")
    collapsed = report(path, input_shape="10x13")
    assert collapsed.collapse is not None
    assert collapsed.collapse.axis == "time"
    assert [step.type for step in collapsed.trace.steps] == ["conv", "maxpool", "conv", "maxpool"]


def test_a_longer_input_is_found_by_running_the_graph(tmp_path: Path) -> None:
    made = model(
        [helper.make_node("Conv", ["x", "w"], ["c"], strides=[2, 1]),
         helper.make_node("Conv", ["c", "v"], ["y"], strides=[4, 1])],
        ["N", 1, "T", 3],
        [weights("w", 8, 1, 3, 3), weights("v", 8, 8, 4, 1)],
    )  # fmt: skip
    collapsed = report(save(made, tmp_path / "free.onnx"), input_shape="5x3x1")
    assert collapsed.collapse is not None
    (fix,) = collapsed.collapse.fixes
    assert fix.input_shape == (9, 3, 1)
    assert real_shapes(made, (1, 1, 9, 3))["y"] == (1, 8, 1, 1)
    with pytest.raises(onnxruntime.capi.onnxruntime_pybind11_state.InvalidArgument):
        real_shapes(made, (1, 1, 8, 3))


def test_custom_operators_are_listed_and_not_counted(tmp_path: Path) -> None:
    made = model(
        [helper.make_node("Conv", ["x", "w"], ["c"]),
         helper.make_node("Magic", ["c"], ["m"], domain="org.example"),
         helper.make_node("Relu", ["m"], ["y"])],
        [1, 1, 8, 8],
        [weights("w", 2, 1, 3, 3)],
    )  # fmt: skip
    made.opset_import.append(helper.make_opsetid("org.example", 1))
    read = report(save(made, tmp_path / "magic.onnx"))
    assert [step.type for step in read.trace.steps] == ["conv"]
    assert dict(read.uncounted) == {"Magic": 1, "Relu": 1}


def test_a_window_larger_than_the_input_is_a_collapse(tmp_path: Path) -> None:
    made = model([helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=[3, 3])], [1, 1, 2, 9])
    with pytest.raises(ShapeError):
        trace([read_layer("maxpool:3/1")], (2, 9, 1), framework=Framework.ONNX)
    assert report(save(made, tmp_path / "small.onnx")).collapse is not None


BUNDLED = sorted((Path(__file__).parents[2] / "models").glob("*.onnx"))


def sizes(shape: Sequence[int | str]) -> list[int | str]:
    """The sizes of a shape beside those of 1, in order of size."""
    return sorted((size for size in shape if size != 1), key=str)


@pytest.mark.parametrize("path", BUNDLED, ids=lambda path: path.stem)
def test_bundled_models_have_the_shapes_they_have_when_they_run(path: Path, tmp_path: Path) -> None:
    """Nodes without a name get that of their output, so that layers can be found by it."""
    made = onnx.load(path)
    for node in made.graph.node:
        node.name = node.name or node.output[0]
    dims = made.graph.input[0].type.tensor_type.shape.dim
    if any(not dim.dim_value for dim in dims[1:]):
        pytest.skip("its input has a free size beside the batch")
    real = real_shapes(made, [1, *(dim.dim_value for dim in dims[1:])])
    nodes = {node.name: node for node in made.graph.node}
    compared = 0
    for step in report(save(made, tmp_path / path.name)).trace.steps:
        if step.name in nodes:
            shape = real[nodes[step.name].output[0]]
            # Maps have their channels first in ONNX; the members of an ensemble, side by side, are no map.
            expected = channels_last(shape) if len(shape) > 3 else list(shape[1:])
            if nodes[step.name].op_type == "LSTM":  # (frames, directions, batch, units)
                expected = [shape[0], shape[3]]
            exact = not re.search("music|sound|speech", made.graph.name)
            if exact:
                assert list(step.output) == expected
            else:  # with frames beside the batch, and maps over time alone
                assert sizes(step.output) == sizes(shape)
            compared += 1
    assert compared >= 3
