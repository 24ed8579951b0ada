"""The workers of a Dask scheduler as an executor: inputs are sent to them in bundles."""

import logging
import time
from collections import deque
from contextlib import suppress
from copy import copy
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar
from uuid import uuid4

from audiocnn_cli import __version__
from audiocnn_cli.audio.sources import Source
from audiocnn_cli.batch.cluster_worker import discard_run, pack, run_bundle
from audiocnn_cli.batch.inputs import Bundler, Pending
from audiocnn_cli.batch.outcome import Failure
from audiocnn_cli.batch.task import Attempt, Task
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
        for pending, attempt in zip(bundle, attempts, strict=True):
            if attempt.failure is None:
                self._bundler.learn(attempt.seconds, pending.size)
        if any(attempt.failure and attempt.failure.kind is FailureKind.TIMEOUT for attempt in attempts):
            self._restart(worker)
        return [(pending.number, attempt) for pending, attempt in zip(bundle, attempts, strict=True)]

    def _restart(self, worker: str) -> None:
        """Replace a worker in which a thread still works on an input that exceeded its time limit."""
        try:
            self._client.restart_workers([worker], raise_for_error=False)
        except ValueError:
            _log.warning(
                "%s: still works on a file that exceeded its time limit: it has no nanny to restart it",
                worker,
            )

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
