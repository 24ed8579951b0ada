"""A folder with a file for the result of each input, named after it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from audiocnn_cli.audio.sources import Source
from audiocnn_cli.batch.task import Task

R = TypeVar("R")
R_contra = TypeVar("R_contra", contravariant=True)


class FileWriter(Protocol[R_contra]):
    """What writes a result to a file; it travels with the task."""

    def write(self, result: R_contra, path: Path) -> None:
        """Write `result` to `path`, also where there is a file."""


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
    """The batch's task: `task`, and its result written to a file of its own.

    Whether a file may be replaced is the journal's to say, before the work on its input begins.
    """

    task: Task[R]
    files: ResultFolder
    writer: FileWriter[R]

    @property
    def modules(self) -> tuple[str, ...]:
        """Those of the task."""
        return self.task.modules

    def prepare(self) -> Callable[[Source], R]:
        """Prepare the task."""
        work = self.task.prepare()
        return lambda source: self._write(source, work(source))

    def _write(self, source: Source, result: R) -> R:
        path = self.files.file_of(source)
        self.writer.write(result, path)
        return result
