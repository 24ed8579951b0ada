"""The table of `audiocnn merge`: a row for each part of a batch."""

from collections.abc import Sequence
from typing import Any

from audiocnn_cli.batch.parts import Part
from audiocnn_cli.output.terminal.console import display


def parts_table(parts: Sequence[Part]) -> Any:
    """A Rich table with the progress of each part."""
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
            "complete" if part.whole else "partial",
            display(str(part.journal)),
        )
    return table
