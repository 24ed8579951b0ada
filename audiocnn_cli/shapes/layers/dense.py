"""Dense layers, and the recurrent ones that are dense layers in a loop."""

from math import prod
from typing import ClassVar

from audiocnn_cli.shapes import receptive_field as fields
from audiocnn_cli.shapes.framework import Framework
from audiocnn_cli.shapes.step import Given, Layer, MisfitError, Step


class Dense(Layer, frozen=True):
    """`units` weighted sums of the last axis, at every position of the other axes."""

    type: ClassVar[str] = "dense"
    units: int = 1
    bias: bool = True
    activation: str | None = None

    def apply(self, given: Given) -> Step:
        """Replace the last axis."""
        tensor = given.tensor
        weights = tensor.channels * self.units
        product = f"{tensor.channels}*{self.units}"
        flat = not tensor.spatial
        return Step(
            type=self.type,
            input=tensor.shape,
            output=(*tensor.spatial, self.units),
            # What a vector's elements saw together, each unit sees.
            field=fields.whole(tensor.field, ()) if flat else tensor.field,
            units=self.units,
            activation=self.activation,
            params=weights + self.units * self.bias,
            macs=weights * prod(tensor.spatial),
            formula=(
                f"{product} + {self.units} = {weights + self.units} parameters"
                if self.bias
                else f"{product} = {weights} parameters",
            ),
        )


class Recurrent(Layer, frozen=True):
    """A cell that walks along time; `return_sequences` keeps its output at every step.

    Parameters: gates * ((inputs + units) * units + bias), with one bias vector in Keras (two in its GRU,
    whose default is reset_after=True), and two in PyTorch and ONNX (for the input and for the state).
    """

    gates: ClassVar[int]
    keras_biases: ClassVar[int] = 1
    units: int = 1
    return_sequences: bool = False
    bidirectional: bool = False
    bias: bool = True

    def apply(self, given: Given) -> Step:
        """Walk along the first of two axes."""
        tensor = given.tensor
        if len(tensor.shape) != 2:
            axes = "x".join(map(str, tensor.shape))
            flat = f"{tensor.shape[0]}x{prod(tensor.shape[1:])}"
            raise MisfitError(
                f"takes (time, channels), and the tensor before it is {axes}",
                hints=(f"reshape:{flat}",)
                if len(tensor.shape) > 2
                else ("reshape:{}x1".format(*tensor.shape),),
            )
        time, channels = tensor.shape
        directions = 2 if self.bidirectional else 1
        biases = (self.keras_biases if given.framework is Framework.KERAS else 2) * self.bias
        weights = self.gates * (channels + self.units) * self.units
        params = weights + self.gates * biases * self.units
        width = directions * self.units
        bias = {0: "", 1: f" + {self.units}", 2: f" + 2*{self.units}"}[biases]
        return Step(
            type=self.type,
            input=tensor.shape,
            output=(time, width) if self.return_sequences else (width,),
            field=fields.whole(tensor.field, tensor.spatial),
            units=self.units,
            return_sequences=self.return_sequences,
            bidirectional=self.bidirectional or None,
            params=directions * params,
            macs=directions * weights * time,
            formula=(
                f"{time} steps of a cell with {self.gates} gate{'s' if self.gates > 1 else ''}",
                f"{'2*' if self.bidirectional else ''}{self.gates}*(({channels} + {self.units})*{self.units}"
                f"{bias}) = {directions * params} parameters",
            ),
        )


class LSTM(Recurrent, frozen=True):
    """Long short-term memory: input, forget and output gates and the cell's candidate."""

    type: ClassVar[str] = "lstm"
    gates: ClassVar[int] = 4


class GRU(Recurrent, frozen=True):
    """Gated recurrent unit: update and reset gates and the candidate."""

    type: ClassVar[str] = "gru"
    gates: ClassVar[int] = 3
    keras_biases: ClassVar[int] = 2


class RNN(Recurrent, frozen=True):
    """The plain cell: h = f(x W + h U + b)."""

    type: ClassVar[str] = "rnn"
    gates: ClassVar[int] = 1
