"""What code for any framework needs of a stack: its steps, a variable for each tensor, and refusals."""

import keyword
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from audiocnn_cli.errors import UsageError
from audiocnn_cli.shapes.choices import Framework
from audiocnn_cli.shapes.sizes import Sizes
from audiocnn_cli.shapes.step import Layer, Step
from audiocnn_cli.shapes.trace import INPUT, Trace

Handler = TypeVar("Handler")


class CodeError(UsageError):
    """A layer that the framework can't express: its number, its text, and the reason."""

    def __init__(self, step: Step, framework: Framework, reason: str) -> None:
        super().__init__(
            f"layer {step.number}, {step.text}, can't be written as {framework.label} code: {reason}"
        )


@dataclass(frozen=True)
class Node:
    """One layer with its step, the variables of its inputs, and that of its output."""

    layer: Layer
    step: Step
    name: str  # of the layer, as an identifier that no other layer has
    sources: tuple[str, ...]
    target: str

    @property
    def rank(self) -> int:
        """The number of axes of its first input without the channels."""
        return len(self.step.input) - 1

    @property
    def spatial(self) -> Sizes:
        """The sizes of its first input without the channels."""
        return tuple(int(size) for size in self.step.input[:-1])

    @property
    def channels(self) -> int:
        """The channels of its first input."""
        return int(self.step.input[-1])


@dataclass
class Source:
    """The layers of a stack as nodes, in order; tensors that only the next layer reads are all called x."""

    layers: tuple[Layer, ...]
    trace: Trace
    nodes: list[Node] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)  # of each tensor, by the name of its layer

    def __post_init__(self) -> None:
        kept, used = self._kept(), set(_TAKEN)
        self.variables[INPUT] = "inputs" if INPUT in kept else "x"
        for layer, step in zip(self.layers, self.trace.steps, strict=True):
            name = _unused(step.name, used)
            target = name if step.name in kept else "x"
            sources = tuple(self.variables[source] for source in step.sources)
            self.nodes.append(Node(layer, step, name, sources, target))
            self.variables[step.name] = target

    def _kept(self) -> set[str]:
        """The tensors that a layer other than the next one reads, and the outputs but the last."""
        steps = self.trace.steps
        kept = {name for name, _ in self.trace.ends if name != steps[-1].name} if steps else set()
        before = INPUT
        for step in steps:
            kept |= {source for source in step.sources if source != before}
            kept |= set(step.sources[1:])
            before = step.name
        return kept

    @property
    def outputs(self) -> tuple[str, ...]:
        """The variables of the outputs."""
        return tuple(self.variables[name] for name, _ in self.trace.ends) or (self.variables[INPUT],)

    def owner(self, layer: Layer) -> Node | None:
        """The node whose weights `layer` uses; None where it has its own."""
        if layer.weights is None:
            return None
        return next(node for node in self.nodes if node.step.name == layer.weights)


# What the code uses itself, and the attributes of every module of PyTorch.
_WORDS = (
    "x y net inputs outputs torch nn f keras layers ops self model print token position l2norm"
    " sampling add_module apply bfloat16 buffers call_super_init children compile cpu cuda double"
    " dump_patches eval extra_repr float forward get_buffer get_extra_state get_parameter"
    " get_submodule half ipu load_state_dict modules mtia named_buffers named_children named_modules"
    " named_parameters parameters register_buffer register_module register_parameter requires_grad_"
    " set_extra_state set_submodule share_memory state_dict to to_empty train training type xpu"
    " zero_grad"
)
_TAKEN = frozenset(_WORDS.split())
# A layer may be several variables: its parts, or the layer beside its output.
_SUFFIXES = ("", "_depthwise", "_pointwise", "_layer")


def _unused(name: str, used: set[str]) -> str:
    """`name` as a Python identifier in lower case that is not in `used`, to which it is added."""
    plain = re.sub(r"\W", "_", name, flags=re.ASCII).lower()
    plain = plain if plain[:1].isalpha() else f"layer_{plain}"
    found, number = plain, 1
    while keyword.iskeyword(found) or any(found + suffix in used for suffix in _SUFFIXES):
        number += 1
        found = f"{plain}_{number}"
    used.update(found + suffix for suffix in _SUFFIXES)
    return found


def handler_of(handlers: dict[type[Layer], Handler], layer: Layer) -> Handler | None:
    """The handler of the layer's class, or of the first of its bases that has one."""
    return next((handlers[kind] for kind in type(layer).__mro__ if kind in handlers), None)


def one_or_all(sizes: Sizes) -> str:
    """One number where all axes have the same, else a tuple: 3, or (3, 2)."""
    return str(sizes[0]) if len(set(sizes)) == 1 else str(tuple(sizes))


def call(name: str, *arguments: object, **options: object) -> str:
    """A call; options that are None are left out."""
    given = [str(argument) for argument in arguments]
    given += [f"{key}={value}" for key, value in options.items() if value is not None]
    return f"{name}({', '.join(given)})"


def describe(trace: Trace, framework: Framework, entry: str, ends: Sequence[str]) -> str:
    """The docstring of the code: the title, the shapes of the input and the outputs, and the parameters."""
    title = trace.title or " ".join(step.text for step in trace.steps)
    text = (
        f"{title if len(title) < 90 else f'{title[:87]}...'}\n\nInput {entry}, output {'; '.join(ends)};"
        f" {trace.params:,} trainable parameters by the rules of {framework.label}.\n"
    )
    return text.replace("\\", "/").replace('"', "'")
