"""The defaults of torchaudio and Kaldi, where they are not librosa's."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from audiocnn_cli.features.config import Dialect, FeatureConfig, Log, MelNorm, Window
from audiocnn_cli.features.framing import PadMode


def config_like(like: Dialect, given: Mapping[str, Any]) -> FeatureConfig:
    """The defaults of a library, with the fields `given` in place of its own.

    Sources: torchaudio.transforms.MFCC and MelSpectrogram (torchaudio 2); Kaldi's feature-window.h,
    mel-computations.h and feature-mfcc.h, with dither 0, so that the same file gives the same numbers.

    Raises:
        UsageError: a value is out of its range.
    """
    defaults: dict[str, Any] = {}
    if like is Dialect.TORCHAUDIO:
        defaults = _torchaudio(given.get("sample_rate", 16000), given.get("n_fft", 400))
    elif like is Dialect.KALDI:
        defaults = _kaldi(given.get("sample_rate", 16000))
    return replace(FeatureConfig(), **(defaults | dict(given)))


def _torchaudio(sample_rate: int, n_fft: int) -> dict[str, Any]:
    return {
        "like": Dialect.TORCHAUDIO,
        "sample_rate": sample_rate,
        "n_fft": n_fft,
        "hop_length": n_fft // 2,
        "pad_mode": PadMode.REFLECT,
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
        "htk": True,
        "mel_norm": MelNorm.NONE,
        "log": Log.LN,
        "top_db": None,
        "lifter": 22.0,
        "use_energy": True,
    }
