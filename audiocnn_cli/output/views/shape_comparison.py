"""Several stacks side by side."""

from collections.abc import Sequence
from itertools import zip_longest
from typing import IO

from audiocnn_cli.output.destination import Destination, Format
from audiocnn_cli.output.results import dump, write_rows
from audiocnn_cli.output.terminal.console import console, display
from audiocnn_cli.output.views.shapes import document, row
from audiocnn_cli.shapes.report import Report
from audiocnn_cli.shapes.sizes import show_shape


def write_diff(reports: Sequence[Report], destination: Destination) -> None:
    """Write the stacks as the destination wants it: in JSON under `stacks`, in CSV one after the other."""
    with destination.open() as stream:
        if destination.format is Format.JSON:
            dump({"stacks": [document(report) for report in reports]}, stream)
        elif destination.format is Format.JSONL:
            for report in reports:
                dump(document(report), stream, indent=None)
        elif destination.format is Format.CSV:
            rows = [
                {"stack": report.trace.title, **row(step)}
                for report in reports
                for step in report.trace.steps
            ]
            write_rows(rows, stream, header=list(rows[0]) if rows else ["stack"])
        else:
            _write_table(reports, stream, markdown=destination.format is Format.MARKDOWN)


def _write_table(reports: Sequence[Report], stream: IO[str], *, markdown: bool) -> None:
    from rich import box
    from rich.table import Table

    table = Table(box=box.MARKDOWN if markdown else box.SIMPLE_HEAD)
    table.add_column("#", justify="right", style="dim")
    for report in reports:
        table.add_column(display(report.trace.title), overflow="fold")
    table.add_row("", *(show_shape(report.trace.input) for report in reports))
    columns = [
        [f"{display(step.text)}\n{show_shape(step.output)}" for step in report.trace.steps]
        + ([report.collapse.where] if report.collapse else [])
        for report in reports
    ]
    for number, cells in enumerate(zip_longest(*columns, fillvalue=""), start=1):
        table.add_row(str(number), *cells)
    table.add_section()
    for name, values in _totals(reports):
        table.add_row("", *(f"{value:,} {name}" for value in values))
    console(stream).print(table)


def _totals(reports: Sequence[Report]) -> list[tuple[str, list[int]]]:
    traces = [report.trace for report in reports]
    return [
        ("layers", [len(trace.steps) for trace in traces]),
        ("params", [trace.params for trace in traces]),
        ("MACs", [trace.macs for trace in traces]),
        (
            "bytes in the largest output",
            [
                max((step.activation_bytes or 0 for step in trace.steps), default=0)
                for trace in traces
            ],
        ),
    ]
