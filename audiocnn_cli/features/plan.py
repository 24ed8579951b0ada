"""What is computed from each recording, and what the axes of its tensor count."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audiocnn_cli.audio.load import WHOLE, Excerpt
from audiocnn_cli.audio.segments import Segmentation
from audiocnn_cli.errors import UsageError
from audiocnn_cli.features.config import Feature, FeatureConfig, Statistic, Unvoiced
from audiocnn_cli.features.extract import require_compatible
from audiocnn_cli.features.mel import bin_frequencies, mel_edges

_BIN_AXES = {
    Feature.WAVEFORM: "amplitude",
    Feature.STFT: "frequency",
    Feature.COMPLEX: "frequency",
    Feature.MEL: "mel",
    Feature.LOGMEL: "mel",
    Feature.PCEN: "mel",
    Feature.MFCC: "coefficient",
    Feature.CHROMA: "pitch_class",
    Feature.CONTRAST: "band",
    Feature.TONNETZ: "dimension",
}


@dataclass(frozen=True, slots=True)
class Plan:
    """All parameters of a run; together with a recording they determine every number.

    `configs` are alike in all but `feature`. With a `summary`, its statistics replace the frames.

    Raises:
        UsageError: features that can't stand side by side, a statistic that is named twice, or segments of
            less than a sample.
    """

    configs: tuple[FeatureConfig, ...]
    keep_channels: bool = False
    excerpt: Excerpt = WHOLE
    segmentation: Segmentation | None = None
    summary: tuple[Statistic, ...] = ()

    def __post_init__(self) -> None:
        require_compatible(self.configs)
        if len(set(self.summary)) < len(self.summary):
            raise UsageError(f"`summary` {','.join(self.summary)} names a statistic twice")
        length_s = self.segmentation.length_s if self.segmentation else None
        if length_s is not None and length_s * self.config.sample_rate < 1:
            shortest = f"one sample ({1 / self.config.sample_rate:.3g} s at {self.config.sample_rate} Hz)"
            raise UsageError(f"`segment` must be at least {shortest}, not {length_s}")

    @property
    def config(self) -> FeatureConfig:
        """What the features share."""
        return self.configs[0]

    @property
    def may_hold_nan(self) -> bool:
        """Whether frames may have no number, which statistics leave out."""
        return any(each.feature is Feature.F0 and each.unvoiced is Unvoiced.NAN for each in self.configs)

    @property
    def feature(self) -> str:
        """The names of the features, as the parameter `feature` has them."""
        return ",".join(config.feature for config in self.configs)


# Features whose few bins have names of their own.
_NAMED_BINS = {Feature.F0: ("f0_hz", "voicing")}


def axes(configs: Sequence[FeatureConfig]) -> tuple[str, str]:
    """What the two axes of (frames, bins) count, such as ("frame", "coefficient")."""
    first = "sample" if configs[0].feature is Feature.WAVEFORM else "frame"
    if len(configs) > 1:
        return first, "feature"
    return first, _BIN_AXES.get(configs[0].feature, "value")


def columns(configs: Sequence[FeatureConfig]) -> list[str]:
    """The name of each bin: `mfcc_0`, `mfcc_delta_0`, and `rms` alone where there is but one."""
    names = []
    for config in configs:
        orders = ["", "_delta", "_delta2"][: 1 + config.delta]
        several = config.feature in _BIN_AXES and config.feature is not Feature.WAVEFORM
        for order in orders:
            if config.feature in _NAMED_BINS:
                names += [f"{name}{order}" for name in _NAMED_BINS[config.feature]]
                continue
            stem = f"{config.feature}{order}"
            names += [f"{stem}_{i}" for i in range(config.base_bins)] if several else [stem]
    return names


def frequencies_hz(configs: Sequence[FeatureConfig]) -> NDArray[np.float64] | None:
    """The frequency of each bin in Hz, shape (bins,); None where the bins have none."""
    if len(configs) > 1 or configs[0].delta:
        return None
    if configs[0].feature in (Feature.STFT, Feature.COMPLEX):
        return bin_frequencies(configs[0])
    if configs[0].feature in (Feature.MEL, Feature.LOGMEL, Feature.PCEN):
        return mel_edges(configs[0])[1:-1]
    return None
