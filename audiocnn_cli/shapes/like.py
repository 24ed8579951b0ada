"""What the input is like: how many axes it has and what they are called."""

from collections.abc import Sequence
from enum import StrEnum

from audiocnn_cli.shapes.layers.convolution import Conv, ConvTranspose, Depthwise
from audiocnn_cli.shapes.layers.pointwise import Pointwise
from audiocnn_cli.shapes.layers.pooling import Pool
from audiocnn_cli.shapes.sizes import Sizes
from audiocnn_cli.shapes.step import Layer


class Like(StrEnum):
    """The kind of input."""

    SPECTROGRAM = "spectrogram"
    WAVEFORM = "waveform"
    IMAGE = "image"

    @property
    def axes(self) -> tuple[str, ...]:
        """The names of its axes beside the channels."""
        return {
            "spectrogram": ("time", "frequency"),
            "waveform": ("time",),
            "image": ("height", "width"),
        }[self.value]

    def axis_name(self, axis: int) -> str:
        """The name of an axis, counted from 0."""
        return self.axes[axis] if axis < len(self.axes) else f"axis {axis + 1}"


def with_channels(shape: Sizes, layers: Sequence[Layer], like: Like) -> Sizes:
    """`shape`, with the channel axis of size 1 that people leave out where the first layer needs one.

    130x13 before a 2-D convolution is 130x13x1, and 16000 before a 1-D one is 16000x1; before a dense or
    a recurrent layer 130x13 stays what it is.
    """
    first = next((layer for layer in layers if not isinstance(layer, Pointwise)), None)
    if not isinstance(first, Conv | ConvTranspose | Depthwise | Pool):
        return shape
    axes = getattr(first, "axes", None) or len(first.kernel)
    if axes == 1 and getattr(first, "axes", None) is None:
        axes = 1 if like is Like.WAVEFORM else min(2, len(shape))
    return (*shape, 1) if len(shape) == axes else shape
