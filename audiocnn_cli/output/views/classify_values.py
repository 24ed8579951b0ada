"""Tables of the values that a regression model gives for recordings and their segments; imports Rich."""

import math
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
    values = _shown([(each.value, each.reason) for each in results])
    return FittedTable(
        [
            Column(name="clip", cells=[display(r.path) for r in results], path=True, least=_SHORT_PATH),
            Column(name=display(quantity), cells=values, justify="right"),
        ]
    )


def _segment_table(result: Prediction) -> FittedTable:
    values = _shown([(each.value, each.reason) for each in result.timeline])
    rows = [
        (f"{each.start_s:.2f} s", f"{each.end_s:.2f} s", value)
        for each, value in zip(result.timeline, values, strict=True)
    ]
    return table_of_rows(("from", "to", display(result.quantity or "")), rows, left=())


def _shown(values: Sequence[tuple[float | None, str | None]]) -> list[str]:
    """Values with the same decimals, five digits for the largest; the reason where there is none."""
    largest = max((abs(value) for value, _ in values if value is not None), default=0.0)
    places = min(6, max(0, 4 - math.floor(math.log10(largest)))) if largest else 0
    return [display(reason or "") if value is None else f"{value:.{places}f}" for value, reason in values]


def print_value(entry: TimelineEntry, stream: IO[str]) -> None:
    """A line of a segment that has just been given a value."""
    shown = display(entry.reason or "") if entry.value is None else number(entry.value)
    line = f"{entry.start_s:10.2f} to {entry.end_s:10.2f} s  {shown}"
    console(stream).print(Text(line))
    stream.flush()
