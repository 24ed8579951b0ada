"""Clips and their parts for people: the label, `jazz?` in a doubt, or the reason why there is no label.

The same in tables, strips, label files and reports. JSON, CSV and Parquet have no label in all these cases.
"""

from collections.abc import Sequence
from typing import NamedTuple

from audiocnn_cli.classify.prediction import Prediction, is_doubt
from audiocnn_cli.errors import UsageError
from audiocnn_cli.output.terminal.console import display


def shown_label(labels: Sequence[str], reason: str | None, candidate: str) -> str:
    """The labels; without any, `candidate` with a question mark if it may still be right, else the reason."""
    if labels:
        return ", ".join(map(display, labels))
    return doubtful(candidate) if is_doubt(reason) else display(reason or "")


def doubtful(candidate: str) -> str:
    """The best candidate, where no label applies."""
    return f"{display(candidate)}?"


class Stretch(NamedTuple):
    """A part of a clip and its text: a label, `jazz?` in a doubt, or the reason in parentheses.

    `probability` is that of the label or of the candidate; None with a reason that rules out all labels.
    """

    start_s: float
    end_s: float
    text: str
    probability: float | None
    labelled: bool

    @property
    def doubtful(self) -> bool:
        """Whether it has a candidate only."""
        return not self.labelled and self.probability is not None


def stretches(result: Prediction) -> list[Stretch]:
    """The events of a clip and the parts between them, by time.

    Raises:
        UsageError: the model gives a value, and no labels.
    """
    if result.quantity is not None:
        raise UsageError(
            f"{result.model} gives a value, no labels or events: write it as `json`, `jsonl`, `csv` or"
            " `parquet`, with `timeline` of each segment"
        )
    found = [
        Stretch(event.start_s, event.end_s, display(event.label), event.probability, labelled=True)
        for event in result.events
    ]
    for each in result.unlabelled:
        doubt = is_doubt(each.reason)
        text = doubtful(each.candidate) if doubt else f"({display(each.reason)})"
        probability = each.probability if doubt else None
        found.append(Stretch(each.start_s, each.end_s, text, probability, labelled=False))
    return sorted(found, key=lambda stretch: (stretch.start_s, stretch.text))
