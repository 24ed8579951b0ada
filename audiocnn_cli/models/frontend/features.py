"""Segments of samples to feature tensors in ONNX: what `features.extract` does."""

import math

from audiocnn_cli.features.config import Feature, FeatureConfig
from audiocnn_cli.features.extract import dct_matrix
from audiocnn_cli.models.frontend.builder import GraphBuilder
from audiocnn_cli.models.frontend.spectrum import frames, mel_spectrum

# Powers below this are silence: -100 dB (librosa.power_to_db).
AMIN = 1e-10


def features(builder: GraphBuilder, segments: str, config: FeatureConfig, *, length: int) -> str:
    """Segments (n, length) to tensors (n, frames, bins)."""
    count = config.n_frames(length)
    framed = frames(builder, segments, config, length=length)
    mel = mel_spectrum(builder, framed, config, count=count)
    if config.feature is Feature.MEL:
        return mel
    decibels = _decibels(builder, mel, top_db=config.top_db)
    if config.feature is Feature.LOGMEL:
        return decibels
    return builder.node("MatMul", decibels, builder.matrix(dct_matrix(config)))


def _decibels(builder: GraphBuilder, power: str, *, top_db: float | None) -> str:
    """10 log10 of powers (n, frames, bins), floored at `top_db` below the maximum of each segment."""
    audible = builder.node("Max", power, builder.number(AMIN))
    logarithm = builder.node("Log", audible)
    decibels = builder.node("Mul", logarithm, builder.number(10 / math.log(10)))
    if top_db is None:
        return decibels
    loudest = builder.reduce("ReduceMax", decibels, axes=(1, 2), keep=True)
    return builder.node("Max", decibels, builder.node("Sub", loudest, builder.number(top_db)))
