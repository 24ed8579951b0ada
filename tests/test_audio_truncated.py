"""Files shorter than their headers state, headers that state no length, and rates that no recording has."""

import io
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from audiocnn_cli.audio.containers import OpenFile, missing_bytes
from audiocnn_cli.audio.decode import open_audio
from audiocnn_cli.audio.load import Excerpt, load
from audiocnn_cli.audio.resample import Resampler
from audiocnn_cli.audio.sources import Source
from audiocnn_cli.errors import InputError
from tests.conftest import Finished
from tests.flac_files import flac_file, flac_frames

Run = Callable[..., Finished]
MakeWav = Callable[..., Path]
RATE = 22050
CONTAINERS = {
    "WAV": ("PCM_16", "PCM_24", "FLOAT"),
    "WAVEX": ("PCM_16",),
    "RF64": ("PCM_16", "PCM_24"),
    "W64": ("PCM_16", "DOUBLE"),
    "AIFF": ("PCM_16", "FLOAT"),
    "AU": ("PCM_16", "ULAW"),
    "CAF": ("PCM_16", "PCM_24"),
    "NIST": ("PCM_16",),
    "SVX": ("PCM_16",),
    "VOC": ("PCM_16",),
    "FLAC": ("PCM_16",),
    "OGG": ("VORBIS", "OPUS"),
}


def noise(seconds: float = 2.0, channels: int = 2) -> NDArray[np.float64]:
    shape = (round(seconds * RATE), channels)
    return np.asarray(0.1 * np.random.default_rng(2).standard_normal(shape))


