"""A folder with a file for the result of each input, named after it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from audiocnn_cli.audio.sources import Source
from audiocnn_cli.batch.task import Task

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class ResultFolder:
    """Where results go: `path`/NAME.`suffix`."""

    path: Path
    suffix: str

    def file_of(self, source: Source) -> Path:
        """The file that the results of `source` are written to."""
        return (self.path / source.name).with_suffix(f".{self.suffix}")


@dataclass(frozen=True, slots=True)
class IntoFolder(Generic[R]):
    """The batch's task: `task`, and `write` for its result, in the worker.

    Whether a file may be replaced is the journal's to say, before the work on its input begins.
    """

    task: Task[R]
    write: Callable[[R], object]

    @property
    def modules(self) -> tuple[str, ...]:
        """Those of the task."""
        return self.task.modules

    def prepare(self) -> Callable[[Source], R]:
        """Prepare the task."""
        work = self.task.prepare()
        return lambda source: self._written(work(source))

    def _written(self, result: R) -> R:
        self.write(result)
        return result
