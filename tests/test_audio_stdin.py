"""Standard input as it arrives, in bounded memory, up to a signal; endless lists; what C libraries print."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from audiocnn_cli.audio import decode, native_messages
from audiocnn_cli.audio.decode import open_audio
from audiocnn_cli.audio.sources import Source
from tests.conftest import Finished
from tests.formats_table import CASES
from tests.test_audio_mpeg import BARE, WHOLE, frames_of

Run = Callable[..., Finished]
MakeWav = Callable[..., Path]
COMMAND = [sys.executable, "-m", "audiocnn_cli"]
ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)}
# Python, NumPy, SciPy and the features take less; 100 MB of samples do not fit.
LIMIT = 700 << 20


def noise(seconds: float = 2.0, channels: int = 2) -> NDArray[np.float64]:
    shape = (round(seconds * 44100), channels)
    return np.asarray(0.1 * np.random.default_rng(2).standard_normal(shape))


def encoded(format: str, seconds: float = 2.0, **more: Any) -> bytes:
    stream = io.BytesIO()
    soundfile.write(stream, noise(seconds), 44100, format=format, **more)
    return stream.getvalue()


@contextmanager
def started(*arguments: str, **more: Any) -> Iterator[Any]:
    """The command in a process of its own, with pipes, which a shell ends at most."""
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with subprocess.Popen([*COMMAND, *arguments], env=ENVIRONMENT, **(pipes | more)) as process:
        try:
            yield process
        finally:
            process.kill()


def piped(data: Iterator[bytes] | bytes, *arguments: str, limit: int = LIMIT) -> tuple[int, bytes, bytes]:
    """Exit code, stdout and stderr of the command with `data` on a pipe and a limit of its memory."""
    shell = f"ulimit -d {limit >> 10}; exec {' '.join(COMMAND)} {' '.join(arguments)}"
    command = ["/bin/sh", "-c", shell]
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with subprocess.Popen(command, env=ENVIRONMENT, **pipes) as process:  # type: ignore[call-overload]  # pipes
        try:
            for chunk in [data] if isinstance(data, bytes) else data:
                process.stdin.write(chunk)
        except BrokenPipeError:
            pass
        out, err = process.communicate(timeout=120)
        return process.returncode, out, err


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_pipe_gives_what_its_file_gives(case: Any, run: Run, tmp_path: Path) -> None:
    path = tmp_path / "x.sound"
    case.write(path, noise(1.0, case.channels), case.rate)
    (named,) = run("features", path, "--json").document["results"]
    finished = run("features", "-", "--json", stdin=path.read_bytes())
    assert finished.exit_code == 0, finished.stderr
    (result,) = finished.document["results"]
    assert result["shape"] == named["shape"]
    assert result["mean"] == pytest.approx(named["mean"], abs=1e-4)
    twice = run("features", "-", "--segments", "2", "--json", stdin=path.read_bytes())
    assert twice.document["results"][0]["shape"][0] == 2


def test_twenty_minutes_are_streamed() -> None:
    """212 MB of samples, with 280 MB for all; the command takes 100 for itself."""
    header = bytearray(encoded("WAV", 0.1)[:44])
    header[4:8] = header[40:44] = b"\xff\xff\xff\xff"
    second = encoded("WAV", 1.0)[44:]

    def minutes() -> Iterator[bytes]:
        yield bytes(header)
        for _ in range(1200):
            yield second

    code, out, err = piped(minutes(), "features", "-", "--json", limit=280 << 20)
    assert code == 0, err
    assert json.loads(out)["results"][0]["duration_s"] == 1200.0


def test_endless_text_is_not_audio() -> None:
    def lines() -> Iterator[bytes]:
        while True:
            yield b"y\n" * 50_000

    code, _, err = piped(lines(), "features", "-")
    assert code == 3
    assert err.startswith(b"error: -: not a WAV, AU, FLAC, Ogg or MP3 stream")
    code, _, err = piped(iter([bytes(1 << 20)] * 100), "features", "@-")
    assert code == 2
    assert b"line 1 has more than 65536 bytes" in err


def test_a_file_on_stdin_is_read_as_a_file(tmp_path: Path) -> None:
    path = tmp_path / "x.w64"
    soundfile.write(path, noise(), 44100)
    for more in ((), ("--segments", "2"), ("--feature", "chroma")):
        with path.open("rb") as stream, started("features", "-", "--json", *more, stdin=stream) as process:
            out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        assert json.loads(out)["results"][0]["duration_s"] == 2.0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize(
    ("data", "arguments"),
    [
        (encoded("WAV")[:60_000], ("features", "-")),
        (encoded("FLAC")[:60_000], ("features", "-")),
        (encoded("W64")[:60_000], ("features", "-")),
        (BARE[:30_000], ("features", "-")),
        (encoded("WAV")[:60_000], ("features", "-", "--feature", "chroma")),
        (b"", ("features", "-")),
        (b"a.wav\n", ("features", "@-")),
        (b"a.wav\nb.wav\nc.wav\n", ("features", "@-", "--json")),
    ],
)
def test_a_signal_ends_waiting(data: bytes, arguments: tuple[str, ...], number: int) -> None:
    with started(*arguments) as process:
        process.stdin.write(data)
        process.stdin.flush()
        time.sleep(2.0)
        process.send_signal(number)
        assert process.wait(20) == 130
        assert process.stderr.read().endswith(b"error: interrupted\n")


def damaged_mp3(folder: Path) -> Path:
    """An MP3 of which libmpg123 prints something, decoded nevertheless."""
    data = bytearray(BARE)
    for start in frames_of(BARE)[40:60]:
        data[start + 6 : start + 200] = b"\x55" * 194
    path = folder / "damaged.mp3"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("several", [False, True])
def test_what_libmpg123_prints_is_one_event(several: bool, tmp_path: Path, make_wav: MakeWav) -> None:
    path = damaged_mp3(tmp_path)
    inputs = [str(path), *([str(make_wav())] if several else [])]
    with started("features", *inputs, "--log-json", "-v", "--json") as process:
        _, err = process.communicate(timeout=60)
    events = [json.loads(line) for line in err.splitlines()]
    (reported,) = [each for each in events if each["event"] == "log"]
    assert reported["message"].startswith(f"{path}: its decoder reports: ")
    assert "libmpg123" in reported["message"]
    with started("features", *inputs, "--json") as process:
        _, err = process.communicate(timeout=60)
    assert b"libmpg123" not in err


def test_what_is_printed_meanwhile_is_printed(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Only the C library's stream is replaced: what is written to descriptor 2 is not taken for a message."""
    messages: dict[str, None] = {}
    with native_messages.collected(messages):
        os.write(2, b"of another thread\n")
    assert capfd.readouterr().err == "of another thread\n"
    assert not messages
    with open_audio(Source(str(damaged_mp3(tmp_path)))) as reader:
        list(reader.blocks())
        assert any("libmpg123" in each for each in reader._decoder.messages)
    assert capfd.readouterr().err == ""


