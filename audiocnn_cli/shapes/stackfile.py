"""Stacks of layers as TOML files: the named architectures, and the files of users.

    title = "..."                                   # also: paper, framework, like, params, aliases, note
    input = "130x13x1"
    layers = ["conv:64@7x7/2,pad=3", { block = "basic", filters = 64, stride = 1, repeat = 2 }]
    [blocks]
    basic = ["conv:{filters}@3x3/{stride},pad=1", "relu", "conv:{filters}@3x3,pad=1", "add:in", "relu"]

A block is a list of layers with numbers to fill in. Inside it `in` is the layer before the block, and the
name of a layer is visible to the block's own layers only, unless it is in the table `outputs` of the entry,
which gives it a name for the layers after the block. `variant` has a text and other blocks: the same layers,
as other sources build them. `clip` has the options by which a recording becomes the input.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache
from itertools import repeat
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from audiocnn_cli.errors import UsageError
from audiocnn_cli.shapes.choices import (
    ARCHITECTURES,
    Choice,
    Framework,
    Like,
    architecture_names,
    read_choice,
)
from audiocnn_cli.shapes.grammar import read_layer, read_table
from audiocnn_cli.shapes.layers.elementwise import Merge
from audiocnn_cli.shapes.sizes import Sizes, naming, read_input, read_size, shorten, type_sizes
from audiocnn_cli.shapes.step import Layer
from audiocnn_cli.shapes.trace import INPUT, name_of

_LARGEST_FILE = 1 << 20  # bytes
_MOST_LAYERS = 10_000
_KEYS = (
    "aliases", "blocks", "clip", "framework", "input", "layers", "like", "note", "paper", "params", "title",
    "variant",
)  # fmt: skip
_CLIP_KEYS = ("sample_rate", "hop_length", "n_fft", "n_mfcc", "n_mels")


@dataclass(frozen=True)
class Architecture:
    """A stack: its layers in order, its default input shape (channels last), and its source.

    `params` is the published number of trainable parameters, None where there is none. `note` is about its
    figures. `variant` is a text and the layers as other sources build them. `clip` has options of a clip.
    """

    name: str
    input_shape: Sizes
    layers: tuple[Layer, ...]
    title: str = ""
    paper: str = ""
    framework: Framework = Framework.KERAS
    like: Like = Like.SPECTROGRAM
    params: int | None = None
    aliases: tuple[str, ...] = ()
    note: str = ""
    variant: tuple[str, tuple[Layer, ...]] | None = None
    clip: Mapping[str, int] = field(default_factory=dict)


@cache
def architecture(name: str) -> Architecture:
    """Read the architecture of that name, or of one of its aliases; case and hyphens do not matter.

    Raises:
        UsageError: there is none; the message lists all names.
    """
    found = architecture_name(name)
    if found is None:
        near = get_close_matches(_plain(name), architecture_names(), n=3)
        hint = f"did you mean {' or '.join(near)}? The names are" if near else "one of"
        raise UsageError(f"unknown architecture {shorten(name)!r}; {hint} {', '.join(architecture_names())}")
    return read_stack(ARCHITECTURES / f"{found}.toml")


def architecture_name(name: str) -> str | None:
    """The architecture that has `name` or an alias like it; None where there is none."""
    wanted = _plain(name)
    names = {_plain(each): each for each in architecture_names()}
    if wanted in names:
        return names[wanted]
    import tomllib  # only files need it

    for each in architecture_names():  # the aliases are in the files
        aliases = tomllib.loads((ARCHITECTURES / f"{each}.toml").read_text("utf-8")).get("aliases", ())
        if wanted in map(_plain, aliases):
            return each
    return None


def _plain(name: str) -> str:
    """Letters and digits, in lower case."""
    return "".join(filter(str.isalnum, name)).lower()


def read_stack(path: Path) -> Architecture:
    """Read the stack in the TOML file at `path`.

    Raises:
        UsageError: the file can't be read, or is not a valid stack.
    """
    import tomllib

    try:
        with path.open("rb") as stream:
            content = stream.read(_LARGEST_FILE + 1)
        if len(content) > _LARGEST_FILE:
            raise UsageError(f"{path}: is larger than 1 MiB, the limit for a stack file")
        document = tomllib.loads(content.decode())
    except OSError as error:
        raise UsageError(f"{path}: can't be read ({error.strerror})") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(f"{path}: is not valid TOML ({error})") from error
    with naming(path):
        return _architecture(path.stem, document)


def _architecture(name: str, document: Mapping[str, Any]) -> Architecture:
    if unknown := sorted(set(document).difference(_KEYS)):
        raise UsageError(f"unknown key {unknown[0]!r}; the keys are {', '.join(_KEYS)}")
    entries = document.get("layers")
    if not isinstance(entries, list) or not entries:
        raise UsageError("layers must be a list of at least one layer")
    if "input" not in document:
        raise UsageError('input is missing; give input = "130x13x1"')
    value = document["input"]
    with naming("input"):
        input_shape = read_input(type_sizes(tuple(value)) if isinstance(value, list) else str(value))
    blocks = document.get("blocks", {})
    return Architecture(
        name=name,
        input_shape=input_shape,
        layers=_expand(entries, blocks),
        title=_text(document, "title"),
        paper=_text(document, "paper"),
        framework=_choice(document, "framework", Framework.KERAS),
        like=_choice(document, "like", Like.SPECTROGRAM),
        params=read_size(str(document["params"])) if "params" in document else None,
        aliases=_aliases(document),
        note=_text(document, "note"),
        variant=_variant(document, entries, blocks),
        clip=_clip(document),
    )


def _aliases(document: Mapping[str, Any]) -> tuple[str, ...]:
    value = document.get("aliases", [])
    if not isinstance(value, list) or not all(isinstance(alias, str) for alias in value):
        raise UsageError("aliases must be a list of names")
    return tuple(value)


def _clip(document: Mapping[str, Any]) -> Mapping[str, int]:
    found = _table(document, "clip")
    for key, value in found.items():
        if key not in _CLIP_KEYS or not isinstance(value, int):
            raise UsageError(
                f"clip: {key} = {value!r} is none of {', '.join(_CLIP_KEYS)} with a whole number"
            )
    return found


def _table(document: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = document.get(key, {})
    if not isinstance(value, Mapping):
        raise UsageError(f"{key} must be a table")
    return value


def _variant(
    document: Mapping[str, Any], entries: list[Any], blocks: object
) -> tuple[str, tuple[Layer, ...]] | None:
    """The text and the layers of the variant; None without one."""
    found = _table(document, "variant")
    if not found:
        return None
    if not isinstance(blocks, Mapping):
        raise UsageError("blocks must be a table of lists of layers")
    with naming("variant"):
        return _text(found, "text"), _expand(entries, {**blocks, **_table(found, "blocks")})


def _text(document: Mapping[str, Any], key: str) -> str:
    value = document.get(key, "")
    if not isinstance(value, str):
        raise UsageError(f"{key} must be text")
    return value


def _choice(document: Mapping[str, Any], key: str, default: Choice) -> Choice:
    value = document.get(key, default)
    return read_choice(f"{key} = {value!r}", value, type(default))


def _expand(entries: list[Any], blocks: object) -> tuple[Layer, ...]:
    """The layers of `entries`, with every use of a block replaced by its layers."""
    if not isinstance(blocks, Mapping):
        raise UsageError("blocks must be a table of lists of layers")
    layers: list[Layer] = []
    for i, entry in enumerate(entries):
        where = f"layers[{i}]"
        if isinstance(entry, Mapping) and "block" in entry:
            for template, numbers in _uses(entry, blocks, where):
                layers += list(_block(template, numbers, layers, where))
                if len(layers) > _MOST_LAYERS:
                    raise UsageError(f"{where}: more than {_MOST_LAYERS:,} layers")
        elif isinstance(entry, Mapping):
            layers.append(read_table(entry, label=f"{where}.{{}}"))
        elif isinstance(entry, str):
            layers.append(read_layer(entry))
        else:
            raise UsageError(f"{where} is neither text like 'conv:32@3x3' nor a table")
    return tuple(layers)


def _uses(
    entry: Mapping[str, Any], blocks: Mapping[str, Any], where: str
) -> Iterator[tuple[list[str], dict[str, Any]]]:
    """The block's layers and the numbers to fill in, `repeat` times."""
    numbers = dict(entry)
    name, times = numbers.pop("block"), numbers.pop("repeat", 1)
    template = blocks.get(name) if isinstance(name, str) else None
    if not isinstance(template, list) or not all(isinstance(text, str) for text in template):
        raise UsageError(f"{where}.block: there is no list of layers named {name!r} in blocks")
    if not isinstance(times, int) or not 1 <= times <= _MOST_LAYERS:
        raise UsageError(f"{where}.repeat: {times!r} is not from 1 to {_MOST_LAYERS:,}")
    yield from repeat((template, numbers), times)


