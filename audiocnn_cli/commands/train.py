"""`audiocnn train`: from a folder of classes to a model file."""

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from audiocnn_cli.commands import options
from audiocnn_cli.errors import ExitCode, UsageError
from audiocnn_cli.output.console import print_error, set_up_logging
from audiocnn_cli.output.destination import choose_destination
from audiocnn_cli.output.files import check_writable

EXAMPLES = """\b
Examples:
  audiocnn train recordings/ -o my-model.onnx
  audiocnn train genres/ --arch cnn --group-by '(\\d+)' --group-block 5 -o genre.onnx
  audiocnn train digits/ --group-by '([a-z]+)_' --seed 1 -o digits.onnx
"""

ARCHITECTURES = ("cnn", "mlp", "lstm")


def train(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Holds one sub-folder of recordings a class.")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE.onnx", help="The model file to write.")
    ],
    arch: Annotated[
        str, typer.Option(help=f"The network: {', '.join(ARCHITECTURES)}.")
    ] = ARCHITECTURES[0],
    group_by: Annotated[
        str | None,
        typer.Option(
            metavar="PATTERN",
            help="Regular expression for what must stay on one side of the split: speaker, artist, fold.",
            show_default="each file by itself",
        ),
    ] = None,
    group_block: Annotated[
        int | None,
        typer.Option(min=1, help="The pattern finds a number; so many in a row are one group."),
    ] = None,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the training side at most.")] = 60,
    patience: Annotated[
        int, typer.Option(min=1, help="Epochs without a lower validation loss before stopping.")
    ] = 8,
    batch_size: Annotated[int, typer.Option(min=1, help="Segments in a step.")] = 32,
    learning_rate: Annotated[float, typer.Option(help="Step size of Adam.")] = 1e-3,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same model.")] = 0,
    name: Annotated[
        str | None, typer.Option(help="The model's name.", show_default="the file's")
    ] = None,
    task: Annotated[
        str, typer.Option(help="What it labels, for the card.")
    ] = "audio classification",
    data_name: Annotated[
        str | None, typer.Option(help="The data's name, for the card.", show_default="the folder's")
    ] = None,
    data_licence: Annotated[
        str, typer.Option(help="The licence of the recordings, for the card.")
    ] = "not stated",
    json: options.Json = False,
    force: options.Force = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
    version: options.Version = False,
) -> None:
    """Train one of the seeds' networks on your own recordings (needs the [train] extra).

    Clips are cut into segments of 3 s and their MFCCs learnt. One group in five is kept to test on, one to
    know when to stop; segments of one clip, and clips of one group, are never on two sides. The model file
    holds its own recipe and figures; a card is written beside it.
    """
    set_up_logging(quiet=quiet, verbose=verbose)
    destination = choose_destination(json=json, jsonl=False, csv=False, output=None, force=False)
    if arch not in ARCHITECTURES:
        raise UsageError(
            f"--arch {arch}: no such network to train; one of {', '.join(ARCHITECTURES)}"
        )
    if output.suffix != ".onnx":
        raise UsageError(f"-o {output}: a model file ends in .onnx")
    if not learning_rate > 0:
        raise UsageError(f"--learning-rate must be above 0, not {learning_rate}")
    from audiocnn_cli.evaluation.labelled import Grouping
    from audiocnn_cli.models.contract import DataStatement
    from audiocnn_cli.output.evaluation_view import EvaluationView
    from audiocnn_cli.output.results import write_result
    from audiocnn_cli.training.extra import require_training_packages

    require_training_packages()
    from audiocnn_cli.training.fit import FitConfig
    from audiocnn_cli.training.train import TrainingConfig, card_path
    from audiocnn_cli.training.train import train as train_folder

    for path in (output, card_path(output)):
        check_writable(path, force=force)
    config = TrainingConfig(
        architecture=arch,
        fit=FitConfig(
            epochs=epochs,
            patience=patience,
            batch_size=batch_size,
            learning_rate=learning_rate,
            seed=seed,
        ),
        grouping=Grouping(group_by, group_block),
        name=name or output.stem,
        task=task,
        data=DataStatement(
            name=data_name or folder.resolve().name,
            licence=data_licence,
            folder=folder.resolve().name,
        ),
        command=shlex.join(["audiocnn", *sys.argv[1:]]),
    )
    trained = train_folder(folder, output, config, force=force)
    for failure in trained.failures:
        print_error(f"{failure.path}: {failure.message}")
    write_result(trained.evaluation, EvaluationView(), destination)
    raise typer.Exit(ExitCode.SOME_FAILED if trained.failures else ExitCode.DONE)
