"""Executors: the work on inputs in this process, in worker processes, or on a cluster."""

import os
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from audiocnn_cli.audio.sources import Source
from audiocnn_cli.batch.task import Attempt, Task, Work, attempt

R = TypeVar("R")


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


def start_executor(task: Task[R], workers: Workers, *, several: bool) -> Executor[R]:
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


class InProcess(Generic[R]):
    """Runs the task in this process, on one input at a time."""

    slots = 1

    def __init__(self, task: Task[R]) -> None:
        self._task = task
        self._work: Work[R] | None = None
        self._submitted: list[tuple[int, Source]] = []

    def submit(self, number: int, source: Source) -> None:
        """Keep an input for `collect`."""
        self._submitted.append((number, source))

    def collect(self) -> list[tuple[int, Attempt[R]]]:
        """Work on the first of the submitted inputs."""
        if self._work is None:
            self._work = self._task.prepare()
        number, source = self._submitted.pop(0)
        return [(number, attempt(self._work, source))]

    def close(self) -> None:
        """Discard what was submitted."""
        self._submitted.clear()
