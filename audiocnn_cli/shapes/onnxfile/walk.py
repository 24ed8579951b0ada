"""The state of a walk through a graph: the steps so far, and the step that each tensor comes from."""

from collections import Counter
from dataclasses import dataclass, field
from math import prod

from msgspec.structs import replace
from onnx import NodeProto

from audiocnn_cli.shapes.choices import Framework
from audiocnn_cli.shapes.layers.dense import Recurrent
from audiocnn_cli.shapes.layers.elementwise import Merge
from audiocnn_cli.shapes.onnxfile.graph import Graph
from audiocnn_cli.shapes.receptive_field import ReceptiveField, input_field
from audiocnn_cli.shapes.sizes import Shape, Sizes
from audiocnn_cli.shapes.step import Layer, LayerInput, Step, Tensor
from audiocnn_cli.shapes.trace import INPUT
from audiocnn_cli.shapes.window import Padding

# Operators without work, which are not listed as uncounted.
_FREE_OPERATORS = frozenset({"Constant", "Identity", "Shape", "Cast"})
# Stands for a free size where the arithmetic of a layer needs a number.
_FREE_SIZE = 1_000_003


@dataclass
class Walk:
    """The steps so far, and for every tensor the step it comes from and its receptive field.

    `pads` are the Pad nodes that the next window absorbs, `counted` the constants that belong to a layer.
    `made` has the number of the step whose output a tensor is. `parts` has the number of the step that a
    node is, or is a part of, by the name of the node's first output.
    """

    graph: Graph
    steps: list[Step] = field(default_factory=list)
    pads: dict[str, tuple[Padding, str]] = field(default_factory=dict)
    uncounted: Counter[str] = field(default_factory=Counter)
    counted: set[str] = field(default_factory=set)
    made: dict[str, int] = field(default_factory=dict)
    parts: dict[str, int] = field(default_factory=dict)
    _origin: dict[str, str] = field(default_factory=dict)
    _fields: dict[str, ReceptiveField] = field(default_factory=dict)

    def origin(self, name: str) -> str:
        """The name of the step that a tensor comes from."""
        return self._origin.get(name, INPUT)

    def come_from(self, node: NodeProto, step: Step) -> None:
        """Record that the outputs of `node` come from `step`."""
        for output in filter(None, node.output):
            self._origin[output] = step.name
            self._fields[output] = step.field

    def pass_through(self, node: NodeProto) -> None:
        """Record that `node` is no layer: its outputs come from the step before it."""
        self.not_counted(node)
        names = self.graph.data_inputs(node)
        if not names:
            return
        # The result of arithmetic on the input counts as the input.
        fresh = all(self.origin(name) == INPUT for name in names)
        for output in filter(None, node.output):
            if not fresh:
                same = self.graph.shape(names[0]) == self.graph.shape(output)
                self._origin[output] = self.origin(names[0])
                self._fields[output] = self._fields.get(names[0], ()) if same else ()
        if self._is_scaling(node) and names[0] in self.made:
            self.made[node.output[0]] = self.made[names[0]]

    def _is_scaling(self, node: NodeProto) -> bool:
        """Whether `node` multiplies by one number, as a temperature between a layer and its softmax."""
        constants = [self.graph.dims(name) for name in node.input if name in self.graph.constants]
        return node.op_type in {"Mul", "Div"} and all(
            dims is not None and prod(dims) == 1 for dims in constants
        )

    def not_counted(self, node: NodeProto) -> None:
        """Count an operator that is no layer."""
        if node.op_type not in _FREE_OPERATORS:
            self.uncounted[node.op_type] += 1

    def given(self, name: str, shape: Shape) -> Tensor:
        """A tensor with its receptive field, as the input of a layer."""
        numbers = _numbers(shape)
        if self.origin(name) == INPUT:
            return Tensor(numbers, input_field(numbers))
        return Tensor(numbers, self._fields.get(name, ()))

    def input_shape(self, node: NodeProto, name: str) -> Shape | None:
        """The input shape of a layer; that of a recurrent node has its batch on the second axis."""
        shape = self.graph.shapes.get(name)
        if node.op_type in {"LSTM", "GRU", "RNN"} and shape is not None and len(shape) == 3:
            return shape[0], shape[2]
        return self.graph.shape(name)


def apply(layer: Layer, tensors: tuple[Tensor, ...]) -> Step:
    """Apply `layer` by ONNX' rules, as `Layer.apply` does."""
    first, *others = tensors
    return layer.apply(LayerInput(first, tuple(others), Framework.ONNX))


def as_inferred(step: Step, layer: Layer, given: Shape, inferred: Shape | None) -> Step:
    """`step` with the shapes that ONNX inferred, and without the values that depend on a free size."""
    output = step.output if isinstance(layer, Recurrent) or inferred is None else inferred
    if _is_known(given) and (_is_known(output) or isinstance(layer, Merge)):
        return replace(step, output=output)
    return replace(
        step,
        input=given,
        output=output,
        macs=step.macs if step.macs == 0 else None,
        formula=tuple(line for line in step.formula if str(_FREE_SIZE) not in line),
        field=step.field if step.cumulative_stride else (),
    )


def _is_known(shape: Shape) -> bool:
    return all(isinstance(size, int) for size in shape)


def _numbers(shape: Shape) -> Sizes:
    return tuple(size if isinstance(size, int) else _FREE_SIZE for size in shape)
