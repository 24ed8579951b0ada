"""How a prediction looks as a table, as JSON and as CSV, and a stream that is labelled as it arrives."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import IO, Any

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group
from rich.measure import Measurement
from rich.text import Text

from audiocnn_cli.audio.segments import TailHandling
from audiocnn_cli.batch.outcome import Counts, Failure
from audiocnn_cli.classify import Prediction, TimelineEntry
from audiocnn_cli.classify.prediction import BELOW_THRESHOLD
from audiocnn_cli.datasets.prediction_rows import PredictionRows
from audiocnn_cli.output.destination import Destination, Format
from audiocnn_cli.output.results import OutcomeWriter, Row, write_each
from audiocnn_cli.output.terminal.console import console, display, log
from audiocnn_cli.output.terminal.layout import Column, FittedTable, table_of_rows
from audiocnn_cli.output.terminal.strip import Strips
from audiocnn_cli.output.views import pick

_SURE, _FAIR = 0.7, 0.4
# Paths are shortened to so many characters before candidates are left out.
_SHORT_PATH = 24


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
        document = pick(result, "path", "model", "label", "probability", "abstained", "reason", "labels")
        document |= {"top": [asdict(each) for each in result.top], "segments": len(result.timeline)}
        document |= pick(result, "duration_s", "rest", "rest_s")
        if result.sound_type:
            sound = result.sound_type
            document["sound_type"] = {"label": sound.name, "probability": sound.probability}
        if self.timeline:
            document["timeline"] = [_entry_document(entry) for entry in result.timeline]
        if self.timeline or self.events:
            document["events"] = [asdict(event) for event in result.events]
        return document

    def rows(self, result: Prediction) -> Iterator[Row]:
        """One row a clip, or with `timeline` one a segment, or with `events` one an event."""
        for record in self.records.of(result):
            yield _cells(record)

    def table(self, results: Sequence[Prediction]) -> Any:
        """One row a clip, and with `timeline` or `events` below each a strip and a table of its events."""
        if not (self.timeline or self.events):
            return _clip_table(results)
        parts: list[Any] = []
        for result in results:
            parts += [_clip_table([result]), Strips(result), Text(), _event_table(result)]
        return Group(*parts)

    @property
    def records(self) -> PredictionRows:
        """The rows as values."""
        return PredictionRows(self.timeline, self.events, self.same_labels)


def _cells(record: dict[str, Any]) -> Row:
    return {name: _cell(value) for name, value in record.items()}


def _cell(value: object) -> object:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return round(value, 6) if isinstance(value, float) else value


def _clip_table(results: Sequence[Prediction]) -> FittedTable:
    """A row for each clip; with a verbose log also its duration, rest and number of segments."""
    labels = [
        Text(_shown_label(each.labels, each.reason), _style(each.probability, abstained=each.abstained))
        for each in results
    ]
    columns = [
        Column(name="clip", cells=[display(r.path) for r in results], path=True, least=_SHORT_PATH),
        Column(name="label", cells=labels, wrap=True),
        Column(name="p", cells=[f"{each.probability:.2f}" for each in results], justify="right"),
    ]
    if any(each.top[1:] for each in results):
        others = [
            _Candidates([f"{display(c.label)} {c.probability:.2f}" for c in r.top[1:]]) for r in results
        ]
        columns.append(Column(name="next best", cells=others, style="dim", drop=1, wrap=True))
    if log.isEnabledFor(logging.DEBUG):
        rests = ["" if r.rest is TailHandling.NONE else f"{r.rest_s:.2f} s {r.rest}" for r in results]
        columns += [
            Column(name="seconds", cells=[f"{r.duration_s:.2f}" for r in results], justify="right", drop=4),
            Column(name="rest", cells=rests, justify="right", drop=3),
            Column(name="segments", cells=[str(len(r.timeline)) for r in results], justify="right", drop=2),
        ]
    return FittedTable(columns)


@dataclass(frozen=True, slots=True)
class _Candidates:
    """The first candidates that fit, whole."""

    texts: Sequence[str]

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        first = cell_len(self.texts[0]) if self.texts else 0
        return Measurement(first, cell_len(", ".join(self.texts)))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        counts = range(len(self.texts), 0, -1)
        texts = (", ".join(self.texts[:count]) for count in counts)
        yield Text(next((text for text in texts if cell_len(text) <= options.max_width), ""))


def _event_table(result: Prediction) -> FittedTable:
    rows = []
    for event in result.events:
        label = Text(display(event.label), _style(event.probability))
        rows.append((f"{event.start_s:.2f} s", f"{event.end_s:.2f} s", label, f"{event.probability:.2f}"))
    return table_of_rows(("from", "to", "label", "p"), rows, left={"label"}, wrap={"label"})


def _shown_label(labels: Sequence[str], reason: str | None) -> str:
    """The labels, or why there is none; below the threshold it is `unsure`."""
    if labels:
        return ", ".join(map(display, labels))
    return "unsure" if reason in (None, BELOW_THRESHOLD) else display(reason or "")


def _style(probability: float, *, abstained: bool = False) -> str:
    if abstained:
        return "dim"
    return "bold green" if probability >= _SURE else "yellow" if probability >= _FAIR else "red"


def _entry_document(entry: TimelineEntry) -> dict[str, Any]:
    document = pick(entry, "start_s", "end_s", "label") | {"probability": entry.best.probability}
    probabilities = {each.label: each.probability for each in entry.candidates}
    return document | pick(entry, "reason", "labels") | {"probabilities": probabilities}


def write_live(
    results: Iterable[TimelineEntry | Prediction | Failure],
    view: ClassifyView,
    destination: Destination,
    *,
    path: str,
    model: str,
) -> Counts:
    """Write each segment as it comes, then the prediction; CSV has the rows of segments only."""
    with destination.open() as stream:
        writer = OutcomeWriter(stream, destination, view)

        def others() -> Iterator[Prediction | Failure]:
            for each in results:
                if not isinstance(each, TimelineEntry):
                    if destination.format is not Format.CSV or isinstance(each, Failure):
                        yield each
                elif destination.format is Format.JSONL:
                    writer.line({"path": path, "model": model} | _entry_document(each))
                elif destination.format is Format.CSV:
                    writer.rows([_cells(view.records.of_segment(each, path=path, model=model))])
                else:
                    _print_line(each, stream)

        return write_each(others(), [writer])


def _print_line(entry: TimelineEntry, stream: IO[str]) -> None:
    label = _shown_label(entry.labels, entry.reason)
    best = entry.best.probability
    line = Text(f"{entry.start_s:10.2f} to {entry.end_s:10.2f} s  ")
    line.append(f"{best:.2f}  ").append(label, _style(best, abstained=not entry.labels))
    console(stream).print(line)
    stream.flush()
