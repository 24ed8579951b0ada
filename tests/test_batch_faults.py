"""Real faults in whole commands: crashes, hangs, signals, full disks; outputs and journal are checked."""

import json
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from tests.onnx_models import write_good_model

PLUGIN = Path(__file__).parent / "plugins"
JOURNAL = ".audiocnn-journal.sqlite"
Clips = Callable[..., Path]


def start(*arguments: object, slow_s: float = 0.02, **options: Any) -> subprocess.Popen[str]:
    """`audiocnn` in a process group of its own, with the faulty decoder of `plugins/`."""
    path = os.pathsep.join([str(PLUGIN), str(PLUGIN.parent.parent)])
    environment = os.environ | {
        "PYTHONPATH": path,
        "SLOW_S": str(slow_s),
        "OPENBLAS_NUM_THREADS": "1",  # before the plug-in imports numpy
    }
    return subprocess.Popen(
        [sys.executable, "-m", "audiocnn_cli", *map(str, arguments)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        **options,
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Exit code, stdout and stderr."""
    try:
        out, err = process.communicate(timeout=60)
    finally:
        _end(process.pid)
    return process.returncode, out, err


def states(journal: Path) -> Counter[str]:
    """How many inputs the journal has in each state."""
    with closing(sqlite3.connect(journal)) as database:
        return Counter(kind or state for state, kind in database.execute("SELECT state, kind FROM inputs"))


def results(folder: Path) -> dict[str, str]:
    """The JSON documents in the folder of results, which must contain no other file but the journal."""
    files = {p for p in folder.rglob("*") if p.is_file() and not p.name.startswith(JOURNAL)}
    documents = {str(p.relative_to(folder)): json.loads(p.read_text()) for p in files}
    return {name: document["path"] for name, document in documents.items()}


def wait_for(condition: Callable[[], bool], *, seconds: float = 60) -> None:
    """Wait until the condition is true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came to pass"
        time.sleep(0.005)


@pytest.fixture
def clips(tmp_path: Path) -> Iterator[Clips]:
    """Makes a folder of clips with these names; they are links to one second of noise."""
    noise = tmp_path / "noise.wav"
    soundfile.write(noise, 0.1 * np.random.default_rng(0).standard_normal(22050), 22050)

    def make(*names: str, folder: str = "clips") -> Path:
        for name in names:
            path = tmp_path / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            os.link(noise, path)
        return tmp_path / folder

    yield make


@pytest.fixture
def classify(tmp_path: Path) -> tuple[str | Path, ...]:
    return ("classify", "--model", write_good_model(tmp_path / "tiny.onnx"))


def dirty(clips: Clips) -> Path:
    """500 clips of which 5 are corrupt and 1 kills its worker."""
    folder = clips(*(f"{i:03}.wav" for i in range(494)), "crash.wav")
    for i in range(5):
        good = (folder / "000.wav").read_bytes()
        (folder / f"corrupt-{i}.wav").write_bytes(good[: len(good) // 2])
    return folder


def test_a_dirty_archive_is_done_but_for_what_is_broken(
    clips: Clips, classify: tuple[str | Path, ...], tmp_path: Path
) -> None:
    folder, out, failures = dirty(clips), tmp_path / "out", tmp_path / "failures.jsonl"
    code, _, err = finish(
        start(*classify, folder, "-o", f"{out}/", "-j", "2", "--failures", failures, "--jsonl")
    )
    assert code == 1, err
    assert sorted(results(out)) == [f"{i:03}.json" for i in range(494)]
    assert states(out / JOURNAL) == {"done": 494, "corrupt": 5, "crashed": 1}
    kinds = Counter(json.loads(line)["kind"] for line in failures.read_text().splitlines())
    assert kinds == {"corrupt": 5, "crashed": 1}
    assert "494 done, 6 failed (5 corrupt, 1 crashed)" in err

    # The failure log is a list of inputs: once repaired they are done, and no others.
    for path in folder.glob("c*.wav"):
        path.unlink()
    clips(*(f"corrupt-{i}.wav" for i in range(5)))
    again = start(*classify, "--retry-failures", failures, "--failures", failures, "-o", f"{out}/", "--jsonl")
    code, stdout, err = finish(again)
    assert code == 1, err
    assert len(stdout.splitlines()) == 6
    assert states(out / JOURNAL) == {"done": 499, "not_found": 1}
    assert [json.loads(line)["kind"] for line in failures.read_text().splitlines()] == ["not_found"]


@pytest.mark.parametrize("writing", ["folder", pytest.param("jsonl", marks=pytest.mark.slow)])
def test_killed_in_the_middle_and_resumed(
    writing: str, clips: Clips, classify: tuple[str | Path, ...], tmp_path: Path
) -> None:
    folder = clips(*(f"slow-{i:03}.wav" for i in range(80)), "crash.wav")
    (folder / "corrupt.wav").write_bytes(b"RIFF")
    out = tmp_path / "out"
    out.mkdir()
    journal = out / JOURNAL if writing == "folder" else tmp_path / "journal"
    where = ["-o", f"{out}/"] if writing == "folder" else ["--journal", journal]
    command = [*classify, folder, "-j", "2", "--jsonl", *where, "--resume"]
    for many in (15, 40):
        process = start(*command)
        assert process.stdout is not None
        lines = (process.stdout.readline() for _ in range(many))
        assert all(line.endswith("\n") for line in lines)
        process.kill()
        process.wait()
        process.communicate()
        # Its workers end with it.
        wait_for(partial(_is_gone, process.pid))
        done = states(journal)["done"]
        assert many - 10 <= done < 80
    code, stdout, err = finish(start(*command))
    assert code == 1
    assert f"({done + 1} by an earlier run)" in err or f"({done} by an earlier run)" in err
    assert states(journal) == {"done": 80, "crashed": 1, "not_audio": 1}
    lines_by_path = Counter(json.loads(line)["path"] for line in stdout.splitlines())
    assert lines_by_path == Counter(str(p) for p in folder.iterdir())
    expected = {f"slow-{i:03}.json" for i in range(80)}
    assert set(results(out)) == (expected if writing == "folder" else set())


def _end(group: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


def _is_gone(group: int) -> bool:
    return not _processes_of(group)


def _processes_of(group: int) -> list[str]:
    listed = subprocess.run(
        ["ps", "-o", "pid=", "-g", str(group)], capture_output=True, text=True, check=False
    )
    return listed.stdout.split()


def test_workers_killed_from_outside(clips: Clips, classify: tuple[str | Path, ...], tmp_path: Path) -> None:
    folder, out = clips(*(f"slow-{i:03}.wav" for i in range(40))), tmp_path / "out"
    process = start(*classify, folder, "-o", f"{out}/", "-j", "2", "--jsonl")
    killed: set[str] = set()
    assert process.stdout is not None
    for _ in range(4):
        process.stdout.readline()
        workers = [p for p in _processes_of(process.pid) if int(p) != process.pid]
        for worker in set(workers[:1]) - killed:
            os.kill(int(worker), signal.SIGKILL)
            killed.add(worker)
    code, _, err = finish(process)
    assert len(killed) >= 2
    assert code == 0, err
    assert len(results(out)) == 40
    assert states(out / JOURNAL) == {"done": 40}


@pytest.mark.parametrize("options", [("--json",), ("--timeline", "--jsonl"), ("-o", "out/")])
def test_a_single_file_that_crashes_its_decoder_ends_in_a_sentence(
    clips: Clips, classify: tuple[str | Path, ...], tmp_path: Path, options: tuple[str, ...]
) -> None:
    crash = clips("crash.wav") / "crash.wav"
    code, _, err = finish(start(*classify, crash, *options, cwd=tmp_path))
    assert code == 3
    assert f"error: {crash}: the worker died of SIGSEGV, twice" in err
    assert not [p for p in (tmp_path / "out").rglob("*") if not p.name.startswith(JOURNAL)]


def test_ctrl_c_once_finishes_what_is_in_work(
    clips: Clips, classify: tuple[str | Path, ...], tmp_path: Path
) -> None:
    folder, out = clips(*(f"slow-{i:03}.wav" for i in range(100))), tmp_path / "out"
    process = start(*classify, folder, "-o", f"{out}/", "-j", "2", "--json", slow_s=0.05)
    wait_for(lambda: len(list(out.glob("*.json"))) > 10)
    os.killpg(process.pid, signal.SIGINT)
    code, stdout, err = finish(process)
    assert code == 130
    assert "finishing the files in work" in err
    assert "done in" in err
    written = len(results(out))
    assert 10 < written < 90
    assert len(json.loads(stdout)["results"]) == written
    assert states(out / JOURNAL) == {"done": written}
    code, stdout, err = finish(
        start(*classify, folder, "-o", f"{out}/", "-j", "2", "--json", "--resume", slow_s=0)
    )
    assert code == 0, err
    assert len(json.loads(stdout)["results"]) == len(results(out)) == 100


def test_ctrl_c_twice_stops_at_once(clips: Clips, classify: tuple[str | Path, ...], tmp_path: Path) -> None:
    folder, out = (clips("a.wav", "b.wav", "hang-1.wav", "hang-2.wav", "hang-3.wav"), tmp_path / "out")
    process = start(*classify, folder, "-o", f"{out}/", "-j", "2", "--jsonl")
    wait_for(lambda: len(list(out.glob("*.json"))) == 2)
    time.sleep(0.3)
    os.killpg(process.pid, signal.SIGINT)
    time.sleep(0.3)
    assert process.poll() is None
    began = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)
    code, _, _ = finish(process)
    assert code == 130
    assert time.monotonic() - began < 5
    # Two hang; the third waits in the pipe of a worker if that was quick with the first files.
    found = states(out / JOURNAL)
    assert found["done"] == 2
    assert found["begun"] in (2, 3)
    assert not _processes_of(process.pid)


def test_two_runs_on_one_journal(clips: Clips, classify: tuple[str | Path, ...], tmp_path: Path) -> None:
    folder, out = clips("a.wav", "b.wav", "hang.wav"), tmp_path / "out"
    first = start(*classify, folder, "-o", f"{out}/", "-j", "2", "--jsonl")
    wait_for(lambda: len(list(out.glob("*.json"))) == 2)
    code, _, err = finish(start(*classify, folder, "-o", f"{out}/", "--resume"))
    assert code == 3
    assert "another run is writing this journal" in err
    assert first.poll() is None
    first.kill()
    first.communicate()
    # The lock and the hanging worker have ended with the process.
    wait_for(partial(_is_gone, first.pid))
    code, _, err = finish(
        start(*classify, folder, "-o", f"{out}/", "--resume", "--timeout", "0.5", "-j", "2")
    )
    assert (code, states(out / JOURNAL)) == (1, {"done": 2, "timeout": 1}), err


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no right to mount a file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk(clips: Clips, small_disk: Path) -> None:
    folder, out = clips(*(f"{i:03}.wav" for i in range(300))), small_disk / "out"
    command = ["features", folder, "-o", f"{out}/", "--format", "npy", "-j", "2", "--jsonl"]
    code, _, err = finish(start(*command))
    assert code == 3
    assert "No space left" in err or "is full" in err
    assert "Traceback" not in err
    before = sorted(out.glob("*.npy"))
    assert 20 < len(before) < 300
    assert not [p for p in out.iterdir() if p.name.startswith(".0")], "a half-written file is left"
    subprocess.run(["mount", "-o", "remount,size=8m", str(small_disk)], check=True)
    code, stdout, err = finish(start(*command, "--resume"))
    assert code == 0, err
    assert len(stdout.splitlines()) == len(list(out.glob("*.npy"))) == 300
    assert all(np.load(path).shape == (44, 13) for path in out.glob("*.npy"))
    assert states(out / JOURNAL) == {"done": 300}


def test_a_file_too_large_for_its_quota(clips: Clips, tmp_path: Path) -> None:
    """As on a full disk, where no file system can be mounted: no file of more than 512 KiB."""
    folder, out = clips("a.wav", "b.wav", "c.wav"), tmp_path / "out"
    limit = (1 << 19, 1 << 19)
    process = start(
        *["features", folder, "--feature", "stft", "--hop", "64", "-o", f"{out}/", "-j", "2"],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limit),
    )
    code, _, err = finish(process)
    assert code == 3
    assert "can't be written (File too large)" in err
    assert [p.name for p in out.iterdir() if not p.name.startswith(JOURNAL)] == []


def test_an_output_that_can_not_be_written(clips: Clips) -> None:
    code, _, err = finish(start("features", clips("a.wav", "b.wav"), "-o", "/proc/out/"))
    assert code == 3
    assert err.startswith("error: /proc/out: this folder can't be made")
    assert len(err.splitlines()) == 1


def test_links_that_go_round(clips: Clips, tmp_path: Path) -> None:
    folder, out = clips("a.wav", "deep/b.wav"), tmp_path / "out"
    (folder / "deep" / "again").symlink_to(folder)
    (folder / "self.wav").symlink_to("self.wav")
    (folder / "nowhere.wav").symlink_to("nowhere else.wav")
    code, _, err = finish(start("features", folder, "-o", f"{out}/", "--format", "json", "-j", "2"))
    assert code == 1, err
    assert sorted(p.name for p in out.rglob("*.json")) == ["a.json", "b.json"]
    assert sum(states(out / JOURNAL).values()) == 4
    assert states(out / JOURNAL)["done"] == 2


def test_names_that_no_list_can_hold(clips: Clips, tmp_path: Path) -> None:
    names = ["two\nlines.wav", "tab\t.wav", os.fsdecode(b"latin-\xe9.wav"), "quote'\".wav"]
    folder, out, failures = clips(*names, "plain.wav"), tmp_path / "out", tmp_path / "f.jsonl"
    (folder / "broken\nname.wav").write_text("no audio")
    command = ["features", folder, "-o", f"{out}/", "-j", "2", "--jsonl", "--failures", failures]
    code, stdout, err = finish(start(*command))
    assert code == 1, err
    paths = [json.loads(line)["path"] for line in stdout.splitlines()]
    assert sorted(paths) == sorted(str(p) for p in folder.iterdir())
    written = {p.name for p in out.glob("*.npz")}
    assert written == {Path(name).with_suffix(".npz").name for name in [*names, "plain.wav"]}
    code, stdout, err = finish(start(*command, "--resume"))
    assert (code, "(6 by an earlier run)" in err) == (1, True) or len(stdout.splitlines()) == 6
    assert states(out / JOURNAL) == {"done": 5, "not_audio": 1}
    (folder / "broken\nname.wav").unlink()
    clips("broken\nname.wav")
    code, stdout, err = finish(start("features", "--retry-failures", failures, "-o", f"{out}/", "--jsonl"))
    assert code == 0, err
    assert [json.loads(line)["path"] for line in stdout.splitlines()] == [str(folder / "broken\nname.wav")]
    assert states(out / JOURNAL) == {"done": 6}
