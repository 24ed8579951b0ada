"""Degradations against SciPy: what is left of a signal, and what was put into it."""

import io
from collections.abc import Callable

import numpy as np
import pytest
import scipy.signal
import soundfile
from numpy.typing import NDArray

from audiocnn_cli.evaluation.degrade import (
    DEGRADATIONS,
    as_mp3,
    encode_mp3,
    gain,
    narrow_band,
    two_microphones,
    white_noise,
)

RATES = (8000, 11025, 16000, 22050, 44100, 48000, 96000)


def sound(rate: int, *, seconds: float = 2.0, seed: int = 0) -> NDArray[np.float32]:
    """Noise below 3 kHz that beats: nothing that a codec or a narrow band takes away."""
    random = np.random.default_rng(seed)
    samples = random.standard_normal(int(rate * seconds))
    low = scipy.signal.sosfilt(scipy.signal.butter(8, 3000, fs=rate, output="sos"), samples)
    beat = 1 + 0.5 * np.sin(2 * np.pi * 3 * np.arange(len(low)) / rate)
    return (0.1 * low * beat).astype(np.float32)


def power_in(samples: NDArray[np.float32], rate: int, low: float, high: float) -> float:
    frequencies, density = scipy.signal.welch(samples, rate, nperseg=2048)
    band = (frequencies >= low) & (frequencies < high)
    return float(scipy.integrate.trapezoid(density[band], frequencies[band]))


@pytest.mark.parametrize("rate", [16000, 22050, 44100])
def test_an_8_khz_copy_has_nothing_above_4_khz(rate: int) -> None:
    white = (0.1 * np.random.default_rng(1).standard_normal(2 * rate)).astype(np.float32)
    copy = narrow_band(white, sample_rate=rate, through=8000)
    assert power_in(copy, rate, 4100, rate / 2) < 1e-6 * power_in(white, rate, 4100, rate / 2)
    kept = power_in(copy, rate, 100, 3500) / power_in(white, rate, 100, 3500)
    assert kept == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("rate", [4000, 8000])
def test_a_narrow_copy_of_a_narrow_recording_is_the_same(rate: int) -> None:
    samples = np.ones(100, dtype=np.float32)
    assert narrow_band(samples, sample_rate=rate, through=8000) is samples


@pytest.mark.parametrize("rate", RATES)
def test_mp3_stays_in_step_and_in_kind(rate: int) -> None:
    samples = sound(rate)
    decoded = as_mp3(samples, sample_rate=rate, kbit_s=64)
    middle = slice(rate // 4, -rate // 4)
    lags = scipy.signal.correlate(decoded[middle], samples[middle])
    assert abs(int(lags.argmax()) - (len(samples[middle]) - 1)) <= 1
    assert np.corrcoef(decoded[middle], samples[middle])[0, 1] > 0.9
    assert not np.array_equal(decoded, samples)


@pytest.mark.parametrize("rate", [rate for rate in RATES if rate <= 48000])
@pytest.mark.parametrize("kbit_s", [32, 64])
def test_mp3_has_the_requested_bit_rate(rate: int, kbit_s: int) -> None:
    file = encode_mp3(sound(rate, seconds=10), sample_rate=rate, kbit_s=kbit_s)
    assert len(file) * 8 / 10 == pytest.approx(1000 * kbit_s, rel=0.07)
    assert soundfile.info(io.BytesIO(file)).samplerate == rate


@pytest.mark.parametrize("snr_db", [20.0, 10.0, -3.0])
def test_noise_is_white_and_has_the_requested_level(snr_db: float) -> None:
    samples = sound(16000, seconds=5)
    noise = white_noise(samples, snr_db=snr_db, seed=7) - samples
    ratio = 10 * np.log10(np.mean(samples.astype(float) ** 2) / np.mean(noise.astype(float) ** 2))
    assert ratio == pytest.approx(snr_db, abs=0.1)
    halves = power_in(noise, 16000, 0, 4000) / power_in(noise, 16000, 4000, 8000)
    assert halves == pytest.approx(1, abs=0.05)


def test_noise_depends_on_the_seed_alone() -> None:
    samples = sound(8000)
    first = white_noise(samples, snr_db=10, seed=3)
    white_noise(samples, snr_db=10, seed=4)
    assert np.array_equal(first, white_noise(samples, snr_db=10, seed=3))
    assert not np.array_equal(first, white_noise(samples, snr_db=10, seed=4))


def test_gain() -> None:
    samples = sound(8000)
    np.testing.assert_allclose(gain(samples, decibels=-20), samples / 10, rtol=1e-6)


def test_two_microphones_are_a_comb_filter() -> None:
    impulse = np.zeros(4000, dtype=np.float32)
    impulse[0] = 1
    found = np.fft.rfft(two_microphones(impulse, sample_rate=8000))
    _, expected = scipy.signal.freqz([0.5, 0, 0, 0, 0.25], worN=len(found), include_nyquist=True)
    np.testing.assert_allclose(found, expected, atol=1e-6)


SIGNALS: dict[str, Callable[[int], NDArray[np.float32]]] = {
    "sound": lambda n: sound(22050)[:n],
    "silence": lambda n: np.zeros(n, dtype=np.float32),
    "loud": lambda n: 3 * np.sign(sound(22050))[:n],
}


@pytest.mark.parametrize("degradation", DEGRADATIONS, ids=lambda each: each.name)
@pytest.mark.parametrize("signal", SIGNALS)
@pytest.mark.parametrize("n", [1, 100, 3001])
@pytest.mark.parametrize("rate", [8000, 22050, 192000])
def test_as_many_finite_samples_as_before(degradation: object, signal: str, n: int, rate: int) -> None:
    samples = SIGNALS[signal](n)
    before = samples.copy()
    found = degradation.apply(samples, rate, 5)  # type: ignore[attr-defined]  # pytest gives objects
    assert (found.shape, found.dtype) == (samples.shape, np.float32)
    assert np.isfinite(found).all()
    assert np.array_equal(samples, before)
