"""What can be computed from a chunk of frames, each thing once however many features want it."""

import math
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

from audiocnn_cli.features.config import Dialect, FeatureConfig
from audiocnn_cli.features.mel import mel_blocks
from audiocnn_cli.features.windows import periodic_window, symmetric_window

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@lru_cache(maxsize=8)
def window(config: FeatureConfig) -> "NDArray[np.float32]":
    """The weights of a frame, shape (frame_length,): `win_length` samples centred in zeros."""
    import numpy as np

    length = config.effective_win_length
    if config.like is Dialect.KALDI:
        return np.asarray(symmetric_window(config.window, length), dtype=np.float32)
    before = (config.n_fft - length) // 2
    weights = periodic_window(config.window, length)
    return np.pad(weights, (before, config.n_fft - length - before)).astype(np.float32)


class Scratch:
    """Memory for what a chunk needs in passing, used again by the next chunk of the same extraction.

    Arrays of half a megabyte that come and go cost more in page faults than what is computed in them.
    """

    def __init__(self) -> None:
        self._memory: NDArray[np.float32] | None = None

    def array(self, *shape: int) -> "NDArray[np.float32]":
        """An array of that shape, holding anything; it is valid until the next call."""
        import numpy as np

        size = math.prod(shape)
        if self._memory is None or self._memory.size < size:
            self._memory = np.empty(size, dtype=np.float32)
        return self._memory[:size].reshape(shape)


class Chunk:
    """Some frames of a signal, and their spectra; all arrays are of shape (channels, frames, ...)."""

    def __init__(
        self, span: "NDArray[np.float32]", config: FeatureConfig, scratch: Scratch | None = None
    ) -> None:
        self.span = span
        self.config = config
        self._scratch = scratch or Scratch()

    @cached_property
    def frames(self) -> "NDArray[np.float32]":
        """The samples of each frame, (channels, frames, frame_length), a read-only view."""
        import numpy as np

        channels, samples = self.span.shape
        length, hop = self.config.frame_length, self.config.hop_length
        step = self.span.strides[-1]
        # What sliding_window_view does, in a tenth of its time.
        return np.lib.stride_tricks.as_strided(
            self.span,
            (channels, 1 + (samples - length) // hop, length),
            (self.span.strides[0], hop * step, step),
            writeable=False,
        )

    @cached_property
    def centred_frames(self) -> "NDArray[np.float32]":
        """The frames without their mean where `remove_dc` says so."""
        import numpy as np

        if not self.config.remove_dc:
            return self.frames
        means = self.frames.mean(axis=-1, keepdims=True, dtype=np.float32)
        centred: NDArray[np.float32] = np.subtract(self.frames, means)
        return centred

    def weighted_frames(self) -> "NDArray[np.float32]":
        """The frames under the window, pre-emphasised where asked for; valid until the scratch is next used."""
        import numpy as np

        frames = self.centred_frames
        if self.config.preemphasis:
            frames = _pre_emphasised(frames, self.config.preemphasis)
        return np.multiply(frames, window(self.config), out=self._scratch.array(*frames.shape))

    @cached_property
    def spectrum(self) -> "NDArray[np.complex64]":
        """The one-sided DFT of the weighted frames, (channels, frames, n_frequencies)."""
        from audiocnn_cli.features.fft import rfft

        return rfft(self.weighted_frames(), n=self.config.n_fft)

    @cached_property
    def power(self) -> "NDArray[np.float32]":
        """|DFT|^2, (channels, frames, n_frequencies)."""
        import numpy as np

        parts = self.spectrum.view(np.float32)
        squares = np.multiply(parts, parts, out=self._scratch.array(*parts.shape))
        power: NDArray[np.float32] = squares[..., 0::2] + squares[..., 1::2]
        return power

    @cached_property
    def magnitude(self) -> "NDArray[np.float32]":
        """|DFT|, (channels, frames, n_frequencies)."""
        import numpy as np

        return np.abs(self.spectrum)

    @cached_property
    def mel(self) -> "NDArray[np.float32]":
        """The power (or magnitude) spectrum through the mel filters, (channels, frames, n_mels)."""
        import numpy as np

        spectrum = self.magnitude if self.config.power == 1 else self.power
        mel = np.zeros((*spectrum.shape[:-1], self.config.n_mels), dtype=np.float32)
        for bins, bands, weights in mel_blocks(self.config):
            np.matmul(spectrum[..., bins], weights, out=mel[..., bands])
        return mel


def _pre_emphasised(frames: "NDArray[np.float32]", factor: float) -> "NDArray[np.float32]":
    """Each sample less `factor` times the one before it; the first one is its own predecessor."""
    import numpy as np

    before = np.concatenate([frames[..., :1], frames[..., :-1]], axis=-1)
    sharpened: NDArray[np.float32] = np.subtract(frames, before * np.float32(factor))
    return sharpened
