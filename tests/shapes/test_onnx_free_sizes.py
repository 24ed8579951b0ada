"""Free sizes: their arithmetic against that of numbers, and graphs whose sizes or elements would be huge."""

import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import helper, numpy_helper

from audiocnn_cli.shapes.onnxfile.free import Dim, divided, product_of, symbol, symbols, unnamed
from audiocnn_cli.shapes.onnxfile.order import evaluated, is_at_least, larger, smaller
from tests.conftest import Finished
from tests.shapes.graphs import every_shape, genre_cnn, integers, model, network, read, save, weights

Run = Callable[..., Finished]
node = helper.make_node
NAMES = ("N", "T", "F")
OPERATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b, "//": divided, "min": smaller,
    "max": larger,
}  # fmt: skip
PLAIN: dict[str, Callable[[int, int], int]] = {
    "+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b, "//": lambda a, b: a // b,
    "min": min,
    "max": max,
}  # fmt: skip
STEPS = st.lists(
    st.tuples(st.sampled_from(sorted(OPERATIONS)), st.integers(0, 6), st.integers(1, 9)), max_size=7
)
SIZES = st.fixed_dictionaries({name: st.integers(1, 300) for name in NAMES})


def compute(steps: Any, sizes: dict[str, int]) -> tuple[Dim, int]:
    """The same calculation with symbols and with numbers; quotients are by numbers above 0."""
    free: list[Dim] = [symbol(name) for name in NAMES]
    plain = [sizes[name] for name in NAMES]
    for operation, index, constant in steps:
        other = index % (len(free) + 1)
        by_number = operation == "//" or other == len(free)
        free.append(OPERATIONS[operation](free[-1], constant if by_number else free[other]))
        plain.append(PLAIN[operation](plain[-1], constant if by_number else plain[other]))
    return free[-1], plain[-1]


