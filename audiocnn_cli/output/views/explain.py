"""How `audiocnn features --explain` looks."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from audiocnn_cli.audio.sources import Source
from audiocnn_cli.batch.task import WithoutFiles
from audiocnn_cli.features.explain import Stage, explain, recording_of
from audiocnn_cli.features.extract import DECODE_AND_EXTRACT
from audiocnn_cli.features.plan import Plan
from audiocnn_cli.output.results import Row
from audiocnn_cli.output.terminal.console import display


@dataclass(frozen=True, slots=True)
class Explanation:
    """The stages that one recording goes through."""

    path: str
    stages: list[Stage]


@dataclass(frozen=True, slots=True)
class Explain(WithoutFiles):
    """The batch's task of `--explain`: the stages that a recording goes through."""

    plan: Plan
    modules: ClassVar[tuple[str, ...]] = DECODE_AND_EXTRACT

    def prepare(self) -> Callable[[Source], Explanation]:
        """Nothing is to be loaded."""
        return self._work

    def stand_in(self) -> Explanation:
        """The stages of a recording that nobody has named."""
        return self._work(None)

    def _work(self, source: Source | None) -> Explanation:
        recording = recording_of(source, self.plan)
        return Explanation(recording.path, explain(recording, self.plan))


class ExplainView:
    """Stages as a table, as JSON and as CSV."""

    def document(self, result: Explanation) -> dict[str, Any]:
        """The stages in order, each with its shape and units."""
        stages = [
            {"stage": s.name, "detail": s.detail, "shape": list(s.shape), "unit": s.unit}
            for s in result.stages
        ]
        return {"path": result.path, "stages": stages}

    def rows(self, result: Explanation) -> Iterator[Row]:
        """One row a stage."""
        for stage in result.stages:
            yield {
                "path": result.path,
                "stage": stage.name,
                "shape": "x".join(map(str, stage.shape)),
                "unit": stage.unit,
                "detail": stage.detail,
            }

    def table(self, results: Sequence[Explanation]) -> Any:
        """A table for each recording."""
        from rich import box
        from rich.console import Group
        from rich.table import Table

        tables = []
        for result in results:
            table = Table(
                box=box.SIMPLE_HEAD,
                title=display(result.path),
                title_justify="left",
                title_style="bold",
            )
            table.add_column("stage", style="bold", no_wrap=True)
            table.add_column("shape", style="cyan", no_wrap=True)
            table.add_column("unit", overflow="fold")
            table.add_column("what happens", overflow="fold")
            for stage in result.stages:
                shape = " x ".join(map(str, stage.shape))
                table.add_row(stage.name, shape, stage.unit, stage.detail)
            tables.append(table)
        return Group(*tables)
