"""Where `audiocnn features` writes: reports to stdout and text files, tensors to files and folders."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from audiocnn_cli.audio.sources import Source
from audiocnn_cli.batch.outcome import Counts, Failure
from audiocnn_cli.batch.task import WithoutFiles
from audiocnn_cli.datasets.dataset import Dataset, PartOptions
from audiocnn_cli.datasets.result_folder import ResultFolder
from audiocnn_cli.errors import InputError, UsageError
from audiocnn_cli.features.extract import DECODE_AND_EXTRACT
from audiocnn_cli.features.plan import Plan
from audiocnn_cli.features.result import FeatureResult, extract_source
from audiocnn_cli.files import check_writable
from audiocnn_cli.output.destination import (
    Destination,
    Format,
    names_folder,
    one_format,
    require_no_recording,
    require_suffix,
    text_file,
)
from audiocnn_cli.output.formats import FORMATS, TENSOR_FORMATS, format_of
from audiocnn_cli.output.results import OutcomeWriter, write_each, write_outcomes
from audiocnn_cli.output.tensors.formats import SameColumns, tensor_file
from audiocnn_cli.output.tensors.report import FeatureReport, FeatureRows, report
from audiocnn_cli.output.views.features import FeatureView

if TYPE_CHECKING:  # pictures are drawn for `plot` only
    from audiocnn_cli.output.plots.features import Pictures

_BINARY = [format for format in TENSOR_FORMATS if FORMATS[format].binary]


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
            if self.format in _BINARY:
                with tensor_file(path, self.format, force=True) as write:
                    write(result)
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
    def _has_numbers_of_all(self) -> bool:
        printed = self.printed is not None and self.printed.format is Format.CSV
        return printed or bool(self.tensors or self.reports)

    @property
    def keeps_tensors(self) -> bool:
        """Whether the numbers of each tensor are needed when the outcomes are written."""
        return self._has_numbers_of_all or self.dataset is not None

    @property
    def no_journal(self) -> str | None:
        """Why a run can't be resumed, its numbers being in no journal; None where it can."""
        why = "a file with the numbers of all recordings can't be resumed: `output=FOLDER/` has one for each"
        return why if self._has_numbers_of_all else None

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
            takers: list[Callable[[FeatureResult], None]] = []
            takers += [SameColumns().require] if Format.CSV in self._text_formats else []
            for path, format in self.tensors:
                takers.append(stack.enter_context(tensor_file(path, format, force=self.force)))
            writers = [
                _ReportWriter(stack.enter_context(each.open()), each, FeatureView(with_data=True))
                for each in self.reports
            ]
            if self.printed is not None:
                stdout = stack.enter_context(self.printed.open())
                writers.append(_ReportWriter(stdout, self.printed, FeatureView()))
            return write_each(_fitting(outcomes, takers), writers)


class _ReportWriter(OutcomeWriter[FeatureReport]):
    """Writes reports; a table, which waits for its last row, takes each without its tensor."""

    def add(self, outcome: FeatureReport | Failure) -> None:
        if self.destination.format is Format.TABLE and isinstance(outcome, FeatureReport):
            outcome = replace(outcome, result=None)
        super().add(outcome)


def _fitting(
    outcomes: Iterable[FeatureReport | Failure], takers: Sequence[Callable[[FeatureResult], None]]
) -> Iterator[FeatureReport | Failure]:
    """The outcomes as they pass, each tensor handed to `takers`; one that is refused becomes a failure."""
    for outcome in outcomes:
        try:
            if isinstance(outcome, FeatureReport) and outcome.result is not None:
                for take in takers:
                    take(outcome.result)
            yield outcome
        except InputError as error:
            yield Failure(error.path, error.kind, error.message)


@dataclass(frozen=True, slots=True)
class Features(WithoutFiles):
    """The batch's task: computes the tensor of a recording, draws it, and writes it to `output`."""

    plan: Plan
    output: FeatureOutput
    pictures: "Pictures | None" = None
    modules: ClassVar[tuple[str, ...]] = DECODE_AND_EXTRACT

    def prepare(self) -> Callable[[Source], FeatureReport]:
        """Return the function that computes and writes; nothing is loaded before."""
        return self._work

    def _work(self, source: Source) -> FeatureReport:
        result = extract_source(source, self.plan)
        if self.pictures:
            self.pictures.draw(result)
        return self.output.deliver(result)


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
    wanted = None if folders else format
    flags = {Format.JSON: json, Format.JSONL: jsonl, Format.CSV: csv}
    flag = one_format({each: given or each is wanted for each, given in flags.items()})
    if not outputs and format not in (None, *flags):
        raise UsageError(f"`format={format}` needs a file or a folder: add `output=FILE` or `output=FOLDER/`")
    reports, tensors = [], []
    for path in files:
        by_suffix = format_of(path, TENSOR_FORMATS)
        require_suffix(path, by_suffix, wanted, f"format={wanted}")
        chosen = wanted or by_suffix
        if chosen not in _BINARY:
            reports.append(text_file(path, flag, force=force, others=_BINARY))
            continue
        require_no_recording(path)
        check_writable(path, force=force)
        tensors.append((path, chosen))
    printed: Destination | None = None
    if flag and not reports:
        printed = Destination(flag)
    elif not outputs or (folders and not files):
        printed = Destination(Format.TABLE, quiet=quiet, verbose=verbose, in_files=bool(folders))
    output = FeatureOutput(printed=printed, reports=tuple(reports), tensors=tuple(tensors), force=force)
    if not folders:
        return output
    (location,) = folders
    if format is Format.PARQUET:
        return replace(output, dataset=parts.dataset(location, FeatureRows()))
    format = format or Format.NPZ
    return replace(output, folder=Folder(ResultFolder(location, format.suffix, force), format))
