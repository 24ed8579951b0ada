"""The defaults of other libraries, so that `--like` gives their numbers.

Sources: torchaudio.transforms.MFCC and MelSpectrogram (torchaudio 2); Kaldi's feature-window.h,
mel-computations.h and feature-mfcc.h, with dither 0, so that the same file gives the same numbers.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from audiocnn_cli.features.config import Dialect, FeatureConfig, Log, MelNorm, PadMode
from audiocnn_cli.features.windows import Window


def config_like(like: Dialect, given: Mapping[str, Any]) -> FeatureConfig:
    """The defaults of that library, and over them the fields `given`.

    Raises:
        UsageError: a value is out of its range.
    """
    return replace(FeatureConfig(), **(_defaults(like, given) | dict(given)))


def _defaults(like: Dialect, given: Mapping[str, Any]) -> dict[str, Any]:
    if like is Dialect.TORCHAUDIO:
        return _torchaudio(given.get("sample_rate", 16000), given.get("n_fft", 400))
    if like is Dialect.KALDI:
        return _kaldi(given.get("sample_rate", 16000))
    return {}


def _torchaudio(sample_rate: int, n_fft: int) -> dict[str, Any]:
    return {
        "like": Dialect.TORCHAUDIO,
        "sample_rate": sample_rate,
        "n_fft": n_fft,
        "hop_length": n_fft // 2,
        "pad_mode": PadMode.REFLECT,
        "fmax": float(sample_rate // 2),
        "htk": True,
        "mel_norm": MelNorm.NONE,
        "n_mfcc": 40,
    }


def _kaldi(sample_rate: int) -> dict[str, Any]:
    win_length = sample_rate * 25 // 1000
    return {
        "like": Dialect.KALDI,
        "sample_rate": sample_rate,
        "n_fft": 1 << max(0, win_length - 1).bit_length(),
        "hop_length": sample_rate * 10 // 1000,
        "win_length": win_length,
        "window": Window.POVEY,
        "center": False,
        "pad_mode": PadMode.SYMMETRIC,
        "sample_scale": 32768.0,  # Kaldi reads 16-bit samples as they are
        "remove_dc": True,
        "preemphasis": 0.97,
        "n_mels": 23,
        "fmin": 20.0,
        "htk": True,
        "mel_norm": MelNorm.NONE,
        "log": Log.LN,
        "top_db": None,
        "lifter": 22.0,
        "use_energy": True,
    }
