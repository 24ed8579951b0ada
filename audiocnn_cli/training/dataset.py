"""Read a labelled folder as feature frames, cut into the same segments as in classification.

The frames are computed once. An entry of the cache is a `.f32` file, written clip by clip, and a `.json`
file with their lengths that is written last: an entry without it is ignored. Its name is a hash of the
recipe and of the content of every recording, so that other options or recordings have another entry.
"""

import hashlib
import json
import logging
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from audiocnn_cli.audio.decode import open_audio
from audiocnn_cli.audio.load import mono_blocks
from audiocnn_cli.audio.segments import cut
from audiocnn_cli.audio.sources import Source
from audiocnn_cli.batch.outcome import Failure
from audiocnn_cli.batch.run import run_batch
from audiocnn_cli.batch.task import WithoutFiles
from audiocnn_cli.errors import FailureKind, OutputError, SignalError
from audiocnn_cli.evaluation.labelled import Grouping, LabelledClip
from audiocnn_cli.features.extract import DECODE_AND_EXTRACT, extract
from audiocnn_cli.files import atomic_writer
from audiocnn_cli.training.clips import ClipSet, read_clips
from audiocnn_cli.training.recipes import Recipe

log = logging.getLogger("audiocnn")


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """The feature frames of a labelled folder, on disk.

    `frames` (all frames, bins) is the concatenation of the clips; clip c has those from `offsets[c]` to
    `offsets[c + 1]`, `window` or more. A segment is `window` frames.
    """

    clip_set: ClipSet
    frames: NDArray[np.float32]
    offsets: NDArray[np.int64]
    window: int

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of the classes."""
        return self.clip_set.labels

    @property
    def clips(self) -> tuple[LabelledClip, ...]:
        """The clips, in the order of the frames."""
        return self.clip_set.clips

    @property
    def groups(self) -> tuple[str, ...]:
        """The group of each clip."""
        return self.clip_set.groups

    @property
    def clip_labels(self) -> NDArray[np.int64]:
        """The index of each clip's label, shape (clips,)."""
        return self.clip_set.clip_labels

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
    found = read_clips(folder, grouping=grouping)
    data, index = _cached(found.clips, recipe, cache)
    clips = found.without(
        Failure(path, FailureKind(kind), message) for path, kind, message in index["failures"]
    )
    offsets = np.cumsum([0, *index["lengths"]], dtype=np.int64)
    shape = (int(offsets[-1]), recipe.features.n_bins)
    dataset = Dataset(
        clip_set=clips,
        frames=np.memmap(data, dtype=np.float32, mode="r", shape=shape),
        offsets=offsets,
        window=recipe.window,
    )
    clips.warn_of_duplicates()
    seconds = len(dataset.frames) * recipe.features.hop_length / recipe.features.sample_rate
    log.info("%d clips in %d classes, %.1f minutes", len(clips), len(clips.labels), seconds / 60)
    return dataset


def _cached(clips: Sequence[LabelledClip], recipe: Recipe, folder: Path) -> tuple[Path, dict[str, Any]]:
    """The file of all frames, and the length of each clip and the failures; computed if they are not there.

    Raises:
        OutputError: the disk is full, or the folder can't be written.
    """
    key = {
        "features": asdict(recipe.features),
        "segment": asdict(recipe.segment),
        "anywhere": recipe.anywhere,
        "clips": [(clip.source.path, clip.content) for clip in clips],
    }
    data = folder / f"{hashlib.sha256(json.dumps(key, default=str).encode()).hexdigest()[:16]}.f32"
    index_file = data.with_suffix(".json")
    index: dict[str, Any] = {"lengths": [], "failures": []}
    with suppress(OSError, ValueError):
        saved: dict[str, Any] = json.loads(index_file.read_text())
        if data.is_file():
            return data, saved
    try:
        with atomic_writer(data, "wb", force=True) as stream:
            for outcome in run_batch((clip.source for clip in clips), ClipFrames(recipe)):
                if isinstance(outcome, Failure):
                    index["failures"].append((outcome.path, outcome.kind, outcome.message))
                else:
                    stream.write(outcome.tobytes())
                    index["lengths"].append(len(outcome))
            stream.flush()
            os.fsync(stream.fileno())
        with atomic_writer(index_file, "w", force=True) as file:
            json.dump(index, file)
    except OutputError as error:
        raise OutputError(f"{error}; free some space or choose another `cache`") from error
    return data, index


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
