"""A stack of layers as a table of text or Markdown, with notes, explanations and fixes."""

from collections.abc import Iterable, Iterator, Sequence
from typing import IO

from audiocnn_cli.output.terminal.console import console, display
from audiocnn_cli.output.views.text_table import (
    Column,
    Row,
    escape,
    print_markdown_table,
    print_table,
    print_wrapped,
)
from audiocnn_cli.parameters import with_flags
from audiocnn_cli.shapes.clip import Clip
from audiocnn_cli.shapes.grammar import show_layer
from audiocnn_cli.shapes.report import Collapse, Report
from audiocnn_cli.shapes.sizes import Shape, show_shape, type_sizes
from audiocnn_cli.shapes.step import Step
from audiocnn_cli.shapes.trace import End, GraphTotals, Trace

_LONGEST = 24  # characters of a free size
_MANY = 200  # a table of more layers has no formulas
_HEADER = ("#", "layer", "output", "params", "MACs", "receptive field", "stride")
_COLUMNS = (
    Column("#", right=True, style="dim"),
    Column("layer", style="bold", flexible=True),
    Column("output", style="cyan"),
    Column("params", right=True),
    Column("MACs", right=True),
    Column("receptive\nfield", right=True, label="receptive field"),
    Column("stride", right=True, label="stride"),
)
_SHARE_COLUMN = Column("MACs\n%", right=True, label="MACs in %")
_BLOCKS = {"then_branch": "then", "else_branch": "else", "body": "each time"}
_CLIP_COLUMNS = (
    Column("receptive\nfield ms", right=True, label="receptive field in ms"),
    Column("stride\nms", right=True, label="stride in ms"),
)


def write_table(report: Report, stream: IO[str]) -> None:
    """Write the table, then notes, or why the stack collapses and what fixes it."""
    out = console(stream)
    trace, clip = report.trace, report.clip
    if trace.title:
        print_wrapped(out, display(trace.title), style="bold")
    shares = (_SHARE_COLUMN,) if report.shares else ()
    columns = (*_COLUMNS[:5], *shares, *_COLUMNS[5:], *(_CLIP_COLUMNS if clip else ()))
    blank = ("",) * (len(columns) - 5)
    rows = [Row(("", display(name), shape, "", "", *blank)) for name, shape in _inputs(trace)]
    for step, label in zip(trace.steps, _labels(trace.steps), strict=True):
        number, _, *cells = _cells(step)
        share = (_share(report.share(step)),) if report.shares else ()
        cells = [number, label, *cells[:3], *share, *cells[3:], *(_times(step, clip) if clip else ())]
        rows.append(Row([*map(display, cells)], _formulas(step, len(trace.steps))))
    rows += [Row(("", display(name), shape, "", "", *blank)) for name, shape in _outputs(trace)]
    total = Row(("", "total", _shape(trace.output), f"{trace.params:,}", _macs(trace), *blank))
    print_table(out, columns, rows, totals=[total] if trace.steps else ())
    for step in trace.steps:
        if lines := report.explained.get(step.number):
            print_wrapped(out, f"Layer {step.number}, {display(step.text)}", style="bold")
            for line in lines:
                print_wrapped(out, display(line), indent=2, whole=step.formula)
            out.print()
    # A command stays on one line, so that it can be copied; so does the formula of the reason.
    collapse = report.collapse
    whole = (*collapse.commands, *collapse.error.reason.split(": ")[1:]) if collapse else ()
    for line, style in _remarks(report):
        print_wrapped(out, display(line), style=style, whole=whole)


