"""The table with its picture, --explain and --plot."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiocnn_cli.features.config import Feature, FeatureConfig
from audiocnn_cli.features.explain import Recording, explain
from audiocnn_cli.features.extract import ALONE, extract
from audiocnn_cli.features.settings import plan_from
from audiocnn_cli.output.terminal.heatmap import draw, levels, shrink
from tests.conftest import Finished
from tests.numerics import assert_close, mfcc_scale
from tests.signals import tones_and_noise

Run = Callable[..., Finished]
MakeWav = Callable[..., Path]


def test_the_table_has_shape_rate_duration_and_a_picture(run: Run, make_wav: MakeWav) -> None:
    rising = np.linspace(0, 1, 44100) * np.sin(np.arange(44100))
    finished = run("features", make_wav(samples=rising), "--feature", "rms")
    assert "87 x 1" in finished.stdout
    assert "22050" in finished.stdout
    assert "2.00" in finished.stdout
    lines = [line for line in finished.stdout.splitlines() if "█" in line]
    assert len(lines[-1]) > len(lines[0].strip()) > 0  # loudness rises: the lowest line is the fullest
    assert lines[0].startswith(" ")


def test_many_recordings_have_a_small_picture_each(run: Run, make_wav: MakeWav) -> None:
    paths = [make_wav(f"{i}.wav") for i in range(3)]
    finished = run("features", *paths)
    assert "over time" in finished.stdout
    assert finished.stdout.count(".wav") == 3
    assert finished.stdout.count("█") >= 3  # each reaches its own maximum


def test_a_picture_keeps_the_means() -> None:
    data = np.random.default_rng(0).random((1000, 100)).astype(np.float32)
    small = shrink(data, width=10, height=4)
    np.testing.assert_allclose(small[3, 1], data[300:400, 25:50].mean(), rtol=1e-5)
    assert levels(small, each_bin=False).max() == 1.0
    np.testing.assert_array_equal(levels(small, each_bin=True).max(axis=0), np.ones(4))


def test_every_bin_has_a_row() -> None:
    shares = np.linspace(0, 1, 13)[None].repeat(5, axis=0)
    text = draw(shares, lines=12, colour=False)
    assert text.plain.splitlines()[0] == "█" * 5
    assert text.plain.splitlines()[-1] == " " * 5  # the first bin is at the bottom
    assert len(text.plain.splitlines()) == 13
    coloured = draw(shares, lines=12, colour=True)  # two rows a line, and one alone at the top
    assert coloured.plain.splitlines() == ["▄" * 5] + ["▀" * 5] * 6
    colours = [(span.style.color.name, span.style.bgcolor) for span in coloured.spans]  # type: ignore[union-attr]  # styles, not their names
    assert colours[0] == ("#fde725", None)
    assert len({colour for pair in colours[::5] for colour in pair}) == 14  # 13, and none
    assert len(draw(shares[:, :6], lines=12, colour=False).plain.splitlines()) == 12
    assert len(draw(shares[:, :5], lines=12, colour=True).plain.splitlines()) == 10


@pytest.mark.parametrize("width", [40, 80, 120])
@pytest.mark.parametrize(
    ("options", "rows", "notes"),
    [
        ([], 13, "mfcc_0 to mfcc_12 upwards; each on its own scale"),
        (["--feature", "logmel"], 24, "logmel_0 to logmel_127 upwards (the mean of 5 or 6 a row)"),
        (["--channels"], 13, "upwards; the first of 2 channels; each on its own scale"),
        (["--feature", "complex"], 24, "magnitude of complex_0 to complex_1024 upwards (the mean of"),
        (["--segment", "1"], 13, "20 segments from 0.00 to 20.00 s to the right"),
        (["--segment", "30", "--rest", "keep"], 13, "0 segments and the rest from 0.00 to 20.00 s"),
    ],
)
def test_the_picture_states_what_it_merges(
    options: list[str],
    rows: int,
    notes: str,
    width: int,
    run: Run,
    make_wav: MakeWav,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    noise = np.random.default_rng(0).standard_normal((20 * 22050, 2)) / 10
    printed = run("features", make_wav(samples=noise), *options).stdout
    drawn = [line for line in printed.splitlines() if set(line) & set("░▒▓█")]
    assert len(drawn) == rows
    columns = min(width, 76)
    assert max(map(len, drawn)) == columns
    words = " ".join(printed.split())
    assert notes in words
    frames = 20 * 44 if "1" in options else 862
    about = "about " if width < 76 else ""
    several = f" or {frames // columns + 1}" if frames % columns else ""
    merged = f"{about}{frames // columns}{several}"
    assert f"to the right (the mean of {merged} frames a column)" in words


def test_a_summary_shows_its_numbers(run: Run, make_wav: MakeWav) -> None:
    path = make_wav()
    options = ["--feature", "mfcc,rms", "--summary", "mean,std"]
    (document,) = run("features", path, *options, "--json").document["results"]
    lines = run("features", path, *options).stdout.splitlines()
    shown = {cells[0]: cells[1:] for cells in map(str.split, lines) if len(cells) == 3}
    assert shown["mfcc,rms"] == ["mean", "std"]
    for i, column in enumerate(document["columns"]):
        assert shown[column] == [f"{statistic[i]:.5g}" for statistic in document["data"]]
    wide = run("features", path, "--feature", "mel", "--summary", "median").stdout
    assert "mel_39" in wide
    assert "mel_40" not in wide
    assert "and 88 more rows" in wide


def test_the_summaries_of_many_show_their_first_numbers(
    run: Run, make_wav: MakeWav, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(make_wav("b.wav", tones_and_noise(40_000)).parent)
    make_wav("a.wav")
    command = ["features", "a.wav", "b.wav", "--summary", "mean,std", "--segments", "2"]
    printed = run(*command).stdout
    assert "and 22 more columns" in printed
    rows = [line.split() for line in printed.splitlines() if len(line.split()) == 6][1:]
    expected = [
        [each["path"], str(segment), *(f"{value:.5g}" for value in each["data"][segment][0][:4])]
        for each in run(*command, "--json").document["results"]
        for segment in range(2)
    ]
    assert rows == expected


@pytest.mark.parametrize("feature", Feature)
@pytest.mark.parametrize(
    "options",
    [
        {"segment": 0.5},
        {"segment": 0.5, "channels": True},
        {"summary": "mean,std", "power": 1},
        {"summary": "mean,std", "channels": True},
        {"like": "kaldi"},
        {"like": "torchaudio"},
    ],
)
def test_explain_gives_the_shape_that_comes_out(
    feature: Feature, options: dict[str, object], tmp_path: Path, run: Run
) -> None:
    path = tmp_path / "x.wav"
    soundfile.write(path, tones_and_noise(60_000).reshape(-1, 2), 32000)
    flags = [f"--{name}" if value is True else f"--{name}={value}" for name, value in options.items()]
    command = ["features", path, "--feature", feature, *flags, "--json"]
    stages = run(*command, "--explain").document["results"][0]["stages"]
    shape = run(*command).document["results"][0]["shape"]
    assert stages[-1]["shape"] == shape
    assert all(stage["unit"] for stage in stages)


def test_explain_shows_why_there_are_100_frames() -> None:
    recording = Recording("x.wav", 22050, 1, 51_200)
    centred, exact = (
        next(s for s in explain(recording, plan_from({"frames_exact": given})) if s.name == "frames")
        for given in (False, True)
    )
    assert centred.shape == (101, 2048)
    assert "1 + 51200 // 512 = 101" in centred.detail
    assert "samples / hop = 100 with `frames_exact=True`" in centred.detail
    assert exact.shape == (100, 2048)
    assert "51200 // 512 = 100" in exact.detail


def test_explain_without_a_recording(run: Run) -> None:
    finished = run("features", "--explain", "--like", "kaldi", "--delta", "2", "--feature", "mfcc,rms")
    assert finished.exit_code == 0
    for word in ("povey", "pre-emphasis 0.97", "lifter 22", "side by side", "delta"):
        assert word in finished.stdout


@pytest.mark.parametrize("feature", [*(f for f in Feature if f not in ALONE), "waveform", "complex"])
def test_every_feature_is_drawn(feature: str, run: Run, make_wav: MakeWav, tmp_path: Path) -> None:
    picture = tmp_path / "x.png"
    assert run("features", make_wav(), "--feature", feature, "--plot", picture).exit_code == 0
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_pictures_of_many(run: Run, make_wav: MakeWav, tmp_path: Path) -> None:
    paths = [make_wav("a $x漢🎵.wav"), make_wav("b.wav")]
    refused = run("features", *paths, "--plot", tmp_path / "x.svg")
    assert refused.exit_code == 2
    assert "is one picture" in refused.stderr
    rest = ["--segment", "9", "--rest", "keep", "--feature", "mfcc,rms"]
    assert run("features", paths[1], *rest, "--plot", tmp_path / "rest.png").exit_code == 0
    options = ["--segment", "0.5", "--overlap", "0.5", "--feature", "mfcc,rms", "--delta", "1"]
    assert run("features", *paths, *options, "--plot", f"{tmp_path}/out/").exit_code == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a $x漢🎵.png", "b.png"]


def test_without_matplotlib_the_message_names_the_extra(
    run: Run, make_wav: MakeWav, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audiocnn_cli.extras.find_spec", lambda name: None)
    finished = run("features", make_wav(), "--plot", "x.png")
    assert finished.exit_code == 3
    assert "[plot]'" in finished.stderr


def test_frames_exact_at_the_shell(run: Run, make_wav: MakeWav) -> None:
    path = make_wav(samples=tones_and_noise(51_200))
    finished = run("features", path, "--frames-exact", "--channels", "--json")
    assert finished.document["results"][0]["shape"] == [100, 13, 1]
    data = extract(tones_and_noise(51_200), FeatureConfig(frames_exact=True))
    centred = extract(tones_and_noise(51_200), FeatureConfig())
    assert_close(data, centred[:100], scale=mfcc_scale())
