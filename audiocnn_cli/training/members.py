"""The networks of a model: one of a held-out split, or one a fold."""

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
from audiocnn_cli.training.networks import build_network
from audiocnn_cli.training.recipes import Recipe
from audiocnn_cli.training.split import Split

log = logging.getLogger("audiocnn")


@dataclass(frozen=True, slots=True)
class Member:
    """A trained network, the split it was trained on, and how its training went."""

    network: torch.nn.Module
    split: Split
    history: tuple[Epoch, ...]
    held_out: HeldOut
    checkpoint: Checkpoint

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
    checkpoints: Path,
    on_epoch: Callable[[int, Epoch], None],
) -> tuple[Member, ...]:
    """Train a network a split, one after the other; an interrupted one goes on at its last whole epoch."""
    members = []
    for number, split in enumerate(splits):
        seeded = replace(config, seed=config.seed + number)
        members.append(
            _train_member(
                dataset,
                split,
                recipe,
                seeded,
                checkpoint=Checkpoint(checkpoints, _fingerprint(dataset, split, recipe, seeded)),
                on_epoch=partial(on_epoch, number),
            )
        )
    return tuple(members)


def _train_member(
    dataset: Dataset,
    split: Split,
    recipe: Recipe,
    config: FitConfig,
    *,
    checkpoint: Checkpoint,
    on_epoch: Callable[[Epoch], None],
) -> Member:
    seed_everything(config.seed)
    train = Side(dataset, split.train)
    validation = Side(dataset, split.validation) if len(split.validation) else None
    network = build_network(recipe, classes=len(dataset.labels), scale_by=train.moments())
    history = fit(network, train, validation, config, checkpoint=checkpoint, on_epoch=on_epoch)
    aside = validation or Side(dataset, split.test)
    logits, labels = predict(network, aside, torch.device("cpu"))
    held_out = HeldOut(logits, labels, aside.starts[1])
    return Member(network, split, history, held_out, checkpoint)


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
