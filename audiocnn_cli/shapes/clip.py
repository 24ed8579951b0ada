"""From seconds and samples to frames: the input shape of a clip, and sizes of a stack in milliseconds.

Three counts of frames are in use: whole hops (the course notes), one more when frames are centred on their
time (librosa's default, and this project's features), and only those that lie wholly inside.
"""

from dataclasses import dataclass
from enum import StrEnum

from audiocnn_cli.errors import UsageError
from audiocnn_cli.features.config import FeatureConfig
from audiocnn_cli.shapes.sizes import LARGEST, Sizes
from audiocnn_cli.shapes.step import Step


class FrameRule(StrEnum):
    """How frames are counted."""

    HOPS = "hops"
    CENTERED = "centered"
    INSIDE = "inside"


class Bins(StrEnum):
    """What the second axis counts."""

    MFCC = "mfcc"
    MEL = "mel"
    STFT = "stft"
    NONE = "none"

    @property
    def unit(self) -> str:
        """The name of one position of the axis."""
        return {"mfcc": "coefficient", "mel": "mel band", "stft": "frequency bin", "none": ""}[
            self.value
        ]


@dataclass(frozen=True)
class FrameCount:
    """How many frames a rule gives, and its formula with the numbers."""

    rule: FrameRule
    who: str
    frames: int
    formula: str


@dataclass(frozen=True, kw_only=True)
class Clip:
    """A clip of `samples` samples (None: not said), and how it is cut into frames; rates in Hz.

    A clip without bins is the waveform itself: its frames are single samples.
    """

    samples: int | None = None
    sample_rate: int = 22050
    hop_length: int = 512
    n_fft: int = 2048
    bins: Bins = Bins.MFCC
    n_bins: int = 13
    rule: FrameRule | None = None

    def counts(self) -> tuple[FrameCount, ...]:
        """The frames of the clip by each of the three rules; none when its length is not said."""
        if self.samples is None or self.bins is Bins.NONE:
            return ()
        n, hop, n_fft = self.samples, self.hop_length, self.n_fft
        hops, centered, inside = (
            n // hop,
            self._config(center=True).n_frames(n),
            self._config(center=False).n_frames(n),
        )
        return (
            FrameCount(FrameRule.HOPS, "the course notes", hops, f"floor({n}/{hop}) = {hops}"),
            FrameCount(
                FrameRule.CENTERED,
                "librosa, audiocnn features",
                centered,
                f"1 + floor({n}/{hop}) = {centered}",
            ),
            FrameCount(
                FrameRule.INSIDE,
                "librosa with center=False",
                inside,
                f"1 + floor(({n} - {n_fft})/{hop}) = {inside}" if inside else f"{n} < {n_fft}: 0",
            ),
        )

    def input_shape(self, rule: FrameRule) -> Sizes:
        """The tensor of the clip, channels last: (frames, bins, 1), or (samples, 1) for the waveform.

        Raises:
            UsageError: the clip's length is not said, or it has no frame.
        """
        if self.samples is None:
            raise UsageError("the clip's length is not said; add --samples, --seconds or --input")
        if self.bins is Bins.NONE:
            return self.samples, 1
        (frames,) = (count.frames for count in self.counts() if count.rule is rule)
        if frames < 1:
            raise UsageError(
                f"{self.samples} samples give no frame; use a longer clip or a shorter hop"
            )
        return frames, self.n_bins, 1

    def seen_ms(self, step: Step) -> float | None:
        """How much sound one element of `step`'s output sees, in milliseconds."""
        if not step.receptive_field:
            return None
        frames = step.receptive_field[0]
        return 1000 * self.samples_under(frames) / self.sample_rate

    def jump_ms(self, step: Step) -> float | None:
        """How far apart neighbours along time are, in milliseconds."""
        if step.jump is None:
            return None
        return 1000 * step.jump[0] * self.hop_length / self.sample_rate

    def seen_hz(self, step: Step) -> float | None:
        """The width in Hz of what one element sees on a linear frequency axis; else None."""
        if self.bins is not Bins.STFT or len(step.receptive_field) < 2:
            return None
        return step.receptive_field[1] * self.sample_rate / self.n_fft

    def samples_under(self, frames: int) -> int:
        """How many samples `frames` frames in a row touch."""
        return (frames - 1) * self.hop_length + self.n_fft

    def samples_for(self, frames: int, rule: FrameRule) -> int:
        """The fewest samples that give so many frames."""
        if self.bins is Bins.NONE:  # a waveform's frames are its samples
            return frames
        if rule is FrameRule.HOPS:
            return frames * self.hop_length
        if rule is FrameRule.CENTERED:
            return max(1, (frames - 1) * self.hop_length)
        return self.samples_under(frames)

    def _config(self, *, center: bool) -> FeatureConfig:
        return FeatureConfig(
            sample_rate=self.sample_rate,
            n_fft=self.n_fft,
            hop_length=self.hop_length,
            center=center,
        )


