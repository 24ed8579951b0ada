"""PyTorch networks built from the layer lists that `audiocnn shapes` prints.

Inputs are channels last, as everywhere in this project; the network permutes them. Sizes and padding come
from `audiocnn_cli.shapes`, so that the network has the shapes and parameters that `shapes` states.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from math import prod

import torch
from torch import nn

from audiocnn_cli.errors import UsageError
from audiocnn_cli.shapes.step import Step
from audiocnn_cli.shapes.trace import INPUT, trace
from audiocnn_cli.training.batches import Moments
from audiocnn_cli.training.recipes import Recipe

RANGE_DB = 80.0


def build_network(recipe: Recipe, *, classes: int, scale_by: Moments) -> nn.Module:
    """A network from segments (n, frames, bins) or (n, frames, bins, 1) to logits (n, classes).

    Its first layer scales the features: the log-mel network's relative to the segment's maximum, which makes
    it invariant to gain; the course networks' by the mean and standard deviation of each bin. The last layer
    of the architecture is resized to `classes`.

    Raises:
        UsageError: the architecture has a layer that training lacks, or the segment is too short for it.
        ImpossibleShapeError: a layer does not fit the segment.
    """
    stack = recipe.architecture
    steps = trace(stack.layers, recipe.input_shape, framework=stack.framework, compare=False).steps
    shape = Apply(partial(torch.reshape, shape=(-1, *recipe.input_shape)))
    scale = Apply(relative_level) if recipe.anywhere else Normalise(scale_by, recipe.input_shape)
    # To channels first, the order of PyTorch's convolutions.
    turn = [Apply(partial(torch.permute, dims=(0, 3, 1, 2)))] if len(recipe.input_shape) == 3 else []
    return nn.Sequential(shape, scale, *turn, Layers(steps, classes))


class MeanNetwork(nn.Module):
    """The mean of several networks' probabilities; its logits are their logarithms."""

    def __init__(self, networks: Sequence[nn.Module]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Tensors to logits (n, classes)."""
        each = [torch.softmax(network(x), dim=-1) for network in self.networks]
        return torch.log(torch.clamp(torch.stack(each, dim=1).mean(dim=1), min=1e-12))


class Normalise(nn.Module):
    """Standardise each bin by a constant mean and standard deviation."""

    def __init__(self, moments: Moments, input_shape: tuple[int, ...]) -> None:
        super().__init__()
        shape = (1, 1, len(moments.mean), 1)[: 1 + len(input_shape)]
        scale = 1 / torch.clamp(moments.std, min=1e-6)
        self.register_buffer("mean", moments.mean.float().view(shape))
        self.register_buffer("scale", scale.float().view(shape))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Shape (n, *input_shape) to the same."""
        return (x - self.mean) * self.scale


def relative_level(x: torch.Tensor) -> torch.Tensor:
    """Map decibels relative to the maximum of each (frames, bins, 1) to -1 (-80 dB and below) to 1 (0 dB)."""
    loudest = torch.amax(x, dim=(1, 2, 3), keepdim=True)
    return torch.clamp((x - loudest) / (RANGE_DB / 2) + 1.0, min=-1.0)


class Apply(nn.Module):
    """A function without weights, as a layer."""

    def __init__(self, function: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.forward = function


class Layers(nn.Module):
    """The layers of a stack, each applied to the outputs of its sources."""

    def __init__(self, steps: tuple[Step, ...], classes: int) -> None:
        super().__init__()
        *body, head = steps
        self.parts = nn.ModuleList(nn.Sequential(*_modules(step)) for step in body)
        self.parts.append(nn.Linear(int(head.input[-1]), classes))
        self.wiring = [(step.name, step.sources) for step in steps]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits, shape (n, classes)."""
        outputs = {INPUT: x}
        for (name, (source, *added)), part in zip(self.wiring, self.parts, strict=True):
            x = part(outputs[source])
            for other in added:
                x = x + outputs[other]
            outputs[name] = x
        return x


class Recurrent(nn.Module):
    """An LSTM that returns its whole sequence or its last state."""

    def __init__(self, inputs: int, units: int, *, return_sequences: bool) -> None:
        super().__init__()
        self.lstm = nn.LSTM(inputs, units, batch_first=True)
        self.return_sequences = return_sequences

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, frames, inputs) to (n, frames, units) or (n, units)."""
        sequence, _ = self.lstm(x)
        return sequence if self.return_sequences else sequence[:, -1]


def _modules(step: Step) -> Iterator[nn.Module]:
    """The PyTorch modules of one step, its activation last."""
    inputs, outputs = int(step.input[-1]), int(step.output[-1])
    if step.type == "conv":
        yield from _padding(step, value=0.0)
        bias = step.params > prod(step.kernel or ()) * inputs * outputs
        yield nn.Conv2d(inputs, outputs, step.kernel, step.stride, bias=bias)
    elif step.type == "maxpool":
        yield from _padding(step, value=float("-inf"))
        yield nn.MaxPool2d(step.kernel, step.stride)
    elif step.type == "dense":
        yield nn.Linear(inputs, outputs)
    elif step.type == "lstm":
        yield Recurrent(inputs, outputs, return_sequences=bool(step.return_sequences))
    elif step.type == "batchnorm":
        yield nn.BatchNorm2d(outputs)
    elif step.type == "dropout":
        yield nn.Dropout(step.rate)
    elif step.type in _PLAIN:
        yield _PLAIN[step.type]()
    else:
        raise UsageError(f"training has no {step.type} layer")
    if step.activation == "relu":
        yield nn.ReLU()


_PLAIN: dict[str, Callable[[], nn.Module]] = {
    "flatten": nn.Flatten,
    # (n, channels, frames, bins) to (n, channels)
    "globalavgpool": partial(Apply, partial(torch.mean, dim=(2, 3))),
    "globalmaxpool": partial(Apply, partial(torch.amax, dim=(2, 3))),
    "add": nn.Identity,
}


def _padding(step: Step, *, value: float) -> Iterator[nn.Module]:
    if step.pad and any(map(any, step.pad)):
        (top, bottom), (left, right) = step.pad
        yield nn.ConstantPad2d((left, right, top, bottom), value)
