"""Classification: audio to segments, to scores, to a `Prediction` with labels, a timeline and events."""

from audiocnn_cli.classify.clip import classify
from audiocnn_cli.classify.ensemble import AutoModels, Ensemble
from audiocnn_cli.classify.options import ClassifyOptions, Thresholds
from audiocnn_cli.classify.prediction import (
    Candidate,
    Event,
    Prediction,
    SoundType,
    TimelineEntry,
    Unlabelled,
)

__all__ = [
    "AutoModels",
    "Candidate",
    "ClassifyOptions",
    "Ensemble",
    "Event",
    "Prediction",
    "SoundType",
    "Thresholds",
    "TimelineEntry",
    "Unlabelled",
    "classify",
]