def why_centered(clip: Clip) -> str:
    """Why librosa counts one frame more than there are whole hops."""
    half = clip.n_fft // 2
    return (
        f"librosa centres each frame on its time: it pads {half} samples (n_fft/2) at either end, so frame i"
        f" is about sample i*{clip.hop_length}. Frame 0 is about the very first sample, before the first hop:"
        f" that one comes on top of the whole hops."
    )


def read_clip(
    *,
    samples: int | None,
    seconds: float | None,
    sample_rate: int | None,
    hop_length: int | None,
    n_fft: int | None,
    n_mfcc: int | None,
    n_mels: int | None,
    stft: bool,
    waveform: bool,
    frames: str | None,
) -> Clip:
    """The clip that the audio options describe.

    Raises:
        UsageError: options that exclude each other, or a number out of its range.
    """
    if samples is not None and seconds is not None:
        raise UsageError("give --samples or --seconds, not both")
    if frames is not None and samples is None and seconds is None:
        raise UsageError("--frames counts the frames of a clip; add --samples or --seconds")
    if (n_mfcc is not None) + (n_mels is not None) + stft > 1:
        raise UsageError("give one of --n-mfcc, --n-mels and --stft")
    for name, value in (
        ("samples", samples), ("sr", sample_rate), ("hop", hop_length), ("n-fft", n_fft),
        ("n-mfcc", n_mfcc), ("n-mels", n_mels),
    ):  # fmt: skip
        if value is not None and not 1 <= value <= LARGEST:
            raise UsageError(f"--{name} must be from 1 to 10^12, not {value}")
    rate = sample_rate or 22050
    if seconds is not None:
        if not 0 < seconds * rate <= LARGEST:
            raise UsageError(
                f"--seconds must be above 0 and give at most 10^12 samples, not {seconds:g}"
            )
        samples = round(seconds * rate)
    n_fft = n_fft or 2048
    rule = _rule(frames)
    if waveform:
        return Clip(
            samples=samples,
            sample_rate=rate,
            hop_length=1,
            n_fft=1,
            bins=Bins.NONE,
            n_bins=1,
            rule=rule,
        )
    if stft:
        bins, n_bins = Bins.STFT, 1 + n_fft // 2
    elif n_mels is not None:
        bins, n_bins = Bins.MEL, n_mels
    else:
        bins, n_bins = Bins.MFCC, n_mfcc or 13
    return Clip(
        samples=samples,
        sample_rate=rate,
        hop_length=hop_length or 512,
        n_fft=n_fft,
        bins=bins,
        n_bins=n_bins,
        rule=rule,
    )


def _rule(text: str | None) -> FrameRule | None:
    if text is None:
        return None
    try:
        return FrameRule(text)
    except ValueError:
        raise UsageError(f"--frames {text}: it may be {', '.join(FrameRule)}") from None
