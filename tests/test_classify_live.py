"""Sound that arrives: bare samples against soundfile, a slow writer, streams that break off, a microphone."""

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from audiocnn_cli.audio.raw import RAW_FORMATS, RawFormat
from audiocnn_cli.audio.streams import live_blocks, open_stdin
from tests.conftest import Finished
from tests.onnx_models import write_good_model

Run = Callable[..., Finished]
MakeWav = Callable[..., Path]
RATE = 8000
SUBTYPES = {"u8": "PCM_U8", "s8": "PCM_S8", "f32": "FLOAT", "f64": "DOUBLE"} | {
    f"s{bits}": f"PCM_{bits}" for bits in (16, 24, 32)
}


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    return write_good_model(tmp_path / "tiny.onnx")


def noise(seconds: float, *, channels: int = 1) -> NDArray[np.float64]:
    samples = np.random.default_rng(3).standard_normal((round(seconds * RATE), channels))
    return np.asarray(0.1 * samples)


def raw_bytes(samples: NDArray[np.float64], name: str) -> bytes:
    """As libsndfile writes them."""
    stream = io.BytesIO()
    order = "BIG" if name.endswith("be") else "LITTLE"
    subtype = SUBTYPES[name.removesuffix("le").removesuffix("be")]
    soundfile.write(stream, samples, RATE, format="RAW", subtype=subtype, endian=order)
    return stream.getvalue()


@pytest.mark.parametrize("name", RAW_FORMATS)
def test_bare_samples_are_what_libsndfile_wrote(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    samples = noise(0.3, channels=3)
    data = raw_bytes(samples, name)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data + b"\x01")))
    with open_stdin(RawFormat(name, RATE, 3)) as reader:
        found = np.concatenate(list(live_blocks(reader)))
    order = "BIG" if name.endswith("be") else "LITTLE"
    subtype = SUBTYPES[name.removesuffix("le").removesuffix("be")]
    expected, _ = soundfile.read(
        io.BytesIO(data),
        samplerate=RATE,
        channels=3,
        format="RAW",
        subtype=subtype,
        endian=order,
        dtype="float32",
    )
    np.testing.assert_allclose(found, expected, atol=1e-7)


