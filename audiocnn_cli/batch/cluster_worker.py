"""What runs in a worker of a Dask cluster: a packed task, on a bundle of inputs."""

import pickle
import shutil
import tempfile
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from audiocnn_cli import __version__
from audiocnn_cli.audio.sources import Source
from audiocnn_cli.batch.task import Attempt, Task, Work, attempt, timeout_failure
from audiocnn_cli.errors import AudiocnnError

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class PackedTask:
    """A pickled task, and the content of the files that it reads."""

    task: bytes
    files: dict[Path, bytes]


# Runs whose submitting process was killed are discarded when so many later ones have been prepared.
_MOST_RUNS = 3
_runs: dict[str, tuple[Work[Any], Path]] = {}
_preparing = threading.Lock()


def pack(task: Task[Any]) -> PackedTask:
    """A task for machines that don't have its files."""
    return PackedTask(pickle.dumps(task), {path: path.read_bytes() for path in task.files})


def run_bundle(
    packed: PackedTask, sources: Sequence[Source], *, run: str, version: str, timeout_s: float | None
) -> tuple[str, list[Attempt[Any]]]:
    """Work on the inputs of a bundle, one after the other; returns the address of this worker too.

    Raises:
        AudiocnnError: an error that ends the batch.
    """
    from distributed import get_worker

    worker = get_worker().address
    if version != __version__:
        raise AudiocnnError(
            f"{worker}: has audiocnn {__version__}, and here is {version}; install that there"
        )
    work = _prepared_work(run, packed)
    return worker, [_within(timeout_s, work, source) for source in sources]


async def discard_run(run: str) -> None:
    """Free what was prepared for a run that has ended."""
    _discard(run)


def _prepared_work(run: str, packed: PackedTask) -> Work[Any]:
    """The work of a run, prepared by its first bundle on this worker."""
    with _preparing:
        if run not in _runs:
            folder = Path(tempfile.mkdtemp(prefix="audiocnn-"))
            task = _unpacked(packed, folder)
            for oldest in list(_runs)[:-_MOST_RUNS]:
                _discard(oldest)
            _runs[run] = task.prepare(), folder
        return _runs[run][0]


def _unpacked(packed: PackedTask, folder: Path) -> Task[Any]:
    """The task, with its files written below `folder`: each in a folder of its own, under its own name."""
    moved = {path: folder / str(n) / path.name for n, path in enumerate(packed.files)}
    for path, content in packed.files.items():
        moved[path].parent.mkdir()
        moved[path].write_bytes(content)
    task: Task[Any] = pickle.loads(packed.task)  # noqa: S301 (as Dask itself does)
    return task.with_files(moved)


def _discard(run: str) -> None:
    if run in _runs:
        _, folder = _runs.pop(run)
        shutil.rmtree(folder, ignore_errors=True)


def _within(timeout_s: float | None, work: Work[R], source: Source) -> Attempt[R]:
    """An attempt with a time limit; a thread that exceeds it can't be stopped, and goes on."""
    if timeout_s is None:
        return attempt(work, source)
    result: Future[Attempt[R]] = Future()

    def run() -> None:
        try:
            result.set_result(attempt(work, source))
        except BaseException as error:
            result.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    try:
        return result.result(timeout_s)
    except TimeoutError:
        return Attempt(timeout_failure(source, timeout_s), timeout_s)
