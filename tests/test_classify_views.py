"""What `audiocnn classify` prints: tables that fit the width, and nothing where nothing is asked for."""

import csv
import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from audiocnn_cli.commands.classify_options import complete_model
from tests.conftest import Finished
from tests.onnx_models import CONTRACT, LABELS, write_good_model

Run = Callable[..., Finished]
MakeWav = Callable[..., Path]
LONG = ("environment-and-weather", "speech-in-a-crowded-room", "orchestra-of-strings")
FOLDER = "a-folder-with-a-long-name-for-recordings"


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    return write_good_model(tmp_path / "tiny.onnx")


@pytest.fixture
def clips(make_wav: MakeWav) -> Path:
    """Two recordings with long names in a folder with a long name, one of them with a rest."""
    samples = 0.1 * np.random.default_rng(0).standard_normal(15000)
    for name in ("the-first-recording.wav", "another.wav"):
        path = make_wav(f"{FOLDER}/{name}", samples, rate=8000)
    return path.parent


@pytest.mark.parametrize("width", [60, 80, 100, 120])
@pytest.mark.parametrize("verbose", [False, True])
def test_tables_fit_and_break_no_token(
    width: int, verbose: bool, run: Run, tmp_path: Path, clips: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    model = write_good_model(tmp_path / "long.onnx", replace(CONTRACT, labels=LONG))
    extra = ("-v",) if verbose else ()
    shown = run("classify", clips, "--model", model, "--threshold", "0", *extra).stdout
    assert max(map(len, shown.splitlines())) <= width
    best = [label for label in LONG if label in shown]
    assert best
    for line in shown.splitlines():
        if ".wav" in line:
            name = line.split()[0]
            assert name.endswith(("ng.wav", "er.wav"))
            assert any(label in line for label in LONG)
            candidates = line.split(" 0.")[1:]
            assert all(len(each.split(",")[0].split()[0]) == 2 for each in candidates)
    if verbose and width >= 100:
        assert "seconds" in shown
        assert "0.38 s overlapped" in shown
    elif not verbose:
        assert "seconds" not in shown
        assert "segments" not in shown
    if width == 120 and not verbose:
        assert "next best" in shown


@pytest.mark.parametrize("option", ["--timeline", "--trace", "--why"])
@pytest.mark.parametrize("width", [80, 100, 120])
def test_everything_fits_the_width(
    option: str, width: int, run: Run, tiny: Path, clips: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    shown = run("classify", clips / "another.wav", "--model", tiny, option).stdout
    assert max(map(len, shown.splitlines())) <= width
    assert "another.wav" in shown
    if option == "--trace":
        assert "1 + 4000 // 100 = 41" in shown
        assert f"dense:{len(LABELS)}," in shown


def test_the_legend_of_many_labels_fits(
    run: Run, tmp_path: Path, make_wav: MakeWav, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "50")
    labels = tuple(f"{label} once more" for label in LONG)
    model = write_good_model(tmp_path / "long.onnx", replace(CONTRACT, labels=labels))
    tones = [np.sin(2 * np.pi * hz * np.arange(4000) / 8000) for hz in (100, 1000, 3900)]
    clip = make_wav("tones.wav", 0.5 * np.concatenate(tones), rate=8000)
    shown = run("classify", clip, "--model", model, "--threshold", "0", "--timeline").stdout
    assert max(map(len, shown.splitlines())) <= 50


def test_quiet_prints_no_table(run: Run, tiny: Path, clips: Path) -> None:
    for arguments in (("-q",), ("-q", "--timeline"), ("-q", "--trace")):
        finished = run("classify", clips, "--model", tiny, *arguments)
        assert (finished.exit_code, finished.stdout) == (0, "")
    document = run("classify", clips, "--model", tiny, "-q", "--json").document
    assert len(document["results"]) == 2


@pytest.mark.parametrize("output", ["x.csv", "x.json", "x.parquet", "x.txt", "x.vtt", "folder/"])
def test_an_output_prints_no_table(output: str, run: Run, tiny: Path, clips: Path, tmp_path: Path) -> None:
    one = clips / "another.wav"
    written = f"{tmp_path}/{output}"
    finished = run("classify", one, "--model", tiny, "-o", written)
    assert (finished.exit_code, finished.stdout) == (0, "")
    loud = run("classify", one, "--model", tiny, "-o", written, "-v", "--force")
    assert loud.exit_code == 0
    assert loud.stdout.count("\n") == (output in ("x.parquet", "x.vtt", "folder/"))


@pytest.mark.parametrize(
    ("samples", "count", "rest"),
    [(8000, 2, "none"), (11000, 3, "overlapped"), (9000, 2, "dropped"), (1500, 1, "repeated")],
)
def test_segments_are_counted_the_same_everywhere(
    samples: int, count: int, rest: str, run: Run, tiny: Path, make_wav: MakeWav
) -> None:
    noise = 0.1 * np.random.default_rng(0).standard_normal(samples)
    arguments = ("classify", make_wav("x.wav", noise, rate=8000), "--model", tiny)
    (result,) = run(*arguments, "--timeline", "--trace", "--json").document["results"]
    assert (result["segments"], result["rest"]) == (count, rest)
    assert len(result["timeline"]) == count
    cut, scored = (
        next(stage for stage in result["trace"]["stages"] if stage["stage"] == name)
        for name in ("segments", "model")
    )
    assert cut["shape"][0] == scored["shape"][0] == count
    (row,) = csv.DictReader(io.StringIO(run(*arguments, "--csv").stdout))
    assert (row["segments"], row["rest"]) == (str(count), rest)
    assert run(*arguments, "-v").stdout.split()[-1] == str(count)


def test_models_and_files_complete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platformdirs.user_data_path", lambda *_, **__: tmp_path / "user")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "genuine.onnx").touch()
    (tmp_path / "genetics").mkdir()
    (tmp_path / "genetics" / "dna.onnx").touch()
    (tmp_path / "genre.txt").touch()
    networks = ["genre", "genre-cnn", "genre-lstm", "genre-mlp", "genre-small"]
    assert list(complete_model("gen")) == [*networks, "genetics/", "genuine.onnx"]
    assert list(complete_model("genetics/d")) == ["genetics/dna.onnx"]
    assert list(complete_model("au")) == ["auto"]
    assert list(complete_model(f"{tmp_path}/genu")) == [f"{tmp_path}/genuine.onnx"]


def test_options_of_features_are_not_of_classify(run: Run, clips: Path) -> None:
    for option in ("--labels", "--feature", "--n-fft", "--layout", "--activation", "--config"):
        finished = run("classify", clips, option, "1")
        assert finished.exit_code == 2
        assert option in finished.stderr
    shown = run("classify", "--help").stdout
    headings = ["Model:", "Events:", "Input:", "Inspection:", "Output:", "Many files:", "Logging:"]
    places = [shown.index(f"\n{heading}\n") for heading in headings]
    assert places == sorted(places)
