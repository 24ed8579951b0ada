"""How a feature tensor looks as a table, as JSON and as CSV."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiocnn_cli.datasets.feature_rows import blocks
from audiocnn_cli.features.result import FeatureResult
from audiocnn_cli.output.results import Row
from audiocnn_cli.output.tensors.report import FeatureReport
from audiocnn_cli.output.terminal.console import display
from audiocnn_cli.output.terminal.features import Outline
from audiocnn_cli.output.terminal.layout import Column, FittedTable
from audiocnn_cli.output.views.summary import summary_tables

# As many recordings have a picture each below the table; more of them have a small one in it.
_LARGE_PICTURES = 2


def rows(result: FeatureResult) -> Iterator[Row]:
    """One row a frame: path, segment, frame, time_s, then the bins; of a summary, one row a recording.

    A segment's times are those in the recording. Values have as many digits as float32 needs.
    """
    names = result.tensor.columns
    for _, segment, start, values in blocks(result):
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


class FeatureView:
    """The view of `audiocnn features`; `with_data` puts the tensor itself into the JSON."""

    def __init__(self, *, with_data: bool = False) -> None:
        self._with_data = with_data

    def document(self, result: FeatureReport) -> Mapping[str, Any]:
        """Shape, rates and statistics a bin."""
        if not self._with_data or result.result is None:
            return result.document
        return {**result.document, "data": result.result.tensor.data.tolist()}

    def rows(self, result: FeatureReport) -> Iterator[Row]:
        """One row a frame, or one a recording for summaries."""
        return rows(result.result) if result.result else iter(())

    def table(self, results: Sequence[FeatureReport]) -> Any:
        """One row a recording, and a picture or the numbers of each."""
        from rich.console import Group

        documents = [each.document for each in results]
        large = len(results) <= _LARGE_PICTURES
        columns = [
            Column(name="path", cells=_cells(documents, "path"), style="bold", path=True),
            Column(
                name="feature",
                cells=[each["feature"].replace(",", ", ") for each in documents],
                drop=1 if len(results) > 1 else 0,
                wrap=len(results) == 1,
            ),
            Column(
                name="shape", cells=[" x ".join(map(str, each["shape"])) for each in documents], style="cyan"
            ),
            Column(name="Hz", cells=_cells(documents, "sample_rate"), justify="right", drop=2),
            Column(
                name="seconds",
                cells=[f"{each['duration_s']:.2f}" for each in documents],
                justify="right",
                drop=3,
            ),
        ]
        if any(each["output"] for each in documents):
            columns.append(Column(name="output", cells=_cells(documents, "output"), path=True))
        if not large and any(each.picture for each in results):
            outlines = [Outline(each.picture) if each.picture else "" for each in results]
            columns.append(Column(name="over time", cells=outlines, drop=4, wrap=True))
        pictures = [each.picture for each in results if large and each.picture is not None]
        return Group(FittedTable(columns), *pictures, *summary_tables(documents))


def _cells(documents: Sequence[Mapping[str, Any]], key: str) -> list[str]:
    return [display(str(each[key] or "")) for each in documents]
