"""How the parts of a batch look: a row for each, and for those that are missing."""

from collections.abc import Sequence
from typing import Any

from audiocnn_cli.batch.parts import Part
from audiocnn_cli.output.terminal.console import display


def parts_table(parts: Sequence[Part]) -> Any:
    """A Rich table of the parts."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("part")
    for name in ("done", "failed", "unfinished"):
        table.add_column(name, justify="right")
    table.add_column("state")
    table.add_column("journal", overflow="fold", style="dim")
    for part in parts:
        table.add_row(
            str(part.shard),
            f"{part.done:,}",
            f"{part.failed:,}",
            f"{part.unfinished:,}",
            "whole" if part.whole else "not at its end",
            display(str(part.journal)),
        )
    return table
