"""An input is identified by its absolute path, and a run that is refused changes nothing."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile

from tests.conftest import Finished
from tests.onnx_models import LABELS, write_good_model
from tests.test_batch_faults import JOURNAL, finish, start, states

Run = Callable[..., Finished]


@pytest.fixture
def clips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Six clips in a folder of the working folder, and a file that is not audio."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clips").mkdir()
    for i in range(6):
        noise = 0.1 * np.random.default_rng(i).standard_normal(22050)
        soundfile.write(tmp_path / "clips" / f"{i}.wav", noise, 22050)
    (tmp_path / "clips" / "none.wav").write_text("no audio")
    return tmp_path / "clips"


SPELLINGS = ["./clips/", "../{parent}/clips", "{absolute}"]


def spelt(spelling: str, clips: Path) -> str:
    return spelling.format(parent=clips.parent.name, absolute=clips)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_data_set_has_no_recording_twice(run: Run, clips: Path, spelling: str) -> None:
    whole = ("--format", "parquet", "--summary", "mean", "-o", "set/", "--jsonl")
    run("features", "clips", *whole)
    again = run("features", spelt(spelling, clips), *whole, "--resume")
    assert pq.read_table("set").num_rows == 6
    assert len(again.stdout.splitlines()) == 7
    assert states(Path("set") / JOURNAL) == {"done": 6, "not_audio": 1}
    soundfile.write(clips / "3.wav", np.zeros(22050), 22050)
    changed = run("features", spelt(spelling, clips), *whole, "--resume")
    assert changed.exit_code == 1
    table = pq.read_table("set")
    assert table.num_rows == 6
    assert sorted(os.path.realpath(path) for path in table["path"].to_pylist()) == [
        str(clips.resolve() / f"{i}.wav") for i in range(6)
    ]
    assert states(Path("set") / JOURNAL) == {"done": 6, "not_audio": 1}
    run("features", "clips", *whole, "--resume")
    assert pq.read_table("set").num_rows == 6


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_files_of_their_own_are_gone_on_with(run: Run, clips: Path, spelling: str) -> None:
    model = write_good_model(clips.parent / "tiny.onnx")
    whole = ("--model", model, "-o", "out/", "--jsonl")
    run("classify", "clips", *whole)
    before = {path: path.stat().st_mtime_ns for path in Path("out").glob("*.json")}
    again = run("classify", spelt(spelling, clips), *whole, "--resume", "--log-json")
    assert again.stderr.count('"recalled": true') == 7
    assert {path: path.stat().st_mtime_ns for path in Path("out").glob("*.json")} == before
    soundfile.write(clips / "3.wav", np.zeros(22050), 22050)
    changed = run("classify", spelt(spelling, clips), *whole, "--resume", "--log-json")
    assert changed.stderr.count('"recalled": true') == 6
    assert states(Path("out") / JOURNAL) == {"done": 6, "not_audio": 1}


def test_from_another_folder(run: Run, clips: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run("features", "clips", "-o", "out/", "--jsonl")
    monkeypatch.chdir(clips)
    again = run("features", ".", "-o", "../out/", "--jsonl", "--resume", "--log-json")
    assert again.stderr.count('"recalled": true') == 7, again.stderr


def test_a_run_that_is_refused_leaves_the_journal(run: Run, clips: Path) -> None:
    model = write_good_model(clips.parent / "tiny.onnx")
    run("classify", "clips", "--model", model, "-o", "out/")
    before = run("merge", "out/")
    assert "complete" in before.stdout
    assert run("merge", "out/", "-q").stdout == ""
    refused = run("classify", "clips", "--model", model, "-o", "out/", "--threshold", "0.9")
    assert refused.exit_code == 3
    assert run("merge", "out/") == before


def test_others_are_warned_when_failures_are_tried_again(run: Run, clips: Path) -> None:
    model = write_good_model(clips.parent / "tiny.onnx")
    run("classify", "clips", "--model", model, "-o", "out/", "--failures", "bad.jsonl")
    again = run("classify", "--retry-failures", "bad.jsonl", "-o", "out/", "--threshold", "0.9")
    assert "the results in it were made with other options: " in again.stderr


def test_an_evaluation_is_no_list_to_merge(run: Run, clips: Path) -> None:
    for label in LABELS:
        (clips / label).mkdir()
        (clips / label / "a.wav").write_bytes((clips / "1.wav").read_bytes())
    for path in clips.glob("*.wav"):
        path.unlink()
    model = write_good_model(clips.parent / "tiny.onnx")
    run("evaluate", "clips", "--model", model, "--journal", "run.sqlite")
    merged = run("merge", "run.sqlite", "--json")
    assert merged.exit_code == 2
    assert "run audiocnn evaluate" in merged.stderr


@pytest.mark.parametrize("name", ["gone/", "", "gone//"])
def test_a_folder_that_is_not_there(run: Run, clips: Path, name: str) -> None:
    finished = run("features", name, "-o", "out/")
    assert finished.exit_code == 3
    assert "no such file" in finished.stderr


def test_a_queue_that_ends_the_job(clips: Path) -> None:
    folder = clips.parent / "many"
    folder.mkdir()
    for i in range(60):
        os.link(clips / "0.wav", folder / f"slow-{i}.wav")
    process: Any = start("features", folder, "-o", "out/", "-j", "2", "--log-json", slow_s=0.1)
    for _ in range(4):
        assert '"done"' in process.stderr.readline()
    os.kill(process.pid, signal.SIGTERM)
    code, _, err = finish(process)
    assert code == 130
    assert '"interrupted": true' in err
    done = states(Path("out") / JOURNAL)
    assert set(done) == {"done"}
    assert 4 <= done["done"] < 60
