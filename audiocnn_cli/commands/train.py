"""`audiocnn train`: train a model on a folder of classes."""

import shlex
import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import typer

from audiocnn_cli.commands import options
from audiocnn_cli.commands.groups import option_group
from audiocnn_cli.commands.options import option
from audiocnn_cli.errors import ExitCode, UsageError
from audiocnn_cli.extras import require_extra
from audiocnn_cli.files import check_writable
from audiocnn_cli.output.destination import Destination, Format
from audiocnn_cli.output.terminal.console import print_error
from audiocnn_cli.training.recipes import ARCHITECTURES, LOGMEL, Optimizer

if TYPE_CHECKING:
    from audiocnn_cli.training.train import TrainingConfig

EXAMPLES = """\b
Examples:
  audiocnn train recordings/ -o my-model.onnx
  audiocnn train birds/ --group-by '([A-Z]+)_' --folds 5 -o birds.onnx
  audiocnn train genres/ --arch cnn --group-by '(\\d+)' --group-block 5 -o genre.onnx
  audiocnn train words/ --sr 8000 --segment 0.64 --n-mels 40 --no-roll -o words.onnx
"""


def _count(help: str, *flags: str) -> Any:
    return option(help, *flags, default="that of the network", min=1, metavar="N")


@option_group
class Data:
    """The clips, and how they are grouped and split."""

    heading: ClassVar[str] = "Data"
    group_by: Annotated[
        str | None,
        option(
            "Regular expression of the group that a split must not divide: speaker, artist, fold.",
            default="each file is a group",
            metavar="PATTERN",
        ),
    ] = None
    group_block: Annotated[
        int | None, option("N consecutive numbers that match are one group.", min=1, metavar="N")
    ] = None
    keep_apart: Annotated[
        str | None, option("Train on no clips whose path matches; test on them.", metavar="PATTERN")
    ] = None
    part: Annotated[
        list[str] | None,
        option(
            "Assemble classes from parts of FOLDER: speech/news=radio, noise=esc/*/1-*.ogg.",
            default="FOLDER as it is",
            metavar="PATH=PATTERN",
        ),
    ] = None


@option_group
class Network:
    """The architecture and its input."""

    heading: ClassVar[str] = "Network"
    arch: Annotated[
        str,
        option(
            "logmel-cnn, or the course networks cnn, mlp and lstm.",
            metavar="NAME",
            autocompletion=options.completes(*ARCHITECTURES),
        ),
    ] = LOGMEL
    sample_rate: Annotated[
        int, option("Sample rate in Hz.", "--sample-rate", "--sr", min=1, metavar="HZ")
    ] = 22050
    segment: Annotated[float, option("Length of a segment.", metavar="SECONDS")] = 3.0
    hop_length: Annotated[int | None, _count("Samples between frames.", "--hop-length", "--hop")] = None
    n_mels: Annotated[int | None, _count("Number of mel bands.")] = None


@option_group
class Training:
    """The folds and the hyperparameters of the fit."""

    heading: ClassVar[str] = "Training"
    epochs: Annotated[int | None, _count("Number of epochs.")] = None
    folds: Annotated[
        int | None,
        option(
            "Cross-validate with K folds; the model is the mean of the K networks.",
            default="one held-out split",
            min=2,
            metavar="K",
        ),
    ] = None
    networks: Annotated[int, option("Networks a fold; the member is their mean.", min=1, metavar="N")] = 1
    patience: Annotated[int | None, _count("Stop after so many epochs without a lower validation loss.")] = (
        None
    )
    learning_rate: Annotated[
        float | None, option("Learning rate.", "--learning-rate", "--lr", default="that of the network")
    ] = None
    batch_size: Annotated[int | None, _count("Segments in a batch.")] = None
    optimizer: Annotated[Optimizer, option("The optimizer.")] = Optimizer.ADAM
    roll: Annotated[
        bool, option("Shift segments circularly in time; not where order is the label, as in words.")
    ] = True
    seed: Annotated[int, option("The same seed gives the same model.", min=0)] = 0
    cache: Annotated[
        Path | None,
        option("Folder for features and checkpoints.", default="the user's cache folder", metavar="FOLDER"),
    ] = None


@option_group
class ModelFile:
    """The model file, and the statements in its contract and on its card."""

    heading: ClassVar[str] = "Model file"
    output: Annotated[Path, option("The model file to write.", "--output", "-o", metavar="FILE.onnx")]
    name: Annotated[str | None, option("The model's name.", default="that of the file")] = None
    task: Annotated[str, option("What the labels describe.")] = "audio classification"
    threshold: Annotated[
        float | None,
        option("Abstain below this probability.", default="90 % accuracy over covered clips", min=0, max=1),
    ] = None
    bits: Annotated[Literal["32", "16", "8"], option("Bits of a stored weight: 16 halve the size.")] = "32"
    sound_type: Annotated[
        Literal["music", "speech", "environment"] | None,
        option("Type of sound that the labels are for; classify's gate rejects others."),
    ] = None
    data_name: Annotated[str | None, option("Name of the data.", default="that of the folder")] = None
    data_licence: Annotated[str, option("Licence of the recordings.")] = "not stated"


