"""Split the clips by group: train, validation and test sides, or folds for cross-validation."""

import re
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold

from audiocnn_cli.errors import UsageError
from audiocnn_cli.training.clips import ClipSet

Clips = NDArray[np.int64]
HOLDOUT_FOLDS = 5
NOTHING: Clips = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Split:
    """Indices of the clips on each side; the validation side may be empty."""

    train: Clips
    validation: Clips
    test: Clips


def holdout(clips: ClipSet, *, seed: int, apart: Clips = NOTHING) -> Split:
    """One fifth of the clips for the test, one for validation, three to train on, stratified, whole groups.

    Clips kept `apart` are the test side instead, and one fifth of the others is for validation.

    Raises:
        UsageError: there are too few groups.
    """
    first, validation, *train = _folds(clips, HOLDOUT_FOLDS, seed=seed, apart=apart)
    if len(apart):
        return _checked(Split(np.concatenate([first, *train]), validation, apart), clips)
    return _checked(Split(np.concatenate(train), validation, first), clips)


def cross_validation(clips: ClipSet, folds: int, *, seed: int, apart: Clips = NOTHING) -> tuple[Split, ...]:
    """Each fold once as the test side, all others to train on, stratified, whole groups.

    Clips kept `apart` are on no side.

    Raises:
        UsageError: there are too few groups.
    """
    parts = _folds(clips, folds, seed=seed, apart=apart)
    return tuple(
        _checked(Split(np.concatenate([*parts[:i], *parts[i + 1 :]]), NOTHING, test), clips)
        for i, test in enumerate(parts)
    )


def kept_apart(clips: ClipSet, pattern: str | None, *, folder: Path) -> Clips:
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
    names = [Path(clip.source.path).relative_to(folder).as_posix() for clip in clips.clips]
    found = np.flatnonzero([search(name) is not None for name in names])
    if len(found) in (0, len(names)):
        many = "no clip" if not len(found) else "every clip"
        raise UsageError(f"`keep_apart={pattern}` matches {many} below {folder}")
    return found


def _folds(clips: ClipSet, folds: int, *, seed: int, apart: Clips) -> list[Clips]:
    used = np.setdiff1d(np.arange(len(clips)), apart)
    groups = np.array(clips.groups)[used]
    found = len(set(groups.tolist()))
    if found < folds:
        raise UsageError(
            f"`group_by` makes {found} groups, but {folds} sides that share none are needed; use smaller"
            " groups or fewer `folds`"
        )
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    strata = clips.strata[used]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of classes with fewer clips than folds: `_checked` decides
        return [used[side] for _, side in splitter.split(strata, strata, groups)]


def _checked(split: Split, clips: ClipSet) -> Split:
    """The split, if every class has training clips and there is a clip to test."""
    labels = clips.clip_labels
    missing = sorted(set(labels) - set(labels[split.train]))
    if missing or not len(split.test):
        names = ", ".join(clips.labels[i] for i in missing) or "none"
        raise UsageError(
            f"the split by group leaves a side empty (classes without training clips: {names}); use more or"
            " smaller groups, or another `seed`"
        )
    return split
