"""How a feature tensor looks as a table, as JSON and as CSV."""

from collections.abc import Iterator, Sequence
from typing import Any

from audiocnn_cli.features.result import FeatureResult
from audiocnn_cli.output.console import display
from audiocnn_cli.output.results import Row


class FeatureView:
    """The view of `audiocnn features`."""

    def document(self, result: FeatureResult) -> dict[str, Any]:
        """Shape, rates and statistics a bin; not the tensor itself."""
        data = result.data
        return {
            "path": result.info.path,
            "feature": result.config.feature,
            "shape": list(data.shape),
            "axes": list(result.axes),
            "dtype": str(data.dtype),
            "sample_rate": result.config.sample_rate,
            "source_sample_rate": result.info.sample_rate,
            "channels": result.info.channels,
            "duration_s": result.info.duration_s,
            "hop_length": result.config.hop_length,
            "n_fft": result.config.n_fft,
            "mean": data.mean(axis=0, dtype=float).tolist(),
            "std": data.std(axis=0, dtype=float).tolist(),
            "output": None,
        }

    def rows(self, result: FeatureResult) -> Iterator[Row]:
        """One row a frame: path, segment, frame, time_s, then the bins."""
        names = [f"{result.config.feature}_{i}" for i in range(result.data.shape[1])]
        times = result.times_s.round(6).tolist()
        for frame, (time_s, values) in enumerate(zip(times, result.data.tolist(), strict=True)):
            start = {"path": result.info.path, "segment": 0, "frame": frame, "time_s": time_s}
            yield start | dict(zip(names, values, strict=True))

    def table(self, results: Sequence[FeatureResult]) -> Any:
        """One row a recording."""
        from rich import box
        from rich.table import Table

        table = Table(box=box.SIMPLE_HEAD)
        table.add_column("path", overflow="fold", style="bold")
        table.add_column("feature")
        table.add_column("shape", style="cyan")
        for name in ("Hz", "seconds", "mean", "std"):
            table.add_column(name, justify="right")
        for result in results:
            table.add_row(
                display(result.info.path),
                result.config.feature,
                " x ".join(map(str, result.data.shape)),
                str(result.config.sample_rate),
                f"{result.info.duration_s:.2f}",
                f"{result.data.mean():.2f}",
                f"{result.data.std():.2f}",
            )
        return table
