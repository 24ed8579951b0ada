"""`audiocnn train`: train a model on a folder of recordings."""

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import typer

from audiocnn_cli.commands import options
from audiocnn_cli.commands.groups import option_group
from audiocnn_cli.commands.options import option
from audiocnn_cli.training.recipes import ARCHITECTURES, Optimizer

EXAMPLES = """\b
Examples:
  audiocnn train recordings/ -o my-model.onnx
  audiocnn train words/ --backbone speech --group-by '/(\\w+)_' -o words.onnx
  audiocnn train machines/ --targets wear.csv -o wear.onnx
  audiocnn train birds/ --arch logmel-cnn --group-by '([A-Z]+)_' --folds 5 -o birds.onnx
  audiocnn train genres/ --arch cnn --group-by '(\\d+)' --group-block 5 -o genre.onnx
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
class Head:
    """The pre-trained network that a head is fitted on, and how it is fitted."""

    heading: ClassVar[str] = "Head"
    backbone: Annotated[
        str | None,
        option(
            "Pre-trained network: music, sound, speech, or another model that has an embedding.",
            default="the one with the highest cross-validated accuracy",
            metavar="NAME|FILE",
            autocompletion=options.complete_model,
        ),
    ] = None
    targets: Annotated[
        Path | None,
        option(
            "CSV file with a value for each recording (path,value): fits a regressor.", metavar="FILE.csv"
        ),
    ] = None


@option_group
class Training:
    """What trainings of heads and of networks have in common."""

    heading: ClassVar[str] = "Training"
    folds: Annotated[
        int | None,
        option(
            "Cross-validate with K folds.",
            default="5, fewer where a class has fewer groups; with --arch one held-out split",
            min=2,
            metavar="K",
        ),
    ] = None
    seed: Annotated[int, option("The same seed gives the same model.", min=0)] = 0
    cache: Annotated[
        Path | None,
        option(
            "Folder for embeddings, features and checkpoints.",
            default="the user's cache folder",
            metavar="FOLDER",
        ),
    ] = None


@option_group
class Network:
    """A network that is trained from scratch: the architecture, its input and its hyperparameters."""

    heading: ClassVar[str] = "Network, with --arch (needs the [train] extra)"
    arch: Annotated[
        str | None,
        option(
            "Train a network instead of a head: logmel-cnn, or the course networks cnn, mlp and lstm.",
            metavar="NAME",
            autocompletion=options.completes(*ARCHITECTURES),
        ),
    ] = None
    sample_rate: Annotated[
        int | None,
        option("Sample rate in Hz.", "--sample-rate", "--sr", default="22050", min=1, metavar="HZ"),
    ] = None
    segment: Annotated[float | None, option("Length of a segment.", default="3", metavar="SECONDS")] = None
    hop_length: Annotated[int | None, _count("Samples between frames.", "--hop-length", "--hop")] = None
    n_mels: Annotated[int | None, _count("Number of mel bands.")] = None
    epochs: Annotated[int | None, _count("Number of epochs.")] = None
    networks: Annotated[
        int | None, option("Networks a fold; the member is their mean.", default="1", min=1, metavar="N")
    ] = None
    patience: Annotated[int | None, _count("Stop after so many epochs without a lower validation loss.")] = (
        None
    )
    learning_rate: Annotated[
        float | None, option("Learning rate.", "--learning-rate", "--lr", default="that of the network")
    ] = None
    batch_size: Annotated[int | None, _count("Segments in a batch.")] = None
    optimizer: Annotated[Optimizer | None, option("The optimizer.", default="adam")] = None
    roll: Annotated[
        bool | None,
        option(
            "Shift segments circularly in time; not where order is the label, as in words.",
            "--roll/--no-roll",
            default="roll",
        ),
    ] = None
    plot: Annotated[
        Path | None, option("Plot the learning curve (needs the [plot] extra).", metavar="FILE.png|svg")
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
        option(
            "Abstain below this probability.",
            default="0.5, where a label is more often right than wrong",
            min=0,
            max=1,
        ),
    ] = None
    bits: Annotated[
        Literal["32", "16", "8"] | None,
        option("Bits of a stored weight.", default="16 for a head, 32 for a network"),
    ] = None
    sound_type: Annotated[
        Literal["music", "speech", "environment"] | None,
        option("Type of sound that the labels are for; classify's gate rejects others."),
    ] = None
    data_name: Annotated[str | None, option("Name of the data.", default="that of the folder")] = None
    data_licence: Annotated[str, option("Licence of the recordings.")] = "not stated"


@option_group
class Output:
    """The report on stdout."""

    heading: ClassVar[str] = "Output"
    json: options.Json = False
    force: options.Force = False


def train(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Has one sub-folder of recordings a class.")
    ],
    *,
    data: Data,
    head: Head,
    training: Training,
    network: Network,
    model_file: ModelFile,
    report: Output,
    logging: options.Logging,
) -> None:
    """Train a model on your own recordings, in seconds.

    A head (one dense layer) is fitted on the embedding of a pre-trained network; three clips a class are
    enough to begin with. It is cross-validated: the split never divides the segments of one clip or the clips
    of one group. The model file contains its features, calibrated probabilities and measured figures; a card
    is written beside it. With --arch a network is trained from scratch. Embeddings and features are computed
    once, and an interrupted training continues when the same command is run again.
    """
    logging.set_up()
    from audiocnn_cli.commands.train_run import run_training

    run_training(folder, data, head, training, network, model_file, report, quiet=logging.quiet)
