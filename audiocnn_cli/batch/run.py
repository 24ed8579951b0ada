"""The loop of a batch: run one task on many inputs, with failures as values and results as they come."""

import logging
import os
import signal
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from itertools import chain, count, islice
from types import FrameType
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from audiocnn_cli.audio.sources import STDIN, Source
from audiocnn_cli.batch.inputs import Inputs
from audiocnn_cli.batch.outcome import Failure, Finished, Observer
from audiocnn_cli.batch.task import Attempt, InProcess, Task
from audiocnn_cli.errors import FailureKind, InputError

if TYPE_CHECKING:  # SQLite is not imported for a run without a journal
    from audiocnn_cli.batch.journal import Journal

R = TypeVar("R")
_log = logging.getLogger("audiocnn")

# The number of outcomes for each slot that may wait for an earlier input that takes long.
_WINDOW_PER_SLOT = 16
_ABORTED = (FailureKind.CRASHED, FailureKind.TIMEOUT)


class Executor(Protocol[R]):
    """Runs a task on several inputs at once; the caller identifies them by numbers.

    A worker that crashes is replaced, and the input it was working on fails as `crashed`; one that exceeds
    the time limit is stopped, and its input fails as `timeout`. Executors do not retry.
    """

    @property
    def slots(self) -> int:
        """The number of inputs to submit at once, to keep all workers busy."""

    def submit(self, number: int, source: Source) -> None:
        """Add an input; returns at once."""

    def collect(self) -> list[tuple[int, Attempt[R]]]:
        """Wait for at least one of the submitted inputs, and return all that are finished.

        Raises:
            AudiocnnError: an error that ends the batch.
        """

    def close(self) -> None:
        """Stop the workers at once; unfinished inputs are lost."""


@dataclass(slots=True)
class Stop:
    """A request to begin no more inputs; it is made by a signal only where `possible`."""

    requested: bool = False
    possible: bool = False
    waiting: bool = False

    def next_of(self, feed: Iterator[Source | InputError]) -> Source | InputError | None:
        """The next input; None at the end, and where the stop is requested while a list is waited for."""
        self.waiting = True
        try:
            return None if self.requested else next(feed, None)
        except _StopWaitingError:
            return None
        finally:
            self.waiting = False


class _StopWaitingError(BaseException):
    """Raised by a signal while the next input is waited for."""


@contextmanager
def stop_on_signals() -> Iterator[Stop]:
    """A `Stop` that the first Ctrl-C, or SIGTERM of a queue, requests; a second one interrupts at once."""
    stop = Stop()

    def handle(_number: int, _frame: FrameType | None) -> None:
        if stop.requested or not stop.possible:
            raise KeyboardInterrupt
        stop.requested = True
        _log.warning("finishing the files in work; Ctrl-C again stops at once")
        if stop.waiting:
            raise _StopWaitingError

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@dataclass(frozen=True, slots=True, kw_only=True)
class Workers:
    """Where the work is done, and the time limit of one input in seconds.

    `jobs` None is one process a core; `cluster` the address of a Dask scheduler, in place of processes here.
    With `isolated` a single input gets a process of its own too, where one can be forked, which is cheap.
    """

    jobs: int | None = None
    timeout_s: float | None = None
    cluster: str | None = None
    isolated: bool = False


def run_batch(
    inputs: Inputs,
    task: Task[R],
    *,
    workers: Workers = Workers(),
    in_order: bool = True,
    journal: "Journal[R] | None" = None,
    observers: Sequence[Observer[R]] = (),
    stop: Stop | None = None,
) -> Generator[R | Failure, None, None]:
    """Yield the result of `task` for each input, or its `Failure`.

    An input that crashed its worker is tried once more, alone. An `AudiocnnError` of the task that is not
    about its input ends the batch.

    Args:
        inputs: read lazily; an `InputError` among them is passed on as a failure.
        task: the work on each input.
        workers: where the work is done.
        in_order: in the order of the inputs, or as each is done.
        journal: recalls what earlier runs have done, and records this one.
        observers: notified of each input as soon as it is done, before its turn to be yielded.
        stop: once it is requested no more inputs are begun; those in work are finished.
    """
    feed = iter(inputs)
    first = list(islice(feed, 2))
    stop = stop or Stop()
    stop.possible = len(first) > 1
    executor = _start_executor(task, workers, several=len(first) > 1)
    with closing(executor):
        window = executor.slots * _WINDOW_PER_SLOT
        batch = _Batch(InProcess(task), executor, in_order, journal, observers, stop, window)
        yield from batch.run(chain(first, feed))
    if journal is not None:
        journal.end(complete=not stop.requested)


