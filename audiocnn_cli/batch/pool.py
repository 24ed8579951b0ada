"""Worker processes, each with a pipe of its own: no lock is shared, so none stays held by a dead worker."""

import gc
import logging
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Generic, TypeVar

from audiocnn_cli.audio.sources import Source, is_remote
from audiocnn_cli.batch.inputs import Bundler, Pending
from audiocnn_cli.batch.outcome import Failure
from audiocnn_cli.batch.task import Attempt, Task, timeout_failure
from audiocnn_cli.batch.worker import READY, cause_of, send, serve, start_context, uninterrupted
from audiocnn_cli.errors import AudiocnnError, FailureKind

R = TypeVar("R")

# A terminated worker removes its unfinished files; one that hangs is killed after so long.
_GRACE_S = 1.0
_MOST_FALSE_STARTS = 10
# Limits of what waits in a worker's pipe, which can't be taken back while other workers are idle.
_AHEAD_S = 0.05
_MOST_AHEAD = 8
# A longer name does not wait in a pipe: all that wait must fit into it, or sending would block.
_LONGEST_NAME = 4096

_log = logging.getLogger("audiocnn")


class ProcessPool(Generic[R]):
    """Up to `jobs` processes, started as there is work for them, each on one input at a time.

    Quick inputs are sent before the worker is free, so that it need not wait for this process.
    """

    def __init__(self, task: Task[R], *, jobs: int, timeout_s: float | None = None) -> None:
        self._jobs = jobs
        self._task = task
        self._timeout_s = timeout_s
        self._workers: list[_Worker] = []
        self._waiting: deque[Pending] = deque()
        self._false_starts = 0

    @property
    def slots(self) -> int:
        """The number of inputs to submit at once."""
        if self._waiting:  # enough for the next worker that is free
            return len(self._waiting) + sum(len(worker.inputs) for worker in self._workers)
        return self._jobs + sum(worker.bundler.count - 1 for worker in self._workers)

    def submit(self, number: int, source: Source) -> None:
        """Add an input for the next worker that has room."""
        self._waiting.append(Pending.of(number, source))
        self._hand_out()

    def collect(self) -> list[tuple[int, Attempt[R]]]:
        """Wait for at least one of the submitted inputs, and return all that are finished."""
        done: list[tuple[int, Attempt[R]]] = []
        # While all workers have inputs ahead, results are received several at a time.
        ahead_s = min((worker.ahead_s for worker in self._workers), default=0.0)
        time.sleep(min(ahead_s, _AHEAD_S) / 2)
        while not done:
            ready = self._wait(self._until_deadline())
            while ready:
                for worker in ready:
                    done += self._receive(worker)
                ready = self._wait(0.0)
            done += self._stop_overdue()
            self._hand_out()
        return done

    def close(self) -> None:
        """End the workers, also in the middle of an input; one that does not react is killed."""
        working = [worker for worker in self._workers if worker.inputs]
        for worker in working:
            worker.process.terminate()
        end = time.monotonic() + _GRACE_S
        for worker in working:
            worker.process.join(max(0.0, end - time.monotonic()))
        for worker in self._workers.copy():
            self._discard(worker)

    def _hand_out(self) -> None:
        while self._waiting and (worker := self._worker_for(self._waiting[0])) is not None:
            pending = self._waiting.popleft()
            if not worker.inputs:
                worker.since = time.monotonic()
            worker.inputs.append(pending)
            with suppress(OSError):  # the worker has died: `collect` reads the end of its pipe
                send(worker.connection, pending.source)

    def _wait(self, seconds: float | None) -> "list[_Worker]":
        """The workers that have sent something or died, after so many seconds at most."""
        ready = wait([worker.connection for worker in self._workers], seconds)
        return [worker for worker in self._workers if worker.connection in ready]

    def _worker_for(self, pending: Pending) -> "_Worker | None":
        """A worker that is idle, or a new one, or the one with the most room ahead; None if all are full."""
        idle = next((worker for worker in self._workers if not worker.inputs), None)
        if idle is not None or len(self._workers) < self._jobs:
            return idle or self._start()
        # A remote file may be of any size.
        if is_remote(pending.source.path) or len(pending.source.path) > _LONGEST_NAME:
            return None
        freest = min(self._workers, key=lambda worker: len(worker.inputs) - worker.bundler.count)
        return freest if freest.bundler.has_room(freest.inputs, pending) else None

    def _start(self) -> "_Worker":
        context = start_context(self._task.modules)
        ours, theirs = context.Pipe()
        # A forked worker inherits our ends of all pipes; while it holds one, its end of file is never read.
        forked = context.get_start_method() == "fork"
        inherited = [ours, *(w.connection for w in self._workers)] if forked else []
        process = context.Process(  # type: ignore[attr-defined]  # every context has it
            target=serve, args=(self._task, theirs, inherited, _log.level), daemon=True
        )
        if forked:
            gc.freeze()  # memory stays shared: the garbage collector of a worker does not touch it
        with uninterrupted():
            process.start()
        theirs.close()
        worker = _Worker(process, ours)
        self._workers.append(worker)
        return worker

    def _receive(self, worker: "_Worker") -> list[tuple[int, Attempt[R]]]:
        try:
            message = worker.connection.recv()
        except (EOFError, OSError):
            return self._reap(worker)
        if isinstance(message, AudiocnnError):
            raise message
        if message == READY:
            worker.ready = True
            worker.since = time.monotonic()
            self._false_starts = 0
            return []
        pending = worker.inputs.popleft()
        worker.since = time.monotonic()
        if not isinstance(message.outcome, Failure):  # its time is no measure for other inputs
            worker.bundler.learn(message.seconds, pending.size)
        return [(pending.number, message)]

    def _reap(self, worker: "_Worker") -> list[tuple[int, Attempt[R]]]:
        """Remove a worker that has died, and mark the input it was working on as crashed."""
        self._discard(worker)
        cause = cause_of(worker.process.exitcode)
        if worker.busy:
            path = worker.inputs[0].source.path
            return [self._failed(worker, Failure(path, FailureKind.CRASHED, cause))]
        if worker.ready:
            return []
        self._requeue(worker)
        self._false_starts += 1
        if self._false_starts >= _MOST_FALSE_STARTS:
            raise AudiocnnError(
                f"worker processes die before they begin ({cause}); is the memory full? give fewer `jobs`"
            )
        return []

    def _stop_overdue(self) -> list[tuple[int, Attempt[R]]]:
        if self._timeout_s is None:
            return []
        now = time.monotonic()
        overdue = [w for w in self._workers if w.busy and now >= w.since + self._timeout_s]
        # A result that arrived in the meantime waits in the pipe.
        overdue = [worker for worker in overdue if not worker.connection.poll()]
        for worker in overdue:
            self._discard(worker)
        limit_s = self._timeout_s
        return [self._failed(w, timeout_failure(w.inputs[0].source, limit_s)) for w in overdue]

    def _failed(self, worker: "_Worker", failure: Failure) -> tuple[int, Attempt[Any]]:
        """The failed input that a discarded worker was working on; other workers get the rest."""
        number = worker.inputs.popleft().number
        self._requeue(worker)
        return number, Attempt(failure, time.monotonic() - worker.since)

    def _requeue(self, worker: "_Worker") -> None:
        """Put the inputs that a discarded worker has not begun back, before all others."""
        self._waiting.extendleft(reversed(worker.inputs))
        worker.inputs.clear()

    def _discard(self, worker: "_Worker") -> None:
        self._workers.remove(worker)
        worker.connection.close()
        worker.process.kill()
        worker.process.join()

    def _until_deadline(self) -> float | None:
        """Seconds until the first worker is overdue; None without a time limit, or if none is busy."""
        if self._timeout_s is None:
            return None
        starts = [worker.since for worker in self._workers if worker.busy]
        return max(0.0, min(starts) + self._timeout_s - time.monotonic()) if starts else None


@dataclass(slots=True, eq=False)
class _Worker:
    """A process, our end of its pipe, and its inputs: it works on the first of them since `since`."""

    process: BaseProcess
    connection: "Connection[Any, Any]"
    inputs: deque[Pending] = field(default_factory=deque)
    since: float = 0.0
    ready: bool = False
    bundler: Bundler = field(default_factory=lambda: Bundler(limit_s=_AHEAD_S, most=1 + _MOST_AHEAD))

    @property
    def busy(self) -> bool:
        """Whether it is working on an input; `Task.prepare` does not count."""
        return self.ready and bool(self.inputs)

    @property
    def ahead_s(self) -> float:
        """The expected seconds of work on the inputs in its pipe, without the one in work."""
        return self.bundler.expected_s(list(islice(self.inputs, 1, None)))
