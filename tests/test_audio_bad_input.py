"""No input crashes the command: each failure is one sentence, a kind and an exit code."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from audiocnn_cli.output.terminal.console import display
from tests.conftest import Finished

Run = Callable[..., Finished]
MakeWav = Callable[..., Path]


def missing(folder: Path, make_wav: MakeWav) -> Path:
    return folder / "missing.wav"


def name_too_long(folder: Path, make_wav: MakeWav) -> Path:
    return folder / ("a" * 300 + ".wav")


def folder_without_audio(folder: Path, make_wav: MakeWav) -> Path:
    (folder / "notes").mkdir()
    (folder / "notes" / "readme.txt").write_text("not audio")
    return folder / "notes"


def text(folder: Path, make_wav: MakeWav) -> Path:
    path = folder / "text.wav"
    path.write_text("this is no audio")
    return path


def empty(folder: Path, make_wav: MakeWav) -> Path:
    path = folder / "empty.wav"
    path.touch()
    return path


def truncated(folder: Path, make_wav: MakeWav) -> Path:
    path = make_wav()
    path.write_bytes(path.read_bytes()[:30000])
    return path


def truncated_flac(folder: Path, make_wav: MakeWav) -> Path:
    import soundfile

    path = folder / "clip.flac"
    soundfile.write(path, 0.1 * np.random.default_rng(0).standard_normal(44100), 44100)
    path.write_bytes(path.read_bytes()[:40000])
    return path


def header_only(folder: Path, make_wav: MakeWav) -> Path:
    path = make_wav()
    path.write_bytes(path.read_bytes()[:30])
    return path


def rate_of_zero(folder: Path, make_wav: MakeWav) -> Path:
    path = make_wav()
    header = bytearray(path.read_bytes())
    header[24:28] = bytes(4)
    path.write_bytes(header)
    return path


def no_samples(folder: Path, make_wav: MakeWav) -> Path:
    return make_wav(samples=np.zeros(0))


def nan(folder: Path, make_wav: MakeWav) -> Path:
    samples = np.zeros(22050)
    samples[11025] = np.nan
    return make_wav(samples=samples, subtype="FLOAT")


def infinite(folder: Path, make_wav: MakeWav) -> Path:
    samples = np.zeros((22050, 2))
    samples[11025:, 1] = [np.inf, -np.inf] + [0.0] * 11023
    return make_wav(samples=samples, subtype="DOUBLE")


def beyond_float32(folder: Path, make_wav: MakeWav) -> Path:
    return make_wav(samples=np.full(22050, 1e30), subtype="FLOAT")


def fifo(folder: Path, make_wav: MakeWav) -> Path:
    os.mkfifo(folder / "pipe.wav")
    return folder / "pipe.wav"


def link_to_itself(folder: Path, make_wav: MakeWav) -> Path:
    (folder / "loop.wav").symlink_to("loop.wav")
    return folder / "loop.wav"


CASES = [
    (missing, "not_found", "no such file"),
    (name_too_long, "not_found", "File name too long"),
    (folder_without_audio, "not_found", "holds no audio files"),
    (text, "not_audio", "not an audio file"),
    (empty, "empty", "is empty (0 bytes)"),
    (truncated, "corrupt", "by its header 58244 more bytes follow"),
    (truncated_flac, "corrupt", "decoding fails"),
    (header_only, "not_audio", "not an audio file"),
    (rate_of_zero, "not_audio", "states a sample rate of 0 Hz, which must be from 50 Hz to 10 MHz"),
    (no_samples, "empty", "holds no samples"),
    (nan, "non_finite", "(at 0.500 s) is NaN or infinite"),
    (infinite, "non_finite", "(at 0.500 s) is NaN or infinite"),
    (beyond_float32, "non_finite", "too large"),
    (fifo, "not_audio", "not a regular file"),
    (link_to_itself, "not_found", "Too many levels of symbolic links"),
]


@pytest.mark.parametrize(("make", "kind", "message"), CASES, ids=[c[0].__name__ for c in CASES])
def test_one_sentence_and_the_others_go_on(
    make: Callable[[Path, MakeWav], Path],
    kind: str,
    message: str,
    run: Run,
    make_wav: MakeWav,
    tmp_path: Path,
) -> None:
    bad, good = make(tmp_path, make_wav), make_wav("good.wav")
    alone = run("features", bad)
    assert alone.exit_code == 3
    assert alone.stdout == ""
    assert alone.stderr.startswith("error: ")
    assert alone.stderr.count("\n") == 1
    assert message in alone.stderr

    among = run("features", good, bad, good, "--json")
    assert among.exit_code == 1
    assert len(among.document["results"]) == 2
    (failure,) = among.document["failures"]
    assert failure["kind"] == kind
    assert message in failure["message"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_no_permission(run: Run, make_wav: MakeWav) -> None:
    path = make_wav()
    path.chmod(0)
    assert run("features", path, "--json").document["failures"][0]["kind"] == "permission"


HOSTILE = ["[bold]x.wav", "[red]", "[/]", "a b.wav", "é漢字🎵.wav", "x\x1b[31my\n\t.wav", "-n.wav"]


@pytest.mark.parametrize("name", [*HOSTILE, os.fsdecode(b"caf\xe9.wav")])
def test_hostile_names_work_and_are_shown_as_they_are(
    name: str, run: Run, make_wav: MakeWav, tmp_path: Path
) -> None:
    folder = tmp_path / "names"
    path = folder / name / "clip.wav" if name == "[/]" else folder / name
    path.parent.mkdir(parents=True)
    path.write_bytes(make_wav().read_bytes())
    arguments = path if path.suffix == ".wav" else path.parent
    if not path.suffix:
        path.rename(path.with_name(path.name + ".wav"))

    finished = run("features", arguments, "--json")
    assert finished.exit_code == 0
    assert Path(finished.document["results"][0]["path"]).parent == path.parent

    table = run("features", arguments)
    assert table.exit_code == 0
    assert "\x1b" not in table.stdout
    shown = "".join(re.sub(r"mfcc .*", "", table.stdout, flags=re.MULTILINE).split())
    assert display(name).replace(" ", "") in shown

    output = tmp_path / "frames.csv"
    assert run("features", arguments, "-o", output).exit_code == 0
    assert output.read_text(encoding="utf-8").startswith("path,segment,frame,time_s,mfcc_0,")


def test_stdin_is_read_and_may_be_closed(run: Run, make_wav: MakeWav) -> None:
    sound = make_wav().read_bytes()
    finished = run("features", "-", "--json", stdin=sound)
    assert finished.document["results"][0]["path"] == "-"
    assert "is empty" in run("features", "-").stderr
    closed = subprocess.run(  # noqa: S602 (only a shell closes its child's stdin)
        f"{sys.executable} -m audiocnn_cli features - <&-",
        shell=True,
        capture_output=True,
        text=True,
        check=False,
    )
    assert closed.returncode == 3
    assert closed.stderr == "error: -: is empty (0 bytes)\n"


def test_a_list_is_read_line_by_line(run: Run, make_wav: MakeWav, tmp_path: Path) -> None:
    make_wav("a\x0cb.wav")
    paths = tmp_path / "list.txt"
    paths.write_text(f"{tmp_path}/a\x0cb.wav\r\n\n@{paths}\n")
    finished = run("features", f"@{paths}", "--json")
    assert [Path(r["path"]).name for r in finished.document["results"]] == ["a\x0cb.wav"]
    assert finished.document["failures"][0]["path"] == f"@{paths}"
    absent = run("features", "@absent.txt")
    assert absent.exit_code == 2
    assert "can't read this list" in absent.stderr


def test_folders_are_searched_once_in_name_order(run: Run, make_wav: MakeWav, tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    for name in ("z.wav", "b/y.WAV", "a.wav"):
        make_wav(name)
    (tmp_path / "b" / "again").symlink_to(tmp_path)
    finished = run("features", tmp_path, "--json")
    found = [str(Path(r["path"]).relative_to(tmp_path)) for r in finished.document["results"]]
    assert found == ["a.wav", "b/y.WAV", "z.wav"]
    assert len(run("features", f"{tmp_path}/**/*.wav", "--json").document["results"]) >= 2
