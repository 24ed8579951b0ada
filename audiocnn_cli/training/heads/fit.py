"""Fit a head: standardised embeddings times a matrix, by logistic or ridge regression (scikit-learn)."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge

from audiocnn_cli.training.clips import ClipSet
from audiocnn_cli.training.heads.embed import EmbeddedClips
from audiocnn_cli.training.heads.store import Embedding

Rows = NDArray[np.float64]
# Inverse strengths of the regularisation that are tried, as scikit-learn's C.
STRENGTHS = (1e-3, 3e-3, 1e-2, 3e-2)
# A number that deviates less than by this part of its mean is constant but for the rounding of float32.
_CONSTANT = 1e-6
# Few iterations are left to gain after these; the figures do not change.
_ITERATIONS, _TOLERANCE = 200, 1e-3


@dataclass(frozen=True, slots=True)
class Dense:
    """A dense layer: `weights` (dimensions, outputs), `bias` (outputs,)."""

    weights: Rows
    bias: Rows

    def __call__(self, embedding: NDArray[np.floating]) -> Rows:
        """(segments, dimensions) to (segments, outputs)."""
        return np.asarray(embedding @ self.weights + self.bias)

    def divided(self, by: float) -> "Dense":
        """The layer with its outputs divided by a number."""
        return Dense(self.weights / by, self.bias / by)


@dataclass(frozen=True, slots=True)
class Side:
    """What a head is fitted to: the rows of some clips and their copies, the clip of each, and its weight."""

    rows: Rows
    clips: NDArray[np.int64]
    weights: NDArray[np.float64]


def sounding(embedding: Embedding) -> NDArray[np.float32]:
    """The embeddings that count for a clip: those of segments that are not silent, or all if all are."""
    return embedding.numbers if embedding.silent.all() else embedding.numbers[~embedding.silent]


def side_of(embedded: EmbeddedClips, clips: NDArray[np.int64]) -> Side:
    """The rows of `clips`. A clip and each copy of it weigh 1, divided among their segments."""
    rows, index, weights = [], [], []
    for clip in clips:
        for embedding in embedded.clips[clip].values():
            found = sounding(embedding)
            rows.append(found)
            index += [clip] * len(found)
            weights += [1 / len(found)] * len(found)
    return Side(np.concatenate(rows).astype(np.float64), np.array(index), np.array(weights))


def fit_heads(side: Side, clips: ClipSet, strengths: Sequence[float]) -> list[Dense]:
    """A head for each strength of regularisation: a classifier, or a regressor where the clips have values.

    All classes weigh the same, however many clips they have. The rows are standardised, so that one strength
    serves every backbone; the standardisation is part of the layer that is returned.
    """
    mean, scale = _moments(side)
    rows = (side.rows - mean) / scale
    basis = _basis(rows)
    reduced = rows @ basis
    fit = _fit_values if clips.values else _fit_classes
    heads = []
    for layer in fit(reduced, side, clips, strengths):
        weights = (basis @ layer.weights) / scale[:, None]
        heads.append(Dense(weights, layer.bias - mean @ weights))
    return heads


def _moments(side: Side) -> tuple[Rows, Rows]:
    """The weighted mean and standard deviation of each number of the embedding; 1 for one that is constant.

    In two passes: scikit-learn's StandardScaler loses the variance of numbers that hardly vary to rounding.
    """
    mean = np.average(side.rows, axis=0, weights=side.weights)
    scale = np.sqrt(np.average((side.rows - mean) ** 2, axis=0, weights=side.weights))
    scale[scale <= _CONSTANT * np.abs(mean)] = 1.0
    return mean, scale


def _basis(rows: Rows) -> Rows:
    """An orthonormal basis of the rows' span, (dimensions, rank), where it is smaller than the dimensions.

    The penalty on the weights is the same in any rotated space, so the solution in this one is the solution.
    """
    count, dimensions = rows.shape
    if count >= dimensions:
        return np.eye(dimensions)
    powers, vectors = np.linalg.eigh(rows @ rows.T)
    kept = powers > powers[-1] * 1e-10
    return np.asarray(rows.T @ (vectors[:, kept] / np.sqrt(powers[kept])))


def _fit_classes(rows: Rows, side: Side, clips: ClipSet, strengths: Sequence[float]) -> list[Dense]:
    labels = clips.clip_labels
    truth = labels[side.clips]
    counts = np.bincount(labels[np.unique(side.clips)], minlength=len(clips.labels))
    balance = counts.sum() / np.maximum(counts, 1) / len(counts)
    model = LogisticRegression(max_iter=_ITERATIONS, tol=_TOLERANCE, warm_start=True)
    layers = []
    for strength in strengths:
        model.set_params(C=strength)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(rows, truth, sample_weight=side.weights * balance[truth])
        weights, bias = model.coef_.T.copy(), model.intercept_.copy()
        if weights.shape[1] == 1:  # of two classes it has the logit of the second
            weights = np.concatenate([-weights, weights], axis=1) / 2
            bias = np.concatenate([-bias, bias]) / 2
        layers.append(Dense(weights, bias))
    return layers


def _fit_values(rows: Rows, side: Side, clips: ClipSet, strengths: Sequence[float]) -> list[Dense]:
    values = np.array(clips.values)[side.clips]
    mean = np.average(values, weights=side.weights)
    scale = np.sqrt(np.average((values - mean) ** 2, weights=side.weights)) or 1.0
    layers = []
    for strength in strengths:
        model = Ridge(alpha=1 / strength)
        model.fit(rows, (values - mean) / scale, sample_weight=side.weights)
        weights = np.reshape(model.coef_, (-1, 1)) * scale
        layers.append(Dense(weights, np.array([model.intercept_ * scale + mean])))
    return layers
