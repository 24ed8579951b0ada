"""Tables that fit the terminal: paths are shortened in their middle, and minor columns are left out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions
    from rich.measure import Measurement

_ELLIPSIS = "…"
# Paths are shortened to so many characters before a column is left out.
_SHORT_PATH = 32
_SHORTEST_PATH = 8


def shorten_path(path: str, width: int) -> str:
    """`path` in at most `width` terminal cells: its middle becomes an ellipsis, and most of its end stays.

    The name of the file stays whole where it fits, behind as much of the beginning as there is room for.
    """
    from rich.cells import cell_len, set_cell_size

    if cell_len(path) <= width:
        return path
    if width <= 1:
        return _ELLIPSIS[: max(0, width)]
    name = path[path.rstrip("/").rfind("/") :].lstrip("/")
    # A third for the beginning; less where the name needs it, but a few characters of the folder.
    room = width - 1
    head = max(min(room // 3, room - cell_len(name) - 1), min(room // 5, 4))
    start = set_cell_size(path, head).rstrip()
    end = path
    while cell_len(end) > room - cell_len(start):
        end = end[1:]
    return start + _ELLIPSIS + end


@dataclass(frozen=True, slots=True)
class PathText:
    """A path in a Rich table, shortened to the width of its column."""

    path: str

    def __rich_measure__(self, console: "Console", options: "ConsoleOptions") -> "Measurement":
        """Between a short form and the whole path."""
        from rich.cells import cell_len
        from rich.measure import Measurement

        whole = cell_len(self.path)
        return Measurement(min(whole, _SHORTEST_PATH), whole).with_maximum(options.max_width)

    def __rich_console__(self, console: "Console", options: "ConsoleOptions") -> Iterator[Any]:
        """One line."""
        from rich.text import Text

        yield Text(shorten_path(self.path, options.max_width), no_wrap=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of a `FittedTable`: its heading, and a cell for each row (text, or any Rich renderable).

    `drop` is the order in which columns are left out where the table is too wide: 1 before 2; 0 never. The
    cells of a `path` column are shortened in their middle, those of a `wrap` column broken between words;
    all others stay on one line.
    """

    name: str
    cells: Sequence[Any]
    justify: Literal["left", "right"] = "left"
    style: str = ""
    drop: int = 0
    path: bool = False
    wrap: bool = False


@dataclass(frozen=True, slots=True)
class FittedTable:
    """Columns side by side, as many as there is room for."""

    columns: Sequence[Column]
    title: str | None = None

    def __rich_console__(self, console: "Console", options: "ConsoleOptions") -> Iterator[Any]:
        """The table of the columns that fit."""
        from rich import box
        from rich.cells import cell_len
        from rich.table import Table

        columns = list(self.columns)
        widths = {column.name: _narrowest(column, console, options) for column in columns}
        room = options.max_width - 1
        for column in sorted(columns, key=lambda column: column.drop):
            if column.drop and sum(widths[each.name] + 3 for each in columns) > room:
                columns.remove(column)
        spare = room - sum(widths[each.name] + 3 for each in columns)
        table = Table(box=box.SIMPLE_HEAD, title=self.title, title_justify="left", title_style="bold")
        for column in columns:
            width = None
            if column.path:  # what is to spare makes paths longer before other columns
                width = min(widths[column.name] + spare, max(map(cell_len, column.cells)))
                width = max(width, cell_len(column.name), min(_SHORTEST_PATH, widths[column.name]))
                spare -= width - widths[column.name]
            table.add_column(
                column.name,
                justify=column.justify,
                style=column.style,
                no_wrap=not (column.path or column.wrap),
                width=width,
            )
        shown = [[PathText(c) if column.path else c for c in column.cells] for column in columns]
        for row in zip(*shown, strict=True):
            table.add_row(*row)
        yield table


def _narrowest(column: Column, console: "Console", options: "ConsoleOptions") -> int:
    """The width at which a column is still easy to read."""
    from rich.cells import cell_len

    if column.path:
        return max(cell_len(column.name), *(min(cell_len(p), _SHORT_PATH) for p in column.cells))
    measured = [console.measure(cell, options=options) for cell in column.cells]
    sizes = [each.minimum if column.wrap else each.maximum for each in measured]
    return max(cell_len(column.name), *sizes)
