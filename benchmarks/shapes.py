"""How long `audiocnn shapes` takes as a whole process, beside `audiocnn --help`, and its memory.

    python benchmarks/shapes.py

Medians of seven runs each, taken in turn so that a busy machine slows all of them alike; of a large graph,
processor seconds, which others on the machine hardly change.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import onnx
from measure import core_seconds, peak_mib, process
from onnx import helper, numpy_helper

RUNS = 7
AUDIOCNN = str(Path(sys.executable).parent / "audiocnn")
LAYERS = 1000
NODES = 100_000


def thousand_layers(path: Path) -> None:
    """A graph of 500 convolutions with their batch norms."""
    weights = np.zeros((32, 32, 3, 3), dtype=np.float32)
    nodes, constants, before = [], [numpy_helper.from_array(np.ones(32, np.float32), "s")], "x"
    for i in range(LAYERS // 2):
        nodes += [
            helper.make_node("Conv", [before, f"w{i}"], [f"c{i}"], pads=[1, 1, 1, 1]),
            helper.make_node("BatchNormalization", [f"c{i}", *["s"] * 4], [f"b{i}"]),
        ]
        constants.append(numpy_helper.from_array(weights, f"w{i}"))
        before = f"b{i}"
    value = [helper.make_tensor_value_info("x", 1, ["N", 32, 64, 64])]
    output = [helper.make_tensor_value_info(before, 1, None)]
    onnx.save(helper.make_model(helper.make_graph(nodes, "deep", value, output, constants)), path)


def many_nodes(path: Path) -> None:
    """A graph of 100,000 nodes with free sizes: dense layers, reshapes, transpositions and sums."""
    nodes, before, value = [], "x", helper.make_tensor_value_info
    for i in range(NODES // 10):
        a, b, c, d, e, f, g, h, j, y = (f"{name}{i}" for name in "abcdefghjy")
        nodes += [
            helper.make_node("MatMul", [before, "w"], [a]),
            helper.make_node("Add", [a, "bias"], [b]),
            helper.make_node("Relu", [b], [c]),
            helper.make_node("Shape", [c], [d]),
            helper.make_node("Reshape", [c, d], [e]),
            helper.make_node("Transpose", [e], [f], perm=[0, 2, 1]),
            helper.make_node("Transpose", [f], [g], perm=[0, 2, 1]),
            helper.make_node("Mul", [g, e], [h]),
            helper.make_node("Softmax", [h], [j]),
            helper.make_node("Add", [j, before], [y]),
        ]
        before = y
    weights = {"w": np.ones((64, 64), np.float32), "bias": np.ones(64, np.float32)}
    constants = [numpy_helper.from_array(array, name) for name, array in weights.items()]
    ends = [value("x", 1, ["N", "T", 64])], [value(before, 1, None)]
    onnx.save(helper.make_model(helper.make_graph(nodes, "large", *ends, constants)), path)


def seconds(command: list[str]) -> float:
    """How long one run takes, from start to exit."""
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - start


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        deep, large = Path(folder) / "deep.onnx", Path(folder) / "large.onnx"
        thousand_layers(deep)
        many_nodes(large)
        commands = {
            "audiocnn --help": [AUDIOCNN, "--help"],
            "shapes, one layer": [AUDIOCNN, "shapes", "--input", "130x13", "--kernel", "3"],
            "shapes --arch cnn": [AUDIOCNN, "shapes", "--arch", "cnn"],
            "shapes --arch cnn --json": [AUDIOCNN, "shapes", "--arch", "cnn", "--json"],
            "shapes --arch resnet50": [AUDIOCNN, "shapes", "--arch", "resnet50"],
            f"shapes, ONNX of {LAYERS} layers": [AUDIOCNN, "shapes", str(deep)],
        }
        times: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(RUNS):
            for name, command in commands.items():
                times[name].append(seconds(command))
        command = [AUDIOCNN, "shapes", str(large)]
        core = core_seconds(lambda: process(command))
        memory = peak_mib(command)
    base = statistics.median(times["audiocnn --help"])
    print(f"| command | median s | of --help |\n|{'---|' * 3}")
    for name, values in times.items():
        median = statistics.median(values)
        print(f"| {name} | {median:.2f} | {median / base:.1f} |")
    print(f"\nONNX of {NODES:,} nodes: {core:.1f} processor seconds, {memory:.0f} MiB")


if __name__ == "__main__":
    main()
