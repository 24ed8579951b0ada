"""How a feature tensor looks as a table, as JSON and as CSV."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from audiocnn_cli.datasets.feature_rows import parts
from audiocnn_cli.features.result import FeatureResult
from audiocnn_cli.output.results import Row
from audiocnn_cli.output.tensors.report import FeatureReport
from audiocnn_cli.output.terminal.console import display
from audiocnn_cli.output.terminal.features import Outline
from audiocnn_cli.output.views.summary import summary_tables

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# So many recordings get a picture of their own under the table, more of them a small one in it.
_LARGE_PICTURES = 2


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
