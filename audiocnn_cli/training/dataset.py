"""Read a labelled folder as feature frames, cut into the same segments as in classification."""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from audiocnn_cli.audio.decode import open_audio
from audiocnn_cli.audio.load import mono_blocks
from audiocnn_cli.audio.segments import cut
from audiocnn_cli.audio.sources import Source
from audiocnn_cli.batch.outcome import Failure
from audiocnn_cli.batch.run import run_batch
from audiocnn_cli.batch.task import WithoutFiles
from audiocnn_cli.errors import AudiocnnError, FailureKind, InputError, SignalError
from audiocnn_cli.evaluation.labelled import Grouping, LabelledClip, class_names, labelled_clips
from audiocnn_cli.features.extract import DECODE_AND_EXTRACT, extract
from audiocnn_cli.training.cache import FrameCache
from audiocnn_cli.training.recipes import Recipe

log = logging.getLogger("audiocnn")


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """The feature frames of a labelled folder, on disk.

    `frames` (all frames, bins) is the concatenation of the clips; clip c has those from `offsets[c]` to
    `offsets[c + 1]`, `window` or more. A segment is `window` frames. A split must not divide the clips of
    one of `groups`, which names the group of each clip.
    """

    labels: tuple[str, ...]
    clips: tuple[LabelledClip, ...]
    groups: tuple[str, ...]
    frames: NDArray[np.float32]
    offsets: NDArray[np.int64]
    window: int
    failures: tuple[Failure, ...]

    @property
    def clip_labels(self) -> NDArray[np.int64]:
        """The index of each clip's label, shape (clips,)."""
        index = {label: i for i, label in enumerate(self.labels)}
        return np.array([index[clip.label] for clip in self.clips], dtype=np.int64)

    def segment_starts(self, clip: int) -> NDArray[np.int64]:
        """The first frame of each segment of a clip: contiguous segments, at least one."""
        first, end = self.offsets[clip : clip + 2]
        return np.arange(first, end - self.window + 1, self.window, dtype=np.int64)

    def segments(self, starts: NDArray[np.int64]) -> NDArray[np.float32]:
        """Copy the segments with these first frames into memory: shape (len(starts), window, bins)."""
        return np.stack([self.frames[start : start + self.window] for start in starts])


def read_dataset(folder: Path, *, recipe: Recipe, grouping: Grouping, cache: Path) -> Dataset:
    """Decode every clip below `folder` and compute its features, unless they are in `cache`.

    Raises:
        UsageError: there are fewer than two classes, or a path does not match the grouping.
        AudiocnnError: a class has no usable clip.
        OutputError: the cache can't be written.
    """
    listed = list(labelled_clips(folder))
    stored = FrameCache(cache, recipe, [c for c in listed if isinstance(c, LabelledClip)])
    failures = stored.failures()
    if failures is None:
        sources = (item.source for item in listed if isinstance(item, LabelledClip))
        failures = stored.write(run_batch(sources, ClipFrames(recipe)))
    failed = {failure.path for failure in failures}
    good = [item for item in listed if isinstance(item, LabelledClip) and item.source.path not in failed]
    labels = class_names(folder)
    _require_all_classes(labels, good, folder)
    frames, offsets = stored.frames()
    listing = [Failure(e.path, e.kind, e.message) for e in listed if isinstance(e, InputError)]
    dataset = Dataset(
        labels=labels,
        clips=tuple(good),
        groups=tuple(grouping.group(Path(clip.source.path), folder=folder) for clip in good),
        frames=frames,
        offsets=offsets,
        window=recipe.window,
        failures=(*listing, *failures),
    )
    _warn_of_duplicates(dataset)
    seconds = len(frames) * recipe.features.hop_length / recipe.features.sample_rate
    log.info("%d clips in %d classes, %.1f minutes", len(good), len(labels), seconds / 60)
    return dataset


@dataclass(frozen=True, slots=True)
class ClipFrames(WithoutFiles):
    """The batch's task: `clip_frames` with a recipe."""

    recipe: Recipe
    modules: ClassVar[tuple[str, ...]] = DECODE_AND_EXTRACT

    def prepare(self) -> Callable[[Source], NDArray[np.float32]]:
        """Return `clip_frames` with the recipe bound."""
        return partial(clip_frames, recipe=self.recipe)


def clip_frames(source: Source, recipe: Recipe) -> NDArray[np.float32]:
    """The frames to cut segments from, shape (window or more, bins).

    With `recipe.anywhere` these are the frames of the clip, else those of its segments, concatenated.
    """
    with open_audio(source) as reader:
        blocks = mono_blocks(reader, sample_rate=recipe.features.sample_rate)
        if recipe.anywhere:
            samples = np.concatenate(list(blocks))
            length = len(samples)
            pieces = [np.resize(samples, max(length, recipe.segment.length))]
        else:
            segments = list(cut(blocks, recipe.segment))
            length = segments[-1].valid
            pieces = [segment.samples for segment in segments]
    if length < recipe.features.n_fft:
        raise SignalError(FailureKind.TOO_SHORT, "is shorter than one analysis frame")
    return np.concatenate([extract(piece, recipe.features) for piece in pieces])


def _require_all_classes(labels: tuple[str, ...], clips: Iterable[LabelledClip], folder: Path) -> None:
    empty = sorted(set(labels) - {clip.label for clip in clips})
    if empty:
        raise AudiocnnError(
            f"{folder}: no usable recording in the class {', '.join(empty)}; add some or remove the folder"
        )


def _warn_of_duplicates(dataset: Dataset) -> None:
    """Warn of one recording under two names in two groups: it would be on both sides of a split."""
    first: dict[str, int] = {}
    for i, clip in enumerate(dataset.clips):
        twin = first.setdefault(clip.content, i)
        if dataset.groups[twin] != dataset.groups[i]:
            log.warning(
                "%s and %s are the same recording in two groups, a leak between the sides of the split;"
                " remove one",
                dataset.clips[twin].source.path,
                clip.source.path,
            )
