"""Train the members of a model (one for a held-out split, or one a fold) and calibrate their mean."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from audiocnn_cli.training.batches import Side
from audiocnn_cli.training.dataset import Dataset
from audiocnn_cli.training.finish import choose_threshold
from audiocnn_cli.training.fit import Epoch, FitConfig, fit, predict
from audiocnn_cli.training.networks import MeanNetwork, build_network
from audiocnn_cli.training.recipes import Recipe
from audiocnn_cli.training.split import Split


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Logits of held-out segments (segments, classes), their labels, and the index of each one's clip."""

    logits: torch.Tensor
    labels: torch.Tensor
    clips: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Member:
    """The mean of the networks trained on one split, and the history and checkpoint of each."""

    network: torch.nn.Module
    split: Split
    histories: tuple[tuple[Epoch, ...], ...]
    held_out: HeldOut
    checkpoints: tuple[Path, ...]


def train_members(
    dataset: Dataset,
    splits: tuple[Split, ...],
    recipe: Recipe,
    config: FitConfig,
    *,
    networks: int,
    checkpoints: Path,
    on_epoch: Callable[[int, Epoch], None],
) -> tuple[Member, ...]:
    """Train `networks` networks a split, one after the other.

    An interrupted fit continues after its last complete epoch. `on_epoch` is called with the index of the
    network, counted over all splits.
    """
    members = []
    for number, split in enumerate(splits):
        train = Side(dataset, split.train)
        validation = Side(dataset, split.validation) if len(split.validation) else None
        fitted, histories, saved = [], [], []
        for i in range(number * networks, (number + 1) * networks):
            seeded = replace(config, seed=config.seed + i)
            checkpoint = checkpoints / _checkpoint_name(dataset, split, recipe, seeded)
            torch.manual_seed(seeded.seed)
            torch.use_deterministic_algorithms(True, warn_only=True)
            network = build_network(recipe, classes=len(dataset.labels), scale_by=train.moments())
            report = partial(on_epoch, i)
            histories.append(fit(network, train, validation, seeded, checkpoint=checkpoint, on_epoch=report))
            fitted.append(network)
            saved.append(checkpoint)
        network = fitted[0] if len(fitted) == 1 else MeanNetwork(fitted)
        aside = validation or Side(dataset, split.test)
        logits, labels = predict(network, aside, torch.device("cpu"))
        held_out = HeldOut(logits, labels, aside.starts[1])
        members.append(Member(network, split, tuple(histories), held_out, tuple(saved)))
    return tuple(members)


def calibrate(members: tuple[Member, ...]) -> tuple[float, float]:
    """The temperature and the threshold, fitted to clips that the members were not trained on."""
    held_out = HeldOut(
        torch.cat([member.held_out.logits for member in members]),
        torch.cat([member.held_out.labels for member in members]),
        np.concatenate([member.held_out.clips for member in members]),
    )
    temperature = fit_temperature(held_out)
    _, confidences = clip_confidences(held_out, temperature=temperature)
    return temperature, choose_threshold(confidences.tolist())


def fit_temperature(held_out: HeldOut) -> float:
    """The divisor of the logits that minimises the cross-entropy, 0.2 to 5.

    Source: Guo et al., On calibration of modern neural networks, arXiv:1706.04599.
    """
    candidates = torch.logspace(np.log10(0.2), np.log10(5.0), 65)
    loss = torch.nn.functional.cross_entropy
    losses = [loss(held_out.logits / t, held_out.labels).item() for t in candidates]
    return float(candidates[int(np.argmin(losses))])


def clip_confidences(
    held_out: HeldOut, *, temperature: float = 1.0
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """For each clip whether the label of its mean probabilities is correct, and its probability."""
    probabilities = torch.softmax(held_out.logits / temperature, dim=-1).double().numpy()
    labels = held_out.labels.numpy()
    correct, confidence = [], []
    for clip in np.unique(held_out.clips):
        segments = held_out.clips == clip
        mean = probabilities[segments].mean(axis=0)
        correct.append(mean.argmax() == labels[segments][0])
        confidence.append(mean.max())
    return np.array(correct), np.array(confidence)


def _checkpoint_name(dataset: Dataset, split: Split, recipe: Recipe, config: FitConfig) -> str:
    """A name for the data and the configuration: no other fit continues from the file."""
    contents = [clip.content for clip in dataset.clips]
    identity = repr((contents, split.train.tolist(), split.validation.tolist(), recipe, config))
    return f"{hashlib.sha256(identity.encode()).hexdigest()}.pt"
