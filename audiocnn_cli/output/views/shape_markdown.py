"""A stack of layers as a Markdown table, for a README."""

from collections.abc import Iterable, Sequence
from typing import IO

from audiocnn_cli.output.views.shape_table import HEADER, cells, explanation, notes
from audiocnn_cli.parameters import with_flags
from audiocnn_cli.shapes.report import Report
from audiocnn_cli.shapes.sizes import show_shape


def write_markdown(report: Report, stream: IO[str]) -> None:
    """Write a heading, the table and its notes."""
    trace = report.trace
    if trace.title:
        stream.write(f"### {escape(trace.title)}\n\n")
    sums = f"{trace.params:,}", f"{trace.macs:,}"
    rows = [
        ("", "input", show_shape(trace.input), "", "", "", ""),
        *map(cells, trace.steps),
        ("", "**total**", show_shape(trace.output), *sums, "", ""),
    ]
    write_rows_of_markdown(stream, HEADER, rows, right={"#", *HEADER[3:]})
    stream.write("\n")
    for number, sentences in report.explained.items():
        stream.write(f"{number}. {escape(' '.join(sentences))}\n\n")
    lines = (
        [text for text, _ in explanation(report.collapse) if text]
        if report.collapse
        else list(map(with_flags, notes(report)))
    )
    for line in lines:
        text = escape(line.strip().removeprefix("- ").removeprefix("* "))
        stream.write(f"- {text}\n")


def write_rows_of_markdown(
    stream: IO[str], header: Sequence[str], rows: Iterable[Sequence[str]], *, right: Iterable[str] = ()
) -> None:
    """Write a table; `right` are the headers of its right-aligned columns."""
    rules = ("---:" if name in right else ":---" for name in header)
    stream.write(f"{_line(header)}\n|{'|'.join(rules)}|\n")
    stream.writelines(f"{_line(row)}\n" for row in rows)


def _line(values: Iterable[str]) -> str:
    cells = ("<br>".join(map(escape, value.splitlines())) for value in values)
    return f"| {' | '.join(cells)} |"


def escape(text: str) -> str:
    """`text` with Markdown's marks escaped, except for the bold total."""
    if text == "**total**":
        return text
    for mark in "\\|*_`<[]":
        text = text.replace(mark, f"\\{mark}")
    return text
