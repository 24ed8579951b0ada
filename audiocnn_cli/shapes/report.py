"""What `audiocnn shapes` found out about one stack."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from audiocnn_cli.errors import UsageError
from audiocnn_cli.shapes.choose import StackRequest, choose_stack
from audiocnn_cli.shapes.like import Like
from audiocnn_cli.shapes.sizes import smallest
from audiocnn_cli.shapes.stackfile import Architecture
from audiocnn_cli.shapes.step import ShapeError
from audiocnn_cli.shapes.trace import Trace, trace

if TYPE_CHECKING:
    from audiocnn_cli.shapes.clip import Clip
    from audiocnn_cli.shapes.collapse import Collapse

ONNX_SUFFIX = ".onnx"


@dataclass(frozen=True)
class Report:
    """The `trace`, whole or up to the `collapse`; of a clip, also the fewest frames that get through.

    `uncounted` are operators of an ONNX file that have neither parameters nor a formula here, with how
    often each occurs, and `uncounted_params` the numbers among the weights that belong to no layer.
    `explained` has sentences about layers, by number.
    """

    trace: Trace
    like: Like = Like.SPECTROGRAM
    paper: str = ""
    collapse: "Collapse | None" = None
    clip: "Clip | None" = None
    shortest_frames: int | None = None
    uncounted: tuple[tuple[str, int], ...] = ()
    uncounted_params: int = 0
    explained: Mapping[int, tuple[str, ...]] = field(default_factory=dict)

    @property
    def shortest_samples(self) -> int | None:
        """The shortest clip, in samples, that gets through the stack."""
        if self.clip is None or self.shortest_frames is None:
            return None
        from audiocnn_cli.shapes.clip import FrameRule

        return self.clip.samples_for(self.shortest_frames, self.clip.rule or FrameRule.CENTERED)


def report_of(wish: StackRequest) -> Report:
    """What there is to say of the stack that is wished for.

    Raises:
        UsageError: what was given is no stack.
        ModelRefusedError: it is an ONNX file that can't be read.
    """
    if len(wish.layers) == 1 and wish.layers[0].endswith(ONNX_SUFFIX):
        from audiocnn_cli.shapes.onnxfile.report import report_of_file

        return report_of_file(wish)
    return work_out(choose_stack(wish), wish.clip)


def named(report: Report, title: str) -> Report:
    """`report`, under `title` where the stack has none of its own."""
    if report.trace.title:
        return report
    return replace(report, trace=replace(report.trace, title=title))


def explained(report: Report, only: int | None) -> Report:
    """`report` with every layer explained, or only one.

    Raises:
        UsageError: there is no layer of that number.
    """
    from audiocnn_cli.shapes.explain import explain

    steps = [step for step in report.trace.steps if only in {None, step.number}]
    if only is not None and not steps and not report.collapse:
        raise UsageError(f"--layer {only}: the layers are numbered 1 to {len(report.trace.steps)}")
    return replace(report, explained={step.number: explain(step, report.like) for step in steps})


def work_out(stack: Architecture, clip: "Clip | None" = None) -> Report:
    """The steps of `stack`, or those before its collapse, with mends.

    Raises:
        UsageError: the layers' names don't fit together.
    """
    try:
        found = trace(stack.layers, stack.input_shape, framework=stack.framework, title=stack.title)
    except ShapeError as error:
        from audiocnn_cli.shapes.collapse import Collapse
        from audiocnn_cli.shapes.fixes import mends

        mended = mends(
            error, stack.layers, stack.input_shape, framework=stack.framework, like=stack.like
        )
        before = Trace(stack.input_shape, error.steps, stack.framework, stack.title)
        collapse = Collapse(error, before, mended, stack.like)
        return Report(before, stack.like, stack.paper, collapse, clip)
    frames = _shortest(stack) if clip else None
    return Report(found, stack.like, stack.paper, None, clip, frames)


def _shortest(stack: Architecture) -> int:
    """The smallest size of the first axis that the stack runs on; the one given does."""
    first, *rest = stack.input_shape

    def runs(size: int) -> bool:
        try:
            trace(stack.layers, (size, *rest), framework=stack.framework, compare=False)
        except ShapeError:
            return False
        return True

    return smallest(0, first, runs)
