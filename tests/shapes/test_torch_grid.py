"""PyTorch is the oracle: thousands of layers built by both must agree on shapes, parameters and work.

The layers live on PyTorch's meta device, which works shapes out without computing anything.
"""

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from audiocnn_cli.shapes.choices import Framework, architecture_names
from audiocnn_cli.shapes.grammar import read_layer, show_layer
from audiocnn_cli.shapes.layers.convolution import Conv, ConvTranspose, Depthwise
from audiocnn_cli.shapes.layers.dense import Dense, Recurrent
from audiocnn_cli.shapes.layers.elementwise import Add
from audiocnn_cli.shapes.layers.pooling import AdaptivePool, AvgPool, MaxPool, Pool
from audiocnn_cli.shapes.sizes import Sizes
from audiocnn_cli.shapes.stackfile import architecture
from audiocnn_cli.shapes.step import Layer, ShapeError, Step
from audiocnn_cli.shapes.trace import trace

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.train

Case = tuple[str, Sizes]


def conv_cases() -> Iterator[Case]:
    grid = itertools.product(
        ((7, 6), (13, 9), (2, 30)), ("1", "2", "3", "5x2"), ("1", "2", "3x1"),
        ("valid", "pad=0", "pad=1", "pad=2"),
        ("1", "2", "3"), (1, 2),
    )  # fmt: skip
    for spatial, kernel, stride, padding, dilation, groups in grid:
        yield (f"conv2d:4@{kernel}/{stride},{padding},dilation={dilation},groups={groups}", (*spatial, 6))
    for size, width, step, pad, gap in itertools.product(
        (1, 8, 50), (1, 4, 7), (1, 2, 5), ("valid", "pad=3", "pad=0"), (1, 4)
    ):
        yield f"conv1d:3@{width}/{step},{pad},dilation={gap},nobias", (size, 2)
    for width, gap, rank in itertools.product(range(1, 8), range(1, 5), (1, 2)):
        yield f"conv:3@{width},same,dilation={gap}", (11, 12, 2)[2 - rank :]
    for width, step, multiplier in itertools.product((2, 3), (1, 2), (1, 3)):
        yield f"depthwise:{multiplier}@{width}/{step},pad=1", (9, 10, 5)


def pool_cases() -> Iterator[Case]:
    grid = itertools.product(
        range(1, 15), (2, 3, 5), (1, 2, 3, 4), (0, 1), ("", ",ceil"), ("max", "avg"), (1, 2)
    )
    for size, kernel, stride, padding, ceil, kind, rank in grid:
        yield f"{kind}pool:{kernel}/{stride},pad={padding}{ceil}", (size, *(9,) * (rank - 1), 3)
    for dilation, kernel, stride in itertools.product((2, 3), (2, 3), (1, 2)):
        yield f"maxpool:{kernel}/{stride},dilation={dilation},ceil", (13, 10, 2)
    for output in itertools.product((1, 2, 5), (1, 3, 7)):
        yield f"adaptiveavgpool:{output[0]}x{output[1]}", (11, 7, 4)


def transposed_cases() -> Iterator[Case]:
    grid = itertools.product((1, 5, 8), (1, 2, 3, 4), (1, 2, 3), (0, 1), (0, 1), (1, 2), (1, 2), (1, 2))
    for size, kernel, stride, padding, extra, dilation, groups, rank in grid:
        if extra < max(stride, dilation):
            options = f"pad={padding},output_padding={extra},dilation={dilation},groups={groups}"
            yield f"convtranspose:4@{kernel}/{stride},{options}", (size, *(6,) * (rank - 1), 2)


def recurrent_cases() -> Iterator[Case]:
    for kind, units, both, every, channels in itertools.product(
        ("lstm", "gru", "rnn"), (1, 7, 64), ("", ",bidirectional"), ("", ",sequences"), (1, 13)
    ):
        yield f"{kind}:{units}{both}{every}", (20, channels)
    for units, bias in itertools.product((1, 10), ("", ",nobias")):
        yield f"dense:{units}{bias}", (5, 8)


CASES = [*conv_cases(), *pool_cases(), *transposed_cases(), *recurrent_cases()]


