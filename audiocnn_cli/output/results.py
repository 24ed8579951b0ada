"""Write the outcomes of a batch, or one document, in the format of a destination."""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from textwrap import indent
from typing import IO, Any, Generic, Protocol, TypeVar

from audiocnn_cli.batch.outcome import Counts, Failure, failure_document
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
        return write_outcomes_to(StreamWriter(stream, destination), outcomes, view)


def write_outcomes_to(writer: "StreamWriter", outcomes: Iterable[R | Failure], view: View[R]) -> Counts:
    """As `write_outcomes`, to a stream that is open already."""
    return write_each(outcomes, [OutcomeWriter(writer, view)])


class Writer(Protocol[R_contra]):
    """Receives outcomes one by one."""

    def add(self, outcome: R_contra | Failure, /) -> None:
        """Take one outcome."""

    def finish(self) -> None:
        """Write what waits for the last outcome."""


def write_each(outcomes: Iterable[R | Failure], writers: Sequence[Writer[R]]) -> Counts:
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
    """Writes outcomes to one stream, each as it comes; a table is printed for each thousand."""

    def __init__(self, writer: "StreamWriter", view: View[R]) -> None:
        self._writer = writer
        self._view = view
        self._listing = _Listing(writer.stream)
        self._rows: list[R] = []
        self._failures: list[Failure] = []

    def add(self, outcome: R | Failure) -> None:
        """Write one outcome."""
        writer = self._writer
        if isinstance(outcome, Failure):
            writer.failure(outcome)
            if writer.format is Format.JSON:
                self._failures.append(outcome)
        elif writer.destination.silent:
            return
        elif writer.destination.one_line_each:
            writer.text(_summary(self._view.document(outcome)))
        elif writer.format is Format.JSONL:
            writer.line(self._view.document(outcome))
        elif writer.format is Format.CSV:
            writer.rows(self._view.rows(outcome))
        elif writer.format is Format.JSON:
            self._listing.add(self._view.document(outcome))
        else:
            self._rows.append(outcome)
            if len(self._rows) == _TABLE_ROWS:
                self._print_table()

    def finish(self) -> None:
        """Write what waits for the last outcome."""
        if self._writer.format is Format.JSON:
            self._listing.finish(self._failures)
        elif self._rows:
            self._print_table()

    def _print_table(self) -> None:
        console(self._writer.stream).print(self._view.table(self._rows))
        self._rows.clear()


def write_result(result: R, view: View[R], destination: Destination) -> None:
    """Write the one result of a command that has no list of inputs."""
    if destination.silent:
        return
    with destination.open() as stream:
        writer = StreamWriter(stream, destination)
        if destination.format is Format.JSON:
            dump(view.document(result), stream)
        elif destination.format is Format.JSONL:
            writer.line(view.document(result))
        elif destination.format is Format.CSV:
            writer.rows(view.rows(result))
        else:
            console(stream).print(view.table([result]))


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


def write_rows(rows: Iterable[Row], stream: IO[str], *, header: Sequence[str]) -> None:
    """CSV with a header, also when there are no rows."""
    writer = csv.DictWriter(stream, header, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)


class _Listing:
    """The JSON document of a batch: results as they come, then the failures."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._empty = True

    def add(self, document: Mapping[str, Any]) -> None:
        self._stream.write('{\n  "results": [\n' if self._empty else ",\n")
        self._stream.write(indent(json.dumps(dict(document), indent=2, allow_nan=False), " " * 4))
        self._empty = False

    def finish(self, failures: Iterable[Failure]) -> None:
        self._stream.write('{\n  "results": []' if self._empty else "\n  ]")
        listed = json.dumps([failure_document(failure) for failure in failures], indent=2)
        self._stream.write(f',\n  "failures": {indent(listed, "  ").lstrip()}\n}}\n')


class StreamWriter:
    """Lines of JSON, rows of CSV or lines of text, each flushed so that a reader has it at once."""

    def __init__(self, stream: IO[str], destination: Destination) -> None:
        self.stream = stream
        self.destination = destination
        self._csv: csv.DictWriter[str] | None = None

    @property
    def format(self) -> Format:
        """The format of the destination."""
        return self.destination.format

    def text(self, line: str) -> None:
        """One line of text."""
        self.stream.write(line + "\n")
        self.stream.flush()

    def line(self, document: Mapping[str, Any]) -> None:
        """One JSON object."""
        self.text(encode(document))

    def failure(self, failure: Failure) -> None:
        """An input that gave no result, where the format has a place for it."""
        if self.format is Format.JSONL:
            error = {"kind": failure.kind, "message": with_flags(failure.message)}
            self.line({"path": failure.path, "error": error})

    def rows(self, rows: Iterable[Row]) -> None:
        """CSV rows, before the first of them its header."""
        for row in rows:
            if self._csv is None:
                self._csv = csv.DictWriter(self.stream, list(row), lineterminator="\n")
                self._csv.writeheader()
            self._csv.writerow(row)
        self.stream.flush()


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
