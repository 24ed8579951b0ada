"""How a feature tensor looks as a table, as JSON and as CSV."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from audiocnn_cli.features.result import FeatureResult
from audiocnn_cli.features.verify import Verification
from audiocnn_cli.output.console import display
from audiocnn_cli.output.encoded import Encoded, encode
from audiocnn_cli.output.feature_picture import FeaturePicture, Outline, picture_of
from audiocnn_cli.output.results import Row
from audiocnn_cli.output.summary_table import summary_tables

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# So many recordings get a picture of their own under the table, more of them a small one in it.
_LARGE_PICTURES = 2
_ROWS_AT_ONCE = 4096


@dataclass(frozen=True)
class FeatureReport:
    """What is said of one tensor; `result` is there only where its numbers are to be written."""

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
        """The report again."""
        document = values["document"]
        return FeatureReport(document, document["duration_s"])


def report(
    result: FeatureResult,
    *,
    output: str | None,
    keep: bool,
    picture: bool,
    check: Verification | None = None,
) -> FeatureReport:
    """The report on `result`, written to `output` or nowhere; small, unless it is to `keep` the tensor."""
    drawn = picture_of(result) if picture and not result.tensor.plan.summary else None
    content = document(result, output)
    if check is not None:
        content["verify"] = asdict(check)
    return FeatureReport(
        document=Encoded(encode(content)),
        duration_s=result.tensor.duration_s,
        picture=drawn,
        result=result if keep else None,
    )


def document(result: FeatureResult, output: str | None = None) -> dict[str, Any]:
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
        "output": output,
    }
    if result.tensor.plan.segmentation:
        content["starts_s"] = [round(start, 6) for start in result.tensor.starts_s]
        content["rest_shape"] = (
            None if result.tensor.rest is None else list(result.tensor.rest.shape)
        )
    if result.tensor.plan.summary:
        content["statistics"] = list(result.tensor.plan.summary)
        content["columns"] = result.tensor.columns
        content["data"] = result.tensor.data.tolist()
    if config.tuning is not None:
        content["tuning"] = config.tuning
    return content


def _short(values: "NDArray[np.float64]") -> list[Any]:
    """With as many digits as the float32 numbers that they are of: half of the text."""
    import numpy as np

    shortest: list[Any] = values.astype(np.float32).astype(str).astype(np.float64).tolist()
    return shortest


def parts(result: FeatureResult) -> "Iterator[tuple[int, int, NDArray[np.float32]]]":
    """The rows of a tensor: (segment, first frame, values of shape (frames, columns)), bit by bit.

    A large tensor is mapped from a file, so that it must not be turned into Python's numbers all at once.
    """
    segments = list(result.tensor.data) if result.tensor.plan.segmentation else [result.tensor.data]
    if result.tensor.rest is not None:
        segments.append(result.tensor.rest)
    for segment, data in enumerate(segments):
        for start in range(0, len(data), _ROWS_AT_ONCE):
            part = data[start : start + _ROWS_AT_ONCE]
            yield segment, start, part.reshape(len(part), -1)


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


def _summary_row(
    result: FeatureResult, segment: int, values: "NDArray[np.float32]"
) -> dict[str, object]:
    row: dict[str, object] = {"path": result.source.path}
    if result.tensor.plan.segmentation:
        row |= {"segment": segment, "time_s": round(result.tensor.starts_s[segment], 6)}
    for statistic, texts in zip(
        result.tensor.plan.summary, values.astype(str).tolist(), strict=True
    ):
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
        from rich import box
        from rich.console import Group
        from rich.table import Table

        large = len(results) <= _LARGE_PICTURES
        table = Table(box=box.SIMPLE_HEAD)
        table.add_column("path", overflow="fold", style="bold")
        table.add_column("feature", overflow="fold")
        table.add_column("shape", style="cyan", no_wrap=True)
        for name in ("Hz", "seconds"):
            table.add_column(name, justify="right", no_wrap=True)
        pictures: list[Any] = []
        if any(each.document["output"] for each in results):
            table.add_column("output", overflow="fold")
        if any("verify" in each.document for each in results):
            table.add_column("largest difference", justify="right")
            table.add_column("peak MiB", justify="right")
        if not large and any(each.picture for each in results):
            table.add_column("over time")
        for each in results:
            cells: list[Any] = [
                display(each.document["path"]),
                each.document["feature"],
                " x ".join(map(str, each.document["shape"])),
                str(each.document["sample_rate"]),
                f"{each.document['duration_s']:.2f}",
            ]
            if each.document["output"]:
                cells.append(display(each.document["output"]))
            if "verify" in each.document:
                check = each.document["verify"]
                cells.append(f"{check['largest_difference']:.2g}")
                cells.append(f"{check['peak_memory_mib']:.0f}")
            if not large and each.picture:
                cells.append(Outline(each.picture))
            elif each.picture is not None:
                pictures.append(each.picture)
            table.add_row(*cells)
        return Group(table, *pictures, *summary_tables([each.document for each in results]))
