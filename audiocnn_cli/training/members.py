"""The members of a model: one of a held-out split, or one a fold, each of one network or of several."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from audiocnn_cli.training.batches import Side
from audiocnn_cli.training.calibrate import HeldOut
from audiocnn_cli.training.checkpoint import Checkpoint
from audiocnn_cli.training.dataset import Dataset
from audiocnn_cli.training.fit import Epoch, FitConfig, fit, predict, seed_everything
from audiocnn_cli.training.networks import MeanAnswer, build_network
from audiocnn_cli.training.recipes import Recipe
from audiocnn_cli.training.split import Split

log = logging.getLogger("audiocnn")


@dataclass(frozen=True, slots=True)
class Member:
    """What was trained on one split, and how the training of each of its networks went."""

    network: torch.nn.Module
    split: Split
    histories: tuple[tuple[Epoch, ...], ...]
    held_out: HeldOut
    checkpoints: tuple[Checkpoint, ...]

    @property
    def answers_for(self) -> set[int]:
        """Clips that it has not seen in any way."""
        return {int(clip) for clip in self.split.test}


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
    """Train so many networks a split, one after the other.

    An interrupted one goes on at its last whole epoch. `on_epoch` is told the number of the network, counted
    over all splits.
    """
    members = []
    for number, split in enumerate(splits):
        fits = []
        for i in range(number * networks, (number + 1) * networks):
            seeded = replace(config, seed=config.seed + i)
            checkpoint = Checkpoint(checkpoints, _fingerprint(dataset, split, recipe, seeded))
            fits.append(_fit(dataset, split, recipe, seeded, checkpoint, partial(on_epoch, i)))
        members.append(_member(dataset, split, fits))
    return tuple(members)


@dataclass(frozen=True, slots=True)
class _Fit:
    network: torch.nn.Module
    history: tuple[Epoch, ...]
    checkpoint: Checkpoint


def _fit(
    dataset: Dataset,
    split: Split,
    recipe: Recipe,
    config: FitConfig,
    checkpoint: Checkpoint,
    on_epoch: Callable[[Epoch], None],
) -> _Fit:
    seed_everything(config.seed)
    train = Side(dataset, split.train)
    validation = Side(dataset, split.validation) if len(split.validation) else None
    network = build_network(recipe, classes=len(dataset.labels), scale_by=train.moments())
    history = fit(network, train, validation, config, checkpoint=checkpoint, on_epoch=on_epoch)
    return _Fit(network, history, checkpoint)


def _member(dataset: Dataset, split: Split, fits: list[_Fit]) -> Member:
    network = fits[0].network if len(fits) == 1 else MeanAnswer([fit.network for fit in fits])
    aside = Side(dataset, split.validation if len(split.validation) else split.test)
    logits, labels = predict(network, aside, torch.device("cpu"))
    return Member(
        network=network,
        split=split,
        histories=tuple(fit.history for fit in fits),
        held_out=HeldOut(logits, labels, aside.starts[1]),
        checkpoints=tuple(fit.checkpoint for fit in fits),
    )


def together(members: tuple[Member, ...]) -> HeldOut:
    """What all members say of clips that they were not trained on."""
    return HeldOut(
        torch.cat([member.held_out.logits for member in members]),
        torch.cat([member.held_out.labels for member in members]),
        np.concatenate([member.held_out.clips for member in members]),
    )


def _fingerprint(dataset: Dataset, split: Split, recipe: Recipe, config: FitConfig) -> str:
    contents = [clip.content for clip in dataset.clips]
    return repr((contents, split.train.tolist(), split.validation.tolist(), recipe, config))
