"""How a feature tensor looks as a table, as JSON and as CSV."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from audiocnn_cli.features.config import Feature
from audiocnn_cli.features.result import FeatureResult
from audiocnn_cli.features.verify import Verification
from audiocnn_cli.output.console import display, has_colour
from audiocnn_cli.output.results import Row

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_PICTURE_WIDTH = 96
_PICTURE_BINS = 32
_PICTURE_ROWS = 12
# So many recordings get a picture of their own under the table, more of them a small one in it.
_LARGE_PICTURES = 2
_ROWS_AT_ONCE = 4096
# Bins of one kind share a scale; cepstral coefficients and mixtures have one each.
_ONE_SCALE = frozenset({Feature.STFT, Feature.COMPLEX, Feature.MEL, Feature.LOGMEL, Feature.CHROMA})
_LINEAR_SPECTRA = frozenset({Feature.STFT, Feature.COMPLEX, Feature.MEL})


@dataclass(frozen=True, slots=True)
class FeatureReport:
    """What is said of one tensor; `result` is there only where its numbers are to be written."""

    document: dict[str, Any]
    picture: "NDArray[np.float64] | None"
    caption: str
    result: FeatureResult | None = None


class FeatureReportCodec:
    """A report in the journal: without picture, and without the tensor, which has a file of its own."""

    def pack(self, result: FeatureReport) -> Any:
        """The document and the caption."""
        return {"document": result.document, "caption": result.caption}

    def unpack(self, values: Any) -> FeatureReport:
        """The report again."""
        return FeatureReport(values["document"], None, values["caption"])


def report(
    result: FeatureResult,
    *,
    output: str | None,
    keep: bool,
    picture: bool,
    check: Verification | None = None,
) -> FeatureReport:
    """The report on `result`, written to `output` or nowhere; small, unless it is to `keep` the tensor."""
    drawn = _picture(result) if picture and not result.tensor.plan.summary else None
    content = document(result, output)
    if check is not None:
        content["verify"] = asdict(check)
    return FeatureReport(content, drawn, _caption(result), result if keep else None)


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
        "mean": result.tensor.mean.tolist(),
        "std": result.tensor.std.tolist(),
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

    def document(self, result: FeatureReport) -> dict[str, Any]:
        """Shape, rates and statistics a bin."""
        if not self._with_data or result.result is None:
            return result.document
        return result.document | {"data": result.result.tensor.data.tolist()}

    def rows(self, result: FeatureReport) -> Iterator[Row]:
        """One row a frame, or one a recording for summaries."""
        return rows(result.result) if result.result else iter(())

    def table(self, results: Sequence[FeatureReport]) -> Any:
        """One row a recording, and a picture of each."""
        from rich import box
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        from audiocnn_cli.output.heatmap import draw

        large = len(results) <= _LARGE_PICTURES
        table = Table(box=box.SIMPLE_HEAD)
        table.add_column("path", overflow="fold", style="bold")
        table.add_column("feature", overflow="fold")
        table.add_column("shape", style="cyan")
        for name in ("Hz", "seconds"):
            table.add_column(name, justify="right")
        pictures: list[Any] = []
        if any(each.document["output"] for each in results):
            table.add_column("output", overflow="fold")
        if any("verify" in each.document for each in results):
            table.add_column("largest difference", justify="right")
            table.add_column("peak MiB", justify="right")
        if not large:
            table.add_column("over time", no_wrap=True)
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
            if not large:
                cells.append(_outlined(each, width=32))
            elif each.picture is not None:
                pictures += [
                    draw(each.picture, rows=_PICTURE_ROWS, colour=has_colour()),
                    Text(each.caption, style="dim"),
                ]
            table.add_row(*cells)
        return Group(table, *pictures)


def _picture(result: FeatureResult) -> "NDArray[np.float64]":
    """The tensor as (time, bins) of 0 to 1, small enough to keep for every recording of a batch."""
    import numpy as np

    from audiocnn_cli.output.heatmap import levels, shrink

    data = result.tensor.data
    if result.tensor.plan.segmentation:
        data = data.reshape(-1, *data.shape[2:])
    features = {config.feature for config in result.tensor.plan.configs}
    if data.ndim == 3:  # channels, or real and imaginary part
        data = (
            data[..., 0]
            if Feature.COMPLEX not in features
            else np.hypot(data[..., 0], data[..., 1])
        )
    if Feature.WAVEFORM in features:
        data = np.abs(data)
    small = shrink(data, width=_PICTURE_WIDTH, height=_PICTURE_BINS)
    if features <= _LINEAR_SPECTRA:
        small = np.log(np.maximum(small, small.max() * 1e-4 + 1e-30))
    return levels(small, each_bin=not _one_scale(result))


def _caption(result: FeatureResult) -> str:
    names = result.tensor.columns
    bins = names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}"
    start = result.tensor.plan.excerpt.offset_s
    scale = "" if _one_scale(result) or len(names) == 1 else ", each on its own scale"
    return f"{start:.2f} to {start + result.tensor.duration_s:.2f} s to the right, {bins} upwards{scale}"


def _one_scale(result: FeatureResult) -> bool:
    return all(config.feature in _ONE_SCALE for config in result.tensor.plan.configs)


def _outlined(report: FeatureReport, *, width: int) -> Any:
    """The mean over the bins as a line of bars, lowest to highest."""
    import numpy as np

    from audiocnn_cli.output.heatmap import draw, levels, shrink

    if report.picture is None:
        return ""
    line = shrink(report.picture.astype(np.float32), width=width, height=1)
    return draw(levels(line, each_bin=False), rows=1, colour=False)
