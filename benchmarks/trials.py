"""What the settings of `audiocnn train` were chosen by.

    python benchmarks/trials.py digits ../shared/data/fsdd --epochs 20 --folds 0,2 --set roll=0
    python benchmarks/trials.py environment ../shared/data/esc10 --epochs 200 --networks 2 --folds 0

Trains the log-mel network without each of the folds asked for, and prints the accuracy over the clips of that
fold: `--set` overrides what happens to segments while training (`training/augment.py`). No model is written.
"""

import argparse
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from audiocnn_cli.evaluation.labelled import Grouping
from audiocnn_cli.training.augment import AugmentConfig
from audiocnn_cli.training.dataset import Dataset, read_dataset
from audiocnn_cli.training.fit import LOGMEL_FIT, Epoch
from audiocnn_cli.training.members import Member, train_members
from audiocnn_cli.training.recipes import LOGMEL, Recipe, recipe_for
from audiocnn_cli.training.split import cross_validation


@dataclass(frozen=True)
class Trial:
    """A data set's recipe, what stays together, and into how many folds it is split."""

    recipe: Callable[[], Recipe]
    grouping: Grouping
    folds: int


TRIALS = {
    "digits": Trial(
        lambda: recipe_for(LOGMEL, sample_rate=8000, segment_s=0.64, hop_length=64, n_mels=40),
        Grouping(r"/([a-z]+)_"),
        5,
    ),
    "environment": Trial(lambda: recipe_for(LOGMEL, segment_s=5.0), Grouping(r"/(\d)-"), 4),
    "genre": Trial(lambda: recipe_for(LOGMEL), Grouping(r"\.(\d+)\.", 14), 3),
}


def right_clips(member: Member) -> tuple[int, int]:
    """How many clips of its test side a member labels rightly, and how many there are."""
    held_out = member.held_out
    probabilities = torch.softmax(held_out.logits, dim=-1).numpy()
    labels = held_out.labels.numpy()
    clips = np.unique(held_out.clips)
    means = [probabilities[held_out.clips == clip].mean(axis=0) for clip in clips]
    truth = [labels[held_out.clips == clip][0] for clip in clips]
    return sum(int(m.argmax() == t) for m, t in zip(means, truth, strict=True)), len(clips)


def overridden(settings: list[str]) -> AugmentConfig:
    """The usual changes, with those of `NAME=NUMBER` in place of their own."""
    config = AugmentConfig()
    for each in settings:
        name, _, number = each.partition("=")
        usual = getattr(config, name)
        config = replace(config, **{name: type(usual)(float(number))})
    return config


def say(dataset: Dataset, member: Member) -> tuple[int, int]:
    """Print one fold, and give its counts."""
    groups = sorted({dataset.groups[clip] for clip in member.split.test})
    right, n = right_clips(member)
    print(f"without {', '.join(groups)}: {right / n:.3f} of {n}", flush=True)
    return right, n


def main() -> None:
    """Train and print."""
    parser = argparse.ArgumentParser(description="accuracy on folds with other settings")
    parser.add_argument("data", choices=TRIALS)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--epochs", type=int, default=LOGMEL_FIT.epochs)
    parser.add_argument("--networks", type=int, default=1)
    parser.add_argument("--folds", default="", help="numbers with commas; all without it")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=NUMBER")
    given = parser.parse_args()
    trial = TRIALS[given.data]
    recipe = trial.recipe()
    fit = replace(LOGMEL_FIT, epochs=given.epochs, augment=overridden(given.set))
    counts = []
    with tempfile.TemporaryDirectory() as cache:
        dataset = read_dataset(
            given.folder, recipe=recipe, grouping=trial.grouping, cache=Path(cache)
        )
        splits = cross_validation(dataset, trial.folds, seed=0)
        chosen = [int(fold) for fold in given.folds.split(",") if fold] or range(trial.folds)
        for fold in chosen:
            (member,) = train_members(
                dataset,
                (splits[fold],),
                recipe,
                replace(fit, seed=fold * given.networks),
                networks=given.networks,
                checkpoints=Path(cache),
                on_epoch=_silent,
            )
            counts.append(say(dataset, member))
    print(f"together: {sum(right for right, _ in counts) / sum(n for _, n in counts):.3f}")


def _silent(_network: int, _epoch: Epoch) -> None:
    """No line an epoch."""


if __name__ == "__main__":
    main()
