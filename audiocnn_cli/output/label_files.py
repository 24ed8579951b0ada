"""Where `audiocnn classify` writes: a report to stdout, labels to stdout, a file, or a file a recording."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, Protocol

from audiocnn_cli.batch.outcome import Failure, Tally
from audiocnn_cli.classify import Prediction
from audiocnn_cli.errors import OutputError, UsageError
from audiocnn_cli.output.classify_view import ClassifyView
from audiocnn_cli.output.console import print_failure
from audiocnn_cli.output.destination import (
    Destination,
    Format,
    choose_destination,
    require_no_recording,
)
from audiocnn_cli.output.file_formats import LabelFormat
from audiocnn_cli.output.files import atomic_writer, check_writable
from audiocnn_cli.output.label_tracks import TRACKS, RavenTable, require_package
from audiocnn_cli.output.live_view import LIVE_FORMATS
from audiocnn_cli.output.result_folder import ResultFolder
from audiocnn_cli.output.results import write_outcomes, write_result

_REPORTS = {
    LabelFormat.TABLE: Format.TABLE,
    LabelFormat.JSON: Format.JSON,
    LabelFormat.JSONL: Format.JSONL,
    LabelFormat.CSV: Format.CSV,
}
_SUFFIXES = {
    ".parquet": LabelFormat.PARQUET,
    ".textgrid": LabelFormat.TEXTGRID,
    ".vtt": LabelFormat.WEBVTT,
}
_SUFFIXES_IN_FOLDER = {
    LabelFormat.TABLE: "txt",
    LabelFormat.AUDACITY: "txt",
    LabelFormat.RAVEN: "selections.txt",
    LabelFormat.TEXTGRID: "TextGrid",
    LabelFormat.WEBVTT: "vtt",
}


class LabelWriter(Protocol):
    """Takes results one by one and writes them to one file."""

    def add(self, result: Prediction) -> None:
        """Write the labels of one recording."""

    def finish(self) -> None:
        """Write what is still to be written."""


class _TrackWriter:
    """A label track or a Raven table, as text."""

    def __init__(self, stream: IO[str], format: LabelFormat) -> None:
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
        """Nothing is left to be written."""


class _ParquetWriter:
    """The rows of CSV as Parquet, a group of rows for each recording."""

    def __init__(self, stream: IO[bytes], view: ClassifyView) -> None:
        self._stream = stream
        self._view = view
        self._writer: Any = None

    def add(self, result: Prediction) -> None:
        """Write the rows of one recording."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        records = list(self._view.records(result))
        kinds = {str: pa.string(), bool: pa.bool_(), int: pa.int64(), float: pa.float64()}
        schema = pa.schema([(name, kinds[kind]) for name, kind in self._view.kinds(result).items()])
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._stream, schema)
        self._writer.write_table(pa.Table.from_pylist(records, schema=schema))

    def finish(self) -> None:
        """Write the index of the file."""
        if self._writer is None:
            raise OutputError("no Parquet file is written, as there is no result")
        self._writer.close()


@contextmanager
def label_file(
    path: Path, format: LabelFormat, view: ClassifyView, *, force: bool
) -> Iterator[LabelWriter]:
    """A writer to `path`; the file appears, whole, when the `with` block ends without an error.

    Raises:
        OutputError: it can't be written, or there is nothing to be written to Parquet.
    """
    parquet = format is LabelFormat.PARQUET
    with atomic_writer(path, "wb" if parquet else "w", force=force) as stream:
        writer = _ParquetWriter(stream, view) if parquet else _TrackWriter(stream, format)
        yield writer
        writer.finish()


@dataclass(frozen=True, slots=True)
class LabelFiles:
    """Writes the labels of a recording to a file of its own."""

    format: LabelFormat
    view: ClassifyView

    def write(self, result: Prediction, path: Path) -> None:
        """Write them to `path`, also where there is a file.

        Raises:
            OutputError: the file can't be written.
        """
        if self.format in _REPORTS:
            write_result(result, self.view, Destination(_REPORTS[self.format], path, force=True))
            return
        with label_file(path, self.format, self.view, force=True) as writer:
            writer.add(result)


