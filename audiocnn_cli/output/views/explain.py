"""How `audiocnn features --explain` looks."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from rich.console import Group

from audiocnn_cli.audio.sources import Source
from audiocnn_cli.batch.task import WithoutFiles
from audiocnn_cli.features.explain import Stage, explain, recording_of
from audiocnn_cli.features.extract import DECODE_AND_EXTRACT
from audiocnn_cli.features.plan import Plan
from audiocnn_cli.output.results import Row
from audiocnn_cli.output.terminal.console import display
from audiocnn_cli.output.terminal.layout import Column, FittedTable
from audiocnn_cli.parameters import with_flags


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
        """Return the function that lists the stages; nothing is loaded before."""
        return self._work

    def example(self) -> Explanation:
        """The stages of a recording of 30 s, where none is given."""
        return self._work(None)

    def _work(self, source: Source | None) -> Explanation:
        recording = recording_of(source, self.plan)
        return Explanation(recording.path, explain(recording, self.plan))


class ExplainView:
    """Stages as a table, as JSON and as CSV."""

    def document(self, result: Explanation) -> dict[str, Any]:
        """The stages in order, each with its shape and units."""
        stages = [
            {"stage": s.name, "detail": with_flags(s.detail), "shape": list(s.shape), "unit": s.unit}
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
                "detail": with_flags(stage.detail),
            }

    def table(self, results: Sequence[Explanation]) -> Any:
        """A table for each recording."""
        return Group(*map(_table, results))


def _table(result: Explanation) -> FittedTable:
    stages = result.stages
    shapes = [" x ".join(map(str, stage.shape)) for stage in stages]
    return FittedTable(
        [
            Column(name="stage", cells=[stage.name for stage in stages], style="bold"),
            Column(name="shape", cells=shapes, style="cyan"),
            Column(name="unit", cells=[stage.unit for stage in stages], wrap=True),
            Column(name="operation", cells=[with_flags(stage.detail) for stage in stages], wrap=True),
        ],
        title=display(result.path),
    )
