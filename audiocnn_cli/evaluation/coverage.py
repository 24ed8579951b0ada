"""What abstaining buys: how many clips are answered above a threshold, and how many of these rightly."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from audiocnn_cli.evaluation.metrics import wilson_interval

THRESHOLDS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)


@dataclass(frozen=True, slots=True)
class Coverage:
    """Of `n` clips, `answered` have a label of `threshold` or more, and of these `right` are right."""

    threshold: float
    n: int
    answered: int
    right: int

    @property
    def coverage(self) -> float:
        """The part of the clips that is answered, 0 to 1."""
        return self.answered / self.n

    @property
    def accuracy(self) -> float | None:
        """The part of the answers that is right; None without any."""
        return self.right / self.answered if self.answered else None

    @property
    def interval_95(self) -> tuple[float, float] | None:
        """The 95 % interval of the accuracy; None without any answer."""
        return wilson_interval(self.right, self.answered) if self.answered else None


def cover(
    confidences: Sequence[float], right: Sequence[bool], thresholds: Iterable[float]
) -> tuple[Coverage, ...]:
    """Coverage and accuracy at each threshold, in rising order, each once.

    `confidences` are the probabilities of the labels said, and `right` whether these are the true ones.
    """
    pairs = list(zip(confidences, right, strict=True))
    rows = []
    for threshold in sorted(set(thresholds)):
        answers = [hit for confidence, hit in pairs if confidence >= threshold]
        rows.append(Coverage(threshold, len(pairs), len(answers), sum(answers)))
    return tuple(rows)
