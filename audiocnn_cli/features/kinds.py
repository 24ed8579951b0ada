"""How each feature is computed: from chunks of frames, and from the maxima of the whole clip."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audiocnn_cli.features import cepstrum, chroma, descriptors
from audiocnn_cli.features.config import Feature, FeatureConfig
from audiocnn_cli.features.spectrum import Chunk

Measure = Callable[[Chunk], NDArray[np.float32]]
Finish = Callable[[NDArray[np.float32], NDArray[np.float32], FeatureConfig], NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Kind:
    """How one feature is computed.

    `measure` turns a chunk into raw columns, (channels, frames, n). `finish`, where there is one, floors
    them at `top_db` below the clip's maximum and turns them into bins, (..., bins); its second argument
    is the largest value of each raw column in the whole clip, shape (n,).
    """

    measure: Measure
    finish: Finish | None = None


def _samples(chunk: Chunk) -> NDArray[np.float32]:
    return chunk.span[..., None]


def _stft(chunk: Chunk) -> NDArray[np.float32]:
    return chunk.power if chunk.config.power == 2 else chunk.magnitude


def _complex(chunk: Chunk) -> NDArray[np.float32]:
    return chunk.spectrum.copy().view(chunk.span.dtype)


def _mel(chunk: Chunk) -> NDArray[np.float32]:
    return chunk.mel


KINDS: dict[Feature, Kind] = {
    Feature.WAVEFORM: Kind(_samples),
    Feature.STFT: Kind(_stft),
    Feature.COMPLEX: Kind(_complex),
    Feature.MEL: Kind(_mel),
    Feature.LOGMEL: Kind(cepstrum.log_mel, cepstrum.floored),
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
}
