"""Write the outcomes of a batch, or one document, in the format of a destination."""

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from textwrap import indent
from typing import IO, Any, Generic, Protocol, TypeVar

from audiocnn_cli.batch.outcome import Counts, Failure, failure_document
from audiocnn_cli.datasets.dataset import parquet_options
from audiocnn_cli.errors import OutputError
from audiocnn_cli.files import atomic_writer, safe_cell
from audiocnn_cli.output.destination import Destination, Format
from audiocnn_cli.output.terminal.console import console, display, print_failure
from audiocnn_cli.parameters import with_flags

R = TypeVar("R")
R_contra = TypeVar("R_contra", contravariant=True)

Row = Mapping[str, object]

_TABLE_ROWS = 1000


class View(Protocol[R_contra]):
    """How one kind of result looks in each format."""

    def document(self, result: R_contra) -> Mapping[str, Any]:
        """The JSON object of one result, as CONTRACT.md has it."""

    def rows(self, result: R_contra) -> Iterable[Row]:
        """The CSV rows of one result; every row of a batch has the same keys."""

    def table(self, results: Sequence[R_contra]) -> Any:
        """A Rich renderable of all results."""


def write_outcomes(outcomes: Iterable[R | Failure], view: View[R], destination: Destination) -> Counts:
    """Write each outcome in the format of `destination`; failures are also printed on stderr.

    Results are written as they come and not kept; a table is printed for each thousand of them.
    """
    with destination.open() as stream:
        return write_each(outcomes, [OutcomeWriter(stream, destination, view)])


def write_each(outcomes: Iterable[R | Failure], writers: Sequence["OutcomeWriter[R]"]) -> Counts:
    """Hand each outcome to all `writers`, and print failures on stderr."""
    done = failed = 0
    for outcome in outcomes:
        if isinstance(outcome, Failure):
            print_failure(outcome)
            failed += 1
        else:
            done += 1
        for writer in writers:
            writer.add(outcome)
    for writer in writers:
        writer.finish()
    return Counts(done=done, failed=failed)


class OutcomeWriter(Generic[R]):
    """Writes outcomes to one stream, each as it comes and flushed, so that a reader has it at once.

    A table is printed for each thousand; JSON is one document: results as they come, then the failures.
    """

    def __init__(self, stream: IO[str], destination: Destination, view: View[R]) -> None:
        self.destination = destination
        self._stream = stream
        self._view = view
        self._csv: CsvWriter | None = None
        self._listed = False
        self._rows: list[R] = []
        self._failures: list[Failure] = []

    def add(self, outcome: R | Failure) -> None:
        """Write one outcome."""
        format = self.destination.format
        if isinstance(outcome, Failure):
            if format is Format.JSONL:
                error = {"kind": outcome.kind, "message": with_flags(outcome.message)}
                self.line({"path": outcome.path, "error": error})
            self._failures += [outcome] if format is Format.JSON else []
        elif self.destination.silent:
            return
        elif self.destination.one_line_each:
            self._text(_summary(self._view.document(outcome)))
        elif format is Format.JSONL:
            self.line(self._view.document(outcome))
        elif format is Format.CSV:
            self.rows(self._view.rows(outcome))
        elif format is Format.JSON:
            listed = json.dumps(dict(self._view.document(outcome)), indent=2, allow_nan=False)
            self._stream.write(",\n" if self._listed else '{\n  "results": [\n')
            self._stream.write(indent(listed, " " * 4))
            self._listed = True
        else:
            self._rows.append(outcome)
            if len(self._rows) == _TABLE_ROWS:
                self._print_table()

    def finish(self) -> None:
        """Write what waits for the last outcome."""
        if self.destination.format is Format.JSON:
            self._stream.write("\n  ]" if self._listed else '{\n  "results": []')
            failures = json.dumps([failure_document(failure) for failure in self._failures], indent=2)
            self._stream.write(f',\n  "failures": {indent(failures, "  ").lstrip()}\n}}\n')
        elif self._rows:
            self._print_table()

    def line(self, document: Mapping[str, Any]) -> None:
        """One JSON object."""
        self._text(encode(document))

    def rows(self, rows: Iterable[Row]) -> None:
        """CSV rows, before the first of them its header."""
        for row in rows:
            if self._csv is None:
                self._csv = CsvWriter(self._stream, list(row))
            self._csv.write(row)
        self._stream.flush()

    def _text(self, line: str) -> None:
        self._stream.write(line + "\n")
        self._stream.flush()

    def _print_table(self) -> None:
        console(self._stream).print(self._view.table(self._rows))
        self._rows.clear()


