"""How a prediction looks as JSON and as CSV, and a stream that is labelled as it arrives."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from audiocnn_cli.batch.outcome import Counts, Failure
from audiocnn_cli.classify import Prediction, TimelineEntry
from audiocnn_cli.classify.live import LiveSegment
from audiocnn_cli.datasets.prediction_rows import PredictionRows
from audiocnn_cli.output.destination import Destination, Format
from audiocnn_cli.output.results import OutcomeWriter, Row, write_each
from audiocnn_cli.output.views import pick
from audiocnn_cli.output.views.stretches import stretches


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassifyView:
    """The view of `audiocnn classify`.

    With `timeline` each segment is shown, with `events` each event. `same_labels`: all results have the
    labels of one model, so that CSV can have a column for each; else the table has a column of models.
    """

    timeline: bool = False
    events: bool = False
    same_labels: bool = True

    def document(self, result: Prediction) -> dict[str, Any]:
        """The label or the reason for abstaining, the candidates, and the handling of the last segment.

        Of a regression model the value takes the place of label and candidates.
        """
        if result.quantity is not None:
            return _value_document(result, timeline=self.timeline, events=self.events)
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
            document["unlabelled"] = [asdict(each) for each in result.unlabelled]
        return document

    def rows(self, result: Prediction) -> Iterator[Row]:
        """One row a clip, or with `timeline` one a segment, or with `events` one an event."""
        if result.quantity is not None and self.events:
            stretches(result)  # refuses it
        for record in self.records.of(result):
            yield _cells(record)

    def table(self, results: Sequence[Prediction]) -> Any:
        """One row a clip, and with `timeline` or `events` below each a strip and a table of its events."""
        if any(result.quantity is not None for result in results):
            if self.events:
                stretches(results[0])  # refuses it
            from audiocnn_cli.output.views.classify_values import value_table

            return value_table(results, parts=self.timeline or self.events)
        from audiocnn_cli.output.views.classify_table import label_table  # Rich: not for JSON

        return label_table(results, parts=self.timeline or self.events, models=not self.same_labels)

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


def _value_document(result: Prediction, *, timeline: bool, events: bool) -> dict[str, Any]:
    if events:
        stretches(result)  # refuses it
    document = pick(result, "path", "model", "quantity", "value", "reason")
    document |= {"segments": len(result.timeline), **pick(result, "duration_s", "rest", "rest_s")}
    if sound := result.sound_type:
        document["sound_type"] = {"label": sound.name, "probability": sound.probability}
    if timeline:
        document["timeline"] = [_entry_document(entry) for entry in result.timeline]
    return document


def _entry_document(entry: TimelineEntry) -> dict[str, Any]:
    if entry.quantity is not None:
        return pick(entry, "start_s", "end_s", "value", "reason")
    document = pick(entry, "start_s", "end_s", "label") | {"probability": entry.best.probability}
    probabilities = {each.label: each.probability for each in entry.candidates}
    return document | pick(entry, "reason", "labels") | {"probabilities": probabilities}


def write_live(
    results: Iterable[LiveSegment | Prediction | Failure],
    view: ClassifyView,
    destination: Destination,
    *,
    path: str,
) -> Counts:
    """Write each segment as it comes, then the prediction; CSV has the rows of segments only."""
    with destination.open() as stream:
        writer = OutcomeWriter(stream, destination, view)

        def others() -> Iterator[Prediction | Failure]:
            for each in results:
                if not isinstance(each, LiveSegment):
                    if destination.format is not Format.CSV or isinstance(each, Failure):
                        yield each
                elif destination.format is Format.JSONL:
                    writer.line({"path": path, "model": each.model} | _entry_document(each.entry))
                elif destination.format is Format.CSV:
                    writer.rows([_cells(view.records.of_segment(each.entry, path=path, model=each.model))])
                elif each.entry.quantity is not None:
                    from audiocnn_cli.output.views.classify_values import print_value

                    print_value(each.entry, stream)
                else:
                    from audiocnn_cli.output.views.classify_table import print_line

                    print_line(each.entry, stream, model=None if view.same_labels else each.model)

        return write_each(others(), [writer])
