"""The rows of feature tensors as Arrow tables: those of CSV, with numbers as numbers."""

import json
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from audiocnn_cli import __version__
from audiocnn_cli.datasets.dataset import as_text
from audiocnn_cli.features.result import FeatureResult
from audiocnn_cli.features.settings import settings_of

_ROWS_AT_ONCE = 4096


class Block(NamedTuple):
    """Frames of one segment from frame `start`: values of shape (frames, columns)."""

    result: FeatureResult
    segment: int
    start: int
    values: NDArray[np.float32]


def blocks(result: FeatureResult) -> Iterator[Block]:
    """The rows of a tensor, bit by bit.

    A large tensor is mapped from a file, so that it must not be turned into Python's numbers all at once.
    """
    segments = list(result.tensor.data) if result.tensor.plan.segmentation else [result.tensor.data]
    if result.tensor.rest is not None:
        segments.append(result.tensor.rest)
    for segment, data in enumerate(segments):
        for start in range(0, len(data), _ROWS_AT_ONCE):
            part = data[start : start + _ROWS_AT_ONCE]
            yield Block(result, segment, start, part.reshape(len(part), -1))


def feature_table(found: Sequence[Block]) -> Any:
    """An Arrow table of blocks with the same columns: path, segment, frame, time_s, then the bins.

    Of a summary path and segment, then each statistic of each bin.
    """
    import pyarrow as pa

    tensor = found[0].result.tensor
    summary = tensor.plan.summary
    rows = [1 if summary else len(block.values) for block in found]
    names = list(dict.fromkeys(as_text(block.result.source.path) for block in found))
    numbers = {name: number for number, name in enumerate(names)}
    each = np.array([numbers[as_text(block.result.source.path)] for block in found], dtype=np.int32)
    path = pa.DictionaryArray.from_arrays(np.repeat(each, rows), pa.array(names, pa.string()))
    segments = np.array([block.segment for block in found], dtype=np.int32)
    table: dict[str, Any] = {"path": path.cast(pa.string()), "segment": np.repeat(segments, rows)}
    if summary:
        values = np.stack([block.values.ravel() for block in found])
    else:
        values = np.concatenate([block.values for block in found])
        table["frame"] = np.concatenate([_frames(block) for block in found])
        table["time_s"] = np.concatenate([_times_s(block) for block in found])
    columns = np.ascontiguousarray(values.T)
    table |= dict(zip(columns_of(found[0].result), columns, strict=True))
    meta = json.dumps({"config": settings_of(tensor.plan), "audiocnn": __version__})
    return pa.table(table).replace_schema_metadata({"audiocnn": meta})


def columns_of(result: FeatureResult) -> list[str]:
    """The names of the columns of numbers."""
    names = result.tensor.columns
    summary = result.tensor.plan.summary
    return [f"{name}_{statistic}" for statistic in summary for name in names] if summary else names


def _frames(block: Block) -> NDArray[np.int32]:
    return np.arange(block.start, block.start + len(block.values), dtype=np.int32)


def _times_s(block: Block) -> NDArray[np.float64]:
    tensor = block.result.tensor
    times = tensor.times_s[block.start : block.start + len(block.values)]
    shifted: NDArray[np.float64] = times + tensor.starts_s[block.segment]
    return shifted
