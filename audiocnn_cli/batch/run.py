"""The loop of a batch: run one task on many inputs, with failures as values and results as they come."""

import logging
import signal
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from itertools import chain, count, islice
from types import FrameType
from typing import Generic, Protocol, TypeVar

from audiocnn_cli.audio.sources import STDIN, Source
from audiocnn_cli.batch.executor import Executor, InProcess, Workers, start_executor
from audiocnn_cli.batch.inputs import Inputs
from audiocnn_cli.batch.outcome import Failure, Finished, Observer
from audiocnn_cli.batch.task import Attempt, Task
from audiocnn_cli.errors import FailureKind, InputError

R = TypeVar("R")
_log = logging.getLogger("audiocnn")

# The number of outcomes for each slot that may wait for an earlier input that takes long.
_WINDOW_PER_SLOT = 16
_ABORTED = (FailureKind.CRASHED, FailureKind.TIMEOUT)


class Record(Protocol[R]):
    """Keeps the state of each input: the journal, or what writes results together with it."""

    def begin(self, source: Source) -> Finished[R] | None:
        """The recalled outcome of `source`, or None: then it must be worked on."""

    def finish(self, source: Source, outcome: R | Failure, *, seconds: float) -> R | Failure:
        """Record the outcome of `source`, which has begun, and return what the caller gets of it."""

    def add_failure(self, failure: Failure) -> None:
        """Record a failure without an input."""

    def mark_aborted(self, source: Source) -> None:
        """Record that work on `source` was stopped."""

    def complete(self) -> None:
        """Record that the run has come to the end of its inputs."""


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
    record: Record[R] | None = None,
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
        record: recalls what earlier runs have done, and records this one.
        observers: notified of each input as soon as it is done, before its turn to be yielded.
        stop: once it is requested no more inputs are begun; those in work are finished.
    """
    feed = iter(inputs)
    first = list(islice(feed, 2))
    stop = stop or Stop()
    stop.possible = len(first) > 1
    executor = start_executor(task, workers, several=len(first) > 1)
    with closing(executor):
        batch = _Batch(task, executor, in_order, record, observers, stop)
        yield from batch.run(chain(first, feed))
    if record is not None and not stop.requested:
        record.complete()


class _Batch(Generic[R]):
    """One run: the inputs in work, those that have crashed, and the outcomes that wait to be yielded."""

    def __init__(
        self,
        task: Task[R],
        executor: Executor[R],
        in_order: bool,
        record: Record[R] | None,
        observers: Sequence[Observer[R]],
        stop: Stop,
    ) -> None:
        self._executor = executor
        self._record = record
        self._observers = observers
        self._stop = stop
        # Workers have no standard input, so it is read in this process.
        self._here = InProcess(task)
        self._numbers = count()
        self._in_work: dict[int, Source] = {}
        self._crashed: deque[tuple[int, Source]] = deque()
        self._window = executor.slots * _WINDOW_PER_SLOT
        self._outcomes = _Outcomes[R](in_order=in_order)
        self._exhausted = False

    def run(self, feed: Iterator[Source | InputError]) -> Iterator[R | Failure]:
        while True:
            self._submit(feed)
            # The workers are busy while the caller handles these.
            yield from self._outcomes.take()
            if self._in_work:
                for number, attempt in self._executor.collect():
                    self._sort(number, self._in_work.pop(number), attempt)
            elif self._stop.requested:
                yield from self._outcomes.take(all_of_them=True)
                return
            elif self._crashed:
                self._retry_alone()
            elif self._exhausted:
                return

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
            if self._record is not None:
                self._record.add_failure(failure)
            self._notify(number, Finished(Source(item.path), failure, 0.0))
            return
        known = self._record.begin(item) if self._record is not None else None
        if known is not None:
            self._notify(number, known)
        elif item.path == STDIN:
            self._here.submit(number, item)
            for _, attempt in self._here.collect():
                self._finish(number, item, attempt)
        else:
            self._in_work[number] = item
            self._executor.submit(number, item)

    def _sort(self, number: int, source: Source, attempt: Attempt[R]) -> None:
        outcome = attempt.outcome
        kind = outcome.kind if isinstance(outcome, Failure) else None
        if self._record is not None and kind in _ABORTED:
            self._record.mark_aborted(source)
        if isinstance(outcome, Failure) and kind is FailureKind.CRASHED:
            _log.debug("%s: %s; it is tried again alone", source.path, outcome.message)
            self._crashed.append((number, source))
        else:
            self._finish(number, source, attempt)

    def _retry_alone(self) -> None:
        number, source = self._crashed.popleft()
        self._executor.submit(number, source)
        for _, attempt in self._executor.collect():
            outcome = attempt.outcome
            if isinstance(outcome, Failure) and outcome.kind is FailureKind.CRASHED:
                message = f"{outcome.message}, twice; convert it with another program, or leave it out"
                attempt = replace(attempt, outcome=replace(outcome, message=message))  # noqa: PLW2901
            self._finish(number, source, attempt)

    def _finish(self, number: int, source: Source, attempt: Attempt[R]) -> None:
        if attempt.trace:
            _log.debug("%s\n%s", source.path, attempt.trace)
        outcome = attempt.outcome
        if self._record is not None:
            outcome = self._record.finish(source, outcome, seconds=attempt.seconds)
        self._notify(number, Finished(source, outcome, attempt.seconds))

    def _notify(self, number: int, event: Finished[R]) -> None:
        for observer in self._observers:
            observer.finished(event)
        self._outcomes.put(number, event.outcome)


class _Outcomes(Generic[R]):
    """Outcomes that wait to be yielded, in the order of their numbers or as they came."""

    def __init__(self, *, in_order: bool) -> None:
        self._in_order = in_order
        self._waiting: dict[int, R | Failure] = {}
        self._next = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, number: int, outcome: R | Failure) -> None:
        self._waiting[number] = outcome

    def take(self, *, all_of_them: bool = False) -> Iterator[R | Failure]:
        """The outcomes whose turn it is; with `all_of_them` also those behind a number that is missing."""
        if self._in_order and not all_of_them:
            while self._next in self._waiting:
                self._next += 1
                yield self._waiting.pop(self._next - 1)
            return
        for number in sorted(self._waiting) if self._in_order else list(self._waiting):
            yield self._waiting.pop(number)
