"""One recording's feature tensor, with what is needed to read it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from audiocnn_cli.audio.decode import AudioInfo
from audiocnn_cli.audio.load import load
from audiocnn_cli.audio.sources import Source
from audiocnn_cli.errors import InputError, SignalError
from audiocnn_cli.features.config import FeatureConfig
from audiocnn_cli.features.extract import extract

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class FeatureResult:
    """`data` of shape (frames, bins), float32, computed from `info.path` as `config` says."""

    info: AudioInfo
    config: FeatureConfig
    data: "NDArray[np.float32]"

    @property
    def axes(self) -> tuple[str, ...]:
        """What each axis of `data` counts."""
        return ("frame", self.config.bin_axis)

    @property
    def times_s(self) -> "NDArray[np.float64]":
        """The time of each frame in seconds: its middle when centred, else its start."""
        import numpy as np

        starts = np.arange(len(self.data), dtype=np.float64)
        return starts * (self.config.hop_length / self.config.sample_rate)


def extract_source(source: Source, config: FeatureConfig) -> FeatureResult:
    """Decode `source` and compute its features.

    Raises:
        InputError: the source can't be used.
    """
    signal = load(source, sample_rate=config.sample_rate)
    try:
        data = extract(signal.samples, config)
    except SignalError as error:
        raise InputError(source.path, error.kind, error.message) from error
    return FeatureResult(info=signal.info, config=config, data=data)
