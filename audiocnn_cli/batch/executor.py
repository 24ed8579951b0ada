"""Where work is done: in this process, in others beside it, or on other machines."""

import os
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from audiocnn_cli.audio.sources import Source
from audiocnn_cli.batch.task import Attempt, Task, Work, attempt

R = TypeVar("R")


class Executor(Protocol[R]):
    """Works on inputs, a few at once. Tickets are numbers by which the caller knows them again.

    A worker that dies is replaced, and the input that it was working on fails as `crashed`; one that takes
    too long is stopped, and its input fails as `timeout`. Nothing is tried twice here.
    """

    @property
    def slots(self) -> int:
        """How many inputs are worth handing in at once."""

    def submit(self, ticket: int, source: Source) -> None:
        """Hand in an input; returns at once."""

    def collect(self) -> list[tuple[int, Attempt[R]]]:
        """Wait for at least one of the inputs handed in, and give all that are finished.

        Raises:
            AudiocnnError: one that ends the batch.
        """

    def close(self) -> None:
        """Let the workers go; what they are working on is given up at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workers:
    """Who works, and how long on one input at most.

    `jobs` None is one process a core; `cluster` the address of a Dask scheduler whose workers do it all. With
    `isolated` a single input has a process of its own too, where one can be forked: that costs nothing.
    """

    jobs: int | None = None
    timeout_s: float | None = None
    cluster: str | None = None
    isolated: bool = False


def start_executor(task: Task[R], workers: Workers, *, several: bool) -> Executor[R]:
    """The executor for a batch; a single input may be worked on here, unless it has to be stopped."""
    if workers.cluster is not None:
        from audiocnn_cli.batch.dask.cluster import Cluster

        return Cluster(task, workers.cluster, timeout_s=workers.timeout_s)
    if not (several or workers.isolated or workers.timeout_s is not None):
        return InProcess(task)
    from audiocnn_cli.batch.pool.pool import ProcessPool
    from audiocnn_cli.batch.pool.start import can_fork

    if not several and workers.timeout_s is None and not can_fork():
        return InProcess(task)
    jobs = workers.jobs or os.cpu_count() or 1
    return ProcessPool(task, jobs=jobs, timeout_s=workers.timeout_s)


class InProcess(Generic[R]):
    """Works in this process, on one input at a time."""

    slots = 1

    def __init__(self, task: Task[R]) -> None:
        self._task = task
        self._work: Work[R] | None = None
        self._submitted: list[tuple[int, Source]] = []

    def submit(self, ticket: int, source: Source) -> None:
        """Keep an input for `collect`."""
        self._submitted.append((ticket, source))

    def collect(self) -> list[tuple[int, Attempt[R]]]:
        """Work on the first input handed in."""
        if self._work is None:
            self._work = self._task.prepare()
        ticket, source = self._submitted.pop(0)
        return [(ticket, attempt(self._work, source))]

    def close(self) -> None:
        """Forget what was handed in."""
        self._submitted.clear()
