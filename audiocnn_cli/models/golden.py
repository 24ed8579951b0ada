"""The golden example: a fixed signal, and the numbers that a model must give for it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from audiocnn_cli.errors import ModelRefusedError
from audiocnn_cli.models.inference import infer
from audiocnn_cli.models.session import Model


@dataclass(frozen=True, slots=True)
class GoldenCheck:
    """The largest difference between expected and computed numbers."""

    difference: float
    tolerance: float

    @property
    def passed(self) -> bool:
        """Whether the difference is within the tolerance."""
        return self.difference <= self.tolerance

    def require(self, path: Path) -> None:
        """Refuse the model at `path` unless the check has passed.

        Raises:
            ModelRefusedError: it has not.
        """
        if not self.passed:
            raise ModelRefusedError(
                f"{path}: its golden example gives numbers that differ by {self.difference:.1e} from"
                f" those in its contract (at most {self.tolerance:g})"
            )


def golden_signal(*, sample_rate: int, duration_s: float) -> NDArray[np.float32]:
    """A chirp from 50 Hz to 0.45 of the rate that beats twice a second, with a click each half second.

    A formula instead of random numbers, so that it is the same on every machine. Shape (n,), within
    [-1, 1].
    """
    t = np.arange(round(sample_rate * duration_s)) / sample_rate
    low, high = 50.0, 0.45 * sample_rate
    phase = 2 * np.pi * (low * t + (high - low) * t**2 / (2 * duration_s))
    chirp = 0.4 * np.sin(phase) * (0.6 + 0.4 * np.sin(2 * np.pi * 2 * t))
    clicks = 0.5 * np.exp(-200.0 * (t % 0.5)) * np.cos(2 * np.pi * 1000.0 * t)
    return (chirp + clicks).astype(np.float32)


def golden_output(model: Model, *, duration_s: float) -> tuple[float, ...]:
    """The scores of the golden signal by the whole path: segments, features, graph, mean."""
    rate = model.contract.features.sample_rate
    signal = golden_signal(sample_rate=rate, duration_s=duration_s)
    return tuple(infer([signal], model).mean.tolist())


def check_golden(model: Model) -> GoldenCheck:
    """Run the golden example of `model` and compare."""
    golden = model.contract.golden
    found = np.array(golden_output(model, duration_s=golden.duration_s))
    return GoldenCheck(float(np.abs(found - golden.expected).max()), golden.tolerance)
