"""Views of model files that were added, removed or exported."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audiocnn_cli.models.contract import PROBABILITIES, WAVEFORM
from audiocnn_cli.models.registry import ModelFile
from audiocnn_cli.output.results import Row
from audiocnn_cli.output.terminal.console import display

if TYPE_CHECKING:
    from audiocnn_cli.models.frontend.export import WaveformModel
    from audiocnn_cli.models.user_models import AddedModel


class AddedView:
    """The view of `audiocnn models add`."""

    def document(self, result: "AddedModel") -> dict[str, Any]:
        """Its name and its path, and whether it replaced another."""
        return {"name": result.model.name, "path": str(result.model.path), "replaced": result.replaced}

    def rows(self, result: "AddedModel") -> Iterator[Row]:
        """One row."""
        yield self.document(result)

    def table(self, results: "Sequence[AddedModel]") -> Any:
        """One line a model."""
        from rich.text import Text

        return Text("\n").join(
            Text(
                f"{'replaced' if result.replaced else 'added'} {display(result.model.name)}:"
                f" {display(str(result.model.path))}"
            )
            for result in results
        )


class RemovedView:
    """The view of `audiocnn models remove`."""

    def document(self, result: ModelFile) -> dict[str, Any]:
        """The name and the path that it had."""
        return {"name": result.name, "path": str(result.path)}

    def rows(self, result: ModelFile) -> Iterator[Row]:
        """One row."""
        yield self.document(result)

    def table(self, results: Sequence[ModelFile]) -> Any:
        """One line a model."""
        from rich.text import Text

        return Text("\n").join(Text(f"removed {display(result.name)}") for result in results)


@dataclass(frozen=True, slots=True)
class Exported:
    """A model with its front end, and the file it was written to."""

    model: "WaveformModel"
    path: Path


class ExportedView:
    """The view of `audiocnn models export`."""

    def document(self, result: Exported) -> dict[str, Any]:
        """What a program requires to run the file: input, output, labels, sample rate."""
        contract = result.model.contract
        return {
            "model": contract.name,
            "path": str(result.path),
            "size_bytes": len(result.model.content),
            "input": {"name": WAVEFORM, "shape": ["clips", "samples"]},
            "output": {"name": PROBABILITIES, "shape": ["clips", len(contract.labels)]},
            "sample_rate": contract.features.sample_rate,
            "labels": list(contract.labels),
            "difference": result.model.check.difference,
            "tolerance": result.model.check.tolerance,
        }

    def rows(self, result: Exported) -> Iterator[Row]:
        """One row."""
        document = self.document(result)
        yield {key: document[key] for key in ("model", "path", "size_bytes", "difference")}

    def table(self, results: Sequence[Exported]) -> Any:
        """Two lines a model: input and output, and the difference from the Python path."""
        from rich.text import Text

        lines = []
        for result in results:
            contract, check = result.model.contract, result.model.check
            lines.append(
                f"{display(str(result.path))}: {WAVEFORM} (clips, samples) at"
                f" {contract.features.sample_rate} Hz -> {PROBABILITIES} (clips, {len(contract.labels)}),"
                f" {len(result.model.content) / 1024:.0f} KiB"
            )
            lines.append(
                f"  differs from `audiocnn classify` by {check.difference:.1e} (at most"
                f" {check.tolerance:g}) on the golden signal"
            )
        return Text("\n".join(lines))
