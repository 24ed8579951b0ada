"""Worker processes, each on a pipe of its own: no lock is shared, so none can die with its holder."""

import gc
import logging
import math
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Generic, TypeVar

from audiocnn_cli.audio.sources import Source, is_remote
from audiocnn_cli.batch.order import size_of
from audiocnn_cli.batch.outcome import Failure
from audiocnn_cli.batch.pool.start import cause_of, start_context, uninterrupted
from audiocnn_cli.batch.pool.worker import READY, send, serve
from audiocnn_cli.batch.task import Attempt, Task
from audiocnn_cli.errors import AudiocnnError, FailureKind

R = TypeVar("R")

# A worker that is told to stop removes its unfinished files; one that hangs is killed after so long.
_GRACE_S = 1.0
_MOST_FALSE_STARTS = 10
# So much work, and so many inputs, may wait in a worker's pipe: what is there can't be taken back, also while
# others have nothing to do.
_AHEAD_S = 0.05
_MOST_AHEAD = 8
# Of their names: all that wait fit into the pipe, so that we never wait for a worker that waits for us.
_LONGEST_NAME = 4096

_log = logging.getLogger("audiocnn")


class ProcessPool(Generic[R]):
    """Up to `jobs` processes, started as there is work for them, each on one input at a time.

    A worker that was quick has its next inputs waiting in its pipe: it need not wait for us, nor do we wake
    up for each of them.
    """

    def __init__(self, task: Task[R], *, jobs: int, timeout_s: float | None = None) -> None:
        self._jobs = jobs
        self._task = task
        self._timeout_s = timeout_s
        self._workers: list[_Worker] = []
        self._waiting: deque[_Job] = deque()
        self._false_starts = 0

    @property
    def slots(self) -> int:
        """How many inputs are worth handing in at once."""
        if self._waiting:  # for a worker that is free
            return len(self._waiting) + sum(len(worker.jobs) for worker in self._workers)
        return self._jobs + sum(worker.streak for worker in self._workers)

    def submit(self, ticket: int, source: Source) -> None:
        """Hand in an input for the next worker that is free."""
        self._waiting.append(_Job(ticket, source, size_of(source)))
        self._hand_out()

    def collect(self) -> list[tuple[int, Attempt[R]]]:
        """Wait for at least one of the inputs handed in, and give all that are finished."""
        done: list[tuple[int, Attempt[R]]] = []
        # What is finished while all of them have more to do is received at once.
        time.sleep(min((worker.waiting_s for worker in self._workers), default=0.0) / 2)
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
        """End the workers, also in the middle of an input; one that does not listen is killed."""
        working = [worker for worker in self._workers if worker.jobs]
        for worker in working:
            worker.process.terminate()
        end = time.monotonic() + _GRACE_S
        for worker in working:
            worker.process.join(max(0.0, end - time.monotonic()))
        for worker in self._workers.copy():
            self._discard(worker)

    def _hand_out(self) -> None:
        while self._waiting and (worker := self._free(self._waiting[0])) is not None:
            job = self._waiting.popleft()
            if not worker.jobs:
                worker.since = time.monotonic()
            worker.jobs.append(job)
            with suppress(OSError):  # it has died: `collect` reads the end of its pipe
                send(worker.connection, job.source)

    def _wait(self, seconds: float | None) -> "list[_Worker]":
        """The workers that have said something, or died, after so many seconds at most."""
        ready = wait([worker.connection for worker in self._workers], seconds)
        return [worker for worker in self._workers if worker.connection in ready]

    def _free(self, job: "_Job") -> "_Worker | None":
        """One that has nothing to do, or a new one, or one that soon will have nothing to do but `job`."""
        idle = next((worker for worker in self._workers if not worker.jobs), None)
        if idle is not None or len(self._workers) < self._jobs:
            return idle or self._start()
        least = min(self._workers, key=lambda worker: len(worker.jobs) - worker.streak)
        return least if least.takes(job) else None

    def _start(self) -> "_Worker":
        context = start_context(self._task.modules)
        ours, theirs = context.Pipe()
        # A forked worker has our ends of all pipes: while it held one, its owner would never read an end.
        forked = context.get_start_method() == "fork"
        inherited = [ours, *(w.connection for w in self._workers)] if forked else []
        process = context.Process(  # type: ignore[attr-defined]  # every context has it
            target=serve, args=(self._task, theirs, inherited, _log.level), daemon=True
        )
        if forked:
            gc.freeze()  # what is there stays shared: the collector of a worker does not touch it
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
        job = worker.jobs.popleft()
        worker.since = time.monotonic()
        if not isinstance(message.outcome, Failure):  # which says nothing of how long others take
            worker.learn(job, message.seconds)
        return [(job.ticket, message)]

    def _reap(self, worker: "_Worker") -> list[tuple[int, Attempt[R]]]:
        """Take leave of a worker that has died; what it was working on has crashed it."""
        self._discard(worker)
        if worker.busy:
            return [self._failed(worker, FailureKind.CRASHED, cause_of(worker.process.exitcode))]
        if worker.ready:
            return []
        self._take_back(worker)
        self._false_starts += 1
        if self._false_starts >= _MOST_FALSE_STARTS:
            raise AudiocnnError(
                f"worker processes die before they begin ({cause_of(worker.process.exitcode)}); is there"
                " memory for them? give fewer --jobs"
            )
        return []

    def _stop_overdue(self) -> list[tuple[int, Attempt[R]]]:
        if self._timeout_s is None:
            return []
        limit = self._timeout_s
        now = time.monotonic()
        overdue = [w for w in self._workers if w.busy and now >= w.since + limit]
        # What has been finished in the meantime waits in the pipe.
        overdue = [worker for worker in overdue if not worker.connection.poll()]
        for worker in overdue:
            self._discard(worker)
        message = f"not done within {limit:g} s; give more --timeout, or a part of it"
        return [self._failed(worker, FailureKind.TIMEOUT, message) for worker in overdue]

    def _failed(
        self, worker: "_Worker", kind: FailureKind, message: str
    ) -> tuple[int, Attempt[Any]]:
        """The failure of what a discarded worker was working on; the rest is for others."""
        job = worker.jobs.popleft()
        self._take_back(worker)
        seconds = time.monotonic() - worker.since
        return job.ticket, Attempt(Failure(job.source.path, kind, message), seconds)

    def _take_back(self, worker: "_Worker") -> None:
        """What a worker has not seen comes first again."""
        self._waiting.extendleft(reversed(worker.jobs))
        worker.jobs.clear()

    def _discard(self, worker: "_Worker") -> None:
        self._workers.remove(worker)
        worker.connection.close()
        _kill(worker.process)

    def _until_deadline(self) -> float | None:
        """Seconds until the first worker is overdue; None if none ever is."""
        if self._timeout_s is None:
            return None
        starts = [worker.since for worker in self._workers if worker.busy]
        return max(0.0, min(starts) + self._timeout_s - time.monotonic()) if starts else None


