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
from audiocnn_cli.shapes.sizes import show_shape, type_sizes
from audiocnn_cli.shapes.step import Step

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
    columns = _COLUMNS + (_CLIP_COLUMNS if clip else ())
    blank = ("",) * (len(columns) - 5)
    rows = [Row(("", "input", show_shape(trace.input), "", "", *blank))]
    for step in trace.steps:
        times = _times(step, clip) if clip else ()
        rows.append(Row([*map(display, _cells(step)), *times], _formulas(step, len(trace.steps))))
    if len(trace.ends) > 1:
        rows += [Row(("", f"output {display(n)}", show_shape(s), "", "", *blank)) for n, s in trace.ends]
    sums = (f"{trace.params:,}", f"{trace.macs:,}")
    total = Row(("", "total", _last(report), *sums, *blank))
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
    sums = f"{trace.params:,}", f"{trace.macs:,}"
    ends = trace.ends if len(trace.ends) > 1 else ()
    rows = [
        ("", "input", show_shape(trace.input), "", "", "", ""),
        *map(_cells, trace.steps),
        *(("", f"output {name}", show_shape(shape), "", "", "", "") for name, shape in ends),
        ("", "**total**", _last(report), *sums, "", ""),
    ]
    print_markdown_table(stream, _HEADER, rows, right={"#", *_HEADER[3:]})
    stream.write("\n")
    for number, sentences in report.explained.items():
        stream.write(f"{number}. {escape(' '.join(sentences))}\n\n")
    for line, _ in _remarks(report):
        if line:
            stream.write(f"- {escape(line.strip().removeprefix('- ').removeprefix('* '))}\n")


def _last(report: Report) -> str:
    """The shape of the output; empty where there are several, which have rows of their own."""
    return "" if len(report.trace.ends) > 1 else show_shape(report.trace.output)


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
        show_shape(step.output),
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
        yield "? depends on a free size; `input_shape` sets it"
    if report.uncounted:
        operators = ", ".join(f"{name} x{count}" for name, count in report.uncounted)
        weights = f", with {report.uncounted_params:,} weights" if report.uncounted_params else ""
        yield f"operators that are not counted: {operators}{weights}"
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
