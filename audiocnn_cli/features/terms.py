"""Choices beyond a FeatureConfig that the command line offers by name."""

from enum import StrEnum


class TailPolicy(StrEnum):
    """What happens to the samples behind the last whole segment."""

    DROP = "drop"
    PAD = "pad"
    KEEP = "keep"


class Statistic(StrEnum):
    """What the frames of each bin are summarised by."""

    MEAN = "mean"
    STD = "std"
    MIN = "min"
    MAX = "max"
    MEDIAN = "median"
