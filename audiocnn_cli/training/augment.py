"""What happens to a batch of log-mel segments before the network sees it: `docs/training.md` says why.

All functions take and give decibels of shape (n, frames, mels), draw from the generator given, and are
applied to each segment by itself unless they say otherwise.
"""

from dataclasses import dataclass

import torch

FLOOR_DB = -100.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AugmentConfig:
    """How strongly segments are changed; 0 leaves a kind out. Probabilities are a segment's.

    `roll` turns segments around in time: right for textures and music, wrong where the order is the label.
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


def stretch_frames(window: int, config: AugmentConfig, random: torch.Generator) -> int:
    """How many frames to cut for a batch so that, brought to `window`, they are faster or slower."""
    factor = 1.0 + config.stretch * (2.0 * float(torch.rand(1, generator=random)) - 1.0)
    return max(1, round(window * float(factor)))


def augment(
    x: torch.Tensor, window: int, config: AugmentConfig, random: torch.Generator
) -> torch.Tensor:
    """All of it, from (n, any frames, mels) to (n, window, mels)."""
    x = _resize(x, window, config, random)
    x = _roll(x, random) if config.roll else x
    x = _gain(x, config, random)
    x = _tone(x, config, random)
    x = _noise(x, config, random)
    x = _low_pass(x, config, random)
    return _mask(x, config, random)


def _uniform(n: int, low: float, high: float, random: torch.Generator) -> torch.Tensor:
    return (low + (high - low) * torch.rand(n, generator=random))[:, None, None]


def _chance(n: int, probability: float, random: torch.Generator) -> torch.Tensor:
    return (torch.rand(n, generator=random) < probability)[:, None, None]


def _sum_db(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """The decibels of the sum of two powers."""
    return torch.logaddexp(
        a * (torch.log(torch.tensor(10.0)) / 10), b * (torch.log(torch.tensor(10.0)) / 10)
    ) * (10 / torch.log(torch.tensor(10.0)))


def _resize(
    x: torch.Tensor, window: int, config: AugmentConfig, random: torch.Generator
) -> torch.Tensor:
    """The whole batch to `window` frames, and its mel axis squeezed or spread (another voice)."""
    mels = x.shape[2]
    factor = 1.0 + config.pitch * (2.0 * torch.rand(1, generator=random).item() - 1.0)
    size = [window, max(1, round(mels * factor))]
    if [x.shape[1], mels] == size:
        return x
    y = torch.nn.functional.interpolate(
        x[:, None], size=size, mode="bilinear", align_corners=False
    )[:, 0]
    if size[1] >= mels:
        return y[:, :, :mels]
    return torch.nn.functional.pad(y, (0, mels - size[1]), value=FLOOR_DB)


def _roll(x: torch.Tensor, random: torch.Generator) -> torch.Tensor:
    """Turned around in time: the end comes before the start."""
    frames = x.shape[1]
    shift = torch.randint(0, frames, (len(x),), generator=random)
    index = (torch.arange(frames)[None, :] + shift[:, None]) % frames
    return x.gather(1, index[:, :, None].expand_as(x))


def _gain(x: torch.Tensor, config: AugmentConfig, random: torch.Generator) -> torch.Tensor:
    """Louder or softer; what sinks below the floor of the features is gone."""
    gain = _uniform(len(x), -config.gain_db, config.gain_db / 3, random)
    return torch.clamp(x + gain, min=FLOOR_DB)


def _tone(x: torch.Tensor, config: AugmentConfig, random: torch.Generator) -> torch.Tensor:
    """Another microphone or loudspeaker: a gain at five mels, straight lines between (arXiv:2107.13260)."""
    gains = config.tone_db * (2.0 * torch.rand((len(x), 1, 5), generator=random) - 1.0)
    curve = torch.nn.functional.interpolate(
        gains, size=x.shape[2], mode="linear", align_corners=True
    )
    return torch.clamp(x + curve, min=FLOOR_DB)


def _noise(x: torch.Tensor, config: AugmentConfig, random: torch.Generator) -> torch.Tensor:
    """Steady noise 10 to 50 dB below the segment's loudest value, tilted by up to 30 dB over the mels."""
    n, frames, mels = x.shape
    loudest = x.amax(dim=(1, 2), keepdim=True)
    tilt = _uniform(n, -30.0, 10.0, random) * torch.linspace(0, 1, mels)[None, None, :]
    jitter = 2.0 * torch.randn((n, frames, mels), generator=random)
    noise = loudest - _uniform(n, 10.0, 50.0, random) + tilt + jitter
    return torch.where(_chance(n, config.noise, random), _sum_db(x, noise), x)


def _low_pass(x: torch.Tensor, config: AugmentConfig, random: torch.Generator) -> torch.Tensor:
    """No power above a random mel, as in an 8 kHz copy or a low-rate MP3; the edge is some mels wide."""
    n, _, mels = x.shape
    cutoff = _uniform(n, 0.4, 1.0, random) * mels
    slope = _uniform(n, 10.0, 60.0, random)
    above = torch.clamp(torch.arange(mels)[None, None, :] - cutoff, min=0)
    filtered = torch.clamp(x - above * slope, min=FLOOR_DB)
    return torch.where(_chance(n, config.low_pass, random), filtered, x)


def _mask(x: torch.Tensor, config: AugmentConfig, random: torch.Generator) -> torch.Tensor:
    """A stretch of frames and a band of mels set to the segment's mean (SpecAugment, arXiv:1904.08779)."""
    mean = x.mean(dim=(1, 2), keepdim=True)
    for axis, share in ((1, config.mask_frames), (2, config.mask_mels)):
        size = x.shape[axis]
        width = torch.rand(len(x), generator=random) * share * size
        start = torch.rand(len(x), generator=random) * (size - width)
        place = torch.arange(size)[None, :]
        hidden = (place >= start[:, None]) & (place < (start + width)[:, None])
        x = torch.where(hidden[:, :, None] if axis == 1 else hidden[:, None, :], mean, x)
    return x