def write_markdown(report: Report, stream: IO[str]) -> None:
    """Write a heading, the table and its notes."""
    trace = report.trace
    if trace.title:
        stream.write(f"### {escape(trace.title)}\n\n")
    header = (*_HEADER[:5], *(("MACs %",) if report.shares else ()), *_HEADER[5:])
    blank = ("",) * (len(header) - 5)
    layers = []
    for step, label in zip(trace.steps, _labels(trace.steps), strict=True):
        number, _, *cells = _cells(step)
        share = (_share(report.share(step)),) if report.shares else ()
        layers.append((number, label, *cells[:3], *share, *cells[3:]))
    rows = [
        *(("", name, shape, "", "", *blank) for name, shape in _inputs(trace)),
        *layers,
        *(("", name, shape, "", "", *blank) for name, shape in _outputs(trace)),
        ("", "**total**", _shape(trace.output), f"{trace.params:,}", _macs(trace), *blank),
    ]
    print_markdown_table(stream, header, rows, right={"#", *header[3:]})
    stream.write("\n")
    for row, sentences in report.explained.items():
        stream.write(f"{row}. {escape(' '.join(sentences))}\n\n")
    for line, _ in _remarks(report):
        if line:
            stream.write(f"- {escape(line.strip().removeprefix('- ').removeprefix('* '))}\n")


def _inputs(trace: Trace) -> Iterator[tuple[str, str]]:
    """The rows before the layers: all inputs of an ONNX graph by name, or the input."""
    if trace.graph is None:
        yield "input", show_shape(trace.input)
    for end in trace.graph.inputs if trace.graph else ():
        yield f"input {end.name}", _end_shape(end)


def _outputs(trace: Trace) -> Iterator[tuple[str, str]]:
    """The rows after the layers: all outputs of an ONNX graph by name, or those of a stack with several."""
    for name, shape in trace.ends if len(trace.ends) > 1 else ():
        yield f"output {name}", show_shape(shape)
    for end in trace.graph.outputs if trace.graph else ():
        yield f"output {end.name}", _end_shape(end)


def _last(trace: Trace) -> str:
    """The shape of the output; empty where a stack has several, which have rows of their own."""
    return "" if len(trace.ends) > 1 else show_shape(trace.output)


def _end_shape(end: End) -> str:
    if end.shape is None:
        return "?"
    return _shape(end.shape) or "one number"


def _shape(shape: Shape) -> str:
    """A shape as text; a free size that is a long formula is ?."""
    return show_shape(tuple(size if len(str(size)) <= _LONGEST else "?" for size in shape))


def _labels(steps: Sequence[Step]) -> Iterator[str]:
    """The layers as text: indented in bodies of control flow, the first of each behind the body's name."""
    before: tuple[int, str] = (0, "")
    for step in steps:
        here = (step.depth, step.block)
        name = _BLOCKS.get(step.block, step.block) if here != before and step.depth >= before[0] else ""
        star = " *" if step.differs else ""
        yield f"{'  ' * step.depth}{name + ': ' if name else ''}{step.text}{star}"
        before = here


def _macs(trace: Trace) -> str:
    return f"{trace.macs:,}" if trace.has_all_macs else f">= {trace.macs:,}"


def _share(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f}"


def _remarks(report: Report) -> Iterable[tuple[str, str]]:
    """What stands under the table, each with a style: notes, or why the stack collapses and what fixes it."""
    if report.collapse:
        return _explanation(report.collapse)
    return ((with_flags(note), "dim") for note in _notes(report))


def _formulas(step: Step, layers: int) -> Sequence[str]:
    """The formulas, one for all axes where they are equal."""
    if layers > _MANY:
        return ()
    axes = len(step.input) - 1
    if axes > 1 and len(set(step.formula[:axes])) == 1 and len(step.formula) >= axes:
        return (f"{step.formula[0]} on each axis", *step.formula[axes:])
    return step.formula


def _cells(step: Step) -> tuple[str, ...]:
    """The cells of a layer under _HEADER; a star marks a difference between frameworks."""
    stride = step.cumulative_stride
    return (
        str(step.number),
        step.text + (" *" if step.differs else ""),
        _shape(step.output),
        f"{step.params:,}",
        "?" if step.macs is None else f"{step.macs:,}",
        f"all, {type_sizes(step.receptive_field)}" if step.gate else type_sizes(step.receptive_field),
        "" if stride is None else "x".join(f"{value:g}" for value in stride),
    )


def _times(step: Step, clip: Clip) -> tuple[str, str]:
    field, stride = clip.receptive_field_ms(step), clip.cumulative_stride_ms(step)
    return ("" if field is None else f"{field:,.1f}", "" if stride is None else f"{stride:,.1f}")


