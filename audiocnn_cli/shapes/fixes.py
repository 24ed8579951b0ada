"""Fixes for a stack that collapses: the smallest changes, each checked by running the whole stack."""

from collections.abc import Callable, Iterator

from msgspec.structs import replace

from audiocnn_cli.shapes.choices import Like
from audiocnn_cli.shapes.grammar import read_layer, show_layer
from audiocnn_cli.shapes.layers.dense import Recurrent
from audiocnn_cli.shapes.layers.pooling import Pool
from audiocnn_cli.shapes.report import Fix
from audiocnn_cli.shapes.sizes import Sizes, smallest, type_sizes
from audiocnn_cli.shapes.stackfile import Architecture
from audiocnn_cli.shapes.step import Layer, ShapeError
from audiocnn_cli.shapes.trace import runs
from audiocnn_cli.shapes.vocabulary import READERS
from audiocnn_cli.shapes.window import Padding, Windowed, per_axis

_LONGEST_INPUT = 1 << 40
_FEW_CHANNELS = 4


def find_fixes(error: ShapeError, stack: Architecture) -> tuple[Fix, ...]:
    """The smallest fix of each kind for the collapse of `stack` with `error`; each runs from end to end."""
    found = (
        next((fix for fix in kind if runs(fix.layers, fix.input_shape, stack.framework)), None)
        for kind in _candidates(error, stack)
    )
    return tuple(fix for fix in found if fix)


def _candidates(error: ShapeError, stack: Architecture) -> Iterator[Iterator[Fix]]:
    """An iterator for each kind of fix, the smallest change first."""
    layers, shape, at = stack.layers, stack.input_shape, error.number - 1

    def changed(index: int, layer: Layer, what: str) -> Fix:
        text = f"{show_layer(layer)} as layer {index + 1} ({what})"
        return Fix(text, (*layers[:index], layer, *layers[index + 1 :]), shape)

    if len(shape) > 2 and shape[0] <= _FEW_CHANNELS < min(shape[1:]):
        last = (*shape[1:], shape[0])
        yield iter([Fix(f"an input of {type_sizes(last)} (channels last)", layers, last)])
    if isinstance(error.layer, Recurrent) and len(shape) > 2 and error.tensor.shape == shape:
        yield iter([Fix(f"an input of {type_sizes(shape[1:])} (without the batch)", layers, shape[1:])])
    if error.axis is None:
        for hint in error.hints:  # an option to change, or a layer to insert before
            option, equals, value = hint.partition("=")
            if equals:
                layer = replace(error.layer, **{option: READERS[option](value)})
                yield iter([changed(at, layer, f"{option} {value}")])
            else:
                inserted = (*layers[:at], read_layer(hint), *layers[at:])
                yield iter([Fix(f"{hint} before layer {error.number}", inserted, shape)])
        return
    axis, rank = error.axis, len(error.tensor.spatial)
    name = stack.like.axis_name(axis)
    if isinstance(error.layer, Windowed):
        for change in _at_the_layer(error.layer, error, axis, name):
            yield iter([changed(at, *change)])
    before = list(reversed(list(enumerate(layers[:at]))))
    windows = [(i, layer) for i, layer in before if isinstance(layer, Windowed)]
    yield (
        changed(i, replace(layer, padding=Padding("same")), "same padding")
        for i, layer in windows
        if layer.padding.mode == "valid"
    )
    yield (
        changed(i, replace(layer, stride=set_axis(stride, axis, 1)), f"a stride of 1 on the {name} axis")
        for i, layer in windows
        if (stride := per_axis(layer.sliding.stride, rank, "stride"))[axis] > 1
    )
    yield (
        Fix(f"without layer {i + 1}, {show_layer(layer)}", layers[:i] + layers[i + 1 :], shape)
        for i, layer in before
        if isinstance(layer, Pool) and layer.name is None
    )
    if axis < len(shape) - 1:
        size = smallest_input(shape, axis, lambda longer: runs(layers, longer, stack.framework))
        if size:
            yield iter([longer_input(Fix("", layers, shape), axis, size, stack.like)])


def smallest_input(
    shape: Sizes, axis: int, runs: Callable[[Sizes], bool], *, limit: int = _LONGEST_INPUT
) -> int | None:
    """The smallest size of `axis` above that of `shape` that runs; None if none up to `limit` does."""
    low, high = shape[axis], shape[axis] * 2
    while not runs(set_axis(shape, axis, high)):
        low, high = high, high * 2
        if high > limit:
            return None
    return smallest(low, high, lambda size: runs(set_axis(shape, axis, size)))


def longer_input(stack: Fix, axis: int, size: int, like: Like) -> Fix:
    """`stack`, with `size` on `axis` of its input."""
    longer = set_axis(stack.input_shape, axis, size)
    text = f"an input of {type_sizes(longer)} ({size} on the {like.axis_name(axis)} axis)"
    return Fix(text, stack.layers, longer, stack.arguments)


def _at_the_layer(layer: Windowed, error: ShapeError, axis: int, name: str) -> Iterator[tuple[Layer, str]]:
    """Changes to the layer that fails: a smaller kernel, less dilation, padding."""
    rank = len(error.tensor.spatial)
    kernel = per_axis(layer.kernel, rank, "kernel")
    dilation = per_axis(layer.dilation, rank, "dilation")
    before, after = layer.padding.resolve(axis, rank, size=1, effective_kernel=1, stride=1)
    padded = error.tensor.spatial[axis] + before + after
    fitting = (padded - 1) // dilation[axis] + 1
    if fitting < kernel[axis]:
        sizes = set_axis(kernel, axis, fitting)
        keep = {"stride": layer.stride or kernel} if isinstance(layer, Pool) else {}
        what = f"a kernel of {fitting} on the {name} axis"
        yield replace(layer, kernel=sizes, **keep), what
    if dilation[axis] > 1 and kernel[axis] > 1 and (least := (padded - 1) // (kernel[axis] - 1)):
        changed = replace(layer, dilation=set_axis(dilation, axis, least))
        yield changed, f"a dilation of {least} on the {name} axis"
    yield replace(layer, padding=Padding("same")), "same padding"


def set_axis(sizes: Sizes, axis: int, size: int) -> Sizes:
    """`sizes` with `size` on `axis`."""
    return (*sizes[:axis], size, *sizes[axis + 1 :])
