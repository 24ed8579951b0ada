"""One number a frame: crossings, loudness, and where in the spectrum the sound is.

Numbers equal those of `librosa.feature`. Sources: Peeters, A large set of audio features (2004); Klapuri and
Davy, Signal processing methods for music transcription, ch. 5 (2006); Dubnov, Generalization of spectral
flatness measure (2004). All functions give (channels, frames, 1).
"""

from typing import TYPE_CHECKING

from audiocnn_cli.features.mel import bin_frequencies

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from audiocnn_cli.features.spectrum import Chunk

# Smaller samples count as zero, and zero as positive.
_CROSSING_THRESHOLD = 1e-10
_FLATNESS_FLOOR = 1e-10


def zero_crossing_rate(chunk: "Chunk") -> "NDArray[np.float32]":
    """The fraction of neighbouring samples in a frame whose signs differ, 0 to 1."""
    import numpy as np

    negative = chunk.span < -_CROSSING_THRESHOLD
    crossings = np.cumsum(negative[:, 1:] != negative[:, :-1], axis=-1, dtype=np.int64)
    counted = np.pad(crossings, ((0, 0), (1, 0)))
    starts = np.arange(chunk.frames.shape[1]) * chunk.config.hop_length
    counts = counted[:, starts + chunk.config.frame_length - 1] - counted[:, starts]
    result: NDArray[np.float32] = (counts / chunk.config.frame_length).astype(np.float32)[..., None]
    return result


def root_mean_square(chunk: "Chunk") -> "NDArray[np.float32]":
    """The root of the mean of the squared samples of a frame, not weighted by the window."""
    import numpy as np

    energy = np.einsum("cfs,cfs->cf", chunk.frames, chunk.frames)
    result: NDArray[np.float32] = np.sqrt(energy / np.float32(chunk.config.frame_length))[..., None]
    return result


def spectral_centroid(chunk: "Chunk") -> "NDArray[np.float32]":
    """The mean frequency of a frame, weighted by magnitude, in Hz; 0 for silence."""
    import numpy as np

    result: NDArray[np.float32] = (_shares(chunk) @ bin_frequencies(chunk.config)[:, None]).astype(
        np.float32
    )
    return result


def spectral_bandwidth(chunk: "Chunk") -> "NDArray[np.float32]":
    """The standard deviation of the frequencies of a frame, weighted by magnitude, in Hz."""
    import numpy as np

    shares = _shares(chunk)
    frequencies = bin_frequencies(chunk.config)
    centroid = shares @ frequencies[:, None]
    variance = (shares * (frequencies - centroid) ** 2).sum(axis=-1, keepdims=True)
    result: NDArray[np.float32] = np.sqrt(variance).astype(np.float32)
    return result


def spectral_rolloff(chunk: "Chunk") -> "NDArray[np.float32]":
    """The frequency in Hz below which `roll_percent` of a frame's magnitude lies."""
    import numpy as np

    total = np.cumsum(chunk.magnitude, axis=-1)
    reached = total >= np.float32(chunk.config.roll_percent) * total[..., -1:]
    frequencies = bin_frequencies(chunk.config)[reached.argmax(axis=-1)]
    result: NDArray[np.float32] = frequencies.astype(np.float32)[..., None]
    return result


def spectral_flatness(chunk: "Chunk") -> "NDArray[np.float32]":
    """The geometric over the arithmetic mean of a frame's power: 1 for noise, 0 for a tone."""
    import numpy as np

    power = np.maximum(chunk.power, np.float32(_FLATNESS_FLOOR))
    geometric = np.exp(np.log(power).mean(axis=-1, keepdims=True, dtype=np.float64))
    arithmetic = power.mean(axis=-1, keepdims=True, dtype=np.float64)
    result: NDArray[np.float32] = (geometric / arithmetic).astype(np.float32)
    return result


def _shares(chunk: "Chunk") -> "NDArray[np.float64]":
    """Each bin's part of the frame's magnitude; all 0 for silence."""
    import numpy as np

    magnitude = chunk.magnitude.astype(np.float64)
    total = magnitude.sum(axis=-1, keepdims=True)
    return magnitude / np.where(total < np.finfo(np.float32).tiny, 1.0, total)
