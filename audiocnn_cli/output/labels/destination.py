"""Where `audiocnn classify` writes: a report to stdout, labels to stdout, a file, or a file a recording."""

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from audiocnn_cli.batch.outcome import Counts, Failure
from audiocnn_cli.classify import Prediction
from audiocnn_cli.datasets.dataset import PartOptions
from audiocnn_cli.datasets.result_folder import ResultFolder
from audiocnn_cli.datasets.storage import is_url
from audiocnn_cli.errors import UsageError
from audiocnn_cli.files import check_folder, check_writable
from audiocnn_cli.output.destination import (
    Destination,
    Format,
    choose_destination,
    names_folder,
    require_no_recording,
)
from audiocnn_cli.output.formats import LabelFormat
from audiocnn_cli.output.labels.formats import TRACKS
from audiocnn_cli.output.labels.writers import LabelWriter, TrackWriter, label_file
from audiocnn_cli.output.results import write_outcomes, write_result
from audiocnn_cli.output.terminal.console import print_failure
from audiocnn_cli.output.views.classify import ClassifyView
from audiocnn_cli.output.views.live import LIVE_FORMATS

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
    place of the report on stdout; `dataset` is the folder of a data set, and how it is divided.
    """

    report: Destination
    folder: tuple[ResultFolder, LabelFormat] | None = None
    file: tuple[Path, LabelFormat] | None = None
    printed: LabelFormat | None = None
    dataset: tuple[str, PartOptions] | None = None

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
        beside = (self.folder, self.file, self.printed, self.dataset)
        return any(each is not None for each in beside)

    @property
    def wants_events(self) -> bool:
        """Whether a label track is written."""
        formats = {self.printed, self.file and self.file[1], self.folder and self.folder[1]}
        return not formats.isdisjoint({*TRACKS, LabelFormat.RAVEN})

    @property
    def in_order(self) -> bool:
        """Whether outcomes are wanted in the order of the inputs."""
        return self.report.format is not Format.JSONL or self.file is not None

    @property
    def live(self) -> bool:
        """Whether segments can be written as they come."""
        return self.report.format in LIVE_FORMATS and not self.has_labels

    def write(self, outcomes: Iterable[Prediction | Failure], view: ClassifyView) -> Counts:
        """Write all outcomes."""
        if self.printed is not None:
            return _print_labels(outcomes, self.printed)
        if self.file is None:
            return write_outcomes(outcomes, view, self.report)
        path, format = self.file
        with label_file(path, format, view, force=self.report.force) as writer:
            return write_outcomes(_handed_on(outcomes, writer), view, self.report)


def _print_labels(outcomes: Iterable[Prediction | Failure], format: LabelFormat) -> Counts:
    done = failed = 0
    writer = TrackWriter(sys.stdout, format)
    for outcome in outcomes:
        if isinstance(outcome, Failure):
            print_failure(outcome)
            failed += 1
        else:
            writer.add(outcome)
            done += 1
    return Counts(done=done, failed=failed)


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
    parts: PartOptions,
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
        format.require_package()
    in_folder = output is not None and names_folder(output)
    if not (in_folder and format is LabelFormat.PARQUET):
        parts.require_none()
    if output is None:
        return _to_stdout(printed, format)
    path = Path(output)
    if in_folder:
        return _in_folder(printed, output, format or LabelFormat.JSON, parts)
    chosen = format or _SUFFIXES.get(path.suffix.lower())
    if chosen is LabelFormat.TABLE:
        require_no_recording(path)
        check_writable(path, force=force)
        return LabelOutput(Destination(Format.TABLE, path, force))
    if chosen in _REPORTS:
        json, jsonl, csv = (
            chosen is each for each in (LabelFormat.JSON, LabelFormat.JSONL, LabelFormat.CSV)
        )
        chosen = None
    if chosen is None:
        report = choose_destination(
            json=json,
            jsonl=jsonl,
            csv=csv,
            output=path,
            force=force,
            other_suffixes=list(_SUFFIXES),
        )
        return LabelOutput(report)
    chosen.require_package()
    require_no_recording(path)
    check_writable(path, force=force)
    return LabelOutput(printed, file=(path, chosen))


def _in_folder(
    printed: Destination, output: str, format: LabelFormat, parts: PartOptions
) -> LabelOutput:
    if not is_url(output):
        check_folder(Path(output))
    if format is LabelFormat.PARQUET:
        return LabelOutput(printed, dataset=(output, parts))
    suffix = _SUFFIXES_IN_FOLDER.get(format, format.value)
    return LabelOutput(printed, (ResultFolder(output, suffix, printed.force), format))


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
