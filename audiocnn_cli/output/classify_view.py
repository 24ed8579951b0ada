"""How a prediction looks as a table, as JSON and as CSV."""

from collections.abc import Iterator, Sequence
from typing import Any

from audiocnn_cli.classify import Candidate, Prediction, TimelineEntry
from audiocnn_cli.models.segments import Rest
from audiocnn_cli.output.console import display
from audiocnn_cli.output.results import Row

_SURE, _FAIR = 0.7, 0.4


class ClassifyView:
    """The view of `audiocnn classify`; with `timeline` each segment is shown."""

    def __init__(self, *, timeline: bool = False) -> None:
        self._timeline = timeline

    def document(self, result: Prediction) -> dict[str, Any]:
        """The label, its probability, the candidates, and what was done with the rest of the clip."""
        document: dict[str, Any] = {
            "path": result.path,
            "model": result.model,
            "label": result.label,
            "probability": result.probability,
            "abstained": result.abstained,
            "top": [_candidate(candidate) for candidate in result.top],
            "segments": len(result.timeline),
            "duration_s": result.duration_s,
            "rest": result.rest,
            "rest_s": result.rest_s,
        }
        if self._timeline:
            document["timeline"] = [_timeline(entry) for entry in result.timeline]
        return document

    def rows(self, result: Prediction) -> Iterator[Row]:
        """One row a clip, or with `timeline` one row a segment."""
        if not self._timeline:
            yield {
                "path": result.path,
                "model": result.model,
                "label": result.label or "",
                "probability": round(result.probability, 6),
                "abstained": str(result.abstained).lower(),
                "segments": len(result.timeline),
                "duration_s": round(result.duration_s, 6),
                "rest": result.rest,
                "rest_s": round(result.rest_s, 6),
            }
            return
        for entry in result.timeline:
            probabilities = {c.label: round(c.probability, 6) for c in entry.candidates}
            yield {
                "path": result.path,
                "model": result.model,
                "label": entry.label or "",
                "probability": round(entry.best.probability, 6),
                "abstained": str(entry.label is None).lower(),
                "start_s": round(entry.start_s, 6),
                "end_s": round(entry.end_s, 6),
            } | {f"p_{label}": value for label, value in probabilities.items()}

    def table(self, results: Sequence[Prediction]) -> Any:
        """One row a clip, and below each its segments when they are asked for."""
        from rich import box
        from rich.table import Table
        from rich.text import Text

        table = Table(box=box.SIMPLE_HEAD)
        table.add_column("clip", overflow="fold")
        table.add_column("label")
        table.add_column("p", justify="right")
        table.add_column("next best", style="dim")
        table.add_column("seconds", justify="right")
        table.add_column("segments", justify="right")
        table.add_column("rest", style="dim")
        for result in results:
            label = "unsure" if result.label is None else display(result.label)
            others = ", ".join(f"{display(c.label)} {c.probability:.2f}" for c in result.top[1:])
            table.add_row(
                display(result.path),
                Text(label, style=_style(result.probability, abstained=result.abstained)),
                f"{result.probability:.2f}",
                others,
                f"{result.duration_s:.2f}",
                str(len(result.timeline)),
                _rest(result),
            )
            for entry in result.timeline if self._timeline else ():
                table.add_row(
                    f"  {entry.start_s:.2f} to {entry.end_s:.2f} s",
                    Text(display(entry.best.label), style=_style(entry.best.probability)),
                    f"{entry.best.probability:.2f}",
                )
        return table


def _rest(result: Prediction) -> str:
    """What became of the last partial segment, in a few words."""
    if result.rest is Rest.NONE:
        return ""
    return f"{result.rest_s:.2f} s {result.rest}"


def _style(probability: float, *, abstained: bool = False) -> str:
    if abstained:
        return "dim"
    return "bold green" if probability >= _SURE else "yellow" if probability >= _FAIR else "red"


def _candidate(candidate: Candidate) -> dict[str, Any]:
    return {"label": candidate.label, "probability": candidate.probability}


def _timeline(entry: TimelineEntry) -> dict[str, Any]:
    return {
        "start_s": entry.start_s,
        "end_s": entry.end_s,
        "label": entry.label,
        "probability": entry.best.probability,
        "probabilities": {c.label: c.probability for c in entry.candidates},
    }
