"""Blocks of a stack file: layers written once, with numbers to fill in, and used many times.

    layers = ["conv:64@7x7/2,pad=3", { block = "basic", filters = 64, stride = 1, repeat = 2 }]
    [blocks]
    basic = ["conv:{filters}@3x3/{stride},pad=1", "relu", "conv:{filters}@3x3,pad=1", "add:in", "relu"]

Inside a block `in` is the layer before it, and a layer's name is seen only by the block's own layers.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec.structs import replace

from audiocnn_cli.errors import UsageError
from audiocnn_cli.shapes.grammar import read_layer, read_table
from audiocnn_cli.shapes.layers.merging import Merge
from audiocnn_cli.shapes.step import Layer
from audiocnn_cli.shapes.trace import INPUT, name_of

_ENTRANCE = "in"
_MOST_LAYERS = 10_000


def expand(entries: list[Any], blocks: object) -> tuple[Layer, ...]:
    """The layers of a stack file's `layers`, with every use of a block spelt out.

    Raises:
        UsageError: an entry or a block can't be read, or there are more than 10,000 layers.
    """
    if not isinstance(blocks, Mapping):
        raise UsageError("blocks must be a table of lists of layers")
    layers: list[Layer] = []
    for i, entry in enumerate(entries):
        where = f"layers[{i}]"
        if isinstance(entry, Mapping) and "block" in entry:
            for template, numbers in _uses(entry, blocks, where):
                layers += _block(template, numbers, layers, where)
                if len(layers) > _MOST_LAYERS:
                    raise UsageError(f"{where}: more than {_MOST_LAYERS:,} layers")
        else:
            layers.append(_layer(entry, where))
    return tuple(layers)


def _layer(entry: object, where: str) -> Layer:
    if isinstance(entry, str):
        return read_layer(entry)
    if isinstance(entry, Mapping):
        return read_table(entry, where=f"{where}.")
    raise UsageError(f"{where} is neither text like 'conv:32@3x3' nor a table")


def _uses(
    entry: Mapping[str, Any], blocks: Mapping[str, Any], where: str
) -> Iterator[tuple[list[str], dict[str, Any]]]:
    """The block's layers and the numbers for them, as often as `repeat` says."""
    numbers = dict(entry)
    name, repeat = numbers.pop("block"), numbers.pop("repeat", 1)
    template = blocks.get(name) if isinstance(name, str) else None
    if not isinstance(template, list) or not all(isinstance(text, str) for text in template):
        raise UsageError(f"{where}.block: there is no list of layers named {name!r} in blocks")
    if not isinstance(repeat, int) or not 1 <= repeat <= _MOST_LAYERS:
        raise UsageError(f"{where}.repeat: {repeat!r} is not from 1 to {_MOST_LAYERS:,}")
    for _ in range(repeat):
        yield template, numbers


def _block(
    template: list[str], numbers: dict[str, Any], before: list[Layer], where: str
) -> list[Layer]:
    """One use of a block after the layers `before`."""
    entrance = name_of(before[-1], len(before)) if before else INPUT
    layers = [read_layer(_fill(text, numbers, where)) for text in template]
    prefix = f"block{len(before) + 1}."
    names = {layer.name: prefix + layer.name for layer in layers if layer.name}
    names[_ENTRANCE] = entrance
    return [_renamed(layer, names) for layer in layers]


def _renamed(layer: Layer, names: Mapping[str, str]) -> Layer:
    layer = replace(
        layer,
        name=names[layer.name] if layer.name else None,
        source=names.get(layer.source, layer.source) if layer.source else None,
    )
    if isinstance(layer, Merge):
        layer = replace(layer, inputs=tuple(names.get(name, name) for name in layer.inputs))
    return layer


def _fill(text: str, numbers: Mapping[str, Any], where: str) -> str:
    for name, number in numbers.items():
        text = text.replace(f"{{{name}}}", str(number))
    if "{" in text:
        raise UsageError(f"{where}: {text!r} needs a number that is not given here")
    return text
