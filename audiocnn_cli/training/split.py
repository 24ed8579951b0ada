"""Split the clips by group: train, validation and test sides, or folds for cross-validation."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold

from audiocnn_cli.errors import UsageError
from audiocnn_cli.training.dataset import Dataset

Clips = NDArray[np.int64]
HOLDOUT_FOLDS = 5
NOTHING: Clips = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Split:
    """Indices of the clips on each side; the validation side may be empty."""

    train: Clips
    validation: Clips
    test: Clips


def holdout(dataset: Dataset, *, seed: int, apart: Clips = NOTHING) -> Split:
    """One fifth of the clips for the test, one for validation, three to train on, stratified, whole groups.

    Clips kept `apart` are the test side instead, and one fifth of the others is for validation.

    Raises:
        UsageError: there are too few groups.
    """
    first, validation, *train = _folds(dataset, HOLDOUT_FOLDS, seed=seed, apart=apart)
    if len(apart):
        return _checked(Split(np.concatenate([first, *train]), validation, apart), dataset)
    return _checked(Split(np.concatenate(train), validation, first), dataset)


def cross_validation(dataset: Dataset, folds: int, *, seed: int, apart: Clips = NOTHING) -> tuple[Split, ...]:
    """Each fold once as the test side, all others to train on, stratified, whole groups.

    Clips kept `apart` are on no side.

    Raises:
        UsageError: there are too few groups.
    """
    parts = _folds(dataset, folds, seed=seed, apart=apart)
    return tuple(
        _checked(Split(np.concatenate([*parts[:i], *parts[i + 1 :]]), NOTHING, test), dataset)
        for i, test in enumerate(parts)
    )


def kept_apart(dataset: Dataset, pattern: str | None, *, folder: Path) -> Clips:
    """The clips whose path relative to `folder` matches `pattern`; none without a pattern.

    Raises:
        UsageError: it is no regular expression, or matches no path or every one.
    """
    if pattern is None:
        return NOTHING
    try:
        search = re.compile(pattern).search
    except re.error as error:
        raise UsageError(f"`keep_apart={pattern}` is no regular expression ({error})") from error
    names = [Path(clip.source.path).relative_to(folder).as_posix() for clip in dataset.clips]
    found = np.flatnonzero([search(name) is not None for name in names])
    if len(found) in (0, len(names)):
        many = "no clip" if not len(found) else "every clip"
        raise UsageError(f"`keep_apart={pattern}` matches {many} below {folder}")
    return found


def _folds(dataset: Dataset, folds: int, *, seed: int, apart: Clips) -> list[Clips]:
    clips = np.setdiff1d(np.arange(len(dataset.clips)), apart)
    groups = np.array(dataset.groups)[clips]
    found = len(set(groups.tolist()))
    if found < folds:
        raise UsageError(
            f"`group_by` makes {found} groups, but {folds} sides that share none are needed; use smaller"
            " groups or fewer `folds`"
        )
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    labels = dataset.clip_labels[clips]
    return [clips[side] for _, side in splitter.split(labels, labels, groups)]


def _checked(split: Split, dataset: Dataset) -> Split:
    """The split, if every class has training clips and there is a clip to test."""
    labels = dataset.clip_labels
    missing = sorted(set(labels) - set(labels[split.train]))
    if missing or not len(split.test):
        names = ", ".join(dataset.labels[i] for i in missing) or "none"
        raise UsageError(
            f"the split by group leaves a side empty (classes without training clips: {names}); use more or"
            " smaller groups, or another `seed`"
        )
    return split
