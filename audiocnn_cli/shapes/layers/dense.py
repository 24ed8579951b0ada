"""Dense layers, and the recurrent and transformer layers that are made of them."""

from math import prod
from typing import Any, ClassVar

from audiocnn_cli.shapes import receptive_field as fields
from audiocnn_cli.shapes.choices import Framework
from audiocnn_cli.shapes.layers.convolution import convolved, params_formula
from audiocnn_cli.shapes.sizes import Sizes, type_sizes
from audiocnn_cli.shapes.step import Layer, LayerInput, MisfitError, Tensor
from audiocnn_cli.shapes.window import Sliding


class Dense(Layer, frozen=True):
    """`units` weighted sums of the last axis, at every position of the other axes."""

    units: int = 1
    bias: bool = True
    activation: str | None = None

    def _step(self, given: LayerInput) -> dict[str, Any]:
        tensor = given.tensor
        weights, biases = tensor.channels * self.units, self.units * self.bias
        return {
            "output": (*tensor.spatial, self.units),
            # Each unit depends on all elements of a vector, so on all that they depend on.
            "field": tensor.field if tensor.spatial else fields.whole(tensor.field, ()),
            "params": weights + biases,
            "macs": weights * prod(tensor.spatial),
            "formula": (params_formula((tensor.channels, self.units), biases),),
        }


class Recurrent(Layer, frozen=True):
    """A recurrent cell applied along time; `return_sequences` keeps its output at every step.

    Parameters: gates * ((inputs + units) * units + bias), with one bias vector in Keras (two in its GRU,
    whose default is reset_after=True), and two in PyTorch and ONNX (for the input and for the state).
    """

    gates: ClassVar[int]
    keras_biases: ClassVar[int] = 1
    units: int = 1
    return_sequences: bool = False
    bidirectional: bool = False
    bias: bool = True

    def _step(self, given: LayerInput) -> dict[str, Any]:
        shape = given.tensor.shape
        if len(shape) != 2:
            flat = f"{shape[0]}x{prod(shape[1:])}" if len(shape) > 2 else f"{shape[0]}x1"
            raise MisfitError(
                f"needs an input of (time, channels) without the batch, and its input is {type_sizes(shape)}",
                hints=(f"reshape:{flat}",),
            )
        time, channels = shape
        directions = 2 if self.bidirectional else 1
        biases = self._biases(given.framework) * self.bias
        weights = self.gates * (channels + self.units) * self.units
        params = directions * (weights + self.gates * biases * self.units)
        width = directions * self.units
        bias = {0: "", 1: f" + {self.units}", 2: f" + 2*{self.units}"}[biases]
        factors = f"{'2*' if self.bidirectional else ''}{self.gates}"
        return {
            "output": (time, width) if self.return_sequences else (width,),
            "field": fields.whole(given.tensor.field, given.tensor.spatial),
            "bidirectional": self.bidirectional or None,
            "params": params,
            "macs": directions * weights * time,
            "formula": (
                f"{time} steps of a cell with {self.gates} gate{'s' if self.gates > 1 else ''}",
                f"{factors}*(({channels} + {self.units})*{self.units}{bias}) = {params} parameters",
            ),
        }

    def _biases(self, framework: Framework) -> int:
        """The bias vectors of each gate."""
        return self.keras_biases if framework is Framework.KERAS else 2


class LSTM(Recurrent, frozen=True):
    """Long short-term memory: input, forget and output gates and a candidate for the cell state."""

    gates: ClassVar[int] = 4


class GRU(Recurrent, frozen=True):
    """Gated recurrent unit: update and reset gates and a candidate for the state.

    With `reset_after=no` Keras resets the state before its product, which takes one bias vector only.
    """

    gates: ClassVar[int] = 3
    keras_biases: ClassVar[int] = 2
    reset_after: bool = True

    @property
    def unsupported(self) -> dict[Framework, str]:
        """PyTorch resets the state after its product."""
        return {} if self.reset_after else {Framework.TORCH: "has no reset_after=no"}

    def _biases(self, framework: Framework) -> int:
        return super()._biases(framework) if self.reset_after else 1


class RNN(Recurrent, frozen=True):
    """A simple recurrent cell: h = f(x W + h U + b)."""

    gates: ClassVar[int] = 1


