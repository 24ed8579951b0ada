"""What the functions for Python share: sources, and tables in a notebook."""

import os
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from audiocnn_cli.audio.sources import Source

_MOST_ROWS = 20


def source_of(source: Any, sample_rate: int | None) -> Source:
    """A path or an array as a source.

    Raises:
        UsageError: an array without a sample rate, or as `array_source`.
    """
    if isinstance(source, (str, os.PathLike)):
        return Source(os.fspath(source))
    from audiocnn_cli.audio.arrays import array_source  # imports NumPy

    return array_source(source, sample_rate=sample_rate)


def notebook_html(result: object, rows: Sequence[Mapping[str, str]]) -> str:
    """A result as a line of HTML, and its rows as a table below, the first ones where there are many."""
    line = f"<p>{escape(repr(result))}</p>"
    if not rows:
        return line
    head = "".join(f"<th>{escape(name)}</th>" for name in rows[0])
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row.values()) + "</tr>"
        for row in rows[:_MOST_ROWS]
    )
    more = len(rows) - _MOST_ROWS
    caption = f"<caption>and {more} more rows</caption>" if more > 0 else ""
    return f"{line}<table>{caption}<tr>{head}</tr>{body}</table>"
