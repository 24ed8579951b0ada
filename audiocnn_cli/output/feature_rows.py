"""The rows of feature tensors as Arrow tables: those of CSV, with numbers as numbers."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from audiocnn_cli import __version__
from audiocnn_cli.audio.sources import Source
from audiocnn_cli.features.result import FeatureResult
from audiocnn_cli.features.settings import settings_of
from audiocnn_cli.output.dataset import as_text, class_label
from audiocnn_cli.output.feature_view import FeatureReport, parts

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Block(NamedTuple):
    """Frames of one segment from frame `start`: values of shape (frames, columns)."""

    result: FeatureResult
    segment: int
    start: int
    values: "NDArray[np.float32]"


def blocks(result: FeatureResult) -> list[Block]:
    """The blocks of a tensor."""
    return [Block(result, *part) for part in parts(result)]


def feature_table(found: Sequence[Block]) -> Any:
    """An Arrow table of blocks with the same columns: path, segment, frame, time_s, then the bins.

    Of a summary path and segment, then each statistic of each bin.
    """
    import numpy as np
    import pyarrow as pa

    tensor = found[0].result.tensor
    summary = tensor.plan.summary
    rows = [1 if summary else len(block.values) for block in found]
    names = list(dict.fromkeys(as_text(block.result.source.path) for block in found))
    numbers = {name: number for number, name in enumerate(names)}
    each = np.array([numbers[as_text(block.result.source.path)] for block in found], dtype=np.int32)
    path = pa.DictionaryArray.from_arrays(np.repeat(each, rows), pa.array(names, pa.string()))
    segments = np.array([block.segment for block in found], dtype=np.int32)
    table: dict[str, Any] = {
        "path": path.cast(pa.string()),
        "segment": np.repeat(segments, rows),
    }
    if summary:
        values = np.stack([block.values.ravel() for block in found])
    else:
        values = np.concatenate([block.values for block in found])
        table["frame"] = np.concatenate([_frames(block) for block in found])
        table["time_s"] = np.concatenate([_times_s(block) for block in found])
    columns = np.ascontiguousarray(values.T)
    table |= dict(zip(_columns(found[0].result), columns, strict=True))
    meta = json.dumps({"config": settings_of(tensor.plan), "audiocnn": __version__})
    return pa.table(table).replace_schema_metadata({"audiocnn": meta})


class FeatureRows:
    """The rows of tensors in a data set."""

    def columns(self, result: FeatureReport) -> tuple[str, ...]:
        """The names of the columns of numbers."""
        return tuple(_columns(_tensor_of(result)))

    def weight(self, result: FeatureReport) -> int:
        """Bytes of the tensor."""
        return _tensor_of(result).tensor.data.nbytes

    def table(self, results: Sequence[FeatureReport]) -> Any:
        """One row a frame, or one a segment for summaries."""
        return feature_table([block for result in results for block in blocks(_tensor_of(result))])

    def label(self, result: FeatureReport, source: Source) -> str | None:
        """The class that the recording's folder says."""
        return class_label(result, source)

    def without_rows(self, result: FeatureReport) -> FeatureReport:
        """The report without the tensor."""
        return replace(result, result=None)


def _tensor_of(report: FeatureReport) -> FeatureResult:
    if report.result is None:
        raise ValueError("the report has been parted from its tensor")
    return report.result


def _columns(result: FeatureResult) -> list[str]:
    names = result.tensor.columns
    summary = result.tensor.plan.summary
    return [f"{name}_{statistic}" for statistic in summary for name in names] if summary else names


def _frames(block: Block) -> "NDArray[np.int32]":
    import numpy as np

    return np.arange(block.start, block.start + len(block.values), dtype=np.int32)


def _times_s(block: Block) -> "NDArray[np.float64]":
    tensor = block.result.tensor
    times = tensor.times_s[block.start : block.start + len(block.values)]
    shifted: NDArray[np.float64] = times + tensor.starts_s[block.segment]
    return shifted
