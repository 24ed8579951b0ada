"""How a feature tensor and its summary look as JSON and as CSV."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiocnn_cli.datasets.feature_rows import blocks
from audiocnn_cli.features.result import FeatureResult
from audiocnn_cli.output.results import Row
from audiocnn_cli.output.tensors.report import FeatureReport, listed


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


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureView:
    """The view of `audiocnn features`; `with_data` puts the tensor itself into the JSON."""

    with_data: bool = False

    def document(self, result: FeatureReport) -> Mapping[str, Any]:
        """Shape, rates and statistics a bin."""
        if not self.with_data or result.result is None:
            return result.document
        return {**result.document, "data": listed(result.result.tensor.data)}

    def rows(self, result: FeatureReport) -> Iterator[Row]:
        """One row a frame, or one a recording for summaries."""
        return rows(result.result) if result.result else iter(())

    def table(self, results: Sequence[FeatureReport]) -> Any:
        """One row a recording, and a picture or the numbers of each."""
        from audiocnn_cli.output.views.feature_table import feature_table  # Rich: not for JSON

        return feature_table(results)
