"""How a prediction looks as a table, as JSON and as CSV."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from audiocnn_cli.audio.segments import TailHandling
from audiocnn_cli.classify import Candidate, Prediction, TimelineEntry
from audiocnn_cli.classify.prediction import BELOW_THRESHOLD
from audiocnn_cli.datasets.prediction_rows import Records
from audiocnn_cli.output.results import Row
from audiocnn_cli.output.terminal.console import display

_SURE, _FAIR = 0.7, 0.4


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassifyView:
    """The view of `audiocnn classify`.

    With `timeline` each segment is shown, with `events` each event. `same_labels` says that all results have
    the labels of one model, so that a table can have a column for each.
    """

    timeline: bool = False
    events: bool = False
    same_labels: bool = True

    def document(self, result: Prediction) -> dict[str, Any]:
        """The label or why there is none, the candidates, and what was done with the rest of the clip."""
        document: dict[str, Any] = {
            "path": result.path,
            "model": result.model,
            "label": result.label,
            "probability": result.probability,
            "abstained": result.abstained,
            "reason": result.reason,
            "labels": list(result.labels),
            "top": [_candidate(candidate) for candidate in result.top],
            "segments": len(result.timeline),
            "duration_s": result.duration_s,
            "rest": result.rest,
            "rest_s": result.rest_s,
        }
        if result.sound_type:
            sound = result.sound_type
            document["sound_type"] = {"label": sound.name, "probability": sound.probability}
        if self.timeline:
            document["timeline"] = [entry_document(entry) for entry in result.timeline]
        if self.timeline or self.events:
            document["events"] = [asdict(event) for event in result.events]
        return document

    def rows(self, result: Prediction) -> Iterator[Row]:
        """One row a clip, or with `timeline` one a segment, or with `events` one an event."""
        for record in self.records.of(result):
            yield _cells(record)

    def table(self, results: Sequence[Prediction]) -> Any:
        """One row a clip, and below each strip of its events when they are asked for."""
        from rich.console import Group
        from rich.text import Text

        from audiocnn_cli.output.terminal.strip import Strips

        if not (self.timeline or self.events):
            return _clips(results)
        parts = []
        for result in results:
            parts += [_clips([result]), Strips(result), Text()]
            parts.append(_events(result))
        return Group(*parts)

    def segment_row(self, entry: TimelineEntry, *, path: str, model: str) -> Row:
        """The row of one segment."""
        return _cells(self.records.of_segment(entry, path=path, model=model))

    @property
    def records(self) -> Records:
        """The rows as values."""
        return Records(self.timeline, self.events, self.same_labels)


def _cells(record: dict[str, Any]) -> Row:
    return {name: _cell(value) for name, value in record.items()}


def _cell(value: object) -> object:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return round(value, 6) if isinstance(value, float) else value


def _clips(results: Sequence[Prediction]) -> Any:
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
        label = shown_label(result.labels, result.reason)
        others = ", ".join(f"{display(c.label)} {c.probability:.2f}" for c in result.top[1:])
        table.add_row(
            display(result.path),
            Text(label, style=style(result.probability, abstained=result.abstained)),
            f"{result.probability:.2f}",
            others,
            f"{result.duration_s:.2f}",
            str(len(result.timeline)),
            _rest(result),
        )
    return table


def _events(result: Prediction) -> Any:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD)
    for name in ("from", "to"):
        table.add_column(name, justify="right")
    table.add_column("label")
    table.add_column("p", justify="right")
    for event in result.events:
        table.add_row(
            f"{event.start_s:.2f} s",
            f"{event.end_s:.2f} s",
            Text(display(event.label), style=style(event.probability)),
            f"{event.probability:.2f}",
        )
    return table


def shown_label(labels: Sequence[str], reason: str | None) -> str:
    """The labels, or why there is none: a probability below the threshold stands beside it."""
    if labels:
        return ", ".join(map(display, labels))
    return "unsure" if reason in (None, BELOW_THRESHOLD) else display(reason or "")


def _rest(result: Prediction) -> str:
    """What became of the last partial segment, in a few words."""
    if result.rest is TailHandling.NONE:
        return ""
    return f"{result.rest_s:.2f} s {result.rest}"


def style(probability: float, *, abstained: bool = False) -> str:
    """How a label with that probability is shown."""
    if abstained:
        return "dim"
    return "bold green" if probability >= _SURE else "yellow" if probability >= _FAIR else "red"


def _candidate(candidate: Candidate) -> dict[str, Any]:
    return {"label": candidate.label, "probability": candidate.probability}


def entry_document(entry: TimelineEntry) -> dict[str, Any]:
    """One segment as JSON."""
    return {
        "start_s": entry.start_s,
        "end_s": entry.end_s,
        "label": entry.label,
        "probability": entry.best.probability,
        "reason": entry.reason,
        "labels": list(entry.labels),
        "probabilities": {c.label: c.probability for c in entry.candidates},
    }
