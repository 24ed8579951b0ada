"""Where `audiocnn features` writes: reports to stdout and text files, tensors to files and folders."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from audiocnn_cli.batch.outcome import Counts, Failure
from audiocnn_cli.datasets.dataset import Dataset, PartOptions
from audiocnn_cli.datasets.result_folder import ResultFolder
from audiocnn_cli.datasets.storage import is_url
from audiocnn_cli.errors import InputError, UsageError
from audiocnn_cli.features.result import FeatureResult
from audiocnn_cli.files import check_folder, check_writable
from audiocnn_cli.output.destination import (
    Destination,
    Format,
    choose_destination,
    names_folder,
    require_no_recording,
)
from audiocnn_cli.output.formats import TENSOR_FORMATS, format_of, suffixes_of
from audiocnn_cli.output.results import OutcomeWriter, StreamWriter, Writer, write_each, write_outcomes
from audiocnn_cli.output.tensors.formats import SameColumns, tensor_file
from audiocnn_cli.output.tensors.report import FeatureReport, FeatureRows, report
from audiocnn_cli.output.views.features import FeatureView

_TEXT = (Format.CSV, Format.JSON, Format.JSONL)
_BINARY = [format for format in TENSOR_FORMATS if format.is_binary]


@dataclass(frozen=True, slots=True)
class Folder:
    """A file for each recording, named after it, in a folder.

    The journal decides whether a file may be replaced, before the work on its input begins.
    """

    files: ResultFolder
    format: Format

    def write(self, result: FeatureResult) -> str:
        """Write `result` to a file of its own and return the name of the file.

        Raises:
            OutputError: the file can't be written.
            InputError: it is there already, on another machine.
        """
        with self.files.writing(result.source) as (path, name):
            if self.format.is_binary:
                with tensor_file(path, self.format, force=True) as writer:
                    writer.add(result)
            else:
                whole = report(result, outputs=[name], keep=True, picture=False)
                destination = Destination(self.format, path, force=True)
                write_outcomes([whole], FeatureView(with_data=True), destination)
        return name


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureOutput:
    """Everything that one run writes.

    `printed` is the report on stdout, None for none; `reports` are text files, `tensors` files of all
    tensors; `folder` has a file for each recording, `dataset` the rows of all.
    """

    printed: Destination | None = None
    reports: tuple[Destination, ...] = ()
    tensors: tuple[tuple[Path, Format], ...] = ()
    folder: Folder | None = None
    dataset: Dataset[FeatureReport] | None = None
    force: bool = False

    @property
    def report(self) -> Destination:
        """The one destination of results that are no tensors."""
        return self.reports[0] if self.reports else self.printed or Destination(Format.TABLE)

    @property
    def _text_formats(self) -> set[Format]:
        printed = {self.printed.format} if self.printed and not self.printed.silent else set()
        return printed | {each.format for each in self.reports}

    @property
    def keeps_tensors(self) -> bool:
        """Whether the numbers of each tensor are needed when the outcomes are written."""
        in_files = self.tensors or self.reports or self.dataset is not None
        return bool(in_files) or (self.printed is not None and self.printed.format is Format.CSV)

    @property
    def no_journal(self) -> str | None:
        """Why a run can't be resumed, its numbers being in no journal; None where it can."""
        only_dataset = self.dataset is not None and not (self.tensors or self.reports)
        csv = self.printed is not None and self.printed.format is Format.CSV
        if not self.keeps_tensors or (only_dataset and not csv):
            return None
        return "a file with the numbers of all recordings can't be resumed: `output=FOLDER/` has one for each"

    @property
    def in_order(self) -> bool:
        """Whether outcomes are written in the order of the inputs."""
        return self._text_formats != {Format.JSONL} or bool(self.tensors)

    def deliver(self, result: FeatureResult) -> FeatureReport:
        """Write the tensor of one recording where it has a file of its own, and report on it."""
        outputs = [] if self.folder is None else [self.folder.write(result)]
        outputs += [str(path) for path, _ in self.tensors]
        outputs += [] if self.dataset is None else [self.dataset.location]
        return report(
            result, outputs=outputs, keep=self.keeps_tensors, picture=Format.TABLE in self._text_formats
        )

    def write(self, outcomes: Iterable[FeatureReport | Failure]) -> Counts:
        """Write all outcomes, each as it comes."""
        with ExitStack() as stack:
            if Format.CSV in self._text_formats:
                outcomes = _fitting(outcomes, SameColumns().require)
            for path, format in self.tensors:
                file = stack.enter_context(tensor_file(path, format, force=self.force))
                outcomes = _fitting(outcomes, file.add)
            writers: list[Writer[FeatureReport]] = [
                _text_writer(stack.enter_context(each.open()), each, with_data=True) for each in self.reports
            ]
            if self.printed is not None:
                stdout = stack.enter_context(self.printed.open())
                writers.append(_text_writer(stdout, self.printed, with_data=False))
            return write_each(outcomes, writers)