@option_group
class Output:
    """The report on stdout, and the plot."""

    heading: ClassVar[str] = "Output"
    json: options.Json = False
    plot: Annotated[
        Path | None, option("Plot the learning curve (needs the [plot] extra).", metavar="FILE.png|svg")
    ] = None
    force: options.Force = False


def train(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Has one sub-folder of recordings a class.")
    ],
    *,
    data: Data,
    network: Network,
    training: Training,
    model_file: ModelFile,
    report: Output,
    logging: options.Logging,
) -> None:
    """Train a network on your own recordings.

    It needs the [train] extra. The split never divides the segments of one clip or the clips of one
    group. The model file contains its features, calibrated probabilities and measured figures; a card is
    written beside it. Features are computed once, and an interrupted training continues when the same
    command is run again.
    """
    logging.set_up()
    destination = Destination(Format.JSON if report.json else Format.TABLE, quiet=logging.quiet)
    output = model_file.output
    if output.suffix != ".onnx":
        raise UsageError(f"-o {output}: the name of a model file ends in .onnx")
    if training.learning_rate is not None and not training.learning_rate > 0:
        raise UsageError(f"--learning-rate must be above 0, not {training.learning_rate}")
    require_extra("train", "audiocnn train")
    from audiocnn_cli.evaluation.labelled import link_parts
    from audiocnn_cli.output.plots.evaluation import plot_learning_curve
    from audiocnn_cli.output.plots.figure import check_picture
    from audiocnn_cli.output.results import write_result
    from audiocnn_cli.output.terminal.training import show_epochs
    from audiocnn_cli.output.views.evaluation import EvaluationView
    from audiocnn_cli.training.train import card_path, train_folder

    config = _config(folder, data, network, training, model_file)
    for path in (output, card_path(output)):
        check_writable(path, force=report.force)
    if report.plot is not None:
        check_picture(report.plot, force=report.force)
    parts = config.data.parts
    fits = (training.folds or 1) * training.networks
    with (
        show_epochs(epochs=config.fit.epochs, networks=fits, quiet=logging.quiet) as on_epoch,
        link_parts(folder, parts) if parts else nullcontext(folder) as whole,
    ):
        trained = train_folder(whole, output, config, force=report.force, on_epoch=on_epoch)
    if report.plot is not None:
        plot_learning_curve(trained.histories, report.plot, force=report.force)
    for failure in trained.failures:
        print_error(f"{failure.path}: {failure.message}")
    write_result(trained.evaluation, EvaluationView(), destination)
    raise typer.Exit(ExitCode.SOME_FAILED if trained.failures else ExitCode.DONE)


def _config(
    folder: Path, data: Data, network: Network, training: Training, model_file: ModelFile
) -> "TrainingConfig":
    from platformdirs import user_cache_path

    from audiocnn_cli.evaluation.labelled import Grouping, parse_parts
    from audiocnn_cli.models.contract import DataStatement
    from audiocnn_cli.training.fit import COURSE_FIT, LOGMEL_FIT
    from audiocnn_cli.training.recipes import recipe_for
    from audiocnn_cli.training.train import TrainingConfig

    recipe = recipe_for(
        network.arch,
        sample_rate=network.sample_rate,
        segment_s=network.segment,
        hop_length=network.hop_length,
        n_mels=network.n_mels,
    )
    preset = LOGMEL_FIT if recipe.anywhere else COURSE_FIT
    parts = parse_parts(data.part or ())
    name = folder.resolve().name
    return TrainingConfig(
        recipe=recipe,
        fit=replace(
            preset,
            optimizer=training.optimizer,
            epochs=training.epochs or preset.epochs,
            patience=training.patience or preset.patience,
            batch_size=training.batch_size or preset.batch_size,
            learning_rate=training.learning_rate or preset.learning_rate,
            seed=training.seed,
            augment=preset.augment and replace(preset.augment, roll=training.roll),
        ),
        grouping=Grouping(data.group_by, data.group_block),
        folds=training.folds,
        networks=training.networks,
        keep_apart=data.keep_apart,
        threshold=model_file.threshold,
        bits=int(model_file.bits),
        name=model_file.name or model_file.output.stem,
        task=model_file.task,
        sound_type=model_file.sound_type,
        data=DataStatement(
            name=model_file.data_name or name,
            licence=model_file.data_licence,
            folder=None if parts else name,
            parts=parts,
        ),
        command=shlex.join(["audiocnn", *sys.argv[1:]]),
        cache=training.cache or user_cache_path("audiocnn"),
    )
