"""A stack of layers as a Markdown table, for a README."""

from collections.abc import Iterable
from typing import IO

from audiocnn_cli.output.views.shape_table import HEADER, cells, explanation, notes
from audiocnn_cli.shapes.report import Report
from audiocnn_cli.shapes.sizes import show_shape

_RIGHT = {"#", "params", "MACs", "sees", "jump"}


def write_markdown(report: Report, stream: IO[str]) -> None:
    """A heading, the table and its notes."""
    trace = report.trace
    if trace.title:
        stream.write(f"### {escape(trace.title)}\n\n")
    rules = ("---:" if name in _RIGHT else ":---" for name in HEADER)
    stream.write(f"{_line(HEADER)}\n|{'|'.join(rules)}|\n")
    stream.write(_line(("", "input", show_shape(trace.input), "", "", "", "")) + "\n")
    for step in trace.steps:
        stream.write(_line(cells(step)) + "\n")
    total = f"{trace.params:,}", f"{trace.macs:,}"
    stream.write(_line(("", "**total**", show_shape(trace.output), *total, "", "")) + "\n\n")
    for number, sentences in report.explained.items():
        stream.write(f"{number}. {escape(' '.join(sentences))}\n\n")
    lines = (
        [text for text, _ in explanation(report.collapse) if text]
        if report.collapse
        else list(notes(report))
    )
    for line in lines:
        text = escape(line.strip().removeprefix("- ").removeprefix("* "))
        stream.write(f"- {text}\n")


def _line(values: Iterable[str]) -> str:
    return f"| {' | '.join(map(escape, values))} |"


def escape(text: str) -> str:
    """`text` with what Markdown would take for markup made plain; a total's bold stays."""
    if text == "**total**":
        return text
    for mark in "\\|*_`<[]":
        text = text.replace(mark, f"\\{mark}")
    return text