@pytest.mark.parametrize("format", ["WAV", "FLAC", "AU", "OGG", "MP3", "AIFF", "CAF", "W64"])
def test_a_stream_is_labelled_as_its_file(format: str, run: Run, tiny: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.sound"
    soundfile.write(path, noise(2.3), RATE, format=format)
    whole = run("classify", "-", "--model", tiny, "--json", stdin=path.read_bytes())
    (expected,) = whole.document["results"]
    live = run("classify", "-", "--model", tiny, "--jsonl", stdin=path.read_bytes())
    assert live.exit_code == 0, live.stderr
    *segments, last = [json.loads(line) for line in live.stdout.splitlines()]
    assert len(segments) == expected["segments"] == last["segments"]
    assert last["label"] == expected["label"]
    for mine, theirs in zip(last["top"], expected["top"], strict=True):
        assert mine["probability"] == pytest.approx(theirs["probability"], abs=1e-5)


def test_what_ffmpeg_alone_streams(run: Run, tiny: Path, tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    path = tmp_path / "x.mka"
    samples = np.asarray(noise(2.3)[:, 0] * 32767, dtype=np.int16)
    with av.open(str(path), "w", format="matroska") as container:
        track = container.add_stream("pcm_s16le", rate=RATE, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
        frame.sample_rate = RATE
        container.mux([*track.encode(frame), *track.encode(None)])
    (expected,) = run("classify", path, "--model", tiny, "--json").document["results"]
    live = run("classify", "-", "--model", tiny, "--jsonl", stdin=path.read_bytes())
    assert live.exit_code == 0, live.stderr
    last = json.loads(live.stdout.splitlines()[-1])
    assert last | {"path": expected["path"]} == expected


def test_segments_are_those_of_the_timeline(run: Run, tiny: Path, make_wav: MakeWav) -> None:
    path = make_wav("x.wav", noise(2.3), rate=RATE)
    arguments = ("--model", tiny, "--overlap", "0.5", "--offset", "0.25", "--duration", "1.7")
    timeline = run("classify", path, *arguments, "--timeline", "--json").document["results"][0]
    live = run("classify", "-", *arguments, "--jsonl", stdin=path.read_bytes())
    *segments, last = [json.loads(line) for line in live.stdout.splitlines()]
    for mine, theirs in zip(segments, timeline["timeline"], strict=True):
        assert (mine["start_s"], mine["end_s"]) == (theirs["start_s"], theirs["end_s"])
        assert mine["label"] == theirs["label"]
    assert last["duration_s"] == timeline["duration_s"]
    rows = run("classify", "-", *arguments, "--csv", stdin=path.read_bytes()).stdout.splitlines()
    assert len(rows) == 1 + len(segments)


def test_bare_samples_in_every_format_of_results(run: Run, tiny: Path, make_wav: MakeWav) -> None:
    samples = noise(2.0)
    data = raw_bytes(samples, "s16le")
    named = run("classify", make_wav("x.wav", samples, rate=RATE), "--model", tiny, "--json").document[
        "results"
    ][0]
    raw = ("classify", "-", "--raw", "s16le", "--sr", str(RATE), "--model", tiny)
    document = run(*raw, "--json", stdin=data).document
    assert document["failures"] == []
    assert document["results"][0]["label"] == named["label"]
    assert run(*raw, "--format", "audacity", stdin=data).stdout.count("\t") >= 2
    table = run(*raw, stdin=data)
    assert table.stdout.count(" to ") == named["segments"]


@pytest.mark.parametrize(
    ("data", "arguments", "kind"),
    [
        (b"", (), "empty"),
        (b"", ("--raw", "s16le", "--sr", "8000"), "empty"),
        (b"\xff", (), "not_audio"),
        (b"hello, this is no sound at all" * 9, (), "not_audio"),
        (b"\x00\x01" * 40, ("--raw", "s16le", "--sr", "8000"), "too_short"),
        (b"\x00\x00\xc0\x7f" * 9000, ("--raw", "f32le", "--sr", "8000"), "non_finite"),
    ],
)
def test_what_is_no_sound_is_a_failure(
    data: bytes, arguments: tuple[str, ...], kind: str, run: Run, tiny: Path
) -> None:
    finished = run("classify", "-", "--model", tiny, "--jsonl", *arguments, stdin=data)
    assert finished.exit_code == 3
    assert json.loads(finished.stdout)["error"]["kind"] == kind
    assert finished.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("-", "--raw", "s16le"), "--sr"),
        (("-", "--raw", "s17le", "--sr", "8000"), "s16le"),
        (("x.wav", "--raw", "s16le", "--sr", "8000"), "'-'"),
        (("x.wav", "--mic"), "only input"),
        (("-", "--raw-channels", "2"), "--raw"),
        ((), "name the inputs"),
    ],
)
def test_options_of_streams_that_contradict(arguments: tuple[str, ...], said: str, run: Run) -> None:
    finished = run("classify", *arguments)
    assert finished.exit_code == 2
    assert said in finished.stderr


