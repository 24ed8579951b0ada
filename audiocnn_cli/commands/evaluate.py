"""`audiocnn evaluate`: how often a model is right on a labelled folder."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from audiocnn_cli.commands import options
from audiocnn_cli.errors import ExitCode, UsageError
from audiocnn_cli.models.registry import DEFAULT_MODEL, bundled_models, find_model
from audiocnn_cli.output.console import print_error, set_up_logging
from audiocnn_cli.output.destination import Destination, choose_destination

if TYPE_CHECKING:
    from audiocnn_cli.batch.executor import Workers

EXAMPLES = """\b
Examples:
  audiocnn evaluate recordings/ --model genre-cnn
  audiocnn evaluate recordings/ --model my-model.onnx --json
  audiocnn evaluate recordings/ --robustness --plot figures.png
  audiocnn evaluate data-sets/ --all
"""


def evaluate(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Holds one sub-folder of recordings a class.")
    ],
    model: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE",
            help="A model's name, or an .onnx file.",
            show_default=f"{DEFAULT_MODEL}; with --all every bundled one",
        ),
    ] = None,
    all_figures: Annotated[
        bool,
        typer.Option(
            "--all",
            help="Measure every figure of the models' cards again; FOLDER holds their data sets.",
        ),
    ] = False,
    include_training: Annotated[
        bool,
        typer.Option(
            "--include-training",
            help="Count clips that the model was trained on: a flattering figure.",
        ),
    ] = False,
    robustness: Annotated[
        bool,
        typer.Option(
            "--robustness",
            help="Also of the same clips as 8 kHz copies, as MP3, softer, with noise and from stereo.",
        ),
    ] = False,
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.png|svg",
            help="Draw confusion matrix, reliability and coverage (needs the [plot] extra).",
        ),
    ] = None,
    jobs: options.Jobs = None,
    timeout: options.Timeout = None,
    json: options.Json = False,
    jsonl: options.Jsonl = False,
    csv: options.Csv = False,
    output: options.Output = None,
    force: options.Force = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
    version: options.Version = False,
) -> None:
    """Measure a model on recordings sorted into folders, one folder a class.

    Accuracy is over clips, with a 95 % interval. Clips that the model was trained on are recognised by
    their content: the member of the model that never heard one answers for it, and where there is none it
    is left out. Exit 1 if a recording could not be used, or with --all if a figure differs from its card.
    """
    set_up_logging(quiet=quiet, verbose=verbose)
    destination = choose_destination(json=json, jsonl=jsonl, csv=csv, output=output, force=force)
    from audiocnn_cli.batch.executor import Workers
    from audiocnn_cli.evaluation.degrade import DEGRADATIONS
    from audiocnn_cli.evaluation.evaluate import evaluate as evaluate_folder
    from audiocnn_cli.models.session import open_model
    from audiocnn_cli.output.evaluation_picture import draw_evaluation
    from audiocnn_cli.output.evaluation_view import EvaluationView
    from audiocnn_cli.output.picture import check_picture
    from audiocnn_cli.output.results import write_result

    if all_figures:
        if robustness or include_training or plot is not None:
            raise UsageError(
                "--all measures what the cards say; it goes with --model and --jobs only"
            )
        _remake(
            folder, model, workers=Workers(jobs=jobs, timeout_s=timeout), destination=destination
        )
    if plot is not None:
        check_picture(plot, force=force)
    opened = open_model(find_model(model or DEFAULT_MODEL).path)
    result = evaluate_folder(
        folder,
        opened,
        include_training=include_training,
        degradations=DEGRADATIONS if robustness else (),
        workers=Workers(jobs=jobs, timeout_s=timeout),
    )
    for failure in result.failures:
        print_error(f"{failure.path}: {failure.message}")
    if plot is not None:
        draw_evaluation(result, plot, force=force)
    write_result(result, EvaluationView(), destination)
    raise typer.Exit(ExitCode.SOME_FAILED if result.failures else ExitCode.DONE)


def _remake(
    folder: Path, model: str | None, *, workers: "Workers", destination: Destination
) -> NoReturn:
    from audiocnn_cli.evaluation.remake import remake
    from audiocnn_cli.models.session import open_model
    from audiocnn_cli.output.remake_view import RemakeView
    from audiocnn_cli.output.results import write_result

    files = bundled_models() if model is None else [find_model(model)]
    result = remake((open_model(file.path) for file in files), folder, workers=workers)
    for failure in result.failures:
        print_error(f"{failure.path}: {failure.message}")
    write_result(result, RemakeView(), destination)
    if all(figure.measured is None for figure in result.figures):
        raise typer.Exit(ExitCode.NOTHING_DONE)
    right = all(figure.agrees for figure in result.figures) and not result.failures
    raise typer.Exit(ExitCode.DONE if right else ExitCode.SOME_FAILED)
