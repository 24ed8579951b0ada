"""Parts of recordings, sound tracks that FFmpeg decodes, and recordings on other machines."""

import http.server
import socket
import threading
from collections.abc import Callable, Iterator
from functools import partial
from importlib import util
from pathlib import Path
from typing import Any

import av
import fsspec
import librosa
import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from audiocnn_cli.audio.decode import open_audio
from audiocnn_cli.audio.load import Excerpt, channel_blocks, load
from audiocnn_cli.audio.sources import Source
from audiocnn_cli.errors import InputError, UsageError
from tests.conftest import Finished
from tests.signals import tones_and_noise

Run = Callable[..., Finished]
MakeWav = Callable[..., Path]


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".mp3"])
@pytest.mark.parametrize(("offset", "duration"), [(0.5, None), (0.25, 0.5), (0.0, 0.1), (1.0, 99.0)])
def test_an_excerpt_equals_librosas(
    suffix: str, offset: float, duration: float | None, tmp_path: Path
) -> None:
    path = tmp_path / f"clip{suffix}"
    soundfile.write(path, tones_and_noise(88_200).reshape(-1, 2), 22050)
    excerpt = Excerpt(offset, duration)
    signal = load(Source(str(path)), sample_rate=16000, excerpt=excerpt)
    expected, _ = librosa.load(path, sr=16000, offset=offset, duration=duration)
    np.testing.assert_allclose(signal.samples, expected, atol=1e-6)


def test_an_mp3_is_the_same_in_blocks(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp3"
    soundfile.write(path, tones_and_noise(200_000), 22050)
    with open_audio(Source(str(path))) as reader:
        blocks = np.concatenate(list(reader.blocks(block_samples=1000)))
    whole, _ = soundfile.read(path, dtype="float32")
    np.testing.assert_allclose(blocks[:, 0], whole, atol=1e-6, rtol=0)


def test_an_excerpt_seeks(make_wav: MakeWav, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_wav(samples=tones_and_noise(500_000))
    read = 0
    with open_audio(Source(str(path))) as reader:
        decode = reader._decoder.read

        def counted(frames: int) -> NDArray[np.float32]:
            nonlocal read
            read += frames
            return decode(frames)

        monkeypatch.setattr(reader._decoder, "read", counted)
        blocks = channel_blocks(reader, sample_rate=22050, excerpt=Excerpt(20.0, 0.1))
        assert sum(map(len, blocks)) == 2205
    assert read == 2205


def test_an_excerpt_beyond_the_end(make_wav: MakeWav) -> None:
    with pytest.raises(InputError, match=r"ends at 2.00 s, before the offset of 2 s"):
        load(Source(str(make_wav())), excerpt=Excerpt(2.0))
    with pytest.raises(UsageError, match="`offset` must be 0 to 1e\\+10 s, not -1"):
        Excerpt(-1.0)


def test_an_excerpt_of_nothing(make_wav: MakeWav, run: Run) -> None:
    with pytest.raises(UsageError, match="`duration` must be above 0 and at most 1e\\+10 s, not 0"):
        Excerpt(0.0, 0.0)
    with pytest.raises(InputError, match="at 22050 Hz no sample lies within 1e-05 s"):
        load(Source(str(make_wav())), excerpt=Excerpt(1.0, 1e-5))
    assert run("features", make_wav(), "--duration", "0").exit_code == 2


def test_channels_are_kept(make_wav: MakeWav) -> None:
    samples = np.stack([tones_and_noise(9000, seed) for seed in range(3)], axis=1)
    path = make_wav(samples=samples, rate=48000, subtype="FLOAT")
    with open_audio(Source(str(path))) as reader:
        kept = np.concatenate(list(channel_blocks(reader, sample_rate=22050)))
    expected, _ = librosa.load(path, sr=22050, mono=False)
    np.testing.assert_allclose(kept.T, expected, atol=1e-6)


def write_track(path: Path, samples: NDArray[np.float32], codec: str, rate: int = 44100) -> None:
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=rate, layout="stereo")
        values, format = samples.T, "fltp"
        if codec == "flac":
            values, format = (samples.reshape(1, -1) * 32767).astype(np.int16), "s16"
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(values), format=format, layout="stereo")
        frame.rate, frame.pts = rate, 0
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)


