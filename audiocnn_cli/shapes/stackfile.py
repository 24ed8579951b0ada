"""A stack of layers as a TOML file: named architectures, and what users give with --file."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audiocnn_cli.errors import UsageError
from audiocnn_cli.shapes.framework import Framework
from audiocnn_cli.shapes.like import Like
from audiocnn_cli.shapes.sizes import Sizes, read_size, read_sizes
from audiocnn_cli.shapes.step import Layer

_LARGEST_FILE = 1 << 20


@dataclass(frozen=True)
class Architecture:
    """A named stack: its layers in order, the input it is made for, and where it comes from.

    `params` is the published number of trained parameters, None where there is none.
    """

    name: str
    input_shape: Sizes
    layers: tuple[Layer, ...]
    title: str = ""
    paper: str = ""
    framework: Framework = Framework.KERAS
    like: Like = Like.SPECTROGRAM
    params: int | None = None


_KEYS = {"title", "paper", "input", "framework", "like", "params", "layers", "blocks"}


def read_stack(path: Path) -> Architecture:
    """The stack in the TOML file at `path`.

    Raises:
        UsageError: no such file, no TOML, an unknown key, or a layer that can't be read.
    """
    import tomllib

    try:
        with path.open("rb") as stream:
            content = stream.read(_LARGEST_FILE + 1)
        if len(content) > _LARGEST_FILE:
            raise UsageError(f"{path}: is larger than 1 MiB, which no stack of layers is")
        document = tomllib.loads(content.decode())
    except OSError as error:
        raise UsageError(f"{path}: can't be read ({error.strerror})") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(f"{path}: is not valid TOML ({error})") from error
    try:
        return _architecture(path.stem, document)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error


def _architecture(name: str, document: Mapping[str, Any]) -> Architecture:
    from audiocnn_cli.shapes.blocks import expand

    if unknown := sorted(set(document) - _KEYS):
        raise UsageError(f"unknown key {unknown[0]!r}; it may have {', '.join(sorted(_KEYS))}")
    entries = document.get("layers")
    if not isinstance(entries, list) or not entries:
        raise UsageError("layers must be a list of at least one layer")
    if "input" not in document:
        raise UsageError('input is missing; give input = "130x13x1"')
    return Architecture(
        name=name,
        input_shape=_sizes(document["input"]),
        layers=expand(entries, document.get("blocks", {})),
        title=_text(document, "title"),
        paper=_text(document, "paper"),
        framework=Framework(_choice(document, "framework", list(Framework))),
        like=Like(_choice(document, "like", list(Like))),
        params=read_size(str(document["params"])) if "params" in document else None,
    )


def _sizes(value: object) -> Sizes:
    text = "x".join(map(str, value)) if isinstance(value, list) else str(value)
    try:
        return read_sizes(text)
    except UsageError as error:
        raise UsageError(f"input: {error}") from error


def _text(document: Mapping[str, Any], key: str) -> str:
    value = document.get(key, "")
    if not isinstance(value, str):
        raise UsageError(f"{key} must be text")
    return value


def _choice(document: Mapping[str, Any], key: str, choices: list[Any]) -> str:
    value = document.get(key, choices[0])
    if value not in choices:
        raise UsageError(f"{key} is {value!r}; it may be {', '.join(choices)}")
    return str(value)
