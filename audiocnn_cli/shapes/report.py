"""The result for one stack: its trace, or why it can't be built and what fixes it."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field

from audiocnn_cli.shapes.choices import FrameRule, Framework, Like
from audiocnn_cli.shapes.clip import Clip
from audiocnn_cli.shapes.grammar import show_layer
from audiocnn_cli.shapes.sizes import Sizes, type_sizes
from audiocnn_cli.shapes.step import Layer, ShapeError, Step
from audiocnn_cli.shapes.trace import Trace


@dataclass(frozen=True)
class Fix:
    """A change after which the stack runs: a description, and the whole stack and input after it.

    `arguments` replace the layers on the command line, for a stack from an ONNX file.
    """

    text: str
    layers: tuple[Layer, ...]
    input_shape: Sizes
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True)
class Collapse:
    """A stack that can't be built: the `error`, the trace `before` it, and the `fixes` found."""

    error: ShapeError
    before: Trace
    fixes: tuple[Fix, ...]
    like: Like

    @property
    def axis(self) -> str | None:
        """The name of the axis; None where no single axis is the cause."""
        return None if self.error.axis is None else self.like.axis_name(self.error.axis)

    @property
    def where(self) -> str:
        """What happens at the layer."""
        return f"collapses on the {self.axis} axis" if self.axis else "can't be applied"

    @property
    def sentence(self) -> str:
        """The layer, the reason and the first fix."""
        what = f"layer {self.error.number}, {show_layer(self.error.layer)},"
        out = f"; try {self.fixes[0].text}" if self.fixes else ""
        return f"{what} {self.where}: {self.error.reason}{out}"

    @property
    def commands(self) -> tuple[str, ...]:
        """A command line for each fix, quoted for a shell."""
        return tuple(map(self._command, self.fixes))

    def _command(self, fix: Fix) -> str:
        words = ["audiocnn", "shapes", "--input", type_sizes(fix.input_shape)]
        if self.before.framework is not Framework.KERAS and not fix.arguments:
            words += ["--framework", self.before.framework]
        if self.like is not Like.SPECTROGRAM:
            words += ["--like", self.like]
        return shlex.join([*words, *(fix.arguments or map(show_layer, fix.layers))])


@dataclass(frozen=True)
class Report:
    """The `trace` of a stack, up to the `collapse` if there is one.

    `shortest_frames` is the smallest number of frames that the stack runs on, where the input is a clip.
    `uncounted` are operators of an ONNX file without parameters or a formula here, with how often each
    occurs, and `uncounted_params` the weights that belong to no layer. `explained` has sentences about
    layers, by number. With `shares` each layer has its share of the multiply-accumulates. `notes` are about
    the figures.
    """

    trace: Trace
    like: Like = Like.SPECTROGRAM
    paper: str = ""
    collapse: Collapse | None = None
    clip: Clip | None = None
    shortest_frames: int | None = None
    uncounted: tuple[tuple[str, int], ...] = ()
    uncounted_params: int = 0
    explained: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    shares: bool = False

    def share(self, step: Step) -> float | None:
        """The part of all multiply-accumulates that `step` has, 0 to 1; None if unknown or not requested."""
        trace = self.trace
        if not self.shares or not trace.has_all_macs or not trace.macs or step.macs is None:
            return None
        return step.macs / trace.macs

    @property
    def shortest_samples(self) -> int | None:
        """The length in samples of the shortest clip that the stack runs on."""
        if self.clip is None or self.shortest_frames is None:
            return None
        return self.clip.samples_for(self.shortest_frames, self.clip.rule or FrameRule.CENTERED)
