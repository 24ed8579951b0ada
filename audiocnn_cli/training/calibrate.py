"""Probabilities that mean what they say, from answers on clips that were not trained on."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

TARGET_ACCURACY = 0.9
_FEWEST_ANSWERS = 10


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Logits of segments (segments, classes), their labels, and the clip that each belongs to."""

    logits: torch.Tensor
    labels: torch.Tensor
    clips: NDArray[np.int64]


def fit_temperature(held_out: HeldOut) -> float:
    """The number that logits are divided by for the least cross-entropy, 0.2 to 5.

    Source: Guo et al., On calibration of modern neural networks, arXiv:1706.04599.
    """
    candidates = torch.logspace(np.log10(0.2), np.log10(5.0), 65)
    losses = [
        torch.nn.functional.cross_entropy(held_out.logits / t, held_out.labels).item()
        for t in candidates
    ]
    return float(candidates[int(np.argmin(losses))])


def choose_threshold(held_out: HeldOut, *, temperature: float) -> float:
    """The least clip probability from which on nine answers in ten are right; 1 when there is none.

    A threshold that fewer than ten clips reach is not trusted.
    """
    right, sure = _clips(held_out, temperature)
    enough = min(_FEWEST_ANSWERS, len(sure))
    # Three digits are written; the accuracy is that of the threshold as it is written.
    for threshold in np.unique(np.floor(sure * 1000) / 1000):
        answered = sure >= threshold
        if right[answered].mean() >= TARGET_ACCURACY and answered.sum() >= enough:
            return 0.0 if answered.all() else float(threshold)
    return 1.0


def _clips(held_out: HeldOut, temperature: float) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """For each clip whether its mean answer is right, and how sure it is."""
    probabilities = torch.softmax(held_out.logits / temperature, dim=-1).double().numpy()
    labels = held_out.labels.numpy()
    right, sure = [], []
    for clip in np.unique(held_out.clips):
        mine = held_out.clips == clip
        mean = probabilities[mine].mean(axis=0)
        right.append(mean.argmax() == labels[mine][0])
        sure.append(mean.max())
    return np.array(right), np.array(sure)