def torch_module(layer: Layer, channels: int, rank: int) -> Any:  # noqa: PLR0911 (one for each kind)
    """The same layer as a PyTorch module on the meta device."""
    nn = torch.nn

    def spread(sizes: Sizes) -> Sizes:
        return sizes * rank if len(sizes) == 1 else sizes

    def padding(given: Any) -> Any:
        if given.mode == "same":
            return "same"
        return spread(given.amounts or (0,))

    with torch.device("meta"):
        if isinstance(layer, Depthwise):
            kind = (nn.Conv1d, nn.Conv2d)[rank - 1]
            return kind(
                channels, channels * layer.multiplier, spread(layer.kernel), spread(layer.stride),
                padding(layer.padding), groups=channels,
            )  # fmt: skip
        if isinstance(layer, Conv):
            kind = (nn.Conv1d, nn.Conv2d)[rank - 1]
            return kind(
                channels, layer.filters, spread(layer.kernel), spread(layer.stride),
                padding(layer.padding), spread(layer.dilation), layer.groups, layer.bias,
            )  # fmt: skip
        if isinstance(layer, ConvTranspose):
            kind = (nn.ConvTranspose1d, nn.ConvTranspose2d)[rank - 1]
            return kind(
                channels, layer.filters, spread(layer.kernel), spread(layer.stride),
                padding(layer.padding), spread(layer.output_padding), layer.groups, layer.bias,
                spread(layer.dilation),
            )  # fmt: skip
        if isinstance(layer, MaxPool):
            kind = (nn.MaxPool1d, nn.MaxPool2d)[rank - 1]
            return kind(
                spread(layer.kernel), spread(layer.stride or layer.kernel), padding(layer.padding),
                spread(layer.dilation), ceil_mode=layer.ceil,
            )  # fmt: skip
        if isinstance(layer, AvgPool):
            kind = (nn.AvgPool1d, nn.AvgPool2d)[rank - 1]
            return kind(
                spread(layer.kernel), spread(layer.stride or layer.kernel), padding(layer.padding),
                ceil_mode=layer.ceil,
            )  # fmt: skip
        if isinstance(layer, AdaptivePool):
            return nn.AdaptiveAvgPool2d(spread(layer.size))
        if isinstance(layer, Recurrent):
            kind = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}[layer.type]
            return kind(channels, layer.units, batch_first=True, bidirectional=layer.bidirectional)
        assert isinstance(layer, Dense)
        return nn.Linear(channels, layer.units, layer.bias)


def torch_shape(layer: Layer, module: Any, shape: Sizes) -> Sizes | None:
    """The shape PyTorch gives, channels last and without the batch; None where it refuses or is empty."""
    if isinstance(layer, Recurrent | Dense):
        output = module(torch.empty(1, *shape, device="meta"))
        if isinstance(layer, Dense):
            return tuple(output.shape[1:])
        sequence = output[0].shape[1:]
        return tuple(sequence if layer.return_sequences else sequence[1:])
    try:
        output = module(torch.empty(2, shape[-1], *shape[:-1], device="meta"))
    except RuntimeError:
        return None
    # The meta device lets a transposed convolution end in an empty tensor: a collapse like any other.
    return (*output.shape[2:], output.shape[1]) if output.numel() else None


def ours(layer: Layer, shape: Sizes) -> Step | None:
    try:
        (step,) = trace([layer], shape, framework=Framework.TORCH, compare=False).steps
    except ShapeError:
        return None
    return step


def test_the_grid_has_its_full_size() -> None:
    assert len(CASES) >= 2000
    assert len(set(CASES)) == len(CASES)


@pytest.mark.filterwarnings("ignore:Using padding='same':UserWarning")
def test_every_layer_has_pytorchs_shape_and_parameters() -> None:
    refused = 0
    for text, shape in CASES:
        layer = read_layer(text)
        assert read_layer(show_layer(layer)) == layer
        module = torch_module(layer, shape[-1], len(shape) - 1)
        theirs = torch_shape(layer, module, shape)
        step = ours(layer, shape)
        if theirs is None:
            refused += 1
            assert step is None or Framework.TORCH in layer.unsupported, (text, shape, step)
            continue
        assert step is not None, (text, shape, theirs)
        assert step.output == theirs, (text, shape)
        params = sum(parameter.numel() for parameter in module.parameters())
        assert step.params == params, (text, shape)
    # The grid holds impossible layers too, but they are not what it is about.
    assert 0 < refused < len(CASES) / 5


def test_macs_are_half_of_pytorchs_flops() -> None:
    from torch.utils.flop_counter import FlopCounterMode

    counted = 0
    for text, shape in CASES[::7]:
        layer = read_layer(text)
        step = ours(layer, shape)
        if step is None or not isinstance(layer, Conv | ConvTranspose | Dense):
            continue
        module = torch_module(layer, shape[-1], len(shape) - 1)
        given = (1, *shape) if isinstance(layer, Dense) else (1, shape[-1], *shape[:-1])
        with FlopCounterMode(display=False) as counter:
            module(torch.empty(given, device="meta"))
        assert step.macs is not None
        assert 2 * step.macs == counter.get_total_flops(), (text, shape)
        counted += 1
    assert counted > 100


