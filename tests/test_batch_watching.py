"""The progress and the summary of a batch, and the documents that it writes step by step."""

import io
import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from audiocnn_cli.audio.sources import Source
from audiocnn_cli.batch.outcome import Failure, Finished
from audiocnn_cli.errors import FailureKind
from audiocnn_cli.output.destination import Destination, Format
from audiocnn_cli.output.results import OutcomeWriter, write_each, write_outcomes, write_result
from audiocnn_cli.output.terminal.console import log, set_up_logging
from audiocnn_cli.output.terminal.progress import Progress, duration
from tests.conftest import Finished as Ended

Run = Callable[..., Ended]
MakeWav = Callable[..., Path]


@pytest.fixture(autouse=True)
def logged() -> Iterator[None]:
    set_up_logging(quiet=False, verbose=False)
    yield
    log.handlers.clear()


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def event(name: str, seconds: float, *, kind: str | None = None, recalled: bool = False) -> Any:
    failure = Failure(name, FailureKind(kind), "is bad") if kind else None
    return Finished(Source(name), failure or 60.0, seconds, recalled)


def test_a_line_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    progress = Progress[float](float, inputs=range(1000), on_terminal=False, clock=clock)
    for i in range(100):
        clock.now += 1
        progress.finished(event(f"{i}.wav", 2.0 + i % 7, kind="corrupt" if i % 10 == 9 else None))
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3  # after 30, 60 and 90 seconds
    assert lines[-1].startswith("81 done, 9 failed (9 corrupt), 81.0 min of audio, 54 times real time")
    summary = progress.close()
    assert (summary.done, summary.failed) == (90, 10)
    assert summary.files_per_s == pytest.approx(1.0)
    assert summary.audio_s == 90 * 60
    assert [seconds for seconds, _ in summary.slowest] == [8.0, 8.0, 8.0]
    logged = capsys.readouterr().err
    assert "90 done, 10 failed (10 corrupt) in 1.7 min: 1.0 files/s, 90.0 min of audio" in logged
    assert "slowest: " in logged


def test_what_is_left_is_reported_once_it_is_counted(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()

    def ticking() -> Iterator[int]:
        for i in range(500):
            clock.now += 0.05  # listing takes time as well
            yield i

    progress = Progress[float](float, inputs=ticking(), on_terminal=False, clock=clock)
    for i in range(400):
        clock.now += 1
        progress.finished(event(f"{i}.wav", 1.0, recalled=i < 100))
    lines = capsys.readouterr().err.splitlines()
    assert "left" not in lines[0]
    last = lines[-1]
    done = int(last.split(" done")[0])
    assert f"{500 - done:,} left" in last
    assert progress.close().recalled == 100


def test_a_line_on_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    progress = Progress[float](float, on_terminal=True, clock=clock)
    for i in range(3):
        clock.now += 0.2
        progress.finished(event(f"{i}.wav", 1.0))
    log.warning("something else")
    progress.close()
    shown = capsys.readouterr().err
    assert shown.count("\r\x1b[K") >= 5
    before, _, after = shown.partition("warning: something else\n")
    assert before.endswith("\r\x1b[K")
    assert after.startswith("\r\x1b[K3 done")
    assert shown.endswith("\r\x1b[K")


def test_durations() -> None:
    assert [duration(s) for s in (0.04, 59.9, 90, 5999, 7200)] == [
        "0.0 s",
        "59.9 s",
        "1.5 min",
        "100.0 min",
        "2.0 h",
    ]


def test_events_for_programs(run: Run, make_wav: MakeWav, tmp_path: Path) -> None:
    good, bad = make_wav("good.wav"), tmp_path / "bad.wav"
    bad.write_text("no audio")
    finished = run("features", good, bad, "--jsonl", "--log-json")
    events = [json.loads(line) for line in finished.stderr.splitlines()]
    by_name = {each["event"]: each for each in events}
    assert [each["event"] for each in events] in (
        ["done", "failed", "summary"],
        ["failed", "done", "summary"],
    )
    assert by_name["done"]["path"] == str(good)
    assert by_name["done"]["audio_s"] == 2.0
    assert by_name["failed"]["kind"] == "not_audio"
    assert (by_name["summary"]["done"], by_name["summary"]["failures"]) == (1, {"not_audio": 1})
    page = (Path(__file__).parent.parent / "docs" / "batch.md").read_text()
    for name, each in by_name.items():
        (row,) = (line for line in page.splitlines() if line.startswith(f"| `{name}` |"))
        assert set(re.findall(r"`(\w+)`", row)) == {name} | each.keys() - {"time", "event"}
    refused = run("features", good, "--resume", "--log-json")
    assert [json.loads(line)["event"] for line in refused.stderr.splitlines()] == ["error"]


def test_a_few_files_need_no_summary(run: Run, make_wav: MakeWav) -> None:
    names = [make_wav(f"{i}.wav") for i in range(12)]
    assert run("features", *names[:9], "--jsonl").stderr == ""
    assert run("features", *names, "--jsonl").stderr.startswith("12 done in ")
    assert run("features", *names, "--jsonl", "-q").stderr == ""


def test_a_real_terminal(make_wav: MakeWav) -> None:
    names = [str(make_wav(f"{i}.wav", rate=44100)) for i in range(60)]
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "audiocnn_cli", "features", *names, "--json", "-j", "1"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=theirs) as process:
        os.close(theirs)
        shown = b""
        while True:
            try:
                shown += os.read(ours, 1 << 16)
            except OSError:
                break
    os.close(ours)
    assert process.returncode == 0
    assert b"\r\x1b[K" in shown
    assert b"times real time" in shown
    assert b"60 done in" in shown


