"""The workers of a Dask scheduler as an executor: inputs are sent to them in bundles.

From `PackedTask` on, it is what runs in a worker.
"""

import logging
import pickle
import shutil
import tempfile
import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar
from uuid import uuid4

from audiocnn_cli import __version__
from audiocnn_cli.audio.sources import Source
from audiocnn_cli.batch.inputs import Bundler, Pending
from audiocnn_cli.batch.outcome import Failure
from audiocnn_cli.batch.task import Attempt, Task, Work, attempt, timeout_failure
from audiocnn_cli.errors import AudiocnnError, FailureKind, UsageError
from audiocnn_cli.extras import require_extra

R = TypeVar("R")

_CONNECT_S = 10.0
# The time limit for fetching a finished result, however large.
_FETCH_S = 300.0
# One bundle in work and one that waits, so that a thread never waits for the network.
_BUNDLES_PER_THREAD = 2
# Much longer than the scheduler needs for a bundle, and short enough that no worker waits for the last ones.
_BUNDLE_S = 0.15
_LARGEST_BUNDLE = 64
_COUNT_WORKERS_EVERY_S = 2.0

# Runs whose submitting process was killed are discarded when so many later ones have been prepared.
_MOST_RUNS = 3
_runs: dict[str, tuple[Work[Any], Path]] = {}
_preparing = threading.Lock()

_log = logging.getLogger("audiocnn")


class Cluster(Generic[R]):
    """An executor whose workers are those of a Dask scheduler; workers may be added and removed.

    The scheduler gives the inputs of a lost worker to others. An input whose workers die repeatedly (the
    setting `distributed.scheduler.allowed-failures`) fails as `crashed`, with all inputs of its bundle.
    """

    def __init__(self, task: Task[R], address: str, *, timeout_s: float | None = None) -> None:
        """Connect, and send the task with the files that it reads.

        Raises:
            MissingExtraError: Dask is not installed.
            UsageError: the address is not valid.
            AudiocnnError: no scheduler responds there.
        """
        self._address = address
        self._timeout_s = timeout_s
        self._client = _connect(address)
        self._id = uuid4().hex
        # Stored like a result: each worker fetches it once, and it is computed again if all copies are lost.
        self._task = self._client.submit(copy, pack(task), pure=False)
        self._waiting: deque[Pending] = deque()
        self._sent: dict[Any, list[Pending]] = {}
        self._done: SimpleQueue[Any] = SimpleQueue()
        self._bundler = Bundler(limit_s=_BUNDLE_S, most=_LARGEST_BUNDLE)
        self._threads = 0
        self._counted = 0.0
        self._count_threads()

    @property
    def slots(self) -> int:
        """The number of inputs to submit at once."""
        return self._bundles * self._bundler.count

    @property
    def _bundles(self) -> int:
        return max(1, self._threads) * _BUNDLES_PER_THREAD

    def submit(self, number: int, source: Source) -> None:
        """Keep an input for the next bundle."""
        self._waiting.append(Pending.of(number, source))

    def collect(self) -> list[tuple[int, Attempt[R]]]:
        """Wait for at least one bundle, and return the attempts at its inputs."""
        self._send()
        finished = [self._next()]
        with suppress(Empty):
            while True:
                finished.append(self._done.get_nowait())
        return [pair for future in finished for pair in self._results(future)]

    def close(self) -> None:
        """Cancel what is in work, and disconnect."""
        with suppress(Exception):  # the scheduler may be gone
            self._client.cancel(list(self._sent), force=True)
            self._client.run(discard_run, self._id, wait=False)
        with suppress(Exception):
            self._client.close(timeout=2)

    def _send(self) -> None:
        self._count_threads()
        while self._waiting and len(self._sent) < self._bundles:
            bundle: list[Pending] = []
            while self._waiting and self._bundler.has_room(bundle, self._waiting[0]):
                bundle.append(self._waiting.popleft())
            future = self._client.submit(
                run_bundle,
                self._task,
                [pending.source for pending in bundle],
                run=self._id,
                version=__version__,
                timeout_s=self._timeout_s,
                pure=False,
            )
            self._sent[future] = bundle
            future.add_done_callback(self._done.put)

    def _next(self) -> Any:
        """The next bundle that is done; logs a warning when there are no workers left."""
        while True:
            try:
                return self._done.get(timeout=_COUNT_WORKERS_EVERY_S)
            except Empty:
                before = self._threads
                self._count_threads()
                if not self._threads and before:
                    _log.warning("%s: has no workers left; waiting for some", self._address)
                self._send()

    def _results(self, future: Any) -> list[tuple[int, Attempt[R]]]:
        from distributed import CancelledError, KilledWorker

        bundle = self._sent.pop(future)
        try:
            worker, attempts = future.result(timeout=_FETCH_S)
        except KilledWorker:
            worker, crash = "", "each worker that had it died"
            attempts = [Attempt(Failure(p.source.path, FailureKind.CRASHED, crash), 0.0) for p in bundle]
        except AudiocnnError:
            raise
        except (CancelledError, TimeoutError, OSError) as error:
            raise AudiocnnError(
                f"{self._address}: the scheduler is gone; with a journal (`journal`, or a folder as `output`)"
                " `resume=True` continues from here"
            ) from error
        except Exception as error:
            raise AudiocnnError(
                f"{self._address}: its workers can't run audiocnn ({type(error).__name__}: {error}); they"
                f" need audiocnn-cli[dask] {__version__}, as here"
            ) from error
        for pending, each in zip(bundle, attempts, strict=True):
            if each.failure is None:
                self._bundler.learn(each.seconds, pending.size)
        if any(each.failure and each.failure.kind is FailureKind.TIMEOUT for each in attempts):
            self._restart(worker)
        return [(pending.number, each) for pending, each in zip(bundle, attempts, strict=True)]

    def _restart(self, worker: str) -> None:
        """Replace a worker in which a thread still works on an input that exceeded its time limit."""
        try:
            self._client.restart_workers([worker], raise_for_error=False)
        except ValueError:
            message = "%s: still works on a file that exceeded its time limit: it has no nanny to restart it"
            _log.warning(message, worker)

    def _count_threads(self) -> None:
        now = time.monotonic()
        if now - self._counted < _COUNT_WORKERS_EVERY_S:
            return
        self._counted = now
        with suppress(OSError):  # the scheduler may be busy; if it is gone, fetching a result raises
            self._threads = sum(self._client.nthreads().values())


def _connect(address: str) -> Any:
    require_extra("dask", f"`cluster` {address}")
    from distributed import Client
    from distributed.comm import get_address_host_port

    for name in ("distributed", "distributed.client"):  # errors that matter are raised here
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        get_address_host_port(address)  # a Client would retry a malformed address until its timeout
        return Client(address, timeout=_CONNECT_S, set_as_default=False, name="audiocnn")
    except (ValueError, TypeError) as error:
        raise UsageError(
            f"`cluster` {address}: is not the address of a scheduler ({error}); give one as in"
            " tcp://scheduler:8786"
        ) from error
    except OSError as error:
        raise AudiocnnError(
            f"`cluster` {address}: no Dask scheduler responds there within {_CONNECT_S:g} s; start one with"
            " `dask scheduler`, or check the address"
        ) from error


@dataclass(frozen=True, slots=True)
class PackedTask:
    """A pickled task, and the content of the files that it reads."""

    task: bytes
    files: dict[Path, bytes]


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
