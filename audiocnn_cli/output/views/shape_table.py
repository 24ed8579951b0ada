"""How a stack of layers looks as a Rich table, with what a person needs to read it."""

from collections.abc import Iterator, Sequence
from typing import IO, TYPE_CHECKING

from audiocnn_cli.output.terminal.console import console, display
from audiocnn_cli.shapes.grammar import show_layer
from audiocnn_cli.shapes.report import Report
from audiocnn_cli.shapes.sizes import show_shape, type_sizes
from audiocnn_cli.shapes.step import Step

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from audiocnn_cli.shapes.clip import Clip
    from audiocnn_cli.shapes.collapse import Collapse

_MANY = 200  # a table of more layers leaves the formulas to --explain and --json
_STYLES = {"#": "dim", "output": "cyan"}
HEADER = ("#", "layer", "output", "params", "MACs", "sees", "jump")


def write_table(report: Report, stream: IO[str]) -> None:
    """The table, then notes, or why and how the stack collapses."""
    out = console(stream)
    if report.trace.title:
        out.print(display(report.trace.title), style="bold", soft_wrap=True)
    out.print(stack_table(report))
    if report.explained:
        _write_explained(report, out)
    if report.collapse:
        for line, style in explanation(report.collapse):
            out.print(display(line), style=style, soft_wrap=True)
        return
    for line in notes(report):
        out.print(display(line), style="dim", soft_wrap=True)


def _write_explained(report: Report, out: "Console") -> None:
    """The sentences about each layer, indented below its name."""
    from rich.padding import Padding

    for step in report.trace.steps:
        if lines := report.explained.get(step.number):
            out.print(f"Layer {step.number}, {display(step.text)}", style="bold", soft_wrap=True)
            for line in lines:
                out.print(Padding(display(line), (0, 0, 0, 2)))
            out.print()


def stack_table(report: Report) -> "Table":
    """One row a layer, and a last one with the totals."""
    from rich import box
    from rich.table import Table

    trace, clip = report.trace, report.clip
    with_formula = len(trace.steps) <= _MANY
    rows = [(*cells(step), *(_times(step, clip) if clip else ())) for step in trace.steps]
    ends = [
        ("", "input", show_shape(trace.input)),
        ("", "total", show_shape(trace.output), f"{trace.params:,}", f"{trace.macs:,}"),
    ]
    header = HEADER + (("sees ms", "jump ms") if clip else ())
    table = Table(box=box.SIMPLE_HEAD)
    for index, name in enumerate(header):
        if name == "layer":
            table.add_column(name, style="bold", overflow="fold")
            continue
        # Rich measures a thousand rows for a second; these widths are known.
        texts = [row[index] for row in (header, *rows, *ends) if index < len(row)]
        table.add_column(
            name,
            justify="left" if name == "output" else "right",
            style=_STYLES.get(name, ""),
            no_wrap=True,
            width=max(map(len, texts)),
        )
    if with_formula:
        table.add_column("formula", overflow="fold")
    table.add_row(*ends[0])
    for row, step in zip(rows, trace.steps, strict=True):
        table.add_row(*map(display, row), *(["\n".join(step.formula)] if with_formula else []))
    if trace.steps:
        table.add_section()
        table.add_row(*ends[1])
    return table


def cells(step: Step) -> tuple[str, ...]:
    """A layer's row, under HEADER; a star marks what another framework would have differently."""
    return (
        str(step.number),
        step.text + (" *" if step.differs else ""),
        show_shape(step.output),
        f"{step.params:,}",
        "?" if step.macs is None else f"{step.macs:,}",
        type_sizes(step.receptive_field),
        _show_jump(step.jump),
    )


def _show_jump(jump: Sequence[int | float] | None) -> str:
    return "" if jump is None else "x".join(f"{value:g}" for value in jump)


def _times(step: Step, clip: "Clip") -> tuple[str, str]:
    seen, jump = clip.seen_ms(step), clip.jump_ms(step)
    return ("" if seen is None else f"{seen:,.1f}", "" if jump is None else f"{jump:,.1f}")


def notes(report: Report) -> Iterator[str]:
    """What the stars mean, what the columns count, and what does not fit into them."""
    trace = report.trace
    differing: dict[str, list[str]] = {}
    for step in trace.steps:
        for framework, what in step.differs.items():
            differing.setdefault(f"{framework.label} {what}", []).append(str(step.number))
    for note, numbers in differing.items():
        yield f"* {note} (layer {', '.join(numbers)})"
    if len(trace.steps) > _MANY:
        yield "the formulas of so many layers are left to --json and to --explain --layer N"
    if trace.fixed_params:
        yield f"besides, {trace.fixed_params:,} numbers that are kept but not trained"
    if report.clip:
        yield from _clip_notes(report, report.clip)
    if any(step.macs is None for step in trace.steps):
        yield "? hangs on a size that is free; --input fixes it"
    if report.uncounted:
        operators = ", ".join(f"{name} x{count}" for name, count in report.uncounted)
        weights = f", with {report.uncounted_params:,} weights" if report.uncounted_params else ""
        yield f"operators that are not counted: {operators}{weights}"
    if report.paper:
        yield f"source: {report.paper}"
    yield (
        f"rules: {trace.framework.label}; sees: receptive field, padding included; jump: how far apart"
        " neighbours are on the input; MACs: multiply-accumulates for one example"
    )


def _clip_notes(report: Report, clip: "Clip") -> Iterator[str]:
    rate = clip.sample_rate
    if clip.bins.unit:
        yield (
            f"time: frames of {clip.n_fft} samples every {clip.hop_length} at {rate} Hz; the other axis:"
            f" {clip.bins.unit}s"
        )
        wide = [clip.seen_hz(step) for step in report.trace.steps]
        if last := next((hz for hz in reversed(wide) if hz is not None), None):
            yield f"the last layer sees {last:,.0f} Hz"
    if (samples := report.shortest_samples) is not None:
        yield (
            f"the shortest clip that gets through: {report.shortest_frames} frames, so {samples} samples or"
            f" {samples / rate:.3f} s"
        )


def explanation(collapse: "Collapse") -> Iterator[tuple[str, str]]:
    """Why a stack can't be built, and what mends it: lines with a style each."""
    error = collapse.error
    yield f"Layer {error.number}, {show_layer(error.layer)}, {collapse.where}.", "bold red"
    yield f"Its input is {show_shape(error.tensor.shape)}: {error.reason}.", ""
    if collapse.mends:
        yield "", ""
        yield "Any one of these mends it (each was tried):", "bold"
    else:
        yield (
            "No single change that was tried mends it: make the input larger, or take layers out.",
            "",
        )
    for mend, command in zip(collapse.mends, collapse.commands, strict=True):
        yield f"  - {mend.text}", "green"
        yield f"    {command}", "dim"
