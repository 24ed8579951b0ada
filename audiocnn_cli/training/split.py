"""Three sides that share no group: train, validation (for early stopping) and test."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from audiocnn_cli.errors import UsageError
from audiocnn_cli.training.dataset import Dataset

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FOLDS = 5


@dataclass(frozen=True, slots=True)
class Split:
    """Indices of clips on each side."""

    train: "NDArray[np.int64]"
    validation: "NDArray[np.int64]"
    test: "NDArray[np.int64]"


def split_clips(dataset: Dataset, *, seed: int) -> Split:
    """One fifth of the clips to test on, one to stop by, three to train on; whole groups, classes even.

    Raises:
        UsageError: there are too few groups.
    """
    import numpy as np
    from sklearn.model_selection import StratifiedGroupKFold

    groups = np.array(dataset.groups)
    found = len(set(dataset.groups))
    if found < FOLDS:
        raise UsageError(
            f"--group-by makes {found} groups; {FOLDS} or more are needed to keep train, validation and test"
            " apart"
        )
    labels = dataset.clip_labels
    folds = [
        side
        for _, side in StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed).split(
            np.zeros(len(labels)), labels, groups
        )
    ]
    split = Split(np.concatenate(folds[2:]), folds[1], folds[0])
    missing = set(labels) - set(labels[split.train])
    if missing or not len(split.validation) or not len(split.test):
        names = ", ".join(dataset.labels[i] for i in sorted(missing)) or "none"
        raise UsageError(
            f"the split by group leaves a side empty (classes without training clips: {names}); use more or"
            " smaller groups, or another --seed"
        )
    return split
