"""The options that every command has, defined once."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

import typer

from audiocnn_cli import __version__
from audiocnn_cli.datasets import PartitionBy
from audiocnn_cli.output.destination import Destination, choose_destination
from audiocnn_cli.output.formats import Format
from audiocnn_cli.output.terminal.console import set_up_logging


def _print_version(requested: bool) -> None:
    if requested:
        typer.echo(f"audiocnn {__version__}")
        raise typer.Exit


def format_option(formats: Sequence[Format], *, show_default: str) -> Any:
    """The option `--format` with these choices.

    Not an enum of them, which would be one more list of formats, nor Click's Choice, since Typer brings a
    Click of its own.
    """

    def parse(value: str) -> Format:
        if value not in formats:
            raise typer.BadParameter(f"{value!r} is not one of {', '.join(formats)}")
        return Format(value)

    return typer.Option(
        "--format",
        metavar=f"<{'|'.join(formats)}>",
        help="Of the files.",
        show_default=show_default,
        parser=parse,
        autocompletion=lambda incomplete: [f for f in formats if f.startswith(incomplete)],
    )


Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Jsonl = Annotated[
    bool, typer.Option("--jsonl", help="Print one JSON object a line, each as soon as it is ready.")
]
Csv = Annotated[bool, typer.Option("--csv", help="Print rows of comma-separated values.")]
Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="FILE", help="Write to FILE, in the format of its extension."),
]
FileOrFolder = Annotated[
    str | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE|FOLDER/",
        help="One file for all, in the format of its extension, or a file for each input in FOLDER/.",
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Replace files that exist.")]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="Print no table or picture, and only errors on stderr.")
]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Print more on stderr.")]
Version = Annotated[
    bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_print_version)
]
Jobs = Annotated[
    int | None,
    typer.Option("--jobs", "-j", min=1, help="Files processed at once.", show_default="one a core"),
]
Paths = Annotated[
    list[str],
    typer.Argument(
        metavar="PATHS", help="Files, folders, glob patterns, '-' or @list.txt (one path a line)."
    ),
]
Inputs = Annotated[
    list[str] | None,
    typer.Argument(metavar="PATHS...", help="Files, folders, glob patterns, URLs, '-' or @list.txt."),
]
Timeout = Annotated[
    float | None,
    typer.Option(
        min=0.001,
        metavar="SECONDS",
        help="Stop a file that takes longer; it is a failure.",
        show_default="none",
    ),
]
Journal = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="SQLite file that records what is done, for --resume.",
        show_default="in FOLDER/ with -o FOLDER/",
    ),
]
JournalFile = Annotated[
    Path | None,
    typer.Option("--journal", metavar="FILE", help="SQLite file that records what is done, for --resume."),
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Process only inputs that the journal lacks or that have changed.")
]
Checksum = Annotated[
    bool, typer.Option("--checksum", help="With --resume: compare the bytes of files, not size and time.")
]
Failures = Annotated[
    Path | None, typer.Option(metavar="FILE.jsonl", help="Write a line for each failure, as it happens.")
]
RetryFailures = Annotated[
    Path | None,
    typer.Option(metavar="FILE.jsonl", help="Process the inputs listed in a file that --failures wrote."),
]
ShardOf = Annotated[
    str | None,
    typer.Option(
        "--shard", metavar="I/N", help="Process part I of N of the inputs (array jobs); see `audiocnn merge`."
    ),
]
LogJson = Annotated[bool, typer.Option("--log-json", help="Write each event on stderr as a JSON object.")]
Cluster = Annotated[
    str | None,
    typer.Option(
        metavar="tcp://HOST:PORT", help="Use the workers of this Dask scheduler.", show_default="this machine"
    ),
]
PartitionOf = Annotated[
    PartitionBy | None, typer.Option("--partition-by", help="Partition a Parquet data set into folders.")
]
PartFiles = Annotated[
    int | None,
    typer.Option(
        min=1, metavar="N", help="Largest number of recordings in a part of a data set.", show_default="1000"
    ),
]


@dataclass(frozen=True, kw_only=True)
class Logging:
    """What is written to stderr, and the version."""

    heading: ClassVar[str] = "Logging"
    quiet: Quiet = False
    verbose: Verbose = False
    version: Version = False

    def set_up(self) -> None:
        """Configure the log on stderr."""
        set_up_logging(quiet=self.quiet, verbose=self.verbose)


@dataclass(frozen=True, kw_only=True)
class BatchLogging(Logging):
    """As `Logging`, with events as JSON."""

    log_json: LogJson = False

    def set_up(self) -> None:
        """Configure the log on stderr."""
        set_up_logging(quiet=self.quiet, verbose=self.verbose, as_json=self.log_json)


@dataclass(frozen=True, kw_only=True)
class Report:
    """Where a command without tensors or labels writes, and in which format."""

    heading: ClassVar[str] = "Output"
    json: Json = False
    jsonl: Jsonl = False
    csv: Csv = False
    output: Output = None
    force: Force = False

    def destination(self) -> Destination:
        """The destination that the options mean.

        Raises:
            UsageError: two formats at once, or a file name whose ending names none.
            OutputError: the file can't be written.
        """
        return choose_destination(
            json=self.json, jsonl=self.jsonl, csv=self.csv, output=self.output, force=self.force
        )


@dataclass(frozen=True, kw_only=True)
class ManyFiles:
    """Batches: workers, the journal, failures, parts of an array job, a cluster."""

    heading: ClassVar[str] = "Many files"
    jobs: Jobs = None
    timeout: Timeout = None
    journal: Journal = None
    resume: Resume = False
    checksum: Checksum = False
    failures: Failures = None
    retry_failures: RetryFailures = None
    shard: ShardOf = None
    cluster: Cluster = None