@pytest.fixture
def tones() -> NDArray[np.float32]:
    t = np.arange(2 * 44100) / 44100
    wave = 0.3 * np.sin(2 * np.pi * 440 * t) * np.minimum(1, t)
    return np.stack([wave, 0.5 * wave], axis=1).astype(np.float32)


@pytest.mark.parametrize(("suffix", "codec"), [(".m4a", "aac"), (".mka", "flac"), (".mp4", "aac")])
def test_ffmpeg_decodes_what_libsndfile_does_not(
    suffix: str, codec: str, tones: NDArray[np.float32], tmp_path: Path
) -> None:
    path = tmp_path / f"clip{suffix}"
    write_track(path, tones, codec)
    with open_audio(Source(str(path))) as reader:
        assert (reader.info.sample_rate, reader.info.channels) == (44100, 2)
        decoded = np.concatenate(list(channel_blocks(reader, sample_rate=44100)))
        part = Excerpt(1.0, 0.5)
        sought = np.concatenate(list(channel_blocks(reader, sample_rate=44100, excerpt=part)))
    assert 0 <= len(decoded) - len(tones) <= 2048  # a codec fills its last frame
    np.testing.assert_allclose(decoded[:80_000], tones[:80_000], atol=0.01)
    np.testing.assert_allclose(sought, decoded[44100 : 44100 + 22050], atol=1e-3)


@pytest.mark.parametrize(("suffix", "codec"), [(".m4a", "aac"), (".webm", "libopus")])
def test_every_part_is_that_of_the_whole(suffix: str, codec: str, tmp_path: Path, run: Run) -> None:
    path = tmp_path / f"clip{suffix}"
    write_track(path, tones_and_noise(2 * 960_000).reshape(-1, 2), codec, rate=48000)
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray() for frame in container.decode(audio=0)]
    whole = np.concatenate([f if len(f) == 2 else f.reshape(-1, 2).T for f in frames], axis=1).T
    with open_audio(Source(str(path))) as reader:
        for start in (0, 1, 48_000, 500, 100_000, 0):
            part = np.concatenate(list(reader.blocks(start=start, frames=20_000)))
            np.testing.assert_array_equal(part, whole[start : start + 20_000])
    piped = run("features", "-", "--json", stdin=path.read_bytes()).document["results"][0]
    named = run("features", path, "--json").document["results"][0]
    assert piped["mean"] == named["mean"]


