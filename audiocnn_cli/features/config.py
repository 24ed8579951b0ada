"""Every number that decides what a feature tensor holds, in one frozen value."""

import math
from dataclasses import dataclass
from enum import StrEnum

from audiocnn_cli.errors import UsageError
from audiocnn_cli.features.windows import Window

# A frame of 12 s at 22050 Hz, and more filters than it has use for: beyond lies a slip of the keyboard.
_LARGEST_N_FFT = 1 << 18
_LARGEST_N_MELS = 1 << 12


class Feature(StrEnum):
    """What is computed from the samples."""

    MFCC = "mfcc"
    LOGMEL = "logmel"
    MEL = "mel"


class PadMode(StrEnum):
    """What lies beyond the ends of the signal when frames are centred; the names are NumPy's."""

    CONSTANT = "constant"
    EDGE = "edge"
    REFLECT = "reflect"
    SYMMETRIC = "symmetric"


class MelNorm(StrEnum):
    """How each mel filter is scaled: to unit area (Slaney) or to unit height."""

    SLANEY = "slaney"
    NONE = "none"


def feature_named(name: str) -> Feature:
    """The feature of that name.

    Raises:
        UsageError: there is none; the sentence lists those there are.
    """
    try:
        return Feature(name)
    except ValueError as error:
        raise UsageError(f"unknown feature {name!r}; one of {', '.join(Feature)}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureConfig:
    """The whole recipe from samples to features; the defaults are those of `librosa.feature.mfcc`.

    Rates and frequencies are in Hz, lengths in samples, `top_db` in dB below the loudest value of the clip.
    `win_length` and `fmax` of None mean `n_fft` and half the sample rate.

    Raises:
        UsageError: a value is out of its range; the sentence names the field.
    """

    feature: Feature = Feature.MFCC
    sample_rate: int = 22050
    n_fft: int = 2048
    hop_length: int = 512
    win_length: int | None = None
    window: Window = Window.HANN
    center: bool = True
    pad_mode: PadMode = PadMode.CONSTANT
    n_mels: int = 128
    n_mfcc: int = 13
    fmin: float = 0.0
    fmax: float | None = None
    htk: bool = False
    mel_norm: MelNorm = MelNorm.SLANEY
    top_db: float | None = 80.0

    def __post_init__(self) -> None:
        for field in ("sample_rate", "n_fft", "hop_length", "n_mels", "n_mfcc"):
            _require(getattr(self, field) >= 1, field, getattr(self, field), "must be at least 1")
        self._require_at_most("n_fft", _LARGEST_N_FFT)
        self._require_at_most("n_mels", _LARGEST_N_MELS)
        win_length = self.effective_win_length
        _require(
            1 <= win_length <= self.n_fft,
            "win_length",
            win_length,
            f"must be 1 to n_fft ({self.n_fft})",
        )
        nyquist = self.sample_rate / 2
        fmax = self.effective_fmax
        _require(
            0 < fmax <= nyquist,
            "fmax",
            fmax,
            f"must be above 0 and at most half the sample rate ({nyquist:g} Hz)",
        )
        _require(
            0 <= self.fmin < fmax,
            "fmin",
            self.fmin,
            f"must be 0 or more and below fmax ({fmax:g} Hz)",
        )
        _require(
            self.n_mfcc <= self.n_mels,
            "n_mfcc",
            self.n_mfcc,
            f"must be at most n_mels ({self.n_mels})",
        )
        _require(
            self.top_db is None or 0 <= self.top_db < math.inf,
            "top_db",
            self.top_db,
            "must be 0 or more, in dB",
        )

    def _require_at_most(self, field: str, largest: int) -> None:
        value = getattr(self, field)
        _require(value <= largest, field, value, f"must be at most {largest}")

    @property
    def effective_win_length(self) -> int:
        """Samples under the window."""
        return self.n_fft if self.win_length is None else self.win_length

    @property
    def effective_fmax(self) -> float:
        """Upper edge of the last mel filter in Hz."""
        return self.sample_rate / 2 if self.fmax is None else self.fmax

    @property
    def n_frequencies(self) -> int:
        """Bins of the one-sided spectrum."""
        return 1 + self.n_fft // 2

    @property
    def n_bins(self) -> int:
        """Size of the last axis of the feature tensor."""
        return self.n_mfcc if self.feature is Feature.MFCC else self.n_mels

    @property
    def bin_axis(self) -> str:
        """What the last axis of the feature tensor counts."""
        return "coefficient" if self.feature is Feature.MFCC else "mel"

    def n_frames(self, samples: int) -> int:
        """Frames that `samples` samples give: 1 + samples // hop_length when centred and n_fft is even.

        Only frames that lie wholly inside the (padded) signal count, so without centring it may be 0.
        """
        padding = 2 * (self.n_fft // 2) if self.center else 0
        return max(0, 1 + (samples + padding - self.n_fft) // self.hop_length)


def _require(holds: bool, field: str, value: object, rule: str) -> None:
    if not holds:
        raise UsageError(f"{field} {rule}, not {value}")
