"""What would mend a stack that collapses: the smallest changes, each checked by running it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from audiocnn_cli.errors import UsageError
from audiocnn_cli.shapes.framework import Framework
from audiocnn_cli.shapes.grammar import read_layer, show_layer
from audiocnn_cli.shapes.layers.convolution import Conv, Depthwise
from audiocnn_cli.shapes.layers.pooling import Pool
from audiocnn_cli.shapes.like import Like
from audiocnn_cli.shapes.sizes import Sizes, smallest, type_sizes
from audiocnn_cli.shapes.step import Layer, ShapeError
from audiocnn_cli.shapes.trace import trace
from audiocnn_cli.shapes.window import Padding

_LONGEST_INPUT = 1 << 40


@dataclass(frozen=True)
class Mend:
    """A change that makes the stack run: in words, and the whole stack and input after it."""

    text: str
    layers: tuple[Layer, ...]
    input_shape: Sizes
    words: tuple[str, ...] = ()

    @property
    def typed(self) -> tuple[str, ...]:
        """The stack as it is typed: `words` where it is no list of layers."""
        return self.words or tuple(map(show_layer, self.layers))


def mends(
    error: ShapeError,
    layers: Sequence[Layer],
    input_shape: Sizes,
    *,
    framework: Framework,
    like: Like,
) -> tuple[Mend, ...]:
    """The smallest mends of the collapse that `error` reports, each of which runs from end to end."""

    def runs(mend: Mend) -> bool:
        try:
            trace(mend.layers, mend.input_shape, framework=framework, compare=False)
        except (ShapeError, UsageError):
            return False
        return True

    stack = tuple(layers)
    kinds = _kinds(error, stack, input_shape, like, runs)
    found = (next(filter(runs, candidates), None) for candidates in kinds)
    return tuple(mend for mend in found if mend)


def _kinds(
    error: ShapeError,
    layers: tuple[Layer, ...],
    shape: Sizes,
    like: Like,
    runs: Callable[[Mend], bool],
) -> Iterator[Iterator[Mend]]:
    """Kinds of mends; of each the first that runs is wanted, so the smallest change comes first."""
    if error.axis is None:
        for hint in error.hints:
            yield _hinted(hint, error, layers, shape)
        return
    axis, index = error.axis, error.number - 1
    name = like.axis_name(axis)
    rank = len(error.tensor.spatial)
    if isinstance(error.layer, Conv | Depthwise | Pool):
        for changed, what in _own(error.layer, error, axis, name):
            yield iter([_with(layers, shape, index, changed, what)])
    before = list(reversed(list(enumerate(layers[:index]))))
    yield (_with(layers, shape, i, *gentler) for i, layer in before for gentler in _padded(layer))
    yield (
        _with(layers, shape, i, *gentler)
        for i, layer in before
        for gentler in _slower(layer, axis, name, rank)
    )
    yield (
        Mend(f"without layer {i + 1}, {show_layer(layer)}", layers[:i] + layers[i + 1 :], shape)
        for i, layer in before
        if isinstance(layer, Pool) and layer.name is None
    )
    yield _longer(layers, shape, axis, name, runs)


def _hinted(
    hint: str, error: ShapeError, layers: tuple[Layer, ...], shape: Sizes
) -> Iterator[Mend]:
    """A hint is an option to change ('groups=4') or a layer to put before ('reshape:130x13')."""
    index = error.number - 1
    field, equals, value = hint.partition("=")
    if equals:
        changed = replace(error.layer, **{field: int(value)})
        yield _with(layers, shape, index, changed, f"{value} {field}")
    else:
        before = (*layers[:index], read_layer(hint), *layers[index:])
        yield Mend(f"{hint} before layer {error.number}", before, shape)


def _with(layers: tuple[Layer, ...], shape: Sizes, index: int, layer: Layer, what: str) -> Mend:
    text = f"{show_layer(layer)} as layer {index + 1} ({what})"
    return Mend(text, (*layers[:index], layer, *layers[index + 1 :]), shape)


def _own(
    layer: Conv | Depthwise | Pool, error: ShapeError, axis: int, name: str
) -> Iterator[tuple[Layer, str]]:
    """Changes to the layer that fails: a smaller kernel, less dilation, padding."""
    rank = len(error.tensor.spatial)
    kernel = _spread(layer.kernel, rank)
    dilation = _spread(layer.dilation, rank)
    before, after = layer.padding.resolve(axis, rank, size=1, effective_kernel=1, stride=1)
    padded = error.tensor.spatial[axis] + before + after
    fitting = (padded - 1) // dilation[axis] + 1
    if fitting < kernel[axis]:
        sizes = _set(kernel, axis, fitting)
        keep = {"stride": layer.stride or kernel} if isinstance(layer, Pool) else {}
        what = f"a kernel of {fitting} on the {name} axis"
        yield replace(layer, kernel=sizes, **keep), what
    if dilation[axis] > 1 and kernel[axis] > 1 and (least := (padded - 1) // (kernel[axis] - 1)):
        changed = replace(layer, dilation=_set(dilation, axis, least))
        yield changed, f"a dilation of {least} on the {name} axis"
    yield replace(layer, padding=Padding("same")), "same padding"


def _slower(layer: Layer, axis: int, name: str, rank: int) -> Iterator[tuple[Layer, str]]:
    """An earlier layer with a stride of 1 on the axis."""
    if not isinstance(layer, Conv | Depthwise | Pool):
        return
    stride = _spread(layer.stride or layer.kernel, rank)
    if stride[axis] > 1:
        yield replace(layer, stride=_set(stride, axis, 1)), f"a stride of 1 on the {name} axis"


def _padded(layer: Layer) -> Iterator[tuple[Layer, str]]:
    """An earlier layer with same padding."""
    if isinstance(layer, Conv | Depthwise | Pool) and layer.padding.mode == "valid":
        yield replace(layer, padding=Padding("same")), "same padding"


def _longer(
    layers: tuple[Layer, ...], shape: Sizes, axis: int, name: str, runs: Callable[[Mend], bool]
) -> Iterator[Mend]:
    """The smallest input that gets through, found by doubling and halving."""

    def mend(size: int) -> Mend:
        longer = _set(shape, axis, size)
        return Mend(f"--input {type_sizes(longer)} ({size} on the {name} axis)", layers, longer)

    if axis >= len(shape) - 1:
        return
    low, high = shape[axis], shape[axis] * 2
    while not runs(mend(high)):
        low, high = high, high * 2
        if high > _LONGEST_INPUT:
            return
    yield mend(smallest(low, high, lambda size: runs(mend(size))))


def _spread(sizes: Sizes, rank: int) -> Sizes:
    return sizes * rank if len(sizes) == 1 else sizes


def _set(sizes: Sizes, axis: int, size: int) -> Sizes:
    return (*sizes[:axis], size, *sizes[axis + 1 :])
