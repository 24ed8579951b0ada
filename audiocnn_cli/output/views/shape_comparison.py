"""Several stacks side by side."""

from collections.abc import Sequence
from itertools import zip_longest
from textwrap import wrap

from rich.console import Console

from audiocnn_cli.output.destination import Destination, Format
from audiocnn_cli.output.results import dump, write_rows
from audiocnn_cli.output.terminal.console import console, display
from audiocnn_cli.output.views.shapes import document, row
from audiocnn_cli.output.views.text_table import Column, Row, print_markdown_table, print_table
from audiocnn_cli.shapes.report import Report
from audiocnn_cli.shapes.sizes import show_shape

_GAP = 2


def write_diff(reports: Sequence[Report], destination: Destination) -> None:
    """Write the stacks side by side; in JSON under `stacks`, in CSV one after the other."""
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
        elif destination.format is Format.MARKDOWN:
            columns = [[*stack.layers, *stack.totals] for stack in map(_Stack, reports)]
            titles = [report.trace.title for report in reports]
            print_markdown_table(stream, titles, zip_longest(*columns, fillvalue=""))
        else:
            _print_table(list(map(_Stack, reports)), console(stream))


class _Stack:
    """One stack as a column: its layers, each with its output on a second line, and its totals."""

    def __init__(self, report: Report) -> None:
        trace = report.trace
        self.title = display(trace.title)
        self.layers = [f"input\n{show_shape(trace.input)}"]
        self.layers += [f"{display(step.text)}\n{show_shape(step.output)}" for step in trace.steps]
        if report.collapse:
            self.layers.append(f"{report.collapse.where}\n")
        largest = max((step.activation_bytes or 0 for step in trace.steps), default=0)
        self.totals = [
            f"{len(trace.steps):,} layers",
            f"{trace.params:,} params",
            f"{'' if trace.has_all_macs else '>= '}{trace.macs:,} MACs",
            f"{largest:,} B largest output",
        ]

    @property
    def width(self) -> int:
        return max(len(line) for cell in (*self.layers, *self.totals) for line in cell.split("\n"))

    @property
    def column(self) -> Column:
        """The column, with its title as a header of several lines."""
        lines = wrap(self.title, self.width, break_long_words=False, break_on_hyphens=False)
        return Column("\n".join(lines))


def _print_table(stacks: list[_Stack], out: Console) -> None:
    """Print as many stacks side by side as fit, and the others below them."""
    shown: list[_Stack] = []
    room = out.width - len(str(max(len(stack.layers) for stack in stacks)))
    while stacks and (not shown or stacks[0].width + _GAP <= room):
        shown.append(stacks.pop(0))
        room -= shown[-1].width + _GAP
    rows = []
    for number, cells in enumerate(zip_longest(*(stack.layers for stack in shown), fillvalue="\n")):
        texts, shapes = zip(*(cell.split("\n") for cell in cells), strict=True)
        rows += [Row((str(number or ""), *texts)), Row(("", *shapes))]
    totals = [Row(("", *values)) for values in zip(*(stack.totals for stack in shown), strict=True)]
    columns = [Column("#", right=True, style="dim"), *(stack.column for stack in shown)]
    print_table(out, columns, rows, totals=totals)
    if stacks:
        _print_table(stacks, out)
