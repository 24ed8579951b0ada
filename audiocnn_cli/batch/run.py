"""Run one task over many sources, with failures as values and results as they come."""

import logging
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import chain, count, islice
from typing import Generic, Protocol, TypeVar

from audiocnn_cli.audio.sources import STDIN, Source
from audiocnn_cli.batch.executor import Executor, InProcess, Workers, start_executor
from audiocnn_cli.batch.interrupt import Stop
from audiocnn_cli.batch.outcome import Failure, Finished, Observer
from audiocnn_cli.batch.task import Attempt, Task
from audiocnn_cli.errors import FailureKind, InputError

R = TypeVar("R")
_log = logging.getLogger("audiocnn")

# So many outcomes for each slot may wait for an earlier input that takes long.
_WINDOW_PER_SLOT = 16
_STOPPED = (FailureKind.CRASHED, FailureKind.TIMEOUT)


class Record(Protocol[R]):
    """Who keeps what a batch has done: the journal, or what writes results together with it."""

    def begin(self, source: Source) -> Finished[R] | None:
        """What is known of `source` already; None: it is to be worked on."""

    def finish(self, source: Source, outcome: R | Failure, *, seconds: float) -> R | Failure:
        """Note what came of `source`, which has begun; gives what is to be passed on."""

    def note(self, failure: Failure) -> None:
        """Note a failure of what was no input."""

    def mark_aborted(self, source: Source) -> None:
        """Note that work on `source` was stopped on its way."""

    def complete(self) -> None:
        """Note that the run has come to the end of its inputs."""


def run_batch(
    inputs: Iterable[Source | InputError],
    task: Task[R],
    *,
    workers: Workers = Workers(),  # noqa: B008 (frozen)
    in_order: bool = True,
    journal: Record[R] | None = None,
    listeners: Sequence[Observer[R]] = (),
    stop: Stop | None = None,
) -> Generator[R | Failure, None, None]:
    """Yield the result of `task` for each input, or its `Failure`.

    An input that crashed its worker is tried once more, alone. An `AudiocnnError` of the task that is not
    about its input ends the batch.

    Args:
        inputs: read lazily; an `InputError` among them is passed on as a failure.
        task: what to do with each.
        workers: who does it.
        in_order: in the order of the inputs, or as each is done.
        journal: what earlier runs have done, and what this one does.
        listeners: hear of each input as soon as it is done, before its turn to be yielded.
        stop: no input is begun any more once it is asked for; those in work are finished.
    """
    feed = iter(inputs)
    first = list(islice(feed, 2))
    stop = stop or Stop()
    stop.gently = len(first) > 1
    executor = start_executor(task, workers, several=len(first) > 1)
    with closing(executor):
        batch = _Batch(
            task, executor, in_order=in_order, journal=journal, listeners=listeners, stop=stop
        )
        yield from batch.run(chain(first, feed))
    if journal is not None and not stop.asked:
        journal.complete()


