"""MP3 without a header frame, joined, cut and in WAV: as long as FFmpeg's decode, with the same samples."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import soundfile
from hypothesis import assume, given, settings, strategies
from numpy.typing import NDArray

from audiocnn_cli.audio.decode import open_audio
from audiocnn_cli.audio.load import Excerpt, load
from audiocnn_cli.audio.mpeg import FrameFilter, frame_header
from audiocnn_cli.audio.mpeg_decoder import MpegDecoder
from audiocnn_cli.audio.sources import Source
from audiocnn_cli.errors import InputError
from tests.conftest import Finished
from tests.formats_table import by_ffmpeg

Run = Callable[..., Finished]
RATE = 44100


def sound(seconds: float, rate: int = RATE) -> NDArray[np.float32]:
    """Loud at first, then quiet: encoders with a variable bit rate begin with large frames."""
    times = np.arange(round(seconds * rate)) / rate
    noise = np.random.default_rng(5).standard_normal(len(times))
    loud = np.where(times < seconds / 6, 0.2, 0.0002)
    return np.asarray(0.2 * np.sin(2 * np.pi * 440 * times) + loud * noise, dtype=np.float32)


def mp3(seconds: float = 6.0, rate: int = RATE, *, header: bool = True, tags: bool = False) -> bytes:
    """A file of LAME with a variable bit rate; without a `header` frame it does not state its length."""
    stream = io.BytesIO()
    options = {"write_xing": str(int(header)), "id3v2_version": "3" if tags else "0"}
    with av.open(stream, "w", format="mp3", options=options) as container:
        track: Any = container.add_stream("libmp3lame", rate=rate, layout="mono", options={"q": "2"})
        track.codec_context.qscale = True
        frame = av.AudioFrame.from_ndarray(sound(seconds, rate)[None], format="fltp", layout="mono")
        frame.rate, frame.pts = rate, 0
        for packet in [*track.encode(frame), *track.encode(None)]:
            container.mux(packet)
    return stream.getvalue()


def frames_of(data: bytes) -> list[int]:
    """Where each frame begins, by the sizes in the headers."""
    found, position = [], 0
    while (header := frame_header(int.from_bytes(data[position : position + 4]))) is not None:
        found.append(position)
        position += header.size
    return found


def decoded(path: Path) -> NDArray[np.float32]:
    with open_audio(Source(str(path))) as reader:
        whole = np.concatenate(list(reader.blocks()))
        assert reader.info.frames == len(whole)
        for start in (0, 1, 50_000, len(whole) - 3000, 2000):
            part = np.concatenate(list(reader.blocks(start=start, frames=3000)))
            np.testing.assert_allclose(part, whole[start : start + 3000], atol=1e-6)
    return whole


WHOLE, BARE = mp3(), mp3(header=False)
CASES = {
    "with a header frame": WHOLE,
    "without a header frame": BARE,
    "joined": WHOLE + WHOLE,
    "joined without header frames": BARE + BARE,
    "joined, the second without": WHOLE + BARE,
    "with tags": mp3(tags=True),
    "joined with tags": mp3(tags=True) + mp3(tags=True),
    "ID3v1 between": BARE + b"TAG" + bytes(125) + BARE,
    "MPEG-2, joined": mp3(3.0, 22050) * 2,
}


@pytest.mark.parametrize("name", CASES)
def test_the_whole_stream_is_decoded(name: str, tmp_path: Path, run: Run) -> None:
    path = tmp_path / "x.mp3"
    path.write_bytes(CASES[name])
    mine, theirs = decoded(path), by_ffmpeg(path)
    if name == "ID3v1 between":  # FFmpeg takes the tag for the beginning of a frame, and drops both
        assert len(mine) == len(theirs) + 1152
        theirs = theirs[: len(theirs) // 2]
    else:
        assert len(mine) == len(theirs)
    np.testing.assert_allclose(mine[: len(theirs)], theirs, atol=1e-5)
    named = run("features", path, "--json").document["results"][0]
    piped = run("features", "-", "--json", stdin=CASES[name]).document["results"][0]
    assert piped["shape"] == named["shape"]
    assert piped["mean"] == pytest.approx(named["mean"], abs=1e-4)
    assert named["duration_s"] == pytest.approx(len(mine) / (22050 if "MPEG-2" in name else RATE), abs=1e-4)


def test_what_libsndfile_leaves_out(tmp_path: Path) -> None:
    """The cases are those that it cuts short; else these tests would show nothing."""
    for name in ("without a header frame", "joined"):
        stream = io.BytesIO(CASES[name])
        samples, _ = soundfile.read(stream)
        (tmp_path / "x.mp3").write_bytes(CASES[name])
        assert len(samples) < 0.7 * len(by_ffmpeg(tmp_path / "x.mp3"))


def test_a_part_of_a_joined_file(tmp_path: Path) -> None:
    path = tmp_path / "x.mp3"
    path.write_bytes(WHOLE + WHOLE)
    whole = load(Source(str(path))).samples
    part = load(Source(str(path)), excerpt=Excerpt(7.5, 2.0)).samples
    np.testing.assert_allclose(part, whole[330_750 : 330_750 + 88_200], atol=1e-6)
    rest = load(Source(str(path)), excerpt=Excerpt(11.0)).samples
    np.testing.assert_allclose(rest, whole[485_100:], atol=1e-6)
    with pytest.raises(InputError, match=r"ends before the offset of 12\.5 s"):
        load(Source(str(path)), excerpt=Excerpt(12.5))


@pytest.mark.parametrize("suffix", [".mp3", ".wav", ".bin"])
@pytest.mark.parametrize("cut", [1, 777, 10_000])
def test_a_stream_that_begins_in_the_middle_of_a_frame(
    cut: int, suffix: str, tmp_path: Path, run: Run
) -> None:
    path = tmp_path / f"x{suffix}"
    path.write_bytes(BARE[cut:])
    mine, theirs = decoded(path), by_ffmpeg(path)
    assert len(mine) == len(theirs)
    # The first frames refer to bits of those that are missing.
    np.testing.assert_allclose(mine[3 * 1152 :], theirs[3 * 1152 :], atol=1e-5)
    piped = run("features", "-", "--json", stdin=BARE[cut:]).document["results"][0]
    assert piped["duration_s"] == pytest.approx(len(mine) / RATE, abs=1e-4)


def test_a_file_with_fewer_frames_than_stated_is_truncated(tmp_path: Path, run: Run) -> None:
    path = tmp_path / "x.mp3"
    starts = frames_of(WHOLE)
    for size in (starts[-1] + 9, starts[-1], starts[-2], starts[10] + 5, len(WHOLE) // 2, starts[1] + 3):
        path.write_bytes(WHOLE[:size])
        for source, data in ((path, b""), ("-", WHOLE[:size])):
            (failure,) = run("features", source, "--json", stdin=data).document["failures"]
            assert failure["kind"] == "corrupt", (size, source)
            assert "is truncated: by its header" in failure["message"]


def test_a_damaged_file_is_not_cut_short_in_silence(tmp_path: Path, run: Run) -> None:
    path = tmp_path / "x.mp3"
    damaged = bytearray(WHOLE)
    damaged[9000:12000] = bytes(3000)
    path.write_bytes(damaged)
    (failure,) = run("features", path, "--json").document["failures"]
    assert failure["kind"] == "corrupt"


def test_a_sample_rate_that_changes_is_refused(tmp_path: Path, run: Run) -> None:
    path = tmp_path / "x.mp3"
    joined = WHOLE + mp3(1.0, 48000)
    path.write_bytes(joined)
    for source, data in ((path, b""), ("-", joined)):
        (failure,) = run("features", source, "--json", stdin=data).document["failures"]
        assert failure["kind"] == "corrupt"
        assert "changes from 44100 Hz, 1 channels to 48000 Hz, 1 channels after 6.0" in failure["message"]


@settings(deadline=None)
@given(strategies.integers(1, 3000), strategies.binary(max_size=300), strategies.binary(max_size=300))
def test_frames_do_not_depend_on_chunks_and_junk(size: int, before: bytes, between: bytes) -> None:
    """Whatever surrounds two whole streams, their frames are found, in chunks of any size."""
    assume(not any(tag in part for tag in (b"ID3", b"TAG", b"\xff") for part in (before, between)))
    one = BARE[: frames_of(BARE)[20]]
    data = before + one + between + one
    found = FrameFilter(data[at : at + size] for at in range(0, len(data), size))
    runs = b"".join(run.data for run in found.runs())
    assert one in runs
    assert found.frames == 40
    assert runs == one + one


def test_the_ordinary_file_is_given_to_libsndfile(tmp_path: Path) -> None:
    path = tmp_path / "x.mp3"
    for data, plain in ((WHOLE, True), (CASES["with tags"], True), (BARE, False)):
        path.write_bytes(data)
        with open_audio(Source(str(path))) as reader:
            assert isinstance(reader._decoder, MpegDecoder) is not plain
