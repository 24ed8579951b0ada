"""Models that must not be run: refused in one sentence, by every command that opens them."""

import resource
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from audiocnn_cli.errors import ModelRefusedError
from audiocnn_cli.models import runtime
from audiocnn_cli.models.contract import METADATA_KEY, encode
from audiocnn_cli.models.memory import limited_memory
from audiocnn_cli.models.session import open_model
from tests.conftest import Finished
from tests.onnx_models import CONTRACT, random_matrix, write_linear, write_nodes

Run = Callable[..., Finished]
value = helper.make_tensor_value_info


def external(path: Path, location: str) -> Path:
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[64, 3])
    tensor.data_location = TensorProto.EXTERNAL
    for key, text in (("location", location), ("length", "768")):
        tensor.external_data.add(key=key, value=text)
    return write_nodes(
        path,
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        inputs=[value("x", TensorProto.FLOAT, ["n", 96, 64])],
        outputs=[value("y", TensorProto.FLOAT, ["n", 96, 3])],
        constants=[tensor],
    )


def huge(path: Path) -> Path:
    size = numpy_helper.from_array(np.array([1 << 20, 1 << 14]), "s")
    nodes = [
        helper.make_node("ConstantOfShape", ["s"], ["big"]),
        helper.make_node("ReduceMax", ["big"], ["m"], keepdims=0),
        helper.make_node("Flatten", ["x"], ["f"], axis=1),
        helper.make_node("MatMul", ["f", "w"], ["z"]),
        helper.make_node("Add", ["z", "m"], ["y"]),
    ]
    return write_nodes(
        path,
        nodes,
        inputs=[value("x", TensorProto.FLOAT, ["n", 96, 64])],
        outputs=[value("y", TensorProto.FLOAT, ["n", 3])],
        constants=[size, numpy_helper.from_array(random_matrix(96 * 64), "w")],
    )


def computed(path: Path, op: str) -> Path:
    """A tensor of 64 GiB whose size is computed in a way that no inspection of the graph follows."""
    make = {
        "Expand": helper.make_node("Expand", ["one", "size"], ["big"]),
        "Tile": helper.make_node("Tile", ["one", "size"], ["big"]),
        "ConstantOfShape": helper.make_node("ConstantOfShape", ["size"], ["big"]),
        "Range": helper.make_node("Range", ["zero", "all", "step"], ["big"]),
    }
    nodes = [
        helper.make_node("Exp", ["logarithm"], ["sizes"]),
        helper.make_node("Cast", ["sizes"], ["size"], to=TensorProto.INT64),
        helper.make_node("ReduceProd", ["sizes"], ["all"], keepdims=0),
        make[op],
        helper.make_node("ReduceMax", ["big"], ["m"], keepdims=0),
        helper.make_node("Flatten", ["x"], ["f"], axis=1),
        helper.make_node("MatMul", ["f", "w"], ["z"]),
        helper.make_node("Add", ["z", "m"], ["y"]),
    ]
    constants = {
        "one": np.ones((1, 1), np.float32),
        "logarithm": np.log(np.array([1 << 20, 1 << 14], np.float32)),
        "zero": np.float32(0),
        "step": np.float32(1),
        "w": random_matrix(96 * 64),
    }
    return write_nodes(
        path,
        nodes,
        inputs=[value("x", TensorProto.FLOAT, ["n", 96, 64])],
        outputs=[value("y", TensorProto.FLOAT, ["n", 3])],
        constants=[numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()],
    )


def unknown(path: Path) -> Path:
    return write_nodes(
        path,
        [helper.make_node("Steal", ["x"], ["y"], domain="evil")],
        inputs=[value("x", TensorProto.FLOAT, ["n", 96, 64])],
        outputs=[value("y", TensorProto.FLOAT, ["n", 3])],
    )


