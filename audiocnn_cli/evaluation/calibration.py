"""Whether a model's probabilities are what they say: of the clips at 0.8, eight in ten should be right."""

from collections.abc import Sequence
from dataclasses import dataclass

BINS = 15


@dataclass(frozen=True, slots=True)
class Bin:
    """The `n` clips whose confidence is above `low` and at most `high`: mean confidence, and accuracy.

    Both are None when there are none.
    """

    low: float
    high: float
    n: int
    confidence: float | None
    accuracy: float | None


@dataclass(frozen=True, slots=True)
class Calibration:
    """The reliability of confidences, bin by bin, and in one figure."""

    bins: tuple[Bin, ...]

    @property
    def ece(self) -> float:
        """Expected calibration error: the mean distance of confidence from accuracy, 0 to 1.

        Source: Guo et al., On calibration of modern neural networks, ICML 2017.
        """
        total = sum(b.n for b in self.bins)
        distances = (
            b.n * abs(b.confidence - b.accuracy)
            for b in self.bins
            if b.confidence is not None and b.accuracy is not None
        )
        return sum(distances) / total


def calibrate(
    confidences: Sequence[float], right: Sequence[bool], *, bins: int = BINS
) -> Calibration:
    """Sort clips into bins of equal width by the probability of the label said.

    Args:
        confidences: the probability of the label said, 0 to 1, one a clip, at least one.
        right: whether that label is the true one.
        bins: how many.
    """
    import numpy as np

    edges = np.linspace(0, 1, bins + 1)
    confidence, hit = np.asarray(confidences, dtype=np.float64), np.asarray(right)
    place = np.searchsorted(edges[1:-1], confidence)
    members = [place == i for i in range(bins)]
    return Calibration(
        tuple(
            Bin(
                low=float(low),
                high=float(high),
                n=int(inside.sum()),
                confidence=float(confidence[inside].mean()) if inside.any() else None,
                accuracy=float(hit[inside].mean()) if inside.any() else None,
            )
            for low, high, inside in zip(edges[:-1], edges[1:], members, strict=True)
        )
    )


def brier(probabilities: Sequence[Sequence[float]], truth: Sequence[int]) -> float:
    """The mean over clips of the squared distance of the probabilities from the truth, 0 to 2.

    `probabilities` has shape (clips, labels), `truth` the index of each clip's label.
    Source: Brier, Monthly Weather Review 78(1), 1950.
    """
    import numpy as np

    given = np.asarray(probabilities, dtype=np.float64)
    wanted = np.eye(given.shape[1])[np.asarray(truth)]
    return float(np.square(given - wanted).sum(axis=1).mean())
