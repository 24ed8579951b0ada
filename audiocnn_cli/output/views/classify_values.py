"""Tables of the values that a regression model gives for recordings and their segments; imports Rich."""

from collections.abc import Sequence
from typing import IO, Any

from rich.console import Group
from rich.text import Text

from audiocnn_cli.classify import Prediction, TimelineEntry
from audiocnn_cli.output.terminal.console import console, display
from audiocnn_cli.output.terminal.layout import Column, FittedTable, table_of_rows
from audiocnn_cli.output.views.regression import number

_SHORT_PATH = 24


def value_table(results: Sequence[Prediction], *, parts: bool) -> Any:
    """One row a clip, and with `parts` below each a table of its segments."""
    if not parts:
        return _clip_table(results)
    return Group(*(part for each in results for part in (_clip_table([each]), _segment_table(each))))


def _clip_table(results: Sequence[Prediction]) -> FittedTable:
    quantity = next(each.quantity for each in results if each.quantity is not None)
    return FittedTable(
        [
            Column(name="clip", cells=[display(r.path) for r in results], path=True, least=_SHORT_PATH),
            Column(
                name=display(quantity), cells=[_shown(r.value, r.reason) for r in results], justify="right"
            ),
        ]
    )


def _segment_table(result: Prediction) -> FittedTable:
    rows = [
        (f"{each.start_s:.2f} s", f"{each.end_s:.2f} s", _shown(each.value, each.reason))
        for each in result.timeline
    ]
    return table_of_rows(("from", "to", display(result.quantity or "")), rows, left=())


def _shown(value: float | None, reason: str | None) -> str:
    return display(reason or "") if value is None else number(value)


def print_value(entry: TimelineEntry, stream: IO[str]) -> None:
    """A line of a segment that has just been given a value."""
    line = f"{entry.start_s:10.2f} to {entry.end_s:10.2f} s  {_shown(entry.value, entry.reason)}"
    console(stream).print(Text(line))
    stream.flush()