def endless(path: Path) -> Path:
    inner = helper.make_graph(
        [helper.make_node("Identity", ["c"], ["c2"]), helper.make_node("Sin", ["a"], ["a2"])],
        "body",
        [
            value("i", TensorProto.INT64, []),
            value("c", TensorProto.BOOL, []),
            value("a", TensorProto.FLOAT, None),
        ],
        [value("c2", TensorProto.BOOL, []), value("a2", TensorProto.FLOAT, None)],
    )
    nodes = [
        helper.make_node("Flatten", ["x"], ["f"], axis=1),
        helper.make_node("MatMul", ["f", "w"], ["z"]),
        helper.make_node("Loop", ["most", "go", "z"], ["y"], body=inner),
    ]
    return write_nodes(
        path,
        nodes,
        inputs=[value("x", TensorProto.FLOAT, ["n", 96, 64])],
        outputs=[value("y", TensorProto.FLOAT, ["n", 3])],
        constants=[
            numpy_helper.from_array(random_matrix(96 * 64), "w"),
            numpy_helper.from_array(np.array(1 << 62), "most"),
            numpy_helper.from_array(np.array(True), "go"),
        ],
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: external(path, "/etc/passwd"), "outside the model's folder"),
        (lambda path: external(path, "../../etc/passwd"), "outside the model's folder"),
        (lambda path: external(path, "weights.bin"), "ONNX Runtime"),
        (huge, "17,179,869,184 numbers"),
        (unknown, "ONNX Runtime"),
        (endless, "takes longer than"),
    ],
    ids=["absolute", "upwards", "missing", "huge", "unknown", "endless"],
)
def test_hostile_models_end_in_a_sentence(
    make: Callable[[Path], Path], message: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime, "LONGEST_RUN_S", 0.3)
    names = tmp_path / "labels.txt"
    names.write_text("ant\nbee\ncat\n")
    features = ("--feature", "logmel", "--n-mels", "64", "--activation", "softmax")
    path = make(tmp_path / "m.onnx")
    finished = run("models", "add", path, "--labels", names, *features)
    assert finished.exit_code == 4
    assert message in finished.stderr
    assert finished.stderr.count("\n") == 1
    assert finished.stdout == ""
    assert not (tmp_path / "user data").exists()


def test_a_hostile_model_with_a_contract_is_refused_too(tmp_path: Path) -> None:
    path = huge(tmp_path / "m.onnx")
    proto = onnx.load(path)
    helper.set_model_props(proto, {METADATA_KEY: encode(CONTRACT)})
    onnx.save(proto, path)
    with pytest.raises(ModelRefusedError, match="numbers"):
        open_model(path)


@pytest.mark.parametrize("op", ["Expand", "Tile", "ConstantOfShape", "Range"])
@pytest.mark.skipif(sys.platform != "linux", reason="the limit is one of Linux")
def test_memory_is_refused_before_it_is_taken(
    op: str, run: Run, tmp_path: Path, make_wav: Callable[..., Path]
) -> None:
    path = computed(tmp_path / "m.onnx", op)
    proto = onnx.load(path)
    helper.set_model_props(proto, {METADATA_KEY: encode(CONTRACT)})
    onnx.save(proto, path)
    before = resource.getrlimit(resource.RLIMIT_AS)
    session = runtime.open_session(path)
    with pytest.raises(ModelRefusedError, match=r"m\.onnx: running it takes more than 8 GiB of memory"):
        runtime.run(session, "y", {"x": np.zeros((1, 96, 64), np.float32)}, where="m.onnx")
    assert resource.getrlimit(resource.RLIMIT_AS) == before
    # In bytes or in KiB; at most 2 GiB of those 64.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 2 << 20
    finished = run("classify", make_wav(), "--model", path)
    assert finished.exit_code == 4
    assert finished.stderr.count("\n") == 1


def test_a_lower_limit_stays() -> None:
    before = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    lower = (used + (1 << 30), before[1])
    resource.setrlimit(resource.RLIMIT_AS, lower)
    try:
        with limited_memory(4 << 30):
            assert resource.getrlimit(resource.RLIMIT_AS) == lower
        with limited_memory(1 << 29):
            assert resource.getrlimit(resource.RLIMIT_AS)[0] < lower[0]
        assert resource.getrlimit(resource.RLIMIT_AS) == lower
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def test_threads_that_overlap_leave_the_limit_as_it_was() -> None:
    """The first to enter leaves first, so that each would restore what the other had set."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    entered, left = threading.Event(), threading.Event()

    def first() -> None:
        with limited_memory(6 << 30):
            entered.wait(10)
        left.set()

    thread = threading.Thread(target=first)
    thread.start()
    while resource.getrlimit(resource.RLIMIT_AS) == before:
        pass
    with limited_memory(5 << 30):
        entered.set()
        assert left.wait(10)
        assert resource.getrlimit(resource.RLIMIT_AS) != before
    thread.join()
    assert resource.getrlimit(resource.RLIMIT_AS) == before


def test_a_long_run_is_terminated_while_others_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "LONGEST_RUN_S", 0.5)
    feeds = {"x": np.zeros((1, 96, 64), dtype=np.float32)}
    late = runtime.open_session(endless(tmp_path / "late.onnx"))
    quick = runtime.open_session(write_linear(tmp_path / "quick.onnx", ("n", 96, 64)))
    refused: list[str] = []

    def run_late() -> None:
        try:
            runtime.run(late, "y", feeds, where="late.onnx")
        except ModelRefusedError as error:
            refused.append(str(error))

    thread = threading.Thread(target=run_late)
    thread.start()
    end = time.monotonic() + 1.5
    while time.monotonic() < end:  # longer than the limit, in runs that are each shorter
        runtime.run(quick, "y", feeds, where="quick.onnx")
    thread.join(10)
    assert refused == ["late.onnx: running it takes longer than 0.5 s"]
