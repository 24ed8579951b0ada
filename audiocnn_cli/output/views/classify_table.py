"""Tables of predictions and of their events; imports Rich."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Any

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group
from rich.measure import Measurement
from rich.text import Text

from audiocnn_cli.audio.segments import TailHandling
from audiocnn_cli.classify import Prediction, TimelineEntry
from audiocnn_cli.classify.prediction import BELOW_THRESHOLD
from audiocnn_cli.output.terminal.console import console, display, log
from audiocnn_cli.output.terminal.layout import Column, FittedTable, table_of_rows
from audiocnn_cli.output.terminal.strip import Strips

_SURE, _FAIR = 0.7, 0.4
# Paths are shortened to so many characters before candidates are left out.
_SHORT_PATH = 24


def label_table(results: Sequence[Prediction], *, parts: bool) -> Any:
    """One row a clip, and with `parts` below each a strip and a table of its events."""
    if not parts:
        return _clip_table(results)
    shown: list[Any] = []
    for result in results:
        shown += [_clip_table([result]), Strips(result), Text(), _event_table(result)]
    return Group(*shown)


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


def print_line(entry: TimelineEntry, stream: IO[str]) -> None:
    """A line of a segment that has just been labelled."""
    label = _shown_label(entry.labels, entry.reason)
    best = entry.best.probability
    line = Text(f"{entry.start_s:10.2f} to {entry.end_s:10.2f} s  ")
    line.append(f"{best:.2f}  ").append(label, _style(best, abstained=not entry.labels))
    console(stream).print(line)
    stream.flush()
