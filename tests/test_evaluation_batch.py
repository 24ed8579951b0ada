"""`audiocnn evaluate` as a batch: killed, stopped and resumed, and always with the figures of all clips."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from tests.conftest import Finished
from tests.onnx_models import LABELS, write_good_model
from tests.test_batch_faults import finish, start, states

Run = Callable[..., Finished]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three classes of twelve clips that differ; scoring some is slow, where a test sets it."""
    random = np.random.default_rng(8)
    for label in LABELS:
        for i in range(12):
            path = tmp_path / "data" / label / f"{'slow-' * (i > 2)}{i:02}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, random.uniform(0, 0.3) * random.standard_normal(18000), 16000)
    return tmp_path / "data"


@pytest.fixture
def evaluate(folder: Path, tmp_path: Path) -> tuple[str | Path, ...]:
    model = write_good_model(tmp_path / "tiny.onnx")
    return ("evaluate", folder, "--model", model, "--json")


def recalled(finished: Finished) -> int:
    """How many inputs an earlier run had done, by its JSON events."""
    events = [json.loads(line) for line in finished.stderr.splitlines()]
    return sum(event["event"] in ("done", "failed") and event["recalled"] for event in events)


def test_a_changed_recording_is_scored_again(
    run: Run, evaluate: tuple[Any, ...], folder: Path, tmp_path: Path
) -> None:
    (folder / LABELS[0] / "00.wav").write_text("no audio")
    log, journal = tmp_path / "bad.jsonl", tmp_path / "run.sqlite"
    keeping = (*evaluate, "--journal", journal, "--log-json")
    first = run(*keeping, "--failures", log)
    assert first.exit_code == 1
    assert [json.loads(line)["kind"] for line in log.read_text().splitlines()] == ["not_audio"]
    assert states(journal) == {"done": 35, "not_audio": 1}
    again = run(*keeping, "--resume")
    assert again.exit_code == 1
    assert again.document == first.document
    assert recalled(again) == 36
    soundfile.write(folder / LABELS[0] / "00.wav", np.zeros(18000), 16000)
    fixed = run(*keeping, "--resume", "--failures", log)
    assert fixed.exit_code == 0
    assert (fixed.document["clips"], recalled(fixed)) == (36, 35)
    assert log.read_text() == ""
    assert fixed.document == run(*evaluate).document


def test_other_options_score_all_again(run: Run, evaluate: tuple[Any, ...], tmp_path: Path) -> None:
    keeping = (*evaluate, "--journal", tmp_path / "run.sqlite", "--resume")
    run(*keeping)
    robust = run(*keeping, "--robustness")
    assert "done again, for other options: degradations ( -> 8khz, mp3_64" in robust.stderr
    assert robust.document["robustness"]
    assert "by an earlier run" not in robust.stderr
    same = run(*keeping, "--robustness")
    assert "36 done (36 by an earlier run)" in same.stderr
    assert same.document == robust.document


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGKILL])
def test_stopped_and_resumed(
    run: Run, evaluate: tuple[Any, ...], tmp_path: Path, stop: signal.Signals
) -> None:
    journal = tmp_path / "run.sqlite"
    keeping = (*evaluate, "--journal", journal, "-j", "2")
    process = start(*keeping, "--log-json", slow_s=0.1)
    assert process.stderr is not None
    for _ in range(4):
        assert '"done"' in process.stderr.readline()
    os.killpg(process.pid, stop)
    code, out, err = finish(process)
    assert out == ""
    if stop is signal.SIGINT:
        assert code == 130
        assert "interrupted before all clips were scored, so there are no figures; --resume" in err
        assert set(states(journal)) == {"done"}
    done = states(journal)["done"]
    assert 0 < done < 36
    resumed = run(*keeping, "--resume")
    assert f"36 done ({done} by an earlier run)" in resumed.stderr
    assert resumed.exit_code == 0
    assert resumed.document == run(*evaluate).document


@pytest.mark.parametrize(
    "option", ["--resume", "--journal=a.sqlite", "--failures=a.jsonl", "--cluster=tcp://a:1", "--robustness"]
)
def test_all_goes_with_few_other_options(run: Run, folder: Path, option: str) -> None:
    finished = run("evaluate", "--all", folder, option)
    assert finished.exit_code == 2
    assert "combined with --model, --jobs and --timeout only" in finished.stderr


def test_resume_needs_a_journal(run: Run, evaluate: tuple[Any, ...]) -> None:
    finished = run(*evaluate, "--resume")
    assert finished.exit_code == 2
    assert "--journal" in finished.stderr
