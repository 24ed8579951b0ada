"""A stream that is labelled as it arrives: one line for each segment, then the prediction for the whole."""

from collections.abc import Iterable, Iterator
from typing import IO

from audiocnn_cli.batch.outcome import Counts, Failure
from audiocnn_cli.classify import Prediction, TimelineEntry
from audiocnn_cli.output.destination import Destination, Format
from audiocnn_cli.output.results import OutcomeWriter, write_each
from audiocnn_cli.output.terminal.console import console
from audiocnn_cli.output.views.classify import ClassifyView, entry_document, shown_label, style


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
                    writer.line({"path": path, "model": model} | entry_document(each))
                elif destination.format is Format.CSV:
                    writer.rows([view.segment_row(each, path=path, model=model)])
                else:
                    _print_line(each, stream)

        return write_each(others(), [writer])


def _print_line(entry: TimelineEntry, stream: IO[str]) -> None:
    from rich.text import Text

    label = shown_label(entry.labels, entry.reason)
    best = entry.best.probability
    line = Text(f"{entry.start_s:10.2f} to {entry.end_s:10.2f} s  ")
    line.append(f"{best:.2f}  ").append(label, style(best, abstained=not entry.labels))
    console(stream).print(line)
    stream.flush()
