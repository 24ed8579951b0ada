"""How a prediction looks as a table, as JSON and as CSV."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from audiocnn_cli.audio.segments import TailHandling
from audiocnn_cli.classify import Prediction, TimelineEntry
from audiocnn_cli.classify.prediction import BELOW_THRESHOLD
from audiocnn_cli.output.results import Row
from audiocnn_cli.output.terminal.console import display, log

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions
    from rich.table import Table

    from audiocnn_cli.datasets.prediction_rows import PredictionRows

_SURE, _FAIR = 0.7, 0.4
# Of a path at least so many characters are shown before candidates are left out.
_SHORT_PATH = 24
_SHORTEST_PATH = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassifyView:
    """The view of `audiocnn classify`.

    With `timeline` each segment is shown, with `events` each event. `same_labels`: all results have the
    labels of one model, so that CSV can have a column for each.
    """

    timeline: bool = False
    events: bool = False
    same_labels: bool = True

    def document(self, result: Prediction) -> dict[str, Any]:
        """The label or the reason for abstaining, the candidates, and the handling of the last segment."""
        document: dict[str, Any] = {
            "path": result.path,
            "model": result.model,
            "label": result.label,
            "probability": result.probability,
            "abstained": result.abstained,
            "reason": result.reason,
            "labels": list(result.labels),
            "top": [{"label": c.label, "probability": c.probability} for c in result.top],
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
        """One row a clip, and with `timeline` or `events` below each a strip and a table of its events."""
        from rich.console import Group
        from rich.text import Text

        if not (self.timeline or self.events):
            return ClipTable(results)
        from audiocnn_cli.output.terminal.strip import Strips

        parts: list[Any] = []
        for result in results:
            parts += [ClipTable([result]), Strips(result), Text(), _events(result)]
        return Group(*parts)

    def segment_row(self, entry: TimelineEntry, *, path: str, model: str) -> Row:
        """The row of one segment."""
        return _cells(self.records.of_segment(entry, path=path, model=model))

    @property
    def records(self) -> "PredictionRows":
        """The rows as values."""
        from audiocnn_cli.datasets.prediction_rows import PredictionRows

        return PredictionRows(self.timeline, self.events, self.same_labels)


def _cells(record: dict[str, Any]) -> Row:
    return {name: _cell(value) for name, value in record.items()}


def _cell(value: object) -> object:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return round(value, 6) if isinstance(value, float) else value


class ClipTable:
    """A row for each clip that fits the width of the console.

    Where it is narrow paths are shortened, candidates left out, and labels broken between words. Duration,
    rest and number of segments are columns when the log is verbose, as far as there is room.
    """

    def __init__(self, results: Sequence[Prediction]) -> None:
        self.results = results

    def __rich_console__(self, console: "Console", options: "ConsoleOptions") -> Iterator["Table"]:
        """The table at the width of the console."""
        from rich import box
        from rich.cells import cell_len
        from rich.table import Table
        from rich.text import Text

        paths = [display(result.path) for result in self.results]
        labels = [shown_label(result.labels, result.reason) for result in self.results]
        candidates = [
            [f"{display(c.label)} {c.probability:.2f}" for c in result.top[1:]] for result in self.results
        ]
        extra = _extra_columns(self.results) if log.isEnabledFor(logging.DEBUG) else {}
        while True:
            taken = sum(3 + max(map(cell_len, (name, *cells))) for name, cells in extra.items())
            path, label, others = _widths(paths, labels, candidates, options.max_width - taken)
            if not extra or path >= min(_SHORT_PATH, *map(cell_len, paths)):
                break
            extra.popitem()

        table = Table(box=box.SIMPLE_HEAD)
        table.add_column("clip", width=path, no_wrap=True)
        table.add_column("label", width=label)
        table.add_column("p", justify="right", width=4)
        if others:
            table.add_column("next best", width=others, style="dim", no_wrap=True)
        for name in extra:
            table.add_column(name, justify="right", no_wrap=True)
        for i, result in enumerate(self.results):
            table.add_row(
                paths[i] if cell_len(paths[i]) <= path else _shortened(paths[i], path),
                Text(labels[i], style=style(result.probability, abstained=result.abstained)),
                f"{result.probability:.2f}",
                *([_joined(candidates[i], others)] if others else []),
                *(cells[i] for cells in extra.values()),
            )
        yield table


def _widths(
    paths: Sequence[str], labels: Sequence[str], candidates: Sequence[Sequence[str]], width: int
) -> tuple[int, int, int]:
    """Widths of the columns of paths, labels and candidates (0: left out) in a table of `width` cells."""
    from rich.cells import cell_len

    path = max(len("clip"), *map(cell_len, paths))
    label = max(len("label"), *map(cell_len, labels))
    word = max(len("label"), *(cell_len(word) for each in labels for word in each.split()))
    everything = max(cell_len(", ".join(each)) for each in candidates)
    first = max((cell_len(each[0]) for each in candidates if each), default=0)
    others = max(everything, len("next best")) if first else 0
    # The margin, 3 cells between columns, and the probability.
    room = width - 1 - 3 - (3 + 4) - 3 - (3 if others else 0)
    shown = min(path, _SHORT_PATH)
    if others:
        others = max(min(others, room - shown - label), first, len("next best"))
    label = max(min(label, room - shown - others), word)
    if others and shown + label + others > room:
        others, room = 0, room + 3
        label = max(min(max(map(cell_len, labels)), room - shown), word)
    return max(min(path, room - label - others), _SHORTEST_PATH), label, others


def _shortened(path: str, width: int) -> str:
    from audiocnn_cli.output.terminal.layout import shorten_path

    return shorten_path(path, width)


def _joined(candidates: Sequence[str], width: int) -> str:
    """The first candidates that fit, whole."""
    from rich.cells import cell_len

    text = ""
    for candidate in candidates:
        longer = f"{text}, {candidate}" if text else candidate
        if cell_len(longer) > width:
            break
        text = longer
    return text


def _extra_columns(results: Sequence[Prediction]) -> dict[str, list[str]]:
    """Columns that only a verbose log shows, the one that is left out first at the end."""
    rests = ["" if each.rest is TailHandling.NONE else f"{each.rest_s:.2f} s {each.rest}" for each in results]
    return {
        "seconds": [f"{each.duration_s:.2f}" for each in results],
        "rest": rests,
        "segments": [str(len(each.timeline)) for each in results],
    }


def _events(result: Prediction) -> "Table":
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD)
    for name in ("from", "to"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("label")
    table.add_column("p", justify="right", no_wrap=True)
    for event in result.events:
        table.add_row(
            f"{event.start_s:.2f} s",
            f"{event.end_s:.2f} s",
            Text(display(event.label), style=style(event.probability)),
            f"{event.probability:.2f}",
        )
    return table


def shown_label(labels: Sequence[str], reason: str | None) -> str:
    """The labels, or why there is none; below the threshold it is `unsure`."""
    if labels:
        return ", ".join(map(display, labels))
    return "unsure" if reason in (None, BELOW_THRESHOLD) else display(reason or "")


def style(probability: float, *, abstained: bool = False) -> str:
    """Rich style of a label with that probability."""
    if abstained:
        return "dim"
    return "bold green" if probability >= _SURE else "yellow" if probability >= _FAIR else "red"


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
