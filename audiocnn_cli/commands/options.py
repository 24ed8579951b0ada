"""The options that every command has, defined once."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, ClassVar

import typer

from audiocnn_cli import __version__
from audiocnn_cli.commands.groups import option_group
from audiocnn_cli.datasets import PartitionBy
from audiocnn_cli.output.destination import Destination, choose_destination
from audiocnn_cli.output.formats import Format
from audiocnn_cli.output.terminal.console import set_up_logging


def _print_version(requested: bool) -> None:
    if requested:
        typer.echo(f"audiocnn {__version__}")
        raise typer.Exit


def option(help: str, *flags: str, default: str | bool = True, **more: Any) -> Any:
    """An option; `default` describes a default that depends on other options."""
    return typer.Option(*flags, help=help, show_default=default, **more)


def completes(*names: str) -> Callable[[str], list[str]]:
    """A completion of names that are separated by commas."""

    def complete(incomplete: str) -> list[str]:
        done, comma, last = incomplete.rpartition(",")
        return [done + comma + name for name in names if name.startswith(last)]

    return complete


def complete_name(incomplete: str) -> Iterator[str]:
    """Names of models that begin with `incomplete`."""
    from audiocnn_cli.models.registry import bundled_models, own_models

    return (model.name for model in bundled_models() + own_models() if model.name.startswith(incomplete))


def complete_model(incomplete: str) -> Iterator[str]:
    """Names of models, and .onnx files and folders that begin with `incomplete`."""
    yield from complete_name(incomplete)
    folder, slash, start = incomplete.rpartition("/")
    for path in sorted(Path(folder + slash or ".").glob("*")):
        fits = path.name.startswith(start) and not path.name.startswith(".")
        if fits and (path.suffix == ".onnx" or path.is_dir()):
            yield f"{folder}{slash}{path.name}{'/' if path.is_dir() else ''}"


def format_option(formats: Sequence[Format], *, show_default: str) -> Any:
    """The option `--format` with these choices.

    Not an enum of them, which would be one more list of formats, nor Click's Choice, since Typer brings a
    Click of its own.
    """

    def parse(value: str) -> Format:
        if value not in formats:
            raise typer.BadParameter(f"{value!r} is not one of {', '.join(formats)}")
        return Format(value)

    return option(
        "Of the files.",
        "--format",
        default=show_default,
        metavar=f"<{'|'.join(formats)}>",
        parser=parse,
        autocompletion=lambda incomplete: [f for f in formats if f.startswith(incomplete)],
    )


Json = Annotated[bool, option("Print one JSON document.", "--json")]
Jsonl = Annotated[bool, option("Print one JSON object a line, each as soon as it is ready.", "--jsonl")]
Csv = Annotated[bool, option("Print rows of comma-separated values.", "--csv")]
Output = Annotated[
    Path | None, option("Write to FILE, in the format of its extension.", "--output", "-o", metavar="FILE")
]
FileOrFolder = Annotated[
    str | None,
    option(
        "One file for all, in the format of its extension, or a file for each input in FOLDER/.",
        "--output",
        "-o",
        metavar="FILE|FOLDER/",
    ),
]
Force = Annotated[bool, option("Replace files that exist.", "--force")]
Quiet = Annotated[bool, option("Print no table or picture, and only errors on stderr.", "--quiet", "-q")]
Verbose = Annotated[bool, option("Print more: columns, and notes on stderr.", "--verbose", "-v")]
Version = Annotated[bool, option("Print the version.", "--version", is_eager=True, callback=_print_version)]
Jobs = Annotated[int | None, option("Files processed at once.", "--jobs", "-j", default="one a core", min=1)]
Inputs = Annotated[
    list[str] | None,
    typer.Argument(metavar="PATHS...", help="Files, folders, glob patterns, URLs, '-' or @list.txt."),
]
Timeout = Annotated[
    float | None,
    option("Stop a file that takes longer; it is a failure.", default="none", min=0.001, metavar="SECONDS"),
]
Journal = Annotated[
    Path | None,
    option(
        "SQLite file that records what is done, for --resume.",
        default="in FOLDER/ with -o FOLDER/",
        metavar="FILE",
    ),
]
JournalFile = Annotated[
    Path | None, option("SQLite file that records what is done, for --resume.", "--journal", metavar="FILE")
]
Resume = Annotated[
    bool, option("Process only inputs that the journal lacks or that have changed.", "--resume")
]
Checksum = Annotated[
    bool, option("With --resume: compare the bytes of files, not size and time.", "--checksum")
]
Failures = Annotated[
    Path | None, option("Write a line for each failure, as it happens.", metavar="FILE.jsonl")
]
RetryFailures = Annotated[
    Path | None, option("Process the inputs listed in a file that --failures wrote.", metavar="FILE.jsonl")
]
ShardOf = Annotated[
    str | None,
    option("Process part I of N of the inputs (array jobs); see `audiocnn merge`.", "--shard", metavar="I/N"),
]
LogJson = Annotated[bool, option("Write each event on stderr as a JSON object.", "--log-json")]
Cluster = Annotated[
    str | None,
    option("Use the workers of this Dask scheduler.", default="this machine", metavar="tcp://HOST:PORT"),
]
PartitionOf = Annotated[
    PartitionBy | None, option("Partition a Parquet data set into folders.", "--partition-by")
]
PartFiles = Annotated[
    int | None,
    option("Largest number of recordings in a part of a data set.", default="1000", min=1, metavar="N"),
]


@option_group
class Logging:
    """What is written to stderr, and the version."""

    heading: ClassVar[str] = "Logging"
    quiet: Quiet = False
    verbose: Verbose = False
    version: Version = False

    def set_up(self) -> None:
        """Configure the log on stderr."""
        set_up_logging(quiet=self.quiet, verbose=self.verbose)


@option_group
class BatchLogging(Logging):
    """As `Logging`, with events as JSON."""

    log_json: LogJson = False

    def set_up(self) -> None:
        """Configure the log on stderr."""
        set_up_logging(quiet=self.quiet, verbose=self.verbose, as_json=self.log_json)


@option_group
class ReportOnStdout:
    """The format of the report of a command that has no file for it."""

    heading: ClassVar[str] = "Output"
    json: Json = False
    jsonl: Jsonl = False
    csv: Csv = False
    force: Force = False

    def destination(self, logging: Logging, **more: Any) -> Destination:
        """The destination that the options mean; `more` is passed to `choose_destination`.

        Raises:
            UsageError: two formats at once, or a file name whose ending names none.
            OutputError: the file can't be written.
        """
        chosen = choose_destination(
            **{"output": None, **more}, json=self.json, jsonl=self.jsonl, csv=self.csv, force=self.force
        )
        return replace(chosen, quiet=logging.quiet, verbose=logging.verbose)


@option_group
class Report(ReportOnStdout):
    """Where a command without tensors or labels writes, and in which format."""

    output: Output = None

    def destination(self, logging: Logging, **more: Any) -> Destination:
        """As `ReportOnStdout.destination`, with the file."""
        return super().destination(logging, output=self.output, **more)


@option_group
class WholeBatch:
    """Batches without shards: workers, the journal, failures, a cluster."""

    heading: ClassVar[str] = "Many files"
    jobs: Jobs = None
    timeout: Timeout = None
    journal: JournalFile = None
    resume: Resume = False
    checksum: Checksum = False
    failures: Failures = None
    cluster: Cluster = None


@option_group
class ManyFiles(WholeBatch):
    """As `WholeBatch`, with the failures of another run, and parts of an array job."""

    journal: Journal = None
    retry_failures: RetryFailures = None
    shard: ShardOf = None