def write_result(result: R, view: View[R], destination: Destination) -> None:
    """Write the one result of a command that has no list of inputs."""
    with destination.open() as stream:
        if destination.format is Format.JSON:
            dump(view.document(result), stream)
        else:
            write_each([result], [OutcomeWriter(stream, destination, view)])


@contextmanager
def parquet_file(path: Path, *, force: bool) -> Iterator[Callable[[Any], None]]:
    """A function that writes Arrow tables to `path`, a row group each; the file appears when the block ends.

    Raises:
        OutputError: it can't be written, or there was no table.
    """
    import pyarrow.parquet as pq

    with atomic_writer(path, "wb", force=force) as stream:
        writer: Any = None

        def write(table: Any) -> None:
            nonlocal writer
            writer = writer or pq.ParquetWriter(stream, table.schema, **parquet_options(table.schema))
            writer.write_table(table)

        yield write
        if writer is None:
            raise OutputError(f"{path}: not written, as there is no result")
        writer.close()


def _summary(document: Mapping[str, Any]) -> str:
    """A result as one line: its path, then the file that it was written to, or its label."""
    found = document.get("output") or document.get("label")
    return display(f"{document['path']}: {found}" if found else document["path"])


def dump(document: Mapping[str, Any], stream: IO[str], *, indent: int | None = 2) -> None:
    """One JSON document, indented, ASCII only: any file name survives, and NaN is refused.

    An `indent` of None puts it on one line.
    """
    json.dump(dict(document), stream, indent=indent, allow_nan=False)
    stream.write("\n")


class CsvWriter:
    """Rows of CSV below a header; cells are those of `safe_cell`."""

    def __init__(self, stream: IO[str], header: Sequence[str]) -> None:
        self._header = header
        self._names = frozenset(header)
        self._plain = csv.writer(stream, lineterminator="\n")
        # Readers take a carriage return without quotes for the end of a line.
        self._quoted = csv.writer(stream, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
        self._write(list(header))

    def write(self, row: Row) -> None:
        """Write one row; a cell for which it has no key is empty.

        Raises:
            ValueError: it has a key that the header lacks.
        """
        if not row.keys() <= self._names:
            raise ValueError(f"the header has no {', '.join(sorted(row.keys() - self._names))}")
        self._write([row.get(name, "") for name in self._header])

    def _write(self, cells: list[object]) -> None:
        writer = self._plain
        for place, cell in enumerate(cells):
            if isinstance(cell, str):
                cells[place] = safe_cell(cell)
                writer = self._quoted if "\r" in cell else writer
        writer.writerow(cells)


def write_rows(rows: Iterable[Row], stream: IO[str], *, header: Sequence[str]) -> None:
    """CSV with a header, also when there are no rows."""
    writer = CsvWriter(stream, header)
    for row in rows:
        writer.write(row)


def encode(document: Mapping[str, Any]) -> str:
    """One line of JSON, without its end; NaN is refused."""
    return document.line if isinstance(document, Encoded) else json.dumps(document, allow_nan=False)


@dataclass(frozen=True)
class Encoded(Mapping[str, Any]):
    """A mapping stored as its line of JSON: a worker encodes it, and it is decoded only when it is read."""

    line: str

    def __getitem__(self, key: str) -> Any:
        return self._document[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._document)

    def __len__(self) -> int:
        return len(self._document)

    @cached_property
    def _document(self) -> dict[str, Any]:
        decoded: dict[str, Any] = json.loads(self.line)
        return decoded
