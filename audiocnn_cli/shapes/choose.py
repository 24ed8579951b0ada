"""From what the user gave to one stack."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from audiocnn_cli.errors import UsageError
from audiocnn_cli.shapes.framework import Framework
from audiocnn_cli.shapes.grammar import read_layer, read_table
from audiocnn_cli.shapes.like import Like, with_channels
from audiocnn_cli.shapes.sizes import Sizes, read_sizes
from audiocnn_cli.shapes.stackfile import Architecture, read_stack
from audiocnn_cli.shapes.step import Layer

if TYPE_CHECKING:
    from audiocnn_cli.shapes.clip import Clip

Choice = TypeVar("Choice", bound=StrEnum)


@dataclass(frozen=True, kw_only=True)
class StackRequest:
    """What the user gave: a source of layers (`flags` and `pool` make one layer), and what holds for any."""

    layers: tuple[str, ...] = ()
    arch: str | None = None
    file: Path | None = None
    flags: Mapping[str, str] = field(default_factory=dict)
    pool: str | None = None
    input_shape: str | None = None
    clip: "Clip | None" = None
    framework: str | None = None
    like: str | None = None

    @property
    def sources(self) -> tuple[str, ...]:
        """The sources of layers that were given, as the user knows them."""
        given = {
            "layers": self.layers,
            "--arch": self.arch,
            "--file": self.file,
            "--kernel or --pool": self.flags or self.pool,
        }
        return tuple(name for name, value in given.items() if value)


def choose_stack(wish: StackRequest) -> Architecture:
    """The one stack that is wished for: typed, named, from a file, or one layer from flags.

    A clip whose length is said takes the place of an input shape.

    Raises:
        UsageError: none or more than one was given, there is no input, or a value makes no sense.
    """
    if len(wish.sources) != 1:
        found = f"{' and '.join(wish.sources)} are too many" if wish.sources else "none was given"
        raise UsageError(f"give layers, --arch, --file, or --kernel and its options: {found}")
    from audiocnn_cli.shapes.architectures import architecture

    if wish.arch:
        stack = architecture(wish.arch)
    elif wish.file:
        stack = read_stack(wish.file)
    else:
        layers = tuple(map(read_layer, wish.layers)) or (_one_layer(wish.flags, wish.pool),)
        stack = Architecture(name="", input_shape=(), layers=layers)
    return _as_wished(stack, wish)


def one_of_several(text: str, wish: StackRequest) -> StackRequest:
    """The wish for one of several stacks: a file, a named architecture, or layers with spaces between.

    Raises:
        UsageError: another source of layers was given besides.
    """
    if wish.sources != ("layers",):
        raise UsageError("--diff takes its stacks as arguments, without --arch, --file or --kernel")
    from audiocnn_cli.shapes.architectures import architecture_names

    if text.endswith(".toml"):
        return replace(wish, layers=(), file=Path(text))
    if text in architecture_names():
        return replace(wish, layers=(), arch=text)
    return replace(wish, layers=tuple(text.split()))


def wanted_input(wish: StackRequest) -> Sizes | None:
    """The input shape that was given, as a shape or as a clip; None where none was.

    Raises:
        UsageError: both were, or it makes no sense.
    """
    length_said = wish.clip is not None and wish.clip.samples is not None
    if wish.input_shape is not None:
        if length_said:
            raise UsageError("give --input, or a clip by --samples or --seconds, not both")
        return _read_input(wish.input_shape)
    if wish.clip is not None and length_said:
        from audiocnn_cli.shapes.clip import FrameRule

        return wish.clip.input_shape(wish.clip.rule or FrameRule.CENTERED)
    return None


def _as_wished(stack: Architecture, wish: StackRequest) -> Architecture:
    """`stack` with the input, the framework and the kind of input that the user gave."""
    if wish.framework is not None:
        stack = replace(stack, framework=_choice("--framework", wish.framework, Framework))
    if wish.like is not None:
        stack = replace(stack, like=like_named(wish.like))
    if (shape := wanted_input(wish)) is not None:
        if wish.input_shape is None:
            shape = _like_before(shape, stack.input_shape)
        stack = replace(stack, input_shape=shape)
    if not stack.input_shape:
        raise UsageError("there is no input shape; add one, as in --input 130x13x1")
    return replace(stack, input_shape=with_channels(stack.input_shape, stack.layers, stack.like))


def like_named(text: str) -> Like:
    """The kind of input of that name.

    Raises:
        UsageError: there is none.
    """
    return _choice("--like", text, Like)


def _like_before(shape: Sizes, before: Sizes) -> Sizes:
    """`shape` without its channel axis of 1 where the architecture's own input has none."""
    return shape[:-1] if before and len(before) < len(shape) else shape


def _one_layer(flags: Mapping[str, str], pool: str | None) -> Layer:
    if pool is None:
        return read_table({"type": "conv", "filters": "1", **flags}, where="--")
    if pool not in {"max", "avg"}:
        raise UsageError(f"--pool {pool}: it may be max or avg")
    return read_table({"type": f"{pool}pool", **flags}, where="--")


def _read_input(text: str) -> tuple[int, ...]:
    try:
        return read_sizes(text)
    except UsageError as error:
        raise UsageError(f"--input {text}: {error}") from error


def _choice(option: str, text: str, choices: type[Choice]) -> Choice:
    try:
        return choices(text)
    except ValueError:
        raise UsageError(f"{option} {text}: it may be {', '.join(choices)}") from None
