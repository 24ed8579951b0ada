"""A stack that can't be built, told to a person: where, why, and what would mend it."""

from dataclasses import dataclass

from audiocnn_cli.shapes.framework import Framework
from audiocnn_cli.shapes.grammar import show_layer
from audiocnn_cli.shapes.like import Like
from audiocnn_cli.shapes.mend import Mend
from audiocnn_cli.shapes.sizes import Sizes
from audiocnn_cli.shapes.step import ShapeError
from audiocnn_cli.shapes.trace import Trace


@dataclass(frozen=True)
class Collapse:
    """The `error`, the steps `before` it, and the `mends` that were found to work."""

    error: ShapeError
    before: Trace
    mends: tuple[Mend, ...]
    like: Like

    @property
    def axis(self) -> str | None:
        """The name of the axis at fault; None where it is not one axis."""
        return None if self.error.axis is None else self.like.axis_name(self.error.axis)

    @property
    def sentence(self) -> str:
        """Where, why, and the first way out."""
        what = f"layer {self.error.number}, {show_layer(self.error.layer)},"
        where = f"collapses on the {self.axis} axis" if self.axis else "can't be applied"
        out = f"; try {self.mends[0].text}" if self.mends else ""
        return f"{what} {where}: {self.error.reason}{out}"


def command(input_shape: Sizes, stack: tuple[str, ...], *, framework: Framework, like: Like) -> str:
    """The command line that shows a stack, quoted for a shell."""
    import shlex

    words = ["audiocnn", "shapes", "--input", "x".join(map(str, input_shape))]
    if framework is not Framework.KERAS:
        words += ["--framework", framework]
    if like is not Like.SPECTROGRAM:
        words += ["--like", like]
    return shlex.join([*words, *stack])
