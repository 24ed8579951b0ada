"""Tables of predictions and of their parts; imports Rich."""

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Any

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group
from rich.measure import Measurement
from rich.text import Text

from audiocnn_cli.audio.segments import TailHandling
from audiocnn_cli.classify import Candidate, Prediction, TimelineEntry
from audiocnn_cli.classify.prediction import BELOW_THRESHOLD, UNCLEAR, is_doubt
from audiocnn_cli.output.terminal.console import console, display, log
from audiocnn_cli.output.terminal.layout import Column, FittedTable, table_of_rows
from audiocnn_cli.output.terminal.strip import Strips
from audiocnn_cli.output.views.stretches import shown_label, stretches

_SURE, _FAIR = 0.7, 0.4
# Paths are shortened to so many characters before candidates are left out.
_SHORT_PATH = 24


def label_table(results: Sequence[Prediction], *, parts: bool, models: bool) -> Any:
    """One row a clip, and with `parts` below each a strip and a table of its parts; last the doubts.

    With `models` the name of the model that each clip is labelled by is a column.
    """
    shown: list[Any] = [] if parts else [_clip_table(results, models=models)]
    for result in results if parts else ():
        shown += [_clip_table([result], models=models), Strips(result), Text(), _part_table(result)]
    if doubts := _doubts(results):
        shown.append(Text(doubts, style="dim"))
    return Group(*shown)


def _doubts(results: Sequence[Prediction]) -> str:
    """How many of the clips are in doubt, and what labels them all the same; empty if none is."""
    counts = Counter(result.reason for result in results if result.abstained and is_doubt(result.reason))
    if not counts:
        return ""
    below, unclear = counts[BELOW_THRESHOLD], counts[UNCLEAR]
    clips = f"{len(results)} clip{'s' if len(results) > 1 else ''}"
    parts = []
    if below:
        parts.append(f"{below} of {clips} {'is' if below == 1 else 'are'} below the threshold")
    if unclear:
        parts.append(f"the type of sound of {unclear}{'' if below else f' of {clips}'} is not clear")
    return f"{', '.join(parts)} (?); --threshold 0 labels every clip."


def _clip_table(results: Sequence[Prediction], *, models: bool) -> FittedTable:
    """A row for each clip; with a verbose log also its duration, rest and number of segments."""
    labels = [
        Text(
            shown_label(each.labels, each.reason, each.top[0].label),
            _style(each.probability, abstained=each.abstained),
        )
        for each in results
    ]
    columns = [
        Column(name="clip", cells=[display(r.path) for r in results], path=True, least=_SHORT_PATH),
        Column(name="label", cells=labels, wrap=True),
        Column(
            name="p",
            cells=["" if _is_refused(r) else f"{r.probability:.2f}" for r in results],
            justify="right",
        ),
    ]
    if models:
        columns.append(Column(name="model", cells=[display(each.model) for each in results], drop=5))
    if any(_others(each) for each in results):
        others = [
            _Candidates([f"{display(c.label)} {c.probability:.2f}" for c in _others(r)]) for r in results
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


def _is_refused(result: Prediction) -> bool:
    """Whether no label can apply, so that the probabilities of the candidates mean nothing."""
    return result.abstained and not is_doubt(result.reason)


def _others(result: Prediction) -> tuple[Candidate, ...]:
    return () if _is_refused(result) else result.top[1:]


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


def _part_table(result: Prediction) -> FittedTable | Text:
    """The events of a clip and its doubts; without any a line."""
    parts = stretches(result)
    if not parts:
        return Text("no event: all are shorter than --min-event\n")
    rows = []
    for each in parts:
        label = Text(each.text, _style(each.probability or 0.0, abstained=not each.labelled))
        probability = "" if each.probability is None else f"{each.probability:.2f}"
        rows.append((f"{each.start_s:.2f} s", f"{each.end_s:.2f} s", label, probability))
    return table_of_rows(("from", "to", "label", "p"), rows, left={"label"}, wrap={"label"})


def _style(probability: float, *, abstained: bool = False) -> str:
    if abstained:
        return "dim"
    return "bold green" if probability >= _SURE else "yellow" if probability >= _FAIR else "red"


def print_line(entry: TimelineEntry, stream: IO[str], *, model: str | None) -> None:
    """A line of a segment that has just been labelled, with the model if it is given."""
    label = shown_label(entry.labels, entry.reason, entry.best.label)
    best = entry.best.probability
    refused = not entry.labels and not is_doubt(entry.reason)
    line = Text(f"{entry.start_s:10.2f} to {entry.end_s:10.2f} s  ")
    line.append("      " if refused else f"{best:.2f}  ").append(
        label, _style(best, abstained=not entry.labels)
    )
    if model is not None:
        line.append(f"  {display(model)}", "dim")
    console(stream).print(line)
    stream.flush()
