"""How the figures of the cards, measured again, look as a table, as JSON and as CSV."""

from collections.abc import Iterator, Sequence
from typing import Any

from audiocnn_cli.batch.outcome import failure_document
from audiocnn_cli.evaluation.remake import RemadeFigure, Remake
from audiocnn_cli.output.results import Row
from audiocnn_cli.output.terminal.console import display


class RemakeView:
    """The view of `audiocnn evaluate --all`."""

    def document(self, result: Remake) -> dict[str, Any]:
        """Every figure of every card beside the one measured."""
        return {
            "figures": [
                {
                    "model": each.model,
                    "figure": each.card.name,
                    "card": each.card.value,
                    "card_interval_95": list(each.card.interval_95),
                    "measured": None if each.measured is None else each.measured.value,
                    "n": None if each.measured is None else each.measured.n,
                    "agrees": each.agrees,
                    "problem": each.problem,
                }
                for each in result.figures
            ],
            "failures": [failure_document(failure) for failure in result.failures],
        }

    def rows(self, result: Remake) -> Iterator[Row]:
        """One row a figure."""
        for document in self.document(result)["figures"]:
            low, high = document.pop("card_interval_95")
            yield document | {"card_low": low, "card_high": high}

    def table(self, results: Sequence[Remake]) -> Any:
        """One row a figure, those that differ in red."""
        from rich import box
        from rich.table import Table

        table = Table(box=box.SIMPLE_HEAD)
        table.add_column("model", style="bold")
        table.add_column("figure", overflow="fold")
        for column in ("card", "measured", "n"):
            table.add_column(column, justify="right")
        table.add_column("agrees")
        table.add_column("", overflow="fold")
        for each in (figure for result in results for figure in result.figures):
            table.add_row(display(each.model), display(each.card.name), *_cells(each))
        return table


def _cells(each: RemadeFigure) -> Iterator[Any]:
    from rich.text import Text

    yield f"{each.card.value:.3f}"
    yield "" if each.measured is None else f"{each.measured.value:.3f}"
    yield "" if each.measured is None else str(each.measured.n)
    yield Text("yes", style="green") if each.agrees else Text("NO", style="bold red")
    yield display(each.problem or "")