@pytest.mark.parametrize(
    ("format", "subtype"), [(each, subtype) for each, all in CONTAINERS.items() for subtype in all]
)
def test_a_truncated_file_is_refused(format: str, subtype: str, run: Run, tmp_path: Path) -> None:
    path = tmp_path / "x.sound"
    rate = 24000 if subtype == "OPUS" else RATE
    samples = noise(channels=1) if format in ("SVX", "VOC") else noise()
    soundfile.write(path, samples, rate, format=format, subtype=subtype)
    data = path.read_bytes()
    assert run("features", path).exit_code == 0
    assert run("features", "-", stdin=data).exit_code == 0
    for size in (len(data) - 100, len(data) * 6 // 10):
        path.write_bytes(data[:size])
        finished = run("features", path, "--json")
        assert finished.exit_code == 3
        (failure,) = finished.document["failures"]
        assert failure["kind"] == "corrupt", failure
        if format not in ("OGG", "VOC"):  # of these libsndfile reads no length from a pipe
            (failure,) = run("features", "-", "--json", stdin=data[:size]).document["failures"]
            assert failure["kind"] == "corrupt", failure


@pytest.mark.parametrize("format", ["WAV", "RF64", "W64", "AIFF", "AU", "CAF"])
def test_the_missing_bytes_are_counted(format: str) -> None:
    stream = io.BytesIO()
    soundfile.write(stream, noise(), RATE, format=format, subtype="PCM_16")
    data = stream.getvalue()
    # libsndfile may pad or add chunks behind the samples.
    behind = len(data) - data.rindex(soundfile_bytes(format)) - len(soundfile_bytes(format))
    for missing in (0, 1, 5000):
        size = len(data) - behind - missing
        file = OpenFile(io.BytesIO(data[:size]), size, data[:1024])
        assert missing_bytes(file) == missing


def soundfile_bytes(format: str) -> bytes:
    """The samples as libsndfile stores them in that container."""
    stream = io.BytesIO()
    endian = "LITTLE" if format in ("WAV", "RF64", "W64") else "BIG"
    if format in ("AU", "CAF") and sys.byteorder == "little":
        endian = soundfile_order(format)
    soundfile.write(stream, noise(), RATE, format="RAW", subtype="PCM_16", endian=endian)
    return stream.getvalue()[-4000:]


def soundfile_order(format: str) -> str:
    stream = io.BytesIO()
    soundfile.write(stream, noise(0.01), RATE, format=format, subtype="PCM_16")
    raw = io.BytesIO()
    soundfile.write(raw, noise(0.01), RATE, format="RAW", subtype="PCM_16", endian="LITTLE")
    return "LITTLE" if raw.getvalue() in stream.getvalue() else "BIG"


@pytest.mark.parametrize("stated", [0xFFFFFFFF, 0x7FFFFFFF - 36, 0x80000000])
def test_a_wav_of_unknown_length_is_read_to_its_end(stated: int, run: Run, make_wav: MakeWav) -> None:
    path = make_wav()
    data = bytearray(path.read_bytes())
    data[40:44] = struct.pack("<I", stated)
    path.write_bytes(data)
    for source, given in ((path, b""), ("-", bytes(data))):
        (result,) = run("features", source, "--json", stdin=given).document["results"]
        assert result["duration_s"] == 2.0


@pytest.mark.parametrize("blocks", [(4096,), (16, 4096, 999)])
def test_flac_of_unknown_length(blocks: tuple[int, ...], tmp_path: Path, run: Run) -> None:
    whole = np.round(noise() * 20_000).astype(np.int64)
    path = tmp_path / "x.flac"
    path.write_bytes(flac_file(whole, rate=RATE, total=0, blocks=blocks))
    signal = load(Source(str(path)))
    np.testing.assert_allclose(signal.samples, whole.mean(axis=1) / 32768, atol=1e-7)
    part = load(Source(str(path)), excerpt=Excerpt(1.0, 0.25))
    np.testing.assert_array_equal(part.samples, signal.samples[22050 : 22050 + 5512])
    with pytest.raises(InputError, match="ends before the offset of 3 s"):
        load(Source(str(path)), excerpt=Excerpt(3.0))
    for source, given in ((path, b""), ("-", path.read_bytes())):
        for more in ((), ("--segments", "4"), ("--feature", "chroma")):
            (result,) = run("features", source, *more, "--json", stdin=given).document["results"]
            assert result["duration_s"] == 2.0
    explained = run("features", path, "--explain", "--json").document["results"][0]
    assert explained["stages"][0]["shape"] == [44100, 2]


def test_flac_that_states_more_than_it_has(tmp_path: Path, run: Run) -> None:
    whole = np.round(noise() * 20_000).astype(np.int64)
    path = tmp_path / "x.flac"
    path.write_bytes(flac_file(whole, rate=RATE, total=2 * len(whole)))
    (failure,) = run("features", path, "--json").document["failures"]
    assert failure["message"].startswith("ends after 2.00 s of the 4.00 s that its header states")


def test_flac_that_states_less_than_it_has(tmp_path: Path, run: Run) -> None:
    whole = np.round(noise() * 20_000).astype(np.int64)
    path = tmp_path / "x.flac"
    path.write_bytes(flac_file(whole, rate=RATE, total=len(whole) // 2))
    (failure,) = run("features", path, "--json").document["failures"]
    assert failure["message"].startswith("goes on after the 1.00 s that its header states")
    # A tag behind the last frame is none.
    path.write_bytes(flac_file(whole, rate=RATE) + b"TAG" + bytes(125) + b"\xff\xf8" * 20_000)
    assert run("features", path).exit_code == 0


def test_flac_behind_tags(tmp_path: Path) -> None:
    whole = np.round(noise() * 20_000).astype(np.int64)
    path = tmp_path / "x.flac"
    path.write_bytes(b"ID3\x04\x00\x00\x00\x02\x00\x00" + bytes(32768) + flac_file(whole, rate=RATE))
    with open_audio(Source(str(path))) as reader:
        for start in (0, 30_000, 5):
            block = np.concatenate(list(reader.blocks(start=start)))
            np.testing.assert_allclose(block, whole[start:] / 32768, atol=1e-7)


def test_flac_whose_channels_change(tmp_path: Path, run: Run) -> None:
    whole = np.round(noise() * 20_000).astype(np.int64)
    more = flac_frames(whole[:, :1], rate=RATE, bits=16, first=len(whole))
    path = tmp_path / "x.flac"
    path.write_bytes(flac_file(whole, rate=RATE, total=0) + more)
    (failure,) = run("features", path, "--json").document["failures"]
    assert failure["kind"] == "corrupt"


@pytest.mark.parametrize("rate", [0, 1, 49, 10_000_001, 2**31, 2**32 - 1])
def test_a_rate_that_no_recording_has(rate: int, run: Run, make_wav: MakeWav) -> None:
    path = make_wav()
    data = bytearray(path.read_bytes())
    data[24:28] = struct.pack("<I", rate)
    path.write_bytes(data)
    for source, given in ((path, b""), ("-", bytes(data))):
        (failure,) = run("features", source, "--json", stdin=given).document["failures"]
        assert failure["kind"] == "not_audio"
        assert f"states a sample rate of {rate} Hz" in failure["message"]


def test_a_low_rate_takes_little_memory(make_wav: MakeWav) -> None:
    """70,000 samples at 50 Hz are 23 minutes, 31 million samples at 22,050 Hz."""
    path = make_wav(samples=noise(70_000 / RATE, 1), rate=50)
    code = f"import resource; resource.setrlimit(resource.RLIMIT_DATA, ({900 << 20},) * 2)\n"
    code += "import sys; from audiocnn_cli.commands.main import main\n"
    code += f"sys.argv = ['audiocnn', 'features', {str(path)!r}, '--json']; main()\n"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_resampled_blocks_are_bounded() -> None:
    resampler = Resampler(source_rate=50, sample_rate=22_050)
    sizes = [len(block) for block in resampler.push(np.zeros(60_000, dtype=np.float32))]
    assert sum(sizes) > 20_000_000
    assert max(sizes) < 3_000_000
