"""`--cluster`: the workers of a Dask scheduler, some of which are killed."""

import json
import os
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from audiocnn_cli.audio.sources import Source
from audiocnn_cli.batch.cluster import pack
from audiocnn_cli.batch.outcome import Failure
from audiocnn_cli.batch.run import Workers, run_batch
from audiocnn_cli.classify.work import Classification, ModelChoice
from audiocnn_cli.datasets.result_folder import IntoFolder, ResultFolder
from audiocnn_cli.errors import OutputError
from audiocnn_cli.inspection.work import Inspection
from tests.batch_tasks import Echo, sources
from tests.conftest import Finished
from tests.onnx_models import LABELS, write_good_model
from tests.test_batch_faults import finish, start, states, wait_for

Run = Callable[..., Finished]
slow = pytest.mark.slow


@pytest.fixture(scope="module")
def dask() -> Iterator[Any]:
    """Two workers with a nanny each, and a limit of one repeated attempt at an input."""
    import dask
    from distributed import LocalCluster

    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 1}),
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as local,
    ):
        yield local


@pytest.fixture
def address(dask: Any) -> str:
    """The address of the scheduler, once it has two workers."""
    wait_for(lambda: len(dask.scheduler.workers) == 2)
    return str(dask.scheduler_address)


def pids(dask: Any) -> dict[str, int]:
    """The process id of each worker."""
    with dask.get_client() as client:
        found: dict[str, int] = client.run(os.getpid)
    return found


