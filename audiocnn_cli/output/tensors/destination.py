"""Where `audiocnn features` writes: the report to stdout or a text file, tensors to a file or a folder."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from audiocnn_cli.batch.outcome import Counts, Failure
from audiocnn_cli.datasets.dataset import Dataset, PartOptions
from audiocnn_cli.datasets.result_folder import ResultFolder
from audiocnn_cli.datasets.storage import is_url
from audiocnn_cli.errors import InputError, UsageError
from audiocnn_cli.features.result import FeatureResult
from audiocnn_cli.features.verify import Verification
from audiocnn_cli.files import check_folder, check_writable
from audiocnn_cli.output.destination import (
    Destination,
    Format,
    choose_destination,
    names_folder,
    require_no_recording,
)
from audiocnn_cli.output.results import write_outcomes
from audiocnn_cli.output.tensors.formats import TENSOR_SUFFIXES, SameColumns, tensor_file
from audiocnn_cli.output.tensors.kinds import FileFormat, TensorFormat
from audiocnn_cli.output.tensors.report import FeatureReport, FeatureRows, report
from audiocnn_cli.output.views.features import FeatureView

_TEXT_FORMATS = {
    FileFormat.CSV: Format.CSV,
    FileFormat.JSON: Format.JSON,
    FileFormat.JSONL: Format.JSONL,
}


@dataclass(frozen=True, slots=True)
class Folder:
    """A file for each recording, named after it, in a folder.

    Whether a file may be replaced is the journal's to say, before the work on its input begins.
    """

    files: ResultFolder
    format: FileFormat

    def write(self, result: FeatureResult) -> str:
        """Write `result` to a file of its own and say which.

        Raises:
            OutputError: the file can't be written.
            InputError: it is there already, on another machine.
        """
        text = _TEXT_FORMATS.get(self.format)
        with self.files.writing(result.source) as (path, name):
            if text is None:
                with tensor_file(path, TensorFormat(self.format), force=True) as writer:
                    writer.add(result)
            else:
                whole = report(result, output=name, keep=True, picture=False)
                destination = Destination(text, path, force=True)
                write_outcomes([whole], FeatureView(with_data=True), destination)
        return name


@dataclass(frozen=True, slots=True)
class FeatureOutput:
    """The report's destination, and a folder or a file for the tensors."""

    report: Destination
    folder: Folder | None = None
    tensor: tuple[Path, TensorFormat] | None = None
    dataset: Dataset[FeatureReport] | None = None

    @property
    def keeps_tensors(self) -> bool:
        """Whether the numbers of each tensor are wanted when the outcomes are written."""
        to_file = self.report.path is not None
        in_one = self.tensor is not None or self.dataset is not None
        return in_one or self.report.format is Format.CSV or to_file

    @property
    def no_journal(self) -> str | None:
        """Why a run can't be resumed: its numbers are in no journal; None where it can."""
        if not self.keeps_tensors:
            return None
        if self.dataset is not None and self.report.format is not Format.CSV:
            return None
        return "a file with the numbers of all recordings can't be resumed: -o FOLDER/ has one for each"

    @property
    def in_order(self) -> bool:
        """Whether outcomes are wanted in the order of the inputs."""
        return self.report.format is not Format.JSONL or self.tensor is not None

    def deliver(self, result: FeatureResult, check: Verification | None = None) -> FeatureReport:
        """Write the tensor of one recording where it has a file of its own, and report on it."""
        output: str | None
        if self.folder is not None:
            output = self.folder.write(result)
        elif self.tensor is not None:
            output = str(self.tensor[0])
        else:
            output = self.dataset.location if self.dataset else None
        return report(
            result,
            output=output,
            keep=self.keeps_tensors,
            picture=self.report.format is Format.TABLE,
            check=check,
        )

    def write(self, outcomes: Iterable[FeatureReport | Failure]) -> Counts:
        """Write all outcomes."""
        view = FeatureView(with_data=self.report.path is not None)
        if self.report.format is Format.CSV:
            outcomes = _fitting(outcomes, SameColumns().require)
        if self.tensor is None:
            return write_outcomes(outcomes, view, self.report)
        path, format = self.tensor
        with tensor_file(path, format, force=self.report.force) as writer:
            outcomes = _fitting(outcomes, writer.add)
            if self.report.format is not Format.CSV:
                outcomes = map(_let_go, outcomes)
            return write_outcomes(outcomes, view, self.report)


def _fitting(
    outcomes: Iterable[FeatureReport | Failure], take: Callable[[FeatureResult], None]
) -> Iterator[FeatureReport | Failure]:
    """The outcomes as they pass, each tensor handed to `take`; one that it refuses has failed."""
    for outcome in outcomes:
        try:
            if isinstance(outcome, FeatureReport) and outcome.result is not None:
                take(outcome.result)
            yield outcome
        except InputError as error:
            yield Failure(error.path, error.kind, error.message)


def _let_go(outcome: FeatureReport | Failure) -> FeatureReport | Failure:
    """Without the tensor: what is kept for the end must be small."""
    return outcome if isinstance(outcome, Failure) else replace(outcome, result=None)


def choose_feature_output(
    *,
    json: bool,
    jsonl: bool,
    csv: bool,
    output: str | None,
    format: FileFormat | None,
    parts: PartOptions,
    force: bool,
) -> FeatureOutput:
    """What the options mean: -o names a folder, a tensor file, or a text file of the report.

    Raises:
        UsageError: options that contradict each other, or an ending that says no format.
        OutputError: the file can't be written.
    """
    each = output is not None and names_folder(output)
    if not (each and format is FileFormat.PARQUET):
        parts.require_none()
    # Of files in a folder --format says nothing about what is printed.
    text = None if each or format is None else _TEXT_FORMATS.get(format)
    choose = partial(
        choose_destination,
        json=json or text is Format.JSON,
        jsonl=jsonl or text is Format.JSONL,
        csv=csv or text is Format.CSV,
        force=force,
        other_endings=list(TENSOR_SUFFIXES),
    )
    if output is None:
        if format is not None and text is None:
            raise UsageError(
                f"--format {format} needs a file or a folder: add -o FILE or -o FOLDER/"
            )
        return FeatureOutput(choose(output=None))
    path = Path(output)
    if each:
        return _in_folder(replace(choose(output=None), force=force), output, format, parts)
    _require_agreement(path, format)
    tensor = TENSOR_SUFFIXES.get(path.suffix.lower())
    if format is not None:
        tensor = None if text else TensorFormat(format)
    if tensor is None:
        return FeatureOutput(choose(output=path))
    require_no_recording(path)
    check_writable(path, force=force)
    return FeatureOutput(replace(choose(output=None), force=force), tensor=(path, tensor))


def _in_folder(
    printed: Destination, output: str, format: FileFormat | None, parts: PartOptions
) -> FeatureOutput:
    if not is_url(output):
        check_folder(Path(output))
    if format is FileFormat.PARQUET:
        return FeatureOutput(printed, dataset=parts.dataset(output, FeatureRows()))
    format = format or FileFormat.NPZ
    return FeatureOutput(printed, Folder(ResultFolder(output, format, printed.force), format))


def _require_agreement(path: Path, format: FileFormat | None) -> None:
    endings = TENSOR_SUFFIXES | {f".{text}": text for text in _TEXT_FORMATS}
    said = endings.get(path.suffix.lower())
    if None not in (format, said) and said != format:
        raise UsageError(
            f"-o {path}: the ending says {said}, but --format {format} is asked for; leave out one of the two"
        )
