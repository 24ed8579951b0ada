"""Where `audiocnn features` writes: the report to stdout or a text file, tensors to a file or a folder."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from audiocnn_cli.batch.outcome import Failure, Tally
from audiocnn_cli.errors import UsageError
from audiocnn_cli.features.result import FeatureResult
from audiocnn_cli.features.verify import Verification
from audiocnn_cli.output.destination import Destination, Format, choose_destination
from audiocnn_cli.output.feature_view import FeatureReport, FeatureView, report
from audiocnn_cli.output.file_formats import FileFormat, TensorFormat
from audiocnn_cli.output.files import check_writable, make_folder
from audiocnn_cli.output.result_folder import ResultFolder
from audiocnn_cli.output.results import write_outcomes
from audiocnn_cli.output.tensors import TENSOR_SUFFIXES, TensorWriter, tensor_file

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

    def write(self, result: FeatureResult) -> Path:
        """Write `result` to a file of its own and say which.

        Raises:
            OutputError: the file can't be written.
        """
        path = self.files.file_of(result.source)
        make_folder(path.parent)
        text = _TEXT_FORMATS.get(self.format)
        if text is None:
            with tensor_file(path, TensorFormat(self.format), force=True) as writer:
                writer.add(result)
        else:
            whole = report(result, output=str(path), keep=True, picture=False)
            destination = Destination(text, path, force=True)
            write_outcomes([whole], FeatureView(with_data=True), destination)
        return path


@dataclass(frozen=True, slots=True)
class FeatureOutput:
    """The report's destination, and a folder or a file for the tensors."""

    report: Destination
    folder: Folder | None = None
    tensor: tuple[Path, TensorFormat] | None = None

    @property
    def keeps_tensors(self) -> bool:
        """Whether the numbers of each tensor are wanted when the outcomes are written."""
        to_file = self.report.path is not None
        return self.tensor is not None or self.report.format is Format.CSV or to_file

    @property
    def no_journal(self) -> str | None:
        """Why a run can't be resumed: its numbers are in no journal; None where it can."""
        if not self.keeps_tensors:
            return None
        return "a file with the numbers of all recordings can't be resumed: -o FOLDER/ has one for each"

    @property
    def in_order(self) -> bool:
        """Whether outcomes are wanted in the order of the inputs."""
        return self.report.format is not Format.JSONL or self.tensor is not None

    def deliver(self, result: FeatureResult, check: Verification | None = None) -> FeatureReport:
        """Write the tensor of one recording where it has a file of its own, and report on it."""
        path = self.folder.write(result) if self.folder else self.tensor and self.tensor[0]
        return report(
            result,
            output=str(path) if path else None,
            keep=self.keeps_tensors,
            picture=self.report.format is Format.TABLE,
            check=check,
        )

    def write(self, outcomes: Iterable[FeatureReport | Failure]) -> Tally:
        """Write all outcomes."""
        view = FeatureView(with_data=self.report.path is not None)
        if self.tensor is None:
            return write_outcomes(outcomes, view, self.report)
        path, format = self.tensor
        with tensor_file(path, format, force=self.report.force) as writer:
            return write_outcomes(_collected(outcomes, writer), view, self.report)


def _collected(
    outcomes: Iterable[FeatureReport | Failure], writer: TensorWriter
) -> Iterator[FeatureReport | Failure]:
    """The outcomes as they pass, each tensor handed to `writer`."""
    for outcome in outcomes:
        if isinstance(outcome, FeatureReport) and outcome.result is not None:
            writer.add(outcome.result)
            outcome = replace(outcome, result=None)  # noqa: PLW2901 (so that it can be let go of)
        yield outcome


def choose_feature_output(
    *,
    json: bool,
    jsonl: bool,
    csv: bool,
    output: str | None,
    format: FileFormat | None,
    force: bool,
) -> FeatureOutput:
    """What the options mean: -o names a folder, a tensor file, or a text file of the report.

    Raises:
        UsageError: options that contradict each other, or an ending that says no format.
        OutputError: the file can't be written.
    """
    choose: Callable[..., Destination] = choose_destination
    printed = choose(json=json, jsonl=jsonl, csv=csv, output=None, force=force)
    if output is None:
        if format is None:
            return FeatureOutput(printed)
        if format not in _TEXT_FORMATS:
            raise UsageError(
                f"--format {format} needs a file or a folder: add -o FILE or -o FOLDER/"
            )
        return FeatureOutput(Destination(_TEXT_FORMATS[format]))
    path = Path(output)
    if output.endswith("/") or path.is_dir():
        printed = replace(printed, force=force)
        format = format or FileFormat.NPZ
        return FeatureOutput(printed, Folder(ResultFolder(path, format), format))
    by_ending = TENSOR_SUFFIXES.get(path.suffix.lower())
    if format is not None and format not in _TEXT_FORMATS:
        by_ending = TensorFormat(format)
    if by_ending is not None and format not in _TEXT_FORMATS:
        check_writable(path, force=force)
        return FeatureOutput(replace(printed, force=force), tensor=(path, by_ending))
    if format is not None:
        check_writable(path, force=force)
        return FeatureOutput(Destination(_TEXT_FORMATS[format], path, force))
    return FeatureOutput(choose(json=json, jsonl=jsonl, csv=csv, output=path, force=force))