def test_what_ffmpeg_would_decode_names_the_extra(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decode, "find_spec", lambda _: None)
    monkeypatch.setattr("audiocnn_cli.audio.streams.find_spec", lambda _: None)
    for case in CASES:
        if case.container in ("MP4", "Ogg", "AC-3") or case.bits in ("12", "20"):
            path = tmp_path / "x.wav"  # by content, whatever its name is
            case.write(path, noise(0.5, case.channels), case.rate)
            if case.codec in ("Vorbis", "Opus"):
                assert run("features", path).exit_code == 0
                continue
            for source, data in ((path, b""), ("-", path.read_bytes())):
                finished = run("features", source, "--json", stdin=data)
                (failure,) = finished.document["failures"]
                assert failure["kind"] == "not_audio"
                assert "[av]'" in failure["message"], case


def test_a_playlist_is_not_followed(run: Run, tmp_path: Path) -> None:
    sound = tmp_path / "x.mp3"
    sound.write_bytes(WHOLE)
    for name, text in (
        ("x.m4a", f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:6,\n{sound}\n#EXT-X-ENDLIST\n"),
        ("y.m4a", f"ffconcat version 1.0\nfile '{sound}'\n"),
    ):
        (tmp_path / name).write_text(text)
        (failure,) = run("features", tmp_path / name, "--json").document["failures"]
        assert failure["kind"] == "not_audio"


def test_an_ordinary_file_does_not_import_pyav(make_wav: MakeWav) -> None:
    code = "import sys; from audiocnn_cli.commands.main import main\ntry: main()\nexcept SystemExit: pass\n"
    code += "assert 'av' not in sys.modules"
    command = [sys.executable, "-c", code, "features", str(make_wav()), "-o", f"{make_wav()}.npz"]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