class _View:
    def document(self, result: int) -> dict[str, Any]:
        return {"path": f"{result}.wav", "n": result, "deep": {"list": [1, "two\n"], "none": []}}

    def rows(self, result: int) -> Sequence[dict[str, object]]:
        return [{"n": result}]

    def table(self, results: Sequence[int]) -> str:
        return f"{len(results)} rows"


@pytest.mark.parametrize(("results", "failures"), [(0, 0), (1, 0), (3, 2), (0, 1)])
def test_a_document_that_grows_is_the_same_document(results: int, failures: int) -> None:
    failed = [Failure(f"{i}", FailureKind.CORRUPT, "is bad") for i in range(failures)]
    stream = io.StringIO()
    outcomes = [*range(results), *failed]
    counts = write_each(iter(outcomes), [OutcomeWriter(stream, Destination(Format.JSON), _View())])
    assert (counts.done, counts.failed) == (results, failures)
    document = {
        "results": [_View().document(i) for i in range(results)],
        "failures": [{"path": f.path, "kind": f.kind, "message": f.message} for f in failed],
    }
    assert stream.getvalue() == json.dumps(document, indent=2) + "\n"


def test_a_long_table_is_written_in_pieces() -> None:
    stream = io.StringIO()
    write_each(iter(range(2500)), [OutcomeWriter(stream, Destination(Format.TABLE), _View())])
    assert stream.getvalue().split("\n")[:3] == ["1000 rows", "1000 rows", "500 rows"]


TABLE, JSONL = Destination(Format.TABLE), Destination(Format.JSONL)


@pytest.mark.parametrize(
    ("destination", "printed"),
    [
        (TABLE, "2 rows\n"),
        (replace(TABLE, quiet=True), ""),
        (TABLE.beside_files(), ""),
        (replace(TABLE, verbose=True).beside_files(), "0.wav\n1.wav\n"),
        (replace(TABLE, verbose=True, quiet=True).beside_files(), ""),
    ],
)
def test_tables_are_printed_only_where_they_are_the_result(
    destination: Destination, printed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    counts = write_outcomes(iter(range(2)), _View(), destination)
    assert (counts.done, counts.failed) == (2, 0)
    assert capsys.readouterr().out == printed


def test_quiet_prints_what_programs_read_and_writes_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_result(3, _View(), replace(JSONL, quiet=True).beside_files())
    assert json.loads(capsys.readouterr().out)["n"] == 3
    path = tmp_path / "table.txt"
    write_result(3, _View(), Destination(Format.TABLE, path, quiet=True))
    assert path.read_text() == "1 rows\n"
    write_result(3, _View(), replace(TABLE, quiet=True))
    assert capsys.readouterr().out == ""
