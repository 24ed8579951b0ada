"""Samples to a feature tensor, block by block."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from audiocnn_cli.audio.decode import require_finite
from audiocnn_cli.errors import FailureKind, SignalError, UsageError
from audiocnn_cli.features import cepstrum, chroma, descriptors, f0, onset, pcen
from audiocnn_cli.features.config import Feature, FeatureConfig
from audiocnn_cli.features.delta import with_deltas
from audiocnn_cli.features.frames import Framer
from audiocnn_cli.features.over_time import OverTime
from audiocnn_cli.features.spectrum import Chunk, Scratch, needs_double
from audiocnn_cli.features.spool import Spool

# Imported by decoding and extracting; none starts threads, so a batch imports them before it forks.
DECODE_AND_EXTRACT = ("soundfile", "soxr", "audiocnn_cli.features.fft", "audiocnn_cli.features.mel")
# Their axes differ from those of the others.
ALONE = frozenset({Feature.WAVEFORM, Feature.COMPLEX})
_TUNED = frozenset({Feature.CHROMA, Feature.TONNETZ})


@dataclass(frozen=True, slots=True)
class Kind:
    """How one feature is computed.

    `measure` turns a chunk into raw columns, (channels, frames, n). `finish`, where there is one, floors
    them at `top_db` below the clip's maximum and turns them into bins, (..., bins); its second argument
    is the largest value of each raw column in the whole clip, shape (n,). `over_time`, where there is one,
    makes for each recording what turns the frames, in their order, into the bins.
    """

    measure: Callable[[Chunk], NDArray[np.float32]]
    finish: (
        Callable[[NDArray[np.float32], NDArray[np.float32], FeatureConfig], NDArray[np.float32]] | None
    ) = None
    over_time: Callable[[FeatureConfig], OverTime] | None = None


KINDS: dict[Feature, Kind] = {
    Feature.WAVEFORM: Kind(lambda chunk: chunk.span[..., None]),
    Feature.STFT: Kind(lambda chunk: chunk.power if chunk.config.power == 2 else chunk.magnitude),
    Feature.COMPLEX: Kind(lambda chunk: chunk.spectrum.copy().view(chunk.span.dtype)),
    Feature.MEL: Kind(lambda chunk: chunk.mel),
    Feature.LOGMEL: Kind(cepstrum.log_mel, cepstrum.floored),
    Feature.PCEN: Kind(pcen.scaled_mel, over_time=pcen.Normalised),
    Feature.MFCC: Kind(cepstrum.log_mel_and_energy, cepstrum.cepstrum),
    Feature.CHROMA: Kind(chroma.chroma),
    Feature.TONNETZ: Kind(chroma.tonnetz),
    Feature.CONTRAST: Kind(descriptors.valleys_and_peaks, descriptors.contrast),
    Feature.ZCR: Kind(descriptors.zero_crossing_rate),
    Feature.RMS: Kind(descriptors.root_mean_square),
    Feature.CENTROID: Kind(descriptors.spectral_centroid),
    Feature.BANDWIDTH: Kind(descriptors.spectral_bandwidth),
    Feature.ROLLOFF: Kind(descriptors.spectral_rolloff),
    Feature.FLATNESS: Kind(descriptors.spectral_flatness),
    Feature.ONSET: Kind(cepstrum.log_mel, cepstrum.floored, onset.SpectralFlux),
    Feature.F0: Kind(f0.estimates, over_time=f0.over_time),
}


def extract(samples: NDArray[np.float32], config: FeatureConfig) -> NDArray[np.float32]:
    """The feature tensor of `samples` at `config.sample_rate`, float32.

    Args:
        samples: (n,) for mono, or (n, channels).
        config: what to compute.

    Returns:
        Shape (frames, bins); (frames, bins, channels) for samples with channels. The kind `complex` has
        real and imaginary part as two channels.

    Raises:
        SignalError: there are too few samples for one frame, or numbers beyond what float32 holds.
    """
    return extract_blocks([samples], tuned([samples], [config]))


def extract_blocks(
    blocks: Iterable[NDArray[np.float32]], configs: Sequence[FeatureConfig]
) -> NDArray[np.float32]:
    """As `extract`, for samples that come in blocks, with the bins of several features side by side.

    The result does not depend on the sizes of the blocks. Memory is bounded: a large result is mapped from a
    temporary file.

    Args:
        blocks: arrays of shape (n,) or (n, channels), n of any size.
        configs: alike in all but `feature`; for chroma and tonnetz with a tuning, as `tuned` gives it.

    Raises:
        SignalError: as `extract`.
        UsageError: features that can't stand side by side.
    """
    extraction = Extraction(configs)
    for block in blocks:
        extraction.push(block)
    return extraction.finish()


def tuned(
    blocks: Iterable[NDArray[np.float32]], configs: Sequence[FeatureConfig]
) -> tuple[FeatureConfig, ...]:
    """`configs` with the tuning of the recording, where a feature needs one and they give none.

    Only then are the blocks read: a recording is decoded a second time for it.
    """
    for config in configs:
        if needs_tuning([config]):
            tuning = chroma.estimate_tuning(_chunks(blocks, config), config)
            return tuple(replace(each, tuning=tuning) for each in configs)
    return tuple(configs)


def needs_tuning(configs: Sequence[FeatureConfig]) -> bool:
    """Whether a feature needs the tuning of the recording, and none is given."""
    return any(config.feature in _TUNED and config.tuning is None for config in configs)


def _chunks(blocks: Iterable[NDArray[np.float32]], config: FeatureConfig) -> Iterator[Chunk]:
    framer = Framer(config.framing)
    for block in blocks:
        for span in framer.push(_channels_first(block, config)):
            yield Chunk(span, config)
    for span in framer.finish():
        yield Chunk(span, config)


def _channels_first(block: NDArray[np.float32], config: FeatureConfig) -> NDArray[np.float32]:
    samples = np.asarray(block, dtype=np.float32)
    rows = samples[None, :] if samples.ndim == 1 else np.ascontiguousarray(samples.T)
    return rows if config.sample_scale == 1.0 else rows * np.float32(config.sample_scale)


class Extraction:
    """Computes the features of one signal that is pushed in block by block."""

    def __init__(self, configs: Sequence[FeatureConfig]) -> None:
        require_compatible(configs)
        self._configs = tuple(configs)
        self._collectors = [_Collector(config) for config in configs]
        self._framers = {config.framing: Framer(config.framing) for config in configs}
        # A chunk, and so a spectrum, for all features of the same framing and precision.
        self._chunk_configs = {(config.framing, needs_double(config)): config for config in configs}
        self._samples = 0
        self._mono = True

    def push(self, block: NDArray[np.float32]) -> None:
        """Take the next samples, shape (n,) or (n, channels).

        Raises:
            SignalError: a sample is NaN or infinite.
        """
        require_finite(block, start=self._samples, sample_rate=self._configs[0].sample_rate)
        self._samples += len(block)
        self._mono = block.ndim == 1
        rows = _channels_first(block, self._configs[0])
        self._collect(framer.push(rows) for framer in self._framers.values())

    def finish(self) -> NDArray[np.float32]:
        """The features, once the signal has ended: (frames, bins), or (frames, bins, channels).

        Raises:
            SignalError: there were too few samples for one frame, or numbers beyond what float32 holds.
        """
        framing = self._configs[0].framing
        if framing.n_frames(self._samples) < 1:
            cause = f"{self._samples} samples are less than one frame of {framing.length}"
            message = f"{cause}; use centred frames or a smaller `n_fft`"
            raise SignalError(FailureKind.TOO_SHORT, message)
        self._collect(framer.finish() for framer in self._framers.values())
        tensors = [collector.finish() for collector in self._collectors]
        data = tensors[0] if len(tensors) == 1 else _side_by_side(tensors)
        keeps_channels = not self._mono or self._configs[0].feature is Feature.COMPLEX
        return data if keeps_channels else data[..., 0]

    def _collect(self, framed: Iterable[Iterator[NDArray[np.float32]]]) -> None:
        # Framings differ in their padding only, so their chunks are complete at the same time.
        for step in zip(*framed, strict=True):
            # Returned after each step, since thousands of overlapping segments may be open.
            scratches = [Scratch.take() for _ in self._chunk_configs]
            spans = dict(zip(self._framers, step, strict=True))
            chunks = {
                key: Chunk(spans[key[0]], config, scratch)
                for (key, config), scratch in zip(self._chunk_configs.items(), scratches, strict=True)
            }
            for collector in self._collectors:
                collector.add(chunks[collector.chunk_key])
            for scratch in scratches:
                scratch.give_back()


def require_compatible(configs: Sequence[FeatureConfig]) -> None:
    """Check that features can be computed from the same frames.

    Raises:
        UsageError: they can't be computed side by side.
    """
    features = [config.feature for config in configs]
    for feature in features:
        if len(features) > 1 and (feature in ALONE or features.count(feature) > 1):
            raise UsageError(f"{feature} can't stand beside other features; compute it alone, once")


class _Collector:
    """The rows of one feature."""

    def __init__(self, config: FeatureConfig) -> None:
        self.chunk_key = (config.framing, needs_double(config))
        self._config = config
        self._kind = KINDS[config.feature]
        self._deferred = self._kind.finish is not None and config.top_db is not None
        self._over_time = self._kind.over_time(config) if self._kind.over_time is not None else None
        self._raw = Spool()
        self._maxima: NDArray[np.float32] | None = None

    def add(self, chunk: Chunk) -> None:
        with np.errstate(over="ignore", invalid="ignore"):
            raw = self._kind.measure(chunk)
            maxima = raw.max(axis=(0, 1))
            # A NaN anywhere is a NaN in its column's maximum, and nothing here is -inf.
            if not np.isfinite(maxima).all():
                cause = f"samples of up to {np.abs(chunk.span).max():g} are too large; scale them to [-1, 1]"
                message = f"{self._config.feature} is not finite: {cause}"
                raise SignalError(FailureKind.NON_FINITE, message)
        if not self._deferred:
            self._raw.append(self._bins(raw.swapaxes(0, 1), maxima))
            return
        self._maxima = maxima if self._maxima is None else np.maximum(maxima, self._maxima)
        self._raw.append(raw.swapaxes(0, 1))

    def finish(self) -> NDArray[np.float32]:
        """Shape (frames, bins, channels)."""
        finished = self._raw
        if self._deferred:
            finished = Spool()
            for rows in self._raw.blocks():
                finished.append(self._bins(rows, self._maxima))
        if self._over_time is not None and (rest := self._over_time.finish()) is not None:
            finished.append(rest.swapaxes(1, 2))
        data = finished.array()
        return with_deltas(data, self._config) if self._config.delta else data

    def _bins(self, raw: NDArray[np.float32], maxima: NDArray[np.float32] | None) -> NDArray[np.float32]:
        """Raw columns (frames, channels, n) to (frames, bins, channels)."""
        if self._kind.finish is not None and maxima is not None:
            raw = self._kind.finish(raw, maxima, self._config)
        if self._over_time is not None:
            raw = self._over_time.push(raw)
        if self._config.feature is Feature.COMPLEX:
            frames, channels, _ = raw.shape
            pairs = raw.reshape(frames, channels, -1, 2).swapaxes(1, 2)
            return pairs.reshape(frames, -1, 2 * channels)
        return raw.swapaxes(1, 2)


def _side_by_side(tensors: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    spool = Spool()
    step = 1 << 14
    for start in range(0, len(tensors[0]), step):
        spool.append(np.concatenate([each[start : start + step] for each in tensors], axis=1))
    return spool.array()
