"""Layers that leave the shape as it is: activations, normalisation, dropout."""

from typing import ClassVar

from audiocnn_cli.shapes.step import Given, Layer, Step

ACTIVATIONS = (
    "relu", "relu6", "leakyrelu", "elu", "selu", "gelu", "silu", "hardswish", "hardsigmoid", "sigmoid",
    "tanh", "softplus", "mish", "softmax", "logsoftmax", "linear",
)  # fmt: skip


class Pointwise(Layer, frozen=True):
    """Each element becomes another at the same place."""

    def apply(self, given: Given) -> Step:
        """The shape stays."""
        tensor = given.tensor
        return Step(type=self.type, input=tensor.shape, output=tensor.shape, field=tensor.field)


class Activation(Pointwise, frozen=True):
    """A non-linearity of its own, after a layer that has none."""

    type: ClassVar[str] = "activation"
    activation: str = "relu"

    @property
    def kind(self) -> str:
        """The function's name."""
        return self.activation

    def apply(self, given: Given) -> Step:
        """The shape stays."""
        tensor = given.tensor
        return Step(
            type=self.activation,
            input=tensor.shape,
            output=tensor.shape,
            field=tensor.field,
            activation=self.activation,
        )


class Dropout(Pointwise, frozen=True):
    """Training sets a share of `rate` elements to zero; inference passes all."""

    type: ClassVar[str] = "dropout"
    rate: float = 0.5

    def apply(self, given: Given) -> Step:
        """The shape stays."""
        tensor = given.tensor
        return Step(
            type=self.type,
            input=tensor.shape,
            output=tensor.shape,
            field=tensor.field,
            rate=self.rate,
        )


class BatchNorm(Pointwise, frozen=True):
    """A scale and a shift a channel, trained, and a running mean and variance, kept but not trained."""

    type: ClassVar[str] = "batchnorm"
    activation: str | None = None

    def apply(self, given: Given) -> Step:
        """The shape stays."""
        tensor = given.tensor
        channels = tensor.channels
        return Step(
            type=self.type,
            input=tensor.shape,
            output=tensor.shape,
            field=tensor.field,
            activation=self.activation,
            params=2 * channels,
            fixed_params=2 * channels,
            formula=(f"2*{channels} = {2 * channels} parameters, and as many running statistics",),
        )


class LayerNorm(Pointwise, frozen=True):
    """A scale and a shift a channel, after each position was normalised (Ba et al., arXiv:1607.06450)."""

    type: ClassVar[str] = "layernorm"

    def apply(self, given: Given) -> Step:
        """The shape stays."""
        channels = given.tensor.channels
        return Step(
            type=self.type,
            input=given.tensor.shape,
            output=given.tensor.shape,
            field=given.tensor.field,
            params=2 * channels,
            formula=(f"2*{channels} = {2 * channels} parameters",),
        )
