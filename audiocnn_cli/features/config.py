"""The parameters that decide what a feature tensor holds, in one frozen value, and the choices by name.

Imports nothing heavy, so that the command line can list the choices.
"""

from dataclasses import dataclass
from enum import StrEnum

from audiocnn_cli.errors import UsageError
from audiocnn_cli.features.framing import Framing, PadMode
from audiocnn_cli.features.rules import rules


class Feature(StrEnum):
    """What is computed from the samples; docs/features.md defines each."""

    WAVEFORM = "waveform"
    STFT = "stft"
    COMPLEX = "complex"
    MEL = "mel"
    LOGMEL = "logmel"
    PCEN = "pcen"
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
    ONSET = "onset"
    F0 = "f0"


# From C2 to C7, in Hz.
_F0_RANGE = (65.0, 2093.0)
# Names that users of other libraries type.
FEATURE_ALIASES = {"melspectrogram": Feature.MEL}


class Dialect(StrEnum):
    """The library whose framing, filters, logarithm and cepstrum are followed."""

    LIBROSA = "librosa"
    TORCHAUDIO = "torchaudio"
    KALDI = "kaldi"


class Window(StrEnum):
    """The shape of a window; the names are SciPy's, and Kaldi's for povey."""

    HANN = "hann"
    HAMMING = "hamming"
    BLACKMAN = "blackman"
    BLACKMANHARRIS = "blackmanharris"
    BOXCAR = "boxcar"
    POVEY = "povey"


class MelNorm(StrEnum):
    """The scale of each mel filter: unit area (Slaney) or unit height."""

    SLANEY = "slaney"
    NONE = "none"


class Log(StrEnum):
    """The compression of powers: decibels (10 log10), or the natural logarithm."""

    DB = "db"
    LN = "ln"


class DctNorm(StrEnum):
    """The scale of the DCT: an orthonormal basis, or SciPy's plain sum times two."""

    ORTHO = "ortho"
    NONE = "none"


class Aggregate(StrEnum):
    """How the changes of all bands become one number."""

    MEAN = "mean"
    MEDIAN = "median"


class Unvoiced(StrEnum):
    """The f0 of a frame that is not periodic: 0 Hz, NaN, or the estimate all the same."""

    ZERO = "zero"
    NAN = "nan"
    ESTIMATE = "estimate"


class Statistic(StrEnum):
    """A summary of the frames of each bin."""

    MEAN = "mean"
    STD = "std"
    MIN = "min"
    MAX = "max"
    MEDIAN = "median"


def feature_named(name: str) -> Feature:
    """The feature called `name`, or by an alias such as `melspectrogram`.

    Raises:
        UsageError: there is none; the message lists the features.
    """
    try:
        return FEATURE_ALIASES.get(name) or Feature(name)
    except ValueError as error:
        raise UsageError(f"unknown feature {name!r}; one of {', '.join(Feature)}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureConfig:
    """All parameters from samples to features; the defaults are those of `librosa.feature.mfcc`.

    Rates and frequencies are in Hz, lengths in samples. None stands for: `win_length` of `n_fft`, `fmin` of 0
    (Kaldi 20, f0 65 Hz), `fmax` of half the sample rate (f0 2093 Hz), `power` of 1 for stft and pcen and 2
    for other mel spectra, no `top_db` floor, `tuning` estimated from the recording, `delta_width` of the
    dialect (9 frames for librosa, 5 for the others).

    Raises:
        UsageError: a value is out of its range; the message names the field.
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
    fmin: float | None = None
    fmax: float | None = None
    htk: bool = False
    mel_norm: MelNorm = MelNorm.SLANEY
    # Per-channel energy normalisation; the time constant is in seconds.
    pcen_scale: float = 2.0**31
    pcen_gain: float = 0.98
    pcen_bias: float = 2.0
    pcen_power: float = 0.5
    pcen_time_constant: float = 0.4
    pcen_eps: float = 1e-6
    # Mel bands that a maximum is taken over.
    max_size: int = 1
    # Onset strength: the frames that a change is over.
    lag: int = 1
    aggregate: Aggregate = Aggregate.MEAN
    detrend: bool = False
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
    # Fundamental frequency.
    unvoiced: Unvoiced = Unvoiced.ZERO
    voicing_threshold: float = 0.5
    trough_threshold: float = 0.1
    f0_track: bool = False
    # Descriptors.
    roll_percent: float = 0.85
    n_chroma: int = 12
    tuning: float | None = None
    n_bands: int = 6

    def __post_init__(self) -> None:
        for field, holds, rule in rules(self):
            if not holds:
                value = getattr(self, field)
                raise UsageError(f"`{field}` {rule}, not {self.lowest_hz if value is None else value}")

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
        if self.fmax is not None:
            return self.fmax
        return float(self.sample_rate // 2) if self.like is Dialect.TORCHAUDIO else self.sample_rate / 2

    @property
    def effective_fmin(self) -> float:
        """Lower edge of the first mel filter in Hz."""
        if self.fmin is not None:
            return self.fmin
        return 20.0 if self.like is Dialect.KALDI else 0.0

    @property
    def lowest_hz(self) -> float:
        """The lowest frequency that the feature looks at: `fmin`, or its default."""
        return self.f0_range[0] if self.feature is Feature.F0 else self.effective_fmin

    @property
    def f0_range(self) -> tuple[float, float]:
        """The lowest and the highest f0 in Hz."""
        lowest, highest = _F0_RANGE
        fmin = lowest if self.fmin is None else self.fmin
        return fmin, min(highest, self.sample_rate / 2) if self.fmax is None else self.fmax

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
            Feature.PCEN: self.n_mels,
            Feature.MFCC: self.n_mfcc,
            Feature.CHROMA: self.n_chroma,
            Feature.CONTRAST: self.n_bands + 1,
            Feature.TONNETZ: 6,
            Feature.F0: 2,
        }
        return sizes.get(self.feature, 1)

    @property
    def framing(self) -> Framing:
        """How a signal is cut into frames."""
        if self.feature is Feature.WAVEFORM:
            return Framing(length=1, hop=1, before=0, after=0, pad_mode=PadMode.CONSTANT)
        # librosa counts crossings in frames that continue the first and the last sample.
        pad_mode = PadMode.EDGE if self.feature is Feature.ZCR else self.pad_mode
        length, hop = self.frame_length, self.hop_length
        before = after = length // 2 if self.center else 0
        if self.center and self.like is Dialect.KALDI:
            # Without snip_edges, frame i is centred on hop i + 1/2 and there are round(samples / hop).
            before = length // 2 - hop // 2
            after = length - before - (hop - hop // 2)
        return Framing(length, hop, before, after, pad_mode, self.frames_exact)

    def n_frames(self, samples: int) -> int:
        """Frames of a signal of `samples` samples: 1 + samples // hop_length when centred, for an even n_fft.

        Only frames that lie wholly inside the (padded) signal count, so without centring it may be 0.
        """
        return self.framing.n_frames(samples)
