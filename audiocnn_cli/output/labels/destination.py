"""Where labels are written: to stdout, to one file, to a file for each recording, or to a data set."""

import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from audiocnn_cli.batch.outcome import Counts, Failure
from audiocnn_cli.classify import Prediction
from audiocnn_cli.datasets.dataset import PartOptions
from audiocnn_cli.datasets.result_folder import ResultFolder
from audiocnn_cli.errors import UsageError
from audiocnn_cli.files import check_writable
from audiocnn_cli.output.destination import (
    TEXT,
    Destination,
    Format,
    names_folder,
    one_format,
    require_no_recording,
    text_file,
)
from audiocnn_cli.output.formats import format_of
from audiocnn_cli.output.labels.formats import TRACKS, label_file, text_writer
from audiocnn_cli.output.results import write_each, write_outcomes
from audiocnn_cli.output.views.classify import ClassifyView

_LABEL_FILES = (Format.PARQUET, Format.TEXTGRID, Format.WEBVTT)


@dataclass(frozen=True, slots=True)
class LabelOutput:
    """The destination of the report, and beside it one for labels.

    Args:
        report: table, JSON, JSONL or CSV.
        folder: a file for each recording, written by the workers.
        file: one file of a label format; path None: stdout, in place of the report.
        dataset: location of a Parquet data set, and how it is partitioned.
    """

    report: Destination
    folder: tuple[ResultFolder, Format] | None = None
    file: tuple[Path | None, Format] | None = None
    dataset: tuple[str, PartOptions] | None = None

    @property
    def only_one(self) -> str | None:
        """The error for a second recording, if the format holds the labels of one only."""
        if self.file is None or self.file[1] not in TRACKS:
            return None
        return f"`format={self.file[1]}` holds the labels of one recording: for several add `output=FOLDER/`"

    @property
    def has_labels(self) -> bool:
        """Whether labels are written, beside the report or instead of it."""
        return any(each is not None for each in (self.folder, self.file, self.dataset))

    @property
    def has_event_format(self) -> bool:
        """Whether a format is written that holds events."""
        formats = {each[1] for each in (self.file, self.folder) if each}
        return not formats.isdisjoint({*TRACKS, Format.RAVEN})

    @property
    def in_order(self) -> bool:
        """Whether outcomes must come in the order of the inputs."""
        return self.report.format is not Format.JSONL or self.file is not None

    @property
    def live(self) -> bool:
        """Whether the segments of a stream can be written as they arrive."""
        return self.report.format is not Format.JSON and not self.has_labels

    def write(self, outcomes: Iterable[Prediction | Failure], view: ClassifyView) -> Counts:
        """Write all outcomes."""
        if self.file is None:
            return write_outcomes(outcomes, view, self.report)
        path, format = self.file
        if path is None:
            return write_each(_with_labels(outcomes, text_writer(sys.stdout, format)), [])
        with label_file(path, format, view, force=self.report.force) as write:
            return write_outcomes(_with_labels(outcomes, write), view, self.report)


def _with_labels(
    outcomes: Iterable[Prediction | Failure], write: Callable[[Prediction], None]
) -> Iterator[Prediction | Failure]:
    """The outcomes; the labels of each are written before."""
    for outcome in outcomes:
        if isinstance(outcome, Prediction):
            write(outcome)
        yield outcome


def choose_label_output(
    *,
    json: bool,
    jsonl: bool,
    csv: bool,
    output: str | None,
    format: Format | None,
    parts: PartOptions,
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
    flag = one_format({Format.JSON: json, Format.JSONL: jsonl, Format.CSV: csv})
    printed = Destination(flag or Format.TABLE, force=force, quiet=quiet, verbose=verbose)
    if format is not None:
        format.require_package()
    in_folder = output is not None and names_folder(output)
    if not (in_folder and format is Format.PARQUET):
        parts.require_none()
    if output is None:
        return _to_stdout(printed, format)
    if in_folder:
        beside, format = printed.beside_files(), format or Format.JSON
        if format is Format.PARQUET:
            return LabelOutput(beside, dataset=(output, parts))
        return LabelOutput(beside, (ResultFolder(output, format.suffix, force), format))
    path = Path(output)
    chosen = format or format_of(path, _LABEL_FILES)
    if chosen is None or (chosen in TEXT and chosen is not Format.TABLE):
        return LabelOutput(text_file(path, chosen or flag, force=force, others=_LABEL_FILES))
    chosen.require_package()
    require_no_recording(path)
    check_writable(path, force=force)
    if chosen is Format.TABLE:
        return LabelOutput(Destination(chosen, path, force))
    return LabelOutput(printed.beside_files(), file=(path, chosen))


def _to_stdout(printed: Destination, format: Format | None) -> LabelOutput:
    if format is None:
        return LabelOutput(printed)
    if printed.format is not Format.TABLE:
        raise UsageError(
            f"`format={format}` and `{printed.format}=True` both write to stdout: add `output=FILE`"
        )
    if format in TEXT:
        return LabelOutput(replace(printed, format=format))
    if format is Format.PARQUET:
        raise UsageError(
            "`format=parquet` is written to a file or a folder: add `output=FILE` or `output=FOLDER/`"
        )
    return LabelOutput(printed, file=(None, format))
