"""`audiocnn evaluate`: how often a model is right on a labelled folder."""

from pathlib import Path
from typing import Annotated

import typer

from audiocnn_cli.commands import options
from audiocnn_cli.errors import ExitCode
from audiocnn_cli.models.registry import DEFAULT_MODEL, find_model
from audiocnn_cli.output.console import print_error, set_up_logging
from audiocnn_cli.output.destination import choose_destination

EXAMPLES = """\b
Examples:
  audiocnn evaluate recordings/ --model genre-cnn
  audiocnn evaluate recordings/ --model my-model.onnx --json
  audiocnn evaluate recordings/ --robustness --plot figures.png
"""


def evaluate(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Holds one sub-folder of recordings a class.")
    ],
    model: Annotated[
        str, typer.Option(metavar="NAME|FILE", help="A bundled model, or an .onnx file.")
    ] = DEFAULT_MODEL,
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
    their content and left out.
    """
    set_up_logging(quiet=quiet, verbose=verbose)
    destination = choose_destination(json=json, jsonl=jsonl, csv=csv, output=output, force=force)
    from audiocnn_cli.evaluation.degrade import DEGRADATIONS
    from audiocnn_cli.evaluation.evaluate import evaluate as evaluate_folder
    from audiocnn_cli.models.session import open_model
    from audiocnn_cli.output.evaluation_picture import draw_evaluation
    from audiocnn_cli.output.evaluation_view import EvaluationView
    from audiocnn_cli.output.picture import check_picture
    from audiocnn_cli.output.results import write_result

    if plot is not None:
        check_picture(plot, force=force)
    opened = open_model(find_model(model).path)
    result = evaluate_folder(
        folder,
        opened,
        include_training=include_training,
        degradations=DEGRADATIONS if robustness else (),
        jobs=jobs,
    )
    for failure in result.failures:
        print_error(f"{failure.path}: {failure.message}")
    if plot is not None:
        draw_evaluation(result, plot, force=force)
    write_result(result, EvaluationView(), destination)
    raise typer.Exit(ExitCode.SOME_FAILED if result.failures else ExitCode.DONE)