@dataclass(frozen=True, slots=True)
class LabelOutput:
    """The report's destination, and beside it a folder or a file for labels.

    Files in the folder are written where the work is done. `printed` is a label format that takes the
    place of the report on stdout.
    """

    report: Destination
    folder: tuple[ResultFolder, LabelFormat] | None = None
    file: tuple[Path, LabelFormat] | None = None
    printed: LabelFormat | None = None

    @property
    def only_one(self) -> str | None:
        """Why there may be one recording only, if so: its labels are all that one place can hold."""
        format = self.file[1] if self.file else self.printed
        if format not in TRACKS:
            return None
        return f"--format {format} holds the labels of one recording: for several add -o FOLDER/"

    @property
    def has_labels(self) -> bool:
        """Whether labels are written, beside the report or instead of it."""
        return any(each is not None for each in (self.folder, self.file, self.printed))

    @property
    def in_order(self) -> bool:
        """Whether outcomes are wanted in the order of the inputs."""
        return self.report.format is not Format.JSONL or self.file is not None

    @property
    def live(self) -> bool:
        """Whether segments can be written as they come."""
        return self.report.format in LIVE_FORMATS and not self.has_labels

    def write(self, outcomes: Iterable[Prediction | Failure], view: ClassifyView) -> Tally:
        """Write all outcomes."""
        if self.printed is not None:
            return _print_labels(outcomes, self.printed)
        if self.file is None:
            return write_outcomes(outcomes, view, self.report)
        path, format = self.file
        with label_file(path, format, view, force=self.report.force) as writer:
            return write_outcomes(_handed_on(outcomes, writer), view, self.report)


def _print_labels(outcomes: Iterable[Prediction | Failure], format: LabelFormat) -> Tally:
    done = failed = 0
    writer = _TrackWriter(sys.stdout, format)
    for outcome in outcomes:
        if isinstance(outcome, Failure):
            print_failure(outcome)
            failed += 1
        else:
            writer.add(outcome)
            done += 1
    return Tally(done=done, failed=failed)


def _handed_on(
    outcomes: Iterable[Prediction | Failure], writer: LabelWriter
) -> Iterator[Prediction | Failure]:
    """The outcomes as they pass, each result handed to `writer`."""
    for outcome in outcomes:
        if isinstance(outcome, Prediction):
            writer.add(outcome)
        yield outcome


def choose_label_output(
    *,
    json: bool,
    jsonl: bool,
    csv: bool,
    output: str | None,
    format: LabelFormat | None,
    force: bool,
) -> LabelOutput:
    """What the options mean: -o names a folder, a label file, or a file of the report.

    Raises:
        UsageError: options that contradict each other, or an ending that says no format.
        OutputError: the file can't be written.
        MissingExtraError: the format needs a package that is not installed.
    """
    printed = replace(
        choose_destination(json=json, jsonl=jsonl, csv=csv, output=None, force=force), force=force
    )
    if format is not None:
        require_package(format)
    if output is None:
        return _to_stdout(printed, format)
    path = Path(output)
    if output.endswith("/") or path.is_dir():
        format = format or LabelFormat.JSON
        suffix = _SUFFIXES_IN_FOLDER.get(format, format.value)
        return LabelOutput(printed, (ResultFolder(path, suffix), format))
    chosen = format or _SUFFIXES.get(path.suffix.lower())
    if chosen in _REPORTS:
        json, jsonl, csv = (
            chosen is each for each in (LabelFormat.JSON, LabelFormat.JSONL, LabelFormat.CSV)
        )
        chosen = None
    if chosen is None:
        report = choose_destination(json=json, jsonl=jsonl, csv=csv, output=path, force=force)
        return LabelOutput(report)
    require_package(chosen)
    require_no_recording(path)
    check_writable(path, force=force)
    return LabelOutput(printed, file=(path, chosen))


def _to_stdout(printed: Destination, format: LabelFormat | None) -> LabelOutput:
    if format is None:
        return LabelOutput(printed)
    if printed.format is not Format.TABLE:
        raise UsageError(
            f"--format {format} and --{printed.format} both want stdout; add -o FILE for the labels"
        )
    if format in _REPORTS:
        return LabelOutput(Destination(_REPORTS[format]))
    if format is LabelFormat.PARQUET:
        raise UsageError("--format parquet needs a file or a folder: add -o FILE or -o FOLDER/")
    return LabelOutput(printed, printed=format)
