"""A stack of layers over an input shape: one step a layer, or the layer at which it can't go on."""

from collections.abc import Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from audiocnn_cli.errors import UsageError
from audiocnn_cli.shapes.framework import Framework
from audiocnn_cli.shapes.grammar import show_layer
from audiocnn_cli.shapes.receptive_field import input_field
from audiocnn_cli.shapes.sizes import Shape, Sizes, show_shape
from audiocnn_cli.shapes.step import Given, Layer, MisfitError, ShapeError, Step, Tensor

INPUT = "input"


@dataclass(frozen=True)
class Trace:
    """All steps of a stack from `input`, by the rules of `framework`; `title` says whose it is."""

    input: Shape
    steps: tuple[Step, ...]
    framework: Framework = Framework.KERAS
    title: str = ""

    @property
    def output(self) -> Shape:
        """The shape after the last layer."""
        return self.steps[-1].output if self.steps else self.input

    @property
    def params(self) -> int:
        """Trained parameters of all layers."""
        return sum(step.params for step in self.steps)

    @property
    def fixed_params(self) -> int:
        """Numbers that are kept but not trained, of all layers."""
        return sum(step.fixed_params for step in self.steps)

    @property
    def macs(self) -> int:
        """Multiply-accumulates of all layers for one example, without those that are not known."""
        return sum(step.macs or 0 for step in self.steps)


def trace(
    layers: Sequence[Layer],
    input_shape: Sizes,
    *,
    framework: Framework = Framework.KERAS,
    title: str = "",
    compare: bool = True,
) -> Trace:
    """Apply `layers` in order to `input_shape`, channels last and without the batch.

    With `compare` every step also says where the other frameworks differ.

    Raises:
        ShapeError: a layer can't be applied; it carries the steps before it.
        UsageError: two layers have one name, or a layer takes its input from one that is not before it.
    """
    tensors = {INPUT: Tensor(input_shape, input_field(input_shape))}
    previous = INPUT
    steps: list[Step] = []
    for number, layer in enumerate(layers, start=1):
        name = name_of(layer, number)
        if name in tensors:
            raise UsageError(f"two layers are named {name!r}; name one of them differently")
        sources = (layer.source or previous, *layer.merged)
        tensor, *others = (_tensor(tensors, source, name) for source in sources)
        given = Given(tensor, tuple(others), framework)
        try:
            step = layer.apply(given)
        except MisfitError as misfit:
            raise ShapeError(
                layer, number=number, name=name, misfit=misfit, tensor=tensor, steps=tuple(steps)
            ) from misfit
        differs = _differences(layer, step, given) if compare else {}
        steps.append(
            replace(
                step,
                number=number,
                name=name,
                text=show_layer(layer),
                sources=sources,
                differs=differs,
            )
        )
        tensors[name] = Tensor(_known(step.output), step.field)
        previous = name
    return Trace(input_shape, tuple(steps), framework, title)


def name_of(layer: Layer, number: int) -> str:
    """The layer's name, or one from its kind and its place (from 1): conv_1."""
    return layer.name or f"{layer.kind}_{number}"


def _tensor(tensors: dict[str, Tensor], source: str, name: str) -> Tensor:
    try:
        return tensors[source]
    except KeyError:
        raise UsageError(
            f"layer {name!r} takes its input from {source!r}, and no layer before it has that name;"
            f" there are {', '.join(list(tensors)[-5:])}"
        ) from None


def _known(shape: Shape) -> Sizes:
    return tuple(int(size) for size in shape)


def _differences(layer: Layer, step: Step, given: Given) -> dict[Framework, str]:
    """What the frameworks say of this layer, where it is not what `step` says."""
    found = dict(layer.lacking)
    for framework in Framework:
        if framework is given.framework or framework in found:
            continue
        if difference := _difference(layer, step, replace(given, framework=framework)):
            found[framework] = difference
    return found


def _difference(layer: Layer, step: Step, given: Given) -> str | None:
    try:
        theirs = layer.apply(given)
    except MisfitError as misfit:
        return misfit.reason
    if theirs.output != step.output:
        return f"gives {show_shape(theirs.output)}"
    if theirs.params != step.params:
        return f"has {theirs.params:,} parameters"
    return None
