"""`audiocnn evaluate`: measure a model on a labelled folder."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from audiocnn_cli.commands import options
from audiocnn_cli.commands.groups import option_group
from audiocnn_cli.commands.options import option
from audiocnn_cli.errors import ExitCode, UsageError
from audiocnn_cli.models.registry import DEFAULT_MODEL, bundled_models, find_model
from audiocnn_cli.output.destination import Destination
from audiocnn_cli.output.terminal.console import log, print_failure

if TYPE_CHECKING:
    from audiocnn_cli.batch.outcome import Counts, Failure
    from audiocnn_cli.commands.batch import BatchOptions
    from audiocnn_cli.evaluation.scoring import ClipResult, Predictions, Scoring

EXAMPLES = """\b
Examples:
  audiocnn evaluate recordings/ --model genre-cnn
  audiocnn evaluate recordings/ --model my-model.onnx --json
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
    """The report, and the plot."""

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
    report: Output,
    many_files: options.WholeBatch,
    logging: options.BatchLogging,
) -> None:
    """Measure a model on a labelled folder.

    The recordings are sorted into folders, one folder a class. Accuracy is over clips, with a 95 %
    interval. Clips that the model was trained on are recognised by their content: they are scored by a
    member that was not trained on them, and left out if there is none. Exit 1 if a recording could not be
    used, or with --all if a figure differs from its card.
    """
    logging.set_up()
    from audiocnn_cli.commands.batch import batch_options

    journal = many_files.journal
    # A resumed run replaces the output of the run before it.
    force = report.force or (many_files.resume and journal is not None and journal.exists())
    destination = replace(report, force=force).destination(logging)
    batch = batch_options([str(folder)], many_files, force=report.force)
    if model.all_figures:
        others = (model.robustness, model.include_training, batch.resume, batch.checksum)
        if any(others) or any((batch.journal, batch.failures, batch.cluster, report.plot)):
            raise UsageError(
                "--all measures the figures of the cards; it can be combined with --model, --jobs and"
                " --timeout only"
            )
        raise typer.Exit(_check_cards(folder, model.model, batch, destination))
    from audiocnn_cli.evaluation.degrade import DEGRADATIONS
    from audiocnn_cli.evaluation.evaluate import evaluate as evaluate_folder
    from audiocnn_cli.models.session import open_labelling
    from audiocnn_cli.output.plots.evaluation import plot_evaluation
    from audiocnn_cli.output.plots.figure import check_picture
    from audiocnn_cli.output.results import write_result
    from audiocnn_cli.output.views.evaluation import EvaluationView

    if report.plot is not None:
        check_picture(report.plot, force=force)
    result = evaluate_folder(
        folder if batch.cluster is None else Path(os.path.abspath(folder)),  # noqa: PTH100 (keeps links)
        open_labelling(find_model(model.model or DEFAULT_MODEL).path),
        include_training=model.include_training,
        degradations=DEGRADATIONS if model.robustness else (),
        run=lambda scoring: _run(scoring, batch),
    )
    if report.plot is not None:
        plot_evaluation(result, report.plot, force=force)
    write_result(result, EvaluationView(), destination)
    raise typer.Exit(ExitCode.SOME_FAILED if result.failures else ExitCode.DONE)


def _run(scoring: "Scoring", batch: "BatchOptions") -> "Predictions":
    """Score all clips as a batch; after Ctrl-C there are no predictions."""
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
        in_order=True,
        find=lambda: recordings(scoring.folder),
    )
    collected: list[Predictions] = []

    def collect(outcomes: "Iterator[ClipResult | Failure]") -> "Counts":
        collected.append(Predictions.of(_with_errors_printed(outcomes)))
        return collected[0].counts

    if run_job(job, batch, collect) is ExitCode.INTERRUPTED:
        resume = "; --resume continues" if batch.journal else ""
        log.warning("interrupted before all clips were scored, so there are no figures%s", resume)
        raise typer.Exit(ExitCode.INTERRUPTED)
    return collected[0]


def _with_errors_printed(outcomes: "Iterator[ClipResult | Failure]") -> "Iterator[ClipResult | Failure]":
    from audiocnn_cli.batch.outcome import Failure

    for outcome in outcomes:
        if isinstance(outcome, Failure):
            print_failure(outcome)
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
