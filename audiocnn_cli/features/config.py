"""Every number that decides what a feature tensor holds, in one frozen value."""

import math
from dataclasses import dataclass
from enum import StrEnum

from audiocnn_cli.errors import UsageError
from audiocnn_cli.features.windows import Window

# A frame of 12 s at 22050 Hz, and more filters than it has use for: beyond lies a slip of the keyboard.
_LARGEST = {
    "sample_rate": 1 << 26,
    "n_fft": 1 << 18,
    "hop_length": 1 << 30,
    "n_mels": 1 << 12,
    "n_mfcc": 1 << 12,
    "n_chroma": 1 << 12,
    "n_bands": 1 << 6,
}


class Feature(StrEnum):
    """What is computed from the samples; docs/features.md defines each."""

    WAVEFORM = "waveform"
    STFT = "stft"
    COMPLEX = "complex"
    MEL = "mel"
    LOGMEL = "logmel"
    MFCC = "mfcc"
    CHROMA = "chroma"
    CONTRAST = "contrast"
    TONNETZ = "tonnetz"
    ZCR = "zcr"
    RMS = "rms"
    CENTROID = "centroid"
    BANDWIDTH = "bandwidth"
    ROLLOFF = "rolloff"
    FLATNESS = "flatness"


class Dialect(StrEnum):
    """The library whose framing, filters, logarithm and cepstrum are followed."""

    LIBROSA = "librosa"
    TORCHAUDIO = "torchaudio"
    KALDI = "kaldi"


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


class Log(StrEnum):
    """How powers are compressed: decibels (10 log10), or the natural logarithm."""

    DB = "db"
    LN = "ln"


