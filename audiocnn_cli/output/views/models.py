"""Views of models: the list, a contract, a verification, files added or removed, execution providers."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Generic, TypeVar

import msgspec
from rich.table import Table
from rich.text import Text

from audiocnn_cli.models.contract import WAVEFORM, GraphBinding, ModelContract
from audiocnn_cli.models.golden import GoldenCheck
from audiocnn_cli.models.registry import ModelFile
from audiocnn_cli.models.runtime import Provider
from audiocnn_cli.models.signature import Activation, Kind
from audiocnn_cli.output.results import Row
from audiocnn_cli.output.terminal.console import console, display
from audiocnn_cli.output.terminal.layout import Column, FittedTable
from audiocnn_cli.output.views import pick

if TYPE_CHECKING:
    from audiocnn_cli.models.frontend.export import WaveformModel
    from audiocnn_cli.models.user_models import AddedModel

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class ModelSummary:
    """A model file with its contract."""

    file: ModelFile
    size_bytes: int
    contract: ModelContract


class ModelListView:
    """The view of `audiocnn models list`."""

    def document(self, result: Sequence[ModelSummary]) -> dict[str, Any]:
        """All models under one key."""
        return {"models": list(self.rows(result))}

    def rows(self, result: Sequence[ModelSummary]) -> Iterator[dict[str, Any]]:
        """One row a model."""
        for summary in result:
            contract = summary.contract
            figure = contract.figures[0] if contract.figures else None
            yield (
                {"name": summary.file.name, "origin": summary.file.origin, "task": contract.task}
                | {"kind": contract.kind, "classes": len(contract.labels), "dimensions": contract.dimensions}
                | {"size_bytes": summary.size_bytes}
                | {"accuracy": figure and figure.value, "accuracy_of": figure and figure.name}
                | {"licence": contract.data.licence, "path": str(summary.file.path)}
            )

    def table(self, results: Sequence[Sequence[ModelSummary]]) -> Any:
        """One row a model, with the accuracy on recordings like those that a user has."""
        rows = [row for result in results for row in self.rows(result)]
        accuracies = ["" if r["accuracy"] is None else f"{r['accuracy']:.2f}" for r in rows]
        figures = [display(r["accuracy_of"] or "") for r in rows]
        sizes = [str(round(r["size_bytes"] / 1024)) for r in rows]
        return FittedTable(
            [
                Column(name="model", cells=[display(r["name"]) for r in rows], style="bold"),
                Column(name="task", cells=[display(r["task"]) for r in rows], wrap=True),
                Column(name="classes", cells=[_classes(r) for r in rows], justify="right"),
                Column(name="accuracy", cells=accuracies, justify="right", style="cyan"),
                Column(name="of", cells=figures, drop=1),
                Column(name="KiB", cells=sizes, justify="right", drop=2),
                Column(name="origin", cells=[str(r["origin"]) for r in rows], style="dim", drop=3),
            ]
        )


def _classes(row: dict[str, Any]) -> str:
    return str(row["classes"]) if row["kind"] is Kind.CLASSIFICATION else "-"


class ContractView:
    """The view of `audiocnn models show`."""

    def document(self, result: ModelContract) -> dict[str, Any]:
        """The whole contract, as in the file."""
        return dict(msgspec.to_builtins(result))

    def rows(self, result: ModelContract) -> Iterator[Row]:
        """One row a measured figure."""
        for figure in result.figures:
            low, high = figure.interval_95
            document = {"model": result.name, "figure": figure.name, "value": figure.value}
            yield document | {"low": low, "high": high} | pick(figure, "n", "protocol")

    def table(self, results: Sequence[ModelContract]) -> Any:
        """The contract, one fact a row."""
        table = Table.grid(padding=(0, 2))
        table.add_column(style="bold")
        table.add_column(overflow="fold")
        for contract in results:
            for name, value in _facts(contract):
                table.add_row(name, display(value))
        return table


def print_card(markdown: str, stream: IO[str]) -> None:
    """Write a model's card to `stream`: formatted on a terminal, as Markdown in a pipe or a file."""
    screen = console(stream)
    if screen.is_terminal:
        from rich.markdown import Markdown

        screen.print(Markdown(markdown))
    else:
        screen.file.write(markdown)


def _facts(contract: ModelContract) -> Iterator[tuple[str, str]]:
    features, shape = contract.features, " x ".join(map(str, contract.input_shape))
    segment = f"{features.sample_rate} Hz, {contract.segment_s:g} s a segment"
    yield "model", contract.name
    yield "task", contract.task
    if contract.labels:
        yield "labels", ", ".join(contract.labels)
    yield "input", f"{shape}: {features.feature}, {segment}"
    if contract.graph is not None:
        yield from _graph_facts(contract.graph)
    if contract.dimensions is not None:
        yield "embedding", f"{contract.dimensions} numbers a segment"
    after = f", {contract.activation}" if contract.kind is Kind.CLASSIFICATION else ""
    yield "network", f"{contract.architecture}{after}, {contract.pooling} over segments"
    if contract.sound_type is not None:
        yield "sound", f"{contract.sound_type}; other types of sound get no label"
    if contract.kind is Kind.CLASSIFICATION:
        yield "abstains", f"below {contract.threshold:g}" if contract.threshold else "never"
    for notice in contract.notices:
        yield "weights", f"{notice.work}; {notice.source}; licence {notice.licence}"
    yield "trained on", f"{contract.data.name} ({contract.data.licence})"
    yield "made by", contract.command
    if not contract.figures:
        yield "accuracy", "not measured; see `audiocnn evaluate`"
    for figure in contract.figures:
        low, high = figure.interval_95
        value = f"{figure.value:.3f} ({low:.3f} to {high:.3f}, n = {figure.n})"
        yield figure.name, f"{value}; {figure.protocol}"


