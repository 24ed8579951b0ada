"""The numbers of a summary as a table: of one recording all of them, of many the first ones."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from audiocnn_cli.output.terminal.console import display
from audiocnn_cli.output.terminal.layout import Column, FittedTable

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
        note = f"and {hidden} more rows: --csv or --json prints all"
    else:
        yield _by_recording(vectors)
        hidden = len(names) - _FIRST_COLUMNS
        note = f"and {hidden} more columns: --csv or --json prints all"
    if hidden > 0:
        yield Text(f"  {note}", style="dim")


def _vectors(document: Mapping[str, Any]) -> Iterator[tuple[list[str], list[str], list[float]]]:
    """What a row is of, the names of its numbers as in CSV, and the numbers; a row a segment."""
    if "statistics" not in document:
        return
    columns, statistics = document["columns"], document["statistics"]
    names = [f"{column}_{statistic}" for statistic in statistics for column in columns]
    data = np.asarray(document["data"], dtype=np.float64).reshape(-1, len(names))
    segmented = document["axes"][0] == "segment"
    for segment, numbers in enumerate(data.tolist()):
        yield [document["path"], *([str(segment)] if segmented else [])], names, numbers


def _by_column(document: Mapping[str, Any], numbers: Sequence[float]) -> FittedTable:
    columns = document["columns"]
    shown = min(len(columns), _MOST_ROWS)
    cells = [f"{number:.5g}" for number in numbers]
    return FittedTable(
        [
            Column(name=document["feature"], cells=columns[:shown], style="bold"),
            *(
                Column(name=statistic, cells=cells[i * len(columns) :][:shown], justify="right")
                for i, statistic in enumerate(document["statistics"])
            ),
        ]
    )


def _by_recording(vectors: Sequence[tuple[list[str], list[str], list[float]]]) -> FittedTable:
    paths = [display(what[0]) for what, _, _ in vectors]
    columns = [Column(name="path", cells=paths, style="bold", path=True)]
    if len(vectors[0][0]) > 1:
        segments = [what[1] for what, _, _ in vectors]
        columns.append(Column(name="segment", cells=segments, justify="right"))
    for i, name in enumerate(vectors[0][1][:_FIRST_COLUMNS]):
        cells = [f"{numbers[i]:.5g}" for _, _, numbers in vectors]
        # The first numbers are shown before the later ones.
        columns.append(Column(name=name, cells=cells, justify="right", drop=_FIRST_COLUMNS - i if i else 0))
    return FittedTable(columns)
