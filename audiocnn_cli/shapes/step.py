"""Layers, the tensors they are applied to, and the step from one shape to the next."""

from collections.abc import Sequence
from math import prod
from typing import Any

from msgspec import Struct

from audiocnn_cli.errors import ImpossibleShapeError
from audiocnn_cli.shapes.choices import Framework
from audiocnn_cli.shapes.receptive_field import ReceptiveField
from audiocnn_cli.shapes.sizes import Shape, Sizes, type_sizes

BYTES_PER_ELEMENT = 4  # float32
Pad = tuple[tuple[int, int], ...]


class Tensor(Struct, frozen=True):
    """A shape, channels last and without the batch, and the receptive field of its elements."""

    shape: Sizes
    field: ReceptiveField

    @property
    def spatial(self) -> Sizes:
        """The sizes of all axes but the channels."""
        return self.shape[:-1]

    @property
    def channels(self) -> int:
        """The size of the last axis."""
        return self.shape[-1]


class LayerInput(Struct, frozen=True):
    """What a layer is applied to: the tensor before it, others that it merges, and whose rules apply."""

    tensor: Tensor
    others: tuple[Tensor, ...]
    framework: Framework


class Step(Struct, frozen=True, kw_only=True):
    """One layer applied to one shape.

    `input` and `output` are channels last, without the batch. Attributes that the layer has no use for are
    None. `text` is the layer in the layer grammar. `pad` is the padding before and after each spatial axis.
    `params` are trainable, `non_trainable_params` are not (the running statistics of a batch norm). `macs`
    are multiply-accumulates for one example; None where they depend on an unknown size. `differs` has, for
    each other framework, how its result for the same layer and input differs. `depth` is the number of
    control-flow operators of an ONNX file around it, and `block` the body of the innermost that it is in.
    """

    type: str
    input: Shape
    output: Shape
    field: ReceptiveField = ()
    number: int = 0
    name: str = ""
    text: str = ""
    sources: tuple[str, ...] = ()
    kernel: Sizes | None = None
    stride: Sizes | None = None
    padding: str | None = None
    pad: Pad | None = None
    dilation: Sizes | None = None
    groups: int | None = None
    filters: int | None = None
    units: int | None = None
    heads: int | None = None
    rate: float | None = None
    activation: str | None = None
    return_sequences: bool | None = None
    bidirectional: bool | None = None
    ceil: bool | None = None
    params: int = 0
    non_trainable_params: int = 0
    macs: int | None = 0
    formula: tuple[str, ...] = ()
    differs: dict[Framework, str] = {}
    depth: int = 0
    block: str = ""

    @property
    def receptive_field(self) -> Sizes:
        """How many positions of each input axis an element of the output depends on, padding included.

        Those that it depends on through a gate only are in `gate`.
        """
        return tuple(axis.size for axis in self.field)

    @property
    def gate(self) -> Sizes | None:
        """The positions of each input axis that scale an element through a gate; None without a gate."""
        sizes = tuple(axis.gate for axis in self.field)
        return sizes if any(sizes) else None

    @property
    def gate_text(self) -> str:
        """'all, through the gate', or how many positions where they are not all; empty without a gate."""
        if self.gate is None:
            return ""
        whole = all(axis.gate >= axis.length for axis in self.field)
        return f"{'all' if whole else type_sizes(self.gate)}, through the gate"

    @property
    def cumulative_stride(self) -> tuple[int | float, ...] | None:
        """The distance between neighbours in positions of each input axis; None without such an order."""
        strides = [axis.cumulative_stride for axis in self.field]
        if not strides or None in strides:
            return None
        return tuple(int(s) if s.denominator == 1 else float(s) for s in strides if s is not None)

    @property
    def activation_bytes(self) -> int | None:
        """Memory of the output for one example in float32; None where a size is unknown."""
        sizes = [size for size in self.output if isinstance(size, int)]
        return BYTES_PER_ELEMENT * prod(sizes) if len(sizes) == len(self.output) else None


# The options of layers that are attributes of their steps.
_OPTIONS = {"filters", "groups", "units", "heads", "rate", "activation", "return_sequences"}


class Layer(Struct, frozen=True):
    """One layer of a stack; the fields of the sub-classes are the options of the layer grammar.

    `source` is the name of the layer whose output is its input; None for the layer before it. `weights` is
    the name of an earlier layer whose weights it uses.
    """

    name: str | None = None
    source: str | None = None
    weights: str | None = None

    @property
    def type(self) -> str:
        """The type of its step, and of its default name: the name of its class."""
        return self.__class__.__name__.lower()

    def apply(self, given: LayerInput) -> Step:
        """Compute the output shape, parameters, work and receptive field.

        Raises:
            MisfitError: the layer can't be applied to this shape.
        """
        options = {name: getattr(self, name) for name in _OPTIONS.intersection(self.__struct_fields__)}
        tensor = given.tensor
        same = {"type": self.type, "input": tensor.shape, "output": tensor.shape, "field": tensor.field}
        return Step(**options | same | self._step(given))

    def _step(self, given: LayerInput) -> dict[str, Any]:
        """The attributes of the step that differ from the input and the options; by default none."""
        return {"output": given.tensor.shape}

    @property
    def unsupported(self) -> dict[Framework, str]:
        """Frameworks that have no such layer, with the reason; empty where all have it."""
        return {}


class MisfitError(Exception):
    """A layer can't be applied: the reason, the spatial axis (None: not a single one), and hints.

    A hint is an option to change ('groups=4') or a layer to insert before ('reshape:130x13').
    """

    def __init__(self, reason: str, *, axis: int | None = None, hints: tuple[str, ...] = ()) -> None:
        super().__init__(reason)
        self.reason, self.axis, self.hints = reason, axis, hints


class ShapeError(ImpossibleShapeError):
    """A stack can't be built: the layer (counted from 1), the axis, the reason and the steps before it."""

    def __init__(
        self, misfit: MisfitError, layer: Layer, number: int, name: str, tensor: Tensor, steps: Sequence[Step]
    ) -> None:
        super().__init__(misfit.reason)
        self.reason, self.axis, self.hints = misfit.reason, misfit.axis, misfit.hints
        self.layer, self.number, self.name = layer, number, name
        self.tensor, self.steps = tensor, tuple(steps)
