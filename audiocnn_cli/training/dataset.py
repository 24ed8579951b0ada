"""A folder of classes becomes feature tensors, cut as they will be in use."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from audiocnn_cli.audio.decode import open_audio
from audiocnn_cli.audio.load import mono_blocks
from audiocnn_cli.audio.sources import Source
from audiocnn_cli.batch.outcome import Failure
from audiocnn_cli.batch.run import run_batch
from audiocnn_cli.errors import AudiocnnError, FailureKind, SignalError
from audiocnn_cli.evaluation.labelled import Grouping, LabelledClip, class_names, labelled_clips
from audiocnn_cli.features.config import FeatureConfig
from audiocnn_cli.features.extract import extract
from audiocnn_cli.models.contract import SegmentConfig
from audiocnn_cli.models.segments import cut

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

log = logging.getLogger("audiocnn")


@dataclass(frozen=True, slots=True)
class Dataset:
    """The segments of a labelled folder.

    `tensors` has shape (segments, frames, bins); `clip_of[i]` is the index in `clips` of segment i's
    clip; `groups[c]` names what clip c must stay on one side of a split with.
    """

    labels: tuple[str, ...]
    clips: tuple[LabelledClip, ...]
    groups: tuple[str, ...]
    tensors: "NDArray[np.float32]"
    clip_of: "NDArray[np.int64]"
    failures: tuple[Failure, ...]

    @property
    def clip_labels(self) -> "NDArray[np.int64]":
        """The index of each clip's label, shape (clips,)."""
        import numpy as np

        index = {label: i for i, label in enumerate(self.labels)}
        return np.array([index[clip.label] for clip in self.clips])


def read_dataset(
    folder: Path, *, features: FeatureConfig, segment: SegmentConfig, grouping: Grouping
) -> Dataset:
    """Decode every clip below `folder` and compute the features of its segments.

    Raises:
        UsageError: there are fewer than two classes, or a path does not match the grouping.
        AudiocnnError: a class has no usable clip.
    """
    import numpy as np

    def work(source: Source) -> "NDArray[np.float32]":
        return _segment_tensors(source, features, segment)

    listed = list(labelled_clips(folder))
    good: list[LabelledClip] = []
    tensors: list[NDArray[np.float32]] = []
    failures: list[Failure] = []
    inputs = (item.source if isinstance(item, LabelledClip) else item for item in listed)
    for item, outcome in zip(listed, run_batch(inputs, work), strict=True):
        if isinstance(outcome, Failure):
            failures.append(outcome)
        elif isinstance(item, LabelledClip):
            good.append(item)
            tensors.append(outcome)
    labels = class_names(folder)
    _require_all_classes(labels, good, folder)
    counts = [len(tensor) for tensor in tensors]
    log.info("%d clips in %d classes, %d segments", len(good), len(labels), sum(counts))
    return Dataset(
        labels=labels,
        clips=tuple(good),
        groups=tuple(grouping.group(Path(clip.source.path), folder=folder) for clip in good),
        tensors=np.concatenate(tensors),
        clip_of=np.repeat(np.arange(len(good)), counts),
        failures=tuple(failures),
    )


def _segment_tensors(
    source: Source, features: FeatureConfig, segment: SegmentConfig
) -> "NDArray[np.float32]":
    import numpy as np

    with open_audio(source) as reader:
        pieces = list(cut(mono_blocks(reader, sample_rate=features.sample_rate), segment))
    if not pieces or pieces[-1].valid < features.n_fft:
        raise SignalError(FailureKind.TOO_SHORT, "is shorter than one analysis frame")
    return np.stack([extract(piece.samples, features) for piece in pieces])


def _require_all_classes(
    labels: tuple[str, ...], clips: Iterable[LabelledClip], folder: Path
) -> None:
    empty = sorted(set(labels) - {clip.label for clip in clips})
    if empty:
        raise AudiocnnError(
            f"{folder}: no usable recording in the class {', '.join(empty)}; add some or remove the folder"
        )