def test_without_the_extra(run: Run, make_wav: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    finished = run("features", make_wav(), "--cluster", "tcp://127.0.0.1:8786")
    assert finished.exit_code == 3
    assert "needs the [dask] extra: pip install " in finished.stderr


def test_an_invalid_address(run: Run, make_wav: Any) -> None:
    finished = run("features", make_wav(), "--cluster", "scheduler:what")
    assert finished.exit_code == 2
    assert "--cluster scheduler:what: is not the address of a scheduler" in finished.stderr


def test_jobs_are_for_this_machine(run: Run, make_wav: Any) -> None:
    finished = run("features", make_wav(), "--cluster", "tcp://127.0.0.1:8786", "-j", "2")
    assert finished.exit_code == 2
    assert "leave out --jobs" in finished.stderr


def test_no_scheduler_responds(run: Run, make_wav: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audiocnn_cli.batch.cluster._CONNECT_S", 0.3)
    with socket.socket() as taken:  # bound, but not accepting connections
        taken.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        finished = run("features", make_wav(), "--cluster", address)
    assert finished.exit_code == 3
    assert f"{address}: no Dask scheduler responds there" in finished.stderr


def test_the_files_of_a_task_are_packed_with_it(tmp_path: Path) -> None:
    first, second = (write_good_model(tmp_path / f"{name}.onnx") for name in ("first", "second"))
    task = Classification(models=(ModelChoice(first), ModelChoice(second), ModelChoice(first)))
    content = {first: first.read_bytes(), second: second.read_bytes()}
    assert pack(task).files == content
    moved = {first: tmp_path / "a", second: tmp_path / "b"}
    for composite in (
        Inspection(classification=task),
        IntoFolder(task, ResultFolder("out", "json", force=False), print),
    ):
        assert pack(composite).files == content
        assert set(composite.with_files(moved).files) == set(moved.values())
    assert pack(Echo()).files == {}


@slow
def test_the_same_as_on_this_machine(
    run: Run, address: str, make_wav: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = write_good_model(tmp_path / "tiny.onnx")
    for number in range(12):
        make_wav(f"clips/{number}.wav")
    (tmp_path / "clips" / "broken.wav").write_bytes(b"no audio at all")
    monkeypatch.chdir(tmp_path)
    here = run("classify", "--model", model, tmp_path / "clips", "--json", "-j", "1")
    there = run("classify", "--model", model, "clips", "--json", "--cluster", address)
    assert there.exit_code == 1
    assert there.document == here.document
    run("features", "clips", "-o", "out/", "--cluster", address, "--resume")
    written = sorted(path.name for path in (tmp_path / "out").glob("*.npz"))
    assert written == sorted(f"{number}.npz" for number in range(12))


@slow
def test_an_evaluation_is_the_same_as_on_this_machine(
    run: Run, address: str, make_wav: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = write_good_model(tmp_path / "tiny.onnx")
    for number in range(12):
        label = LABELS[number % 3]
        (tmp_path / "sets" / "clips" / label).mkdir(parents=True, exist_ok=True)
        make_wav(f"sets/clips/{label}/{number}.wav")
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    command = ("evaluate", "../sets/clips", "--model", model, "--json")
    here = run(*command)
    there = run(*command, "--cluster", address, "--journal", tmp_path / "run.sqlite")
    assert there.exit_code == 0, there.stderr
    documents = [here.document, there.document]
    for prediction in (each for document in documents for each in document["predictions"]):
        prediction["path"] = Path(prediction["path"]).name  # with a cluster paths are absolute
    assert documents[1] == documents[0]


@slow
def test_workers_need_no_model_file(address: str, make_wav: Any, tmp_path: Path) -> None:
    from audiocnn_cli.batch.cluster import Cluster

    model = write_good_model(tmp_path / "tiny.onnx")
    executor = Cluster(Classification(models=(ModelChoice(model),)), address)
    model.unlink()
    executor.submit(7, Source(str(make_wav())))
    ((ticket, attempt),) = executor.collect()
    executor.close()
    assert ticket == 7
    assert not isinstance(attempt.outcome, Failure), attempt.outcome


@slow
def test_a_file_that_kills_its_workers_has_crashed(address: str) -> None:
    names = [*(str(number) for number in range(30)), "die-1", "corrupt-2", "bug-3"]
    outcomes = list(run_batch(sources(*names), Echo(), workers=Workers(cluster=address)))
    assert [o.kind if isinstance(o, Failure) else o for o in outcomes] == [
        *names[:30],
        "crashed",
        "corrupt",
        "internal",
    ]


@slow
def test_a_file_that_hangs_is_given_up(dask: Any, address: str) -> None:
    before = set(pids(dask).values())
    names = ["hang-1", *(str(number) for number in range(10))]
    workers = Workers(cluster=address, timeout_s=0.5)
    outcomes = list(run_batch(sources(*names), Echo(), workers=workers))
    assert [o.kind if isinstance(o, Failure) else o for o in outcomes] == ["timeout", *names[1:]]
    # The worker in which it still hangs is replaced.
    wait_for(lambda: len(set(pids(dask).values()) - before) == 1)


@slow
def test_what_ends_the_batch_there_ends_it_here(address: str) -> None:
    with pytest.raises(OutputError, match="full-1: the disk is full"):
        list(run_batch(sources("a", "full-1"), Echo(), workers=Workers(cluster=address)))


@slow
def test_a_worker_is_killed_on_the_way(dask: Any, address: str, tmp_path: Path) -> None:
    """Other workers do its files, each once."""
    log, names = tmp_path / "log", [f"f{number}" for number in range(200)]
    victim = next(iter(pids(dask).values()))

    def kill() -> None:
        wait_for(lambda: log.exists() and len(log.read_text().splitlines()) > 40)
        os.kill(victim, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    task = Echo(log, seconds=0.01)
    outcomes = list(run_batch(sources(*names), task, workers=Workers(cluster=address)))
    killer.join()
    assert outcomes == names
    assert set(log.read_text().splitlines()) == set(names)
    assert victim not in pids(dask).values()


@slow
def test_a_data_set_survives_workers_and_the_submitter(
    dask: Any, address: str, make_wav: Any, tmp_path: Path
) -> None:
    """A worker is killed, then the submitting process; the next run resumes from its journal."""
    import pandas as pd

    folder, out = tmp_path / "many", tmp_path / "set"
    noise = make_wav()
    folder.mkdir()
    for number in range(150):
        os.link(noise, folder / f"{number:03}.wav")
    options = ("features", folder, "--format", "parquet", "-o", f"{out}/", "--part-files", "5")
    process = start(*options, "--cluster", address, "-q")
    wait_for(lambda: len(list(out.glob("*.parquet"))) >= 2)
    os.kill(next(iter(pids(dask).values())), signal.SIGKILL)
    time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    done = set(pd.read_parquet(out)["path"])
    assert len(done) < 150
    code, out_text, err = finish(start(*options, "--cluster", address, "--resume", "--jsonl"))
    assert code == 0, err
    assert {json.loads(line)["path"] for line in out_text.splitlines()} == set(map(str, folder.iterdir()))
    rows = Counter(pd.read_parquet(out)["path"])
    assert rows == {str(path): 87 for path in folder.iterdir()}
    assert states(out / ".audiocnn-journal.sqlite") == {"done": 150}
