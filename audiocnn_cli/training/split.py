"""Sides that share no group: train, validation and test, or folds for cross-validation."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audiocnn_cli.errors import UsageError
from audiocnn_cli.training.dataset import Dataset

Clips = NDArray[np.int64]
HOLDOUT_FOLDS = 5


@dataclass(frozen=True, slots=True)
class Split:
    """Indices of clips on each side; without a validation side the fit runs all its epochs."""

    train: Clips
    validation: Clips
    test: Clips


def holdout(dataset: Dataset, *, seed: int) -> Split:
    """One fifth of the clips to test on, one to stop by, three to train on; whole groups, classes even.

    Raises:
        UsageError: there are too few groups.
    """
    test, validation, *train = _folds(dataset, HOLDOUT_FOLDS, seed=seed)
    return _checked(Split(np.concatenate(train), validation, test), dataset)


def cross_validation(dataset: Dataset, folds: int, *, seed: int) -> tuple[Split, ...]:
    """Each fold once as the test side, all others to train on; whole groups, classes even.

    Raises:
        UsageError: there are too few groups.
    """
    parts = _folds(dataset, folds, seed=seed)
    none = np.zeros(0, dtype=np.int64)
    return tuple(
        _checked(Split(np.concatenate([*parts[:i], *parts[i + 1 :]]), none, test), dataset)
        for i, test in enumerate(parts)
    )


def _folds(dataset: Dataset, folds: int, *, seed: int) -> list[Clips]:
    from sklearn.model_selection import StratifiedGroupKFold

    found = len(set(dataset.groups))
    if found < folds:
        raise UsageError(
            f"--group-by makes {found} groups, but {folds} sides that share none are needed; use smaller"
            " groups or fewer --folds"
        )
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    labels = dataset.clip_labels
    return [side for _, side in splitter.split(labels, labels, np.array(dataset.groups))]


def _checked(split: Split, dataset: Dataset) -> Split:
    """The split, if every class can be learnt and there is something to test.

    Raises:
        UsageError: a side lacks what it needs.
    """
    labels = dataset.clip_labels
    missing = sorted(set(labels) - set(labels[split.train]))
    if missing or not len(split.test):
        names = ", ".join(dataset.labels[i] for i in missing) or "none"
        raise UsageError(
            f"the split by group leaves a side empty (classes without training clips: {names}); use more or"
            " smaller groups, or another --seed"
        )
    return split
