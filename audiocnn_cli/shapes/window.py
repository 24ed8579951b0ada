"""Sliding windows: padding, output size, and the formula with its numbers, one axis at a time.

Sources: Dumoulin and Visin, A guide to convolution arithmetic for deep learning (arXiv:1603.07285);
`same` as in TensorFlow's and Keras' documentation; ceil mode as in PyTorch's pooling and ONNX' MaxPool.
"""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from audiocnn_cli.errors import UsageError
from audiocnn_cli.shapes.receptive_field import Move, is_aligned, move, whole
from audiocnn_cli.shapes.sizes import Sizes, read_size, read_sizes, type_sizes, with_x
from audiocnn_cli.shapes.spelling import plain_value
from audiocnn_cli.shapes.step import Layer, MisfitError, Tensor

MODES = ("valid", "same", "same-lower", "causal")


class Padding(Struct, frozen=True):
    """A mode, or explicit amounts: one for all sides, or before and after of each axis in turn."""

    mode: str = "valid"
    amounts: Sizes = ()

    def __str__(self) -> str:
        return ",".join(map(str, self.amounts)) if self.amounts else self.mode

    @property
    def is_symmetric(self) -> bool:
        """Whether the amounts before and after each axis are equal."""
        return len(self.amounts) < 2 or self.amounts[::2] == self.amounts[1::2]

    def resolve(
        self, axis: int, rank: int, *, size: int, effective_kernel: int, stride: int
    ) -> tuple[int, int]:
        """The padding before and after one axis of `size`.

        Raises:
            MisfitError: there are neither one amount nor two for each of the `rank` axes.
        """
        if len(self.amounts) == 1:
            return self.amounts * 2
        if self.amounts:
            if len(self.amounts) != 2 * rank:
                count = len(self.amounts)
                by_axis = f", or pad={type_sizes(self.amounts)} for each axis" if count == rank else ""
                raise MisfitError(
                    f"padding {self} has {count} numbers; {rank} axes take 1 or {2 * rank}{by_axis}"
                )
            return self.amounts[2 * axis], self.amounts[2 * axis + 1]
        if self.mode == "causal" and axis == 0:
            return effective_kernel - 1, 0
        if self.mode in {"same", "same-lower"}:
            output = -(-size // stride)
            total = max((output - 1) * stride + effective_kernel - size, 0)
            return self.halves(total)
        return 0, 0

    def halves(self, total: int) -> tuple[int, int]:
        """`total` before and after an axis; `same-lower` has the larger half before."""
        half = -(-total // 2) if self.mode == "same-lower" else total // 2
        return half, total - half


VALID = Padding()


def read_padding(text: str) -> Padding:
    """Parse 'valid', 'same', 'same-lower', 'causal', '1', '1x0' (an axis each) or 'top,bottom,left,right'.

    Raises:
        UsageError: `text` is none of these.
    """
    word = with_x(plain_value(text, padding=True)).replace("_", "-")
    if word in MODES:
        return Padding(word)
    if not word[:1].isdigit() and not word.startswith("-"):
        raise UsageError(f"padding {text!r} is none of {', '.join(MODES)}, N or top,bottom,left,right")
    if "x" in word:
        return Padding("explicit", tuple(n for n in read_sizes(word, least=0) for _ in range(2)))
    return Padding("explicit", tuple(read_size(part.strip(), least=0) for part in word.split(",")))


class Slide(Struct, frozen=True):
    """A window on one axis: the numbers of its formula, and the output size."""

    size: int
    kernel: int
    stride: int
    dilation: int
    before: int
    after: int
    output: int
    formula: str

    @property
    def effective_kernel(self) -> int:
        """Positions that the dilated kernel spans: dilation * (kernel - 1) + 1."""
        return self.dilation * (self.kernel - 1) + 1

    @property
    def move(self) -> Move:
        """Its effect on the receptive field."""
        return -self.before, self.effective_kernel - 1, self.stride


class Sliding(Struct, frozen=True):
    """The window of a convolution or a pooling; each tuple has one number, or one for each axis.

    `axes` is the required number of spatial axes; None accepts any.
    """

    kernel: Sizes
    stride: Sizes
    dilation: Sizes = (1,)
    padding: Padding = VALID
    ceil: bool = False
    axes: int | None = None

    def over(self, spatial: Sizes) -> tuple[Slide, ...]:
        """Slide the window over every axis of `spatial`.

        Raises:
            MisfitError: the output of an axis is below 1, or the numbers of axes differ.
        """
        numbers = each_axis(
            spatial, self.axes, kernel=self.kernel, stride=self.stride, dilation=self.dilation
        )
        return tuple(self._axis(len(spatial), *each) for each in numbers)

    def _axis(self, rank: int, axis: int, size: int, kernel: int, stride: int, dilation: int) -> Slide:
        effective = dilation * (kernel - 1) + 1
        before, after = self.padding.resolve(axis, rank, size=size, effective_kernel=effective, stride=stride)
        room = size + before + after - effective
        output = (-(-room // stride) if self.ceil else room // stride) + 1
        cut = ""
        if self.ceil and (output - 1) * stride >= size + before:
            # PyTorch and ONNX since opset 19 drop a last window that starts in the padding.
            output -= 1
            cut = " - 1 (the last window would start in the padding)"
        inner = f"{size} - {effective} + {before + after}"
        formula = f"{'ceil' if self.ceil else 'floor'}(({inner})/{stride}) + 1{cut} = {output}"
        if dilation > 1:
            formula += f", with {effective} = {dilation}*({kernel} - 1) + 1"
        if output < 1:
            padded = f"{size} with {before + after} of padding" if before + after else str(size)
            raise MisfitError(
                f"a window of {effective} does not fit into {padded}: {formula}, below 1", axis=axis
            )
        return Slide(size, kernel, stride, dilation, before, after, output, formula)


def axes_of(spatial: Sizes, required: int | None) -> int:
    """The number of spatial axes.

    Raises:
        MisfitError: there are none, or not `required` many.
    """
    rank = len(spatial)
    if not rank:
        raise MisfitError("needs a spatial axis, and its input is flat")
    if required not in {None, rank}:
        axes = "1 spatial axis" if required == 1 else f"{required} spatial axes"
        raise MisfitError(f"needs {axes}, and its input has {rank}")
    return rank


def per_axis(sizes: Sizes, rank: int, what: str) -> Sizes:
    """`sizes` with one number for each of `rank` axes.

    Raises:
        MisfitError: there are neither one nor `rank` of them.
    """
    if len(sizes) == 1:
        return sizes * rank
    if len(sizes) != rank:
        axes = "1 spatial axis" if rank == 1 else f"{rank} spatial axes"
        raise MisfitError(
            f"a {what} of {type_sizes(sizes)} needs {len(sizes)} spatial axes, and its input has {axes}"
        )
    return sizes


def each_axis(spatial: Sizes, required: int | None, **numbers: Sizes) -> list[tuple[int, ...]]:
    """For each axis its index, its size, and its own of the `numbers`.

    Raises:
        MisfitError: there are not `required` axes, or another number of `numbers`.
    """
    rank = axes_of(spatial, required)
    columns = [per_axis(sizes, rank, name.replace("_", " ")) for name, sizes in numbers.items()]
    return list(zip(range(rank), spatial, *columns, strict=True))


class Windowed(Layer, frozen=True):
    """A layer that slides a window over all axes but the channels; without a stride it moves by its own size.

    `axes` is the required number of those axes; None takes any.
    """

    kernel: Sizes = (3,)
    stride: Sizes | None = None
    padding: Padding = VALID
    dilation: Sizes = (1,)
    axes: int | None = None

    @property
    def sliding(self) -> Sliding:
        """Its window."""
        stride = self.stride or self.kernel
        return Sliding(self.kernel, stride, self.dilation, self.padding, axes=self.axes)


def windowed(
    padding: Padding, tensor: Tensor, slides: Sequence[Slide], channels: int, moves: Sequence[Move] = ()
) -> dict[str, Any]:
    """The step of a layer with a window and `channels` at each output position, without parameters.

    `moves` are the effects on the receptive field; without them, those of `slides`.
    """
    field, aligned = tensor.field, is_aligned(tensor.field, len(slides))
    return {
        "output": (*(slide.output for slide in slides), channels),
        "field": move(field, moves or [s.move for s in slides]) if aligned else whole(field, ()),
        "kernel": tuple(slide.kernel for slide in slides),
        "stride": tuple(slide.stride for slide in slides),
        "padding": str(padding),
        "pad": tuple((slide.before, slide.after) for slide in slides),
        "dilation": tuple(slide.dilation for slide in slides),
        "formula": tuple(slide.formula for slide in slides),
    }