def _text_writer(stream: IO[str], destination: Destination, *, with_data: bool) -> Writer[FeatureReport]:
    writer = OutcomeWriter(StreamWriter(stream, destination), FeatureView(with_data=with_data))
    return _Small(writer) if destination.format is Format.TABLE else writer


class _Small:
    """Gives a table, which waits for its last row, each report without its tensor."""

    def __init__(self, writer: OutcomeWriter[FeatureReport]) -> None:
        self._writer = writer
        self.finish = writer.finish

    def add(self, outcome: FeatureReport | Failure) -> None:
        small = outcome if isinstance(outcome, Failure) else replace(outcome, result=None)
        self._writer.add(small)


def _fitting(
    outcomes: Iterable[FeatureReport | Failure], take: Callable[[FeatureResult], None]
) -> Iterator[FeatureReport | Failure]:
    """The outcomes as they pass, each tensor handed to `take`; one that it refuses becomes a failure."""
    for outcome in outcomes:
        try:
            if isinstance(outcome, FeatureReport) and outcome.result is not None:
                take(outcome.result)
            yield outcome
        except InputError as error:
            yield Failure(error.path, error.kind, error.message)


def choose_feature_output(
    *,
    json: bool,
    jsonl: bool,
    csv: bool,
    outputs: Sequence[str],
    format: Format | None,
    parts: PartOptions,
    force: bool,
    quiet: bool = False,
    verbose: bool = False,
) -> FeatureOutput:
    """The output that the parameters mean; each of `outputs` is a folder, a tensor file or a text file.

    A table is printed only where nothing else is written, and not for `quiet`; for a folder, `verbose` prints
    a line for each file.

    Raises:
        UsageError: parameters that contradict each other, or a suffix that is that of no format.
        OutputError: a file can't be written.
    """
    folders = [output for output in outputs if names_folder(output)]
    files = [Path(output) for output in outputs if output not in folders]
    if len(folders) > 1:
        raise UsageError(f"`output` names more than one folder: {', '.join(folders)}; give one")
    if not (folders and format is Format.PARQUET):
        parts.require_none()
    # The format of files in a folder is not that of what is printed.
    text = format if format in _TEXT and not folders else None
    given = {Format.JSON: json, Format.JSONL: jsonl, Format.CSV: csv}
    flags = [each for each, given in given.items() if given or each is text]
    if len(flags) > 1:
        raise UsageError(f"give one of {' and '.join(f'`{each}`' for each in flags)}, not both")
    if not outputs and format is not None and text is None:
        raise UsageError(f"`format={format}` needs a file or a folder: add `output=FILE` or `output=FOLDER/`")
    wanted = None if folders else format
    reports, tensors = [], []
    for path in files:
        binary = _tensor_format(path, wanted)
        if binary is not None:
            require_no_recording(path)
            check_writable(path, force=force)
            tensors.append((path, binary))
            continue
        flag = flags[0] if flags else None
        reports.append(
            choose_destination(
                json=flag is Format.JSON,
                jsonl=flag is Format.JSONL,
                csv=flag is Format.CSV,
                output=path,
                force=force,
                other_suffixes=suffixes_of(_BINARY),
            )
        )
    printed: Destination | None = None
    if flags and not reports:
        printed = Destination(flags[0])
    elif not outputs or (folders and not files):
        printed = Destination(Format.TABLE, quiet=quiet, verbose=verbose, in_files=bool(folders))
    folder, dataset = _folder(folders, format, parts, force=force)
    return FeatureOutput(
        printed=printed,
        reports=tuple(reports),
        tensors=tuple(tensors),
        folder=folder,
        dataset=dataset,
        force=force,
    )


def _folder(
    folders: Sequence[str], format: Format | None, parts: PartOptions, *, force: bool
) -> tuple[Folder | None, Dataset[FeatureReport] | None]:
    if not folders:
        return None, None
    (location,) = folders
    if not is_url(location):
        check_folder(Path(location))
    if format is Format.PARQUET:
        return None, parts.dataset(location, FeatureRows())
    format = format or Format.NPZ
    return Folder(ResultFolder(location, format.suffix, force), format), None


def _tensor_format(path: Path, format: Format | None) -> Format | None:
    """The format of a tensor file at `path`; None where it holds text."""
    by_suffix = format_of(path, TENSOR_FORMATS)
    if None not in (format, by_suffix) and by_suffix is not format:
        raise UsageError(
            f"`output={path}`: the suffix is that of {by_suffix}, but `format={format}` is given; leave out"
            " one"
        )
    chosen = format or by_suffix
    return chosen if chosen in _BINARY else None
