"""What runs in a worker of a cluster: a task that came with its models, on a few inputs at a time."""

import pickle
import shutil
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from audiocnn_cli import __version__
from audiocnn_cli.audio.sources import Source
from audiocnn_cli.batch.allocator import as_it_was, keep_memory
from audiocnn_cli.batch.outcome import Failure
from audiocnn_cli.batch.task import Attempt, Task, Work, attempt
from audiocnn_cli.errors import AudiocnnError, FailureKind

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class PackedTask:
    """A pickled task, and the content of the files that it reads."""

    task: bytes
    files: dict[Path, bytes]


@dataclass(frozen=True, slots=True)
class Answer(Generic[R]):
    """What came of a bundle, how long it took, by whom; `hangs` if an input that was given up still runs."""

    attempts: list[Attempt[R]]
    seconds: float
    worker: str
    hangs: bool


@dataclass(frozen=True, slots=True)
class _Prepared:
    work: Work[Any]
    folder: Path


# What a run that was killed could not take away goes when so many others have come.
_MOST_RUNS = 3
_prepared: dict[str, _Prepared] = {}
_preparing = threading.Lock()


def pack(task: Task[Any]) -> PackedTask:
    """A task for machines that don't have its files."""
    return PackedTask(pickle.dumps(task), {path: path.read_bytes() for path in task.files})


def deliver(parcel: PackedTask) -> PackedTask:
    """The parcel, as a result that workers hand on to each other."""
    return parcel


def work_on(
    parcel: PackedTask,
    sources: Sequence[Source],
    *,
    run: str,
    version: str,
    timeout_s: float | None,
) -> Answer[Any]:
    """Work on a few inputs, one after the other.

    Raises:
        AudiocnnError: one that ends the batch.
    """
    from distributed import get_worker

    if version != __version__:
        raise AudiocnnError(
            f"{get_worker().address}: has audiocnn {__version__}, and here is {version}; install that there"
        )
    work = _work_of(run, parcel)
    start = time.perf_counter()
    attempts = [_within(timeout_s, work, source) for source in sources]
    return Answer(
        attempts=attempts,
        seconds=time.perf_counter() - start,
        worker=get_worker().address,
        hangs=any(_overdue(each) for each in attempts),
    )


async def forget(run: str) -> None:
    """Let go of what was prepared for a run that has ended."""
    _let_go(run)


def _work_of(run: str, parcel: PackedTask) -> Work[Any]:
    """The work, prepared by the first bundle that this worker gets."""
    with _preparing:
        if run not in _prepared:
            folder = Path(tempfile.mkdtemp(prefix="audiocnn-"))
            task = _unpacked(parcel, folder)
            for oldest in list(_prepared)[:-_MOST_RUNS]:
                _let_go(oldest)
            _prepared[run] = _Prepared(task.prepare(), folder)
        keep_memory()  # each time: another run that has ended may have set it back
        return _prepared[run].work


def _unpacked(packed: PackedTask, folder: Path) -> Task[Any]:
    """The task, its files written below `folder`: each in a folder of its own, under its own name."""
    moved = {path: folder / str(n) / path.name for n, path in enumerate(packed.files)}
    for path, content in packed.files.items():
        moved[path].parent.mkdir()
        moved[path].write_bytes(content)
    task: Task[Any] = pickle.loads(packed.task)  # noqa: S301 (as Dask itself does)
    return task.with_files(moved)


def _let_go(run: str) -> None:
    prepared = _prepared.pop(run, None)
    if prepared is not None:
        shutil.rmtree(prepared.folder, ignore_errors=True)
    if not _prepared:
        as_it_was()


def _within(timeout_s: float | None, work: Work[R], source: Source) -> Attempt[R]:
    """An attempt that is given up when it takes too long; its thread can't be stopped, and goes on."""
    if timeout_s is None:
        return attempt(work, source)
    results: list[Attempt[R] | BaseException] = []

    def run() -> None:
        try:
            results.append(attempt(work, source))
        except BaseException as error:
            results.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(timeout_s)
    if not results:
        message = f"not done within {timeout_s:g} s; give more --timeout, or a part of it"
        return Attempt(Failure(source.path, FailureKind.TIMEOUT, message), timeout_s)
    if isinstance(results[0], BaseException):
        raise results[0]
    return results[0]


def _overdue(each: Attempt[Any]) -> bool:
    return isinstance(each.outcome, Failure) and each.outcome.kind is FailureKind.TIMEOUT