def _block(template: list[str], numbers: dict[str, Any], before: list[Layer], where: str) -> Iterator[Layer]:
    """One use of a block after the layers `before`."""
    outputs = _table(numbers, "outputs")
    numbers = {name: number for name, number in numbers.items() if name != "outputs"}
    layers = [read_layer(_fill(text, numbers, where)) for text in template]
    prefix = f"block{len(before) + 1}."
    names: dict[str | None, str | None] = {layer.name: prefix + layer.name for layer in layers if layer.name}
    names["in"] = name_of(before[-1], len(before)) if before else INPUT
    for inside, outside in outputs.items():
        if inside not in names or not isinstance(outside, str):
            raise UsageError(f"{where}.outputs: the block has no layer named {inside!r}")
        names[inside] = outside
    for read in layers:
        layer = replace(
            read,
            name=names.get(read.name),
            source=names.get(read.source, read.source),
            weights=names.get(read.weights, read.weights),
        )
        if isinstance(layer, Merge):
            layer = replace(layer, inputs=tuple(names.get(name, name) for name in layer.inputs))
        yield layer


def _fill(text: str, numbers: Mapping[str, Any], where: str) -> str:
    for name, number in numbers.items():
        text = text.replace(f"{{{name}}}", str(number))
    if "{" in text:
        raise UsageError(f"{where}: {text!r} needs a number that is not given here")
    return text
