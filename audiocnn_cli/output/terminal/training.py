"""The progress of a training: a bar on a terminal, else one log line an epoch."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from audiocnn_cli.output.terminal.console import console, log, logs_json, show_status
from audiocnn_cli.output.terminal.progress import duration

if TYPE_CHECKING:  # imports PyTorch
    from audiocnn_cli.training.fit import Epoch

_STATUS_EVERY_S, _LOG_EVERY_S = 0.1, 30.0


class HeadProgress:
    """Lines of what the training of a head does, and how many clips are embedded."""

    def __init__(self, *, on_terminal: bool) -> None:
        self._on_terminal = on_terminal
        self._started = self._shown = time.monotonic()

    def embedded(self, done: int, total: int) -> None:
        """Show it on the status line of a terminal, or in a log line every 30 s."""
        now = time.monotonic()
        every = _STATUS_EVERY_S if self._on_terminal else _LOG_EVERY_S
        if done == total:
            self.clear()
            log.info("embedded %d clips", total)
        elif now - self._shown >= every:
            self._shown = now
            left = duration((now - self._started) / done * (total - done))
            line = f"embedding {done}/{total} clips, {left} left"
            if self._on_terminal:
                show_status(line)
            else:
                log.info("%s", line)

    def stage(self, text: str) -> None:
        """A line of its own."""
        log.info("%s", text)

    def clear(self) -> None:
        """Remove the status line."""
        if self._on_terminal:
            show_status("")


@contextmanager
def show_head(*, quiet: bool) -> Iterator[HeadProgress]:
    """Yield what takes the progress of the training of a head."""
    progress = HeadProgress(on_terminal=sys.stderr.isatty() and not quiet and not logs_json())
    try:
        yield progress
    finally:
        progress.clear()


@contextmanager
def show_epochs(*, epochs: int, networks: int, quiet: bool) -> Iterator[Callable[[int, "Epoch"], None]]:
    """Yield the function to call after each epoch with the index of the network and the epoch."""
    started, total = time.monotonic(), epochs * networks
    first: list[int] = []  # an interrupted training continues with a later epoch

    def describe(number: int, epoch: "Epoch") -> str:
        done = number * epochs + epoch.number
        first[:] = first or [done - 1]
        left = (time.monotonic() - started) / (done - first[0]) * (total - done)
        return f"{_line(number, networks, epoch, epochs)}  {duration(left)} left"

    if quiet or not sys.stderr.isatty():
        yield lambda number, epoch: log.info("%s", describe(number, epoch))
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console(sys.stderr)) as progress:
        task = progress.add_task("training", total=total)

        def advance(number: int, epoch: "Epoch") -> None:
            done, line = number * epochs + epoch.number, describe(number, epoch)
            progress.update(task, completed=done, description=line)

        yield advance


def _line(number: int, networks: int, epoch: "Epoch", epochs: int) -> str:
    network = f"network {number + 1}/{networks}  " if networks > 1 else ""
    line = f"{network}epoch {epoch.number:2}/{epochs}"
    line += f"  training loss {epoch.loss:.3f} accuracy {epoch.accuracy:.3f}"
    if (check := epoch.validation) is not None:
        best = "  best so far" if epoch.best else ""
        line += f"  validation loss {check.loss:.3f} accuracy {check.accuracy:.3f}{best}"
    return line
