"""A folder with a file for the result of each input, named after it."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Generic, Self, TypeVar

from audiocnn_cli.audio.sources import Source
from audiocnn_cli.batch.task import Task
from audiocnn_cli.datasets.storage import RemoteStorage, is_url
from audiocnn_cli.errors import FailureKind, InputError

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class ResultFolder:
    """The files `location`/NAME.`suffix` with the results, where `location` is a path or a URL.

    On this machine the journal decides whether a file may be replaced, before work on its input begins; a
    remote file is replaced only with `force`.
    """

    location: str
    suffix: str
    force: bool

    @property
    def path(self) -> Path | None:
        """The folder; None where it is remote."""
        return None if is_url(self.location) else Path(self.location)

    def file_of(self, source: Source) -> Path:
        """The file with the result of `source`, in a folder of this machine."""
        return Path(self.location) / self._name(source)

    @contextmanager
    def writing(self, source: Source) -> Iterator[tuple[Path, str]]:
        """The path to write the result of `source` to, and the name of the file in messages.

        A remote file is copied there when the block ends without an error.

        Raises:
            OutputError: the folder can't be reached.
            InputError: the remote file exists, and not `force`.
        """
        if self.path is not None:
            path = self.file_of(source)
            yield path, str(path)
            return
        name = self._name(source)
        storage = RemoteStorage(self.location)
        url = f"{self.location.rstrip('/')}/{name}"
        if not self.force and storage.has(name):
            message = f"its file {url} exists already; add `force=True` to replace it"
            raise InputError(source.path, FailureKind.PERMISSION, message)
        with TemporaryDirectory() as scratch:
            path = Path(scratch) / Path(name).name
            yield path, url
            with path.open("rb") as stream:
                storage.put(name, stream)

    def _name(self, source: Source) -> str:
        return str(Path(source.name).with_suffix(f".{self.suffix}"))


@dataclass(frozen=True, slots=True)
class IntoFolder(Generic[R]):
    """A task that runs another one, and writes each result to a file of its own, replacing one there.

    `write` is pickled together with the task.
    """

    task: Task[R]
    folder: ResultFolder
    write: Callable[[R, Path], None]

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
            self.write(result, path)
        return result
