"""The options that every command has, defined once."""

from pathlib import Path
from typing import Annotated

import typer

from audiocnn_cli import __version__


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