@dataclass(frozen=True, slots=True)
class _Job:
    """An input, and the bytes that it has, as far as that can be known."""

    ticket: int
    source: Source
    size: int

    @property
    def can_wait(self) -> bool:
        """Whether it may lie in a pipe: not what is far away, and may be of any size."""
        return not is_remote(self.source.path) and len(self.source.path) < _LONGEST_NAME


@dataclass(slots=True, eq=False)
class _Worker:
    """A process, our end of its pipe, and its inputs: it is working on the first of them since `since`.

    `streak` of the last inputs were quick in a row, `_MOST_AHEAD` at most: so many may wait in its pipe, if
    they promise to be quick too. The last took `pace_s`, and was of `pace_size` bytes.
    """

    process: BaseProcess
    connection: "Connection[Any, Any]"
    jobs: deque[_Job] = field(default_factory=deque)
    since: float = 0.0
    ready: bool = False
    streak: int = 0
    pace_s: float = math.inf
    pace_size: int = 0

    @property
    def busy(self) -> bool:
        """Whether it is working on an input; loading what the work needs does not count."""
        return self.ready and bool(self.jobs)

    @property
    def waiting_s(self) -> float:
        """How long it has work for, beside what it is working on."""
        return min(_AHEAD_S, (len(self.jobs) - 1) * self.pace_s) if len(self.jobs) > 1 else 0.0

    def takes(self, job: _Job) -> bool:
        """Whether an input may wait in its pipe: few do, not for long, and its size promises no more."""
        if not job.can_wait or len(self.jobs) > self.streak:
            return False
        expected_s = self.pace_s * max(1.0, job.size / max(1, self.pace_size))
        return self.waiting_s + expected_s < _AHEAD_S

    def learn(self, job: _Job, seconds: float) -> None:
        """Note what an input took."""
        self.pace_s, self.pace_size = seconds, job.size
        self.streak = min(_MOST_AHEAD, self.streak + 1) if seconds < _AHEAD_S / 2 else 0


def _kill(process: BaseProcess) -> None:
    process.kill()
    process.join()