def test_without_pyav_the_message_names_the_extra(
    tones: NDArray[np.float32], tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "clip.m4a"
    write_track(path, tones, "aac")
    assert run("features", tmp_path).exit_code == 0
    found = util.find_spec
    monkeypatch.setattr(
        "audiocnn_cli.audio.decode.find_spec", lambda name: None if name == "av" else found(name)
    )
    finished = run("features", path)
    assert finished.exit_code == 3
    assert "[av]'" in finished.stderr


def test_a_broken_video_is_not_audio(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"\x00\x00\x00\x18ftypmp42" + bytes(200))
    finished = run("features", path, "--json")
    assert finished.document["failures"][0]["kind"] == "not_audio"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            pass

        def do_HEAD(self) -> None:
            if self.path == "/forbidden.wav":
                self.send_error(403)
            else:
                super().do_HEAD()

        def do_GET(self) -> None:
            if self.path == "/forbidden.wav":
                self.send_error(403)
            elif self.path.startswith("/broken"):
                self.send_error(500)
            elif self.path == "/cut.wav":
                self.send_response(200)
                self.send_header("Content-Length", "1000000")
                self.end_headers()
                self.wfile.write(b"RIFF" + bytes(1000))
                self.close_connection = True
            else:
                super().do_GET()

    handler = partial(Quiet, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{httpd.server_port}"
        httpd.shutdown()


def test_recordings_on_other_machines(run: Run, make_wav: MakeWav, server: str) -> None:
    path = make_wav("far.wav")
    with fsspec.open("memory://bucket/clip.wav", "wb") as stream:
        stream.write(path.read_bytes())
    # What is in the memory of this process is not in that of others: a single input is read here.
    alone = run("features", "memory://bucket/clip.wav", "--json")
    finished = run("features", f"{server}/far.wav", path, "--json")
    assert (alone.exit_code, finished.exit_code) == (0, 0), finished.stderr
    results = alone.document["results"] + finished.document["results"]
    means = [result["mean"] for result in results]
    assert means[0] == means[1] == means[2]


def test_what_is_not_there_on_other_machines(run: Run, server: str) -> None:
    urls = ["memory://bucket/none.wav", f"{server}/none.wav", "nosuch://bucket/x.wav"]
    finished = run("features", *urls, "--json")
    assert finished.exit_code == 3
    assert [failure["kind"] for failure in finished.document["failures"]] == ["not_found"] * 3
    assert "Traceback" not in finished.stderr


def test_folders_and_patterns_on_other_machines(run: Run, make_wav: MakeWav, tmp_path: Path) -> None:
    """A folder of the local file system through fsspec (`file://`), which worker processes see too."""
    for name in ("a.wav", "deep/b.wav", "deep/notes.txt"):
        path = tmp_path / "far" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(make_wav().read_bytes())
    url = f"file://{tmp_path}/far"
    for argument, expected in (
        (url, ["a.wav", "deep/b.wav"]),
        (f"{url}/", ["a.wav", "deep/b.wav"]),
        (f"{url}/*.wav", ["a.wav"]),
        (f"{url}/**/*.wav", ["a.wav", "deep/b.wav"]),
        (f"{url}/deep/b.wav", ["deep/b.wav"]),
    ):
        finished = run("features", argument, "--json")
        assert finished.exit_code == 0, finished.stderr
        paths = [result["path"] for result in finished.document["results"]]
        assert paths == [f"{url}/{name}" for name in expected], argument
    none = run("features", f"{url}/none/", "memory://empty/*.wav", "--json")
    assert [f["kind"] for f in none.document["failures"]] == ["not_found"] * 2
    assert none.exit_code == 3


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("none.wav", "not_found", "there is no such object"),
        ("forbidden.wav", "permission", "no permission to read it"),
        ("broken.wav", "not_found", "its server responds with status 500"),
        ("cut.wav", "not_found", "can't be read"),
    ],
)
def test_servers_that_give_no_recording(name: str, kind: str, message: str, run: Run, server: str) -> None:
    (failure,) = run("features", f"{server}/{name}", "--json").document["failures"]
    assert failure["kind"] == kind
    assert message in failure["message"]


def test_a_connection_that_breaks_in_the_middle(
    run: Run, make_wav: MakeWav, monkeypatch: pytest.MonkeyPatch
) -> None:
    with fsspec.open("memory://bucket/broken.wav", "wb") as stream:
        stream.write(make_wav(samples=tones_and_noise(300_000)).read_bytes())
        memory_file: Any = type(stream)
    read = memory_file.read

    def failing(self: Any, size: int) -> Any:
        if self.tell() > 200_000:
            raise ConnectionResetError(104, "Connection reset by peer")
        return read(self, size)

    monkeypatch.setattr(memory_file, "read", failing)
    finished = run("features", "memory://bucket/broken.wav")
    assert finished.exit_code == 3
    assert "its host can't be reached (Connection reset by peer)" in finished.stderr


def test_a_host_that_is_not_there(run: Run) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # a free port
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/x.wav"
        (failure,) = run("features", url, "--json").document["failures"]
    assert failure["kind"] == "not_found"
    assert failure["message"].startswith("its host can't be reached (")
