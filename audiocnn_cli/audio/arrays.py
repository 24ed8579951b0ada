"""Samples in memory as a source: what takes a recording also takes an array."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiocnn_cli.audio.sources import Source
from audiocnn_cli.errors import FailureKind, InputError, UsageError

# Floating-point audio may exceed full scale a little; beyond this it is integers that were converted.
_LARGEST_FLOAT = 100.0


@dataclass(frozen=True)
class ArraySource(Source):
    """Samples of shape (n,) or (n, channels) at `sample_rate` Hz, as `array_source` checks them."""

    samples: Any = field(default=None, compare=False, repr=False)
    sample_rate: int = 0


def array_source(samples: Any, *, sample_rate: int | None) -> ArraySource:
    """An array, or what NumPy makes one of, as a source.

    Args:
        samples: shape (n,) for mono or (n, channels); floating point with full scale at 1.0, or integers of
            any width, which are scaled by their own full scale (unsigned ones are centred first).
        sample_rate: of the samples, in Hz.

    Raises:
        UsageError: no sample rate, another shape or type, or floating-point samples beyond any full scale.
        InputError: there are no samples.
    """
    array = np.asarray(samples)
    if sample_rate is None:
        raise UsageError("an array has no sample rate: give `sample_rate` in Hz")
    if array.ndim not in (1, 2):
        raise UsageError(f"samples have the shape {array.shape}; give (n,) for mono, or (n, channels)")
    if array.dtype.kind not in "fiu":
        raise UsageError(f"samples are of type {array.dtype}; give floating point or integer samples")
    if not array.size:
        raise InputError("array", FailureKind.EMPTY, "holds no samples")
    if array.ndim == 2 and array.shape[1] > array.shape[0]:
        shape = f"samples have the shape {array.shape}, with more channels than samples"
        raise UsageError(f"{shape}: give (n, channels), as in samples.T")
    if array.dtype.kind == "f" and np.abs(array).max() > _LARGEST_FLOAT:
        reach = f"floating-point samples reach {np.abs(array).max():g}, and full scale is 1.0"
        raise UsageError(f"{reach}: give the integers themselves, or divide by their full scale")
    return ArraySource("array", samples=array, sample_rate=sample_rate)


class ArrayDecoder:
    """Decodes an array: float32 blocks of shape (n, channels)."""

    exact_length = True
    format = "array"

    def __init__(self, source: ArraySource) -> None:
        self._samples = source.samples.reshape(len(source.samples), -1)
        self.sample_rate = source.sample_rate
        self.frames, self.channels = self._samples.shape
        self.least_frames = self.frames
        self.messages: dict[str, None] = {}
        self.subtype = str(self._samples.dtype)
        self._position = 0

    def seek(self, frame: int) -> None:
        """Continue at that sample of each channel."""
        self._position = frame

    def read(self, frames: int) -> NDArray[np.float32]:
        """The next samples, shape (n, channels), n <= frames; none at the end."""
        block = self._samples[self._position : self._position + frames]
        self._position += len(block)
        return scaled(block)

    def close(self) -> None:
        """Nothing is open."""


def scaled(samples: NDArray[np.generic]) -> NDArray[np.float32]:
    """Samples as float32: integers divided by half the range of their type, unsigned ones centred at 0."""
    if samples.dtype.kind == "f":
        return samples.astype(np.float32)
    bits = 8 * samples.dtype.itemsize
    centre = 2.0 ** (bits - 1) if samples.dtype.kind == "u" else 0.0
    return ((samples.astype(np.float64) - centre) / 2.0 ** (bits - 1)).astype(np.float32)
