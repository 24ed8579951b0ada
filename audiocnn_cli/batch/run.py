"""The loop of a batch: run one task on many inputs, with failures as values and results as they come."""

import logging
import signal
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from itertools import chain, count, islice
from types import FrameType
from typing import TYPE_CHECKING, Generic, TypeVar

from audiocnn_cli.audio.sources import STDIN, Source
from audiocnn_cli.batch.executor import Executor, InProcess, Workers, start_executor
from audiocnn_cli.batch.inputs import Inputs
from audiocnn_cli.batch.outcome import Failure, Finished, Observer
from audiocnn_cli.batch.task import Attempt, Task
from audiocnn_cli.errors import FailureKind, InputError

if TYPE_CHECKING:  # SQLite is not imported for a run without a journal
    from audiocnn_cli.batch.journal import Journal

R = TypeVar("R")
_log = logging.getLogger("audiocnn")

# The number of outcomes for each slot that may wait for an earlier input that takes long.
_WINDOW_PER_SLOT = 16
_ABORTED = (FailureKind.CRASHED, FailureKind.TIMEOUT)


@dataclass(slots=True)
class Stop:
    """A request to begin no more inputs; it is made by a signal only where `possible`."""

    requested: bool = False
    possible: bool = False


@contextmanager
def stop_on_signals() -> Iterator[Stop]:
    """A `Stop` that the first Ctrl-C, or SIGTERM of a queue, requests; a second one interrupts at once."""
    stop = Stop()

    def handle(_number: int, _frame: FrameType | None) -> None:
        if stop.requested or not stop.possible:
            raise KeyboardInterrupt
        stop.requested = True
        _log.warning("finishing the files in work; Ctrl-C again stops at once")

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def run_batch(
    inputs: Inputs,
    task: Task[R],
    *,
    workers: Workers = Workers(),  # noqa: B008 (frozen)
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
    executor = start_executor(task, workers, several=len(first) > 1)
    with closing(executor):
        batch = _Batch(task, executor, in_order, journal, observers, stop)
        yield from batch.run(chain(first, feed))
    if journal is not None:
        journal.end(complete=not stop.requested)


class _Batch(Generic[R]):
    """One run: the inputs in work, those that have crashed, and the outcomes that wait to be yielded."""

    def __init__(
        self,
        task: Task[R],
        executor: Executor[R],
        in_order: bool,
        journal: "Journal[R] | None",
        observers: Sequence[Observer[R]],
        stop: Stop,
    ) -> None:
        self._executor = executor
        self._in_order = in_order
        self._journal = journal
        self._observers = observers
        self._stop = stop
        # Workers have no standard input, so it is read in this process.
        self._here = InProcess(task)
        self._numbers = count()
        self._in_work: dict[int, Source] = {}
        self._crashed: deque[tuple[int, Source]] = deque()
        self._window = executor.slots * _WINDOW_PER_SLOT
        self._outcomes: dict[int, R | Failure] = {}
        self._yielded = 0
        self._exhausted = False

    def run(self, feed: Iterator[Source | InputError]) -> Iterator[R | Failure]:
        while True:
            self._submit(feed)
            # The workers are busy while the caller handles these.
            yield from self._due()
            if self._in_work:
                for number, attempt in self._executor.collect():
                    self._sort(number, self._in_work.pop(number), attempt)
            elif self._stop.requested:
                yield from (self._outcomes[number] for number in sorted(self._outcomes))
                return
            elif self._crashed:
                self._retry_alone()
            elif self._exhausted:
                return

    def _due(self) -> Iterator[R | Failure]:
        """The outcomes whose turn it is: those before the first number that is missing, or all."""
        while self._outcomes and (not self._in_order or self._yielded in self._outcomes):
            number = self._yielded if self._in_order else next(iter(self._outcomes))
            self._yielded += 1
            yield self._outcomes.pop(number)

    def _submit(self, feed: Iterator[Source | InputError]) -> None:
        # Crashed inputs wait until nothing else is in work, but not many of them in memory.
        while (
            len(self._in_work) < self._executor.slots
            and len(self._crashed) < self._window
            and len(self._outcomes) < self._window
        ):
            item = None if self._stop.requested else next(feed, None)
            if item is None:
                self._exhausted = True
                return
            self._submit_one(next(self._numbers), item)

    def _submit_one(self, number: int, item: Source | InputError) -> None:
        if isinstance(item, InputError):
            failure = Failure(item.path, item.kind, item.message)
            if self._journal is not None:
                self._journal.add_failure(failure)
            self._notify(number, Finished(Source(item.path), failure, 0.0))
        elif self._journal is not None and (known := self._journal.begin(item)) is not None:
            self._notify(number, known)
        elif item.path == STDIN:
            self._here.submit(number, item)
            ((_, attempt),) = self._here.collect()
            self._finish(number, item, attempt)
        else:
            self._in_work[number] = item
            self._executor.submit(number, item)

    def _sort(self, number: int, source: Source, attempt: Attempt[R]) -> None:
        kind = attempt.failure and attempt.failure.kind
        if self._journal is not None and kind in _ABORTED:
            self._journal.mark_aborted(source)
        if attempt.failure and kind is FailureKind.CRASHED:
            _log.debug("%s: %s; it is tried again alone", source.path, attempt.failure.message)
            self._crashed.append((number, source))
        else:
            self._finish(number, source, attempt)

    def _retry_alone(self) -> None:
        number, source = self._crashed.popleft()
        self._executor.submit(number, source)
        ((_, attempt),) = self._executor.collect()
        if (failure := attempt.failure) and failure.kind is FailureKind.CRASHED:
            message = f"{failure.message}, twice; convert it with another program, or leave it out"
            attempt = replace(attempt, outcome=replace(failure, message=message))
        self._finish(number, source, attempt)

    def _finish(self, number: int, source: Source, attempt: Attempt[R]) -> None:
        if attempt.trace:
            _log.debug("%s\n%s", source.path, attempt.trace)
        outcome = attempt.outcome
        if self._journal is not None:
            outcome = self._journal.finish(source, outcome, seconds=attempt.seconds)
        self._notify(number, Finished(source, outcome, attempt.seconds))

    def _notify(self, number: int, event: Finished[R]) -> None:
        for observer in self._observers:
            observer.finished(event)
        self._outcomes[number] = event.outcome
