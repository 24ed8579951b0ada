"""Spectra of a chunk of frames, each computed once for all features that use it."""

import math
from functools import cached_property, lru_cache
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from audiocnn_cli.features.config import Dialect, Feature, FeatureConfig, Window
from audiocnn_cli.features.fft import rfft
from audiocnn_cli.features.mel import mel_product

# Weights of the cosines of 0, 1, 2 ... periods in the window, with alternating signs.
_COSINE_TERMS = {
    Window.HANN: (0.5, 0.5),
    Window.HAMMING: (0.54, 0.46),
    Window.BLACKMAN: (0.42, 0.5, 0.08),
    Window.BLACKMANHARRIS: (0.35875, 0.48829, 0.14128, 0.01168),
    Window.BOXCAR: (1.0,),
    Window.POVEY: (0.5, 0.5),
}
_POVEY_EXPONENT = 0.85
_BINS_LAST = (1, 2, 0)
# So far below the loudest value the errors of a transform in float32 change a level by less than 0.01 dB.
_FLOAT32_DB = 80.0


def needs_double(config: FeatureConfig) -> bool:
    """Whether spectra are computed in float64, and then rounded to float32 bin by bin.

    In float32 each bin errs by about 1e-7 of the largest one. It matters to features that take the logarithm
    of bins without a floor, or with a low one, or that divide each band by its own level: in a recording
    that was resampled to a higher rate the upper bins are below that error. Kaldi computes its levels, which
    have no such floor, in float32 as well.
    """
    if config.feature in (Feature.CONTRAST, Feature.FLATNESS, Feature.PCEN):
        return True
    levels = (
        config.feature in (Feature.LOGMEL, Feature.ONSET, Feature.MFCC) and config.like is not Dialect.KALDI
    )
    return levels and (config.top_db is None or config.top_db > _FLOAT32_DB)


@lru_cache(maxsize=8)
def window(config: FeatureConfig) -> NDArray[np.float32]:
    """The weights of a frame, shape (frame_length,): `win_length` samples centred in zeros."""
    return _window(config).astype(np.float32)


@lru_cache(maxsize=8)
def _window(config: FeatureConfig) -> NDArray[np.float64]:
    length = config.effective_win_length
    if config.like is Dialect.KALDI:  # symmetric: the last weight is the first
        return _cosine_sum(config.window, length, period=max(1, length - 1))
    before = (config.n_fft - length) // 2
    weights = _cosine_sum(config.window, length, period=length)  # `scipy.signal.get_window`
    return np.pad(weights, (before, config.n_fft - length - before))


def _cosine_sum(window: Window, length: int, *, period: int) -> NDArray[np.float64]:
    phase = 2.0 * np.pi * np.arange(length) / period
    weights = np.zeros(length)
    for k, term in enumerate(_COSINE_TERMS[window]):
        weights += (-1) ** k * term * np.cos(k * phase)
    if window is Window.POVEY:
        return np.maximum(weights, 0.0) ** _POVEY_EXPONENT
    return weights


class Scratch:
    """Buffers for the intermediate arrays of a chunk, used again by the next chunk and the next extraction.

    Allocating arrays of a megabyte for each chunk costs more in page faults than the computation itself.
    """

    _idle: ClassVar[list["Scratch"]] = []

    @classmethod
    def take(cls) -> "Scratch":
        """An unused one."""
        try:
            return cls._idle.pop()
        except IndexError:
            return cls()

    def give_back(self) -> None:
        """Return it for reuse; arrays from it must not be used any more."""
        self._idle.append(self)

    def __init__(self) -> None:
        self._memory: dict[str, NDArray[np.float32]] = {}

    def array(self, name: str, *shape: int) -> NDArray[np.float32]:
        """An array of that shape, holding anything; it is valid until the next call for that name."""
        size = math.prod(shape)
        memory = self._memory.get(name)
        if memory is None or memory.size < size:
            memory = self._memory[name] = np.empty(size, dtype=np.float32)
        return memory[:size].reshape(shape)


