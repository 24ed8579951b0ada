"""`audiocnn train`: from a folder of classes to a model file."""

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from audiocnn_cli.commands import options
from audiocnn_cli.errors import ExitCode, UsageError
from audiocnn_cli.files import check_writable
from audiocnn_cli.output.destination import choose_destination
from audiocnn_cli.output.terminal.console import print_error, set_up_logging

EXAMPLES = """\b
Examples:
  audiocnn train recordings/ -o my-model.onnx
  audiocnn train birds/ --group-by '([A-Z]+)_' --folds 5 -o birds.onnx
  audiocnn train genres/ --arch cnn --group-by '(\\d+)' --group-block 5 -o genre.onnx
  audiocnn train words/ --sr 8000 --segment 0.64 --n-mels 40 --no-roll -o words.onnx
"""


def train(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Holds one sub-folder of recordings a class.")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE.onnx", help="The model file to write.")
    ],
    arch: Annotated[
        str, typer.Option(help="The network: logmel-cnn, or the seeds' cnn, mlp, lstm.")
    ] = "logmel-cnn",
    part: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PLACE=PATTERN",
            help="Put classes together of parts of FOLDER: speech/news=radio, noise=esc/*/1-*.ogg.",
            show_default="FOLDER as it is",
        ),
    ] = None,
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
    folds: Annotated[
        int | None,
        typer.Option(
            min=2,
            help="Cross-validate: K networks, each without one fold; the model is their mean.",
            show_default="one held-out split",
        ),
    ] = None,
    networks: Annotated[
        int, typer.Option(min=1, help="Networks a fold; their mean is more often right than one.")
    ] = 1,
    keep_apart: Annotated[
        str | None,
        typer.Option(
            metavar="PATTERN",
            help="Clips whose path matches are never trained on, and measured by themselves.",
            show_default="none",
        ),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(min=1, help="Passes over the training side.", show_default="the network's"),
    ] = None,
    patience: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Epochs without a lower validation loss before stopping.",
            show_default="the network's",
        ),
    ] = None,
    optimizer: Annotated[str, typer.Option(help="adam or sgd.")] = "adam",
    batch_size: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Segments in a step: 1 is stochastic descent, all of them plain descent.",
            show_default="the network's",
        ),
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option(help="Step size.", show_default="the network's")
    ] = None,
    sample_rate: Annotated[int, typer.Option("--sr", min=1, help="Sample rate in Hz.")] = 22050,
    segment: Annotated[float, typer.Option(help="Seconds a segment.")] = 3.0,
    hop_length: Annotated[
        int | None,
        typer.Option("--hop", min=1, help="Samples between frames.", show_default="the network's"),
    ] = None,
    n_mels: Annotated[
        int | None, typer.Option(min=1, help="Mel bands.", show_default="the network's")
    ] = None,
    roll: Annotated[
        bool,
        typer.Option(
            "--roll/--no-roll",
            help="Turn segments around in time while training; not where their order is the label: words.",
        ),
    ] = True,
    threshold: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            help="The model abstains below it.",
            show_default="for 90 % accuracy on what it answers",
        ),
    ] = None,
    bits: Annotated[
        int,
        typer.Option(
            metavar="32|16|8", help="In how many bits large weights are stored: 16 halve the file."
        ),
    ] = 32,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same model.")] = 0,
    name: Annotated[
        str | None, typer.Option(help="The model's name.", show_default="the file's")
    ] = None,
    task: Annotated[
        str, typer.Option(help="What it labels, for the card.")
    ] = "audio classification",
    sound_type: Annotated[
        str | None,
        typer.Option(
            metavar="music|speech|environment",
            help="What type of sound its labels are for; `classify --gate` flags others.",
            show_default="any",
        ),
    ] = None,
    data_name: Annotated[
        str | None, typer.Option(help="The data's name, for the card.", show_default="the folder's")
    ] = None,
    data_licence: Annotated[
        str, typer.Option(help="The licence of the recordings, for the card.")
    ] = "not stated",
    cache: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Where features and interrupted trainings are kept.",
            show_default="the user's cache folder",
        ),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE.png|svg", help="Draw the learning curve.")
    ] = None,
    json: options.Json = False,
    force: options.Force = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
    version: options.Version = False,
) -> None:
    """Train a network on your own recordings (needs the [train] extra).

    Segments of one clip, and clips of one group, are never on two sides of a split. The model file holds
    its own recipe, calibrated probabilities and figures; a card is written beside it. Features are computed
    once, and the same command goes on where it was interrupted.
    """
    set_up_logging(quiet=quiet, verbose=verbose)
    destination = choose_destination(json=json, jsonl=False, csv=False, output=None, force=False)
    if output.suffix != ".onnx":
        raise UsageError(f"-o {output}: a model file ends in .onnx")
    if optimizer not in ("adam", "sgd"):
        raise UsageError(f"--optimizer {optimizer}: adam or sgd")
    if bits not in (32, 16, 8):
        raise UsageError(f"--bits {bits}: 32, 16 or 8")
    if sound_type not in (None, "music", "speech", "environment"):
        raise UsageError(f"--sound-type {sound_type}: music, speech or environment")
    if learning_rate is not None and not learning_rate > 0:
        raise UsageError(f"--learning-rate must be above 0, not {learning_rate}")
    from audiocnn_cli.training.extra import require_training_packages

    require_training_packages()
    from contextlib import nullcontext
    from dataclasses import replace

    from platformdirs import user_cache_path

    from audiocnn_cli.evaluation.labelled import Grouping
    from audiocnn_cli.evaluation.parts import parts_from, put_together
    from audiocnn_cli.models.contract import DataStatement
    from audiocnn_cli.output.plots.figure import check_picture
    from audiocnn_cli.output.plots.learning_curve import plot_learning_curve
    from audiocnn_cli.output.results import write_result
    from audiocnn_cli.output.terminal.training import show_epochs
    from audiocnn_cli.output.views.evaluation import EvaluationView
    from audiocnn_cli.training.fit import LOGMEL_FIT, SEEDS_FIT
    from audiocnn_cli.training.recipes import recipe_for
    from audiocnn_cli.training.train import TrainingConfig, card_path
    from audiocnn_cli.training.train import train as train_folder

    parts = parts_from(part or ())
    for path in (output, card_path(output)):
        check_writable(path, force=force)
    if plot is not None:
        check_picture(plot, force=force)
    recipe = recipe_for(
        arch, sample_rate=sample_rate, segment_s=segment, hop_length=hop_length, n_mels=n_mels
    )
    preset = LOGMEL_FIT if recipe.anywhere else SEEDS_FIT
    config = TrainingConfig(
        recipe=recipe,
        fit=replace(
            preset,
            optimizer=optimizer,
            epochs=epochs or preset.epochs,
            patience=patience or preset.patience,
            batch_size=batch_size or preset.batch_size,
            learning_rate=learning_rate or preset.learning_rate,
            seed=seed,
            augment=preset.augment and replace(preset.augment, roll=roll),
        ),
        grouping=Grouping(group_by, group_block),
        folds=folds,
        networks=networks,
        keep_apart=keep_apart,
        threshold=threshold,
        bits=bits,
        name=name or output.stem,
        task=task,
        sound_type=sound_type,
        data=DataStatement(
            name=data_name or folder.resolve().name,
            licence=data_licence,
            folder=None if parts else folder.resolve().name,
            parts=parts,
        ),
        command=shlex.join(["audiocnn", *sys.argv[1:]]),
        cache=cache or user_cache_path("audiocnn"),
    )
    with (
        show_epochs(
            epochs=config.fit.epochs, networks=(folds or 1) * networks, quiet=quiet
        ) as on_epoch,
        put_together(folder, parts) if parts else nullcontext(folder) as whole,
    ):
        trained = train_folder(whole, output, config, force=force, on_epoch=on_epoch)
    if plot is not None:
        plot_learning_curve(trained.histories, plot, force=force)
    for failure in trained.failures:
        print_error(f"{failure.path}: {failure.message}")
    write_result(trained.evaluation, EvaluationView(), destination)
    raise typer.Exit(ExitCode.SOME_FAILED if trained.failures else ExitCode.DONE)
