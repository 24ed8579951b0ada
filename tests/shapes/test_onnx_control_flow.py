"""Bodies of If, Loop and Scan: their sizes, their work, their weights and their rows."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.conftest import Finished
from tests.shapes.graphs import every_shape, network, read, save, weights

Run = Callable[..., Finished]
node, value = helper.make_node, helper.make_tensor_value_info
FLOAT = TensorProto.FLOAT


def branch(name: str, width: int, reads: str = "x") -> Any:
    """A branch of an If that reads a tensor and weights from around it."""
    made = [
        node("MatMul", [reads, f"w{width}"], [f"{name}_a"]),
        node("MatMul", [f"{name}_a", f"v{width}"], [name]),
    ]
    return helper.make_graph(made, name, [], [value(name, FLOAT, None)])


def conditional(condition: str = "flag") -> Any:
    """An If with branches of 8 * 16 + 16 * 5 and 8 * 4 + 4 * 5 weights."""
    nodes = [node("If", [condition], ["y"], then_branch=branch("t", 16), else_branch=branch("e", 4))]
    constants = [weights("w16", 8, 16), weights("v16", 16, 5), weights("w4", 8, 4), weights("v4", 4, 5)]
    made = network(nodes, {"x": ["N", 8]}, ["y"], constants)
    made.graph.input.append(value("flag", TensorProto.BOOL, []))
    return made


def test_an_if_counts_its_weights_once_and_the_work_of_the_costlier_branch(tmp_path: Path) -> None:
    report = read(conditional(), tmp_path)
    assert report.trace.params == 8 * 16 + 16 * 5 + 8 * 4 + 4 * 5
    assert report.trace.macs == 8 * 16 + 16 * 5
    assert [(s.type, s.depth, s.block, s.macs) for s in report.trace.steps] == [
        ("if", 0, "", 208), ("dense", 1, "then_branch", 128), ("dense", 1, "then_branch", 80),
        ("dense", 1, "else_branch", 32), ("dense", 1, "else_branch", 20),
    ]  # fmt: skip
    assert report.trace.output == (5,)
    assert every_shape(conditional(), np.zeros((3, 8), np.float32), np.array(True))["y"] == (3, 5)


def test_a_branch_that_is_never_taken_costs_nothing(tmp_path: Path) -> None:
    made = conditional("no")
    made.graph.initializer.append(numpy_helper.from_array(np.array(False), "no"))
    del made.graph.input[1:]
    report = read(made, tmp_path)
    assert (report.trace.macs, report.trace.params) == (52, 260)


def loop(trips: Any, constants: Sequence[Any] = ()) -> Any:
    """y = x W repeated, by a Loop whose body reads the weights from around it, and the sum over all runs."""
    body = helper.make_graph(
        [node("MatMul", ["before", "w"], ["after"]), node("Identity", ["go"], ["on"]),
         node("Neg", ["after"], ["each"])],
        "body",
        [value("i", TensorProto.INT64, []), value("go", TensorProto.BOOL, []), value("before", FLOAT, None)],
        [value("on", TensorProto.BOOL, []), value("after", FLOAT, None), value("each", FLOAT, None)],
    )  # fmt: skip
    made = network(
        [node("Loop", [trips, "", "x"], ["y", "all"], body=body)], {"x": ["N", 8]}, ["y", "all"], constants
    )
    if trips == "n":
        made.graph.input.append(value("n", TensorProto.INT64, []))
    return made


def test_a_loop_costs_its_body_times_its_runs(tmp_path: Path) -> None:
    seven = numpy_helper.from_array(np.array(7), "seven")
    made = loop("seven", [weights("w", 8, 8), seven])
    report = read(made, tmp_path)
    assert report.trace.params == 64
    assert report.trace.macs == 7 * 64
    assert [s.macs for s in report.trace.steps] == [448, 64]
    real = every_shape(made, np.zeros((3, 8), np.float32))
    assert (real["y"], real["all"]) == ((3, 8), (7, 3, 8))
    assert report.trace.graph is not None
    assert [end.shape for end in report.trace.graph.outputs] == [("N", 8), (7, "N", 8)]


def test_a_loop_without_a_known_number_of_runs_has_no_total(run: Run, tmp_path: Path) -> None:
    path = save(loop("n", [weights("w", 8, 8)]), tmp_path / "loop.onnx")
    document = run("shapes", path, "--json").document
    assert (document["macs"], document["macs_known"], document["params"]) == (None, 0, 64)
    assert document["outputs"] == [{"name": "y", "shape": ["N", 8]}, {"name": "all", "shape": ["?", "N", 8]}]
    assert ">= 0" in run("shapes", path).stdout


def test_a_scan_runs_once_for_each_frame(tmp_path: Path) -> None:
    body = helper.make_graph(
        [node("MatMul", ["frame", "w"], ["p"]), node("Add", ["p", "state"], ["new"]),
         node("Identity", ["new"], ["o"])],
        "body", [value("state", FLOAT, None), value("frame", FLOAT, None)],
        [value("new", FLOAT, None), value("o", FLOAT, None)],
    )  # fmt: skip
    made = network(
        [node("Scan", ["s", "x"], ["last", "y"], body=body, num_scan_inputs=1)],
        {"s": [1, 6], "x": ["T", 1, 8]}, ["last", "y"], [weights("w", 8, 6)],
    )  # fmt: skip
    free, fixed = read(made, tmp_path), read(made, tmp_path, "T=20")
    assert free.trace.graph is not None
    assert [end.shape for end in free.trace.graph.outputs] == [(1, 6), ("T", 1, 6)]
    assert not free.trace.has_all_macs
    assert fixed.trace.macs == 20 * 48
    assert every_shape(made, np.zeros((1, 6), np.float32), np.zeros((20, 1, 8), np.float32))["y"] == (
        20,
        1,
        6,
    )


def test_nodes_that_a_body_reads_are_sorted_before_it(tmp_path: Path) -> None:
    made = conditional()
    inner = [node("Relu", ["x"], ["late"])]
    del made.graph.node[0].attribute[:]
    made.graph.node[0].CopyFrom(
        node("If", ["flag"], ["y"], then_branch=branch("t", 16, "late"), else_branch=branch("e", 4))
    )
    made.graph.node.extend(inner)
    assert [s.type for s in read(made, tmp_path).trace.steps][:2] == ["relu", "if"]


def test_bodies_are_indented_behind_their_names(run: Run, tmp_path: Path) -> None:
    shown = run("shapes", save(conditional(), tmp_path / "if.onnx")).stdout
    assert "  then: dense:16,from=input,nobias" in shown
    assert "  else: dense:4,from=input,nobias" in shown
    lines = shown.splitlines()
    assert any(line.split()[:2] == ["input", "x"] for line in lines)
    assert any(line.split()[:2] == ["output", "y"] for line in lines)


@pytest.mark.parametrize("share", [True, False])
def test_shares_of_the_work_are_a_column_on_request(share: bool, run: Run, tmp_path: Path) -> None:
    path = save(conditional(), tmp_path / "if.onnx")
    options = ["--shares"] if share else []
    assert ("100.0" in run("shapes", path, *options).stdout) is share
    first = run("shapes", path, "--json", *options).document["layers"][0]
    assert first.get("macs_share") == (1.0 if share else None)
