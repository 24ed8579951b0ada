"""One epoch of a side: which segments, in which order, changed how."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from audiocnn_cli.training.augment import AugmentConfig, augment, stretch_frames
from audiocnn_cli.training.dataset import Dataset

Batch = tuple[torch.Tensor, torch.Tensor]


@dataclass(frozen=True, slots=True)
class Moments:
    """Mean and standard deviation of each bin, shape (bins,)."""

    mean: torch.Tensor
    std: torch.Tensor


@dataclass(frozen=True, slots=True)
class Side:
    """The clips of one side of a split."""

    dataset: Dataset
    clips: NDArray[np.int64]

    @property
    def starts(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Where its segments start in the data set's frames, and the clip of each."""
        starts = [self.dataset.segment_starts(clip) for clip in self.clips]
        return np.concatenate(starts), np.repeat(self.clips, [len(s) for s in starts])

    @property
    def class_weights(self) -> torch.Tensor:
        """What a segment of each class counts in the loss, so that all classes count the same."""
        _, clips = self.starts
        counts = np.bincount(self.dataset.clip_labels[clips], minlength=len(self.dataset.labels))
        weights = counts.sum() / np.maximum(counts, 1) / len(counts)
        return torch.tensor(weights, dtype=torch.float32)

    def moments(self) -> Moments:
        """Mean and standard deviation of each bin over all frames of its segments."""
        count, total, squares = 0, 0.0, 0.0
        for tensors, _ in self.fixed():
            frames = tensors.double().flatten(0, 1)
            count += len(frames)
            total = total + frames.sum(dim=0)
            squares = squares + (frames**2).sum(dim=0)
        mean = total / count
        return Moments(mean, torch.sqrt(torch.clamp(squares / count - mean**2, min=1e-12)))

    def fixed(self, *, batch_size: int = 128) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Every segment in order, unchanged: tensors and label indices."""
        starts, clips = self.starts
        for i in range(0, len(starts), batch_size):
            labels = self.dataset.clip_labels[clips[i : i + batch_size]]
            tensors = self.dataset.segments(starts[i : i + batch_size])
            yield torch.from_numpy(tensors), torch.from_numpy(labels)

    def epoch(
        self, *, batch_size: int, config: AugmentConfig | None, random: torch.Generator
    ) -> Iterator[Batch]:
        """As many segments as the side has, shuffled; with `config` cut anywhere and changed.

        Yields tensors (n, window, bins) and targets (n, classes) that sum to 1.
        """
        starts, clips = self.starts
        classes = len(self.dataset.labels)
        labels = self.dataset.clip_labels
        for order in torch.randperm(len(starts), generator=random).split(batch_size):
            picked = clips[order.numpy()]
            targets = torch.nn.functional.one_hot(torch.from_numpy(labels[picked]), classes).float()
            if config is None:
                yield torch.from_numpy(self.dataset.segments(starts[order.numpy()])), targets
                continue
            window = self.dataset.window
            length = stretch_frames(window, config, random)
            tensors = torch.from_numpy(self._anywhere(picked, length, random))
            yield augment(tensors, window, config, random), targets

    def _anywhere(
        self, clips: NDArray[np.int64], length: int, random: torch.Generator
    ) -> NDArray[np.float32]:
        """A random cut of `length` frames from each of these clips; a shorter clip is repeated."""
        draws = torch.rand(len(clips), generator=random).numpy()
        frames, offsets = self.dataset.frames, self.dataset.offsets
        cuts = []
        for clip, draw in zip(clips, draws, strict=True):
            first, end = int(offsets[clip]), int(offsets[clip + 1])
            if end - first < length:
                cuts.append(frames[first + np.arange(length) % (end - first)])
            else:
                start = first + int(draw * (end - first - length + 1))
                cuts.append(frames[start : start + length])
        return np.stack(cuts)
