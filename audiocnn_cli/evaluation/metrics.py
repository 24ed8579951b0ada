"""Metrics of labelled predictions: confusion matrix, calibration, and coverage under abstention."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.stats import binomtest

THRESHOLDS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)


@dataclass(frozen=True, slots=True)
class ClassScore:
    """Precision, recall and F1 of one class, each 0 to 1; `n` is its support, the clips of the class.

    `precision` is None when no clip was given this label, `recall` when there is no clip of the class, `f1`
    when there is neither. Where one of both is undefined, `f1` is 0, as its definition by counts,
    2 TP / (2 TP + FP + FN), has it.
    """

    precision: float | None
    recall: float | None
    f1: float | None
    n: int


@dataclass(frozen=True, slots=True)
class MeanScore:
    """Means of precision, recall and F1 over classes, each 0 to 1; None where it is undefined for all."""

    precision: float | None
    recall: float | None
    f1: float | None


@dataclass(frozen=True, slots=True)
class ConfusionMatrix:
    """`counts[i][j]` clips of class i were predicted as class j."""

    labels: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]

    @property
    def n(self) -> int:
        """The number of clips."""
        return sum(map(sum, self.counts))

    @property
    def correct(self) -> int:
        """The number of clips whose predicted label is the true one."""
        return sum(row[i] for i, row in enumerate(self.counts))

    @property
    def accuracy(self) -> float:
        """The proportion of correct clips, 0 to 1."""
        return self.correct / self.n

    @property
    def balanced_accuracy(self) -> float:
        """The mean recall over the classes that have clips."""
        return self.macro.recall or 0.0

    @property
    def per_class(self) -> dict[str, ClassScore]:
        """Precision, recall and F1 of each class."""
        predicted = [sum(column) for column in zip(*self.counts, strict=True)]
        return {
            label: ClassScore(
                precision=_ratio(self.counts[i][i], predicted[i]),
                recall=_ratio(self.counts[i][i], sum(self.counts[i])),
                f1=_ratio(2 * self.counts[i][i], predicted[i] + sum(self.counts[i])),
                n=sum(self.counts[i]),
            )
            for i, label in enumerate(self.labels)
        }

    @property
    def macro(self) -> MeanScore:
        """The mean over the classes, each with the same weight.

        A class whose figure is undefined does not take part, as with `zero_division=np.nan` of
        `sklearn.metrics.classification_report`.
        """
        return self._mean([1] * len(self.labels))

    @property
    def weighted(self) -> MeanScore:
        """As `macro`, each class weighted by its support."""
        return self._mean([sum(row) for row in self.counts])

    def _mean(self, weights: Sequence[int]) -> MeanScore:
        scores = self.per_class.values()
        return MeanScore(
            precision=_mean([score.precision for score in scores], weights),
            recall=_mean([score.recall for score in scores], weights),
            f1=_mean([score.f1 for score in scores], weights),
        )

    @property
    def interval_95(self) -> tuple[float, float]:
        """The 95 % interval of the accuracy."""
        return wilson_interval(self.correct, self.n)


def _ratio(count: int, n: int) -> float | None:
    return count / n if n else None


def _mean(values: Sequence[float | None], weights: Sequence[int]) -> float | None:
    """The weighted mean of the defined values; of equal weights where all of theirs are 0."""
    defined = [(value, weight) for value, weight in zip(values, weights, strict=True) if value is not None]
    if not defined:
        return None
    total = sum(weight for _, weight in defined)
    if not total:
        return sum(value for value, _ in defined) / len(defined)
    return sum(value * weight for value, weight in defined) / total


def confusion_matrix(
    truth: Sequence[str], predicted: Sequence[str], *, labels: tuple[str, ...]
) -> ConfusionMatrix:
    """Count the clips by true and predicted label; both sequences have one label a clip."""
    counts = Counter(zip(truth, predicted, strict=True))
    return ConfusionMatrix(labels, tuple(tuple(counts[true, found] for found in labels) for true in labels))


def wilson_interval(correct: int, n: int) -> tuple[float, float]:
    """The 95 % score interval of a proportion. Source: Wilson, JASA 22(158), 1927."""
    interval = binomtest(correct, n).proportion_ci(confidence_level=0.95, method="wilson")
    return float(interval.low), float(interval.high)


@dataclass(frozen=True, slots=True)
class Bin:
    """The `n` clips whose confidence is above `low` and at most `high`: mean confidence and accuracy.

    Both are None for an empty bin.
    """

    low: float
    high: float
    n: int
    confidence: float | None
    accuracy: float | None


@dataclass(frozen=True, slots=True)
class Calibration:
    """A reliability diagram, and the error that summarises it."""

    bins: tuple[Bin, ...]

    @property
    def ece(self) -> float:
        """Expected calibration error (ECE): the mean of |confidence - accuracy| over clips, 0 to 1.

        Source: Guo et al., On calibration of modern neural networks, ICML 2017.
        """
        distances = (each.n * abs((each.confidence or 0.0) - (each.accuracy or 0.0)) for each in self.bins)
        return sum(distances) / sum(each.n for each in self.bins)


def calibrate(confidences: Sequence[float], correct: Sequence[bool], *, bins: int = 15) -> Calibration:
    """Sort clips, one or more, into `bins` bins of equal width by confidence.

    `confidences` are the probabilities, 0 to 1, of the predicted labels, `correct` whether these are the true
    ones.
    """
    edges = np.linspace(0, 1, bins + 1)
    confidence, hit = np.asarray(confidences, dtype=np.float64), np.asarray(correct)
    bin_of = np.searchsorted(edges[1:-1], confidence)
    found = []
    for i, (low, high) in enumerate(pairwise(edges.tolist())):
        inside = bin_of == i
        n = int(inside.sum())
        means = (float(confidence[inside].mean()), float(hit[inside].mean())) if n else (None, None)
        found.append(Bin(low, high, n, *means))
    return Calibration(tuple(found))


def brier(probabilities: Sequence[Sequence[float]], truth: Sequence[int]) -> float:
    """The Brier score: the mean squared distance of the probabilities from the one-hot truth, 0 to 2.

    `probabilities` has shape (clips, labels), `truth` the index of each clip's label.
    Source: Brier, Monthly Weather Review 78(1), 1950.
    """
    predicted = np.asarray(probabilities, dtype=np.float64)
    one_hot = np.eye(predicted.shape[1])[np.asarray(truth)]
    return float(np.square(predicted - one_hot).sum(axis=1).mean())


@dataclass(frozen=True, slots=True)
class Coverage:
    """Of `n` clips, `covered` have a confidence of `threshold` or more, and `correct` of these are correct.

    A model that abstains below `threshold` gives a label to the covered clips only.
    """

    threshold: float
    n: int
    covered: int
    correct: int

    @property
    def coverage(self) -> float:
        """The proportion of covered clips, 0 to 1."""
        return self.covered / self.n

    @property
    def accuracy(self) -> float | None:
        """The accuracy over the covered clips; None without any."""
        return self.correct / self.covered if self.covered else None

    @property
    def interval_95(self) -> tuple[float, float] | None:
        """The 95 % interval of the accuracy; None without a covered clip."""
        return wilson_interval(self.correct, self.covered) if self.covered else None


def cover(
    confidences: Sequence[float], correct: Sequence[bool], thresholds: Iterable[float]
) -> tuple[Coverage, ...]:
    """Coverage and accuracy at each of `thresholds`, in rising order, without repetitions.

    `confidences` and `correct` are as in `calibrate`.
    """
    confidence, hit = np.asarray(confidences, dtype=np.float64), np.asarray(correct, dtype=bool)
    covered = ((threshold, hit[confidence >= threshold]) for threshold in sorted(set(thresholds)))
    return tuple(Coverage(threshold, len(hit), len(hits), int(hits.sum())) for threshold, hits in covered)