class DctNorm(StrEnum):
    """How the DCT is scaled: to an orthonormal basis, or as SciPy's plain sum times two."""

    ORTHO = "ortho"
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

    Rates and frequencies are in Hz, lengths in samples. None means: `win_length` of `n_fft`, `fmax` of half
    the sample rate, `power` of 1 for stft and 2 for mel filters, no `top_db` floor, `tuning` estimated from
    the recording, `delta_width` of the dialect (9 frames for librosa, 5 for the others).

    Raises:
        UsageError: a value is out of its range; the sentence names the field.
    """

    like: Dialect = Dialect.LIBROSA
    feature: Feature = Feature.MFCC
    # Frames of samples.
    sample_rate: int = 22050
    n_fft: int = 2048
    hop_length: int = 512
    win_length: int | None = None
    window: Window = Window.HANN
    center: bool = True
    pad_mode: PadMode = PadMode.CONSTANT
    frames_exact: bool = False
    sample_scale: float = 1.0
    remove_dc: bool = False
    preemphasis: float = 0.0
    # Spectrum and mel filters.
    power: int | None = None
    n_mels: int = 128
    fmin: float = 0.0
    fmax: float | None = None
    htk: bool = False
    mel_norm: MelNorm = MelNorm.SLANEY
    # Logarithm and cepstrum.
    log: Log = Log.DB
    top_db: float | None = 80.0
    n_mfcc: int = 13
    dct_norm: DctNorm = DctNorm.ORTHO
    lifter: float = 0.0
    use_energy: bool = False
    # Differences over time: 1 adds those of first order to the bins, 2 those of second order as well.
    delta: int = 0
    delta_width: int | None = None
    # Descriptors.
    roll_percent: float = 0.85
    n_chroma: int = 12
    tuning: float | None = None
    n_bands: int = 6

    def __post_init__(self) -> None:
        for field, largest in _LARGEST.items():
            self._require(field, getattr(self, field) >= 1, "must be at least 1")
            self._require(field, getattr(self, field) <= largest, f"must be at most {largest}")
        self._require(
            "win_length",
            1 <= self.effective_win_length <= self.n_fft,
            f"must be 1 to n_fft ({self.n_fft})",
        )
        self._require(
            "frames_exact",
            self.center or not self.frames_exact,
            "is for centred frames, so must be off",
        )
        self._require("sample_scale", 0 < self.sample_scale < math.inf, "must be above 0")
        self._require("preemphasis", 0 <= self.preemphasis <= 1, "must be 0 to 1")
        self._require_frequencies()
        self._require("power", self.power in (None, 1, 2), "must be 1 (magnitude) or 2 (power)")
        self._require(
            "top_db", self.top_db is None or 0 <= self.top_db < math.inf, "must be 0 or more, in dB"
        )
        few = self.n_mfcc <= self.n_mels or self.feature is not Feature.MFCC
        self._require("n_mfcc", few, f"must be at most n_mels ({self.n_mels})")
        self._require("lifter", 0 <= self.lifter < math.inf, "must be 0 (none) or more")
        self._require("delta", self.delta in (0, 1, 2), "must be 0, 1 or 2")
        width = self.delta_frames
        self._require("delta_width", width >= 3 and width % 2 == 1, "must be odd and at least 3")
        differences = self.delta == 0 or self.feature not in (Feature.WAVEFORM, Feature.COMPLEX)
        self._require("delta", differences, f"must be 0 for {self.feature}")
        self._require("roll_percent", 0 < self.roll_percent < 1, "must be above 0 and below 1")
        self._require(
            "tuning", self.tuning is None or -0.5 <= self.tuning < 0.5, "must be -0.5 to 0.5"
        )

    def _require_frequencies(self) -> None:
        nyquist = self.sample_rate / 2
        fmax = self.effective_fmax
        self._require(
            "fmax",
            0 < fmax <= nyquist,
            f"must be above 0 and at most half the sample rate ({nyquist:g} Hz)",
        )
        self._require(
            "fmin", 0 <= self.fmin < fmax, f"must be 0 or more and below fmax ({fmax:g} Hz)"
        )

    def _require(self, field: str, holds: bool, rule: str) -> None:
        if not holds:
            raise UsageError(f"{field} {rule}, not {getattr(self, field)}")

    @property
    def effective_win_length(self) -> int:
        """Samples under the window."""
        return self.n_fft if self.win_length is None else self.win_length

    @property
    def frame_length(self) -> int:
        """Samples in a frame: `n_fft`, but for Kaldi those under the window, padded after windowing."""
        return self.effective_win_length if self.like is Dialect.KALDI else self.n_fft

    @property
    def effective_fmax(self) -> float:
        """Upper edge of the last mel filter in Hz."""
        return self.sample_rate / 2 if self.fmax is None else self.fmax

    @property
    def n_frequencies(self) -> int:
        """Bins of the one-sided spectrum."""
        return 1 + self.n_fft // 2

    @property
    def delta_frames(self) -> int:
        """Frames that a difference over time is taken over."""
        return self.delta_width or (9 if self.like is Dialect.LIBROSA else 5)

    @property
    def n_bins(self) -> int:
        """Size of the bin axis of the feature tensor, differences over time included."""
        return self.base_bins * (1 + self.delta)

    @property
    def base_bins(self) -> int:
        """Bins before differences over time are added."""
        sizes = {
            Feature.STFT: self.n_frequencies,
            Feature.COMPLEX: self.n_frequencies,
            Feature.MEL: self.n_mels,
            Feature.LOGMEL: self.n_mels,
            Feature.MFCC: self.n_mfcc,
            Feature.CHROMA: self.n_chroma,
            Feature.CONTRAST: self.n_bands + 1,
            Feature.TONNETZ: 6,
        }
        return sizes.get(self.feature, 1)

    def n_frames(self, samples: int) -> int:
        """Frames that `samples` samples give: 1 + samples // hop_length when centred and n_fft is even.

        Only frames that lie wholly inside the (padded) signal count, so without centring it may be 0.
        """
        from audiocnn_cli.features.frames import framing

        return framing(self).n_frames(samples)
