"""What a person reads: names made safe, Rich consoles, and the log on stderr."""

import json
import logging
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING, Any

import typer

from audiocnn_cli.parameters import with_flags

if TYPE_CHECKING:
    from rich.console import Console

    from audiocnn_cli.batch.outcome import Failure

log = logging.getLogger("audiocnn")

# A table piped into a file or a pager is as wide as its content; a terminal is as wide as it is.
_PIPED_WIDTH = 120

# Carriage return, and erase to the end of the line (ECMA-48).
_START_OF_LINE = "\r\x1b[K"
_status = [""]


def display(text: str) -> str:
    """`text` for a terminal: control characters and undecodable bytes become visible escapes."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def console(stream: IO[str] | None = None) -> "Console":
    """A Rich console on `stream` (default stdout) that takes text as it is: no markup, no emoji codes."""
    from rich.console import Console

    stream = stream or sys.stdout
    width = None if stream.isatty() or os.environ.get("COLUMNS") else _PIPED_WIDTH
    return Console(file=stream, markup=False, emoji=False, highlight=False, width=width)


def print_error(message: str) -> None:
    """One line on stderr that starts with `error:`; parameters in `message` are printed as flags."""
    message = with_flags(message)
    if logs_json():
        emit_event({"event": "error", "message": message})
        return
    with _over_status():
        typer.secho("error: ", fg=typer.colors.RED, bold=True, nl=False, err=True)
        typer.echo(display(message), err=True)


def print_failure(failure: "Failure") -> None:
    """One line on stderr of an input that has failed; among JSON events it is one already."""
    if not logs_json():
        print_error(f"{failure.path}: {failure.message}")


def show_status(line: str) -> None:
    """Keep one line of text under all others on the terminal that stderr is; "" takes it away."""
    width = shutil.get_terminal_size().columns - 1
    _status[:] = [line[:width]]
    sys.stderr.write(f"{_START_OF_LINE}{_status[0]}")
    sys.stderr.flush()


def logs_json() -> bool:
    """Whether stderr is for programs: a JSON object a line."""
    return isinstance(next(iter(log.handlers), None), _JsonHandler)


def emit_event(event: dict[str, Any]) -> None:
    """Write one event to stderr, with the time of day."""
    now = datetime.now(tz=UTC).isoformat(timespec="milliseconds")
    typer.echo(json.dumps({"time": now, **event}), err=True)


@contextmanager
def _over_status() -> Iterator[None]:
    """Other lines are written over the status, and it comes back under them."""
    line = _status[0]
    if line:
        show_status("")
    yield
    if line:
        show_status(line)


class _Handler(logging.Handler):
    """Log records as lines on stderr: `warning: ...`, with colour on a terminal."""

    def emit(self, record: logging.LogRecord) -> None:
        with _over_status():
            if record.levelno >= logging.WARNING:
                typer.secho("warning: ", fg=typer.colors.YELLOW, nl=False, err=True)
            typer.echo(display(with_flags(record.getMessage())), err=True)
            if record.exc_info:
                typer.echo(logging.Formatter().formatException(record.exc_info), err=True)


class _JsonHandler(logging.Handler):
    """Log records as JSON events."""

    def emit(self, record: logging.LogRecord) -> None:
        level = record.levelname.lower()
        emit_event({"event": "log", "level": level, "message": with_flags(record.getMessage())})


def set_up_logging(*, quiet: bool, verbose: bool, as_json: bool = False) -> None:
    """Send the project's log to stderr: notes and warnings, `quiet` only errors, `verbose` all."""
    log.handlers[:] = [_JsonHandler() if as_json else _Handler()]
    log.propagate = False
    log.setLevel(logging.ERROR if quiet else logging.DEBUG if verbose else logging.INFO)
