"""The choices that features offer by name. Imports nothing heavy, so that the command line can list them."""

from enum import StrEnum

from audiocnn_cli.audio.segments import TailPolicy
from audiocnn_cli.errors import UsageError

__all__ = [
    "DctNorm",
    "Dialect",
    "Feature",
    "Log",
    "MelNorm",
    "PadMode",
    "Statistic",
    "TailPolicy",
    "Window",
    "feature_named",
]


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


class PadMode(StrEnum):
    """The values beyond the ends of the signal when frames are centred; the names are NumPy's."""

    CONSTANT = "constant"
    EDGE = "edge"
    REFLECT = "reflect"
    SYMMETRIC = "symmetric"


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
