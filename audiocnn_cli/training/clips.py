"""The clips of a training: their classes or values, their groups, and the recordings that can't be used."""

import csv
import logging
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from audiocnn_cli.audio.sources import Source
from audiocnn_cli.batch.outcome import Failure
from audiocnn_cli.errors import AudiocnnError, InputError, UsageError
from audiocnn_cli.evaluation.labelled import (
    Grouping,
    LabelledClip,
    class_names,
    content_hash,
    labelled,
    recordings,
)

log = logging.getLogger("audiocnn")

# Bins of the values by which a split is stratified.
_VALUE_BINS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipSet:
    """The clips to train on, and what they have to be answered with.

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


def read_targets(table: Path, folder: Path, *, grouping: Grouping) -> ClipSet:
    """The clips below `folder` that `table` gives a value: a CSV file with the columns `path` and one more.

    The name of the other column is that of the value. A path is relative to `folder`.

    Raises:
        UsageError: the table can't be read, a row has no number or no recording, a path is given twice, the
            values are all the same, or a path does not match the grouping.
    """
    name, rows = _rows(table)
    twice = [path for path, count in Counter(path for path, _ in rows).items() if count > 1]
    if twice:
        raise UsageError(f"`targets={table}`: {twice[0]} has two rows; give each recording one value")
    missing = [path for path, _ in rows if not (folder / path).is_file()]
    if missing:
        raise UsageError(
            f"`targets={table}`: {len(missing)} of its paths are no file below {folder}, the first"
            f" {missing[0]}"
        )
    values = tuple(value for _, value in rows)
    if len(set(values)) < 2:
        raise UsageError(
            f"`targets={table}`: all {len(values)} values are {values[0]:g}; there is nothing to learn from a"
            " constant"
        )
    found = [str(folder / path) for path, _ in rows]
    clips = [LabelledClip(Source(path), name, content_hash(path)) for path in found]
    groups = _groups(clips, folder, grouping)
    return ClipSet(folder=folder, labels=(name,), clips=tuple(clips), groups=groups, values=values)


def _groups(clips: Sequence[LabelledClip], folder: Path, grouping: Grouping) -> tuple[str, ...]:
    return tuple(grouping.group(Path(clip.source.path), folder=folder) for clip in clips)


def _rows(table: Path) -> tuple[str, list[tuple[str, float]]]:
    """The name of the value, and each path with its value."""
    try:
        text = table.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise UsageError(f"`targets={table}`: can't be read ({reason})") from error
    header, *lines = [row for row in csv.reader(text.splitlines()) if row] or [[]]
    names = [name.strip() for name in header]
    if len(names) != 2 or "path" not in names or not all(names):
        raise UsageError(
            f"`targets={table}`: has the columns {', '.join(names) or 'none'}; give it the header path,value"
        )
    at = names.index("path")
    rows = []
    for number, line in enumerate(lines, start=2):
        value = _number(line[1 - at]) if len(line) == 2 else math.nan
        if not math.isfinite(value):
            raise UsageError(f"`targets={table}`: row {number} ({','.join(line)}) is no path and a number")
        rows.append((line[at].strip(), value))
    if not rows:
        raise UsageError(f"`targets={table}`: has no rows")
    return names[1 - at], rows


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
