"""The inspection options of `audiocnn classify`: --trace, --why and --report."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TypeVar

from audiocnn_cli.batch.outcome import Counts, Failure
from audiocnn_cli.batch.task import DataclassCodec, Task
from audiocnn_cli.classify import Prediction
from audiocnn_cli.commands.batch import BatchOptions, Job, run_job
from audiocnn_cli.commands.classify_options import InspectOptions
from audiocnn_cli.commands.classify_run import Run
from audiocnn_cli.errors import ExitCode, UsageError
from audiocnn_cli.inspection.work import Inspected, Inspection, require_seekable
from audiocnn_cli.models.runtime import CPU
from audiocnn_cli.output.destination import Format
from audiocnn_cli.output.report.work import Pages, Reported, Reporting, with_overview
from audiocnn_cli.output.results import write_outcomes
from audiocnn_cli.output.views.inspection import InspectionView

R = TypeVar("R")


def inspect(run: Run, options: InspectOptions, *, streamed: bool) -> ExitCode:
    """Classify the files of a run, inspect the predictions, and write all of it.

    Raises:
        UsageError: a stream, a format without a place for it, layers on another processor, or a journal.
    """
    _check(run, options, streamed=streamed)

    def write(found: Iterable[Inspected | Failure]) -> Counts:
        if options.trace or options.why:
            return write_outcomes(found, InspectionView(run.view), run.destination.report)
        return run.destination.write(_predictions(found), run.view)

    task = Inspection(classification=run.task, trace=options.trace, why=options.why)
    if options.report is None:
        return run_job(_job(run, task, Inspected, lambda inspected: inspected), run.batch, write)
    pages = Pages(options.report, several=_several(run.batch), force=run.batch.force)
    pages.check()
    reporting = Reporting(inspection=task, pages=pages)
    job = _job(run, reporting, Reported, lambda reported: reported.inspected)
    return run_job(job, run.batch, lambda found: write(with_overview(found, pages)))


def _check(run: Run, options: InspectOptions, *, streamed: bool) -> None:
    """Refuse before the work starts what can't be inspected or written."""
    if options.trace and run.task.provider != CPU:
        raise UsageError("--trace runs each layer on the processor: leave out --provider")
    require_seekable(streamed=streamed)
    if not (options.trace or options.why):
        return
    if run.destination.has_labels:
        raise UsageError(
            "--trace and --why are printed, or written as JSON or CSV: leave out the --format of labels"
        )
    if options.trace and options.why and run.destination.report.format is Format.CSV:
        raise UsageError("--trace and --why are different tables; give one of them with --csv")


def _job(run: Run, task: Task[R], kind: type[R], inspected: Callable[[R], Inspected]) -> Job[R]:
    return Job(
        command="classify",
        task=task,
        recipe=task,
        options={},
        codec=DataclassCodec(kind),
        audio_s=lambda result: inspected(result).prediction.duration_s,
        in_order=run.destination.in_order,
        files=run.destination.folder[0] if run.destination.folder else None,
        no_journal="--trace, --why and --report keep no journal: leave out --journal and -o FOLDER/",
        only_one=run.destination.only_one,
    )


def _several(batch: BatchOptions) -> bool:
    """Whether there may be more than one input; a list on standard input can't be read twice to count."""
    return "@-" in (batch.paths or ()) or len(list(islice(batch.inputs(), 2))) > 1


def _predictions(outcomes: Iterable[Inspected | Failure]) -> Iterator[Prediction | Failure]:
    return (each if isinstance(each, Failure) else each.prediction for each in outcomes)
