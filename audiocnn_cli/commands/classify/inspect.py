"""What `audiocnn classify` looks into beyond the labels: --trace, --why and --report."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from audiocnn_cli.batch.codec import DataclassCodec
from audiocnn_cli.batch.outcome import Counts, Failure
from audiocnn_cli.batch.task import Task
from audiocnn_cli.classify import Prediction
from audiocnn_cli.classify.work import Classification
from audiocnn_cli.commands.batch import BatchOptions, Job, run_job
from audiocnn_cli.errors import ExitCode, UsageError
from audiocnn_cli.inspection.readable import require_seekable
from audiocnn_cli.models.runtime import CPU
from audiocnn_cli.output.destination import Format
from audiocnn_cli.output.labels.destination import LabelOutput
from audiocnn_cli.output.results import write_outcomes
from audiocnn_cli.output.views.classify import ClassifyView

if TYPE_CHECKING:
    from audiocnn_cli.inspection.work import Inspected

R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class InspectOptions:
    """What is asked for: tables of the tensors, of what the label rests on, a page."""

    trace: bool
    why: bool
    report: Path | None
    force: bool

    @property
    def wanted(self) -> bool:
        """Whether anything is."""
        return self.trace or self.why or self.report is not None

    def check(self, destination: LabelOutput, *, streamed: bool, provider: str) -> None:
        """Say before the work starts what can't be done.

        Raises:
            UsageError: a stream, a format without a place for it, or layers on another processor.
        """
        if self.trace and provider != CPU:
            raise UsageError("--trace runs each layer on the processor: leave out --provider")
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
        work: Classification,
        view: ClassifyView,
        destination: LabelOutput,
        batch: BatchOptions,
    ) -> ExitCode:
        """Classify the inputs, look into the answers, and write all of it."""
        from audiocnn_cli.inspection.work import Inspected, Inspection
        from audiocnn_cli.output.views.inspection import InspectionView

        def write(found: Iterable[Inspected | Failure]) -> Counts:
            if self.trace or self.why:
                return write_outcomes(found, InspectionView(view), destination.report)
            return destination.write(_predictions(found), view)

        inspection = Inspection(classification=work, trace=self.trace, why=self.why)
        if self.report is None:
            inspect = _job(inspection, Inspected, destination, lambda found: found)
            return run_job(inspect, batch, write)
        from audiocnn_cli.output.report.pages import Pages
        from audiocnn_cli.output.report.work import Reported, Reporting, with_overview

        pages = Pages(self.report, several=_several(batch), force=self.force)
        pages.check()
        task = Reporting(inspection=inspection, pages=pages)
        reporting = _job(task, Reported, destination, lambda reported: reported.inspected)
        return run_job(reporting, batch, lambda found: write(with_overview(found, pages)))


def _job(
    task: Task[R], kind: type[R], destination: LabelOutput, inspected: "Callable[[R], Inspected]"
) -> Job[R]:
    return Job(
        command="classify",
        task=task,
        recipe=task,
        options={},
        codec=DataclassCodec(kind),
        audio_s=lambda result: inspected(result).prediction.duration_s,
        in_order=destination.in_order,
        files=destination.folder[0] if destination.folder else None,
        no_journal="--trace, --why and --report keep no journal: leave out --journal and -o FOLDER/",
        only_one=destination.only_one,
    )


def _several(batch: BatchOptions) -> bool:
    """Whether there is more than one input; a list on standard input can't be read twice to tell."""
    return "@-" in (batch.paths or ()) or len(list(islice(batch.inputs(), 2))) > 1


def _predictions(outcomes: "Iterable[Inspected | Failure]") -> Iterator[Prediction | Failure]:
    return (each if isinstance(each, Failure) else each.prediction for each in outcomes)
