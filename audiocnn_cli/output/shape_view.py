"""How a stack of layers looks as a table, as JSON, as CSV and as Markdown."""

from collections.abc import Iterator, Sequence
from typing import IO, TYPE_CHECKING, Any

from audiocnn_cli.output.console import console, display
from audiocnn_cli.output.destination import Destination, Format
from audiocnn_cli.output.results import Row, dump, write_rows
from audiocnn_cli.shapes.collapse import Collapse, command
from audiocnn_cli.shapes.grammar import show_layer
from audiocnn_cli.shapes.sizes import show_shape, type_sizes
from audiocnn_cli.shapes.step import Step
from audiocnn_cli.shapes.trace import Trace

if TYPE_CHECKING:
    from rich.table import Table


def write_trace(result: Trace | Collapse, destination: Destination) -> None:
    """Write a trace, or a collapse with the layers before it, as the destination wants it."""
    trace = result.before if isinstance(result, Collapse) else result
    with destination.open() as stream:
        if destination.format is Format.JSON:
            dump(document(result), stream)
        elif destination.format is Format.JSONL:
            for step in trace.steps:
                dump(layer_document(step), stream, indent=None)
        elif destination.format is Format.CSV:
            write_rows(map(row, trace.steps), stream, header=_COLUMNS)
        else:
            _write_table(result, trace, stream)


def document(result: Trace | Collapse) -> dict[str, Any]:
    """The JSON document of CONTRACT.md, for a stack that runs and for one that does not."""
    if isinstance(result, Collapse):
        return _error_document(result)
    return {
        "title": result.title,
        "framework": result.framework,
        "input": list(result.input),
        "layers": [layer_document(step) for step in result.steps],
        "output": list(result.output),
        "params": result.params,
        "fixed_params": result.fixed_params,
        "macs": result.macs,
    }


def _error_document(collapse: Collapse) -> dict[str, Any]:
    error, before = collapse.error, collapse.before
    return {
        "error": {
            "layer": error.number,
            "name": error.name,
            "text": show_layer(error.layer),
            "axis": collapse.axis,
            "reason": error.reason,
            "fixes": [mend.text for mend in collapse.mends],
            "commands": list(_commands(collapse)),
        },
        "input": list(before.input),
        "layers": [layer_document(step) for step in before.steps],
    }


def _commands(collapse: Collapse) -> Iterator[str]:
    for mend in collapse.mends:
        yield command(
            mend.input_shape,
            tuple(map(show_layer, mend.layers)),
            framework=collapse.before.framework,
            like=collapse.like,
        )


def layer_document(step: Step) -> dict[str, Any]:
    """One object of `layers`; what a layer has no use for is left out."""
    attributes = {
        "name": step.name,
        "type": step.type,
        "text": step.text,
        "input": step.input,
        "output": step.output,
        "kernel": step.kernel,
        "stride": step.stride,
        "padding": step.padding,
        "pad": step.pad,
        "dilation": step.dilation,
        "groups": step.groups,
        "filters": step.filters,
        "units": step.units,
        "heads": step.heads,
        "rate": step.rate,
        "activation": step.activation,
        "return_sequences": step.return_sequences,
        "bidirectional": step.bidirectional,
        "ceil": step.ceil,
        "params": step.params,
        "fixed_params": step.fixed_params or None,
        "macs": step.macs,
        "activation_bytes": step.activation_bytes,
        "receptive_field": step.receptive_field or None,
        "jump": step.jump,
        "formula": step.formula,
        "differs": step.differs or None,
    }
    return {key: value for key, value in attributes.items() if value is not None}


_COLUMNS = (
    "number", "name", "type", "input", "output", "kernel", "stride", "padding", "pad", "dilation", "groups",
    "filters", "units", "rate", "activation", "params", "macs", "activation_bytes", "receptive_field",
    "jump",
)  # fmt: skip


def row(step: Step) -> Row:
    """One CSV row: shapes as 130x13x1, pads as top,bottom,left,right."""
    values = layer_document(step) | {"number": step.number}
    if step.pad is not None:
        values["pad"] = ",".join(str(side) for axis in step.pad for side in axis)
    return {column: _cell(values.get(column)) for column in _COLUMNS}


def _cell(value: object) -> object:
    if value is None:
        return ""
    return "x".join(map(str, value)) if isinstance(value, tuple) else value


def _write_table(result: Trace | Collapse, trace: Trace, stream: IO[str]) -> None:
    out = console(stream)
    out.print(stack_table(trace))
    if isinstance(result, Collapse):
        for line, style in _explanation(result):
            out.print(display(line), style=style, soft_wrap=True)
        return
    for line in footnotes(trace):
        out.print(display(line), style="dim", soft_wrap=True)


def _explanation(collapse: Collapse) -> Iterator[tuple[str, str]]:
    error = collapse.error
    where = f"collapses on the {collapse.axis} axis" if collapse.axis else "can't be applied"
    yield f"Layer {error.number}, {show_layer(error.layer)}, {where}.", "bold red"
    yield f"Its input is {show_shape(error.tensor.shape)}: {error.reason}.", ""
    if collapse.mends:
        yield "", ""
        yield "Any one of these mends it (each was tried):", "bold"
    for mend, line in zip(collapse.mends, _commands(collapse), strict=True):
        yield f"  - {mend.text}", "green"
        yield f"    {line}", "dim"


def stack_table(trace: Trace) -> "Table":
    """One row a layer, and a last one with the totals."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, title=trace.title or None, title_justify="left")
    table.add_column("#", justify="right", style="dim")
    table.add_column("layer", style="bold", overflow="fold")
    table.add_column("output", style="cyan", no_wrap=True)
    for name in ("params", "MACs", "sees", "jump"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("formula", overflow="fold")
    table.add_row("", "input", show_shape(trace.input))
    for step, mark in zip(trace.steps, _marks(trace.steps), strict=True):
        table.add_row(
            str(step.number),
            display(step.text) + mark,
            show_shape(step.output),
            f"{step.params:,}",
            f"{step.macs:,}",
            type_sizes(step.receptive_field),
            _show_jump(step.jump),
            "\n".join(step.formula),
        )
    if trace.steps:
        table.add_section()
        table.add_row("", "total", show_shape(trace.output), f"{trace.params:,}", f"{trace.macs:,}")
    return table


def _show_jump(jump: Sequence[int | float] | None) -> str:
    return "" if jump is None else "x".join(f"{value:g}" for value in jump)


def _marks(steps: Sequence[Step]) -> Iterator[str]:
    """A star for each row that another framework would have differently."""
    for step in steps:
        yield " *" if step.differs else ""


def footnotes(trace: Trace) -> Iterator[str]:
    """What the table's stars mean, and what the columns count."""
    notes: dict[str, list[str]] = {}
    for step in trace.steps:
        for framework, what in step.differs.items():
            notes.setdefault(f"{framework.label} {what}", []).append(str(step.number))
    for note, numbers in notes.items():
        yield f"* {note} (layer {', '.join(numbers)})"
    if trace.fixed_params:
        yield f"besides, {trace.fixed_params:,} running statistics that are not trained"
    yield (
        f"rules: {trace.framework.label}; sees: receptive field, padding included; jump: how far apart"
        " neighbours are on the input; MACs: multiply-accumulates for one example"
    )
