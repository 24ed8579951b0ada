"""`audiocnn evaluate`: measure a model on a labelled folder."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import typer

from audiocnn_cli.commands import options
from audiocnn_cli.commands.groups import option_group
from audiocnn_cli.commands.options import option
from audiocnn_cli.errors import UsageError
from audiocnn_cli.models.registry import DEFAULT_MODEL, find_model

EXAMPLES = """\b
Examples:
  audiocnn evaluate recordings/ --model genre-cnn
  audiocnn evaluate recordings/ --model my-model.onnx --json
  audiocnn evaluate recordings/ --model my-model.onnx --report errors.html
  audiocnn evaluate recordings/ --csv -o clips.csv
  audiocnn evaluate songs/ --targets tempo.csv --model tempo.onnx
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
    targets: Annotated[
        Path | None,
        option(
            "The true values for a regression model: a recording below FOLDER in each row (path,value).",
            metavar="FILE.csv",
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
    report: Annotated[
        Path | None,
        option(
            "Write a page with the confusion matrix, or the values, and the clips to play (needs the"
            " [report] extra).",
            metavar="FILE.html",
        ),
    ] = None
    plot: Annotated[
        Path | None,
        option(
            "Plot confusion matrix, reliability and coverage, or values (needs the [plot] extra).",
            metavar="FILE.png|svg",
        ),
    ] = None


def evaluate(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER", help="Has one sub-folder of recordings a class, or those of --targets."
        ),
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
    with its truth and its prediction, --json has the figures too. Of a regression model the errors of its
    values are measured (MAE, RMSE, R2). Exit 1 if a recording could not be used, or with --all if a figure
    differs from its card.
    """
    logging.set_up()
    from audiocnn_cli.commands.batch import batch_options
    from audiocnn_cli.commands.evaluate_run import EvaluationRun, check_all_cards

    journal = many_files.journal
    # A resumed run replaces the output of the run before it.
    force = output.force or (many_files.resume and journal is not None and journal.exists())
    destination = replace(output, force=force).destination(logging)
    batch = batch_options([str(folder)], many_files, force=output.force)
    if model.all_figures:
        given = (model.robustness, model.include_training, model.targets, batch.resume, batch.checksum)
        written = (batch.journal, batch.failures, batch.cluster, output.plot, output.report)
        if any(given) or any(written):
            raise UsageError(
                "--all measures the figures of the cards; it can be combined with --model, --jobs and"
                " --timeout only"
            )
        raise typer.Exit(check_all_cards(folder, model.model, batch, destination))
    run = EvaluationRun(
        # The workers of a cluster have another working directory.
        folder=folder if batch.cluster is None else Path(os.path.abspath(folder)),  # noqa: PTH100 (keeps links)
        model=find_model(model.model or DEFAULT_MODEL).path,
        targets=model.targets,
        include_training=model.include_training,
        robustness=model.robustness,
        batch=batch,
        destination=destination,
        rows=output.rows,
        page=output.report,
        plot=output.plot,
        force=force,
    )
    raise typer.Exit(run.exit_code())
