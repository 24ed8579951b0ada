"""The workers of a Dask scheduler: inputs go out a few at a time, attempts come home."""

import logging
import time
from collections import deque
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar
from uuid import uuid4

from audiocnn_cli import __version__
from audiocnn_cli.audio.sources import Source
from audiocnn_cli.batch.dask.remote import Answer, deliver, forget, pack, work_on
from audiocnn_cli.batch.outcome import Failure
from audiocnn_cli.batch.task import Attempt, Task
from audiocnn_cli.errors import AudiocnnError, FailureKind, MissingExtraError, UsageError

R = TypeVar("R")

_CONNECT_S = 10.0
# For a result that is there, however large.
_FETCH_S = 300.0
# Each thread has one bundle in work and one that waits beside it, so that it never waits for the network.
_BUNDLES_PER_THREAD = 2
# A bundle takes so long, about: much longer than the scheduler needs for it, too short to be waited for.
_BUNDLE_S = 0.15
_LARGEST_BUNDLE = 64
_COUNT_WORKERS_EVERY_S = 2.0

_log = logging.getLogger("audiocnn")


class Cluster(Generic[R]):
    """An executor whose workers are those of a Dask scheduler; they may come and go.

    The scheduler gives the inputs of a lost worker to others; an input whose workers die again and again
    (its setting `allowed-failures`) fails as `crashed`, and so do those that were sent in one bundle with it.
    """

    def __init__(self, task: Task[R], address: str, *, timeout_s: float | None = None) -> None:
        """Connect, and send the task with the models that it needs.

        Raises:
            MissingExtraError: Dask is not installed.
            UsageError: the address is none.
            AudiocnnError: nobody answers there.
        """
        self._address = address
        self._timeout_s = timeout_s
        self._client = _connect(address)
        self._id = uuid4().hex
        # A result like others: each worker gets it once, and what all workers have lost is made again.
        self._parcel = self._client.submit(deliver, pack(task), pure=False)
        self._waiting: deque[tuple[int, Source]] = deque()
        self._sent: dict[Any, list[tuple[int, Source]]] = {}
        self._done: SimpleQueue[Any] = SimpleQueue()
        self._bundle = 1
        self._threads = 0
        self._counted = 0.0
        self._count_threads()

    @property
    def slots(self) -> int:
        """How many inputs are worth handing in at once."""
        return self._bundles * self._bundle

    @property
    def _bundles(self) -> int:
        return max(1, self._threads) * _BUNDLES_PER_THREAD

    def submit(self, ticket: int, source: Source) -> None:
        """Keep an input for the next bundle."""
        self._waiting.append((ticket, source))

    def collect(self) -> list[tuple[int, Attempt[R]]]:
        """Wait for at least one bundle, and give what came of its inputs."""
        self._send()
        finished = [self._next()]
        with suppress(Empty):
            while True:
                finished.append(self._done.get_nowait())
        return [pair for future in finished for pair in self._open(future)]

    def close(self) -> None:
        """Give up what is in work, and leave the workers to others."""
        with suppress(Exception):  # nobody may be there any more
            self._client.cancel(list(self._sent), force=True)
            self._client.run(forget, self._id, wait=False)
        with suppress(Exception):
            self._client.close(timeout=2)

    def _send(self) -> None:
        self._count_threads()
        while self._waiting and len(self._sent) < self._bundles:
            size = min(self._bundle, len(self._waiting))
            bundle = [self._waiting.popleft() for _ in range(size)]
            future = self._client.submit(
                work_on,
                self._parcel,
                [source for _, source in bundle],
                run=self._id,
                version=__version__,
                timeout_s=self._timeout_s,
                pure=False,
            )
            self._sent[future] = bundle
            future.add_done_callback(self._done.put)

    def _next(self) -> Any:
        """The next bundle that is done; says so while there is nobody to work on it."""
        while True:
            try:
                return self._done.get(timeout=_COUNT_WORKERS_EVERY_S)
            except Empty:
                before = self._threads
                self._count_threads()
                if not self._threads and before:
                    _log.warning("%s: has no workers left; waiting for some", self._address)
                self._send()

    def _open(self, future: Any) -> list[tuple[int, Attempt[R]]]:
        from distributed import CancelledError, KilledWorker

        bundle = self._sent.pop(future)
        try:
            answer: Answer[R] = future.result(timeout=_FETCH_S)
        except KilledWorker:
            return [(ticket, _crashed(source)) for ticket, source in bundle]
        except AudiocnnError:
            raise
        except (CancelledError, TimeoutError, OSError) as error:
            raise AudiocnnError(
                f"{self._address}: the scheduler is gone; with -o FOLDER/ or --journal FILE, --resume goes on"
                " from here"
            ) from error
        except Exception as error:
            raise AudiocnnError(
                f"{self._address}: its workers can't run audiocnn ({type(error).__name__}: {error}); they"
                f" need audiocnn-cli[dask] {__version__}, as here"
            ) from error
        self._learn(answer)
        return [
            (ticket, attempt) for (ticket, _), attempt in zip(bundle, answer.attempts, strict=True)
        ]

    def _learn(self, answer: Answer[R]) -> None:
        """Size the bundles by how long inputs take; have a worker replaced in which one still hangs."""
        each = answer.seconds / len(answer.attempts)
        self._bundle = max(
            1, min(_LARGEST_BUNDLE, self._bundle * 2, int(_BUNDLE_S / max(each, 1e-6)))
        )
        if answer.hangs:
            try:
                self._client.restart_workers([answer.worker], raise_for_error=False)
            except ValueError:
                _log.warning(
                    "%s: still works on a file that was given up: it has no nanny to restart it",
                    answer.worker,
                )

    def _count_threads(self) -> None:
        now = time.monotonic()
        if now - self._counted < _COUNT_WORKERS_EVERY_S:
            return
        self._counted = now
        with suppress(OSError):  # the scheduler may be busy; if it is gone, the futures say so
            self._threads = sum(self._client.nthreads().values())


def _connect(address: str) -> Any:
    try:
        from distributed import Client
        from distributed.comm import get_address_host_port
    except ImportError as error:
        raise MissingExtraError(f"--cluster {address}", "dask") from error
    for name in ("distributed", "distributed.client"):  # what matters is said here
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        get_address_host_port(address)  # before there is a client that would look for it
        return Client(address, timeout=_CONNECT_S, set_as_default=False, name="audiocnn")
    except (ValueError, TypeError) as error:
        raise UsageError(
            f"--cluster {address}: is no address of a scheduler ({error}); give one as in"
            " tcp://scheduler:8786"
        ) from error
    except OSError as error:
        raise AudiocnnError(
            f"--cluster {address}: no Dask scheduler answers there within {_CONNECT_S:g} s; start one with"
            " `dask scheduler`, or check the address"
        ) from error


def _crashed(source: Source) -> Attempt[Any]:
    message = "the workers that had it died, each time"
    return Attempt(Failure(source.path, FailureKind.CRASHED, message), 0.0)
