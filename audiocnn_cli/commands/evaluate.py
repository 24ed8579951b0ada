"""`audiocnn evaluate`: measure a model on a labelled folder."""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import typer

from audiocnn_cli.commands import options
from audiocnn_cli.commands.groups import option_group
from audiocnn_cli.commands.options import option
from audiocnn_cli.errors import ExitCode, UsageError
from audiocnn_cli.models.registry import DEFAULT_MODEL, bundled_models, find_model
from audiocnn_cli.output.destination import Destination, Format
from audiocnn_cli.output.terminal.console import log, print_failure

if TYPE_CHECKING:
    from audiocnn_cli.batch.outcome import Counts, Failure
    from audiocnn_cli.commands.batch import BatchOptions
    from audiocnn_cli.evaluation.evaluate import Evaluation
    from audiocnn_cli.evaluation.scoring import ClipPrediction, ClipResult, Predictions, Scoring
    from audiocnn_cli.output.results import OutcomeWriter

EXAMPLES = """\b
Examples:
  audiocnn evaluate recordings/ --model genre-cnn
  audiocnn evaluate recordings/ --model my-model.onnx --json
  audiocnn evaluate recordings/ --model my-model.onnx --report errors.html
  audiocnn evaluate recordings/ --csv -o clips.csv
  audiocnn evaluate recordings/ --robustness --plot figures.png
  audiocnn evaluate archive/ --journal run.sqlite --resume --failures bad.jsonl
  audiocnn evaluate data-sets/ --all
"""


@option_group
class Model:
    """The model, and which of its figures are measured."""

    heading: ClassVar[str] = "Model"
    model: Annotated[
        str | None,
        option(
            "A model's name, or an .onnx file.",
            default=f"{DEFAULT_MODEL}; with --all every bundled one",
            metavar="NAME|FILE",
            autocompletion=options.complete_name,
        ),
    ] = None
    robustness: Annotated[
        bool,
        option("Also evaluate 8 kHz, MP3, quieter, noisy and stereo copies of the clips.", "--robustness"),
    ] = False
    include_training: Annotated[
        bool,
        option("Include clips that the model was trained on: an optimistic figure.", "--include-training"),
    ] = False
    all_figures: Annotated[
        bool, option("Measure every figure of the models' cards again; FOLDER has their data sets.", "--all")
    ] = False


@option_group
class Output(options.Report):
    """The figures and the clips, the page and the plot."""

    rows: Annotated[
        Literal["clips", "classes"], option("Print a row of --csv or a line of --jsonl for each.")
    ] = "clips"
    page: Annotated[
        Path | None,
        option(
            "Write a page with the confusion matrix and the clips of each cell, to hear them (needs the"
            " [report] extra).",
            "--report",
            metavar="FILE.html",
        ),
    ] = None
    plot: Annotated[
        Path | None,
        option(
            "Plot confusion matrix, reliability and coverage (needs the [plot] extra).",
            metavar="FILE.png|svg",
        ),
    ] = None


def evaluate(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Has one sub-folder of recordings a class.")
    ],
    *,
    model: Model,
    output: Output,
    many_files: options.WholeBatch,
    logging: options.BatchLogging,
) -> None:
    """Measure a model on a labelled folder.

    The recordings are sorted into folders, one folder a class. Accuracy is over clips, with a 95 %
    interval. Clips that the model was trained on are recognised by their content: they are scored by a
    member that was not trained on them, and left out if there is none. --csv and --jsonl list every clip
    with its truth and its prediction, --json has the figures too. Exit 1 if a recording could not be used,
    or with --all if a figure differs from its card.
    """
    logging.set_up()
    from audiocnn_cli.commands.batch import batch_options

    journal = many_files.journal
    # A resumed run replaces the output of the run before it.
    force = output.force or (many_files.resume and journal is not None and journal.exists())
    destination = replace(output, force=force).destination(logging)
    batch = batch_options([str(folder)], many_files, force=output.force)
    if model.all_figures:
        others = (model.robustness, model.include_training, batch.resume, batch.checksum)
        written = (batch.journal, batch.failures, batch.cluster, output.plot, output.page)
        if any(others) or any(written):
            raise UsageError(
                "--all measures the figures of the cards; it can be combined with --model, --jobs and"
                " --timeout only"
            )
        raise typer.Exit(_check_cards(folder, model.model, batch, destination))
    files = _Files(page=output.page, plot=output.plot, force=force)
    files.check()
    # The workers of a cluster have another working directory.
    folder = folder if batch.cluster is None else Path(os.path.abspath(folder))  # noqa: PTH100 (keeps links)
    result = _evaluate(folder, model, batch, destination, rows=output.rows)
    files.write(result, folder)
    raise typer.Exit(ExitCode.SOME_FAILED if result.failures else ExitCode.DONE)


