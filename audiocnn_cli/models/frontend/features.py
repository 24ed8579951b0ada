"""Segments of samples to feature tensors in ONNX: what `features.extract` does."""

import math
from collections.abc import Iterator

from audiocnn_cli.features.cepstrum import cepstral_basis
from audiocnn_cli.features.config import Dialect, Feature, FeatureConfig, Log
from audiocnn_cli.models.frontend.builder import GraphBuilder
from audiocnn_cli.models.frontend.spectrum import frames, mel_spectrum

_FEATURES = (Feature.MFCC, Feature.LOGMEL, Feature.MEL)
# What lies below is silence: -100 dB (librosa, torchaudio), or the smallest step of float32 at 1 (Kaldi).
FLOORS = {Log.DB: 1e-10, Log.LN: 2.0**-23}
_NOT_BUILT = ("frames_exact", "remove_dc", "preemphasis", "use_energy", "delta")


def unsupported(config: FeatureConfig) -> Iterator[str]:
    """What `config` asks for that these operators don't compute."""
    if config.feature not in _FEATURES:
        yield f"feature {config.feature}"
    if config.like is Dialect.KALDI:
        yield f"like {config.like}"
    for field in _NOT_BUILT:
        if getattr(config, field):
            yield field


def features(builder: GraphBuilder, segments: str, config: FeatureConfig, *, length: int) -> str:
    """Segments (n, length) to tensors (n, frames, bins), for a config that is not `unsupported`."""
    count = config.n_frames(length)
    framed = frames(builder, segments, config, length=length)
    mel = mel_spectrum(builder, framed, config, count=count)
    if config.feature is Feature.MEL:
        return mel
    levels = _levels(builder, mel, config)
    if config.feature is Feature.LOGMEL:
        return levels
    return builder.node("MatMul", levels, builder.matrix(cepstral_basis(config)))


def _levels(builder: GraphBuilder, power: str, config: FeatureConfig) -> str:
    """Powers (n, frames, bins) in dB or nepers, floored at `top_db` below the maximum of each segment."""
    audible = builder.node("Max", power, builder.number(FLOORS[config.log]))
    levels = builder.node("Log", audible)
    db_per_neper = 10 / math.log(10)
    if config.log is Log.DB:
        levels = builder.node("Mul", levels, builder.number(db_per_neper))
    if config.top_db is None:
        return levels
    depth = config.top_db if config.log is Log.DB else config.top_db / db_per_neper
    loudest = builder.reduce("ReduceMax", levels, axes=(1, 2), keep=True)
    return builder.node("Max", levels, builder.node("Sub", loudest, builder.number(depth)))
