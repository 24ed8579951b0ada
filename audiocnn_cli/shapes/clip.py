"""Clips: from seconds and samples to frames, and receptive fields in milliseconds and Hz.

Three ways to count frames are in use: whole hops (the course notes), one more where frames are centred on
their time (librosa's default, and `audiocnn features`), and only those that lie wholly inside the clip.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from audiocnn_cli.errors import UsageError
from audiocnn_cli.shapes.choices import ClipRequest, FrameRule
from audiocnn_cli.shapes.sizes import LARGEST, Sizes
from audiocnn_cli.shapes.step import Step


class Bins(StrEnum):
    """What the second axis is."""

    MFCC = "mfcc"
    MEL = "mel"
    STFT = "stft"
    NONE = "none"

    @property
    def unit(self) -> str:
        """The name of one position of the axis."""
        return {"mfcc": "coefficient", "mel": "mel band", "stft": "frequency bin"}.get(self, "")


@dataclass(frozen=True)
class FrameCount:
    """The number of frames by one rule, what uses the rule, and the formula with its numbers."""

    rule: FrameRule
    used_by: str
    frames: int
    formula: str


@dataclass(frozen=True, kw_only=True)
class Clip:
    """A clip of `samples` samples (None: unknown), and how it is cut into frames; rates in Hz.

    Without bins it is the waveform itself: each frame is one sample.
    """

    samples: int | None = None
    sample_rate: int = 22050
    hop_length: int = 512
    n_fft: int = 2048
    bins: Bins = Bins.MFCC
    n_bins: int = 13
    rule: FrameRule | None = None

    def counts(self) -> tuple[FrameCount, ...]:
        """The number of frames by each rule; empty where the clip's length is unknown."""
        if self.samples is None or self.bins is Bins.NONE:
            return ()
        from audiocnn_cli.features.config import FeatureConfig  # a typed stack needs none of it

        n, hop, n_fft = self.samples, self.hop_length, self.n_fft
        config = FeatureConfig(sample_rate=self.sample_rate, n_fft=n_fft, hop_length=hop)
        centered, inside = config.n_frames(n), replace(config, center=False).n_frames(n)
        whole = f"floor({n}/{hop})"
        fits = f"1 + floor(({n} - {n_fft})/{hop}) = {inside}" if inside else f"{n} < {n_fft}: 0"
        rows = (
            (FrameRule.HOPS, "the course notes", n // hop, f"{whole} = {n // hop}"),
            (FrameRule.CENTERED, "librosa, audiocnn features", centered, f"1 + {whole} = {centered}"),
            (FrameRule.INSIDE, "librosa with center=False", inside, fits),
        )
        return tuple(FrameCount(*row) for row in rows)

    def input_shape(self, rule: FrameRule) -> Sizes:
        """The shape of the clip's tensor: (frames, bins, 1), or (samples, 1) for the waveform.

        Raises:
            UsageError: the clip's length is unknown, or it gives no frame.
        """
        if self.samples is None:
            raise UsageError("the length of the clip is missing; add `samples`, `seconds` or `input_shape`")
        if self.bins is Bins.NONE:
            return self.samples, 1
        (frames,) = (count.frames for count in self.counts() if count.rule is rule)
        if frames < 1:
            raise UsageError(f"{self.samples} samples give no frame; use a longer clip or a shorter hop")
        return frames, self.n_bins, 1

    def receptive_field_ms(self, step: Step) -> float | None:
        """The receptive field of `step`'s output along time, in milliseconds."""
        if not step.receptive_field:
            return None
        return 1000 * self.span(step.receptive_field[0]) / self.sample_rate

    def cumulative_stride_ms(self, step: Step) -> float | None:
        """The distance between neighbours along time, in milliseconds."""
        if step.cumulative_stride is None:
            return None
        return 1000 * step.cumulative_stride[0] * self.hop_length / self.sample_rate

    def receptive_field_hz(self, step: Step) -> float | None:
        """The receptive field in Hz, where the frequency axis is linear."""
        if self.bins is not Bins.STFT or len(step.receptive_field) < 2:
            return None
        return step.receptive_field[1] * self.sample_rate / self.n_fft

    def span(self, frames: int) -> int:
        """The number of samples from the first of `frames` consecutive frames to the last."""
        return (frames - 1) * self.hop_length + self.n_fft

    def samples_for(self, frames: int, rule: FrameRule) -> int:
        """The smallest number of samples that gives `frames` frames."""
        if self.bins is Bins.NONE:  # a waveform's frames are its samples
            return frames
        if rule is FrameRule.INSIDE:
            return self.span(frames)
        hops = frames if rule is FrameRule.HOPS else frames - 1
        return max(1, hops * self.hop_length)


def why_centered(clip: Clip) -> str:
    """Why librosa counts one frame more than there are whole hops, for this clip."""
    return (
        f"librosa centres each frame on its time: it pads {clip.n_fft // 2} samples (n_fft/2) at either end,"
        f" so frame i is centred on sample i*{clip.hop_length}. Frame 0 is centred on the first sample and"
        " comes in addition to the whole hops."
    )


def read_clip(request: ClipRequest, *, waveform: bool = False) -> Clip:
    """Check `request` and fill in its defaults; a `waveform` is not cut into frames.

    Raises:
        UsageError: options exclude each other, or a number is out of range.
    """
    samples, seconds = request.samples, request.seconds
    if samples is not None and seconds is not None:
        raise UsageError("give `samples` or `seconds`, not both")
    if request.frames is not None and samples is None and seconds is None:
        raise UsageError("`frames` counts the frames of a clip; add `samples` or `seconds`")
    if (request.n_mfcc is not None) + (request.n_mels is not None) + request.stft > 1:
        raise UsageError("give one of `n_mfcc`, `n_mels` and `stft`")
    for name in ("samples", "sample_rate", "hop_length", "n_fft", "n_mfcc", "n_mels"):
        value = getattr(request, name)
        if value is not None and not 1 <= value <= LARGEST:
            raise UsageError(f"`{name}` must be from 1 to 10^12, not {value}")
    rate = request.sample_rate or 22050
    if seconds is not None:
        if not 0 < seconds * rate <= LARGEST:
            raise UsageError(f"`seconds` must be above 0 and give at most 10^12 samples, not {seconds:g}")
        samples = round(seconds * rate)
    clip = Clip(samples=samples, sample_rate=rate, rule=request.frames)
    if waveform:
        return replace(clip, hop_length=1, n_fft=1, bins=Bins.NONE, n_bins=1)
    clip = replace(clip, hop_length=request.hop_length or 512, n_fft=request.n_fft or 2048)
    if request.stft:
        return replace(clip, bins=Bins.STFT, n_bins=1 + clip.n_fft // 2)
    if request.n_mels is not None:
        return replace(clip, bins=Bins.MEL, n_bins=request.n_mels)
    return replace(clip, n_bins=request.n_mfcc or 13)
