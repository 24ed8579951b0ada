"""The option groups of `audiocnn classify`."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

from audiocnn_cli.commands import options
from audiocnn_cli.commands.groups import option_group
from audiocnn_cli.commands.options import option
from audiocnn_cli.errors import UsageError
from audiocnn_cli.models.registry import AUTO, find_model
from audiocnn_cli.output.formats import LABEL_FORMATS, Format

if TYPE_CHECKING:
    from audiocnn_cli.classify import ClassifyOptions, Thresholds
    from audiocnn_cli.classify.work import Classification
    from audiocnn_cli.output.labels.destination import LabelOutput


def complete_model(incomplete: str) -> Iterator[str]:
    """As `options.complete_model`, with `auto`."""
    yield from (AUTO,) if AUTO.startswith(incomplete) else ()
    yield from options.complete_model(incomplete)


def complete_provider(incomplete: str) -> list[str]:
    """Short names of the execution providers of this installation that begin with `incomplete`."""
    from audiocnn_cli.models.runtime import providers

    return [p.name for p in providers() if p.available and p.name.startswith(incomplete)]


@option_group
class ModelOptions:
    """The model, and when its labels apply."""

    heading: ClassVar[str] = "Model"
    model: Annotated[
        str | None,
        option(
            "A model's name, an .onnx file, or auto: the model for the type of sound.",
            default=AUTO,
            metavar="NAME|FILE|auto",
            autocompletion=complete_model,
        ),
    ] = None
    top: Annotated[int, option("Candidates to list for each clip.", min=1)] = 3
    threshold: Annotated[
        list[str] | None,
        option(
            "No label below this probability, of all labels or of one; 0 never abstains.",
            default="the model's",
            metavar="P|LABEL=P",
        ),
    ] = None
    gate: Annotated[
        bool | None,
        option(
            "Abstain for other types of sound than the model is for.",
            "--gate/--no-gate",
            default="if the model has a type",
        ),
    ] = None
    ensemble: Annotated[
        str | None, option("Mean of several models with the same labels, not --model.", metavar="A,B,...")
    ] = None
    provider: Annotated[
        str,
        option(
            "Execution provider; see `audiocnn models providers`.",
            metavar="NAME",
            autocompletion=complete_provider,
        ),
    ] = "cpu"

    @property
    def thresholds(self) -> "Thresholds":
        """`0.5` is for all labels, `dog=0.3` for one.

        Raises:
            UsageError: one is no number from 0 to 1, or two are for the same label.
        """
        from audiocnn_cli.classify import Thresholds

        values: dict[str, float] = {}
        for text in self.threshold or []:
            label, _, number = text.rpartition("=")
            try:
                value = float(number)
            except ValueError as error:
                raise UsageError(f"--threshold {text}: give a probability, or LABEL=P") from error
            if label in values:
                raise UsageError(f"--threshold {text}: there is another for {label or 'all labels'}")
            values[label] = value
        return Thresholds(values.pop("", None), tuple(values.items()))

    def task(self, classify: "ClassifyOptions") -> "Classification":
        """The batch task with these models.

        Raises:
            UsageError: options that contradict each other.
            ModelRefusedError: there is no model of that name.
        """
        from audiocnn_cli.classify.work import Classification, ModelChoice, auto_choices

        if self.model is not None and self.ensemble is not None:
            raise UsageError("give either --model or --ensemble")
        auto = self.ensemble is None and self.model in (None, AUTO)
        if auto and self.gate is False:
            raise UsageError(
                "--model auto, the default, selects by the gate: leave out --no-gate or name a model"
            )
        if auto:
            models = auto_choices()
        elif self.ensemble is not None:
            models = tuple(ModelChoice(find_model(name.strip()).path) for name in self.ensemble.split(","))
            if len(models) < 2:
                raise UsageError("--ensemble takes two models or more, separated by commas")
        else:
            models = (ModelChoice(find_model(self.model or AUTO).path),)
        return Classification(
            models=models, gate=self.gate, auto=auto, provider=self.provider, options=classify
        )


@option_group
class EventOptions:
    """Labels within the clip."""

    heading: ClassVar[str] = "Events"
    timeline: Annotated[bool, option("Add the labels and probabilities of each segment.", "--timeline")] = (
        False
    )
    events: Annotated[bool, option("Add the events: neighbouring segments of one label.", "--events")] = False
    overlap: Annotated[
        float | None,
        option("Fraction of a segment that the next repeats.", default="the model's", metavar="FRACTION"),
    ] = None
    smooth: Annotated[float, option("Moving average over the timeline.", metavar="SECONDS")] = 0.0
    min_event: Annotated[float, option("Leave out shorter events.", metavar="SECONDS")] = 0.0


@option_group
class InputOptions:
    """The part of the recording, and streams."""

    heading: ClassVar[str] = "Input"
    offset: Annotated[float | None, option("Start here.", default="0", metavar="SECONDS")] = None
    duration: Annotated[float | None, option("Read this much.", default="all", metavar="SECONDS")] = None
    raw: Annotated[
        str | None,
        option("'-' is raw samples: u8, s16le, s24le, s32le, f32le, f64le, or ...be.", metavar="FORMAT"),
    ] = None
    sample_rate: Annotated[int | None, option("Sample rate of --raw in Hz.", "--sr", "--sample-rate")] = None
    raw_channels: Annotated[int, option("Interleaved channels of --raw.", "--raw-channels", min=1)] = 1
    microphone: Annotated[bool, option("Record from the microphone (needs the [live] extra).", "--mic")] = (
        False
    )


@option_group
class InspectOptions:
    """What is shown beyond the labels."""

    heading: ClassVar[str] = "Inspection"
    trace: Annotated[bool, option("Add every tensor from the file to the label.", "--trace")] = False
    why: Annotated[bool, option("Add the times and frequencies that the label rests on.", "--why")] = False
    report: Annotated[Path | None, option("Write a page with plots and the sound.", metavar="FILE.html")] = (
        None
    )

    @property
    def given(self) -> bool:
        """Whether any of the options is given."""
        return self.trace or self.why or self.report is not None


@option_group
class LabelOptions:
    """Where labels are written, and in which format."""

    heading: ClassVar[str] = "Output"
    json: options.Json = False
    jsonl: options.Jsonl = False
    csv: options.Csv = False
    output: options.FileOrFolder = None
    format: Annotated[
        Format | None, options.format_option(LABEL_FORMATS, show_default="by the suffix; a table")
    ] = None
    partition_by: options.PartitionOf = None
    part_files: options.PartFiles = None
    force: options.Force = False

    def destination(self, many: options.ManyFiles, logging: options.Logging) -> "LabelOutput":
        """The destination that the options choose.

        Raises:
            UsageError: options that contradict each other, or an extension without a format.
            OutputError: the file can't be written.
            MissingExtraError: the format needs a package that is not installed.
        """
        from audiocnn_cli.commands.batch import output_everywhere
        from audiocnn_cli.datasets.dataset import PartOptions
        from audiocnn_cli.output.labels.destination import choose_label_output

        return choose_label_output(
            json=self.json,
            jsonl=self.jsonl,
            csv=self.csv,
            output=output_everywhere(self.output, many.cluster),
            format=self.format,
            parts=PartOptions(partition_by=self.partition_by, part_files=self.part_files),
            force=self.force or many.resume,
            quiet=logging.quiet,
            verbose=logging.verbose,
        )
