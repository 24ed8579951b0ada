"""The PyTorch code of a stack runs, and has the parameters and the output that the stack has here."""

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiocnn_cli.shapes.choices import CodeFor, Framework, architecture_names
from audiocnn_cli.shapes.code.source import CodeError
from audiocnn_cli.shapes.code.torch_code import torch_code
from audiocnn_cli.shapes.code.write import code_of
from audiocnn_cli.shapes.grammar import read_layer
from audiocnn_cli.shapes.sizes import Shape, Sizes
from audiocnn_cli.shapes.stackfile import architecture
from audiocnn_cli.shapes.trace import Trace, trace
from audiocnn_cli.shapes.work_out import StackRequest
from tests.shapes.random_stacks import STACKS, random_stack

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.train
# With layers that PyTorch does not have: relative attention, parts of a batch norm, regions, rows.
NOT_IN_TORCH = {
    "conformer", "crnn", "fasterrcnn-resnet50-fpn", "maskrcnn-resnet50-fpn", "pixelrnn", "yamnet",
}  # fmt: skip


def run(code: str, *, device: str = "cpu") -> tuple[int, list[list[int]]]:
    """The trainable parameters of the module in `code`, and the sorted sizes of each of its outputs."""
    names: dict[str, Any] = {"__name__": "printed"}
    exec(compile(code, "net.py", "exec"), names)  # noqa: S102 (the code is printed here)
    call = next(line.strip() for line in code.splitlines() if line.strip().startswith("y = net("))
    with torch.device(device), torch.no_grad():
        names["net"] = names["Net"]().eval()
        exec(call, names)  # noqa: S102 (as above)
    found = names["y"] if isinstance(names["y"], tuple) else (names["y"],)
    count = sum(p.numel() for p in names["net"].parameters() if p.requires_grad)
    return count, [sorted(output.shape[1:]) for output in found]


def expected(found: Trace) -> tuple[int, list[list[int]]]:
    """The same of our trace; PyTorch has the channels first, so only the sizes are compared."""
    return found.params, [sorted(int(size) for size in shape) for _, shape in found.ends]


@pytest.mark.parametrize(("shape", "text"), STACKS)
def test_the_code_of_a_typed_stack_runs(shape: str, text: str) -> None:
    layers = tuple(map(read_layer, text.split()))
    code = code_of(StackRequest(layers=tuple(text.split()), input_shape=shape), CodeFor.TORCH)
    sizes = tuple(map(int, shape.split("x")))
    assert run(code) == expected(trace(layers, sizes, framework=Framework.TORCH))


def test_the_output_has_the_order_that_the_code_states() -> None:
    request = StackRequest(layers=("conv:8@3x3", "pool:2"), input_shape="130x13x1")
    code = code_of(request, CodeFor.TORCH)
    assert "Input (N, 1, 130, 13), output (N, 8, 64, 5)" in code
    names: dict[str, Any] = {"__name__": "printed"}
    exec(code, names)  # noqa: S102 (as above)
    assert names["Net"]()(torch.zeros(4, 1, 130, 13)).shape == (4, 8, 64, 5)


@pytest.mark.parametrize("name", architecture_names())
def test_the_code_of_a_named_architecture_runs(name: str) -> None:
    stack = architecture(name)
    found = trace(stack.layers, stack.input_shape, framework=Framework.TORCH)
    try:
        code = torch_code(stack.layers, found)
    except CodeError as error:
        assert name in NOT_IN_TORCH
        assert "can't be written as PyTorch code" in str(error)
        return
    assert run(code, device="meta") == expected(found)


@settings(deadline=None)
@given(st.integers(0, 10**9))
def test_the_code_of_random_stacks_runs(number: int) -> None:
    shape, texts = random_stack(number, Framework.TORCH)
    layers = tuple(map(read_layer, texts))
    found = trace(layers, shape, framework=Framework.TORCH)
    try:
        code = torch_code(layers, found)
    except CodeError as error:
        assert any(reason in str(error) for reason in ("ceil mode", "with a dilation"))
        return
    assert run(code) == expected(found)


POOLS = list(itertools.product((1, 2, 3, 5), (0, 1, 2, 3), (1, 2), (1, 2)))


@pytest.mark.parametrize(("kernel", "pad", "dilation", "rank"), POOLS)
def test_a_padding_is_refused_as_pytorch_does(kernel: int, pad: int, dilation: int, rank: int) -> None:
    shape: Shape = (12,) * rank + (2,)
    layer = read_layer(f"maxpool:{kernel},pad={pad},dilation={dilation}")
    pool = (torch.nn.MaxPool1d, torch.nn.MaxPool2d)[rank - 1](kernel, padding=pad, dilation=dilation)
    sizes: Sizes = tuple(int(size) for size in shape)
    try:
        theirs = tuple(pool(torch.zeros(1, 2, *sizes[:-1])).shape[2:])
    except RuntimeError as error:
        assert "half of" in str(error)
        with pytest.raises(Exception, match="at most half the window"):
            trace([layer], sizes, framework=Framework.TORCH)
        return
    assert trace([layer], sizes, framework=Framework.TORCH).output[:-1] == theirs
