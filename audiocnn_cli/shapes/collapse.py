"""A stack that can't be built, told to a person: where, why, and what would mend it."""

from dataclasses import dataclass

from audiocnn_cli.shapes.fixes import Mend
from audiocnn_cli.shapes.framework import Framework
from audiocnn_cli.shapes.grammar import show_layer
from audiocnn_cli.shapes.like import Like
from audiocnn_cli.shapes.sizes import type_sizes
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
    def where(self) -> str:
        """What happens to the layer."""
        return f"collapses on the {self.axis} axis" if self.axis else "can't be applied"

    @property
    def sentence(self) -> str:
        """Where, why, and the first way out."""
        what = f"layer {self.error.number}, {show_layer(self.error.layer)},"
        out = f"; try {self.mends[0].text}" if self.mends else ""
        return f"{what} {self.where}: {self.error.reason}{out}"

    @property
    def commands(self) -> tuple[str, ...]:
        """A command line for each mend, quoted for a shell."""
        return tuple(self._command(mend) for mend in self.mends)

    def _command(self, mend: Mend) -> str:
        import shlex

        words = ["audiocnn", "shapes", "--input", type_sizes(mend.input_shape)]
        if self.before.framework is not Framework.KERAS and not mend.words:
            words += ["--framework", self.before.framework]
        if self.like is not Like.SPECTROGRAM:
            words += ["--like", self.like]
        return shlex.join([*words, *mend.typed])
