"""Apply a stack of layers to an input shape: one step for each layer."""

from collections.abc import Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from audiocnn_cli.errors import UsageError
from audiocnn_cli.shapes.choices import Framework
from audiocnn_cli.shapes.grammar import show_layer
from audiocnn_cli.shapes.layers.elementwise import Merge
from audiocnn_cli.shapes.receptive_field import input_field
from audiocnn_cli.shapes.sharing import with_weights_of
from audiocnn_cli.shapes.sizes import Shape, Sizes, show_shape
from audiocnn_cli.shapes.step import Layer, LayerInput, MisfitError, ShapeError, Step, Tensor

INPUT = "input"


@dataclass(frozen=True)
class End:
    """An input or output of an ONNX graph: its shape with the batch, None where it is no tensor.

    A free size is its name, "?" where it has none.
    """

    name: str
    shape: Shape | None


@dataclass(frozen=True, kw_only=True)
class GraphTotals:
    """What holds of an ONNX graph as a whole: its ends, and totals that are more than the sums of its layers.

    `output` is that of the first of `outputs` for one example, channels last. `params` and
    `non_trainable_params` count every weight once, also those outside of layers. `weight_bytes` is what all
    constants take, and `peak_bytes` the largest memory that activations take at once for one example; None
    where a free size decides it.
    """

    inputs: tuple[End, ...]
    outputs: tuple[End, ...]
    output: Shape
    params: int
    non_trainable_params: int
    weight_bytes: int
    peak_bytes: int | None


@dataclass(frozen=True)
class Trace:
    """The steps of a stack from `input`, by the rules of `framework`; `graph` is there for an ONNX file."""

    input: Shape
    steps: tuple[Step, ...]
    framework: Framework = Framework.KERAS
    title: str = ""
    graph: GraphTotals | None = None

    @property
    def output(self) -> Shape:
        """The shape after the last layer, or the output of the graph."""
        if self.graph is not None:
            return self.graph.output
        return self.steps[-1].output if self.steps else self.input

    @property
    def ends(self) -> tuple[tuple[str, Shape], ...]:
        """The name and the shape of each output of a stack: of the layers whose output no other layer takes.

        Those of an ONNX file are in `graph`.
        """
        if self.graph is not None:
            return ()
        taken = {name for step in self.steps for name in step.sources}
        return tuple((step.name, step.output) for step in self.steps if step.name not in taken)

    @property
    def params(self) -> int:
        """Trainable parameters of all layers."""
        return self.graph.params if self.graph else sum(step.params for step in self.steps)

    @property
    def non_trainable_params(self) -> int:
        """Non-trainable parameters of all layers."""
        if self.graph is not None:
            return self.graph.non_trainable_params
        return sum(step.non_trainable_params for step in self.steps)

    @property
    def macs(self) -> int:
        """Multiply-accumulates of all layers for one example, without those that are unknown.

        Those inside the bodies of control flow are part of the layer around them.
        """
        return sum(step.macs or 0 for step in self.steps if not step.depth)

    @property
    def has_all_macs(self) -> bool:
        """Whether the multiply-accumulates of all layers are known."""
        return all(step.macs is not None for step in self.steps if not step.depth)


def trace(
    layers: Sequence[Layer],
    input_shape: Sizes,
    *,
    framework: Framework = Framework.KERAS,
    title: str = "",
    compare: bool = True,
) -> Trace:
    """Apply `layers` in order to `input_shape`, channels last and without the batch.

    With `compare` every step also records how the other frameworks differ.

    Raises:
        ShapeError: a layer can't be applied; the error holds the steps before it.
        UsageError: two layers have the same name, or an input is not the name of an earlier layer.
    """
    tensors = {INPUT: Tensor(input_shape, input_field(input_shape))}
    previous = INPUT
    steps: list[Step] = []
    for number, layer in enumerate(layers, start=1):
        name = name_of(layer, number)
        if name in tensors:
            raise UsageError(f"two layers are named {name!r}; rename one of them")
        sources = (layer.source or previous, *(layer.inputs if isinstance(layer, Merge) else ()))
        if unknown := [source for source in sources if source not in tensors]:
            raise UsageError(
                f"layer {name!r} takes its input from {unknown[0]!r}, and no layer before it has that name;"
                f" the last ones are {', '.join(list(tensors)[-5:])}"
            )
        tensor, *others = map(tensors.__getitem__, sources)
        given = LayerInput(tensor, tuple(others), framework)
        try:
            step = with_weights_of(layer, layer.apply(given), steps)
        except MisfitError as misfit:
            raise ShapeError(misfit, layer, number, name, tensor, steps) from misfit
        differs = _differences(layer, step, given) if compare else {}
        text = show_layer(layer)
        steps.append(replace(step, number=number, name=name, text=text, sources=sources, differs=differs))
        tensors[name] = Tensor(tuple(map(int, step.output)), step.field)
        previous = name
    return Trace(input_shape, tuple(steps), framework, title)


def runs(layers: Sequence[Layer], input_shape: Sizes, framework: Framework) -> bool:
    """Whether the stack can be built."""
    try:
        trace(layers, input_shape, framework=framework, compare=False)
    except (ShapeError, UsageError):
        return False
    return True


def name_of(layer: Layer, number: int) -> str:
    """The layer's name, by default its kind and its number, counted from 1: conv_1."""
    return layer.name or f"{layer.type}_{number}"


def _differences(layer: Layer, step: Step, given: LayerInput) -> dict[Framework, str]:
    """How the result of each other framework differs from `step`."""
    found = dict(layer.unsupported)
    for framework in Framework:
        if framework is given.framework or framework in found:
            continue
        try:
            other = layer.apply(replace(given, framework=framework))
        except MisfitError as misfit:
            found[framework] = misfit.reason
            continue
        if other.output != step.output:
            found[framework] = f"gives {show_shape(other.output)}"
        elif other.params != step.params and layer.weights is None:
            found[framework] = f"has {other.params:,} parameter{'s' if other.params != 1 else ''}"
    return found
