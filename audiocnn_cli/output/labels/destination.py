"""Where labels are written: to stdout, to one file, to a file for each recording, or to a data set."""

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from audiocnn_cli.batch.outcome import Counts, Failure
from audiocnn_cli.classify import Prediction
from audiocnn_cli.errors import UsageError
from audiocnn_cli.files import check_folder, check_writable
from audiocnn_cli.output.destination import (
    Destination,
    Format,
    choose_destination,
    names_folder,
    require_no_recording,
)
from audiocnn_cli.output.formats import format_of, suffixes_of
from audiocnn_cli.output.labels.formats import REPORTS, TRACKS
from audiocnn_cli.output.results import write_outcomes
from audiocnn_cli.output.terminal.console import print_failure
from audiocnn_cli.output.views.classify import ClassifyView

if TYPE_CHECKING:
    from audiocnn_cli.datasets.dataset import PartOptions
    from audiocnn_cli.datasets.result_folder import ResultFolder
    from audiocnn_cli.output.labels.writers import LabelWriter

_LIVE_FORMATS = frozenset({Format.TABLE, Format.JSONL, Format.CSV})
_LABEL_FILES = (Format.PARQUET, Format.TEXTGRID, Format.WEBVTT)


@dataclass(frozen=True, slots=True)
class LabelOutput:
    """The destination of the report, and beside it one for labels.

    Args:
        report: table, JSON, JSONL or CSV.
        folder: a file for each recording, written by the workers.
        file: one file of a label format.
        printed: a label format on stdout in place of the report.
        dataset: location of a Parquet data set, and how it is partitioned.
    """

    report: Destination
    folder: "tuple[ResultFolder, Format] | None" = None
    file: tuple[Path, Format] | None = None
    printed: Format | None = None
    dataset: "tuple[str, PartOptions] | None" = None

    @property
    def only_one(self) -> str | None:
        """The error for a second recording, if the format holds the labels of one only."""
        format = self.file[1] if self.file else self.printed
        if format not in TRACKS:
            return None
        return f"`format={format}` holds the labels of one recording: for several add `output=FOLDER/`"

    @property
    def has_labels(self) -> bool:
        """Whether labels are written, beside the report or instead of it."""
        beside = (self.folder, self.file, self.printed, self.dataset)
        return any(each is not None for each in beside)

    @property
    def has_event_format(self) -> bool:
        """Whether a format is written that holds events."""
        formats = {self.printed, self.file and self.file[1], self.folder and self.folder[1]}
        return not formats.isdisjoint({*TRACKS, Format.RAVEN})

    @property
    def in_order(self) -> bool:
        """Whether outcomes must come in the order of the inputs."""
        return self.report.format is not Format.JSONL or self.file is not None

    @property
    def live(self) -> bool:
        """Whether the segments of a stream can be written as they arrive."""
        return self.report.format in _LIVE_FORMATS and not self.has_labels

    def write(self, outcomes: Iterable[Prediction | Failure], view: ClassifyView) -> Counts:
        """Write all outcomes."""
        if self.printed is not None:
            return _print_labels(outcomes, self.printed)
        if self.file is None:
            return write_outcomes(outcomes, view, self.report)
        from audiocnn_cli.output.labels.writers import label_file

        path, format = self.file
        with label_file(path, format, view, force=self.report.force) as writer:
            return write_outcomes(_with_labels(outcomes, writer), view, self.report)


def _print_labels(outcomes: Iterable[Prediction | Failure], format: Format) -> Counts:
    from audiocnn_cli.output.labels.writers import TrackWriter

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


def _with_labels(
    outcomes: Iterable[Prediction | Failure], writer: "LabelWriter"
) -> Iterator[Prediction | Failure]:
    """The outcomes; the labels of each are written with `writer` before."""
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
    format: Format | None,
    parts: "PartOptions",
    force: bool,
    quiet: bool = False,
    verbose: bool = False,
) -> LabelOutput:
    """The destination that the options choose: `output` is a folder, a label file, or a file of the report.

    Raises:
        UsageError: options that contradict each other, or an extension without a format.
        OutputError: the file can't be written.
        MissingExtraError: the format needs a package that is not installed.
    """
    printed = replace(
        choose_destination(
            json=json, jsonl=jsonl, csv=csv, output=None, force=force, quiet=quiet, verbose=verbose
        ),
        force=force,
    )
    if format is not None:
        format.require_package()
    in_folder = output is not None and names_folder(output)
    if not (in_folder and format is Format.PARQUET):
        parts.require_none()
    if output is None:
        return _to_stdout(printed, format)
    path = Path(output)
    if in_folder:
        return _in_folder(printed.beside_files(), output, format or Format.JSON, parts)
    chosen = format or format_of(path, _LABEL_FILES)
    if chosen is Format.TABLE:
        require_no_recording(path)
        check_writable(path, force=force)
        return LabelOutput(Destination(Format.TABLE, path, force))
    if chosen in REPORTS:
        json, jsonl, csv = (chosen is each for each in (Format.JSON, Format.JSONL, Format.CSV))
        chosen = None
    if chosen is None:
        report = choose_destination(
            json=json,
            jsonl=jsonl,
            csv=csv,
            output=path,
            force=force,
            other_suffixes=suffixes_of(_LABEL_FILES),
        )
        return LabelOutput(report)
    chosen.require_package()
    require_no_recording(path)
    check_writable(path, force=force)
    return LabelOutput(printed.beside_files(), file=(path, chosen))


def _in_folder(printed: Destination, output: str, format: Format, parts: "PartOptions") -> LabelOutput:
    from audiocnn_cli.datasets.result_folder import ResultFolder
    from audiocnn_cli.datasets.storage import is_url

    if not is_url(output):
        check_folder(Path(output))
    if format is Format.PARQUET:
        return LabelOutput(printed, dataset=(output, parts))
    return LabelOutput(printed, (ResultFolder(output, format.suffix, printed.force), format))


def _to_stdout(printed: Destination, format: Format | None) -> LabelOutput:
    if format is None:
        return LabelOutput(printed)
    if printed.format is not Format.TABLE:
        raise UsageError(
            f"`format={format}` and `{printed.format}=True` both write to stdout: add `output=FILE`"
        )
    if format in REPORTS:
        return LabelOutput(replace(printed, format=format))
    if format is Format.PARQUET:
        raise UsageError(
            "`format=parquet` is written to a file or a folder: add `output=FILE` or `output=FOLDER/`"
        )
    return LabelOutput(printed, printed=format)