def test_a_stream_that_breaks_off_is_labelled_up_to_there(run: Run, tiny: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.flac"
    soundfile.write(path, noise(4.0), RATE)
    data = path.read_bytes()
    finished = run("classify", "-", "--model", tiny, "--jsonl", stdin=data[: len(data) // 2])
    assert finished.exit_code == 0, finished.stderr
    *segments, last = [json.loads(line) for line in finished.stdout.splitlines()]
    assert 3 <= len(segments) <= 4
    assert 1.0 < last["duration_s"] < 2.5


@pytest.fixture
def listener(tiny: Path) -> Iterator[Any]:
    """The command in a process of its own, waiting for bare samples."""
    command = [sys.executable, "-m", "audiocnn_cli", "classify", "-", "--model", str(tiny)]
    process = subprocess.Popen(
        [*command, "--raw", "s16le", "--sr", str(RATE), "--jsonl"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)},
    )
    yield process
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        assert pipe is not None
        pipe.close()


def test_lines_come_while_the_pipe_is_open(listener: Any) -> None:
    """The writer waits for each line before it goes on: they can't have been held back."""
    data = raw_bytes(noise(2.2), "s16le")
    segment = 2 * RATE // 2
    for number in range(4):
        listener.stdin.write(data[number * segment : (number + 1) * segment])
        listener.stdin.flush()
        line = json.loads(listener.stdout.readline())
        assert (line["start_s"], line["end_s"]) == (number / 2, number / 2 + 0.5)
    listener.stdin.write(data[4 * segment :])
    listener.stdin.close()
    last = json.loads(listener.stdout.readline())
    assert last["duration_s"] == pytest.approx(2.2)
    assert last["rest"] == "dropped"
    assert listener.wait(10) == 0


def test_a_writer_that_goes_away_leaves_a_label(listener: Any) -> None:
    data = raw_bytes(noise(2.0), "s16le")
    listener.stdin.write(data[:-1])  # within a sample
    listener.stdin.close()
    lines = [json.loads(line) for line in listener.stdout]
    assert lines[-1]["label"] is not None
    assert listener.wait(10) == 0


@pytest.mark.parametrize("format", ["WAV", "FLAC"])
def test_ctrl_c_ends_a_stream_that_is_waited_for(format: str, tiny: Path) -> None:
    stream = io.BytesIO()
    soundfile.write(stream, noise(4.0), RATE, format=format)
    data = stream.getvalue()
    with subprocess.Popen(
        [sys.executable, "-m", "audiocnn_cli", "classify", "-", "--model", str(tiny), "--jsonl"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)},
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(data[: len(data) // 2])
        process.stdin.flush()
        assert process.stdout.readline()
        process.send_signal(signal.SIGINT)
        try:
            assert process.wait(10) == 130
        finally:
            process.kill()
        assert process.stderr.read() == b"error: interrupted\n"


class FakeMicrophone:
    """sounddevice as far as it is used: a rate, and samples until Ctrl-C."""

    def __init__(self, samples: NDArray[np.float32]) -> None:
        self.samples = samples
        self.closed = False

    def module(self) -> ModuleType:
        module = ModuleType("sounddevice")
        module.PortAudioError = OSError  # type: ignore[attr-defined]
        module.query_devices = lambda kind: {"default_samplerate": 16000.0, "name": kind}  # type: ignore[attr-defined]
        module.InputStream = lambda samplerate, channels, dtype: self  # type: ignore[attr-defined]
        return module

    def start(self) -> None:
        """Nothing to start."""

    def read(self, frames: int) -> tuple[NDArray[np.float32], bool]:
        if not len(self.samples):
            raise KeyboardInterrupt
        block, self.samples = self.samples[:frames], self.samples[frames:]
        return block, False

    def close(self) -> None:
        self.closed = True


def test_the_microphone_until_ctrl_c(run: Run, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    samples = np.asarray(noise(3.0), dtype=np.float32)  # at 16 kHz 1.5 s
    fake = FakeMicrophone(samples)
    monkeypatch.setitem(sys.modules, "sounddevice", fake.module())
    finished = run("classify", "--mic", "--model", tiny, "--jsonl")
    assert finished.exit_code == 0, finished.stderr
    *segments, last = [json.loads(line) for line in finished.stdout.splitlines()]
    assert [s["end_s"] for s in segments] == [0.5, 1.0, 1.5]
    assert (last["path"], last["duration_s"]) == ("microphone", 1.5)
    assert fake.closed


def test_no_microphone_is_a_sentence(run: Run, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    missing = run("classify", "--mic", "--model", tiny)
    assert missing.exit_code == 3
    assert "[live]" in missing.stderr
    broken = FakeMicrophone(np.zeros(0, dtype=np.float32)).module()

    def none(kind: str) -> None:
        raise OSError("no input device")

    broken.query_devices = none  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "sounddevice", broken)
    absent = run("classify", "--mic", "--model", tiny)
    assert absent.exit_code == 3
    assert "microphone: can't be used" in absent.stderr


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--sr", "8000", "--raw-channels", "1025"], "--raw-channels must be 1 to 1024, not 1025"),
        (["--sr", "1" + "0" * 30], f"--sample-rate of --raw must be 50 to 10000000 Hz, not 1{'0' * 30}"),
        (["--sr", "49"], "--sample-rate of --raw must be 50 to 10000000 Hz, not 49"),
    ],
)
def test_raw_samples_of_no_device_are_usage_errors(options: list[str], sentence: str, run: Run) -> None:
    finished = run("classify", "-", "--raw", "s16le", *options)
    assert (finished.exit_code, finished.stderr) == (2, f"error: {sentence}\n")
