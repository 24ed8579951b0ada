"""Layers of sequences of tokens and of rows of pixels: embeddings, and the recurrent layer of PixelRNN."""

from math import prod
from typing import Any

from audiocnn_cli.shapes import receptive_field as fields
from audiocnn_cli.shapes.choices import Framework
from audiocnn_cli.shapes.sizes import Sizes
from audiocnn_cli.shapes.step import Layer, LayerInput
from audiocnn_cli.shapes.window import axes_of


class Embedding(Layer, frozen=True):
    """A trained vector for each of the numbers of its input; `table` is (vocabulary, dimension)."""

    table: Sizes = (1, 1)

    def _step(self, given: LayerInput) -> dict[str, Any]:
        shape = given.tensor.shape
        vocabulary, dimension = self.table
        params = vocabulary * dimension
        # Each number of the input is a position, the last axis too.
        field = given.tensor.field if len(shape) > 1 else fields.input_field((*shape, dimension))
        return {
            "output": (*shape, dimension),
            "field": field,
            "params": params,
            "formula": (f"{vocabulary}*{dimension} = {params} parameters",),
        }


class DiagonalLSTM(Layer, frozen=True):
    """The Diagonal BiLSTM of PixelRNN (van den Oord et al., arXiv:1601.06759, section 3.2).

    In each of two directions a 1x1 convolution of the input and a 2x1 convolution of the state, both to the
    four gates, with one bias; the states of both directions are added.
    """

    units: int = 1
    bias: bool = True

    @property
    def unsupported(self) -> dict[Framework, str]:
        """It has no layer in any framework."""
        return dict.fromkeys(Framework, "has no such layer")

    def _step(self, given: LayerInput) -> dict[str, Any]:
        tensor, units = given.tensor, self.units
        axes_of(tensor.spatial, 2)
        weights = 2 * 4 * units * (tensor.channels + 2 * units)
        params = weights + 2 * 4 * units * self.bias
        bias = " + 1" if self.bias else ""
        return {
            "output": (*tensor.spatial, units),
            "field": fields.whole(tensor.field, tensor.spatial),
            "params": params,
            "macs": weights * prod(tensor.spatial),
            "formula": (f"2*4*{units}*({tensor.channels} + 2*{units}{bias}) = {params} parameters",),
        }
