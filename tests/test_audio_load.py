"""`load` gives what `librosa.load` gives, for any rate, channel count and sample format."""

from collections.abc import Callable
from pathlib import Path

import librosa
import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from audiocnn_cli.audio.decode import open_audio
from audiocnn_cli.audio.load import load
from audiocnn_cli.audio.resample import resample_blocks
from audiocnn_cli.audio.sources import Source

MakeWav = Callable[..., Path]


def noise(samples: int, channels: int = 1) -> NDArray[np.float64]:
    values = 0.1 * np.random.default_rng(samples + channels).standard_normal((samples, channels))
    return values[:, 0] if channels == 1 else values


@pytest.mark.parametrize("sample_rate", [None, 8000, 16000, 22050, 44100])
@pytest.mark.parametrize(("rate", "channels"), [(8000, 1), (22050, 2), (44100, 6), (192000, 2)])
def test_equals_librosa(rate: int, channels: int, sample_rate: int | None, make_wav: MakeWav) -> None:
    path = make_wav(samples=noise(12345, channels), rate=rate)
    signal = load(Source(str(path)), sample_rate=sample_rate)
    expected, expected_rate = librosa.load(path, sr=sample_rate)
    assert signal.sample_rate == expected_rate
    assert signal.samples.dtype == np.float32
    assert signal.samples.shape == expected.shape
    np.testing.assert_allclose(signal.samples, expected, atol=1e-6)


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
def test_reads_every_sample_format(subtype: str, make_wav: MakeWav) -> None:
    samples = noise(3000)
    signal = load(Source(str(make_wav(samples=samples, subtype=subtype))))
    np.testing.assert_allclose(signal.samples, samples, atol=2**-7 if subtype == "PCM_U8" else 1e-4)


@pytest.mark.parametrize("suffix", [".flac", ".ogg", ".mp3", ".aiff", ".au", ".caf", ".w64"])
def test_reads_what_libsndfile_reads(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"clip{suffix}"
    soundfile.write(path, noise(44100, 2), 44100)
    signal = load(Source(str(path)), sample_rate=22050)
    expected, _ = librosa.load(path, sr=22050)
    np.testing.assert_allclose(signal.samples, expected, atol=1e-6)


@pytest.mark.parametrize("samples", [1, 2, 7, 100, 5000])
@pytest.mark.parametrize(("source_rate", "sample_rate"), [(1, 2205), (48000, 22050), (7, 5)])
def test_resampled_length_is_rounded_up(source_rate: int, sample_rate: int, samples: int) -> None:
    blocks = iter(np.array_split(np.ones(samples, dtype=np.float32), min(samples, 3)))
    resampled = list(resample_blocks(blocks, source_rate=source_rate, sample_rate=sample_rate))
    assert sum(map(len, resampled)) == -(-samples * sample_rate // source_rate)


@pytest.mark.parametrize("block_samples", [1, 77, 1000, 1 << 20])
def test_blocks_hold_the_whole_file_in_order(block_samples: int, make_wav: MakeWav) -> None:
    path = make_wav(samples=noise(1001, 2), subtype="FLOAT")
    with open_audio(Source(str(path))) as reader:
        blocks = list(reader.blocks(block_samples=block_samples))
    assert max(map(len, blocks)) <= max(1, block_samples // 2)
    np.testing.assert_array_equal(np.concatenate(blocks), soundfile.read(path, dtype="float32")[0])


@pytest.mark.parametrize("rate", [50, 768000])
def test_extreme_rates_are_read(rate: int, make_wav: MakeWav) -> None:
    signal = load(Source(str(make_wav(samples=noise(50), rate=rate))), sample_rate=8000)
    assert len(signal.samples) == -(-50 * 8000 // rate)


def test_more_than_memory_may_hold_is_refused(make_wav: MakeWav) -> None:
    path = make_wav(samples=noise(60_000), rate=50)
    with pytest.raises(Exception, match="and 1073741824 are held at once"):
        load(Source(str(path)), sample_rate=1_000_000)
