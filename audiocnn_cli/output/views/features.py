"""How a feature tensor and its summary look as tables, as JSON and as CSV."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Group
from rich.text import Text

from audiocnn_cli.datasets.feature_rows import parts
from audiocnn_cli.features.result import FeatureResult
from audiocnn_cli.output.results import Row
from audiocnn_cli.output.tensors.report import FeatureReport
from audiocnn_cli.output.terminal.console import display
from audiocnn_cli.output.terminal.features import Outline
from audiocnn_cli.output.terminal.layout import Column, FittedTable

# As many recordings have a picture each below the table; more of them have a small one in it.
_LARGE_PICTURES = 2
# The shown numbers of a summary: of one recording so many rows, of several so many columns.
_MOST_ROWS = 40
_FIRST_COLUMNS = 4


def rows(result: FeatureResult) -> Iterator[Row]:
    """One row a frame: path, segment, frame, time_s, then the bins; of a summary, one row a recording.

    A segment's times are those in the recording. Values have as many digits as float32 needs.
    """
    names = result.tensor.columns
    for segment, start, values in parts(result):
        if result.tensor.plan.summary:
            yield _summary_row(result, segment, values)
            continue
        times = (result.tensor.times_s[start:] + result.tensor.starts_s[segment]).round(6).tolist()
        for i, texts in enumerate(values.astype(str).tolist()):
            row = {"path": result.source.path, "segment": segment, "frame": start + i}
            yield row | {"time_s": times[i]} | dict(zip(names, texts, strict=True))


def _summary_row(result: FeatureResult, segment: int, values: NDArray[np.float32]) -> dict[str, object]:
    row: dict[str, object] = {"path": result.source.path}
    if result.tensor.plan.segmentation:
        row |= {"segment": segment, "time_s": round(result.tensor.starts_s[segment], 6)}
    for statistic, texts in zip(result.tensor.plan.summary, values.astype(str).tolist(), strict=True):
        names = [f"{column}_{statistic}" for column in result.tensor.columns]
        row |= dict(zip(names, texts, strict=True))
    return row


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureView:
    """The view of `audiocnn features`; `with_data` puts the tensor itself into the JSON."""

    with_data: bool = False

    def document(self, result: FeatureReport) -> Mapping[str, Any]:
        """Shape, rates and statistics a bin."""
        if not self.with_data or result.result is None:
            return result.document
        return {**result.document, "data": result.result.tensor.data.tolist()}

    def rows(self, result: FeatureReport) -> Iterator[Row]:
        """One row a frame, or one a recording for summaries."""
        return rows(result.result) if result.result else iter(())

    def table(self, results: Sequence[FeatureReport]) -> Any:
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
    """Renderables of recordings that were summarised, from their JSON documents."""
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
