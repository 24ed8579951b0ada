"""What `audiocnn classify` looks into beyond the labels: --trace, --why and --report."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from audiocnn_cli.audio.sources import Source
from audiocnn_cli.batch.executor import Workers
from audiocnn_cli.batch.outcome import Failure, Tally
from audiocnn_cli.batch.run import run_batch
from audiocnn_cli.classify import Prediction
from audiocnn_cli.classify.work import Classification
from audiocnn_cli.errors import InputError, UsageError
from audiocnn_cli.inspection.work import Inspected, Inspection, require_seekable
from audiocnn_cli.output.classify_view import ClassifyView
from audiocnn_cli.output.destination import Format
from audiocnn_cli.output.label_files import LabelOutput
from audiocnn_cli.output.results import write_outcomes


@dataclass(frozen=True, slots=True, kw_only=True)
class Looking:
    """What is asked for: tables of the tensors, of what the label rests on, a page."""

    trace: bool
    why: bool
    report: Path | None
    force: bool

    @property
    def wanted(self) -> bool:
        """Whether anything is."""
        return self.trace or self.why or self.report is not None

    def check(self, destination: LabelOutput, *, streamed: bool) -> None:
        """Say before the work starts what can't be done.

        Raises:
            UsageError: a stream, or a format that has no place for it.
        """
        if self.wanted and streamed:
            require_seekable(streamed=True)
        if not (self.trace or self.why):
            return
        if destination.has_labels:
            raise UsageError(
                "--trace and --why are printed, or written as JSON or CSV: leave out the --format of labels"
            )
        if self.trace and self.why and destination.report.format is Format.CSV:
            raise UsageError("--trace and --why are different tables; give one of them with --csv")

    def run(
        self,
        inputs: Iterable[Source | InputError],
        work: Classification,
        view: ClassifyView,
        destination: LabelOutput,
        *,
        jobs: int | None,
    ) -> Tally:
        """Classify the inputs, look into the answers, and write all of it."""
        inspection = Inspection(classification=work, trace=self.trace, why=self.why)
        workers, in_order = Workers(jobs=jobs), destination.in_order
        if self.report is None:
            found = run_batch(inputs, inspection, workers=workers, in_order=in_order)
        else:
            from audiocnn_cli.output.report.pages import pages_for
            from audiocnn_cli.output.report.work import Reporting, with_overview

            pages, inputs = pages_for(inputs, self.report, force=self.force)
            reporting = Reporting(inspection=inspection, pages=pages)
            reported = run_batch(inputs, reporting, workers=workers, in_order=in_order)
            found = with_overview(reported, pages)
        if not (self.trace or self.why):
            return destination.write(_predictions(found), view)
        from audiocnn_cli.output.inspection_view import InspectionView

        return write_outcomes(found, InspectionView(view), destination.report)


def _predictions(outcomes: Iterable[Inspected | Failure]) -> Iterator[Prediction | Failure]:
    return (each if isinstance(each, Failure) else each.prediction for each in outcomes)
