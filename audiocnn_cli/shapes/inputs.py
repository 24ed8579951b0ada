"""The input shape of a stack: of a clip, with the channels that a layer needs, and without a batch."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from audiocnn_cli.errors import UsageError
from audiocnn_cli.shapes.choices import ClipRequest, Like
from audiocnn_cli.shapes.layers.convolution import ConvTranspose
from audiocnn_cli.shapes.layers.elementwise import Pointwise
from audiocnn_cli.shapes.layers.pooling import GlobalPool
from audiocnn_cli.shapes.layers.reshaping import Flatten
from audiocnn_cli.shapes.sizes import Sizes, type_sizes
from audiocnn_cli.shapes.stackfile import Architecture, architecture, read_stack
from audiocnn_cli.shapes.step import Layer
from audiocnn_cli.shapes.window import Windowed

_LEAST_WITH_BATCH = 4
_FEW_CHANNELS, _MANY_POSITIONS = 4, 16  # 3x224x224 is likely to have its channels first


def clip_request(
    request: ClipRequest, *, arch: str | None, file: Path | None, like: str | None
) -> tuple[ClipRequest, bool]:
    """The options of a clip for a stack, by default the stack's own, and whether it is a waveform.

    Raises:
        UsageError: there is no such stack, or its input is no audio.
    """
    stack = architecture(arch) if arch else read_stack(file) if file else None
    kind = like or (stack.like if stack else Like.SPECTROGRAM)
    if stack is None:
        return request, kind == Like.WAVEFORM
    if kind == Like.TOKENS:
        raise UsageError(f"{arch or file} takes tokens, not a clip; leave out `seconds` and `samples`")
    own: dict[str, Any] = dict(stack.clip)
    if request.n_mfcc or request.n_mels or request.stft:
        own = {name: value for name, value in own.items() if name not in {"n_mels", "n_mfcc"}}
    given = {name: value for name, value in vars(request).items() if value is not None and value is not False}
    return ClipRequest(**{**own, **given}), kind == Like.WAVEFORM


def clip_shape(shape: Sizes, stack: Architecture) -> Sizes:
    """The shape of a clip with the axes of the stack's own input.

    A stack whose input has no channels gets none, and a waveform the stack's channels (256 levels).
    """
    default = stack.input_shape
    if stack.like is Like.WAVEFORM:
        return (shape[0], *default[1:])
    return shape[:-1] if len(default) < len(shape) else shape


def with_channels(shape: Sizes, layers: tuple[Layer, ...], like: Like) -> Sizes:
    """`shape`, with a channel axis of 1 added where the first layer needs one.

    130x13 before a 2-D convolution is 130x13x1, and 16000 before a 1-D one is 16000x1; before a dense or
    a recurrent layer 130x13 is kept.
    """
    first = first_layer(layers)
    if not isinstance(first, Windowed | ConvTranspose):
        return shape
    axes = first.axes or len(first.kernel)
    if axes == 1 and first.axes is None:
        axes = 1 if like is Like.WAVEFORM else min(2, len(shape))
    return (*shape, 1) if len(shape) == axes else shape


def first_layer(layers: Sequence[Layer]) -> Layer | None:
    """The first layer that is not elementwise."""
    return next((layer for layer in layers if not isinstance(layer, Pointwise)), None)


def check_batch(shape: Sizes, stack: Architecture) -> None:
    """Check that `shape` has no batch before it: 32x130x13x1 for a stack of images.

    Raises:
        UsageError: it has one size too many for the stack's first layer; the message has both readings.
    """
    first, given = first_layer(stack.layers), type_sizes(shape)
    least = _LEAST_WITH_BATCH
    if stack.input_shape:
        volume, least = False, len(stack.input_shape) + 1
    elif isinstance(first, Windowed | ConvTranspose):
        axes = first.axes or (len(first.kernel) if len(first.kernel) > 1 else None)
        volume, least = axes == 3, least if axes is None else axes + 2
    else:
        volume = not isinstance(first, Flatten | GlobalPool)
    if len(shape) < least or (volume and len(shape) == _LEAST_WITH_BATCH):
        return
    rest = shape[1:]
    if len(rest) > 2 and rest[0] < min(rest[1:]):  # PyTorch's order, channels first
        rest = (*rest[1:], rest[0])
    reading = (
        ""
        if stack.input_shape
        else "; if it is no batch, name the axes of the layer (conv3d) or reshape first"
    )
    raise UsageError(
        f"`input_shape={given}` has {len(shape)} sizes, and the stack takes {least - 1}: leave out the batch"
        f" of {shape[0]}, channels last, `input_shape={type_sizes(rest)}`{reading}"
    )


def channels_first_note(shape: Sizes) -> str | None:
    """A note where `shape` is likely to have the channels first, (C, H, W); None for others."""
    if len(shape) < 3 or shape[0] > _FEW_CHANNELS or min(shape[1:]) < _MANY_POSITIONS:
        return None
    last = type_sizes((*shape[1:], shape[0]))
    return f"{type_sizes(shape)} has {shape[-1]} channels; (C, H, W) is `input_shape={last}` here"