def _notes(report: Report) -> Iterator[str]:
    """Notes under the table: differences between frameworks, what the columns are, and other totals."""
    trace = report.trace
    if trace.graph is not None:
        yield _totals(trace, trace.graph)
    differing: dict[str, list[str]] = {}
    for step in trace.steps:
        for framework, what in step.differs.items():
            differing.setdefault(f"{framework.label} {what}", []).append(str(step.number))
    for note, numbers in differing.items():
        yield f"* {note} (layer {', '.join(numbers)})"
    if len(trace.steps) > _MANY:
        yield "formulas of more than 200 layers are left out; see `json`, or `explain` and `layer=N`"
    if trace.non_trainable_params:
        yield f"non-trainable parameters, not included above: {trace.non_trainable_params:,}"
    yield from _gate_notes(trace.steps)
    yield from report.notes
    if report.clip:
        yield from _clip_notes(report, report.clip)
    if any(step.macs is None for step in trace.steps):
        yield "? depends on a free size; `input_shape` sets it, by axis or by name, as in `input_shape=T=200`"
    if any("/" in str(size) for step in trace.steps for size in step.output):
        yield "sizes with names are rounded down at each division"
    if report.uncounted:
        operators = ", ".join(f"{name} x{count}" for name, count in report.uncounted)
        yield f"operators that are not counted: {operators}"
    if report.uncounted_params:
        yield f"weights in operators that are no layers, included in the total: {report.uncounted_params:,}"
    if report.paper:
        yield f"source: {report.paper}"
    yield (
        f"rules: {trace.framework.label}; MACs: multiply-accumulates for one example; receptive field: in"
        " positions of the input, padding included; stride: cumulative stride, the distance between"
        " neighbours on the input"
    )


def _gate_notes(steps: Sequence[Step]) -> Iterator[str]:
    if gated := [step for step in steps if step.gate]:
        yield (
            f"receptive field: {gated[-1].gate_text} (squeeze-and-excitation); after 'all' is that of the"
            " convolutions alone"
        )


def _totals(trace: Trace, graph: GraphTotals) -> str:
    """The totals of an ONNX graph in one line."""
    known = "" if trace.has_all_macs else "at least "
    parts = [f"{trace.params:,} parameters", f"{graph.weight_bytes / 1e6:,.2f} MB of weights in the file"]
    parts.append(f"{known}{trace.macs:,} MACs{'' if trace.has_all_macs else ', more with `input_shape`'}")
    if graph.peak_bytes is not None:
        parts.append(f"{graph.peak_bytes / 1e6:,.2f} MB of activations at once, at most")
    return f"in total: {'; '.join(parts)}"


def _clip_notes(report: Report, clip: Clip) -> Iterator[str]:
    rate = clip.sample_rate
    if clip.bins.unit:
        yield (
            f"time axis: frames of {clip.n_fft} samples every {clip.hop_length} at {rate} Hz; second axis:"
            f" {clip.bins.unit}s"
        )
        widths = [clip.receptive_field_hz(step) for step in report.trace.steps]
        if last := next((hz for hz in reversed(widths) if hz is not None), None):
            yield f"receptive field of the last layer: {last:,.0f} Hz"
    if (samples := report.shortest_samples) is not None:
        yield (
            f"shortest clip that the stack runs on: {report.shortest_frames} frames, {samples} samples,"
            f" {samples / rate:.3f} s"
        )


def _explanation(collapse: Collapse) -> Iterator[tuple[str, str]]:
    """Why a stack can't be built, and what fixes it: lines with a style each."""
    error = collapse.error
    yield f"Layer {error.number}, {show_layer(error.layer)}, {collapse.where}.", "bold red"
    yield f"Its input is {show_shape(error.tensor.shape)}: {error.reason}.", ""
    if collapse.fixes:
        yield "", ""
        yield "Each of these changes fixes it (all were tried):", "bold"
    else:
        yield "No single change that was tried fixes it: use a larger input, or remove layers.", ""
    for fix, command in zip(collapse.fixes, collapse.commands, strict=True):
        yield f"  - {fix.text}", "green"
        yield f"    {command}", "dim"