def _graph_facts(graph: GraphBinding) -> Iterator[tuple[str, str]]:
    lengths = f"; frames in {graph.lengths}" if graph.lengths else ""
    single = "; one segment a run" if graph.single else ""
    yield "graph", f"{graph.input} ({graph.layout}){lengths} -> {graph.output}{single}"
    if graph.mean:
        one = f"mean {graph.mean[0]:g}, std {graph.std[0]:g}"
        yield "normalised", one if len(graph.mean) == 1 else "mean and std of each bin"
    if graph.activation is not Activation.NONE:
        yield "activation", f"{graph.activation}, applied to {graph.output}"
    if graph.embedding is not None:
        yield "embedding", graph.embedding


@dataclass(frozen=True, slots=True)
class Verification:
    """The outcome of the golden example of a model."""

    model: str
    path: Path
    check: GoldenCheck


class _LinesView(ABC, Generic[R]):
    """A view of one line a result, whose document is also its row of CSV."""

    @abstractmethod
    def document(self, result: R) -> dict[str, Any]:
        """The JSON object of one result."""

    @abstractmethod
    def line(self, result: R) -> Text:
        """What is printed of one result."""

    def rows(self, result: R) -> Iterator[Row]:
        """One row."""
        yield self.document(result)

    def table(self, results: Sequence[R]) -> Text:
        """One line a result."""
        return Text("\n").join(map(self.line, results))


class VerificationView(_LinesView[Verification]):
    """The view of `audiocnn models verify`."""

    def document(self, result: Verification) -> dict[str, Any]:
        """The difference, the tolerance, and whether it is within."""
        found = {"model": result.model, "path": str(result.path)}
        return found | pick(result.check, "difference", "tolerance", "passed")

    def line(self, result: Verification) -> Text:
        """Whether it passed, and the difference."""
        check = result.check
        return Text.assemble(
            ("passed", "green") if check.passed else ("FAILED", "bold red"),
            f"  {display(result.model)}: the golden example differs by {check.difference:.1e}"
            f" (at most {check.tolerance:g})",
        )


class AddedView(_LinesView["AddedModel"]):
    """The view of `audiocnn models add`."""

    def document(self, result: "AddedModel") -> dict[str, Any]:
        """Its name and its path, and whether it replaced another."""
        return {"name": result.model.name, "path": str(result.model.path), "replaced": result.replaced}

    def line(self, result: "AddedModel") -> Text:
        """What was done, its name and its path."""
        done = "replaced" if result.replaced else "added"
        return Text(f"{done} {display(result.model.name)}: {display(str(result.model.path))}")


class RemovedView(_LinesView[ModelFile]):
    """The view of `audiocnn models remove`."""

    def document(self, result: ModelFile) -> dict[str, Any]:
        """The name and the path that it had."""
        return {"name": result.name, "path": str(result.path)}

    def line(self, result: ModelFile) -> Text:
        """The name."""
        return Text(f"removed {display(result.name)}")


@dataclass(frozen=True, slots=True)
class Exported:
    """A model with its front end, and the file it was written to."""

    model: "WaveformModel"
    path: Path


class ExportedView(_LinesView[Exported]):
    """The view of `audiocnn models export`."""

    def document(self, result: Exported) -> dict[str, Any]:
        """What a program requires to run the file: input, output, labels, sample rate."""
        contract = result.model.contract
        return {
            "model": contract.name,
            "path": str(result.path),
            "size_bytes": len(result.model.content),
            "input": {"name": WAVEFORM, "shape": ["clips", "samples"]},
            "output": {"name": result.model.output, "shape": ["clips", result.model.width]},
            "sample_rate": contract.features.sample_rate,
            "labels": list(contract.labels),
            **pick(result.model.check, "difference", "tolerance"),
        }

    def rows(self, result: Exported) -> Iterator[Row]:
        """One row."""
        document = self.document(result)
        yield {key: document[key] for key in ("model", "path", "size_bytes", "difference")}

    def line(self, result: Exported) -> Text:
        """Two lines: input and output, and the difference from the Python path."""
        model, check, size = result.model, result.model.check, len(result.model.content)
        return Text(
            f"{display(str(result.path))}: {WAVEFORM} (clips, samples) at"
            f" {model.contract.features.sample_rate} Hz -> {model.output} (clips, {model.width}),"
            f" {size / 1024:.0f} KiB\n  differs from the Python path by {check.difference:.1e} (at most"
            f" {check.tolerance:g}) on the golden signal"
        )


class ProvidersView:
    """The view of `audiocnn models providers`."""

    def document(self, result: Sequence[Provider]) -> dict[str, Any]:
        """All providers under one key."""
        return {"providers": [asdict(provider) for provider in result]}

    def rows(self, result: Sequence[Provider]) -> Iterator[Row]:
        """One row a provider."""
        for provider in result:
            yield asdict(provider) | {"available": str(provider.available).lower()}

    def table(self, results: Sequence[Sequence[Provider]]) -> Any:
        """One line for each installed provider, then the names of the others."""
        providers = [provider for result in results for provider in result]
        text = Text()
        for provider in providers:
            if provider.available:
                text.append("installed      ", "green").append(f"{provider.name}\n")
        others = ", ".join(provider.name for provider in providers if not provider.available)
        return text.append("not installed  ", "dim").append(others, "dim")