class _Batch(Generic[R]):
    """One run: what is in work, what has crashed, and what waits for its turn to be yielded."""

    def __init__(
        self,
        task: Task[R],
        executor: Executor[R],
        *,
        in_order: bool,
        journal: Record[R] | None,
        listeners: Sequence[Observer[R]],
        stop: Stop,
    ) -> None:
        self._executor = executor
        self._journal = journal
        self._listeners = listeners
        self._stop = stop
        # Standard input is read where it is; the workers have none.
        self._here = InProcess(task)
        self._tickets = count()
        self._in_work: dict[int, Source] = {}
        self._crashed: deque[tuple[int, Source]] = deque()
        size = self._most_crashed = executor.slots * _WINDOW_PER_SLOT
        self._outcomes = _InOrder[R](size) if in_order else _AsDone[R](size)
        self._exhausted = False

    def run(self, feed: Iterator[Source | InputError]) -> Iterator[R | Failure]:
        while True:
            self._hand_in(feed)
            # The workers are busy while the caller has these.
            yield from self._outcomes.take()
            if self._in_work:
                for ticket, attempt in self._executor.collect():
                    self._sort(ticket, self._in_work.pop(ticket), attempt)
            elif self._stop.asked:
                yield from self._outcomes.rest()
                return
            elif self._crashed:
                self._try_alone()
            elif self._exhausted:
                return

    def _hand_in(self, feed: Iterator[Source | InputError]) -> None:
        # Crashed inputs wait until nothing else is in work, but not many of them in memory.
        while (
            len(self._in_work) < self._executor.slots
            and len(self._crashed) < self._most_crashed
            and self._outcomes.has_room
        ):
            item = None if self._stop.asked else next(feed, None)
            if item is None:
                self._exhausted = True
                return
            self._hand_in_one(next(self._tickets), item)

    def _hand_in_one(self, ticket: int, item: Source | InputError) -> None:
        if isinstance(item, InputError):
            failure = Failure(item.path, item.kind, item.message)
            if self._journal is not None:
                self._journal.note(failure)
            self._tell(ticket, Finished(Source(item.path), failure, 0.0))
            return
        known = self._journal.begin(item) if self._journal is not None else None
        if known is not None:
            self._tell(ticket, known)
        elif item.path == STDIN:
            self._here.submit(ticket, item)
            for _, attempt in self._here.collect():
                self._finish(ticket, item, attempt)
        else:
            self._in_work[ticket] = item
            self._executor.submit(ticket, item)

    def _sort(self, ticket: int, source: Source, attempt: Attempt[R]) -> None:
        outcome = attempt.outcome
        kind = outcome.kind if isinstance(outcome, Failure) else None
        if self._journal is not None and kind in _STOPPED:
            self._journal.mark_aborted(source)
        if isinstance(outcome, Failure) and kind is FailureKind.CRASHED:
            _log.debug("%s: %s; it is tried again alone", source.path, outcome.message)
            self._crashed.append((ticket, source))
        else:
            self._finish(ticket, source, attempt)

    def _try_alone(self) -> None:
        ticket, source = self._crashed.popleft()
        self._executor.submit(ticket, source)
        for _, attempt in self._executor.collect():
            outcome = attempt.outcome
            if isinstance(outcome, Failure) and outcome.kind is FailureKind.CRASHED:
                message = (
                    f"{outcome.message}, twice; convert it with another program, or leave it out"
                )
                attempt = replace(attempt, outcome=replace(outcome, message=message))  # noqa: PLW2901
            self._finish(ticket, source, attempt)

    def _finish(self, ticket: int, source: Source, attempt: Attempt[R]) -> None:
        if attempt.trace:
            _log.debug("%s\n%s", source.path, attempt.trace)
        outcome = attempt.outcome
        if self._journal is not None:
            outcome = self._journal.finish(source, outcome, seconds=attempt.seconds)
        self._tell(ticket, Finished(source, outcome, attempt.seconds))

    def _tell(self, ticket: int, event: Finished[R]) -> None:
        for listener in self._listeners:
            listener.finished(event)
        self._outcomes.put(ticket, event.outcome)


class _AsDone(Generic[R]):
    """Outcomes in the order in which they come, about `size` of them at most."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._waiting: deque[R | Failure] = deque()

    @property
    def has_room(self) -> bool:
        return len(self._waiting) < self._size

    def put(self, _ticket: int, outcome: R | Failure) -> None:
        self._waiting.append(outcome)

    def take(self) -> Iterator[R | Failure]:
        while self._waiting:
            yield self._waiting.popleft()

    rest = take


class _InOrder(Generic[R]):
    """Outcomes in the order of their tickets, `size` of them at most ahead of the first that is missing."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._waiting: dict[int, R | Failure] = {}
        self._next = 0

    @property
    def has_room(self) -> bool:
        return len(self._waiting) < self._size

    def put(self, ticket: int, outcome: R | Failure) -> None:
        self._waiting[ticket] = outcome

    def take(self) -> Iterator[R | Failure]:
        while self._next in self._waiting:
            self._next += 1
            yield self._waiting.pop(self._next - 1)

    def rest(self) -> Iterator[R | Failure]:
        """What is left when some will never come."""
        for ticket in sorted(self._waiting):
            yield self._waiting.pop(ticket)
