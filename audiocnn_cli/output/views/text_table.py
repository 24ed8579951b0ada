"""Tables of text for any width (no token is broken, what does not fit stands under its row), and Markdown."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import IO

from rich.console import Console
from rich.text import Text

_GAP = 2
_DETAILS = "formula"
_NO_BREAK = "\u00a0"


@dataclass(frozen=True)
class Column:
    """A column; its header may have several lines.

    Where the table is too wide, a column with a `label` is left out, and a cell that differs from the one
    above it stands under its row after the label. A cell of a `flexible` column that does not fit has a line
    of its own.
    """

    header: str
    right: bool = False
    style: str = ""
    label: str = ""
    flexible: bool = False


@dataclass(frozen=True)
class Row:
    """The cells of a row, and details that stand in a last column, or under the row where they don't fit."""

    cells: Sequence[str]
    details: Sequence[str] = ()


def print_table(
    out: Console, columns: Sequence[Column], rows: Sequence[Row], *, totals: Sequence[Row] = ()
) -> None:
    """Print `rows` and, after an empty line, `totals`; the last column is that of details."""
    table = _Table(columns, [*rows, *totals], out.width)
    rule = "-" if out.options.ascii_only else "\u2500"
    lines = [*table.header(), Text(rule * table.total)]
    for index, row in enumerate(table.rows):
        if index == len(rows):
            lines.append(Text())
        lines += table.lines(index, row)
    for line in lines:
        line.rstrip()
    out.print(Text("\n").join(lines), soft_wrap=True)
    out.print()


def print_wrapped(
    out: Console, text: str, *, style: str = "", indent: int = 0, whole: Sequence[str] = ()
) -> None:
    """Print `text` in lines of at most the console's width, broken at spaces but not within `whole`."""
    for part in whole:
        text = text.replace(part, part.replace(" ", _NO_BREAK))
    for line in _wrapped(text, out.width - indent) or [""]:
        out.print(" " * indent + line.replace(_NO_BREAK, " "), style=style, soft_wrap=True)


def print_markdown_table(
    stream: IO[str], header: Sequence[str], rows: Iterable[Sequence[str]], *, right: Iterable[str] = ()
) -> None:
    """Write a Markdown table; `right` are the headers of its right-aligned columns."""
    rules = ("---:" if name in right else ":---" for name in header)
    stream.write(f"{_markdown_line(header)}\n|{'|'.join(rules)}|\n")
    stream.writelines(f"{_markdown_line(row)}\n" for row in rows)


def _markdown_line(values: Iterable[str]) -> str:
    cells = ("<br>".join(map(escape, value.splitlines())) for value in values)
    return f"| {' | '.join(cells)} |"


def escape(text: str) -> str:
    """`text` with Markdown's marks escaped, except for the bold total."""
    if text == "**total**":
        return text
    for mark in "\\|*_`<[]":
        text = text.replace(mark, f"\\{mark}")
    return text


class _Table:
    """The layout of a table: the columns that are shown, their widths, and where the details stand."""

    def __init__(self, columns: Sequence[Column], rows: Sequence[Row], width: int) -> None:
        self.columns = columns
        self.rows = rows
        self.width = width
        self.widths = [
            max(map(len, (*column.header.split("\n"), *(row.cells[i] for row in rows))))
            for i, column in enumerate(columns)
        ]
        self.shown = list(range(len(columns)))
        longest = max((len(piece) for row in rows for piece in row.details), default=0)
        self.beside = 0
        beside = _GAP + max(longest, len(_DETAILS))
        if longest and self.total + beside <= width:
            self.beside = beside
        else:
            self._shrink()

    @property
    def total(self) -> int:
        return sum(self.widths[i] for i in self.shown) + _GAP * (len(self.shown) - 1) + self.beside

    def _shrink(self) -> None:
        """Leave out columns with a label, then narrow the flexible one."""
        for i in reversed(range(len(self.columns))):
            if self.total > self.width and self.columns[i].label:
                self.shown.remove(i)
        for i, column in enumerate(self.columns):
            if column.flexible and self.total > self.width:
                self.widths[i] = max(len(column.header), self.widths[i] - (self.total - self.width))

    def header(self) -> Iterator[Text]:
        """The lines of the header, aligned at the last one."""
        headers = [column.header.split("\n") for column in self.columns]
        height = max(map(len, headers))
        *above, last = zip(*([""] * (height - len(lines)) + lines for lines in headers), strict=True)
        yield from map(self._line, above)
        yield self._line(last, _DETAILS if self.beside else "")

    def lines(self, index: int, row: Row) -> Iterator[Text]:
        cells = list(row.cells)
        for i in self.shown:
            if len(cells[i]) > self.widths[i]:  # only of a flexible column
                yield self._line([*cells[: i + 1], *[""] * (len(cells) - i - 1)])
                cells[: i + 1] = [""] * (i + 1)
        if self.beside:
            yield self._line(cells, *row.details[:1])
            for piece in row.details[1:]:
                yield self._line([""] * len(cells), piece)
            return
        if any(cells):
            yield self._line(cells)
        indent = 2 * _GAP + self.widths[0]
        pieces = [*self._moved(index, row), *row.details]
        for line in _packed(pieces, self.width - indent):
            yield Text(" " * indent + line, style="dim")

    def _moved(self, index: int, row: Row) -> Iterator[str]:
        """The cells of left-out columns, where they differ from the row above."""
        for i, column in enumerate(self.columns):
            above = self.rows[index - 1].cells[i] if index else ""
            if i not in self.shown and row.cells[i] not in {"", above}:
                yield f"{column.label} {row.cells[i]}"

    def _line(self, cells: Sequence[str], detail: str = "") -> Text:
        line = Text()
        for i in self.shown:
            column, width = self.columns[i], self.widths[i]
            cell = cells[i].rjust(width) if column.right else cells[i].ljust(width)
            line.append(cell, column.style)
            line.append(" " * _GAP)
        line.append(detail)
        return line


def _packed(pieces: Sequence[str], width: int) -> Iterator[str]:
    """The pieces separated by semicolons, as many on a line as fit whole."""
    line = ""
    for number, piece in enumerate(pieces, start=1):
        text = piece if number == len(pieces) else f"{piece};"
        if line and len(line) + 1 + len(text) > width:
            yield from _wrapped(line, width)
            line = ""
        line = f"{line} {text}" if line else text
    yield from _wrapped(line, width)


def _wrapped(text: str, width: int) -> list[str]:
    return wrap(text, max(width, 1), break_long_words=False, break_on_hyphens=False)
