"""A layer, the tensor it is given and the step it takes from one shape to the next."""

from typing import ClassVar

from msgspec import Struct

from audiocnn_cli.errors import ImpossibleShapeError
from audiocnn_cli.shapes.framework import Framework
from audiocnn_cli.shapes.receptive_field import Field
from audiocnn_cli.shapes.sizes import Shape, Sizes

BYTES_PER_ELEMENT = 4  # float32
Pad = tuple[tuple[int, int], ...]


class Tensor(Struct, frozen=True):
    """A shape, channels last and without the batch, and what each element sees of the input."""

    shape: Sizes
    field: Field

    @property
    def spatial(self) -> Sizes:
        """The sizes of all axes but the channels."""
        return self.shape[:-1]

    @property
    def channels(self) -> int:
        """The size of the last axis."""
        return self.shape[-1]


class Given(Struct, frozen=True):
    """What a layer is applied to: the tensor before it, further ones that it merges, and whose rules."""

    tensor: Tensor
    others: tuple[Tensor, ...]
    framework: Framework


class Step(Struct, frozen=True, kw_only=True):
    """What one layer does to one shape.

    `input` and `output` are channels last, without the batch. Attributes that a layer has no use for are
    None. `text` is the layer as it is typed. `pad` is what is added before and after each spatial axis,
    whatever `padding` calls it. `params` are trained, `fixed_params` are kept but not trained (the running
    statistics of a batch norm). `macs` are multiply-accumulates for one example, None where they hang on a
    free size. `differs` says, framework by framework, what another one than the one asked for would do
    with the same layer and input.
    """

    type: str
    input: Shape
    output: Shape
    field: Field = ()
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
    fixed_params: int = 0
    macs: int | None = 0
    formula: tuple[str, ...] = ()
    differs: dict[Framework, str] = {}

    @property
    def receptive_field(self) -> Sizes:
        """How many positions of each input axis one element of the output sees, padding included."""
        return tuple(axis.size for axis in self.field)

    @property
    def jump(self) -> tuple[int | float, ...] | None:
        """How far apart neighbours are on each input axis; None when there are no neighbours left."""
        jumps = [axis.jump for axis in self.field]
        if not jumps or None in jumps:
            return None
        return tuple(int(j) if j.denominator == 1 else float(j) for j in jumps if j is not None)

    @property
    def activation_bytes(self) -> int | None:
        """Memory of the output for one example in float32; None while a size is unknown."""
        count = BYTES_PER_ELEMENT
        for size in self.output:
            if isinstance(size, str):
                return None
            count *= size
        return count


class Layer(Struct, frozen=True):
    """One layer as the user described it; the sub-classes' fields are the grammar's options.

    `source` names the layer whose output it takes, None for the one before it.
    """

    type: ClassVar[str]
    name: str | None = None
    source: str | None = None

    @property
    def kind(self) -> str:
        """What it is called in a name and as a step's type."""
        return self.type

    @property
    def merged(self) -> tuple[str, ...]:
        """The names of further layers whose outputs it takes."""
        return ()

    def apply(self, given: Given) -> Step:
        """The step from what the layer is given.

        Raises:
            MisfitError: the layer can't be applied to this shape.
        """
        raise NotImplementedError

    @property
    def lacking(self) -> dict[Framework, str]:
        """What a framework has no option for, in a few words; empty when all can build this layer."""
        return {}


class MisfitError(Exception):
    """A layer can't be applied: the spatial axis at fault (None: not one axis), why, and hints."""

    def __init__(
        self, reason: str, *, axis: int | None = None, hints: tuple[str, ...] = ()
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.axis = axis
        self.hints = hints


class ShapeError(ImpossibleShapeError):
    """A stack can't be built: which layer (from 1), which axis, why, and the steps before it."""

    def __init__(
        self, layer: Layer, *, number: int, name: str, misfit: MisfitError, tensor: Tensor,
        steps: tuple[Step, ...],
    ) -> None:  # fmt: skip
        super().__init__(misfit.reason)
        self.layer = layer
        self.number = number
        self.name = name
        self.reason = misfit.reason
        self.axis = misfit.axis
        self.hints = misfit.hints
        self.tensor = tensor
        self.steps = steps
