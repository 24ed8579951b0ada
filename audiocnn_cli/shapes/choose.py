"""From what the user gave to one stack, and from the stack to its shapes."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from audiocnn_cli.errors import UsageError
from audiocnn_cli.shapes.architectures import architecture
from audiocnn_cli.shapes.collapse import Collapse
from audiocnn_cli.shapes.framework import Framework
from audiocnn_cli.shapes.grammar import read_layer, read_table
from audiocnn_cli.shapes.like import Like, with_channels
from audiocnn_cli.shapes.mend import mends
from audiocnn_cli.shapes.sizes import read_sizes
from audiocnn_cli.shapes.stackfile import Architecture, read_stack
from audiocnn_cli.shapes.step import Layer, ShapeError
from audiocnn_cli.shapes.trace import Trace, trace

Choice = TypeVar("Choice", bound=StrEnum)


def choose_stack(
    typed: Sequence[str],
    *,
    arch: str | None,
    file: Path | None,
    flags: Mapping[str, str],
    pool: str | None,
    input_shape: str | None,
    framework: str | None,
    like: str | None,
) -> Architecture:
    """The one stack that the command line means: typed, named, from a file, or one layer from flags.

    Raises:
        UsageError: none or more than one was given, there is no input, or a value makes no sense.
    """
    given = {"layers": typed, "--arch": arch, "--file": file, "--kernel or --pool": flags or pool}
    asked = [name for name, value in given.items() if value]
    if len(asked) != 1:
        found = f"{' and '.join(asked)} are too many" if asked else "none was given"
        raise UsageError(f"give layers, --arch, --file, or --kernel and its options: {found}")
    if arch:
        stack = architecture(arch)
    elif file:
        stack = read_stack(file)
    else:
        layers = tuple(map(read_layer, typed)) or (_one_layer(flags, pool),)
        stack = Architecture(name="", input_shape=(), layers=layers)
    if framework is not None:
        stack = replace(stack, framework=_choice("--framework", framework, Framework))
    if like is not None:
        stack = replace(stack, like=_choice("--like", like, Like))
    if input_shape is not None:
        stack = replace(stack, input_shape=_read_input(input_shape))
    if not stack.input_shape:
        raise UsageError("there is no input shape; add one, as in --input 130x13x1")
    return replace(stack, input_shape=with_channels(stack.input_shape, stack.layers, stack.like))


def work_out(stack: Architecture) -> Trace | Collapse:
    """The trace of `stack`, or its collapse with mends.

    Raises:
        UsageError: the layers' names don't fit together.
    """
    try:
        return trace(stack.layers, stack.input_shape, framework=stack.framework, title=stack.title)
    except ShapeError as error:
        found = mends(
            error, stack.layers, stack.input_shape, framework=stack.framework, like=stack.like
        )
        before = Trace(stack.input_shape, error.steps, stack.framework, stack.title)
        return Collapse(error, before, found, stack.like)


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
