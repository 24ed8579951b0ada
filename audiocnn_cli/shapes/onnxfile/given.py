"""The sizes of inputs that a user gives: by axis, by the name of a free size, or by the input's name."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from audiocnn_cli.errors import UsageError
from audiocnn_cli.shapes.onnxfile.batch import Batch
from audiocnn_cli.shapes.onnxfile.free import Dims, Free, shown, symbols
from audiocnn_cli.shapes.onnxfile.infer import Inferred
from audiocnn_cli.shapes.onnxfile.order import evaluated
from audiocnn_cli.shapes.sizes import Sizes, naming, read_sizes, shorten, show_shape, type_sizes

_ASSIGNMENT = re.compile(r"^\s*(?P<name>[^=]+?)\s*=\s*(?P<value>[^=]+?)\s*$")


@dataclass(frozen=True)
class GivenSizes:
    """Shapes in the order of the inputs, shapes by the name of an input, and free sizes by name."""

    shapes: tuple[Sizes, ...] = ()
    by_name: tuple[tuple[str, Sizes], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.shapes or self.by_name)


def read_given(texts: Sequence[str]) -> GivenSizes:
    """Parse the texts of `input_shape`, each as 130x13, T=200, T=200,F=64 or state=2x1x128.

    Raises:
        UsageError: a part is none of these.
    """
    shapes: list[Sizes] = []
    by_name: list[tuple[str, Sizes]] = []
    for text in texts:
        with naming(f"`input_shape={text}`"):
            for part in text.split(",") if "=" in text else [text]:
                found = _ASSIGNMENT.match(part)
                if found:
                    by_name.append((found["name"], read_sizes(found["value"], least=0)))
                elif "=" in text:
                    raise UsageError(f"{part!r} is no NAME=SIZE")
                else:
                    shapes.append(read_sizes(part))
    return GivenSizes(tuple(shapes), tuple(by_name))


def given_dims(given: GivenSizes, inferred: Inferred, batch: Batch, first: frozenset[int]) -> dict[int, Dims]:
    """The sizes of each input, in the order of the graph, with those that are `given`.

    Raises:
        UsageError: a size does not fit the network, or a name is neither that of a free size nor of an input.
    """
    network = inferred.network
    inputs = {network.names[number]: number for number in network.block.inputs}
    found = {number: dims for number in inputs.values() if (dims := inferred.dims(number)) is not None}
    values = {name: sizes[0] for name, sizes in given.by_name if name not in inputs and len(sizes) == 1}
    free = dict.fromkeys(name for dims in found.values() for size in dims for name in symbols(size))
    named = [name for name in free if not name.startswith("?")]
    for name, sizes in given.by_name:
        if name not in inputs and (name not in named or len(sizes) != 1):
            choices = ", ".join([*named, *inputs])
            raise UsageError(f"`input_shape={name}={type_sizes(sizes)}`: the model has {choices}")
    if len(given.shapes) > len(inputs):
        raise UsageError(f"`input_shape`: {len(given.shapes)} shapes for {len(inputs)} inputs")
    shapes = [*zip(inputs.values(), given.shapes, strict=False)]
    shapes += [(inputs[name], sizes) for name, sizes in given.by_name if name in inputs]
    for number, sizes in shapes:
        dims = _fitted(sizes, number, inferred, batch, first)
        for have, size in zip(found.get(number, dims), dims, strict=True):
            if isinstance(have, Free) and isinstance(size, int) and len(have.terms) == 1:
                (product,) = have.terms
                if len(product) == 1 and isinstance(product[0], str) and not product[0].startswith("?"):
                    values.setdefault(product[0], size)
        found[number] = dims
    return {number: tuple(evaluated(size, values) for size in dims) for number, dims in found.items()}


def _fitted(given: Sizes, number: int, inferred: Inferred, batch: Batch, first: frozenset[int]) -> Dims:
    """The sizes of an input in the order of the graph.

    `given` has all axes in that order, or lacks the batch and has the channels last.
    """
    dims = inferred.dims(number)
    text = type_sizes(given)
    if dims is None:
        return given
    place = batch.places.get(number)
    at = place.axis if place is not None else None
    order = [axis for axis in range(len(dims)) if axis != at]
    if number in first and len(dims) > 2 and at in {0, None}:
        order = [*range(2, len(dims)), 1]
    candidates: list[Dims] = []
    for sizes in _with_channels(given, len(order)):
        output = list(dims)
        for axis, size in zip(order, sizes, strict=True):
            output[axis] = size
        candidates.append(tuple(output))
    if len(given) == len(dims):
        candidates.append(given)
    for candidate in candidates:
        if all(isinstance(have, Free) or have == size for have, size in zip(dims, candidate, strict=True)):
            return candidate
    shape = show_shape(shown(tuple(dims[axis] for axis in order)))
    if not candidates:
        raise UsageError(f"`input_shape={text}`: the input of the model is {shorten(shape, limit=80)}")
    pairs = zip(dims, candidates[0], strict=True)
    have = next(have for have, size in pairs if not isinstance(have, Free) and have != size)
    raise UsageError(f"`input_shape={text}`: the input of the model is {shape}, and {have} is fixed")


def _with_channels(given: Sizes, rank: int) -> list[Sizes]:
    """`given` with `rank` axes: a channel axis of 1 is added or removed; [] where that is not enough."""
    if len(given) == rank - 1:
        return [(*given, 1)]
    if len(given) == rank + 1 and given[-1] == 1:
        return [given[:-1]]
    return [given] if len(given) == rank else []