def _start_executor(task: Task[R], workers: Workers, *, several: bool) -> Executor[R]:
    """The executor for a batch; a single input may run in this process, unless it has a time limit."""
    if workers.cluster is not None:
        from audiocnn_cli.batch.cluster import Cluster

        return Cluster(task, workers.cluster, timeout_s=workers.timeout_s)
    if not (several or workers.isolated or workers.timeout_s is not None):
        return InProcess(task)
    from audiocnn_cli.batch.pool import ProcessPool
    from audiocnn_cli.batch.worker import can_fork

    if not several and workers.timeout_s is None and not can_fork():
        return InProcess(task)
    jobs = workers.jobs or os.cpu_count() or 1
    return ProcessPool(task, jobs=jobs, timeout_s=workers.timeout_s)


@dataclass(slots=True)
class _Batch(Generic[R]):
    """One run: the inputs in work, those that have crashed, and the outcomes that wait to be yielded.

    Workers have no standard input, so it is read `here`, in this process.
    """

    here: InProcess[R]
    executor: Executor[R]
    in_order: bool
    journal: "Journal[R] | None"
    observers: Sequence[Observer[R]]
    stop: Stop
    window: int
    numbers: Iterator[int] = field(default_factory=count)
    in_work: dict[int, Source] = field(default_factory=dict)
    crashed: deque[tuple[int, Source]] = field(default_factory=deque)
    outcomes: dict[int, R | Failure] = field(default_factory=dict)
    yielded: int = 0
    exhausted: bool = False

    def run(self, feed: Iterator[Source | InputError]) -> Iterator[R | Failure]:
        while True:
            self._submit(feed)
            # The workers are busy while the caller handles these.
            yield from self._due()
            if self.in_work:
                for number, attempt in self.executor.collect():
                    self._sort(number, self.in_work.pop(number), attempt)
            elif self.stop.requested:
                yield from (self.outcomes[number] for number in sorted(self.outcomes))
                return
            elif self.crashed:
                self._retry_alone()
            elif self.exhausted:
                return

    def _due(self) -> Iterator[R | Failure]:
        """The outcomes whose turn it is: those before the first number that is missing, or all."""
        while self.outcomes and (not self.in_order or self.yielded in self.outcomes):
            number = self.yielded if self.in_order else next(iter(self.outcomes))
            self.yielded += 1
            yield self.outcomes.pop(number)

    def _submit(self, feed: Iterator[Source | InputError]) -> None:
        # Crashed inputs wait until nothing else is in work, but not many of them in memory.
        while (
            len(self.in_work) < self.executor.slots
            and len(self.crashed) < self.window
            and len(self.outcomes) < self.window
        ):
            item = self.stop.next_of(feed)
            if item is None:
                self.exhausted = True
                return
            self._submit_one(next(self.numbers), item)

    def _submit_one(self, number: int, item: Source | InputError) -> None:
        if isinstance(item, InputError):
            failure = Failure(item.path, item.kind, item.message)
            if self.journal is not None:
                self.journal.add_failure(failure)
            self._notify(number, Finished(Source(item.path), failure, 0.0))
        elif self.journal is not None and (known := self.journal.begin(item)) is not None:
            self._notify(number, known)
        elif item.path == STDIN:
            self.here.submit(number, item)
            ((_, attempt),) = self.here.collect()
            self._finish(number, item, attempt)
        else:
            self.in_work[number] = item
            self.executor.submit(number, item)

    def _sort(self, number: int, source: Source, attempt: Attempt[R]) -> None:
        kind = attempt.failure and attempt.failure.kind
        if self.journal is not None and kind in _ABORTED:
            self.journal.mark_aborted(source)
        if attempt.failure and kind is FailureKind.CRASHED:
            _log.debug("%s: %s; it is tried again alone", source.path, attempt.failure.message)
            self.crashed.append((number, source))
        else:
            self._finish(number, source, attempt)

    def _retry_alone(self) -> None:
        number, source = self.crashed.popleft()
        self.executor.submit(number, source)
        ((_, attempt),) = self.executor.collect()
        if (failure := attempt.failure) and failure.kind is FailureKind.CRASHED:
            message = f"{failure.message}, twice; convert it with another program, or leave it out"
            attempt = replace(attempt, outcome=replace(failure, message=message))
        self._finish(number, source, attempt)

    def _finish(self, number: int, source: Source, attempt: Attempt[R]) -> None:
        if attempt.trace:
            _log.debug("%s\n%s", source.path, attempt.trace)
        outcome = attempt.outcome
        if self.journal is not None:
            outcome = self.journal.finish(source, outcome, seconds=attempt.seconds)
        self._notify(number, Finished(source, outcome, attempt.seconds))

    def _notify(self, number: int, event: Finished[R]) -> None:
        for observer in self.observers:
            observer.finished(event)
        self.outcomes[number] = event.outcome
