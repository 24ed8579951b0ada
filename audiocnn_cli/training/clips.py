"""The clips of a training: their classes or values, their groups, and the recordings that can't be used."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from audiocnn_cli.batch.outcome import Failure
from audiocnn_cli.errors import AudiocnnError, InputError, UsageError
from audiocnn_cli.evaluation.labelled import (
    Grouping,
    LabelledClip,
    class_names,
    content_of,
    labelled,
    recordings,
)
from audiocnn_cli.evaluation.targets import read_targets

log = logging.getLogger("audiocnn")

# The label of a clip that has a value.
VALUE = "value"
# Bins of the values by which a split is stratified.
_VALUE_BINS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipSet:
    """The clips to train on, and their labels or values.

    A classifier has `labels`, the name of each class, and each clip has one. A regressor has one label, the
    name of its value, and `values` holds that of each clip. A split must not divide the clips of one of
    `groups`, which names the group of each clip.
    """

    folder: Path
    labels: tuple[str, ...]
    clips: tuple[LabelledClip, ...]
    groups: tuple[str, ...]
    values: tuple[float, ...] = ()
    failures: tuple[Failure, ...] = ()

    def __len__(self) -> int:
        return len(self.clips)

    @property
    def clip_labels(self) -> NDArray[np.int64]:
        """The index of each clip's label, shape (clips,)."""
        index = {label: i for i, label in enumerate(self.labels)}
        return np.array([index[clip.label] for clip in self.clips], dtype=np.int64)

    @property
    def strata(self) -> NDArray[np.int64]:
        """What a split is stratified by, shape (clips,): the label, or the bin of the value."""
        if not self.values:
            return self.clip_labels
        edges = np.quantile(self.values, np.linspace(0, 1, _VALUE_BINS + 1)[1:-1])
        return np.asarray(np.searchsorted(edges, self.values), dtype=np.int64)

    def without(self, failures: Iterable[Failure]) -> Self:
        """The set without the clips that have failed.

        Raises:
            AudiocnnError: a class has no clip left.
        """
        failures = tuple(failures)
        failed = {failure.path for failure in failures}
        kept = [i for i, clip in enumerate(self.clips) if clip.source.path not in failed]
        rest = replace(
            self,
            clips=tuple(self.clips[i] for i in kept),
            groups=tuple(self.groups[i] for i in kept),
            values=tuple(self.values[i] for i in kept) if self.values else (),
            failures=(*self.failures, *failures),
        )
        rest.require_clips()
        return rest

    def require_clips(self) -> None:
        """Check that each class has a clip.

        Raises:
            AudiocnnError: one has none.
        """
        empty = sorted(set(self.labels) - {clip.label for clip in self.clips})
        if not empty:
            return
        if self.values:
            raise AudiocnnError(f"{self.folder}: no usable recording with a value")
        raise AudiocnnError(
            f"{self.folder}: no usable recording in the class {', '.join(empty)}; add some or remove the"
            " folder"
        )

    def warn_of_duplicates(self) -> None:
        """Warn of one recording under two names in two groups: it would be on both sides of a split."""
        first: dict[str, int] = {}
        for i, clip in enumerate(self.clips):
            twin = first.setdefault(clip.content, i)
            if self.groups[twin] != self.groups[i]:
                log.warning(
                    "%s and %s are the same recording in two groups, a leak between the sides of the split;"
                    " remove one",
                    self.clips[twin].source.path,
                    clip.source.path,
                )


def read_clips(folder: Path, *, grouping: Grouping) -> ClipSet:
    """The clips below `folder`, which has one sub-folder a class.

    Raises:
        UsageError: there are fewer than two classes, or a path does not match the grouping.
    """
    clips: list[LabelledClip] = []
    failures: list[Failure] = []
    for item in recordings(folder):
        try:
            clips.append(labelled(item, folder))
        except InputError as error:
            failures.append(Failure(error.path, error.kind, error.message))
    return ClipSet(
        folder=folder,
        labels=class_names(folder),
        clips=tuple(clips),
        groups=_groups(clips, folder, grouping),
        failures=tuple(failures),
    )


def read_values(table: Path, folder: Path, *, grouping: Grouping) -> ClipSet:
    """The clips below `folder` that the CSV file `table` gives a value (`evaluation.targets.read_targets`).

    Raises:
        UsageError: the table can't be used, a path is no recording, there are fewer than three clips, the
            values are all the same, or a path does not match the grouping.
    """
    targets = read_targets(table, folder)
    missing = [each.source.path for each in targets if not Path(each.source.path).is_file()]
    if missing:
        raise UsageError(
            f"`targets={table}`: {len(missing)} of its {len(targets)} paths are no file below {folder}, the"
            f" first is {missing[0]}"
        )
    values = tuple(target.value for target in targets)
    if len(set(values)) == 1:
        raise UsageError(
            f"`targets={table}`: gives all {len(values)} clips the value {values[0]:g}; a constant can't be"
            " learnt, so give different values"
        )
    clips = [LabelledClip(each.source, VALUE, content_of(each.source)) for each in targets]
    groups = _groups(clips, folder, grouping)
    return ClipSet(folder=folder, labels=(VALUE,), clips=tuple(clips), groups=groups, values=values)


def _groups(clips: Sequence[LabelledClip], folder: Path, grouping: Grouping) -> tuple[str, ...]:
    return tuple(grouping.group(Path(clip.source.path), folder=folder) for clip in clips)
