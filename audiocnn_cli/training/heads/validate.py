"""Cross-validate heads on a backbone: the regularisation, the temperature, and a learning curve."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import softmax

from audiocnn_cli.training.clips import ClipSet
from audiocnn_cli.training.heads.embed import EmbeddedClips
from audiocnn_cli.training.heads.fit import STRENGTHS, Dense, fit_heads, side_of, sounding
from audiocnn_cli.training.split import Split

Array = NDArray[np.float64]
# The strength at which backbones are compared.
_USUAL_STRENGTH = 1e-2
_LOG_TEMPERATURES = (np.log(0.02), np.log(10.0))
_SMALLEST = 1e-12
# The learning curve: so many points of halved sizes besides all clips, each the mean of so many draws.
_HALVINGS, _DRAWS = 3, 3


@dataclass(frozen=True, slots=True)
class Validated:
    """Cross-validated heads: one for each split, fitted without its test side.

    Args:
        strength: of the regularisation, as scikit-learn's C.
        heads: of the splits.
        score: accuracy over the clips of all test sides, 0 to 1; for values R2, at most 1.
        loss: cross-entropy of a clip in nats after calibration; for values the mean squared error.
        temperature: the divisor of the logits that minimises it; 1 for values.
    """

    strength: float
    heads: tuple[Dense, ...]
    score: float
    loss: float
    temperature: float


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """`score` (accuracy, or R2) of heads fitted to `clips` clips of a class (or in all, for values)."""

    clips: int
    score: float


def screen(clips: ClipSet, embedded: EmbeddedClips, splits: Sequence[Split]) -> Validated:
    """The heads with one usual strength, to compare backbones."""
    return _best(clips, embedded, splits, (_USUAL_STRENGTH,))


def validate(clips: ClipSet, embedded: EmbeddedClips, splits: Sequence[Split]) -> Validated:
    """The heads of the strength with the lowest loss.

    The figures come from the folds by which the strength is chosen among four, so they are slightly
    optimistic.
    """
    return _best(clips, embedded, splits, STRENGTHS)


def _best(
    clips: ClipSet, embedded: EmbeddedClips, splits: Sequence[Split], strengths: Sequence[float]
) -> Validated:
    sides = [fit_heads(side_of(embedded, split.train), clips, strengths) for split in splits]
    tried = []
    for i, strength in enumerate(strengths):
        heads = tuple(side[i] for side in sides)
        score, loss, temperature = _score(clips, embedded, splits, heads)
        tried.append(Validated(strength, heads, score, loss, temperature))
    return min(tried, key=lambda each: each.loss)


def _score(
    clips: ClipSet, embedded: EmbeddedClips, splits: Sequence[Split], heads: Sequence[Dense]
) -> tuple[float, float, float]:
    """Accuracy (or R2), loss and temperature over the test sides."""
    tested = np.concatenate([split.test for split in splits])
    outputs = test_outputs(embedded, splits, heads)
    if clips.values:
        found, truth = np.array([each.mean() for each in outputs]), np.array(clips.values)[tested]
        squared = float(np.mean((found - truth) ** 2))
        return 1 - squared / max(float(np.var(truth)), _SMALLEST), squared, 1.0
    truth = clips.clip_labels[tested]
    temperature = fit_temperature(outputs, truth)
    means = clip_means(outputs, temperature)
    return float((means.argmax(axis=1) == truth).mean()), _cross_entropy(means, truth), temperature


def test_outputs(embedded: EmbeddedClips, splits: Sequence[Split], heads: Sequence[Dense]) -> list[Array]:
    """The outputs for the segments of each clip of the test sides, one side after the other."""
    return [
        head(sounding(embedded.original(clip)))
        for split, head in zip(splits, heads, strict=True)
        for clip in split.test
    ]


def clip_means(outputs: Sequence[Array], temperature: float) -> Array:
    """The mean probabilities of clips, (clips, labels), from the logits of their segments."""
    firsts = np.cumsum([0, *map(len, outputs[:-1])])
    counts = np.array([len(each) for each in outputs])
    probabilities = softmax(np.concatenate(outputs) / temperature, axis=1)
    return np.asarray(np.add.reduceat(probabilities, firsts) / counts[:, None])


def fit_temperature(outputs: Sequence[Array], truth: NDArray[np.int64]) -> float:
    """The divisor of the logits of segments that minimises the cross-entropy of the clips.

    Source: Guo et al., On calibration of modern neural networks, arXiv:1706.04599.
    """

    def loss(log_temperature: float) -> float:
        return _cross_entropy(clip_means(outputs, float(np.exp(log_temperature))), truth)

    return float(np.exp(minimize_scalar(loss, bounds=_LOG_TEMPERATURES, method="bounded").x))


def _cross_entropy(probabilities: Array, truth: NDArray[np.int64]) -> float:
    own = probabilities[np.arange(len(truth)), truth]
    return float(-np.log(np.maximum(own, _SMALLEST)).mean())


def learning_curve(
    clips: ClipSet, embedded: EmbeddedClips, splits: Sequence[Split], validated: Validated, *, seed: int
) -> tuple[CurvePoint, ...]:
    """Scores of heads fitted to an eighth, a quarter, half and all of the training sides, smallest first.

    The parts are drawn at random, so many clips of each class; a part of fewer than two is left out.
    """
    random = np.random.default_rng(seed)
    strata = np.zeros(len(clips), dtype=np.int64) if clips.values else clips.clip_labels
    whole = float(np.median(np.bincount(strata[splits[0].train])))
    points = []
    for halvings in range(_HALVINGS, 0, -1):
        share = 0.5**halvings
        if whole * share < 2:
            continue
        scores = []
        for _ in range(_DRAWS):
            parts = [_part(split, strata, share, random) for split in splits]
            heads = [fit_heads(side_of(embedded, part), clips, [validated.strength])[0] for part in parts]
            scores.append(_score(clips, embedded, splits, heads)[0])
        points.append(CurvePoint(round(whole * share), float(np.mean(scores))))
    return (*points, CurvePoint(round(whole), validated.score))


def _part(
    split: Split, strata: NDArray[np.int64], share: float, random: np.random.Generator
) -> NDArray[np.int64]:
    parts = []
    for stratum in np.unique(strata[split.train]):
        own = random.permutation(split.train[strata[split.train] == stratum])
        parts.append(own[: max(1, round(share * len(own)))])
    return np.concatenate(parts)
