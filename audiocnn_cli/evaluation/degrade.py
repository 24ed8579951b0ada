"""Degradations of recordings, each a pure function of mono samples at any rate.

All take float32 samples of shape (n,), their rate and a seed, which few depend on, and return as many
samples, aligned in time with the input.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from audiocnn_cli.audio.load import mix_down

Samples = NDArray[np.float32]

# The sample rates of MPEG-1, 2 and 2.5, and the bit-rate limits of each (ISO 11172-3, 13818-3).
_MP3_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
_MP3_KBIT_S = {32000: (32, 320), 16000: (8, 160), 8000: (8, 64)}
_BLOCK = 1 << 16


@dataclass(frozen=True, slots=True)
class Degradation:
    """A named degradation: `apply(samples, sample_rate, seed)`."""

    name: str
    title: str
    apply: Callable[[Samples, int, int], Samples]


def narrow_band(samples: Samples, sample_rate: int, _seed: int = 0, *, through: int) -> Samples:
    """Resample to `through` Hz and back: removes the frequencies above `through` / 2."""
    if through >= sample_rate:
        return samples
    copy = _resampled(samples, sample_rate, through)
    return _as_long_as(samples, _resampled(copy, through, sample_rate))


def as_mp3(samples: Samples, sample_rate: int, _seed: int = 0, *, kbit_s: int) -> Samples:
    """Encode as MP3 at a constant bit rate by libsndfile (LAME), and decode.

    A sample rate that MP3 lacks is resampled to the next higher one that it has, or to 48 kHz.
    """
    rate = next((each for each in _MP3_RATES if each >= sample_rate), _MP3_RATES[-1])
    copy = _resampled(samples, sample_rate, rate)
    if not len(copy):
        return np.zeros_like(samples)
    file = io.BytesIO(encode_mp3(copy, sample_rate=rate, kbit_s=kbit_s))
    return _as_long_as(samples, _resampled(soundfile.read(file, dtype="float32")[0], rate, sample_rate))


def encode_mp3(samples: Samples, *, sample_rate: int, kbit_s: int) -> bytes:
    """An MP3 file of a constant bit rate; `sample_rate` must be one of MP3's."""
    least, most = next(limits for lowest, limits in _MP3_KBIT_S.items() if sample_rate >= lowest)
    # libsndfile: 0 is the highest bit rate, just below 1 the lowest.
    level = min(0.999, (most - kbit_s) / (most - least))
    rate = {"bitrate_mode": "CONSTANT", "compression_level": level}
    file = io.BytesIO()
    with soundfile.SoundFile(file, "w", sample_rate, channels=1, format="MP3", **rate) as sound:
        for start in range(0, len(samples), _BLOCK):
            sound.write(samples[start : start + _BLOCK])
    return file.getvalue()


def gain(samples: Samples, _sample_rate: int = 0, _seed: int = 0, *, decibels: float) -> Samples:
    """Multiply the amplitude by `decibels` dB."""
    return samples * np.float32(10 ** (decibels / 20))


def white_noise(samples: Samples, _sample_rate: int = 0, seed: int = 0, *, snr_db: float) -> Samples:
    """Add Gaussian white noise whose power is `snr_db` below the mean power of the clip.

    The same seed gives the same noise.
    """
    power = float(np.mean(np.square(samples, dtype=np.float64)))
    amplitude = np.sqrt(power * 10 ** (-snr_db / 10))
    noise = np.random.default_rng(seed).standard_normal(len(samples), dtype=np.float32)
    return samples + np.float32(amplitude) * noise


def two_microphones(samples: Samples, sample_rate: int, _seed: int = 0) -> Samples:
    """Add a second channel, 6 dB softer and 0.5 ms late, and mix down: a comb filter."""
    delay = round(0.0005 * sample_rate)
    right = np.pad(samples, (delay, 0))[: len(samples)] / np.float32(2)
    return mix_down(np.stack([samples, right], axis=1))


# Module-level functions, because they are pickled for worker processes.
DEGRADATIONS = (
    Degradation("8khz", "8 kHz copy", partial(narrow_band, through=8000)),
    Degradation("mp3_64", "MP3 at 64 kbit/s", partial(as_mp3, kbit_s=64)),
    Degradation("gain_-20db", "-20 dB gain", partial(gain, decibels=-20)),
    Degradation("noise_20db", "white noise at 20 dB SNR", partial(white_noise, snr_db=20)),
    Degradation("noise_10db", "white noise at 10 dB SNR", partial(white_noise, snr_db=10)),
    Degradation("stereo", "stereo, mixed down", two_microphones),
)


def _resampled(samples: Samples, rate: int, target: int) -> Samples:
    return samples if rate == target else np.asarray(soxr.resample(samples, rate, target, quality="HQ"))


def _as_long_as(samples: Samples, other: Samples) -> Samples:
    """`other` cut or zero-padded to the length of `samples`."""
    return np.pad(other, (0, max(0, len(samples) - len(other))))[: len(samples)]
