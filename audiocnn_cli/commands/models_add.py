"""`audiocnn models add`: the user's own models, and contracts for models from elsewhere."""

import shlex
import sys
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from audiocnn_cli.commands import feature_options as features
from audiocnn_cli.commands import options
from audiocnn_cli.commands.groups import option_group
from audiocnn_cli.commands.options import option
from audiocnn_cli.errors import UsageError
from audiocnn_cli.models.signature import Activation, Layout
from audiocnn_cli.output.results import write_result

if TYPE_CHECKING:
    from audiocnn_cli.models.description import Description

# No network of segments takes more at once.
_LONGEST_SEGMENT_S = 3600.0
EXAMPLES = (
    "add my-model.onnx",
    "add net.onnx --labels labels.txt --sr 16000 --feature logmel --n-mels 64",
    "add yamnet.onnx --labels class_map.csv --sr 16000 --feature waveform --multi-label",
    "add birds.onnx --labels birds.txt --sr 48000 --feature mel -o birds-audiocnn.onnx",
)


class SoundType(StrEnum):
    """The types of sound that the gate distinguishes."""

    MUSIC = "music"
    SPEECH = "speech"
    ENVIRONMENT = "environment"


@option_group
class ModelOptions:
    """What an ONNX file without a contract does not state itself."""

    heading: ClassVar[str] = "Model"
    labels: Annotated[
        str | None,
        option(
            "Its labels: a text file with one a line, or a CSV with a column of them.",
            metavar="FILE[:COLUMN]",
        ),
    ] = None
    name: Annotated[str | None, option("Its name.", default="that of the file", metavar="NAME")] = None
    activation: Annotated[
        Activation | None,
        option(
            "Function that turns its output into probabilities.",
            default="none after Softmax or Sigmoid, else softmax",
        ),
    ] = None
    multi_label: Annotated[bool, option("Its labels are independent of each other.", "--multi-label")] = False
    segment: Annotated[
        float | None,
        option(
            "Length of its segments.", default="what its input requires, or 3", min=0.001, metavar="SECONDS"
        ),
    ] = None
    normalize: Annotated[
        str | None,
        option(
            "Subtract MEAN from the features and divide by STD; one a bin in FILE.", metavar="MEAN,STD|FILE"
        ),
    ] = None
    layout: Annotated[
        Layout | None,
        option(
            "Order of the axes of its input, e.g. NxTxF or Nx1xFxT.",
            default="the one that fits",
            metavar="AXES",
        ),
    ] = None
    output_name: Annotated[
        str | None,
        option("Output with a number for each label.", default="the one that fits", metavar="OUTPUT"),
    ] = None
    embedding: Annotated[str | None, option("Output that holds an embedding.", metavar="OUTPUT")] = None
    lengths: Annotated[
        str | None,
        option(
            "Input that takes the number of frames.",
            default="a second input of whole numbers",
            metavar="INPUT",
        ),
    ] = None
    threshold: Annotated[
        float | None,
        option(
            "Give no label below this probability.",
            default="0.5 with --multi-label, else 0",
            min=0.0,
            max=1.0,
            metavar="P",
        ),
    ] = None
    sound_type: Annotated[SoundType | None, option("Type of sound that its labels apply to.")] = None
    task: Annotated[str | None, option("What it recognises, for its card.", metavar="TEXT")] = None


@option_group
class FeatureSettings(features.Computed, features.Frames, features.SpectrumOptions):
    """The settings of its features; those left out have the defaults of `audiocnn features`."""

    heading: ClassVar[str] = "Features"
    config: features.Config = None


@option_group
class AddOutput(options.ReportOnStdout):
    """Where the model is written, and the format of the report."""

    output: Annotated[
        Path | None,
        option(
            "Write the model to FILE.onnx.", "--output", "-o", default="your own models", metavar="FILE.onnx"
        ),
    ] = None


def add(
    file: Annotated[Path, typer.Argument(metavar="FILE.onnx", help="The model to add.")],
    *,
    model: ModelOptions,
    settings: FeatureSettings,
    report: AddOutput,
    logging: options.Logging,
) -> None:
    """Add a model that every command then takes by its name.

    A file from `audiocnn train` has a contract with its labels and features. A model from elsewhere gets one
    from --labels and the options of its features: they must be those that it was trained with. The contract
    is checked and its golden example run before the model is added, with a card (.md) beside it.
    """
    logging.set_up()
    destination = report.destination(logging)
    description = _description(model, settings)
    from audiocnn_cli.models.user_models import add_model
    from audiocnn_cli.output.views.models import AddedView

    added = add_model(file, description, output=report.output, force=report.force)
    write_result(added, AddedView(), destination)


def _description(model: ModelOptions, settings: FeatureSettings) -> "Description | None":
    """What the options state about a model; None for one that has a contract.

    Raises:
        UsageError: options for a model without a contract, and no labels; or settings that no model has.
    """
    if model.labels is None:
        if vars(model) != vars(ModelOptions()) or vars(settings) != vars(FeatureSettings()):
            raise UsageError(
                "these options describe a model without a contract: add --labels FILE, or leave them out"
            )
        return None
    for name, most in (("segment", _LONGEST_SEGMENT_S), ("threshold", 1.0)):
        value = getattr(model, name)
        if value is not None and not value <= most:  # the minimum of an option lets NaN pass
            raise UsageError(f"`{name}` must be at most {most:g}, not {value:g}")
    from audiocnn_cli.features.settings import merged_plan
    from audiocnn_cli.models.contract import NOT_STATED
    from audiocnn_cli.models.description import Description, Normalization, read_labels, read_normalization

    given = asdict(settings)
    config, no_top_db = given.pop("config"), given.pop("no_top_db")
    plan = merged_plan(given, config, no_top_db=no_top_db)
    if len(plan.configs) > 1 or plan.summary or plan.segmentation or plan.keep_channels:
        raise UsageError(
            "a model takes one feature of mono segments: leave out several features, and summaries, segments"
            " and channels in --config"
        )
    return Description(
        labels=read_labels(model.labels),
        features=plan.config,
        name=model.name,
        task=NOT_STATED if model.task is None else model.task,
        segment_s=model.segment,
        layout=model.layout,
        output=model.output_name,
        embedding=model.embedding,
        lengths=model.lengths,
        activation=model.activation,
        multi_label=model.multi_label,
        normalization=(Normalization() if model.normalize is None else read_normalization(model.normalize)),
        sound_type=model.sound_type,
        threshold=model.threshold,
        command=shlex.join(["audiocnn", *sys.argv[1:]]),
    )
