"""What is computed from each recording: features, the part of it, its segments, its summary."""

from dataclasses import dataclass

from audiocnn_cli.audio.load import WHOLE, Excerpt
from audiocnn_cli.errors import UsageError
from audiocnn_cli.features.config import FeatureConfig
from audiocnn_cli.features.extract import require_compatible
from audiocnn_cli.features.segments import Segmentation
from audiocnn_cli.features.terms import Statistic


@dataclass(frozen=True, slots=True)
class Plan:
    """The recipe for a whole run; together with a recording it decides every number.

    `configs` are alike in all but `feature`. With a `summary`, its statistics take the place of the frames.

    Raises:
        UsageError: features that can't stand side by side, or a statistic asked for twice.
    """

    configs: tuple[FeatureConfig, ...]
    keep_channels: bool = False
    excerpt: Excerpt = WHOLE
    segmentation: Segmentation | None = None
    summary: tuple[Statistic, ...] = ()

    def __post_init__(self) -> None:
        require_compatible(self.configs)
        if len(set(self.summary)) < len(self.summary):
            raise UsageError(f"summary {','.join(self.summary)} names a statistic twice")

    @property
    def config(self) -> FeatureConfig:
        """What the features share."""
        return self.configs[0]

    @property
    def feature(self) -> str:
        """The names of the features, as `--feature` takes them."""
        return ",".join(config.feature for config in self.configs)
