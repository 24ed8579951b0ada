"""What is known on the way through a graph."""

from collections import Counter
from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING

from msgspec.structs import replace

from audiocnn_cli.shapes.framework import Framework
from audiocnn_cli.shapes.layers.dense import Recurrent
from audiocnn_cli.shapes.layers.merging import Merge
from audiocnn_cli.shapes.onnxfile.graph import Graph
from audiocnn_cli.shapes.receptive_field import Field, input_field
from audiocnn_cli.shapes.sizes import Shape, Sizes
from audiocnn_cli.shapes.step import Given, Layer, Step, Tensor
from audiocnn_cli.shapes.trace import INPUT
from audiocnn_cli.shapes.window import Padding

if TYPE_CHECKING:
    from onnx import NodeProto

# Operators that only say what is known already.
_SILENT = frozenset({"Constant", "Identity", "Shape", "Cast"})
# Stands for a size that is free, where the arithmetic of a layer needs a number.
_FREE = 1_000_003


@dataclass
class Walk:
    """The steps so far; for every tensor the step it comes from and what it sees.

    `pads` wait for their window, `counted` are the constants that belong to a layer, and `made` says which
    tensors are the very output of a step, by its number. `parts` says which step a node is, or is a part
    of, by the name of the first tensor that it makes.
    """

    graph: Graph
    steps: list[Step] = field(default_factory=list)
    pads: dict[str, tuple[Padding, str]] = field(default_factory=dict)
    uncounted: Counter[str] = field(default_factory=Counter)
    counted: set[str] = field(default_factory=set)
    made: dict[str, int] = field(default_factory=dict)
    parts: dict[str, int] = field(default_factory=dict)
    _origin: dict[str, str] = field(default_factory=dict)
    _fields: dict[str, Field] = field(default_factory=dict)

    def origin(self, name: str) -> str:
        """The step that a tensor comes from."""
        return self._origin.get(name, INPUT)

    def come_from(self, node: "NodeProto", step: Step) -> None:
        """What `node` makes comes from `step`."""
        for output in filter(None, node.output):
            self._origin[output] = step.name
            self._fields[output] = step.field

    def pass_through(self, node: "NodeProto") -> None:
        """`node` is no layer: what it makes still comes from the step before it."""
        self.not_counted(node)
        names = self.graph.data_inputs(node)
        if not names:
            return
        # What comes from the input by plain arithmetic is as good as the input.
        fresh = all(self.origin(name) == INPUT for name in names)
        for output in filter(None, node.output):
            if not fresh:
                same = self.graph.shape(names[0]) == self.graph.shape(output)
                self._origin[output] = self.origin(names[0])
                self._fields[output] = self._fields.get(names[0], ()) if same else ()
        if self._is_scaling(node) and names[0] in self.made:
            self.made[node.output[0]] = self.made[names[0]]

    def _is_scaling(self, node: "NodeProto") -> bool:
        """Whether `node` scales by one number, as a temperature does between a layer and its softmax."""
        constants = [self.graph.dims(name) for name in node.input if name in self.graph.constants]
        return node.op_type in {"Mul", "Div"} and all(
            dims is not None and prod(dims) == 1 for dims in constants
        )

    def not_counted(self, node: "NodeProto") -> None:
        """List an operator that is no layer."""
        if node.op_type not in _SILENT:
            self.uncounted[node.op_type] += 1

    def given(self, name: str, shape: Shape) -> Tensor:
        """A tensor as a layer takes it; what is still the input sees itself."""
        numbers = _numbers(shape)
        if self.origin(name) == INPUT:
            return Tensor(numbers, input_field(numbers))
        return Tensor(numbers, self._fields.get(name, ()))

    def input_shape(self, node: "NodeProto", name: str) -> Shape | None:
        """The shape that a layer is given; a recurrent one has its batch on the second axis."""
        shape = self.graph.shapes.get(name)
        if node.op_type in {"LSTM", "GRU", "RNN"} and shape is not None and len(shape) == 3:
            return shape[0], shape[2]
        return self.graph.shape(name)


def apply(layer: Layer, tensors: tuple[Tensor, ...]) -> Step:
    """The step of `layer` by ONNX' rules.

    Raises:
        MisfitError: it can't be applied.
    """
    first, *others = tensors
    return layer.apply(Given(first, tuple(others), Framework.ONNX))


def as_inferred(step: Step, layer: Layer, given: Shape, inferred: Shape | None) -> Step:
    """`step` with the shapes that ONNX inferred, and without the numbers that hang on a free size."""
    output = step.output if isinstance(layer, Recurrent) or inferred is None else inferred
    if _is_known(given) and (_is_known(output) or isinstance(layer, Merge)):
        return replace(step, output=output)
    return replace(
        step,
        input=given,
        output=output,
        macs=step.macs if step.macs == 0 else None,
        formula=tuple(line for line in step.formula if str(_FREE) not in line),
        field=step.field if all(axis.jump is not None for axis in step.field) else (),
    )


def _is_known(shape: Shape) -> bool:
    return all(isinstance(size, int) for size in shape)


def _numbers(shape: Shape) -> Sizes:
    return tuple(size if isinstance(size, int) else _FREE for size in shape)
