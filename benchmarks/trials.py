"""Cross-validation trials of the settings of `audiocnn train`.

    python benchmarks/trials.py digits DATA/fsdd --epochs 20 --folds 0,2 --set roll=0
    python benchmarks/trials.py environment DATA/esc10 --epochs 200 --networks 2 --folds 0

Trains the log-mel network without each of the chosen folds, and prints the accuracy over the clips of that
fold. `--set` overrides a setting of `AugmentConfig` (`training/batches.py`). No model is written.
docs/training.md lists the sources of the data sets.
"""

import argparse
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from audiocnn_cli.evaluation.labelled import Grouping
from audiocnn_cli.training.batches import AugmentConfig
from audiocnn_cli.training.dataset import Dataset, read_dataset
from audiocnn_cli.training.fit import LOGMEL_FIT, Epoch
from audiocnn_cli.training.members import Member, clip_confidences, train_members
from audiocnn_cli.training.recipes import LOGMEL, Recipe, recipe_for
from audiocnn_cli.training.split import cross_validation


@dataclass(frozen=True)
class Trial:
    """A data set's recipe, its groups, and the number of folds."""

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


def overridden(settings: list[str]) -> AugmentConfig:
    """The default settings, with those of `NAME=NUMBER` replaced."""
    config = AugmentConfig()
    for each in settings:
        name, _, number = each.partition("=")
        default = getattr(config, name)
        config = replace(config, **{name: type(default)(float(number))})
    return config


def report(dataset: Dataset, member: Member) -> tuple[int, int]:
    """Print the accuracy of one fold, and return its correct clips and all of them."""
    groups = sorted({dataset.groups[clip] for clip in member.split.test})
    correct, _ = clip_confidences(member.held_out)
    print(f"without {', '.join(groups)}: {correct.mean():.3f} of {len(correct)}", flush=True)
    return int(correct.sum()), len(correct)


def main() -> None:
    """Train the chosen folds and print their accuracy."""
    parser = argparse.ArgumentParser(description="accuracy over folds with other settings")
    parser.add_argument("data", choices=TRIALS)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--epochs", type=int, default=LOGMEL_FIT.epochs)
    parser.add_argument("--networks", type=int, default=1)
    parser.add_argument("--folds", default="", help="comma-separated numbers; default: all")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=NUMBER")
    given = parser.parse_args()
    trial = TRIALS[given.data]
    recipe = trial.recipe()
    fit = replace(LOGMEL_FIT, epochs=given.epochs, augment=overridden(given.set))
    counts = []
    with tempfile.TemporaryDirectory() as cache:
        dataset = read_dataset(given.folder, recipe=recipe, grouping=trial.grouping, cache=Path(cache))
        splits = cross_validation(dataset.clip_set, trial.folds, seed=0)
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
            counts.append(report(dataset, member))
    print(f"together: {sum(correct for correct, _ in counts) / sum(n for _, n in counts):.3f}")


def _silent(_network: int, _epoch: Epoch) -> None:
    """Print no line an epoch."""


if __name__ == "__main__":
    main()
