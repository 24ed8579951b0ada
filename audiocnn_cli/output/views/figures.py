"""The checked figures of model cards as a table, JSON and CSV."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from rich.text import Text

from audiocnn_cli.batch.outcome import failure_document
from audiocnn_cli.evaluation.figures import CardCheck
from audiocnn_cli.output.results import Row
from audiocnn_cli.output.terminal.console import display
from audiocnn_cli.output.terminal.layout import FittedTable, table_of_rows


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

    def table(self, results: Sequence[CardCheck]) -> FittedTable:
        """One row a figure below the name of its model; a problem is printed below its figure."""
        rows: list[tuple[str | Text, ...]] = []
        figures = [figure for result in results for figure in result.figures]
        for model, of_model in groupby(figures, key=lambda figure: figure.model):
            rows.append((Text(display(model), style="bold"), "", "", "", ""))
            for each in of_model:
                name = display(each.card.name)
                rows.append(
                    (
                        f"{name}\n{display(each.problem)}" if each.problem else name,
                        f"{each.card.value:.3f}",
                        "" if each.measured is None else f"{each.measured.value:.3f}",
                        "" if each.measured is None else str(each.measured.n),
                        Text("yes", style="green") if each.agrees else Text("NO", style="bold red"),
                    )
                )
        head = "model and figure"
        names = (head, "card", "measured", "n", "agrees")
        return table_of_rows(names, rows, left={head, "agrees"}, wrap={head})
