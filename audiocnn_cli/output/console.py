"""What a person reads: names made safe, Rich consoles, and the log on stderr."""

import logging
import sys
from typing import IO, TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from rich.console import Console

log = logging.getLogger("audiocnn")

# A table piped into a file or a pager is as wide as its content; a terminal is as wide as it is.
_PIPED_WIDTH = 120


def display(text: str) -> str:
    """`text` for a terminal: control characters and undecodable bytes become visible escapes."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def console(stream: IO[str] | None = None) -> "Console":
    """A Rich console on `stream` (default stdout) that takes text as it is: no markup, no emoji codes."""
    import os

    from rich.console import Console

    stream = stream or sys.stdout
    width = None if stream.isatty() or os.environ.get("COLUMNS") else _PIPED_WIDTH
    return Console(file=stream, markup=False, emoji=False, highlight=False, width=width)


def print_error(message: str) -> None:
    """One line on stderr that starts with `error:`."""
    typer.secho("error: ", fg=typer.colors.RED, bold=True, nl=False, err=True)
    typer.echo(display(message), err=True)


class _Handler(logging.Handler):
    """Log records as lines on stderr: `warning: ...`, with colour on a terminal."""

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.WARNING:
            typer.secho("warning: ", fg=typer.colors.YELLOW, nl=False, err=True)
        typer.echo(display(record.getMessage()), err=True)
        if record.exc_info:
            typer.echo(logging.Formatter().formatException(record.exc_info), err=True)


def set_up_logging(*, quiet: bool, verbose: bool) -> None:
    """Send the project's log to stderr: notes and warnings, `quiet` only errors, `verbose` all."""
    log.handlers[:] = [_Handler()]
    log.propagate = False
    log.setLevel(logging.ERROR if quiet else logging.DEBUG if verbose else logging.INFO)
