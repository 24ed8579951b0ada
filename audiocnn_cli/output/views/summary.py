"""The numbers of a summary as a table: of one recording all of them, of many the first ones."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from audiocnn_cli.output.terminal.console import display

_MOST_ROWS = 40
_FIRST_COLUMNS = 4


def summary_tables(documents: Sequence[Mapping[str, Any]]) -> Iterator[Any]:
    """Renderables of recordings that were summarised, from their JSON documents."""
    from rich.text import Text

    vectors = [vector for each in documents for vector in _vectors(each)]
    if not vectors:
        return
    names = vectors[0][1]
    if len(vectors) == 1:
        yield _by_column(documents[0], vectors[0][2])
        hidden = len(names) // len(documents[0]["statistics"]) - _MOST_ROWS
        said = f"and {hidden} more rows: --csv or --json prints all"
    else:
        yield _by_recording(vectors)
        hidden = len(names) - _FIRST_COLUMNS
        said = f"and {hidden} more columns: --csv or --json prints all"
    if hidden > 0:
        yield Text(f"  {said}", style="dim")


def _vectors(document: Mapping[str, Any]) -> Iterator[tuple[list[str], list[str], list[float]]]:
    """What a row is of, the names of its numbers as in CSV, and the numbers; a row a segment."""
    import numpy as np

    if "statistics" not in document:
        return
    columns, statistics = document["columns"], document["statistics"]
    names = [f"{column}_{statistic}" for statistic in statistics for column in columns]
    data = np.asarray(document["data"], dtype=np.float64).reshape(-1, len(names))
    segmented = document["axes"][0] == "segment"
    for segment, numbers in enumerate(data.tolist()):
        yield [document["path"], *([str(segment)] if segmented else [])], names, numbers


def _by_column(document: Mapping[str, Any], numbers: Sequence[float]) -> Any:
    table = _table()
    table.add_column(document["feature"], style="bold")
    for statistic in document["statistics"]:
        table.add_column(statistic, justify="right")
    columns = document["columns"]
    for i, column in enumerate(columns[:_MOST_ROWS]):
        table.add_row(column, *(f"{number:.5g}" for number in numbers[i :: len(columns)]))
    return table


def _by_recording(vectors: Sequence[tuple[list[str], list[str], list[float]]]) -> Any:
    table = _table()
    table.add_column("path", overflow="fold", style="bold")
    what, names, _ = vectors[0]
    if len(what) > 1:
        table.add_column("segment", justify="right")
    for name in names[:_FIRST_COLUMNS]:
        table.add_column(name, justify="right")
    for what, _, numbers in vectors:
        shown = (f"{number:.5g}" for number in numbers[:_FIRST_COLUMNS])
        table.add_row(display(what[0]), *what[1:], *shown)
    return table


def _table() -> Any:
    from rich import box
    from rich.table import Table

    return Table(box=box.SIMPLE_HEAD)
