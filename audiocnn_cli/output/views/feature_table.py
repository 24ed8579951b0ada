"""The table of feature tensors, with a picture or the numbers of each; imports Rich."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from rich.console import Group
from rich.text import Text

from audiocnn_cli.output.tensors.report import FeatureReport
from audiocnn_cli.output.terminal.console import display
from audiocnn_cli.output.terminal.features import Outline
from audiocnn_cli.output.terminal.layout import Column, FittedTable

# As many recordings have a picture each below the table; more of them have a small one in it.
_LARGE_PICTURES = 2
# The shown numbers of a summary: of one recording so many rows, of several so many columns.
_MOST_ROWS = 40
_FIRST_COLUMNS = 4


def feature_table(results: Sequence[FeatureReport]) -> Any:
    """One row a recording, and a picture or the numbers of each."""
    documents = [each.document for each in results]
    one, large = len(results) == 1, len(results) <= _LARGE_PICTURES
    features = [each["feature"].replace(",", ", ") for each in documents]
    shapes = [" x ".join(map(str, each["shape"])) for each in documents]
    seconds = [f"{each['duration_s']:.2f}" for each in documents]
    columns = [
        Column(name="path", cells=_cells(documents, "path"), style="bold", path=True),
        Column(name="feature", cells=features, drop=0 if one else 1, wrap=one),
        Column(name="shape", cells=shapes, style="cyan"),
        Column(name="Hz", cells=_cells(documents, "sample_rate"), justify="right", drop=2),
        Column(name="seconds", cells=seconds, justify="right", drop=3),
    ]
    if any(each["output"] for each in documents):
        columns.append(Column(name="output", cells=_cells(documents, "output"), path=True))
    if not large and any(each.picture for each in results):
        outlines = [Outline(each.picture) if each.picture else "" for each in results]
        columns.append(Column(name="over time", cells=outlines, drop=4, wrap=True))
    pictures = [each.picture for each in results if large and each.picture is not None]
    return Group(FittedTable(columns), *pictures, *_summary_tables(documents))


def _cells(documents: Sequence[Mapping[str, Any]], key: str) -> list[str]:
    return [display(str(each[key] or "")) for each in documents]


def _summary_tables(documents: Sequence[Mapping[str, Any]]) -> Iterator[Any]:
    """The numbers of recordings that were summarised: of a single vector all, of several the first ones."""
    plan = documents[0]
    if "statistics" not in plan:
        return
    statistics, names = plan["statistics"], plan["columns"]
    size = len(statistics) * len(names)
    vectors = [vector for each in documents for vector in _vectors(each, size)]
    if not vectors:
        return
    if len(vectors) == 1:
        cells = np.reshape(vectors[0][2], (len(statistics), -1))[:, :_MOST_ROWS].tolist()
        columns = [Column(name=plan["feature"], cells=names[:_MOST_ROWS], style="bold")]
        columns += [
            Column(name=statistic, cells=numbers, justify="right")
            for statistic, numbers in zip(statistics, cells, strict=True)
        ]
        hidden, what = len(names) - _MOST_ROWS, "rows"
    else:
        paths, segments, texts = zip(*vectors, strict=True)
        columns = [Column(name="path", cells=paths, style="bold", path=True)]
        if plan["axes"][0] == "segment":
            columns.append(Column(name="segment", cells=segments, justify="right"))
        first = [f"{name}_{statistic}" for statistic in statistics for name in names][:_FIRST_COLUMNS]
        # The first numbers are shown before the later ones.
        columns += [
            Column(name=name, cells=cells, justify="right", drop=_FIRST_COLUMNS - i if i else 0)
            for i, (name, cells) in enumerate(zip(first, zip(*texts, strict=True), strict=False))
        ]
        hidden, what = size - _FIRST_COLUMNS, "columns"
    yield FittedTable(columns)
    if hidden > 0:
        yield Text(f"  and {hidden} more {what}: --csv or --json prints all", style="dim")


def _vectors(document: Mapping[str, Any], size: int) -> Iterator[tuple[str, str, list[str]]]:
    """For each segment of a recording the path, the number of the segment, and `size` numbers."""
    for segment, numbers in enumerate(np.reshape(document["data"], (-1, size)).tolist()):
        yield display(document["path"]), str(segment), [f"{number:.5g}" for number in numbers]
