"""The options that every command has, defined once."""

from pathlib import Path
from typing import Annotated

import typer

from audiocnn_cli import __version__
from audiocnn_cli.datasets.partition import PartitionBy


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