class Patches(Layer, frozen=True):
    """Embeds patches of `kernel` in `filters` numbers each: (patches, filters) (arXiv:2010.11929)."""

    filters: int = 1
    kernel: Sizes = (16,)
    bias: bool = True

    def _step(self, given: LayerInput) -> dict[str, Any]:
        sliding = Sliding(self.kernel, self.kernel)
        step = convolved(given, sliding, self.filters, bias=self.bias)
        grid = step["output"][:-1]
        return step | {
            "output": (prod(grid), self.filters),
            "field": fields.unaligned(step["field"], grid),
            "formula": (*step["formula"], f"{'*'.join(map(str, grid))} = {prod(grid)} patches"),
        }


class Token(Layer, frozen=True):
    """Prepends one trained vector to the sequence: the class token of a vision transformer."""

    def _step(self, given: LayerInput) -> dict[str, Any]:
        length, channels = _sequence(given.tensor)
        return {
            "output": (length + 1, channels),
            "params": channels,
            "formula": (f"{length} + 1 = {length + 1}", f"{channels} parameters"),
        }


class Position(Layer, frozen=True):
    """Adds a trained vector to each position: a learned position embedding of `length` positions.

    Without a length there is one for each position of the input.
    """

    length: int | None = None

    def _step(self, given: LayerInput) -> dict[str, Any]:
        length, channels = _sequence(given.tensor)
        if self.length is not None and length > self.length:
            raise MisfitError(f"has {self.length} positions, and its input {length}", axis=0)
        size = (self.length or length, channels)
        formula = (params_formula(size, 0),)
        return {"params": prod(size), "formula": formula}


class Attention(Layer, frozen=True):
    """Multi-head self-attention over a sequence (Vaswani et al., arXiv:1706.03762).

    Four projections of channels x channels (query, key, value, output), split among the heads. `causal`: each
    position depends on those up to it. `relative`: positions by their distances, with a further projection
    and two vectors (Dai et al., arXiv:1901.02860).
    """

    heads: int = 1
    bias: bool = True
    causal: bool = False
    relative: bool = False

    @property
    def unsupported(self) -> dict[Framework, str]:
        """None has relative positions as a layer."""
        return dict.fromkeys(Framework, "has no relative positions in its attention") if self.relative else {}

    def _step(self, given: LayerInput) -> dict[str, Any]:
        length, channels = _sequence(given.tensor)
        if channels % self.heads:
            raise MisfitError(f"{self.heads} heads do not divide the {channels} channels")
        weights = 4 * channels * channels
        params = weights + 4 * channels * self.bias
        macs = length * weights + 2 * length * length * channels
        bias = f" + {channels}" if self.bias else ""
        formula = f"4*({channels}*{channels}{bias})"
        if self.relative:  # 2 n - 1 distances are projected, and compared with every query
            params += channels * channels + 2 * channels
            macs += (2 * length - 1) * channels * (channels + length)
            formula += f" + {channels}*{channels} + 2*{channels}"
        return {
            "field": fields.whole(given.tensor.field, given.tensor.spatial),
            "params": params,
            "macs": macs,
            "formula": (
                f"{self.heads} heads of {channels // self.heads}, {length}*{length} weights each",
                f"{formula} = {params} parameters",
            ),
        }


class Select(Layer, frozen=True):
    """Keeps one position of a sequence, counted from 0."""

    index: int = 0

    def _step(self, given: LayerInput) -> dict[str, Any]:
        length, channels = _sequence(given.tensor)
        if self.index >= length:
            raise MisfitError(f"there is no position {self.index} in a sequence of {length}", axis=0)
        field = fields.unaligned(given.tensor.field, (1,))
        return {"output": (channels,), "field": field}


def _sequence(tensor: Tensor) -> tuple[int, int]:
    """The length and the channels of a sequence; other tensors don't fit."""
    if len(tensor.shape) != 2:
        raise MisfitError(
            f"needs a sequence (positions, channels), and its input is {type_sizes(tensor.shape)}",
            hints=(f"reshape:{prod(tensor.spatial)}x{tensor.channels}",),
        )
    length, channels = tensor.shape
    return length, channels
