"""The page that lists several recordings, each with a link to its own."""

from collections import Counter
from typing import Any

from audiocnn_cli.batch.outcome import Failure
from audiocnn_cli.classify.prediction import Prediction
from audiocnn_cli.output.report.render import render
from audiocnn_cli.output.terminal.console import display


class Overview:
    """Rows that are gathered as the recordings are done."""

    def __init__(self) -> None:
        self._rows: list[dict[str, Any]] = []
        self._failures: list[dict[str, str]] = []

    def add(self, prediction: Prediction, address: str) -> None:
        """A recording, and where its page is."""
        others = (f"{each.label} {each.probability:.2f}" for each in prediction.top[1:])
        self._rows.append(
            {
                "href": address,
                "name": display(prediction.name),
                "label": ", ".join(prediction.labels),
                "reason": prediction.reason,
                "probability": prediction.probability,
                "others": ", ".join(others),
                "duration_s": prediction.duration_s,
            }
        )

    def fail(self, failure: Failure) -> None:
        """A recording that gave no answer."""
        self._failures.append({"path": display(failure.path), "message": failure.message})

    def html(self) -> str:
        """The whole page."""
        counts = Counter(row["label"] or row["reason"] for row in self._rows)
        return render(
            "overview.html.j2",
            rows=self._rows,
            failures=self._failures,
            counts=counts.most_common(),
        )
