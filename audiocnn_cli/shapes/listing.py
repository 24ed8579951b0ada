"""The list of the named architectures."""

from collections.abc import Iterator
from dataclasses import dataclass

from audiocnn_cli.shapes.choices import Framework, architecture_names
from audiocnn_cli.shapes.sizes import Sizes
from audiocnn_cli.shapes.stackfile import architecture
from audiocnn_cli.shapes.trace import trace


@dataclass(frozen=True)
class ListedArchitecture:
    """An architecture with its default input, its trainable parameters, and the paper it is from."""

    name: str
    aliases: tuple[str, ...]
    title: str
    input_shape: Sizes
    framework: Framework
    params: int
    source: str


def list_architectures() -> Iterator[ListedArchitecture]:
    """Every architecture, by name; the parameters are the published ones, or counted where there are none."""
    for name in architecture_names():
        stack = architecture(name)
        params = stack.params
        if params is None:
            params = trace(stack.layers, stack.input_shape, framework=stack.framework, compare=False).params
        yield ListedArchitecture(
            name, stack.aliases, stack.title, stack.input_shape, stack.framework, params, stack.paper
        )