@dataclass(frozen=True)
class _Files:
    """The page and the plot that are written beside the figures."""

    page: Path | None
    plot: Path | None
    force: bool

    def check(self) -> None:
        """Check before the work starts that they can be written."""
        from audiocnn_cli.output.plots.figure import check_picture
        from audiocnn_cli.output.report.template import check_page

        if self.page is not None:
            check_page(self.page, force=self.force)
        if self.plot is not None:
            check_picture(self.plot, force=self.force)

    def write(self, result: "Evaluation", folder: Path) -> None:
        """Write both."""
        from audiocnn_cli.output.plots.evaluation import plot_evaluation
        from audiocnn_cli.output.report.errors import write_error_page

        if self.plot is not None:
            plot_evaluation(result, self.plot, force=self.force)
        if self.page is not None:
            write_error_page(result, folder, self.page, force=self.force)


def _evaluate(
    folder: Path, options: Model, batch: "BatchOptions", destination: Destination, *, rows: str
) -> "Evaluation":
    """Score the clips and write the figures; rows and lines of clips are written as they come."""
    from audiocnn_cli.evaluation.degrade import DEGRADATIONS
    from audiocnn_cli.evaluation.evaluate import evaluate as evaluate_folder
    from audiocnn_cli.models.session import open_model
    from audiocnn_cli.output.results import OutcomeWriter, write_outcomes, write_result
    from audiocnn_cli.output.views.evaluated_clips import ClassView, ClipView, class_results
    from audiocnn_cli.output.views.evaluation import EvaluationView, summary

    opened = open_model(find_model(options.model or DEFAULT_MODEL).path)
    listed = destination.format in (Format.CSV, Format.JSONL)
    with ExitStack() as stack:
        clips = None
        if listed and rows == "clips":
            stream = stack.enter_context(destination.open())
            clips = OutcomeWriter(stream, destination, ClipView(opened.contract.labels))
        result = evaluate_folder(
            folder,
            opened,
            include_training=options.include_training,
            degradations=DEGRADATIONS if options.robustness else (),
            run=lambda scoring: _run(scoring, batch, clips),
        )
    if not listed:
        write_result(result, EvaluationView(), destination)
        return result
    if clips is None:
        write_outcomes(class_results(result), ClassView(), destination)
    log.info("%s", summary(result))
    return result


def _run(
    scoring: "Scoring", batch: "BatchOptions", clips: "OutcomeWriter[ClipPrediction] | None" = None
) -> "Predictions":
    """Score all clips as a batch, and write each to `clips`; after Ctrl-C there are no predictions."""
    from audiocnn_cli.batch.task import DataclassCodec
    from audiocnn_cli.commands.batch import Job, run_job
    from audiocnn_cli.evaluation.labelled import recordings
    from audiocnn_cli.evaluation.scoring import ClipResult, Predictions

    job = Job(
        command="evaluate",
        task=scoring,
        # A recording is identified by its own path; degradations are functions, and named in the options.
        recipe=replace(scoring, folder=Path(), degradations=()),
        options={"degradations": ", ".join(each.name for each in scoring.degradations)},
        codec=DataclassCodec(ClipResult),
        audio_s=lambda result: result.audio_s,
        in_order=clips is None or clips.destination.format is not Format.JSONL,
        find=lambda: recordings(scoring.folder),
    )
    collected: list[Predictions] = []

    def collect(outcomes: "Iterator[ClipResult | Failure]") -> "Counts":
        collected.append(Predictions.of(_written(outcomes, clips)))
        return collected[0].counts

    if run_job(job, batch, collect) is ExitCode.INTERRUPTED:
        resume = "; --resume continues" if batch.journal else ""
        log.warning("interrupted before all clips were scored, so there are no figures%s", resume)
        raise typer.Exit(ExitCode.INTERRUPTED)
    return collected[0]


def _written(
    outcomes: "Iterator[ClipResult | Failure]", clips: "OutcomeWriter[ClipPrediction] | None"
) -> "Iterator[ClipResult | Failure]":
    """The outcomes, with failures printed, and each written to `clips`."""
    from audiocnn_cli.batch.outcome import Failure

    for outcome in outcomes:
        if isinstance(outcome, Failure):
            print_failure(outcome)
        written = outcome if isinstance(outcome, Failure) else outcome.prediction
        if clips is not None and written is not None:
            clips.add(written)
        yield outcome


def _check_cards(
    folder: Path, model: str | None, batch: "BatchOptions", destination: Destination
) -> ExitCode:
    from audiocnn_cli.evaluation.figures import check_cards
    from audiocnn_cli.models.session import open_model
    from audiocnn_cli.output.results import write_result
    from audiocnn_cli.output.views.evaluation import CardCheckView

    files = bundled_models() if model is None else [find_model(model)]
    models = (open_model(file.path) for file in files)
    result = check_cards(models, folder, run=lambda scoring: _run(scoring, batch))
    write_result(result, CardCheckView(), destination)
    if all(figure.measured is None for figure in result.figures):
        return ExitCode.NOTHING_DONE
    agree = all(figure.agrees for figure in result.figures) and not result.failures
    return ExitCode.DONE if agree else ExitCode.SOME_FAILED
