"""How often a model is right: accuracy with its interval, precision and recall, the confusion matrix."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ClassScore:
    """Of one class: how many of the clips so labelled are right, how many of its `n` clips are found.

    `precision` is None when no clip was given this label, `recall` when there is no clip of the class.
    """

    precision: float | None
    recall: float | None
    n: int


@dataclass(frozen=True, slots=True)
class Scores:
    """The figures of a set of clips; `confusion[i][j]` counts clips of class i labelled j."""

    labels: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]

    @property
    def n(self) -> int:
        """How many clips."""
        return sum(map(sum, self.confusion))

    @property
    def correct(self) -> int:
        """How many of them are labelled right."""
        return sum(row[i] for i, row in enumerate(self.confusion))

    @property
    def accuracy(self) -> float:
        """The part that is labelled right, 0 to 1."""
        return self.correct / self.n

    @property
    def balanced_accuracy(self) -> float:
        """The mean of the recalls of the classes that have clips."""
        recalls = [score.recall for score in self.per_class.values() if score.recall is not None]
        return sum(recalls) / len(recalls)

    @property
    def per_class(self) -> dict[str, ClassScore]:
        """Precision and recall of each class."""
        scores = {}
        for i, label in enumerate(self.labels):
            said = sum(row[i] for row in self.confusion)
            n = sum(self.confusion[i])
            right = self.confusion[i][i]
            scores[label] = ClassScore(right / said if said else None, right / n if n else None, n)
        return scores

    @property
    def interval_95(self) -> tuple[float, float]:
        """The 95 % interval of the accuracy."""
        return wilson_interval(self.correct, self.n)


def score(truth: Sequence[str], said: Sequence[str], *, labels: tuple[str, ...]) -> Scores:
    """Count what was said of each class; both sequences hold labels, one a clip."""
    index = {label: i for i, label in enumerate(labels)}
    counts = [[0] * len(labels) for _ in labels]
    for true, found in zip(truth, said, strict=True):
        counts[index[true]][index[found]] += 1
    return Scores(labels, tuple(map(tuple, counts)))


def wilson_interval(correct: int, n: int) -> tuple[float, float]:
    """The 95 % score interval of a proportion. Source: Wilson, JASA 22(158), 1927."""
    from scipy.stats import binomtest

    interval = binomtest(correct, n).proportion_ci(confidence_level=0.95, method="wilson")
    return float(interval.low), float(interval.high)
