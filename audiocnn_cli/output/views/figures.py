"""The checked figures of model cards as a table, JSON and CSV."""

from collections.abc import Iterator, Sequence
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from audiocnn_cli.batch.outcome import failure_document
from audiocnn_cli.evaluation.figures import CardCheck
from audiocnn_cli.output.results import Row
from audiocnn_cli.output.terminal.console import display


class CardCheckView:
    """The view of `audiocnn evaluate --all`."""

    def document(self, result: CardCheck) -> dict[str, Any]:
        """Every figure of every card beside the measured one."""
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

    def rows(self, result: CardCheck) -> Iterator[Row]:
        """One row a figure."""
        for document in self.document(result)["figures"]:
            low, high = document.pop("card_interval_95")
            yield document | {"card_low": low, "card_high": high}

    def table(self, results: Sequence[CardCheck]) -> Any:
        """One row a figure below the name of its model; a problem is printed below its figure."""
        table = Table(box=box.SIMPLE_HEAD)
        table.add_column("model and figure")
        for column in ("card", "measured", "n"):
            table.add_column(column, justify="right", no_wrap=True)
        table.add_column("agrees", no_wrap=True)
        model = None
        for each in (figure for result in results for figure in result.figures):
            if each.model != model:
                model = each.model
                table.add_row(Text(display(model), style="bold"))
            name = display(each.card.name)
            table.add_row(
                f"{name}\n{display(each.problem)}" if each.problem else name,
                f"{each.card.value:.3f}",
                "" if each.measured is None else f"{each.measured.value:.3f}",
                "" if each.measured is None else str(each.measured.n),
                Text("yes", style="green") if each.agrees else Text("NO", style="bold red"),
            )
        return table
