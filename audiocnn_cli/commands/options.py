"""The options that every command has, defined once."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import typer

from audiocnn_cli import __version__
from audiocnn_cli.datasets import PartitionBy
from audiocnn_cli.output.destination import Destination, choose_destination
from audiocnn_cli.output.terminal.console import set_up_logging


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"audiocnn {__version__}")
        raise typer.Exit


Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Jsonl = Annotated[
    bool, typer.Option("--jsonl", help="Print one JSON object a line, as each is known.")
]
Csv = Annotated[bool, typer.Option("--csv", help="Print rows of comma-separated values.")]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", metavar="FILE", help="Write to FILE; its ending says the format."
    ),
]
FileOrFolder = Annotated[
    str | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE|FOLDER/",
        help="One file for all, its format from the ending, or one each in FOLDER/.",
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Replace files that exist.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Only results and errors.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Say more on the way.")]
Version = Annotated[
    bool,
    typer.Option("--version", help="Print the version.", is_eager=True, callback=_print_version),
]
Jobs = Annotated[
    int | None,
    typer.Option("--jobs", "-j", min=1, help="Files worked on at once.", show_default="one a core"),
]
Paths = Annotated[
    list[str],
    typer.Argument(metavar="PATHS", help="Files, folders, glob patterns, '-' or @list.txt."),
]
Inputs = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="PATHS...", help="Files, folders, glob patterns, URLs, '-' or @list.txt."
    ),
]
Timeout = Annotated[
    float | None,
    typer.Option(
        min=0.001,
        metavar="SECONDS",
        help="Give up on a file that takes longer.",
        show_default="none",
    ),
]
Journal = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Note what is done in FILE, to --resume.",
        show_default="in FOLDER/ with -o FOLDER/",
    ),
]
JournalFile = Annotated[
    Path | None,
    typer.Option("--journal", metavar="FILE", help="Note what is done in FILE, to --resume."),
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Do only what the journal has not, or what has changed.")
]
Checksum = Annotated[
    bool,
    typer.Option("--checksum", help="A file has changed if its bytes have, not its size or time."),
]
Failures = Annotated[
    Path | None,
    typer.Option(metavar="FILE.jsonl", help="Write down what has failed, as it happens."),
]
RetryFailures = Annotated[
    Path | None,
    typer.Option(metavar="FILE.jsonl", help="Take the inputs from what --failures wrote."),
]
ShardOf = Annotated[
    str | None,
    typer.Option(
        "--shard", metavar="I/N", help="Only part I of N: for array jobs; see audiocnn merge."
    ),
]
LogJson = Annotated[
    bool, typer.Option("--log-json", help="On stderr a JSON object for each event.")
]
Cluster = Annotated[
    str | None,
    typer.Option(
        metavar="tcp://HOST:PORT",
        help="Let the workers of this Dask scheduler do it.",
        show_default="this machine",
    ),
]
PartitionOf = Annotated[
    PartitionBy | None,
    typer.Option("--partition-by", help="Divide a Parquet data set into folders by this."),
]
PartFiles = Annotated[
    int | None,
    typer.Option(
        min=1, metavar="N", help="Recordings a part of a data set, at most.", show_default="1000"
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
