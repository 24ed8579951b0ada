"""A folder with a file for the result of each input, named after it."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Generic, Protocol, Self, TypeVar

from audiocnn_cli.audio.sources import Source
from audiocnn_cli.batch.task import Task
from audiocnn_cli.datasets.storage import RemoteStore, is_url
from audiocnn_cli.errors import FailureKind, InputError

R = TypeVar("R")
R_contra = TypeVar("R_contra", contravariant=True)


class FileWriter(Protocol[R_contra]):
    """What writes a result to a file; it travels with the task."""

    def write(self, result: R_contra, path: Path) -> None:
        """Write `result` to `path`, also where there is a file."""


@dataclass(frozen=True, slots=True)
class ResultFolder:
    """Where results go: `location`/NAME.`suffix`, a path or a URL.

    On this machine the journal says whether a file may be replaced, before the work on its input begins;
    elsewhere `force` does.
    """

    location: str
    suffix: str
    force: bool

    @property
    def path(self) -> Path | None:
        """The folder, if it is one of this machine."""
        return None if is_url(self.location) else Path(self.location)

    def file_of(self, source: Source) -> Path:
        """The file that the results of `source` are written to, on this machine."""
        return Path(self.location) / self._name(source)

    @contextmanager
    def writing(self, source: Source) -> Iterator[tuple[Path, str]]:
        """A path to write the results of `source` to, and what to call it.

        A file that belongs elsewhere is sent there, whole, when the block ends without an error.

        Raises:
            OutputError: the folder can't be reached.
            InputError: there is a file of that name elsewhere, and not `force`.
        """
        if self.path is not None:
            path = self.file_of(source)
            yield path, str(path)
            return
        name = self._name(source)
        store = RemoteStore(self.location)
        url = f"{self.location.rstrip('/')}/{name}"
        if not self.force and store.has(name):
            message = f"its file {url} is there already; add --force to replace it"
            raise InputError(source.path, FailureKind.PERMISSION, message)
        with TemporaryDirectory() as scratch:
            path = Path(scratch) / Path(name).name
            yield path, url
            with path.open("rb") as stream:
                store.put(name, stream)

    def _name(self, source: Source) -> str:
        return str(Path(source.name).with_suffix(f".{self.suffix}"))


@dataclass(frozen=True, slots=True)
class IntoFolder(Generic[R]):
    """The batch's task: `task`, and its result written to a file of its own."""

    task: Task[R]
    folder: ResultFolder
    writer: FileWriter[R]

    @property
    def modules(self) -> tuple[str, ...]:
        """Those of the task."""
        return self.task.modules

    @property
    def files(self) -> tuple[Path, ...]:
        """Those of the task."""
        return self.task.files

    def with_files(self, moved: Mapping[Path, Path]) -> Self:
        """The same task with its files read from other paths."""
        return replace(self, task=self.task.with_files(moved))

    def prepare(self) -> Callable[[Source], R]:
        """Prepare the task."""
        work = self.task.prepare()
        return lambda source: self._write(source, work(source))

    def _write(self, source: Source, result: R) -> R:
        with self.folder.writing(source) as (path, _):
            self.writer.write(result, path)
        return result
