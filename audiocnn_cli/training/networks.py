"""PyTorch networks built from the same layer lists that `audiocnn shapes` explains.

Tensors come in channels last, as everywhere in this project; the network turns them itself. Sizes and
padding are those that the shapes room has worked out, so that what it says is what runs.
"""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from audiocnn_cli.errors import UsageError
from audiocnn_cli.shapes.stackfile import Architecture
from audiocnn_cli.shapes.step import Step
from audiocnn_cli.shapes.trace import trace


def build_network(
    architecture: Architecture, tensors: NDArray[np.float32], *, classes: int
) -> nn.Module:
    """A network from segments (n, *input_shape) or (n, frames, bins) to logits (n, classes).

    Its first node subtracts the mean and divides by the standard deviation of each bin of `tensors`
    (segments, frames, bins); the last layer of the architecture is resized to `classes`.

    Raises:
        UsageError: the architecture has a layer that can't be trained here.
    """
    *body, head = trace(architecture.layers, architecture.input_shape).steps
    modules = [module for step in body for module in _modules(step)]
    turn = [ChannelsFirst()] if len(architecture.input_shape) == 3 else []
    return nn.Sequential(
        Normalise(tensors, architecture.input_shape),
        *turn,
        *modules,
        nn.Linear(int(head.input[-1]), classes),
    )


class Normalise(nn.Module):
    """Each bin less its mean, over its standard deviation; constants of the graph."""

    def __init__(self, tensors: NDArray[np.float32], input_shape: tuple[int, ...]) -> None:
        super().__init__()
        mean = tensors.mean(axis=(0, 1), dtype=np.float64)
        std = tensors.std(axis=(0, 1), dtype=np.float64)
        shape = (1, 1, len(mean), 1)[: 1 + len(input_shape)]
        self.input_shape = input_shape
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32).view(shape))
        self.register_buffer(
            "scale", torch.tensor(1 / np.maximum(std, 1e-6), dtype=torch.float32).view(shape)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, frames, bins) or (n, *input_shape) to (n, *input_shape)."""
        return (x.reshape(-1, *self.input_shape) - self.mean) * self.scale


class ChannelsFirst(nn.Module):
    """(n, frames, bins, channels) to (n, channels, frames, bins), as PyTorch's convolutions want it."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Turn the axes."""
        return x.permute(0, 3, 1, 2)


class Recurrent(nn.Module):
    """An LSTM that gives its whole sequence or its last state."""

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
        yield nn.Conv2d(inputs, outputs, step.kernel, step.stride, dilation=step.dilation or 1)
    elif step.type == "maxpool":
        yield from _padding(step, value=float("-inf"))
        yield nn.MaxPool2d(step.kernel, step.stride)
    elif step.type == "flatten":
        yield nn.Flatten()
    elif step.type == "dense":
        yield nn.Linear(inputs, outputs)
    elif step.type == "dropout":
        yield nn.Dropout(step.rate)
    elif step.type == "lstm":
        yield Recurrent(inputs, outputs, return_sequences=bool(step.return_sequences))
    else:
        raise UsageError(
            f"a {step.type} layer can't be trained here; train takes the seeds' networks"
        )
    if step.activation == "relu":
        yield nn.ReLU()
    elif step.activation not in (None, "linear", "tanh"):
        raise UsageError(f"the activation {step.activation} can't be trained here")


def _padding(step: Step, *, value: float) -> Iterator[nn.Module]:
    if step.pad and any(map(any, step.pad)):
        (top, bottom), (left, right) = step.pad
        yield nn.ConstantPad2d((left, right, top, bottom), value)
