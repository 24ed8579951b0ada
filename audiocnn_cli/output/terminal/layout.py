"""Tables that fit the terminal: paths are shortened in their middle, and minor columns are left out."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from rich import box
from rich.cells import cell_len, set_cell_size
from rich.console import Console, ConsoleOptions
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

_ELLIPSIS = "…"
_SHORTEST_PATH = 8


def shorten_path(path: str, width: int) -> str:
    """`path` in at most `width` terminal cells: its middle becomes an ellipsis, and most of its end stays.

    The name of the file stays whole where it fits, behind as much of the beginning as there is room for.
    """
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
class _PathText:
    """A path, shortened to the width of its column, but not below `least` characters for other columns."""

    path: str
    least: int

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        whole = cell_len(self.path)
        return Measurement(min(whole, self.least), whole)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        yield Text(shorten_path(self.path, options.max_width), no_wrap=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of a `FittedTable`: its heading, and a cell for each row (text, or any Rich renderable).

    `drop` is the order in which columns are left out where the table is too wide: 1 before 2; 0 never. The
    cells of a `path` column are shortened in their middle, to `least` characters before a column is left out;
    those of a `wrap` column are broken between words; all others stay on one line.
    """

    name: str
    cells: Sequence[Any]
    justify: Literal["left", "right"] = "left"
    style: str = ""
    drop: int = 0
    path: bool = False
    least: int = 32
    wrap: bool = False


@dataclass(frozen=True, slots=True)
class FittedTable:
    """Columns side by side, as many as there is room for."""

    columns: Sequence[Column]
    title: str | None = None

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Table]:
        columns = self.columns
        cells = [[_PathText(cell, c.least) if c.path else cell for cell in c.cells] for c in columns]
        sizes = [_sizes(*each, console, options) for each in zip(columns, cells, strict=True)]
        spare = options.max_width - 1 - sum(narrow + 3 for narrow, _ in sizes)
        shown = list(range(len(columns)))
        for i in sorted(shown, key=lambda i: columns[i].drop):
            if columns[i].drop and spare < 0:
                shown.remove(i)
                spare += sizes[i][0] + 3
        widths: dict[int, int] = {}
        # What is to spare makes broken cells longer, then paths.
        for i in sorted(shown, key=lambda i: columns[i].path):
            narrow, whole = sizes[i]
            if columns[i].path:
                shortest = max(cell_len(columns[i].name), min(_SHORTEST_PATH, narrow))
                widths[i] = max(min(narrow + spare, whole), shortest)
            elif columns[i].wrap and spare > 0:
                widths[i] = min(narrow + spare, whole)
            spare -= widths.get(i, narrow) - narrow
        table = Table(box=box.SIMPLE_HEAD, title=self.title, title_justify="left", title_style="bold")
        for i in shown:
            table.add_column(
                columns[i].name,
                justify=columns[i].justify,
                style=columns[i].style,
                no_wrap=not (columns[i].path or columns[i].wrap),
                width=widths.get(i),
            )
        for row in zip(*(cells[i] for i in shown), strict=True):
            table.add_row(*row)
        yield table


def table_of_rows(
    names: Sequence[str],
    rows: Sequence[Sequence[Any]],
    *,
    left: Collection[str],
    wrap: Collection[str] = (),
    drop: Mapping[str, int] | None = None,
) -> FittedTable:
    """A table of columns with these names; those in `left` are aligned there, all others hold numbers."""
    return FittedTable(
        [
            Column(
                name=name,
                cells=[row[i] for row in rows],
                justify="left" if name in left else "right",
                wrap=name in wrap,
                drop=(drop or {}).get(name, 0),
            )
            for i, name in enumerate(names)
        ]
    )


def _sizes(
    column: Column, cells: Sequence[Any], console: Console, options: ConsoleOptions
) -> tuple[int, int]:
    """The width at which a column is still easy to read, and that of its longest cell."""
    head = cell_len(column.name)
    measured = [console.measure(cell, options=options) for cell in cells]
    whole = max([head, *(each.maximum for each in measured)])
    if not (column.path or column.wrap):
        return whole, whole
    return max([head, *(each.minimum for each in measured)]), whole
