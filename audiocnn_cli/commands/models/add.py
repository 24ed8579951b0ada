"""`audiocnn models add`: the user's own models, and contracts for models from elsewhere."""

import shlex
import sys
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from audiocnn_cli.commands import feature_options as features
from audiocnn_cli.commands import options
from audiocnn_cli.errors import UsageError
from audiocnn_cli.models.signature import Activation, Layout
from audiocnn_cli.output.destination import Destination, choose_destination
from audiocnn_cli.output.results import write_result

if TYPE_CHECKING:
    from audiocnn_cli.models.description import Description

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


@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """What an ONNX file without a contract does not state itself."""

    heading: ClassVar[str] = "Model"
    labels: Annotated[
        str | None,
        typer.Option(
            metavar="FILE[:COLUMN]",
            help="Its labels: a text file with one a line, or a CSV with a column of them.",
        ),
    ] = None
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Its name.", show_default="that of the file")
    ] = None
    activation: Annotated[
        Activation | None,
        typer.Option(
            help="Function that turns its output into probabilities.",
            show_default="none after Softmax or Sigmoid, else softmax",
        ),
    ] = None
    multi_label: Annotated[
        bool, typer.Option("--multi-label", help="Its labels are independent of each other.")
    ] = False
    segment: Annotated[
        float | None,
        typer.Option(
            min=0.001,
            metavar="SECONDS",
            help="Length of its segments.",
            show_default="what its input requires, or 3",
        ),
    ] = None
    normalize: Annotated[
        str | None,
        typer.Option(
            metavar="MEAN,STD|FILE",
            help="Subtract MEAN from the features and divide by STD; one a bin in FILE.",
        ),
    ] = None
    layout: Annotated[
        Layout | None,
        typer.Option(
            metavar="AXES",
            help="Order of the axes of its input, e.g. NxTxF or Nx1xFxT.",
            show_default="the one that fits",
        ),
    ] = None
    output_name: Annotated[
        str | None,
        typer.Option(
            metavar="OUTPUT", help="Output with a number for each label.", show_default="the one that fits"
        ),
    ] = None
    embedding: Annotated[
        str | None, typer.Option(metavar="OUTPUT", help="Output that holds an embedding.")
    ] = None
    lengths: Annotated[
        str | None,
        typer.Option(
            metavar="INPUT",
            help="Input that takes the number of frames.",
            show_default="a second input of whole numbers",
        ),
    ] = None
    threshold: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            max=1.0,
            metavar="P",
            help="Give no label below this probability.",
            show_default="0.5 with --multi-label, else 0",
        ),
    ] = None
    sound_type: Annotated[SoundType | None, typer.Option(help="Type of sound that its labels apply to.")] = (
        None
    )
    task: Annotated[str | None, typer.Option(metavar="TEXT", help="What it recognises, for its card.")] = None


@dataclass(frozen=True, kw_only=True)
class FeatureSettings:
    """The settings of its features; those left out have the defaults of `audiocnn features`."""

    heading: ClassVar[str] = "Features"
    feature: features.FeatureNames = None
    sample_rate: features.SampleRate = None
    n_mels: features.NMels = None
    n_mfcc: features.NMfcc = None
    n_fft: features.NFft = None
    hop_length: features.Hop = None
    win_length: features.WinLength = None
    window: features.WindowShape = None
    fmin: features.Fmin = None
    fmax: features.Fmax = None
    htk: features.Htk = None
    mel_norm: features.Norm = None
    power: features.Power = None
    log: features.LogScale = None
    top_db: features.TopDb = None
    no_top_db: features.NoTopDb = False
    dct_norm: features.Dct = None
    lifter: features.Lifter = None
    center: features.Center = None
    pad_mode: features.Padding = None
    frames_exact: features.FramesExact = None
    preemphasis: features.Preemphasis = None
    delta: features.Delta = None
    delta_width: features.DeltaWidth = None
    roll_percent: features.RollPercent = None
    n_chroma: features.NChroma = None
    tuning: features.Tuning = None
    n_bands: features.NBands = None
    like: features.Like = None
    config: features.Config = None


@dataclass(frozen=True, kw_only=True)
class ReportOnStdout:
    """The format of the report of a command whose -o is a model file."""

    heading: ClassVar[str] = "Output"
    json: options.Json = False
    jsonl: options.Jsonl = False
    csv: options.Csv = False
    force: options.Force = False

    def destination(self) -> Destination:
        """The destination that the options mean.

        Raises:
            UsageError: two formats at once.
        """
        return choose_destination(json=self.json, jsonl=self.jsonl, csv=self.csv, output=None, force=False)


@dataclass(frozen=True, kw_only=True)
class AddOutput(ReportOnStdout):
    """Where the model is written, and the format of the report."""

    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE.onnx",
            help="Write the model to FILE.onnx.",
            show_default="your own models",
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
    destination = report.destination()
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
        if model != ModelOptions() or settings != FeatureSettings():
            raise UsageError(
                "these options describe a model without a contract: add --labels FILE, or leave them out"
            )
        return None
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
