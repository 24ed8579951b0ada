"""From a request to a report: choose the stack, trace it, and find fixes where it collapses."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from audiocnn_cli.errors import UsageError
from audiocnn_cli.shapes.choices import FrameRule, Framework, Like, read_choice
from audiocnn_cli.shapes.clip import Clip
from audiocnn_cli.shapes.explain import explain
from audiocnn_cli.shapes.fixes import find_fixes
from audiocnn_cli.shapes.grammar import read_layer, read_table
from audiocnn_cli.shapes.inputs import channels_first_note, check_batch, clip_shape, with_channels
from audiocnn_cli.shapes.report import Collapse, Report
from audiocnn_cli.shapes.sizes import Sizes, naming, read_input, smallest, type_sizes
from audiocnn_cli.shapes.stackfile import Architecture, architecture, architecture_name, read_stack
from audiocnn_cli.shapes.step import Layer, ShapeError, Step
from audiocnn_cli.shapes.trace import Trace, runs, trace


@dataclass(frozen=True, kw_only=True)
class StackRequest:
    """The source of a stack, and the input it is applied to.

    Exactly one source is given: `layers` in the layer grammar (or the name of one ONNX file), `arch`,
    `file`, or one layer whose options are `one_layer` (a pooling layer with `pool`).
    """

    layers: tuple[str, ...] = ()
    arch: str | None = None
    file: Path | None = None
    one_layer: Mapping[str, str] = field(default_factory=dict)
    pool: str | None = None
    input_shape: str | None = None
    clip: Clip | None = None
    framework: str | None = None
    like: str | None = None

    @property
    def sources(self) -> tuple[str, ...]:
        """The sources that are given, as messages name them."""
        given = {
            "layers": self.layers,
            "`arch`": self.arch,
            "`file`": self.file,
            "`kernel` or `pool`": self.one_layer or self.pool,
        }
        return tuple(name for name, value in given.items() if value)


def report_of(request: StackRequest) -> Report:
    """Work out the stack of `request`.

    Raises:
        UsageError: the request is not one stack with an input shape.
        ModelRefusedError: the ONNX file can't be read.
    """
    if len(request.layers) == 1 and is_network(request.layers[0]):
        return _report_of_network(request.layers[0], request)
    return work_out(choose_stack(request), request.clip)


def is_network(text: str) -> bool:
    """Whether `text` names an ONNX file, a PyTorch module (net.py:Net) or an exported program."""
    path, _, name = text.rpartition(":")
    return text.endswith((".onnx", ".pt2")) or (path.endswith(".py") and name.isidentifier())


def _report_of_network(text: str, request: StackRequest) -> Report:
    """The report of an ONNX file or a PyTorch module; its input shapes are separated by semicolons."""
    if request.sources != ("layers",):
        raise UsageError("an ONNX file holds its layers; leave out `arch`, `file`, `kernel` and `pool`")
    if request.framework not in {None, Framework.ONNX}:
        raise UsageError(f"`framework={request.framework}`: an ONNX file follows ONNX' rules")
    clip_shape = input_of(request) if request.input_shape is None else None
    given = type_sizes(clip_shape) if clip_shape else request.input_shape or ""
    texts = [part for part in given.split(";") if part.strip()]
    # onnx takes long to import, and only graphs need it.
    if text.endswith(".onnx"):
        from audiocnn_cli.shapes.onnxfile.report import report_of_file

        return report_of_file(Path(text), input_shape=texts, like=_like(request), clip=request.clip)
    from audiocnn_cli.shapes.onnxfile.modules import report_of_module

    return report_of_module(text, input_shape=texts, like=_like(request), clip=request.clip)


def work_out(stack: Architecture, clip: Clip | None = None) -> Report:
    """Trace `stack`; where it collapses, report the steps before it and the fixes.

    Raises:
        UsageError: the names of the layers are inconsistent.
    """
    try:
        found = trace(stack.layers, stack.input_shape, framework=stack.framework, title=stack.title)
    except ShapeError as error:
        fixes = find_fixes(error, stack)
        before = Trace(stack.input_shape, error.steps, stack.framework, stack.title)
        collapse = Collapse(error, before, fixes, stack.like)
        return Report(before, stack.like, stack.paper, collapse, clip)
    first, *others = stack.input_shape
    report = Report(found, stack.like, stack.paper, clip=clip, notes=tuple(_notes(stack, found)))
    if clip is None:
        return report
    shortest = smallest(0, first, lambda size: runs(stack.layers, (size, *others), stack.framework))
    return replace(report, shortest_frames=shortest)


def _notes(stack: Architecture, found: Trace) -> Iterator[str]:
    """Notes about the figures of `stack`: its own, and the receptive field as other sources build it."""
    if stack.note:
        yield stack.note
    if not stack.name and (note := channels_first_note(stack.input_shape)):
        yield note
    if stack.variant:
        text, layers = stack.variant
        other = trace(layers, stack.input_shape, framework=stack.framework, compare=False)
        fields = [_last_local(steps) for steps in (found.steps, other.steps)]
        if all(fields):
            before, after = (type_sizes(step.receptive_field) for step in fields if step)
            yield f"receptive field before the pooling over all positions: {before}; {after} {text}"


def _last_local(steps: Sequence[Step]) -> Step | None:
    """The last step whose elements are in the order of the input."""
    return next((step for step in reversed(steps) if step.cumulative_stride), None)


def with_title(report: Report, title: str) -> Report:
    """`report`, with `title` where its stack has none."""
    return replace(report, trace=replace(report.trace, title=report.trace.title or title))


def with_explanation(report: Report, layer: int | None = None) -> Report:
    """`report` with sentences about every layer, or about the one of number `layer` (from 1).

    Raises:
        UsageError: there is no layer of that number.
    """
    steps = [step for step in report.trace.steps if layer in {None, step.number}]
    if layer is not None and not steps and not report.collapse:
        count = len(report.trace.steps)
        raise UsageError(f"`layer={layer}`: the layers are numbered 1 to {count}")
    return replace(report, explained={step.number: explain(step, report.like) for step in steps})


def choose_stack(request: StackRequest) -> Architecture:
    """The stack of `request`, with its input shape.

    Raises:
        UsageError: there is not exactly one source, no input shape, or a value is invalid.
    """
    if len(request.sources) != 1:
        given = " and ".join(request.sources)
        found = f"{given} are too many" if given else "none was given"
        raise UsageError(f"give layers, `arch`, `file`, or `kernel` and its options: {found}")
    if request.arch:
        stack = architecture(request.arch)
    elif request.file:
        stack = read_stack(request.file)
    else:
        layers = tuple(map(read_layer, request.layers)) or (_one_layer(request),)
        stack = Architecture(name="", input_shape=(), layers=layers)
    if (text := request.framework) is not None:
        stack = replace(stack, framework=read_choice(f"`framework={text}`", text, Framework))
    if request.like is not None:
        stack = replace(stack, like=_like(request))
    if (shape := input_of(request)) is not None:
        if request.input_shape is None and stack.input_shape:
            shape = clip_shape(shape, stack)
        check_batch(shape, stack)
        stack = replace(stack, input_shape=shape)
    if not stack.input_shape:
        raise UsageError("there is no input shape; add one, as in `input_shape=130x13x1`")
    return replace(stack, input_shape=with_channels(stack.input_shape, stack.layers, stack.like))


def one_of_several(text: str, request: StackRequest) -> StackRequest:
    """The request for one of several stacks: a TOML file, an architecture, or layers in one text.

    Raises:
        UsageError: there is another source besides the layers.
    """
    if request.sources != ("layers",):
        raise UsageError("`diff` compares its arguments, without `arch`, `file` or `kernel`")
    if text.endswith(".toml"):
        return replace(request, layers=(), file=Path(text))
    if ":" not in text and architecture_name(text) is not None:
        return replace(request, layers=(), arch=text)
    return replace(request, layers=tuple(text.split()))


def input_of(request: StackRequest) -> Sizes | None:
    """The input shape, given as such or as a clip; None where there is neither.

    Raises:
        UsageError: there are both, or one is invalid.
    """
    clip = request.clip if request.clip and request.clip.samples is not None else None
    if request.input_shape is None:
        return clip.input_shape(clip.rule or FrameRule.CENTERED) if clip else None
    if clip:
        raise UsageError("give `input_shape`, or a clip by `samples` or `seconds`, not both")
    with naming(f"`input_shape={request.input_shape}`"):
        return read_input(request.input_shape)


def _one_layer(request: StackRequest) -> Layer:
    if request.pool is None:
        table = {"type": "conv", "filters": "1", **request.one_layer}
    elif request.pool in {"max", "avg"}:
        table = {"type": f"{request.pool}pool", **request.one_layer}
    else:
        raise UsageError(f"`pool={request.pool}`: must be max or avg")
    return read_table(table, label="`{}`")


def _like(request: StackRequest) -> Like:
    value = Like.SPECTROGRAM if request.like is None else request.like
    return read_choice(f"`like={value}`", value, Like)