class Chunk:
    """Some frames of a signal, and their spectra; all arrays are of shape (channels, frames, ...).

    Behind the public views spectra lie in memory as (frequencies, channels, frames): so the sparse mel
    filters meet whole rows. What `spectrum` shows is overwritten by the next chunk.
    """

    def __init__(
        self, span: NDArray[np.float32], config: FeatureConfig, scratch: Scratch | None = None
    ) -> None:
        self.span = span
        self.config = config
        self._scratch = scratch or Scratch()

    @cached_property
    def frames(self) -> NDArray[np.float32]:
        """The samples of each frame, (channels, frames, frame_length), a read-only view."""
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
    def centred_frames(self) -> NDArray[np.float32]:
        """The frames, with their mean subtracted for `remove_dc`."""
        if not self.config.remove_dc:
            return self.frames
        return np.asarray(self.frames - self.frames.mean(axis=-1, keepdims=True, dtype=np.float32))

    @cached_property
    def weighted_frames(self) -> "NDArray[np.float32] | NDArray[np.float64]":
        """The frames times the window, after `preemphasis`; overwritten by the next chunk."""
        frames = self.centred_frames
        if self.config.preemphasis:
            frames = _pre_emphasised(frames, self.config.preemphasis)
        if not needs_double(self.config):
            weighted = self._scratch.array("weighted", *frames.shape)
            return np.multiply(frames, window(self.config), out=weighted)
        channels, count, length = frames.shape
        double = self._scratch.array("weighted", channels, count, 2 * length).view(np.float64)
        return np.multiply(frames, _window(self.config), out=double)

    @property
    def spectrum(self) -> NDArray[np.complex64]:
        """The one-sided DFT of the weighted frames, (channels, frames, n_frequencies)."""
        return self._spectrum.transpose(_BINS_LAST)

    @cached_property
    def power(self) -> NDArray[np.float32]:
        """|DFT|^2, (channels, frames, n_frequencies)."""
        return _pair_sums(self._squares).transpose(_BINS_LAST)

    @cached_property
    def magnitude(self) -> NDArray[np.float32]:
        """|DFT|, (channels, frames, n_frequencies)."""
        return np.abs(self.spectrum)

    @cached_property
    def mel(self) -> NDArray[np.float32]:
        """The power (or magnitude) spectrum through the mel filters, (channels, frames, n_mels)."""
        if self.config.power == 1:
            return self.mel_of_magnitudes
        # Squares of real and imaginary parts are added behind the filters, where there are fewer.
        return _pair_sums(self._filtered(self._squares)).transpose(_BINS_LAST)

    @cached_property
    def mel_of_magnitudes(self) -> NDArray[np.float32]:
        """The magnitude spectrum through the mel filters, (channels, frames, n_mels)."""
        return self._filtered(np.abs(self._spectrum)).transpose(_BINS_LAST)

    @property
    def pcen_mel(self) -> NDArray[np.float32]:
        """The mel spectrum that pcen normalises: of magnitudes, unless `power` is 2."""
        return self.mel if self.config.power == 2 else self.mel_of_magnitudes

    def _filtered(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """`rows` of shape (n_frequencies, channels, n) through the mel filters: (n_mels, channels, n)."""
        flat = rows.reshape(len(rows), -1)
        return mel_product(flat, self.config).reshape(-1, *rows.shape[1:])

    @cached_property
    def _spectrum(self) -> NDArray[np.complex64]:
        """Shape (n_frequencies, channels, frames)."""
        weighted = self.weighted_frames
        channels, count, _ = weighted.shape
        n_fft, bins = self.config.n_fft, self.config.n_frequencies
        spectrum = self._scratch.array("spectrum", bins, channels, 2 * count).view(np.complex64)
        bins_last = spectrum.transpose(_BINS_LAST)
        if weighted.dtype == np.float32:
            rfft(weighted, n=n_fft, out=bins_last)
        else:
            double = self._scratch.array("double", channels, count, 4 * bins).view(np.complex128)
            rfft(weighted, n=n_fft, out=double)
            bins_last[...] = double
        return spectrum

    @cached_property
    def _squares(self) -> NDArray[np.float32]:
        """Real and imaginary parts by turns, squared: (n_frequencies, channels, 2 * frames)."""
        parts = self._spectrum.view(np.float32)
        return np.multiply(parts, parts, out=self._scratch.array("squares", *parts.shape))


def _pair_sums(pairs: NDArray[np.float32]) -> NDArray[np.float32]:
    """Neighbours of the last axis added: half as many."""
    return np.asarray(pairs[..., 0::2] + pairs[..., 1::2], dtype=np.float32)


def _pre_emphasised(frames: NDArray[np.float32], factor: float) -> NDArray[np.float32]:
    """Each sample less `factor` times the one before it; the first one is its own predecessor."""
    before = np.concatenate([frames[..., :1], frames[..., :-1]], axis=-1)
    return np.asarray(np.subtract(frames, before * np.float32(factor)), dtype=np.float32)
