"""Writers of the labels of one or several recordings to one file."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

from audiocnn_cli.classify import Prediction
from audiocnn_cli.errors import OutputError
from audiocnn_cli.files import atomic_writer
from audiocnn_cli.output.destination import Destination
from audiocnn_cli.output.formats import Format
from audiocnn_cli.output.labels.formats import REPORTS, TRACKS, RavenTable
from audiocnn_cli.output.results import write_result
from audiocnn_cli.output.views.classify import ClassifyView


class LabelWriter(Protocol):
    """Writes results one by one to one file."""

    def add(self, result: Prediction) -> None:
        """Write the labels of one recording."""

    def finish(self) -> None:
        """Write what the format has at its end."""


class TrackWriter:
    """A label track or a Raven table, as text."""

    def __init__(self, stream: IO[str], format: Format) -> None:
        self._stream = stream
        self._track = TRACKS.get(format)
        self._raven = RavenTable()
        if self._track is None:
            stream.write(self._raven.header)

    def add(self, result: Prediction) -> None:
        """Write the labels of one recording."""
        if self._track is not None:
            self._stream.write(self._track(result))
        else:
            self._stream.writelines(self._raven.lines(result))
        self._stream.flush()

    def finish(self) -> None:
        """Do nothing: text formats have no end."""


class _ParquetWriter:
    """The rows of CSV as Parquet, a row group for each recording."""

    def __init__(self, stream: IO[bytes], view: ClassifyView) -> None:
        self._stream = stream
        self._view = view
        self._writer: Any = None

    def add(self, result: Prediction) -> None:
        """Write the rows of one recording."""
        import pyarrow.parquet as pq

        table = self._view.records.table([result])
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._stream, table.schema)
        self._writer.write_table(table)

    def finish(self) -> None:
        """Write the footer of the file."""
        if self._writer is None:
            raise OutputError("no Parquet file is written: there are no results")
        self._writer.close()


@contextmanager
def label_file(path: Path, format: Format, view: ClassifyView, *, force: bool) -> Iterator[LabelWriter]:
    """A writer to `path`; the file is created when the `with` block ends without an error.

    Raises:
        OutputError: it can't be written, or a Parquet file would be empty.
    """
    parquet = format is Format.PARQUET
    with atomic_writer(path, "wb" if parquet else "w", force=force) as stream:
        writer = _ParquetWriter(stream, view) if parquet else TrackWriter(stream, format)
        yield writer
        writer.finish()


@dataclass(frozen=True, slots=True)
class LabelFiles:
    """Writes the labels of one recording to a file."""

    format: Format
    view: ClassifyView

    def write(self, result: Prediction, path: Path) -> None:
        """Write them to `path`, replacing a file there.

        Raises:
            OutputError: the file can't be written.
        """
        if self.format in REPORTS:
            write_result(result, self.view, Destination(self.format, path, force=True))
            return
        with label_file(path, self.format, self.view, force=True) as writer:
            writer.add(result)