def test_a_size_below_zero_is_less_than_its_half() -> None:
    """A minimum may be below 0, where half of it is the greater one."""
    least = smaller((symbol("F") - symbol("N")) * symbol("N"), symbol("N"))
    assert evaluated(larger(least // 2, least), {"N": 2, "F": 1}) == -1


@given(STEPS, SIZES)
def test_symbols_and_numbers_agree(steps: Any, sizes: dict[str, int]) -> None:
    free, plain = compute(steps, sizes)
    if any(name.startswith("?") for name in symbols(free)):
        return  # it was too long to be followed
    assert evaluated(free, sizes) == plain


@given(STEPS, STEPS, SIZES)
def test_what_is_held_to_be_greater_is(first: Any, second: Any, sizes: dict[str, int]) -> None:
    (a, a_plain), (b, b_plain) = compute(first, sizes), compute(second, sizes)
    if any(name.startswith("?") for size in (a, b) for name in symbols(size)):
        return
    if is_at_least(a, b):
        assert a_plain >= b_plain
    if a == b:
        assert a_plain == b_plain


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (symbol("T") // 2, "T/2"),
        ((symbol("T") - 1) // 2 + 1, "(T+1)/2"),
        (((symbol("T") + 1) // 2 + 1) // 2, "(T+3)/4"),
        (symbol("T") * 2 // 2, "T"),
        (product_of((symbol("N"), symbol("T"), 64)) // (symbol("N") * 64), "T"),
        (symbol("T") - symbol("T"), "0"),
        (smaller(symbol("T"), 1), "1"),
        (smaller(symbol("T"), symbol("T") // 2), "T/2"),
        (symbol("T") // 2 * 2 + symbol("N") * (symbol("T") // 3), "2*(T/2)+(T/3)*N"),
        (unnamed() * 3 + symbol("T"), "?"),
    ],
)
def test_sizes_as_text(size: Dim, text: str) -> None:
    assert str(size) == text


def test_expressions_do_not_grow_without_limit() -> None:
    size: Dim = symbol("T")
    for i in range(200):
        size = larger(size * size + i, symbol(f"n{i}")) // 3
    assert len(str(size)) < 2000


# No placeholder, whatever is free


def computed(text: str, size: int) -> Any:
    """A size of the report as a number, where Q is `size`."""
    return eval(text.replace("/", "//"), {"Q": size, "min": min, "max": max})  # noqa: S307 (text of our own)


@pytest.mark.parametrize("axis", [0, 1, 2, 3])
def test_one_free_axis_is_never_guessed(axis: int, run: Run, tmp_path: Path) -> None:
    """Sizes for each value of the axis are those that ONNX Runtime has, and nothing else is in the output."""
    nodes = [
        node("Conv", ["x", "w"], ["a"], strides=[2, 1], pads=[1, 1, 1, 1]),
        node("MaxPool", ["a"], ["b"], kernel_shape=[3, 2], strides=[3, 2], ceil_mode=1, pads=[1, 0, 1, 0]),
        node("AveragePool", ["b"], ["c"], kernel_shape=[2, 2], auto_pad="SAME_UPPER", strides=[2, 1]),
        node("ConvTranspose", ["c", "t"], ["d"], strides=[2, 2], output_padding=[1, 0]),
        node("Slice", ["d", "one", "minus", "axes"], ["e"]), node("Shape", ["e"], ["s"]),
        node("Gather", ["s", "zero"], ["n"]), node("Concat", ["n", "rest"], ["to"], axis=0),
        node("Reshape", ["e", "to"], ["f"]), node("Resize", ["d", "", "scales"], ["g"], mode="nearest"),
        node("Pad", ["g", "sides"], ["h"]), node("Identity", ["h"], ["y"]),
    ]  # fmt: skip
    constants = [
        weights("w", 4, 2, 3, 3), weights("t", 4, 2, 3, 3), integers("one", 1), integers("minus", -1),
        integers("axes", 2),
        integers("zero", 0), integers("rest", -1, 2),
        numpy_helper.from_array(np.array([1, 1, 2, 0.5], np.float32), "scales"),
        integers("sides", 0, 0, 2, 0, 0, 0, 1, 3),
    ]  # fmt: skip
    shape: list[Any] = [2, 2, 40, 31]
    shape[axis] = "Q"
    made = network(nodes, {"x": shape}, ["y", "f"], constants)
    path = save(made, tmp_path / "free.onnx")
    printed = run("shapes", path, "--json").stdout + run("shapes", path).stdout
    assert "1000003" not in printed
    trace = read(made, tmp_path).trace
    assert trace.graph is not None
    assert trace.params == 72 + 72
    for size in (2,) if axis == 1 else (17, 18, 19, 20, 21, 22, 23, 24, 40):
        given_shape = [size if name == "Q" else name for name in shape]
        real = every_shape(made, np.zeros(given_shape, np.float32))
        fixed = read(made, tmp_path, f"Q={size}").trace
        assert fixed.graph is not None
        for end, fixed_end in zip(trace.graph.outputs, fixed.graph.outputs, strict=True):
            assert fixed_end.shape == real[end.name]
            text = [computed(str(n), size) for n in end.shape or ()]
            assert tuple(text) == real[end.name], end


def test_a_network_of_free_time_has_formulas_and_the_known_part(run: Run, tmp_path: Path) -> None:
    path = save(genre_cnn("T"), tmp_path / "genre.onnx")
    document = run("shapes", path, "--json").document
    assert document["inputs"] == [{"name": "x", "shape": ["N", "T", 13]}]
    assert [layer["output"][0] for layer in document["layers"][:3]] == ["T-2", "T/2-1", "T/2-3"]
    assert document["layers"][0]["formula"][0] == "floor((T - 3 + 0)/1) + 1 = T-2"
    assert (document["macs"], document["macs_known"]) == (None, 640)
    assert document["params"] == 298_212
    shown = run("shapes", path).stdout
    assert "at least 640 MACs, more with --input" in shown
    assert run("shapes", path, "--json", "--input", "T=130").document["macs"] == 6_206_080


# No bomb

NUMBERS = ((1, "one"), (0, "zero"), (3 * 10**9, "far"))


def bombs() -> dict[str, tuple[list[Any], list[Any]]]:
    """Nodes and constants of graphs that would fill any memory, by name."""
    big, tall = integers("big", 3_000_000_000), integers("tall", 1 << 20, 1 << 20)
    one, zero, far = (numpy_helper.from_array(np.array(n), name) for n, name in NUMBERS)
    last = [node("ReduceSum", ["b"], ["s"], keepdims=0), node("Add", ["x", "s"], ["y"])]
    cast, w = node("Cast", ["a"], ["b"], to=1), weights("w", 1)
    fill = node("ConstantOfShape", ["tall"], ["f"])
    squares = [node("Mul", [f"p{i}", f"p{i}"], [f"p{i + 1}"]) for i in range(60)]
    power = [node("Pow", ["far", "far"], ["p"]), node("Unsqueeze", ["p", "axis"], ["q"])]
    tiles = [
        node("Tile", [f"t{i}" if i else "x", "huge"], [f"t{i + 1}" if i < 99 else "y"]) for i in range(100)
    ]
    return {
        "range": ([node("Range", ["zero", "far", "one"], ["a"]), cast, *last], [one, zero, far]),
        "fill": ([node("ConstantOfShape", ["tall"], ["b"]), *last], [tall]),
        "expand": ([node("Expand", ["w", "tall"], ["b"]), *last], [w, tall]),
        "tile": ([node("Tile", ["w", "big"], ["b"]), *last], [w, big]),
        "eye": ([fill, node("EyeLike", ["f"], ["b"]), *last], [tall]),
        "nonzero": ([fill, node("NonZero", ["f"], ["a"]), cast, *last], [tall]),
        "one hot": (
            [node("OneHot", ["zeros", "big", "values"], ["b"]), *last],
            [integers("zeros", *[0] * 4000), big, weights("values", 2)],
        ),
        "pad": ([node("Pad", ["w", "sides"], ["b"]), *last], [w, integers("sides", 1 << 40, 1 << 40)]),
        "squares": ([*squares, node("Reshape", ["x", "p60"], ["y"])], [integers("p0", 7)]),
        "power": ([*power, node("Reshape", ["x", "q"], ["y"])], [far, integers("axis", 0)]),
        "tiles": (tiles, [integers("huge", 10**12)]),
    }


@pytest.mark.parametrize("name", bombs())
def test_huge_sizes_take_no_memory(name: str, tmp_path: Path) -> None:
    nodes, constants = bombs()[name]
    path = tmp_path / "bomb.onnx"
    path.write_bytes(model(nodes, [4], constants).SerializeToString())
    finished = subprocess.run(
        [sys.executable, "-m", "audiocnn_cli", "shapes", str(path), "--json"],
        capture_output=True, text=True, check=False, timeout=60,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30)),
    )  # fmt: skip
    assert finished.returncode in {0, 4}, finished.stderr
    if name == "tiles":  # 10^1200 elements
        assert "beyond 10^15" in finished.stderr
    assert "Traceback" not in finished.stderr


def test_a_graph_that_is_folded_away_has_no_layers(run: Run, tmp_path: Path) -> None:
    nodes = [node("Shape", ["x"], ["s"]), node("Cast", ["s"], ["y"], to=1)]
    document = run("shapes", save(model(nodes, ["N", 3], []), tmp_path / "none.onnx"), "--json").document
    assert (document["layers"], document["params"], document["macs"]) == ([], 0, 0)
    assert document["outputs"] == [{"name": "y", "shape": [2]}]
    only = model([], ["N", 3], [], output="x")
    assert run("shapes", save(only, tmp_path / "x.onnx"), "--json").document["output"] == [3]


@pytest.mark.parametrize(
    ("axis", "output"), [(1, [3, 5, 4]), (2, [4, 5, 2]), (3, [3, 10, 2]), (-1, [3, 10, 2])]
)
def test_tensors_are_joined_on_one_axis(axis: int, output: list[int], run: Run, tmp_path: Path) -> None:
    nodes = [
        node("Conv", ["x", "w"], ["a"]),
        node("Conv", ["x", "w"], ["b"]),
        node("Concat", ["a", "b"], ["y"], axis=axis),
    ]
    if axis == 2:
        output = [6, 5, 2]
    made = model(nodes, ["N", 1, 5, 7], [weights("w", 2, 1, 3, 3)])
    assert run("shapes", save(made, tmp_path / "c.onnx"), "--json").document["output"] == output


def test_what_onnx_can_not_infer_is_unknown_and_no_refusal(run: Run, tmp_path: Path) -> None:
    """A free size that a node fixes, and an operator of another domain, whose result has the stated axes."""
    nodes = [node("Magic", ["x"], ["m"], domain="org.example"), node("Relu", ["m"], ["y"])]
    made = model(nodes, [1, 4], [])
    made.opset_import.append(helper.make_opsetid("org.example", 1))
    made.graph.value_info.append(helper.make_tensor_value_info("m", 1, ["A", 7]))
    document = run("shapes", save(made, tmp_path / "m.onnx"), "--json").document
    assert document["outputs"] == [{"name": "y", "shape": ["?", 7]}]
    assert {"op": "Magic", "count": 1} in document["uncounted"]
    assert onnx.load(tmp_path / "m.onnx").graph.node[0].op_type == "Magic"


@pytest.mark.slow
def test_a_hundred_thousand_nodes(tmp_path: Path) -> None:
    """At most 20 processor seconds on the machine of the benchmark (here twice that), and 1 GiB."""
    nodes, before = [], "x"
    for i in range(20_000):
        nodes += [
            node("MatMul", [before, "w"], [f"a{i}"]), node("Add", [f"a{i}", "b"], [f"b{i}"]),
            node("Relu", [f"b{i}"], [f"c{i}"]), node("Transpose", [f"c{i}"], [f"d{i}"], perm=[0, 2, 1]),
            node("Transpose", [f"d{i}"], [f"e{i}"], perm=[0, 2, 1]),
        ]  # fmt: skip
        before = f"e{i}"
    path = tmp_path / "large.onnx"
    made = network(nodes, {"x": ["N", "T", 8]}, [before], [weights("w", 8, 8), weights("b", 8)])
    path.write_bytes(made.SerializeToString())
    start = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, "-m", "audiocnn_cli", "shapes", str(path)], check=True, capture_output=True
    )
    end = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert end.ru_utime - start.ru_utime < 40
    assert end.ru_maxrss < 1 << 20  # KiB
