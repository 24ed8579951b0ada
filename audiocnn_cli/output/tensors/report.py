"""The report on one feature tensor, as workers return it and as journals and data sets keep it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from audiocnn_cli.audio.sources import Source
from audiocnn_cli.datasets.feature_rows import blocks, columns_of, feature_table
from audiocnn_cli.features.result import FeatureResult
from audiocnn_cli.output.results import Encoded, encode
from audiocnn_cli.output.terminal.features import FeaturePicture, picture_of


@dataclass(frozen=True)
class FeatureReport:
    """The report on one tensor; `result` is there only where its numbers are still to be written."""

    document: Mapping[str, Any]
    duration_s: float
    picture: FeaturePicture | None = None
    result: FeatureResult | None = None


class FeatureReportCodec:
    """A report in the journal: without picture, and without the tensor, which has a file of its own."""

    def pack(self, result: FeatureReport) -> Any:
        """The document."""
        return {"document": dict(result.document)}

    def unpack(self, values: Any) -> FeatureReport:
        """The report again.

        Raises:
            ValueError: the values are not those of a report.
        """
        import msgspec

        document = values["document"]
        msgspec.convert(document, _Document)
        return FeatureReport(document, document["duration_s"])


class _Document(TypedDict):
    """What views read of each document."""

    path: str
    feature: str
    shape: list[int]
    axes: list[str]
    sample_rate: int
    duration_s: float
    mean: list[Any]
    std: list[Any]
    output: str | None


def report(result: FeatureResult, *, outputs: Sequence[str], keep: bool, picture: bool) -> FeatureReport:
    """The report on `result`, written to `outputs`; small, unless it is to `keep` the tensor."""
    drawn = picture_of(result) if picture and not result.tensor.plan.summary else None
    return FeatureReport(
        document=Encoded(encode(document(result, outputs))),
        duration_s=result.tensor.duration_s,
        picture=drawn,
        result=result if keep else None,
    )


def document(result: FeatureResult, outputs: Sequence[str] = ()) -> dict[str, Any]:
    """Shape, rates and statistics a bin; not the tensor itself."""
    config = result.tensor.plan.config
    content: dict[str, Any] = {
        "path": result.source.path,
        "feature": result.tensor.plan.feature,
        "shape": list(result.tensor.data.shape),
        "axes": list(result.tensor.axes),
        "dtype": str(result.tensor.data.dtype),
        "sample_rate": config.sample_rate,
        "source_sample_rate": result.info.sample_rate,
        "channels": result.info.channels,
        "duration_s": result.tensor.duration_s,
        "hop_length": config.hop_length,
        "n_fft": config.n_fft,
        "mean": _short(result.tensor.mean),
        "std": _short(result.tensor.std),
        "output": outputs[0] if outputs else None,
    }
    if len(outputs) > 1:
        content["outputs"] = list(outputs)
    if result.tensor.plan.segmentation:
        content["starts_s"] = [round(start, 6) for start in result.tensor.starts_s]
        content["rest_shape"] = None if result.tensor.rest is None else list(result.tensor.rest.shape)
    if result.tensor.plan.summary:
        content["statistics"] = list(result.tensor.plan.summary)
        content["columns"] = result.tensor.columns
        content["data"] = listed(result.tensor.data)
    if config.tuning is not None:
        content["tuning"] = config.tuning
    return content


def _short(values: NDArray[np.float64]) -> list[Any]:
    """With as many digits as the float32 numbers that they are of: half of the text."""
    return listed(values.astype(np.float32).astype(str).astype(np.float64))


def listed(values: NDArray[Any]) -> list[Any]:
    """`values` as JSON has them: null for NaN."""
    missing = np.isnan(values)
    if missing.any():
        values = values.astype(object)
        values[missing] = None
    numbers: list[Any] = values.tolist()
    return numbers


class FeatureRows:
    """The rows of tensors in a data set."""

    def columns(self, result: FeatureReport) -> tuple[str, ...]:
        """The names of the columns of numbers."""
        return tuple(columns_of(_tensor_of(result)))

    def weight(self, result: FeatureReport) -> int:
        """Bytes of the tensor."""
        return _tensor_of(result).tensor.data.nbytes

    def table(self, results: Sequence[FeatureReport]) -> Any:
        """One row a frame, or one a segment for summaries."""
        return feature_table([block for result in results for block in blocks(_tensor_of(result))])

    def label(self, _result: FeatureReport, source: Source) -> str | None:
        """The folder of the recording, where a folder holds one a class."""
        return source.name.partition("/")[0] if "/" in source.name else None

    def without_rows(self, result: FeatureReport) -> FeatureReport:
        """The report without the tensor."""
        return replace(result, result=None)


def _tensor_of(report: FeatureReport) -> FeatureResult:
    if report.result is None:
        raise ValueError("the report has been parted from its tensor")
    return report.result
