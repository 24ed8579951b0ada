"""Events as strips of characters over a time axis, for a terminal."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions
from rich.style import Style
from rich.text import Text

from audiocnn_cli.classify import Event, Prediction, Unlabelled
from audiocnn_cli.classify.prediction import is_doubt
from audiocnn_cli.output.terminal.console import display

# The colours of Okabe and Ito, distinguishable with colour blindness, and two more.
_COLOURS = (
    "#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7", "#999999", "#66ccaa",
)  # fmt: skip
_SPARE = "0123456789#*+=%&@"
_NOTHING = "·"
_DOUBT = "?"
_STEPS_S = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200)
_MOST_ROWS = 12
_WIDEST = 100

P = TypeVar("P", Event, Unlabelled)


@dataclass(frozen=True, slots=True)
class Strips:
    """The events of a clip over a time axis, with a legend, as wide as the console but at most 100 cells.

    They are in one row, or in one for each label where events overlap. Doubts are question marks.
    """

    result: Prediction

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        width, colour = min(_WIDEST, options.max_width), console.color_system is not None
        labels = list(dict.fromkeys(event.label for event in self.result.events))
        letters = _letters(labels)
        styles = {
            label: Style(color="black", bgcolor=_COLOURS[i % len(_COLOURS)]) if colour else Style()
            for i, label in enumerate(labels)
        }
        begin, end = self.result.timeline[0].start_s, self.result.timeline[-1].end_s
        doubts = [each for each in self.result.unlabelled if is_doubt(each.reason)]
        text = Text(no_wrap=True)
        for row in _rows(self.result.events, labels):
            before: Event | None = None
            for column in range(width):
                time = begin + (column + 0.5) / width * (end - begin)
                event = _at(time, row)
                if event is None:
                    text.append(_NOTHING if _at(time, doubts) is None else _DOUBT, "dim")
                else:
                    # With colour a letter marks only the start of an event.
                    plain = colour and event is before
                    text.append(" " if plain else letters[event.label], styles[event.label])
                before = event
            text.append("\n")
        text.append(axis(begin, end, width=width) + "\n")
        legend = [(letters[label], display(label), styles[label]) for label in labels]
        reasons = dict.fromkeys(each.reason for each in self.result.unlabelled)
        if doubts:
            shown = " or ".join(reason for reason in reasons if is_doubt(reason))
            legend.append((_DOUBT, shown, Style(dim=True)))
        if others := [display(reason) for reason in reasons if not is_doubt(reason)]:
            legend.append((_NOTHING, " or ".join(others), Style(dim=True)))
        column = 0
        for letter, name, style in legend:
            if column and column + cell_len(name) + 4 > width:
                text.append("\n")
                column = 0
            text.append(letter, style).append(f" {name}  ")
            column += cell_len(name) + 4
        yield text


def _at(time: float, parts: Sequence[P]) -> P | None:
    """The first of `parts` that covers that second."""
    return next((each for each in parts if each.start_s <= time < each.end_s), None)


def axis(begin: float, end: float, *, width: int) -> str:
    """Labels at round times on an axis of `width` characters from `begin` to `end`."""
    span = end - begin
    step = next((s for s in _STEPS_S if s / span * width >= 8), _STEPS_S[-1])
    cells = [" "] * width
    tick = -(-begin // step) * step
    while tick < end:
        at = round((tick - begin) / span * width)
        label = _clock(tick, step)
        if at + len(label) < width:
            cells[at : at + len(label) + 1] = [*"╵", *label]
        tick += step
    return "".join(cells).rstrip()


def _clock(seconds: float, step: float) -> str:
    minutes, rest = divmod(seconds, 60)
    shown = f"{rest:04.1f}" if step < 1 else f"{rest:02.0f}"
    if minutes < 60:
        return f"{minutes:.0f}:{shown}"
    return f"{minutes // 60:.0f}:{minutes % 60:02.0f}:{shown}"


def _rows(events: Sequence[Event], labels: Sequence[str]) -> list[list[Event]]:
    if not any(a.end_s > b.start_s for a, b in pairwise(events)):
        return [list(events)]
    duration = {label: sum(e.end_s - e.start_s for e in events if e.label == label) for label in labels}
    longest = sorted(labels, key=lambda label: -duration[label])[:_MOST_ROWS]
    return [[event for event in events if event.label == label] for label in longest]


def _letters(labels: Sequence[str]) -> dict[str, str]:
    """A different character for each label, one of its letters if possible."""
    taken: dict[str, str] = {}
    for label in labels:
        own = [c for c in label + label.upper() + _SPARE if c.isprintable() and c not in " ·"]
        taken[label] = next((c for c in own if c not in taken.values()), "?")
    return taken
