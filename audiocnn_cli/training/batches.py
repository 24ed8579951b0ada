"""The segments of one epoch: their order, and the augmentation of log-mel segments.

`docs/training.md` has the reasons. The augmentations take and return decibels of shape (n, frames, mels),
draw from the generator given, and act on each segment separately unless they state otherwise.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from audiocnn_cli.training.dataset import Dataset

FLOOR_DB = -100.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AugmentConfig:
    """The strength of each augmentation; 0 turns one off. Probabilities are those of a segment.

    `roll` shifts segments circularly in time: for textures and music, not where the order is the label.
    """

    stretch: float = 0.2
    pitch: float = 0.12
    gain_db: float = 10.0
    tone_db: float = 6.0
    low_pass: float = 0.35
    noise: float = 0.05
    mask_frames: float = 0.1
    mask_mels: float = 0.1
    roll: bool = True


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
        """The first frame of each segment in the data set's frames, and the index of its clip."""
        starts = [self.dataset.segment_starts(clip) for clip in self.clips]
        return np.concatenate(starts), np.repeat(self.clips, [len(s) for s in starts])

    @property
    def class_weights(self) -> torch.Tensor:
        """The weight of a segment of each class in the loss, so that all classes weigh the same."""
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
        """Every segment in order, not augmented: tensors and label indices."""
        starts, clips = self.starts
        for i in range(0, len(starts), batch_size):
            labels = self.dataset.clip_labels[clips[i : i + batch_size]]
            tensors = self.dataset.segments(starts[i : i + batch_size])
            yield torch.from_numpy(tensors), torch.from_numpy(labels)

    def epoch(
        self, *, batch_size: int, config: AugmentConfig | None, random: torch.Generator
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """As many segments as the side has, shuffled; with `config` cut at random frames and augmented.

        Yields tensors (n, window, bins) and targets (n, classes) that sum to 1.
        """
        starts, clips = self.starts
        labels, classes = torch.from_numpy(self.dataset.clip_labels), len(self.dataset.labels)
        window = self.dataset.window
        for order in torch.randperm(len(starts), generator=random).split(batch_size):
            chosen = clips[order.numpy()]
            if config is None:
                tensors = torch.from_numpy(self.dataset.segments(starts[order.numpy()]))
            else:
                cuts = self._anywhere(chosen, stretch_frames(window, config, random), random)
                tensors = augment(torch.from_numpy(cuts), window, config, random)
            yield tensors, torch.nn.functional.one_hot(labels[chosen], classes).float()

    def _anywhere(
        self, clips: NDArray[np.int64], length: int, random: torch.Generator
    ) -> NDArray[np.float32]:
        """`length` frames from a random position of each of these clips; a shorter clip is repeated."""
        first = self.dataset.offsets[clips]
        sizes = self.dataset.offsets[clips + 1] - first
        draws = torch.rand(len(clips), generator=random).numpy()
        starts = (draws * np.maximum(sizes - length + 1, 1).astype(np.float32)).astype(np.int64)
        places = first[:, None] + (starts[:, None] + np.arange(length)) % sizes[:, None]
        return np.asarray(self.dataset.frames[places])


def stretch_frames(window: int, config: AugmentConfig, random: torch.Generator) -> int:
    """The number of frames to cut for a batch, so that resizing them to `window` changes the tempo."""
    return _scaled(window, config.stretch, random)


def augment(x: torch.Tensor, window: int, config: AugmentConfig, random: torch.Generator) -> torch.Tensor:
    """Apply all augmentations, from (n, any frames, mels) to (n, window, mels)."""
    x = _resize(x, window, config, random)
    x = _roll(x, random) if config.roll else x
    for change in (_gain, _tone, _noise, _low_pass, _mask):
        x = change(x, config, random)
    return x


def _scaled(size: int, strength: float, random: torch.Generator) -> int:
    """`size` times a factor between 1 - `strength` and 1 + `strength`, at least 1."""
    draw = float(torch.rand(1, generator=random))
    return max(1, round(size * (1.0 + strength * (2.0 * draw - 1.0))))


def _uniform(n: int, low: float, high: float, random: torch.Generator) -> torch.Tensor:
    return (low + (high - low) * torch.rand(n, generator=random))[:, None, None]


def _chance(n: int, probability: float, random: torch.Generator) -> torch.Tensor:
    return (torch.rand(n, generator=random) < probability)[:, None, None]


def _sum_db(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """The decibels of the sum of two powers."""
    log_ten = torch.log(torch.tensor(10.0))
    return torch.logaddexp(a * (log_ten / 10), b * (log_ten / 10)) * (10 / log_ten)


def _resize(x: torch.Tensor, window: int, config: AugmentConfig, random: torch.Generator) -> torch.Tensor:
    """Resize the whole batch to `window` frames, and scale its mel axis (a change of pitch)."""
    mels = x.shape[2]
    size = [window, _scaled(mels, config.pitch, random)]
    if [x.shape[1], mels] == size:
        return x
    y = torch.nn.functional.interpolate(x[:, None], size=size, mode="bilinear", align_corners=False)[:, 0]
    if size[1] >= mels:
        return y[:, :, :mels]
    return torch.nn.functional.pad(y, (0, mels - size[1]), value=FLOOR_DB)


def _roll(x: torch.Tensor, random: torch.Generator) -> torch.Tensor:
    """Shift circularly in time."""
    frames = x.shape[1]
    shift = torch.randint(0, frames, (len(x),), generator=random)
    index = (torch.arange(frames)[None, :] + shift[:, None]) % frames
    return x.gather(1, index[:, :, None].expand_as(x))


def _gain(x: torch.Tensor, config: AugmentConfig, random: torch.Generator) -> torch.Tensor:
    """Change the level, and clip at the floor of the features."""
    gain = _uniform(len(x), -config.gain_db, config.gain_db / 3, random)
    return torch.clamp(x + gain, min=FLOOR_DB)


def _tone(x: torch.Tensor, config: AugmentConfig, random: torch.Generator) -> torch.Tensor:
    """Simulate another microphone: gains at five mels, linear in between (arXiv:2107.13260)."""
    gains = config.tone_db * (2.0 * torch.rand((len(x), 1, 5), generator=random) - 1.0)
    curve = torch.nn.functional.interpolate(gains, size=x.shape[2], mode="linear", align_corners=True)
    return torch.clamp(x + curve, min=FLOOR_DB)


def _noise(x: torch.Tensor, config: AugmentConfig, random: torch.Generator) -> torch.Tensor:
    """Add noise 10 to 50 dB below the segment's maximum, with a tilt of up to 30 dB over the mels."""
    n, frames, mels = x.shape
    loudest = x.amax(dim=(1, 2), keepdim=True)
    tilt = _uniform(n, -30.0, 10.0, random) * torch.linspace(0, 1, mels)[None, None, :]
    jitter = 2.0 * torch.randn((n, frames, mels), generator=random)
    noise = loudest - _uniform(n, 10.0, 50.0, random) + tilt + jitter
    return torch.where(_chance(n, config.noise, random), _sum_db(x, noise), x)


def _low_pass(x: torch.Tensor, config: AugmentConfig, random: torch.Generator) -> torch.Tensor:
    """Attenuate above a random mel, as in an 8 kHz copy or a low-rate MP3; the edge is some mels wide."""
    n, _, mels = x.shape
    cutoff = _uniform(n, 0.4, 1.0, random) * mels
    slope = _uniform(n, 10.0, 60.0, random)
    above = torch.clamp(torch.arange(mels)[None, None, :] - cutoff, min=0)
    filtered = torch.clamp(x - above * slope, min=FLOOR_DB)
    return torch.where(_chance(n, config.low_pass, random), filtered, x)


def _mask(x: torch.Tensor, config: AugmentConfig, random: torch.Generator) -> torch.Tensor:
    """Set some frames and a band of mels to the segment's mean (SpecAugment, arXiv:1904.08779)."""
    mean = x.mean(dim=(1, 2), keepdim=True)
    for axis, share in ((1, config.mask_frames), (2, config.mask_mels)):
        size = x.shape[axis]
        width = torch.rand(len(x), generator=random) * share * size
        start = torch.rand(len(x), generator=random) * (size - width)
        index = torch.arange(size)[None, :]
        masked = (index >= start[:, None]) & (index < (start + width)[:, None])
        x = torch.where(masked[:, :, None] if axis == 1 else masked[:, None, :], mean, x)
    return x