def test_same_padding_with_a_stride_is_marked_as_what_pytorch_refuses() -> None:
    layer = read_layer("conv:3@3/2,same")
    assert Framework.TORCH in layer.unsupported
    with pytest.raises(ValueError, match="strided"):
        torch_module(layer, 2, 2)


def test_attention_has_pytorchs_parameters() -> None:
    with torch.device("meta"):
        module = torch.nn.MultiheadAttention(48, 6)
    step = ours(read_layer("attention:6"), (10, 48))
    assert step is not None
    assert step.params == sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize("name", architecture_names())
def test_no_named_architecture_has_a_layer_that_only_its_framework_lacks(name: str) -> None:
    stack = architecture(name)
    lacking = [layer.unsupported for layer in stack.layers if stack.framework in layer.unsupported]
    assert all(len(found) == len(Framework) for found in lacking)  # no framework has it as one layer


FIELD_STACKS = [
    ("conv:1@3 conv:1@3/2 maxpool:2 conv:1@3,dilation=2", (64, 64, 1)),
    ("conv:1@5/3,pad=2 avgpool:3/2 conv:1@2", (90, 70, 1)),
    ("conv1d:1@2,causal conv1d:1@2,causal,dilation=2 conv1d:1@2,causal,dilation=4", (40, 1)),
    ("conv:1@3,pad=1,name=a conv:1@3,pad=1 conv:1@3,pad=1 add:a conv:1@3/2", (40, 40, 1)),
    ("conv:1@3/2 convtranspose:1@4/2 conv:1@3", (60, 60, 1)),
    ("conv:1@4/4 upsample:2 conv:1@3", (60, 60, 1)),
    ("zeropad:2 conv:1@5 avgpool:2", (32, 32, 1)),
]


@pytest.mark.parametrize(("stack", "shape"), FIELD_STACKS)
def test_receptive_fields_are_where_gradients_flow(stack: str, shape: Sizes) -> None:
    """Each output element's gradient reaches at most, and somewhere exactly, its receptive field."""
    layers = [read_layer(text) for text in stack.split()]
    step = trace(layers, shape, framework=Framework.TORCH).steps[-1]
    reach = measured_reach(layers, shape)
    assert tuple(max(spans) for spans in reach) == step.receptive_field


def measured_reach(layers: list[Layer], shape: Sizes) -> list[list[int]]:
    """For each axis, how many input positions each of some inner outputs depends on."""
    rank = len(shape) - 1
    image = torch.ones(1, 1, *shape[:-1], dtype=torch.float64, requires_grad=True)
    output = run_with_ones(layers, image, rank)
    spans: list[list[int]] = [[] for _ in range(rank)]
    middle = [size // 2 for size in output.shape[2:]]
    for offsets in itertools.product(range(-1, 3), repeat=rank):
        position = tuple(m + o for m, o in zip(middle, offsets, strict=True))
        (gradient,) = torch.autograd.grad(output[(0, 0, *position)], image, retain_graph=True)
        touched = gradient[0, 0].nonzero()
        for axis in range(rank):
            column = touched[:, axis]
            spans[axis].append(int(column.max() - column.min() + 1))
    return spans


def run_with_ones(layers: list[Layer], image: Any, rank: int) -> Any:
    """Run a stack whose weights are all 1; a mean stands for a maximum, which has one gradient only."""
    functional = torch.nn.functional
    outputs: dict[str, Any] = {}
    for layer in layers:
        if isinstance(layer, Add):
            image = image + outputs[layer.inputs[0]]
        elif layer.type == "upsample":
            image = functional.interpolate(image, scale_factor=2, mode="nearest")
        elif layer.type == "zeropad":
            image = functional.pad(image, (2,) * 4)
        elif isinstance(layer, Pool):
            as_mean = AvgPool(kernel=layer.kernel, stride=layer.stride, padding=layer.padding)
            image = torch_module(as_mean, 1, rank)(image)
        else:
            causal = isinstance(layer, Conv) and layer.padding.mode == "causal"
            if isinstance(layer, Conv) and causal:
                image = functional.pad(image, (layer.dilation[0] * (layer.kernel[0] - 1), 0))
            module = torch_module(layer, 1, rank).to_empty(device="cpu").double()
            for parameter in module.parameters():
                torch.nn.init.ones_(parameter)
            image = module(image)
        if layer.name:
            outputs[layer.name] = image
    return image
